//! Taking headers.

use super::fork::Fork;
use super::rows::Row;
use super::{HeaderChain, HeadersError};
use crate::block::Header;
use crate::chain::{HeaderEntry, check_header, check_in_context, entry_after, is_better};
use crate::hash::BlockHash;
use crate::units::{Height, Timestamp};
use alloc::vec::Vec;

/// How the best chain changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// The last block that old and new chain share.
    pub common: Height,
    /// Blocks that left.
    pub left: u32,
    /// Blocks that joined.
    pub new: u32,
}

/// What became of headers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// How many were not known, and are good.
    pub new: usize,
    /// The height of the last good one.
    pub last: Option<Height>,
    /// How the best chain changed, if it did.
    pub change: Option<Change>,
    /// Why those from here on were not taken. Those before it stay.
    pub error: Option<HeadersError>,
}

/// Where a header stands.
#[derive(Clone, Copy)]
enum At {
    Best(Height),
    /// At this place of the peer's chain, from 0.
    Fork(usize),
}

impl<P: Copy + Ord> HeaderChain<P> {
    /// Takes headers of a peer that follow each other, the first after one that is known. At the first that breaks a
    /// rule it stops.
    pub fn accept(&mut self, from: P, headers: &[Header], now: Timestamp) -> Taken {
        let fork = self.forks.remove(&from);
        let (fork, taken) = self.take(fork, headers, now);
        if let Some(fork) = fork {
            self.forks.insert(from, fork);
        }
        taken
    }

    /// Takes headers after the best chain or `fork`; gives the chain beside the best one that is left.
    pub(super) fn take(&mut self, mut fork: Option<Fork>, headers: &[Header], now: Timestamp) -> (Option<Fork>, Taken) {
        let mut taken = Taken::default();
        let Some(first) = headers.first() else { return (fork, taken) };
        let mut at = match self.locate(&fork, first) {
            Ok(at) => at,
            Err(error) => return (fork, Taken { error: Some(error), ..taken }),
        };
        let mut previous = first.previous;
        for header in headers {
            let hash = header.hash();
            let next = match self.known_after(at, &fork, &hash) {
                _ if header.previous != previous => {
                    Err(HeadersError::NotConsecutive { hash, expected: previous, found: header.previous })
                }
                Some(known) => Ok(known),
                None => self.add(&mut fork, at, Row { hash, header: *header }, now).inspect(|_| taken.new += 1),
            };
            match next {
                Ok(next) => (at, previous) = (next, hash),
                Err(error) => {
                    if let HeadersError::TooMany { .. } = error {
                        fork = None;
                    }
                    taken.error = Some(error);
                    break;
                }
            }
            taken.last = Some(self.height_at(at, &fork));
        }
        // "The best chain is the one with the most work; of two with equal work, the one whose last block has the lower
        // hash, read as a little-endian number."
        if fork.as_ref().is_some_and(|fork| is_better(&fork.last, &self.tip)) {
            taken.change = fork.take().map(|fork| self.adopt(fork));
        }
        (fork, taken)
    }

    /// Where the header before a list's first one stands.
    fn locate(&self, fork: &Option<Fork>, first: &Header) -> Result<At, HeadersError> {
        let previous = first.previous;
        if let Some(height) = self.height_of(&previous) {
            return Ok(At::Best(height));
        }
        if let Some(place) = fork.as_ref().and_then(|fork| fork.find(&previous)) {
            return Ok(At::Fork(place));
        }
        let hash = first.hash();
        if previous == self.params.genesis().hash() {
            return Err(HeadersError::BelowAnchor { hash, previous, anchor: self.anchor.entry.height });
        }
        Err(HeadersError::UnknownParent { hash, previous })
    }

    /// Where a header stands that follows one that is known, if it is known too.
    fn known_after(&self, at: At, fork: &Option<Fork>, hash: &BlockHash) -> Option<At> {
        let in_fork = |place: usize| fork.as_ref().is_some_and(|fork| fork.is_at(place, hash));
        match at {
            At::Best(height) if self.hash(height.next()) == Some(*hash) => Some(At::Best(height.next())),
            At::Best(height) => {
                (fork.as_ref().is_some_and(|fork| fork.base == height) && in_fork(0)).then_some(At::Fork(0))
            }
            At::Fork(place) => in_fork(place + 1).then_some(At::Fork(place + 1)),
        }
    }

