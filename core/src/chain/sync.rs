//! What nodes tell each other about their chains.

use super::overlay::Overlay;
use super::state::best_header;
use super::{BlockStatus, Chain, ChainError, Store};
use crate::block::Header;
use crate::hash::BlockHash;
use crate::units::Height;
use alloc::vec::Vec;

/// How many hashes of a locator follow each other without gaps.
const DENSE: usize = 10;

impl<S: Store> Chain<S> {
    /// The header with the most work, whether its block is here or not.
    pub fn best_header(&self) -> Result<BlockHash, ChainError<S::Error>> {
        best_header(&self.store, &self.tip)
    }

    /// Hashes from the best chain's tip down: ten in a row, then with gaps that double, the genesis block last.
    /// Another node finds the last block that both have.
    pub fn locator(&self) -> Result<Vec<BlockHash>, ChainError<S::Error>> {
        let (mut hashes, mut height, mut step) = (Vec::new(), self.tip.height.0, 1u32);
        while let Some(hash) = self.hash_at(Height(height))? {
            hashes.push(hash);
            if height == 0 {
                break;
            }
            if hashes.len() >= DENSE {
                step = step.saturating_mul(2);
            }
            height = height.saturating_sub(step);
        }
        Ok(hashes)
    }

    /// At most `limit` headers of the best chain after the first block of the locator that is on it; from block 1
    /// if none is.
    pub fn headers_after(&self, locator: &[BlockHash], limit: usize) -> Result<Vec<Header>, ChainError<S::Error>> {
        let mut height = Height(0);
        for hash in locator {
            if let Some(entry) = self.header(hash)?
                && self.hash_at(entry.height)? == Some(*hash)
            {
                height = entry.height;
                break;
            }
        }
        self.headers_from(height.next(), limit)
    }

    /// The blocks to fetch next: at most `limit` on the way to the header with the most work whose bodies are not here,
    /// the lowest first.
    pub fn missing_blocks(&self, limit: usize) -> Result<Vec<BlockHash>, ChainError<S::Error>> {
        self.missing_blocks_to(&self.best_header()?, limit)
    }

    /// The same for the chain that ends with `last`, whose header is known: whoever has that chain has these blocks.
    pub fn missing_blocks_to(&self, last: &BlockHash, limit: usize) -> Result<Vec<BlockHash>, ChainError<S::Error>> {
        let overlay = Overlay::new(&self.store);
        let mut missing = Vec::new();
        let mut at = overlay.header(last)?;
        while at.status == BlockStatus::Header {
            missing.push(at.hash());
            at = overlay.header(&at.header.previous)?;
        }
        if at.status == BlockStatus::Invalid {
            return Ok(Vec::new());
        }
        missing.reverse();
        missing.truncate(limit);
        Ok(missing)
    }
}
