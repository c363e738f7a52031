//! A peer's headers that lead to nothing better yet.

use super::rows::Row;
use crate::chain::HeaderEntry;
use crate::hash::BlockHash;
use crate::units::Height;
use alloc::vec::Vec;

/// Headers beside the best chain, all given by one peer: each peer has at most one such chain, so what is kept is
/// bounded and charged to whoever gave it.
#[derive(Clone, Debug)]
pub(super) struct Fork {
    /// The last block that it shares with the best chain.
    pub(super) base: Height,
    /// Its headers above that.
    pub(super) rows: Vec<Row>,
    /// The last of them.
    pub(super) last: HeaderEntry,
}

impl Fork {
    /// The place of a hash, from 0.
    pub(super) fn find(&self, hash: &BlockHash) -> Option<usize> {
        self.rows.iter().rposition(|row| row.hash == *hash)
    }

    /// Whether the header at a place has this hash.
    pub(super) fn is_at(&self, place: usize, hash: &BlockHash) -> bool {
        self.rows.get(place).is_some_and(|row| row.hash == *hash)
    }
}
