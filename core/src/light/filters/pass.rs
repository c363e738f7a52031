//! Going through the blocks of a range once: their filters in pieces from several peers, then the blocks that match, in
//! their order.

use crate::block::Block;
use crate::hash::{BlockHash, KeyHash};
use crate::script::templates::p2pkh;
use crate::sorted::Map;
use crate::transaction::Script;
use crate::units::Height;
use alloc::vec::Vec;

/// Blocks whose filters are asked for at once.
const PIECE: u32 = 500;

/// Filters that are to be asked for, or were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The first block's height.
    pub start: Height,
    /// The last block's height.
    pub stop: Height,
    /// The number of the open question.
    pub asked: Option<u64>,
}

/// A block that seems to have to do with the wallet.
#[derive(Clone, Debug)]
pub struct Want {
    /// Its hash.
    pub hash: BlockHash,
    /// The number of the open question.
    pub asked: Option<u64>,
    /// The block, once it is here, and its bytes.
    pub block: Option<(Block, usize)>,
}

/// A way through the blocks up to `end`, looking for some scripts.
#[derive(Clone, Debug)]
pub struct Pass {
    /// What is looked for.
    scripts: Vec<Script>,
    /// The next block whose filter is in no piece yet.
    next: Height,
    /// The last block; none for all that will ever come.
    end: Option<Height>,
    pieces: Vec<Piece>,
    wanted: Map<Height, Want>,
}

