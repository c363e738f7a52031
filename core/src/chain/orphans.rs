//! Blocks whose parent is not here yet, kept in memory within bounds.

use crate::block::Block;
use crate::hash::BlockHash;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

/// The most blocks that wait for their parent.
const MAX_BLOCKS: usize = 128;
/// The most bytes that they may have together.
const MAX_BYTES: usize = 32_000_000;

/// When there are too many, those that came first go first.
#[derive(Clone, Debug, Default)]
pub(super) struct Orphans {
    blocks: BTreeMap<BlockHash, (Block, usize)>,
    order: VecDeque<BlockHash>,
    bytes: usize,
}

impl Orphans {
    pub(super) fn insert(&mut self, hash: BlockHash, block: Block) {
        let size = block.size();
        if self.blocks.contains_key(&hash) || size > MAX_BYTES {
            return;
        }
        while self.blocks.len() >= MAX_BLOCKS || self.bytes + size > MAX_BYTES {
            let Some(oldest) = self.order.pop_front() else { break };
            self.remove(&oldest);
        }
        self.bytes += size;
        self.order.push_back(hash);
        self.blocks.insert(hash, (block, size));
    }

    fn remove(&mut self, hash: &BlockHash) -> Option<Block> {
        let (block, size) = self.blocks.remove(hash)?;
        self.bytes -= size;
        Some(block)
    }

    /// Takes out the blocks that follow `parent`.
    pub(super) fn take_children(&mut self, parent: &BlockHash) -> Vec<Block> {
        let is_child =
            |(hash, (block, _)): (&BlockHash, &(Block, usize))| (block.header.previous == *parent).then_some(*hash);
        let children: Vec<BlockHash> = self.blocks.iter().filter_map(is_child).collect();
        self.order.retain(|hash| !children.contains(hash));
        children.iter().filter_map(|hash| self.remove(hash)).collect()
    }

    /// Drops everything that follows `parent`, however far.
    pub(super) fn drop_descendants(&mut self, parent: BlockHash) {
        let mut parents = alloc::vec![parent];
        while let Some(parent) = parents.pop() {
            parents.extend(self.take_children(&parent).iter().map(Block::hash));
        }
    }

    /// The first ancestor of `hash` that does not wait here.
    pub(super) fn missing_ancestor(&self, mut hash: BlockHash) -> BlockHash {
        while let Some((block, _)) = self.blocks.get(&hash) {
            hash = block.header.previous;
        }
        hash
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::NetworkParams;
    use crate::units::Network;

    #[test]
    fn bounded_oldest_first() {
        let mut orphans = Orphans::default();
        let mut block = NetworkParams::of(Network::Dev).genesis();
        let mut hashes = Vec::new();
        for nonce in 0..MAX_BLOCKS as u32 + 10 {
            block.header.nonce = nonce;
            block.header.previous = hashes.last().copied().unwrap_or(BlockHash::ZERO);
            hashes.push(block.hash());
            orphans.insert(block.hash(), block.clone());
            orphans.insert(block.hash(), block.clone());
        }
        assert_eq!((orphans.blocks.len(), orphans.order.len()), (MAX_BLOCKS, MAX_BLOCKS));
        assert_eq!(orphans.missing_ancestor(*hashes.last().unwrap()), hashes[9]);
        assert!(orphans.take_children(&BlockHash::ZERO).is_empty());
        orphans.drop_descendants(hashes[9]);
        assert_eq!((orphans.blocks.len(), orphans.order.len(), orphans.bytes), (0, 0, 0));
    }
}
