//! Transactions: the paper's fields in the paper's order (section 2.3), their ids and signature hash.

mod builder;
mod sighash;

pub use builder::TransactionBuilder;
pub use sighash::SignatureHasher;

use crate::encode::{Decode, DecodeError, Encode, Reader, put_bytes, put_varint, put_vec};
use crate::encode_struct;
use crate::hash::{Hash32, JobId, Txid, Wtxid, sha256d, tagged_hash};
use crate::units::{Amount, Height};
use alloc::vec::Vec;

/// The largest encoding of a transaction, in bytes.
pub const MAX_TRANSACTION_BYTES: usize = 1_000_000;
/// The least size of an input and of an output, in bytes: bounds their number before anything is read.
const MIN_INPUT_BYTES: usize = 41;
const MIN_OUTPUT_BYTES: usize = 9;

/// A script: bytes that the `script` room gives a meaning to.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Script(pub Vec<u8>);

impl Script {
    /// The script without bytes.
    pub const fn empty() -> Self {
        Script(Vec::new())
    }

    /// The script's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Encode for Script {
    fn encode(&self, out: &mut Vec<u8>) {
        put_bytes(&self.0, out);
    }
}

impl Decode for Script {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        r.bytes("script", MAX_TRANSACTION_BYTES).map(|b| Script(b.to_vec()))
    }
}

/// Names one output of one transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OutPoint {
    /// The transaction.
    pub txid: Txid,
    /// The output's index in it.
    pub index: u32,
}
encode_struct!(OutPoint { txid, index });

impl OutPoint {
    /// What a coinbase's only input names: nothing.
    pub const NULL: OutPoint = OutPoint { txid: Txid::ZERO, index: u32::MAX };
}

impl core::fmt::Display for OutPoint {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}:{}", self.txid, self.index)
    }
}

/// An input's sequence number: a relative lock as in BIP68.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(pub u32);

impl Sequence {
    /// No relative lock, and the transaction's lock time is off if all inputs say so.
    pub const FINAL: Sequence = Sequence(0xffff_ffff);
    /// No relative lock, lock time on.
    pub const NO_RELATIVE_LOCK: Sequence = Sequence(0xffff_fffe);

    /// A relative lock of so many blocks.
    pub const fn blocks(blocks: u16) -> Self {
        Sequence(blocks as u32)
    }

    /// The relative lock that this number asks for (BIP68), whatever the transaction's version.
    pub const fn relative_lock(self) -> Option<RelativeLock> {
        const OFF: u32 = 1 << 31;
        const TIME: u32 = 1 << 22;
        let amount = self.0 as u16;
        match self.0 {
            n if n & OFF != 0 => None,
            n if n & TIME != 0 => Some(RelativeLock::Time(amount)),
            _ => Some(RelativeLock::Blocks(amount)),
        }
    }
}

/// How old a coin must be before an input may spend it (BIP68).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RelativeLock {
    /// So many blocks after the block that made the coin.
    Blocks(u16),
    /// So many times 512 seconds of median time past after that block's.
    Time(u16),
}

impl Encode for Sequence {
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }
}

impl Decode for Sequence {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        u32::decode(r).map(Sequence)
    }
}

/// A transaction input.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TxIn {
    /// The output that is spent.
    pub previous: OutPoint,
    /// What satisfies that output's ScriptPubKey.
    pub script_sig: Script,
    /// Relative lock (BIP68).
    pub sequence: Sequence,
}
encode_struct!(TxIn { previous, script_sig, sequence });

impl TxIn {
    /// An unsigned input without locks.
    pub fn unsigned(previous: OutPoint) -> Self {
        TxIn { previous, script_sig: Script::empty(), sequence: Sequence::NO_RELATIVE_LOCK }
    }
}

/// A transaction output.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TxOut {
    /// The amount.
    pub value: Amount,
    /// Who may spend it.
    pub script_pubkey: Script,
}
encode_struct!(TxOut { value, script_pubkey });

/// A transaction. Encoded in the paper's order: version, inputs, outputs, lock time, Job ID.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Transaction {
    /// Version number; 1.
    pub version: u32,
    /// What is spent.
    pub inputs: Vec<TxIn>,
    /// What is made.
    pub outputs: Vec<TxOut>,
    /// Earliest height (below 500,000,000) or time at which the transaction is valid; a coinbase's height.
    pub lock_time: u32,
    /// The job that this transaction belongs to; zero when none.
    pub job_id: JobId,
}