impl Pass {
    /// A way that begins at `start` and looks for coins of these keys, and for contracts in which they stand.
    pub fn new<'a>(keys: impl IntoIterator<Item = &'a KeyHash>, start: Height, end: Option<Height>) -> Self {
        // "For each contract among them, as the P2PKH script of the key hash … So a wallet looks for its own scripts
        // alone."
        let scripts = keys.into_iter().map(|hash| p2pkh(*hash)).collect();
        Pass { scripts, next: start, end, pieces: Vec::new(), wanted: Map::new() }
    }

    /// The last block that this goes to; none for all that will ever come.
    pub fn end(&self) -> Option<Height> {
        self.end
    }

    /// What is looked for.
    pub fn scripts(&self) -> &[Script] {
        &self.scripts
    }

    /// The first block whose filter was not looked at.
    fn unmatched(&self) -> Height {
        self.pieces.iter().map(|piece| piece.start).min().unwrap_or(self.next)
    }

    /// The first block that is not done: its filter was not looked at, or it is wanted and was not taken yet.
    pub fn undone(&self) -> Height {
        let wanted = self.wanted.keys().next().copied();
        wanted.map_or(self.unmatched(), |wanted| wanted.min(self.unmatched()))
    }

    /// Whether all is done up to the end.
    pub fn is_over(&self) -> bool {
        self.end.is_some_and(|end| self.undone() > end)
    }

    /// Looks for these keys from now on, and at the filters from `next` on once more. Blocks that were found stay
    /// wanted.
    pub fn watch<'a>(&mut self, keys: impl IntoIterator<Item = &'a KeyHash>, next: Height) {
        self.scripts = keys.into_iter().map(|hash| p2pkh(*hash)).collect();
        self.go_to(next);
    }

    fn go_to(&mut self, next: Height) {
        self.next = next;
        self.pieces.clear();
    }

    /// Forgets what it has of blocks above `common`, which left the chain; none below `first` is looked at. At or below
    /// `common` what was found stays.
    pub fn disconnect(&mut self, common: Height, first: Height) {
        self.wanted.retain(|height, _| *height <= common);
        self.end = self.end.map(|end| end.min(common));
        self.go_to(self.unmatched().min(common.next()).max(first));
    }

    /// The next block whose filter has to be looked at, where it lies at or below `tip`, for whoever has it at hand.
    pub fn next_unasked(&self, tip: Height) -> Option<Height> {
        let last = self.end.map_or(tip, |end| end.min(tip));
        (self.next <= last).then_some(self.next)
    }

    /// The filter of the block that [`Pass::next_unasked`] named was looked at.
    pub fn on_matched(&mut self, matches: bool, hash: BlockHash) {
        let height = self.next;
        self.next = height.next();
        if matches {
            self.want(height, hash);
        }
    }

    /// A block seems to have to do with the wallet.
    pub fn want(&mut self, height: Height, hash: BlockHash) {
        self.wanted.entry(height).or_insert(Want { hash, asked: None, block: None });
    }

    /// Cuts pieces, until there are `most` of them or all blocks up to `tip` are in one. `at_hand` says whether a
    /// filter need not be asked.
    pub fn cut(&mut self, tip: Height, most: usize, at_hand: impl Fn(Height) -> bool) {
        while self.pieces.len() < most
            && let Some(start) = self.next_unasked(tip)
            && !at_hand(start)
        {
            let last = self.end.map_or(tip, |end| end.min(tip)).min(start.plus(PIECE - 1));
            let mut stop = start;
            while stop < last && !at_hand(stop.next()) {
                stop = stop.next();
            }
            self.pieces.push(Piece { start, stop, asked: None });
            self.next = stop.next();
        }
    }

    /// A piece that nobody is asked for.
    pub fn free_piece(&self) -> Option<Piece> {
        self.pieces.iter().find(|piece| piece.asked.is_none()).copied()
    }

    /// The piece from `start` to `stop`, if it is one that nobody is asked for, is asked for in question `id`.
    pub fn ask_piece(&mut self, start: Height, stop: Height, id: u64) {
        let free = |piece: &&mut Piece| piece.asked.is_none() && (piece.start, piece.stop) == (start, stop);
        if let Some(piece) = self.pieces.iter_mut().find(free) {
            piece.asked = Some(id);
        }
    }

    /// The piece that question `id` asked for.
    pub fn piece(&self, id: u64) -> Option<Piece> {
        self.pieces.iter().find(|piece| piece.asked == Some(id)).copied()
    }

    /// Question `id` was answered with the filters of so many blocks, from the piece's first on. What is left of the
    /// piece is asked for again.
    pub fn on_piece(&mut self, id: u64, filters: u32) {
        if let Some(piece) = self.pieces.iter_mut().find(|piece| piece.asked == Some(id)) {
            piece.start = piece.start.plus(filters);
            piece.asked = None;
        }
        self.pieces.retain(|piece| piece.start <= piece.stop);
    }

    /// Blocks that nobody is asked for, the lowest first, where fewer than `most` bytes of blocks wait for their turn.
    /// With too many bytes the lowest alone.
    pub fn blocks_to_ask(&self, count: usize, most_bytes: usize) -> Vec<BlockHash> {
        let waiting: usize = self.wanted.values().filter_map(|want| want.block.as_ref()).map(|(_, size)| size).sum();
        let near = if waiting < most_bytes { count } else { 1 };
        let near = self.wanted.values().take(near);
        near.filter(|want| want.asked.is_none() && want.block.is_none()).map(|want| want.hash).collect()
    }

    /// These blocks are asked for in question `id`.
    pub fn ask_blocks(&mut self, hashes: &[BlockHash], id: u64) {
        self.wanted.values_mut().filter(|want| hashes.contains(&want.hash)).for_each(|want| want.asked = Some(id));
    }

    /// Question `id` is over: what it asked for and did not come is free again.
    pub fn free(&mut self, id: u64) {
        self.pieces.iter_mut().filter(|piece| piece.asked == Some(id)).for_each(|piece| piece.asked = None);
        self.wanted.values_mut().filter(|want| want.asked == Some(id)).for_each(|want| want.asked = None);
    }

    /// A block came.
    pub fn on_block(&mut self, hash: &BlockHash, block: &Block, size: usize) {
        for want in self.wanted.values_mut().filter(|want| want.hash == *hash) {
            want.block = Some((block.clone(), size));
        }
    }

    /// Takes the next block out, if it is here and all before it are done.
    pub fn ready(&mut self) -> Option<(Height, BlockHash, Block)> {
        let unmatched = self.unmatched();
        self.wanted.first_key_value().filter(|(height, want)| **height < unmatched && want.block.is_some())?;
        let (height, want) = self.wanted.pop_first()?;
        want.block.map(|(block, _)| (height, want.hash, block))
    }
}
