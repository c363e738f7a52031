//! The chain: blocks and headers, valid and not, in whatever order, over forks. The tip is always the block with the most work
//! of the valid ones that are here; coins, heights, transactions and filters are what a chain has that saw the tip's
//! ancestors and nothing else; no valid block is ever taken for invalid, nor an invalid one for valid.

mod blocks;

use crate::Choices;
use crate::world::{BASE, LATE, TestChain, grown};
use blocks::{Known, wrong};
use camelid_core::block::{Block, Header};
use camelid_core::chain::{Accepted, BlockStatus, ChainError, Outcome, Store};
use camelid_core::hash::BlockHash;
use camelid_core::units::{Height, Timestamp};
use crypto_bigint::U256;

/// The most blocks that are made for one input.
const MOST_BLOCKS: usize = 24;

/// The target.
pub fn run(input: &[u8]) {
    let mut choices = Choices::new(input);
    let mut lab = Lab::new(&mut choices);
    for _ in 0..64 {
        if choices.is_empty() {
            break;
        }
        lab.step(&mut choices);
        lab.check();
    }
    lab.end();
}

struct Lab {
    /// The chain that is looked at.
    chain: TestChain,
    /// Every block there is; each parent before its children. The first are those of [`grown`].
    blocks: Vec<Known>,
    /// Bodies that do not belong to their headers.
    strays: Vec<Block>,
    now: Timestamp,
    /// The best chain, as followed by what accepting blocks said.
    followed: Vec<BlockHash>,
}

impl Lab {
    fn new(choices: &mut Choices<'_>) -> Self {
        let known: Vec<Known> = grown().iter().enumerate().map(|(n, chain)| Known::of_base(chain, n)).collect();
        // Some of the first blocks are here from the start.
        let start = choices.below(BASE as usize + 1);
        let chain = grown()[start].clone();
        let now = Timestamp(grown()[BASE as usize].tip().header.time.0 + 5);
        let followed = known[..=start].iter().map(|k| k.block.hash()).collect();
        Lab { chain, blocks: known, strays: Vec::new(), now, followed }
    }

    fn step(&mut self, choices: &mut Choices<'_>) {
        match choices.below(8) {
            0..=2 if self.blocks.len() < MOST_BLOCKS + grown().len() => {
                // Mostly on one of the newest.
                let reach = if choices.seldom() { self.blocks.len() } else { 4 };
                let back = choices.below(reach);
                let parent = self.blocks.len() - 1 - back.min(self.blocks.len() - 1);
                let Some(known) = blocks::make(&self.blocks[parent], parent, choices) else { return };
                let block = known.block.clone();
                self.blocks.push(known);
                if choices.below(4) > 0 {
                    self.give(block);
                }
            }
            3 => {
                let index = choices.below(self.blocks.len());
                self.give(self.blocks[index].block.clone());
            }
            4 => {
                let index = choices.below(self.blocks.len());
                self.headers(index, choices);
            }
            5 => {
                // A good header, another body.
                let index = choices.below(self.blocks.len());
                let mut stray = self.blocks[index].block.clone();
                stray.transactions[0].lock_time ^= 1;
                self.strays.push(stray.clone());
                self.give(stray);
            }
            6 => self.now.0 += u32::from(choices.byte()),
            _ => {
                // All of a branch, the last first.
                let mut index = choices.below(self.blocks.len());
                for _ in 0..4 {
                    self.give(self.blocks[index].block.clone());
                    index = self.blocks[index].parent;
                }
            }
        }
    }

    fn give(&mut self, block: Block) {
        let (hash, tip, coins) = (block.hash(), self.chain.tip_hash(), self.chain.store().coins().clone());
        match self.chain.accept_block(block, self.now) {
            Ok(accepted) => {
                assert_eq!(accepted.hash, hash);
                self.follow(&accepted);
            }
            Err(ChainError::Store(error)) => panic!("{error}"),
            Err(error @ ChainError::Damaged { .. }) => panic!("{error}"),
            Err(_) => {
                assert_eq!(*self.chain.store().coins(), coins, "a refused block changes no coin");
                assert_eq!(self.chain.tip_hash(), tip);
            }
        }
    }

    /// `disconnected`, then `connected`, lead from the old tip to the new.
    fn follow(&mut self, accepted: &Accepted) {
        for block in &accepted.disconnected {
            assert_eq!(self.followed.pop(), Some(block.hash));
            assert_eq!(self.followed.len(), block.height.0 as usize);
        }
        for block in &accepted.connected {
            assert_eq!((block.height.0 as usize, block.block.hash()), (self.followed.len(), block.hash));
            assert_eq!(self.followed.last(), Some(&block.block.header.previous));
            self.followed.push(block.hash);
        }
        let moved = !accepted.connected.is_empty() || !accepted.disconnected.is_empty();
        assert_eq!(moved, accepted.outcome == Outcome::NewTip);
    }

