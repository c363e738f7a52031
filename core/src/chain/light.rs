//! What a chain tells light clients: headers in bulk, filters and what commits to them, Merkle proofs.

use super::overlay::Overlay;
use super::{Chain, ChainError, Store};
use crate::block::{Block, Header};
use crate::encode_struct;
use crate::filter::{Filter, FilterEntry};
use crate::hash::{BlockHash, Branch, FilterHeader, MerkleError, MerkleHasher, Txid};
use crate::transaction::Transaction;
use crate::units::Height;
use alloc::vec::Vec;
use core::ops::RangeInclusive;

/// A transaction, and the proof that it stands in a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionProof {
    /// The block's header. Whether it is on the best chain is for the receiver to know.
    pub header: Header,
    /// The block's height, as the sender says.
    pub height: Height,
    /// From the transaction's leaf up to the header's Merkle root.
    pub branch: Branch,
    /// The transaction.
    pub transaction: Transaction,
}
encode_struct!(TransactionProof { header, height, branch, transaction });

/// Why a transaction is not proved to stand in its block.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// The branch does not lead to the header.
    #[error(transparent)]
    Branch(#[from] MerkleError),
    /// A coinbase stands elsewhere than at the block's beginning, or another transaction there.
    #[error("transaction {index} of a block is a coinbase: {coinbase}, expected the first one alone to be")]
    Coinbase {
        /// The transaction's index.
        index: u64,
        /// Whether it has the form of a coinbase.
        coinbase: bool,
    },
    /// A coinbase's lock time, its height, is another than the proof says.
    #[error("the proof says height {found}, the coinbase {expected}")]
    Height {
        /// The coinbase's lock time.
        expected: Height,
        /// The proof's height.
        found: Height,
    },
}

impl TransactionProof {
    /// Fails unless the transaction stands in the block with this header. The height is checked for a coinbase alone: it
    /// names its own.
    pub fn verify(&self) -> Result<(), ProofError> {
        self.branch.verify(&self.transaction.merkle_leaf(), &self.header.merkle_root)?;
        let (index, coinbase) = (self.branch.index, self.transaction.is_coinbase());
        // "A block's first transaction is a coinbase, and no other is."
        if coinbase != (index == 0) {
            return Err(ProofError::Coinbase { index, coinbase });
        }
        // "A coinbase's lock time is its block's height."
        let expected = Height(self.transaction.lock_time);
        if coinbase && expected != self.height {
            return Err(ProofError::Height { expected, found: self.height });
        }
        Ok(())
    }
}

type ResultOf<T, S> = Result<T, ChainError<<S as Store>::Error>>;

impl<S: Store> Chain<S> {
    /// At most `limit` headers of the best chain from height `start` up.
    pub fn headers_from(&self, start: Height, limit: usize) -> ResultOf<Vec<Header>, S> {
        let (overlay, mut headers, mut height) = (Overlay::new(&self.store), Vec::new(), start);
        while headers.len() < limit {
            let Some(hash) = self.hash_at(height)? else { break };
            headers.push(overlay.header(&hash)?.header);
            height = height.next();
        }
        Ok(headers)
    }

    /// The heights from `start` to that of block `stop`; `None` unless `stop` is on the best chain, at `start` or above.
    pub fn range_to(&self, start: Height, stop: &BlockHash) -> ResultOf<Option<RangeInclusive<u32>>, S> {
        match self.best_chain_height(stop)? {
            Some(last) if start <= last => Ok(Some(start.0..=last.0)),
            _ => Ok(None),
        }
    }

    fn best_chain_height(&self, hash: &BlockHash) -> ResultOf<Option<Height>, S> {
        match self.header(hash)? {
            Some(entry) if self.hash_at(entry.height)? == Some(*hash) => Ok(Some(entry.height)),
            _ => Ok(None),
        }
    }

    /// The filter of the best chain's block at a height.
    pub fn filter_at(&self, height: Height) -> ResultOf<Option<Filter>, S> {
        let hash = self.hash_at(height)?;
        hash.map(|hash| Overlay::new(&self.store).filter(&hash)).transpose()
    }

    /// The hash and header of the filter of the best chain's block at a height.
    pub fn filter_entry_at(&self, height: Height) -> ResultOf<Option<FilterEntry>, S> {
        let hash = self.hash_at(height)?;
        hash.map(|hash| Overlay::new(&self.store).filter_entry(&hash)).transpose()
    }

    /// The filter header that the one at `height` follows: zero at height 0.
    pub fn filter_header_before(&self, height: Height) -> ResultOf<Option<FilterHeader>, S> {
        match height.0.checked_sub(1) {
            None => Ok(Some(FilterHeader::ZERO)),
            Some(before) => Ok(self.filter_entry_at(Height(before))?.map(|entry| entry.header)),
        }
    }

    /// The height of the best chain's block that a transaction is in.
    pub fn transaction_height(&self, txid: &Txid) -> ResultOf<Option<Height>, S> {
        let Some(at) = self.store.transaction(txid).map_err(ChainError::Store)? else { return Ok(None) };
        Ok(Some(Overlay::new(&self.store).header(&at.block)?.height))
    }

    /// A transaction of the best chain with its proof.
    pub fn transaction_proof(&self, txid: &Txid) -> ResultOf<Option<TransactionProof>, S> {
        let Some(at) = self.store.transaction(txid).map_err(ChainError::Store)? else { return Ok(None) };
        self.proof_at(&at.block, at.index as usize)
    }

    /// The coinbase of a block of the best chain with its proof.
    pub fn coinbase_proof(&self, block: &BlockHash) -> ResultOf<Option<TransactionProof>, S> {
        match self.best_chain_height(block)? {
            Some(_) => self.proof_at(block, 0),
            None => Ok(None),
        }
    }

    fn proof_at(&self, hash: &BlockHash, index: usize) -> ResultOf<Option<TransactionProof>, S> {
        let overlay = Overlay::new(&self.store);
        let entry = overlay.header(hash)?;
        let block = match overlay.block(hash) {
            // Who keeps no body proves nothing of it.
            Err(ChainError::Pruned { .. }) => return Ok(None),
            other => other?,
        };
        let damaged = ChainError::Damaged { what: "a transaction", hash: *hash };
        let (branch, transaction) = branch_and_transaction(block, index).ok_or(damaged)?;
        Ok(Some(TransactionProof { header: entry.header, height: entry.height, branch, transaction }))
    }
}

fn branch_and_transaction(block: Block, index: usize) -> Option<(Branch, Transaction)> {
    let mut tree = MerkleHasher::default();
    block.transactions.iter().for_each(|tx| tree.push(&tx.merkle_leaf()));
    Some((tree.branch(index as u64)?, block.transactions.into_iter().nth(index)?))
}
