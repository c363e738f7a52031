//! The blocks that are missing on the way to a header.

use crate::chain::{BlockStatus, Chain, ChainError, Store};
use crate::hash::BlockHash;
use crate::message::MAX_HEADERS_PER_RESPONSE;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// How many missing blocks are looked up at once: the way from the end down to them is walked.
const WANTED: usize = 32_768;
/// How far an end is looked for below a newer one, before all is walked anew: as far as one answer's headers reach.
const NEAR: usize = MAX_HEADERS_PER_RESPONSE;

/// The way to a header.
#[derive(Clone, Debug)]
pub(super) struct Path {
    /// The header.
    pub(super) last: BlockHash,
    /// The next missing blocks, in their order.
    pub(super) wanted: VecDeque<BlockHash>,
    /// Whether `wanted` goes all the way.
    whole: bool,
}

impl Path {
    /// No way yet.
    pub(super) fn empty(last: BlockHash) -> Self {
        Path { last, wanted: VecDeque::new(), whole: false }
    }

    /// The way to `last`; `old` are ways to headers that may lie shortly before.
    pub(super) fn to<S: Store>(last: BlockHash, old: &[Path], chain: &Chain<S>) -> Result<Self, ChainError<S::Error>> {
        let usable = |p: &&Path| !p.wanted.is_empty();
        let (mut at, mut new) = (last, Vec::new());
        while new.len() < NEAR && old.iter().any(|p| usable(&p)) {
            if let Some(old) = old.iter().filter(usable).find(|p| p.last == at) {
                let mut wanted = old.wanted.clone();
                if old.whole {
                    wanted.extend(new.into_iter().rev());
                }
                let whole = old.whole && wanted.len() < WANTED;
                wanted.truncate(WANTED);
                return Path { last, wanted, whole }.checked(chain);
            }
            let Some(entry) = chain.header(&at)?.filter(|e| e.status == BlockStatus::Header) else { break };
            new.push(at);
            at = entry.header.previous;
        }
        let wanted: VecDeque<_> = chain.missing_blocks_to(&last, WANTED)?.into();
        let whole = wanted.len() < WANTED;
        Ok(Path { last, wanted, whole })
    }

    /// The same after the chain has changed: what came is left out. Where the next block does not follow what is here,
    /// all is looked up anew.
    pub(super) fn checked<S: Store>(mut self, chain: &Chain<S>) -> Result<Self, ChainError<S::Error>> {
        while let Some(next) = self.wanted.front() {
            let Some(entry) = chain.header(next)? else { break };
            if !entry.has_body() {
                let parent = chain.header(&entry.header.previous)?;
                let follows = entry.status == BlockStatus::Header && parent.is_some_and(|p| p.has_body());
                return if follows { Ok(self) } else { Path::to(self.last, &[], chain) };
            }
            self.wanted.pop_front();
        }
        if self.whole { Ok(self) } else { Path::to(self.last, &[], chain) }
    }
}
