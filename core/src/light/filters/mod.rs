//! Compact filters on the client's side: which ones are right, and which blocks they lead to.
//!
//! Filter headers are a chain of hashes, and a block's coinbase commits to its own: so one commitment that is proved
//! proves all filters up to that block, whoever gave them. Only the filters from the wallet's birthday on are asked
//! for.

mod cache;
mod pass;
mod round;

pub(super) use cache::Cache;
pub(super) use pass::Pass;
pub(super) use round::{Answer, Round};

use super::headers::Anchor;
use crate::filter::Filter;
use crate::hash::FilterHeader;
use crate::units::Height;
use alloc::vec::Vec;

/// The filter headers of the best chain's blocks, from the wallet's birthday on. All of them are proved.
#[derive(Clone, Debug)]
pub struct FilterChain {
    /// The anchor's, which needs no proof.
    anchor: (Height, FilterHeader),
    /// The height of the first one.
    first: Height,
    /// The one before it, once it is known.
    before: Option<FilterHeader>,
    headers: Vec<FilterHeader>,
    /// From this height on they were not saved.
    unsaved: Option<Height>,
}

impl FilterChain {
    /// None yet; the first will be that of the wallet's birthday, or of the block after the anchor.
    pub fn new(anchor: &Anchor, birthday: Height) -> Self {
        let anchor = (anchor.entry.height, anchor.filter_header);
        let first = birthday.max(anchor.0.next());
        let mut chain = FilterChain { anchor, first, before: None, headers: Vec::new(), unsaved: None };
        chain.begin(first);
        chain
    }

    /// Those that were saved: `bytes` are all headers from `first` on. `None` where they are no whole number of
    /// headers.
    pub fn restore(anchor: &Anchor, first: Height, before: Option<FilterHeader>, bytes: &[u8]) -> Option<Self> {
        let (headers, rest) = bytes.as_chunks::<32>();
        if !rest.is_empty() || (before.is_none() && !headers.is_empty()) {
            return None;
        }
        let mut chain = FilterChain::new(anchor, first);
        if chain.first != first {
            return None;
        }
        chain.before = before.or(chain.before);
        chain.headers = headers.iter().map(|bytes| FilterHeader(*bytes)).collect();
        Some(chain)
    }

    fn begin(&mut self, first: Height) {
        self.first = first;
        self.before = (first == self.anchor.0.next()).then_some(self.anchor.1);
    }

    /// The height of the first one.
    pub fn first(&self) -> Height {
        self.first
    }

    /// The height of the next one that is missing.
    pub fn next(&self) -> Height {
        self.first.plus(self.headers.len() as u32)
    }

    /// The height of the last one; the one before the first where there is none.
    pub fn last(&self) -> Height {
        Height(self.next().0.saturating_sub(1))
    }

    /// The filter header of a block, or of the one before the first.
    pub fn header(&self, height: Height) -> Option<FilterHeader> {
        match height.0.checked_sub(self.first.0) {
            Some(place) => self.headers.get(place as usize).copied(),
            None => self.before.filter(|_| height.next() == self.first),
        }
    }

    /// Whether a filter is that of the block at a height.
    pub fn is_right(&self, height: Height, filter: &Filter) -> bool {
        let before = height.0.checked_sub(1).and_then(|before| self.header(Height(before)));
        before.is_some_and(|before| Some(before.next(&filter.hash())) == self.header(height))
    }

    /// Adds headers that are proved; `before` is the one that they follow.
    pub(super) fn append(&mut self, before: FilterHeader, headers: &[FilterHeader]) {
        let next = self.next();
        self.before.get_or_insert(before);
        self.headers.extend_from_slice(headers);
        self.changed(next);
    }

    /// Forgets those of blocks above `common`, which left the chain; `tip` was its last one.
    pub(super) fn disconnect(&mut self, common: Height, tip: Height) {
        if common >= self.last() || tip < self.last() {
            return;
        }
        match common.0.checked_sub(self.first.0) {
            Some(place) => self.headers.truncate(place as usize + 1),
            None if common.next() == self.first => self.headers.clear(),
            // The new chain left the old one before the birthday: money may be in its blocks from there on.
            None => {
                self.headers.clear();
                self.begin(common.next());
            }
        }
        self.changed(common.next());
    }

    fn changed(&mut self, height: Height) {
        self.unsaved = Some(self.unsaved.map_or(height, |before| before.min(height)));
    }

    /// From which height on headers have changed since this was asked last; `None` where none has.
    pub fn take_unsaved(&mut self) -> Option<Height> {
        self.unsaved.take()
    }

    /// The bytes of the headers from a height on, one after another.
    pub fn bytes_from(&self, height: Height) -> Vec<u8> {
        let place = height.since(self.first) as usize;
        self.headers.get(place..).unwrap_or_default().iter().flat_map(|header| header.0).collect()
    }

    /// The header before the first one, once it is known.
    pub fn before(&self) -> Option<FilterHeader> {
        self.before
    }
}
