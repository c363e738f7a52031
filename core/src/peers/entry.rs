//! What the book knows of one peer.

use super::scope::Group;
use crate::encode::{Decode, DecodeError, Encode, Reader, put_bytes, put_vec};
use crate::encode_struct;
use crate::job::PeerAddress;
use crate::message::{MAX_ADDRESSES, NetAddress, SignedPeerRecord};
use crate::units::Timestamp;
use alloc::vec::Vec;

/// The pause after the first failure, in seconds; doubled after each further one.
const FIRST_PAUSE: u32 = 10;
/// The longest pause between two attempts.
const LONGEST_PAUSE: u32 = 3600;
/// Failures after which a peer that never answered may be given up for another.
const FAILURES_NEW: u16 = 3;
/// Failures after which a peer that answered once may be given up for another.
const FAILURES_TRIED: u16 = 10;
/// Seconds since the last good connection, before those failures count.
const LOYALTY: u32 = 7 * 24 * 3600;

/// Which table, and which bucket of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// Whether it answered when it was dialled.
    pub tried: bool,
    /// The bucket.
    pub bucket: u16,
}
encode_struct!(Place { tried, bucket });

/// What the book knows of one peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub peer: PeerAddress,
    /// What it says about itself; `None` for one that was met and has not said anything yet.
    pub record: Option<SignedPeerRecord>,
    /// Where it can be dialled from here; the first is the one at which it answered, if it did.
    pub addresses: Vec<NetAddress>,
    pub place: Place,
    /// Where the news came from.
    pub source: Group,
    /// Whether the peer itself told us.
    pub first_hand: bool,
    /// When somebody last heard from it.
    pub seen: Timestamp,
    /// When it was last dialled.
    pub attempt: Timestamp,
    /// When it last answered, and spoke our protocol.
    pub success: Timestamp,
    /// Attempts in vain since then.
    pub failures: u16,
}

impl Entry {
    /// When it may be dialled again.
    pub fn next_attempt(&self) -> Timestamp {
        let pause = match self.failures {
            0 => 0,
            n => FIRST_PAUSE.saturating_mul(1 << (n - 1).min(16)).min(LONGEST_PAUSE),
        };
        Timestamp(self.attempt.0.saturating_add(pause))
    }

    /// Whether its place may be given to another.
    pub fn is_lost(&self, now: Timestamp, max_age: u32) -> bool {
        let since = |then: Timestamp| now.0.saturating_sub(then.0);
        let never = self.success == Timestamp::default();
        since(self.seen) > max_age
            || (never && self.failures >= FAILURES_NEW)
            || (!never && self.failures >= FAILURES_TRIED && since(self.success) > LOYALTY)
    }
}

impl Encode for Entry {
    fn encode(&self, out: &mut Vec<u8>) {
        self.peer.encode(out);
        self.record.encode(out);
        put_vec(&self.addresses, out);
        self.place.encode(out);
        put_bytes(&self.source.0, out);
        self.first_hand.encode(out);
        self.seen.encode(out);
        self.attempt.encode(out);
        self.success.encode(out);
        self.failures.encode(out);
    }
}

impl Decode for Entry {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Entry {
            peer: Decode::decode(r)?,
            record: Decode::decode(r)?,
            addresses: r.vec("addresses", MAX_ADDRESSES + 1)?,
            place: Decode::decode(r)?,
            source: Group(r.bytes("group", Group::MAX_BYTES)?.to_vec()),
            first_hand: Decode::decode(r)?,
            seen: Decode::decode(r)?,
            attempt: Decode::decode(r)?,
            success: Decode::decode(r)?,
            failures: Decode::decode(r)?,
        })
    }
}
