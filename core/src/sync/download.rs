//! Blocks on their way: what to ask next, and what has come before its turn.

use super::ask::Limits;
use super::path::Path;
use crate::block::Block;
use crate::hash::BlockHash;
use crate::message::MAX_BLOCKS_PER_REQUEST;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

/// Blocks that came before their turn.
#[derive(Clone, Debug)]
pub(super) struct Download<P> {
    waiting: BTreeMap<BlockHash, (P, Block, usize)>,
    bytes: usize,
}

impl<P> Default for Download<P> {
    fn default() -> Self {
        Download { waiting: BTreeMap::new(), bytes: 0 }
    }
}

impl<P> Download<P> {
    /// Blocks came.
    pub(super) fn arrived(&mut self, peer: P, blocks: impl Iterator<Item = (BlockHash, Block)>)
    where
        P: Copy,
    {
        for (hash, block) in blocks {
            let size = block.size();
            if let Some((_, _, old)) = self.waiting.insert(hash, (peer, block, size)) {
                self.bytes -= old;
            }
            self.bytes += size;
        }
    }

    /// Takes out a block.
    pub(super) fn take(&mut self, hash: &BlockHash) -> Option<(P, Block)> {
        let (peer, block, size) = self.waiting.remove(hash)?;
        self.bytes -= size;
        Some((peer, block))
    }

    /// Forgets blocks that nothing leads to any more.
    pub(super) fn retain(&mut self, keep: impl Fn(&BlockHash) -> bool) {
        self.waiting.retain(|hash, _| keep(hash));
        self.bytes = self.waiting.values().map(|(_, _, size)| size).sum();
    }

    /// Bytes that wait.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The next blocks to ask for on this way: none that is under way or waits, but for the first one when it has been
    /// under way so long that the others wait for it alone.
    pub(super) fn batch(
        &self,
        path: &Path,
        under_way: &BTreeMap<BlockHash, Duration>,
        limits: &Limits,
        now: Duration,
    ) -> Vec<BlockHash> {
        let window = if self.bytes < limits.waiting_bytes { limits.window } else { MAX_BLOCKS_PER_REQUEST };
        let missing = |hash: &&BlockHash| !under_way.contains_key(*hash) && !self.waiting.contains_key(*hash);
        let near = || path.wanted.iter().take(window);
        let batch: Vec<BlockHash> = near().filter(missing).take(MAX_BLOCKS_PER_REQUEST).copied().collect();
        let stalled = |hash: &BlockHash| under_way.get(hash).is_some_and(|since| now >= *since + limits.stall);
        if batch.is_empty() && path.wanted.front().is_some_and(stalled) {
            let late = near().take_while(|hash| stalled(hash));
            return late.take(MAX_BLOCKS_PER_REQUEST).copied().collect();
        }
        batch
    }
}
