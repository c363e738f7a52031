//! What the two parties tell each other after the offer: accept, assignment, testament, delivery, close.

use super::{PeerAddress, Statement};
use crate::encode::{Decode, DecodeError, Encode, Reader, put_bytes};
use crate::encode_struct;
use crate::hash::{BlockHash, Hash32, JobId, Txid, tagged_hash};
use crate::keys::{PublicKey, Signature};
use crate::transaction::{OutPoint, Transaction};
use crate::units::Amount;
use alloc::vec::Vec;

/// The largest sealed private part, in bytes: prompt and ids at their longest, 1.5 MiB, and what is around them.
const MAX_SEALED_PRIVATE: usize = (3 << 19) + 1024;
/// The largest sealed key, in bytes.
const MAX_SEALED_KEY: usize = 256;

/// Seconds that a node gets, on top of the computation, to serve the sealed answer.
pub const CIPHERTEXT_SECONDS: u32 = 30;

/// Step 2: a node binds its stake coin to a job; signed by `node_key`, to which the coin pays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobAccept {
    /// The job.
    pub job_id: JobId,
    /// Where the node is reached.
    pub node_peer: PeerAddress,
    /// The node's key.
    pub node_key: PublicKey,
    /// The coin that it puts at stake: aged, at least the job's stake, in one live accept at a time.
    pub stake_coin: OutPoint,
    /// The block by which its turn was reckoned.
    pub block: BlockHash,
}
encode_struct!(JobAccept { job_id, node_peer, node_key, stake_coin, block });

impl Statement for JobAccept {
    const TAG: &'static str = "camelid/job/accept";
}

/// Step 3: the client takes one accept and sends the private part; signed by the client key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobAssign {
    /// The job.
    pub job_id: JobId,
    /// The hash of the accept's statement.
    pub accept: Hash32,
    /// The private part, sealed to the accept's node key with the Job ID as context.
    pub sealed_private: Vec<u8>,
}

impl Statement for JobAssign {
    const TAG: &'static str = "camelid/job/assign";
}

impl Encode for JobAssign {
    fn encode(&self, out: &mut Vec<u8>) {
        self.job_id.encode(out);
        self.accept.encode(out);
        put_bytes(&self.sealed_private, out);
    }
}

impl Decode for JobAssign {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(JobAssign {
            job_id: Decode::decode(r)?,
            accept: Decode::decode(r)?,
            sealed_private: r.bytes("sealed private part", MAX_SEALED_PRIVATE)?.to_vec(),
        })
    }
}

/// Step 4: the node's statement: the settlement with its terms, signed by the node's input alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Testament {
    /// The job.
    pub job_id: JobId,
    /// The settlement; input 0 is signed.
    pub settlement: Transaction,
    /// How long the node says that it computed, in milliseconds. For display.
    pub generate_ms: u32,
}
encode_struct!(Testament { job_id, settlement, generate_ms });

/// Step 6: the node hands over the key; signed by the node key: the paper's "signed node output".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobDelivery {
    /// The job.
    pub job_id: JobId,
    /// The settlement that pays for it.
    pub settlement: Txid,
    /// The key to the answer, sealed to the job key with job and settlement as context.
    pub sealed_key: Vec<u8>,
}

impl JobDelivery {
    /// What the sealed key is bound to.
    pub fn context(job_id: &JobId, settlement: &Txid) -> Vec<u8> {
        [job_id.as_ref(), settlement.as_ref()].concat()
    }
}

impl Statement for JobDelivery {
    const TAG: &'static str = "camelid/job/delivery";
}

impl Encode for JobDelivery {
    fn encode(&self, out: &mut Vec<u8>) {
        self.job_id.encode(out);
        self.settlement.encode(out);
        put_bytes(&self.sealed_key, out);
    }
}

impl Decode for JobDelivery {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(JobDelivery {
            job_id: Decode::decode(r)?,
            settlement: Decode::decode(r)?,
            sealed_key: r.bytes("sealed key", MAX_SEALED_KEY)?.to_vec(),
        })
    }
}

/// Step 7: the client agrees: the closing transaction and the client's signature for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobClose {
    /// The job.
    pub job_id: JobId,
    /// The closing transaction, unsigned.
    pub close: Transaction,
    /// The client's signature over it.
    pub client_signature: Signature,
}
encode_struct!(JobClose { job_id, close, client_signature });

/// Whose turn a job is (paper 4.2's redundant work, avoided): the place of `own` among the stake coins
/// that could serve it, drawn by job and latest block and weighted by value. 0 is first.
///
/// Each coin draws an exponentially distributed number with its value as the rate; the least comes first, so
/// a coin's chance to be first is its share of the value, and splitting a stake gains nothing.
pub fn turn_order(
    job_id: &JobId,
    block: &BlockHash,
    own: (OutPoint, Amount),
    others: impl IntoIterator<Item = (OutPoint, Amount)>,
) -> usize {
    let draw = |(coin, value): (OutPoint, Amount)| {
        let hash = tagged_hash("camelid/job/turn", &[&job_id.0, &block.0, &coin.to_bytes()]);
        let mut word = [0; 8];
        word.copy_from_slice(&hash.0[..8]);
        ((exponential(u64::from_le_bytes(word)) as u128) << 64) / value.0.max(1) as u128
    };
    let mine = (draw(own), own.0);
    others.into_iter().filter(|o| o.0 != own.0 && (draw(*o), o.0) < mine).count()
}

/// `-log2((uniform + 1) / 2^64)` with 32 fraction bits, the logarithm interpolated between powers of two.
fn exponential(uniform: u64) -> u64 {
    let zeros = uniform.leading_zeros().min(63);
    let fraction = ((uniform << zeros) << 1) >> 32;
    ((zeros as u64 + 1) << 32) - fraction
}
