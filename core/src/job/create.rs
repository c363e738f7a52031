//! `JobCreate`: the public parameters and the coins that will pay, signed with them and with the client key.

use super::{JobError, JobParams};
use crate::block::NetworkParams;
use crate::encode::{Decode, DecodeError, Encode, Reader, put_vec};
use crate::encode_struct;
use crate::hash::{Hash32, JobId, KeyHash, tagged_hash};
use crate::keys::{PublicKey, SecretKey, Signature};
use crate::sorted::Set;
use crate::transaction::OutPoint;
use crate::units::Network;
use alloc::vec::Vec;

/// The most coins that may pay one job.
pub const MAX_JOB_COINS: usize = 64;

/// A P2PKH coin and its owner's word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoinProof {
    /// The coin.
    pub outpoint: OutPoint,
    /// The key whose hash the coin pays to.
    pub key: PublicKey,
    /// The key's signature over the whole message.
    pub signature: Signature,
}
encode_struct!(CoinProof { outpoint, key, signature });

/// Step 1 of a job: the client offers it to everybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobCreate {
    /// The public parameters.
    pub params: JobParams,
    /// Where the settlement's change goes.
    pub change: KeyHash,
    /// The coins that will pay, in the settlement's order.
    pub coins: Vec<CoinProof>,
    /// The client key's signature over the whole message: the Job ID does not name the coins, and nobody else shall
    /// offer the same job with others.
    pub signature: Signature,
}

impl JobCreate {
    /// Signs the offer with the client key and the keys of its coins.
    pub fn sign(
        params: JobParams,
        change: KeyHash,
        coins: &[(OutPoint, &SecretKey)],
        client: &SecretKey,
        network: Network,
    ) -> Self {
        let outpoints: Vec<_> = coins.iter().map(|(o, _)| *o).collect();
        let hash = signing_hash(&params, change, &outpoints, network);
        let coins = coins
            .iter()
            .map(|(outpoint, key)| CoinProof { outpoint: *outpoint, key: key.public_key(), signature: key.sign(&hash) })
            .collect();
        JobCreate { params, change, coins, signature: client.sign(&hash) }
    }

    /// The job's id.
    pub fn id(&self, network: Network) -> JobId {
        self.params.id(network)
    }

    /// Everything that can be checked without the chain: parameters and signatures.
    pub fn check(&self, network: &NetworkParams) -> Result<(), JobError> {
        self.params.check(network)?;
        let found = self.coins.len();
        if !(1..=MAX_JOB_COINS).contains(&found) {
            return Err(JobError::Count { what: "coins", found, max: MAX_JOB_COINS });
        }
        let outpoints: Vec<_> = self.coins.iter().map(|c| c.outpoint).collect();
        if outpoints.iter().collect::<Set<_>>().len() != found {
            return Err(JobError::RepeatedCoin);
        }
        let hash = signing_hash(&self.params, self.change, &outpoints, network.network);
        if !self.params.client_key.verify(&hash, &self.signature) {
            return Err(JobError::Signature("the client key"));
        }
        if self.coins.iter().all(|c| c.key.verify(&hash, &c.signature)) {
            Ok(())
        } else {
            Err(JobError::Signature("a paying coin"))
        }
    }
}

struct Unsigned<'a> {
    params: &'a JobParams,
    change: KeyHash,
    coins: &'a [OutPoint],
}

impl Encode for Unsigned<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        self.params.encode(out);
        self.change.encode(out);
        put_vec(self.coins, out);
    }
}

fn signing_hash(params: &JobParams, change: KeyHash, coins: &[OutPoint], network: Network) -> Hash32 {
    let body = Unsigned { params, change, coins }.to_bytes();
    tagged_hash("camelid/job/create", &[&network.magic(), &body])
}

impl Encode for JobCreate {
    fn encode(&self, out: &mut Vec<u8>) {
        self.params.encode(out);
        self.change.encode(out);
        put_vec(&self.coins, out);
        self.signature.encode(out);
    }
}

impl Decode for JobCreate {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(JobCreate {
            params: JobParams::decode(r)?,
            change: KeyHash::decode(r)?,
            coins: r.vec("coins", MAX_JOB_COINS)?,
            signature: Decode::decode(r)?,
        })
    }
}
