//! Block headers and blocks (`docs/protocol.md`, "Blocks").

use super::CompactTarget;
use crate::encode::{Decode, DecodeError, Encode, Reader, put_vec};
use crate::encode_struct;
use crate::hash::{BlockHash, Hash32, merkle_root, sha256d};
use crate::transaction::Transaction;
use crate::units::Timestamp;
use alloc::vec::Vec;

/// A header's encoding, in bytes.
pub const HEADER_BYTES: usize = 80;
/// The largest encoding of a block, in bytes, on every network.
pub const MAX_BLOCK_BYTES: usize = 4_000_000;
/// The least size of a transaction in bytes: version, two counts, lock time, Job ID.
const MIN_TRANSACTION_BYTES: usize = 42;

/// A block header: 80 bytes in Bitcoin's layout, so that machines made for it mine this chain as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Header {
    /// Version; its highest three bits are 001, the others are free for miners to vary.
    pub version: u32,
    /// The block before.
    pub previous: BlockHash,
    /// Root over the transactions.
    pub merkle_root: Hash32,
    /// When the miner says it made the block.
    pub time: Timestamp,
    /// The target that the block's hash has to reach.
    pub bits: CompactTarget,
    /// What the miner varies.
    pub nonce: u32,
}
encode_struct!(Header { version, previous, merkle_root, time, bits, nonce });

impl Header {
    /// The version that our miner writes: the highest three bits 001.
    pub const VERSION: u32 = 0x2000_0000;

    /// The block's hash: double SHA-256 of the 80 bytes (paper 2.3.1).
    pub fn hash(&self) -> BlockHash {
        BlockHash(sha256d(&self.to_bytes()).0)
    }
}

/// A block: its header and its transactions, the coinbase first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The header.
    pub header: Header,
    /// The transactions.
    pub transactions: Vec<Transaction>,
}

impl Block {
    /// The hash of the header.
    pub fn hash(&self) -> BlockHash {
        self.header.hash()
    }

    /// The Merkle root over the transactions that are here; a valid block's header says the same.
    pub fn merkle_root(&self) -> Hash32 {
        merkle_root(self.transactions.iter().map(Transaction::merkle_leaf))
    }

    /// The encoding's length in bytes.
    pub fn size(&self) -> usize {
        self.to_bytes().len()
    }
}

impl Encode for Block {
    fn encode(&self, out: &mut Vec<u8>) {
        self.header.encode(out);
        put_vec(&self.transactions, out);
    }
}

impl Decode for Block {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let before = r.remaining();
        let header = Header::decode(r)?;
        let transactions = r.vec("transactions", MAX_BLOCK_BYTES / MIN_TRANSACTION_BYTES)?;
        let len = before - r.remaining();
        if len > MAX_BLOCK_BYTES {
            return Err(DecodeError::TooLong { what: "block", len: len as u64, max: MAX_BLOCK_BYTES as u64 });
        }
        Ok(Block { header, transactions })
    }
}
