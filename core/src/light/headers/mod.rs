//! The header chain of a light client: every rule of headers, and nothing of bodies.
//!
//! The best chain lies in one row, compact, and is found by height and by hash. Each peer may have one chain beside it,
//! up to a number of headers. The rules are those of the `chain` room: the same functions check both.

mod accept;
mod anchor;
mod error;
mod fork;
mod rows;

pub use accept::{Change, Taken};
pub use anchor::Anchor;
pub use error::HeadersError;

use crate::block::{HEADER_BYTES, Header, NetworkParams, Work};
use crate::chain::{BlockStatus, Checkpoints, HeaderEntry, median};
use crate::encode::{Decode, Encode};
use crate::hash::{BlockHash, FilterHeader};
use crate::message::MAX_HEADERS_PER_RESPONSE;
use crate::sorted::Map;
use crate::units::{Height, Timestamp};
use alloc::vec::Vec;
use fork::Fork;
use rows::Rows;

/// How many hashes of a locator follow each other without gaps.
const DENSE: usize = 10;

/// The best chain of headers, from an anchor up, and one chain beside it for each peer named by a `P`.
#[derive(Clone, Debug)]
pub struct HeaderChain<P> {
    params: &'static NetworkParams,
    anchor: Anchor,
    anchor_hash: BlockHash,
    /// The best chain above the anchor.
    rows: Rows,
    tip: HeaderEntry,
    forks: Map<P, Fork>,
    checkpoints: Checkpoints,
    most_useless: usize,
    /// From this height on the best chain was not saved.
    unsaved: Option<Height>,
}

impl<P: Copy + Ord> HeaderChain<P> {
    /// A chain of the anchor alone. Of each peer at most `most_useless` headers are kept that lead to nothing better.
    pub fn new(params: &'static NetworkParams, anchor: Anchor, most_useless: usize) -> Self {
        HeaderChain {
            params,
            anchor_hash: anchor.entry.hash(),
            tip: anchor.entry.clone(),
            anchor,
            rows: Rows::default(),
            forks: Map::new(),
            checkpoints: Checkpoints::new(),
            most_useless,
            unsaved: None,
        }
    }

    /// The same chain, held to these blocks at these heights.
    pub fn with_checkpoints(self, checkpoints: Checkpoints) -> Self {
        HeaderChain { checkpoints, ..self }
    }