    fn height_at(&self, at: At, fork: &Option<Fork>) -> Height {
        match at {
            At::Best(height) => height,
            At::Fork(place) => fork.as_ref().map_or(Height(0), |fork| fork.base.plus(place as u32 + 1)),
        }
    }

    /// Checks a header that follows the one at `at` and adds it to the chain beside the best one.
    fn add(&self, fork: &mut Option<Fork>, at: At, row: Row, now: Timestamp) -> Result<At, HeadersError> {
        let (hash, header) = (row.hash, row.header);
        let wrong = |error| HeadersError::Header { hash, error };
        check_header(&header, self.params).map_err(wrong)?;
        let base = match (at, fork.as_ref()) {
            (At::Fork(_), Some(fork)) => fork.base,
            (At::Best(height), _) => height,
            (At::Fork(_), None) => return Err(HeadersError::UnknownParent { hash, previous: header.previous }),
        };
        // "A node does not leave its chain for one that left it more than 1,440 blocks below the tip."
        let depth = self.params.max_reorganisation;
        let floor = Height(self.tip.height.0.saturating_sub(depth));
        if base < floor {
            return Err(HeadersError::ForkTooDeep { hash, floor, depth });
        }
        let mut own = match (at, fork.take()) {
            (At::Fork(place), Some(own)) => self.cut(own, place + 1),
            _ => self.entry_at(base).map(|last| Fork { base, rows: Vec::new(), last }),
        }
        .ok_or(HeadersError::UnknownParent { hash, previous: header.previous })?;
        let added = self.add_last(&mut own, row, now);
        let place = own.rows.len().saturating_sub(1);
        // A chain of nothing is none.
        *fork = (!own.rows.is_empty()).then_some(own);
        added.map(|()| At::Fork(place))
    }

    fn add_last(&self, fork: &mut Fork, row: Row, now: Timestamp) -> Result<(), HeadersError> {
        let (hash, header) = (row.hash, row.header);
        check_in_context(&header, &fork.last, self.params, now)
            .map_err(|error| HeadersError::Header { hash, error })?;
        let entry = self.entry_of(&header, fork.base, &fork.rows, &fork.last);
        // "A node may be told checkpoints, heights with block hashes; headers of others are refused there."
        if let Some(expected) = self.checkpoints.get(&entry.height)
            && *expected != hash
        {
            return Err(HeadersError::Checkpoint { hash, height: entry.height, expected: *expected });
        }
        // "Headers that lead to no better chain are taken up to a number."
        if fork.rows.len() >= self.most_useless && !is_better(&entry, &self.tip) {
            return Err(HeadersError::TooMany { limit: self.most_useless });
        }
        fork.rows.push(row);
        fork.last = entry;
        Ok(())
    }

    /// The first `len` headers of a chain beside the best one.
    fn cut(&self, mut fork: Fork, len: usize) -> Option<Fork> {
        if fork.rows.len() > len {
            fork.rows.truncate(len);
            let mut last = self.entry_at(fork.base)?;
            for (place, row) in fork.rows.iter().enumerate() {
                last = self.entry_of(&row.header, fork.base, fork.rows.get(..place)?, &last);
            }
            fork.last = last;
        }
        Some(fork)
    }

    /// The entry of a header after `parent`, the last of `rows` that leave the best chain at `base`.
    fn entry_of(&self, header: &Header, base: Height, rows: &[Row], parent: &HeaderEntry) -> HeaderEntry {
        let own = rows.iter().rev().map(|row| row.header.time);
        let times: Vec<Timestamp> = own.chain(self.times_to(base)).take(self.params.median_time_span).collect();
        entry_after(*header, parent, &times, self.params)
    }

    /// Makes a chain the best one.
    fn adopt(&mut self, fork: Fork) -> Change {
        let change = Change {
            common: fork.base,
            left: self.tip.height.since(fork.base),
            new: fork.last.height.since(fork.base),
        };
        for _ in 0..change.left {
            self.rows.pop();
        }
        fork.rows.into_iter().for_each(|row| self.rows.push(row));
        self.tip = fork.last;
        let first = fork.base.next();
        self.unsaved = Some(self.unsaved.map_or(first, |height| height.min(first)));
        // A chain that left one of the blocks that are gone leads nowhere now. Whoever gave it is asked again.
        if change.left > 0 {
            self.forks.clear();
        }
        change
    }
}