impl Transaction {
    /// Lock times below count blocks, the others seconds since 1970.
    pub const LOCK_TIME_THRESHOLD: u32 = 500_000_000;

    /// The version of all transactions so far.
    pub const VERSION: u32 = 1;

    /// Whether this is a coinbase: one input that names nothing.
    pub fn is_coinbase(&self) -> bool {
        matches!(&self.inputs[..], [only] if only.previous == OutPoint::NULL)
    }

    /// The id: double SHA-256 of the encoding with empty ScriptSigs. Signing does not change it.
    pub fn txid(&self) -> Txid {
        Txid(sha256d(&self.encoded(false)).0)
    }

    /// The hash over everything, for announcements and reject caches.
    pub fn wtxid(&self) -> Wtxid {
        Wtxid(tagged_hash("camelid/wtxid", &[&self.to_bytes()]).0)
    }

    /// The hash over the ScriptSigs alone, each with its length.
    pub fn witness_hash(&self) -> Hash32 {
        let mut bytes = Vec::new();
        for input in &self.inputs {
            input.script_sig.encode(&mut bytes);
        }
        tagged_hash("camelid/witness", &[&bytes])
    }

    /// The transaction's leaf in its block's Merkle tree: txid, then witness hash.
    pub fn merkle_leaf(&self) -> [u8; 64] {
        let mut leaf = [0; 64];
        leaf[..32].copy_from_slice(&self.txid().0);
        leaf[32..].copy_from_slice(&self.witness_hash().0);
        leaf
    }

    /// The outpoint of output `index`.
    pub fn outpoint(&self, index: u32) -> OutPoint {
        OutPoint { txid: self.txid(), index }
    }

    /// The sum of the outputs; `None` past all the money there is.
    pub fn output_value(&self) -> Option<Amount> {
        Amount::sum_checked(self.outputs.iter().map(|o| o.value))
    }

    /// The encoding's length in bytes.
    pub fn size(&self) -> usize {
        self.encoded(true).len()
    }

    fn encoded(&self, with_script_sigs: bool) -> Vec<u8> {
        // Blocks are full of transactions, and each is encoded several times: one allocation fits nearly all.
        let inputs = self.inputs.iter().map(|i| if with_script_sigs { 42 + i.script_sig.0.len() } else { 41 });
        let outputs = self.outputs.iter().map(|o| 10 + o.script_pubkey.0.len());
        let mut out = Vec::with_capacity(inputs.chain(outputs).sum::<usize>() + 46);
        self.encode_parts(with_script_sigs, &mut out);
        out
    }

    fn encode_parts(&self, with_script_sigs: bool, out: &mut Vec<u8>) {
        self.version.encode(out);
        put_varint(self.inputs.len() as u64, out);
        for input in &self.inputs {
            input.previous.encode(out);
            if with_script_sigs {
                input.script_sig.encode(out)
            } else {
                Script::empty().encode(out)
            }
            input.sequence.encode(out);
        }
        put_vec(&self.outputs, out);
        self.lock_time.encode(out);
        self.job_id.encode(out);
    }
}

impl Encode for Transaction {
    fn encode(&self, out: &mut Vec<u8>) {
        self.encode_parts(true, out);
    }

    fn to_bytes(&self) -> Vec<u8> {
        self.encoded(true)
    }
}

impl Decode for Transaction {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Transaction {
            version: u32::decode(r)?,
            inputs: r.vec("inputs", MAX_TRANSACTION_BYTES / MIN_INPUT_BYTES)?,
            outputs: r.vec("outputs", MAX_TRANSACTION_BYTES / MIN_OUTPUT_BYTES)?,
            lock_time: u32::decode(r)?,
            job_id: JobId::decode(r)?,
        })
    }
}

/// An unspent output, with what its spending rules need to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coin {
    /// The output.
    pub output: TxOut,
    /// The height of the block that made it.
    pub height: Height,
    /// Whether a coinbase made it.
    pub coinbase: bool,
}
encode_struct!(Coin { output, height, coinbase });