    /// The network's parameters.
    pub fn params(&self) -> &'static NetworkParams {
        self.params
    }

    /// The block that the chain begins with.
    pub fn anchor(&self) -> &Anchor {
        &self.anchor
    }

    /// The best chain's last block.
    pub fn tip(&self) -> &HeaderEntry {
        &self.tip
    }

    /// The hash of the best chain's last block.
    pub fn tip_hash(&self) -> BlockHash {
        self.rows.back_from(self.rows.len()).next().map_or(self.anchor_hash, |row| row.hash)
    }

    /// The height of the best chain's last block.
    pub fn height(&self) -> Height {
        self.tip.height
    }

    /// The best chain's header at a height.
    pub fn header(&self, height: Height) -> Option<&Header> {
        match self.place(height) {
            Some(place) => self.rows.get(place).map(|row| &row.header),
            None => (height == self.anchor.entry.height).then_some(&self.anchor.entry.header),
        }
    }

    /// The hash of the best chain's block at a height.
    pub fn hash(&self, height: Height) -> Option<BlockHash> {
        match self.place(height) {
            Some(place) => self.rows.get(place).map(|row| row.hash),
            None => (height == self.anchor.entry.height).then_some(self.anchor_hash),
        }
    }

    /// The height of a block of the best chain.
    pub fn height_of(&self, hash: &BlockHash) -> Option<Height> {
        if *hash == self.anchor_hash {
            return Some(self.anchor.entry.height);
        }
        self.rows.find(hash).map(|place| self.anchor.entry.height.plus(place as u32 + 1))
    }

    /// Whether a block is on the best chain, or on the one that this peer gave.
    pub fn knows(&self, peer: &P, hash: &BlockHash) -> bool {
        self.height_of(hash).is_some() || self.forks.get(peer).is_some_and(|fork| fork.find(hash).is_some())
    }

    /// Headers kept beside the best chain.
    pub fn useless(&self) -> usize {
        self.forks.values().map(|fork| fork.rows.len()).sum()
    }

    /// Forgets what a peer gave beside the best chain: it has gone.
    pub fn forget(&mut self, peer: &P) {
        self.forks.remove(peer);
    }

    /// The best chain's block at a height as one that another client may begin with; `filter_header` is the block's.
    pub fn anchor_at(&self, height: Height, filter_header: FilterHeader) -> Option<Anchor> {
        let entry = self.entry_at(height)?;
        let before = Height(height.0.saturating_sub(1));
        let times = self.times_to(before).take(self.params.median_time_span.saturating_sub(1));
        let times = if height == self.anchor.entry.height { self.anchor.times.clone() } else { times.collect() };
        Some(Anchor { entry, times, filter_header })
    }

    /// What to ask a peer for headers with: the end of the chain that it gave, then the best chain from the tip down,
    /// ten hashes in a row and then with gaps that double, the anchor, and the genesis block last.
    pub fn locator(&self, peer: &P) -> Vec<BlockHash> {
        let mut hashes: Vec<BlockHash> =
            self.forks.get(peer).and_then(|fork| fork.rows.last()).map(|row| row.hash).into_iter().collect();
        let (mut height, mut step, least) = (self.tip.height, 1u32, self.anchor.entry.height);
        for count in 1.. {
            hashes.extend(self.hash(height));
            if height == least {
                break;
            }
            if count >= DENSE {
                step = step.saturating_mul(2);
            }
            height = least.max(Height(height.0.saturating_sub(step)));
        }
        if least > Height(0) {
            hashes.push(self.params.genesis().hash());
        }
        hashes
    }

    /// The bytes of the best chain's headers from a height on, one after another.
    pub fn bytes_from(&self, height: Height) -> Vec<u8> {
        let rows = self.rows.from(self.place(height).unwrap_or_default());
        let mut out = Vec::with_capacity(rows.len() * HEADER_BYTES);
        rows.iter().for_each(|row| row.header.encode(&mut out));
        out
    }

    /// From which height on the best chain has changed since this was asked last; `None` where it has not.
    pub fn take_unsaved(&mut self) -> Option<Height> {
        self.unsaved.take()
    }

    /// The chain that was saved: `bytes` are all its headers above the anchor. Every rule is checked again, so damage
    /// is found; the clock has no say.
    pub fn restore(
        params: &'static NetworkParams,
        anchor: Anchor,
        most_useless: usize,
        bytes: &[u8],
    ) -> Result<Self, RestoreHeadersError> {
        let mut chain = HeaderChain::new(params, anchor, most_useless);
        for part in bytes.chunks(MAX_HEADERS_PER_RESPONSE * HEADER_BYTES) {
            let headers: Result<Vec<Header>, _> = part.chunks(HEADER_BYTES).map(Header::from_bytes).collect();
            let headers = headers.map_err(|_| RestoreHeadersError::Length { found: bytes.len() })?;
            let (fork, taken) = chain.take(None, &headers, Timestamp(u32::MAX));
            if let Some(error) = taken.error {
                return Err(error.into());
            }
            if fork.is_some() || taken.new != headers.len() {
                return Err(RestoreHeadersError::Repeated);
            }
        }
        chain.unsaved = None;
        Ok(chain)
    }

    /// A height's place in the row above the anchor.
    fn place(&self, height: Height) -> Option<usize> {
        height.0.checked_sub(self.anchor.entry.height.0)?.checked_sub(1).map(|place| place as usize)
    }

    /// The entry of the best chain's block at a height. Costs as much work as there are blocks above it.
    fn entry_at(&self, height: Height) -> Option<HeaderEntry> {
        if height == self.tip.height {
            return Some(self.tip.clone());
        }
        let Some(place) = self.place(height) else {
            return (height == self.anchor.entry.height).then(|| self.anchor.entry.clone());
        };
        let header = self.rows.get(place)?.header;
        let above = self.rows.from(place + 1).iter().filter_map(|row| row.header.bits.target().ok());
        let work = above.fold(self.tip.work.0, |work, target| work.wrapping_sub(&target.work().0));
        let before = Height(height.0.saturating_sub(1));
        let times: Vec<Timestamp> = self.times_to(before).take(self.params.median_time_span).collect();
        Some(HeaderEntry {
            header,
            height,
            work: Work(work),
            median_time_past: median(header.time, &times, self.params),
            start_time: self.tip.start_time,
            status: BlockStatus::Header,
        })
    }

    /// The times of the best chain's blocks from a height down.
    fn times_to(&self, height: Height) -> impl Iterator<Item = Timestamp> {
        let count = self.place(height).map_or(0, |place| place + 1);
        let above = self.rows.back_from(count).map(|row| row.header.time);
        let anchor = core::iter::once(self.anchor.entry.header.time).chain(self.anchor.times.iter().copied());
        above.chain(anchor)
    }
}

/// Why saved headers are refused. Delete them, and synchronise again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreHeadersError {
    /// The bytes are no whole number of headers.
    #[error("saved headers have {found} bytes, expected a multiple of {HEADER_BYTES}")]
    Length {
        /// How many bytes.
        found: usize,
    },
    /// A header breaks a rule.
    #[error("saved headers are damaged: {0}")]
    Header(#[from] HeadersError),
    /// Some are there twice.
    #[error("saved headers are damaged: some are there twice")]
    Repeated,
}
