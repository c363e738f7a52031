//! Headers in a row, found by their place and by their hash.

use crate::block::Header;
use crate::hash::BlockHash;
use alloc::vec::Vec;

/// No place.
const NONE: u32 = u32::MAX;
/// Buckets of a new table.
const LEAST_BUCKETS: usize = 64;

/// A header with its hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// The hash.
    pub(super) hash: BlockHash,
    /// The header.
    pub(super) header: Header,
}

/// Headers that come and go at the end alone: 112 bytes each, and up to 12 for finding them by hash.
///
/// A bucket names the last row whose hash falls into it, each row the one before it in its bucket. Whoever wants to
/// fill one bucket with many headers has to mine as many for each that he can use.
#[derive(Clone, Debug, Default)]
pub(super) struct Rows {
    rows: Vec<Row>,
    /// For each row, the place of the one before it in the same bucket.
    before: Vec<u32>,
    /// For each bucket, the place of its last row. Their number is a power of two.
    buckets: Vec<u32>,
}

impl Rows {
    /// How many rows.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The row at a place, from 0.
    pub(super) fn get(&self, place: usize) -> Option<&Row> {
        self.rows.get(place)
    }

    /// The rows from a place on.
    pub(super) fn from(&self, place: usize) -> &[Row] {
        self.rows.get(place..).unwrap_or_default()
    }

    /// The first so many rows, the last of them first.
    pub(super) fn back_from(&self, count: usize) -> impl Iterator<Item = &Row> {
        self.rows.get(..count).unwrap_or_default().iter().rev()
    }

    /// The place of a hash.
    pub(super) fn find(&self, hash: &BlockHash) -> Option<usize> {
        let mut at = *self.buckets.get(self.bucket(hash))?;
        while let Some(row) = self.rows.get(at as usize) {
            if row.hash == *hash {
                return Some(at as usize);
            }
            at = *self.before.get(at as usize)?;
        }
        None
    }

    /// Adds a row at the end.
    pub(super) fn push(&mut self, row: Row) {
        if self.rows.len() >= self.buckets.len() {
            self.grow();
        }
        let before = self.link(&row.hash, self.rows.len());
        self.before.push(before);
        self.rows.push(row);
    }

    /// Takes the last row away.
    pub(super) fn pop(&mut self) -> Option<Row> {
        let row = self.rows.pop()?;
        let before = self.before.pop().unwrap_or(NONE);
        let bucket = self.bucket(&row.hash);
        // It was the last that came, so its bucket names it.
        if let Some(last) = self.buckets.get_mut(bucket) {
            *last = before;
        }
        Some(row)
    }

    fn grow(&mut self) {
        let buckets = (2 * self.buckets.len()).max(LEAST_BUCKETS);
        self.buckets = alloc::vec![NONE; buckets];
        self.before.clear();
        for place in 0..self.rows.len() {
            let Some(hash) = self.rows.get(place).map(|row| row.hash) else { break };
            let before = self.link(&hash, place);
            self.before.push(before);
        }
    }

    /// Makes `place` the last of its bucket; gives the one before.
    fn link(&mut self, hash: &BlockHash, place: usize) -> u32 {
        let bucket = self.bucket(hash);
        self.buckets.get_mut(bucket).map_or(NONE, |last| core::mem::replace(last, place as u32))
    }

    /// The low end of a hash is as good as random: proof of work asks for zeros at the other.
    fn bucket(&self, hash: &BlockHash) -> usize {
        let [a, b, c, d, ..] = hash.0;
        u32::from_le_bytes([a, b, c, d]) as usize & self.buckets.len().wrapping_sub(1)
    }
}
