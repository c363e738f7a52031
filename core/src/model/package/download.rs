//! A model on its way here: which chunks are there, which are missing, and whether one that comes is right.
//!
//! Chunks come from anybody, in any order, several times over: each proves itself, so the owner may ask as many peers as
//! it likes and needs no word of theirs. Nothing is read or written here: the owner keeps the bytes, and the list of what
//! is there. How many chunks the model has is known from the first one that proves itself.

use super::chunks::{CHUNK_LEN, ProvedChunk};
use super::layout::MAX_PACKAGE_LEN;
use crate::hash::{MerkleError, ModelRoot};
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

/// The most chunks of a package.
const MAX_CHUNKS: u64 = MAX_PACKAGE_LEN / CHUNK_LEN as u64;

/// Why a chunk is not taken, or a list of what is there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DownloadError {
    /// The chunk does not belong to the model.
    #[error("chunk {index} is none of model {root}: {reason}; ask another peer")]
    NotOfModel {
        /// The model.
        root: ModelRoot,
        /// Where the sender says that the chunk stands.
        index: u64,
        /// Why it does not.
        reason: MerkleError,
    },
    /// The chunk is proved, but no package is cut so.
    #[error("chunk {index} of model {root} has {found} bytes, expected {expected}: this root is no model's")]
    Length {
        /// The model.
        root: ModelRoot,
        /// The chunk.
        index: u64,
        /// What a chunk has there; for the last one the most that it may have.
        expected: usize,
        /// What this one has.
        found: usize,
    },
    /// The model would be larger than any package.
    #[error("model {root} has {found} chunks, expected 1 to {max}: this root is no model's")]
    Count {
        /// The model.
        root: ModelRoot,
        /// The limit.
        max: u64,
        /// What is said.
        found: u64,
    },
    /// The list of what is there was another model's.
    #[error("the list of chunks that are there counts {listed}, model {root} has {found}: begin again without it")]
    Listed {
        /// The model.
        root: ModelRoot,
        /// In the list.
        listed: u64,
        /// In a chunk's branch.
        found: u64,
    },
    /// The list of what is there names chunks that the model does not have.
    #[error("the list of chunks that are there goes up to {end}, the model has {count}: begin again without it")]
    ListedPastEnd {
        /// Where the list ends.
        end: u64,
        /// How many chunks there are.
        count: u64,
    },
}

impl DownloadError {
    /// Whether who sent the chunk is to blame. If not, the root or the list is wrong, whoever sends.
    pub fn is_senders_fault(&self) -> bool {
        matches!(self, DownloadError::NotOfModel { .. })
    }
}

/// What became of a chunk that is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is new: its bytes belong at this offset of the package.
    New {
        /// In bytes.
        offset: u64,
    },
    /// That chunk is there already; this one was not looked at.
    Known,
}

/// A model on its way here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelDownload {
    root: ModelRoot,
    /// How many chunks there are; 0 as long as nobody knows.
    count: u64,
    /// How many of them are there.
    there: u64,
    /// Which: a bit a chunk. At most 2 MiB, and none before the count is proved.
    bits: Vec<u64>,
}

impl ModelDownload {
    /// Nothing is there yet.
    pub fn new(root: ModelRoot) -> Self {
        ModelDownload { root, count: 0, there: 0, bits: Vec::new() }
    }

    /// Goes on after a restart. The owner vouches for what is `there`: chunks that this took before, and that it has kept.
    pub fn resume(
        root: ModelRoot,
        count: u64,
        there: impl IntoIterator<Item = Range<u64>>,
    ) -> Result<Self, DownloadError> {
        let mut download = Self::new(root);
        download.set_count(count)?;
        for range in there {
            if range.end > count {
                return Err(DownloadError::ListedPastEnd { end: range.end, count });
            }
            range.for_each(|index| download.mark(index, true));
        }
        Ok(download)
    }

    /// The model.
    pub fn root(&self) -> ModelRoot {
        self.root
    }

    /// How many chunks the model has, as soon as that is proved.
    pub fn count(&self) -> Option<u64> {
        (self.count > 0).then_some(self.count)
    }

    /// How many of them are there.
    pub fn there(&self) -> u64 {
        self.there
    }