    /// The headers from somewhere up to a block.
    fn headers(&mut self, index: usize, choices: &mut Choices<'_>) {
        let (mut path, mut at): (Vec<Header>, usize) = (Vec::new(), index);
        for _ in 0..choices.below(30) {
            path.push(self.blocks[at].block.header);
            at = self.blocks[at].parent;
        }
        path.reverse();
        match self.chain.accept_headers(&path, self.now) {
            Ok(new) => assert!(new <= path.len()),
            Err(ChainError::Store(error)) => panic!("{error}"),
            Err(error @ ChainError::Damaged { .. }) => panic!("{error}"),
            Err(_) => {}
        }
    }

    fn status(&self, hash: &BlockHash) -> Option<BlockStatus> {
        self.chain.header(hash).expect("memory does not fail").map(|entry| entry.status)
    }

    fn check(&self) {
        assert_eq!(self.followed.last(), Some(&self.chain.tip_hash()));
        let mut best: Option<&Known> = None;
        for known in &self.blocks {
            let hash = known.block.hash();
            let status = self.status(&hash);
            if known.chain.is_some() {
                assert_ne!(status, Some(BlockStatus::Invalid), "a valid block is taken for invalid");
                let here = matches!(status, Some(BlockStatus::Stored | BlockStatus::Valid));
                best = if here { better(best, known) } else { best };
            } else if known.shares_no_header(&self.blocks) {
                assert_ne!(status, Some(BlockStatus::Valid), "{} is taken for valid", wrong(known));
            }
        }
        let best = best.expect("the genesis block is here");
        assert_eq!(
            self.chain.tip_hash(),
            best.block.hash(),
            "the tip is not the best of the valid blocks that are here"
        );
        self.same_as(best);
        self.telling();
    }

    /// The tip's chain, rebuilt from the genesis block, has the same of everything.
    fn same_as(&self, best: &Known) {
        let Some(rebuilt) = &best.chain else { return };
        let (found, expected) = (self.chain.store(), rebuilt.store());
        assert_eq!(found.coins(), expected.coins(), "coins");
        assert_eq!(self.chain.tip().work, rebuilt.tip().work);
        assert_eq!(self.chain.next_work_required(), rebuilt.next_work_required());
        assert_eq!(self.chain.median_time_past(), rebuilt.median_time_past());
        for height in 0..=rebuilt.height().0 + 2 {
            let height = Height(height);
            assert_eq!(found.hash_at(height), expected.hash_at(height));
            assert_eq!(self.chain.filter_at(height), rebuilt.filter_at(height));
            assert_eq!(self.chain.filter_entry_at(height), rebuilt.filter_entry_at(height));
        }
        for known in &self.blocks {
            for tx in &known.block.transactions {
                assert_eq!(found.transaction(&tx.txid()), expected.transaction(&tx.txid()));
            }
        }
    }

    /// What nodes tell each other of it.
    fn telling(&self) {
        let chain = &self.chain;
        let locator = chain.locator().expect("memory does not fail");
        assert_eq!(locator.first(), Some(&chain.tip_hash()));
        assert_eq!(locator.last(), self.followed.first());
        let mut before = self.followed[0];
        for header in chain.headers_after(&[before], 100).expect("memory does not fail") {
            assert_eq!(header.previous, before);
            before = header.hash();
        }
        assert_eq!(before, chain.tip_hash());
        let best = chain.best_header().expect("memory does not fail");
        let entry = chain.header(&best).expect("memory does not fail").expect("the best header is here");
        assert!(entry.work >= chain.tip().work && entry.status != BlockStatus::Invalid);
        let missing = chain.missing_blocks(100).expect("memory does not fail");
        assert!(missing.iter().all(|hash| self.status(hash) == Some(BlockStatus::Header)));
    }

    /// In the end everybody has everything, and agrees.
    fn end(&mut self) {
        self.now = LATE;
        for index in 0..self.blocks.len() {
            self.give(self.blocks[index].block.clone());
        }
        self.check();
        let best = self.blocks.iter().filter(|k| k.chain.is_some()).fold(None, better).expect("the genesis block");
        assert_eq!(self.chain.tip_hash(), best.block.hash(), "the best valid block of all is not the tip");
    }
}

/// "The one with the most work; of two with equal work, the one whose last block has the lower hash, read as a little-endian
/// number."
fn better<'a>(best: Option<&'a Known>, other: &'a Known) -> Option<&'a Known> {
    let rank = |k: &Known| {
        let hash = U256::from_le_slice(&k.block.hash().0);
        k.chain.as_ref().map(|chain| (chain.tip().work.0, U256::MAX.wrapping_sub(&hash)))
    };
    match best {
        Some(best) if rank(best) >= rank(other) => Some(best),
        _ => Some(other),
    }
}