    /// Whether all are.
    pub fn is_complete(&self) -> bool {
        self.count > 0 && self.there == self.count
    }

    /// Whether this chunk is there.
    pub fn has(&self, index: u64) -> bool {
        index < self.count && self.word(index) >> (index % 64) & 1 == 1
    }

    /// The chunks that are there, from the first on: what to give [`ModelDownload::resume`].
    pub fn present(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        self.runs(true)
    }

    /// The chunks that are missing, from the first on; none as long as nobody knows how many there are.
    pub fn missing(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        self.runs(false)
    }

    /// What to ask for next: the first chunks at or after `from` that are missing and follow each other, at most `most` of
    /// them and at least one. Who asks several peers at once goes on from the last answer's end. Before the count is
    /// known these may be more than there are.
    pub fn next_missing(&self, from: u64, most: u64) -> Option<Range<u64>> {
        let most = most.max(1);
        if self.count == 0 {
            return (from < MAX_CHUNKS).then(|| from..from.saturating_add(most).min(MAX_CHUNKS));
        }
        let start = self.first(from, false);
        let end = self.first(start, true).min(start.saturating_add(most));
        (start < end).then_some(start..end)
    }

    /// Takes a chunk, whoever sent it. An error says why not, and [`DownloadError::is_senders_fault`] whether to blame the
    /// sender; it changes nothing.
    pub fn take(&mut self, chunk: &ProvedChunk) -> Result<Taken, DownloadError> {
        let (root, index, found) = (self.root, chunk.branch.index, chunk.bytes.len());
        if self.has(index) {
            return Ok(Taken::Known);
        }
        chunk.verify(&root).map_err(|reason| DownloadError::NotOfModel { root, index, reason })?;
        let count = chunk.branch.count;
        // The root commits to the count, so from here on what is wrong is the root's own fault.
        let last = index + 1 == count;
        if found > CHUNK_LEN || found == 0 || (found < CHUNK_LEN && !last) {
            return Err(DownloadError::Length { root, index, expected: CHUNK_LEN, found });
        }
        if self.count == 0 {
            self.set_count(count)?;
        } else if self.count != count {
            return Err(DownloadError::Listed { root, listed: self.count, found: count });
        }
        self.mark(index, true);
        Ok(Taken::New { offset: index * CHUNK_LEN as u64 })
    }

    /// A chunk that was there is lost, or what was kept of it is damaged: it is missing again.
    pub fn forget(&mut self, index: u64) {
        self.mark(index, false);
    }

    fn set_count(&mut self, count: u64) -> Result<(), DownloadError> {
        if !(1..=MAX_CHUNKS).contains(&count) {
            return Err(DownloadError::Count { root: self.root, max: MAX_CHUNKS, found: count });
        }
        self.count = count;
        self.bits = vec![0; count.div_ceil(64) as usize];
        Ok(())
    }

    fn word(&self, index: u64) -> u64 {
        self.bits.get((index / 64) as usize).copied().unwrap_or(0)
    }

    fn mark(&mut self, index: u64, there: bool) {
        if index >= self.count || self.has(index) == there {
            return;
        }
        if let Some(word) = self.bits.get_mut((index / 64) as usize) {
            *word ^= 1 << (index % 64);
            if there { self.there += 1 } else { self.there -= 1 }
        }
    }

    /// The first chunk at or after `from` that is there, or that is not; the count where there is none.
    fn first(&self, from: u64, there: bool) -> u64 {
        let mut at = from;
        while at < self.count {
            let word = if there { self.word(at) } else { !self.word(at) };
            let rest = word >> (at % 64);
            if rest != 0 {
                return (at + u64::from(rest.trailing_zeros())).min(self.count);
            }
            at = (at / 64 + 1) * 64;
        }
        self.count
    }

    fn runs(&self, there: bool) -> impl Iterator<Item = Range<u64>> + '_ {
        let mut at = 0;
        core::iter::from_fn(move || {
            let start = self.first(at, there);
            at = self.first(start, !there);
            (start < at).then_some(start..at)
        })
    }
}

#[cfg(test)]
#[path = "download_tests.rs"]
mod tests;
