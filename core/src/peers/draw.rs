//! Whom to dial next, and whom to tell others about.

use super::book::{Book, MAX_AGE};
use super::entry::{Entry, Place};
use super::scope::{Group, Scope, may_tell};
use crate::encode::Encode;
use crate::job::PeerAddress;
use crate::message::{KnownPeer, MAX_PEER_BYTES_PER_RESPONSE, MAX_PEERS_PER_RESPONSE, NetAddress, Services};
use crate::units::Timestamp;
use alloc::vec::Vec;
use core::net::IpAddr;

/// Peers that nobody heard from for so many seconds are told to nobody.
const FRESH: u32 = 7 * 24 * 3600;
/// An answer has all peers of a book that has no more; of a larger one it has a part.
const ALL_OF: usize = 64;
/// That part in hundredths: who asks many times over does not get to know everybody.
const PART: usize = 23;
/// The part stays the same for so many seconds.
const PART_SECONDS: u32 = 3600;

/// A peer to dial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pick {
    /// Who should answer.
    pub peer: PeerAddress,
    /// Where.
    pub address: NetAddress,
}

/// From which peers to draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Those that answered before and those that were only heard of, as often.
    Any,
    /// Those that were only heard of: to find out whether they are there.
    New,
}

impl Entry {
    /// The address to try next: after failures another.
    fn next_address(&self) -> Option<&NetAddress> {
        self.addresses.get(usize::from(self.failures) % self.addresses.len().max(1))
    }

    /// The network of its first address.
    pub(super) fn group(&self) -> Group {
        let first = self.addresses.first().and_then(NetAddress::endpoint);
        first.and_then(|e| e.ip().map(|ip| Group::of_port(ip, e.port))).unwrap_or_default()
    }
}

/// Numbers that follow from one (SplitMix64).
struct Draws(u64);

impl Draws {
    /// One of `0..count`.
    fn below(&mut self, count: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % count.max(1) as u64) as usize
    }
}

impl Book {
    /// Draws a peer to dial among those for which `usable` is true and whose pause is over. A bucket is drawn first, then
    /// one of it: who fills a few buckets is not drawn more often for that.
    pub fn draw(
        &self,
        which: Which,
        now: Timestamp,
        random: u64,
        mut usable: impl FnMut(&PeerAddress, &NetAddress) -> bool,
    ) -> Option<Pick> {
        let mut pick = |peer: &PeerAddress| {
            let entry = self.entries.get(peer).filter(|e| e.next_attempt() <= now && !e.is_lost(now, MAX_AGE))?;
            let address = entry.next_address()?.clone();
            usable(peer, &address).then(|| Pick { peer: peer.clone(), address })
        };
        let mut buckets: [Vec<Vec<Pick>>; 2] = Default::default();
        for (place, bucket) in &self.buckets {
            let picks: Vec<Pick> = bucket.iter().filter_map(&mut pick).collect();
            if !picks.is_empty() {
                buckets[usize::from(place.tried)].push(picks);
            }
        }
        let mut draws = Draws(random);
        let [new, tried] = buckets;
        let from = match which {
            Which::New => new,
            Which::Any if tried.is_empty() || (!new.is_empty() && draws.below(2) == 0) => new,
            Which::Any => tried,
        };
        let bucket = from.get(draws.below(from.len()))?;
        bucket.get(draws.below(bucket.len())).cloned()
    }

    /// A peer that must prove that it is there, because a newer one that did waits for its place.
    pub fn to_test(&self, now: Timestamp) -> Option<Pick> {
        let due = |e: &&Entry| e.next_attempt() <= now;
        let entry = self.tests.iter().filter_map(|(older, _)| self.entries.get(older)).find(due)?;
        Some(Pick { peer: entry.peer.clone(), address: entry.next_address()?.clone() })
    }

    /// What to tell a peer that we see at `seen`: peers that we met, and peers that told us of themselves. "Nobody passes
    /// on what it only heard." In an hour the same peer gets the same part of a large book.
    pub fn sample(&self, asker: &PeerAddress, seen: IpAddr, now: Timestamp) -> Vec<KnownPeer> {
        let good = |e: &&Entry| {
            let useful = |a: &NetAddress| a.endpoint().and_then(|e| e.ip()).and_then(Scope::of);
            (e.place.tried || e.first_hand)
                && e.peer != *asker
                && now.0.saturating_sub(e.seen.0) <= FRESH
                && !e.is_lost(now, MAX_AGE)
                && e.addresses.iter().filter_map(useful).any(|scope| may_tell(scope, seen))
        };
        let known = |e: &Entry| e.record.clone().map(|record| KnownPeer { record, last_seen: e.seen });
        let hour = (now.0 / PART_SECONDS).to_le_bytes();
        let order = |e: &&Entry| self.number("part", &[asker.as_bytes(), &hour, e.peer.as_bytes()]);
        let mut good: Vec<&Entry> = self.entries.values().filter(good).collect();
        good.sort_by_cached_key(order);
        let part = (good.len() * PART / 100).clamp(ALL_OF, MAX_PEERS_PER_RESPONSE);
        let mut room = MAX_PEER_BYTES_PER_RESPONSE - 3;
        let fits = |known: &KnownPeer| {
            let size = known.to_bytes().len();
            let fits = size <= room;
            room -= if fits { size } else { 0 };
            fits
        };
        good.into_iter().filter_map(known).take(part).filter(fits).collect()
    }

    /// What a peer does for others, as it says itself; `None` where it has not said.
    pub fn services(&self, peer: &PeerAddress) -> Option<Services> {
        self.entries.get(peer)?.record.as_ref().map(|r| r.body.services)
    }

    /// The places that are taken, for tests and statistics: in how many buckets how many peers are.
    pub fn buckets_in_use(&self, tried: bool) -> impl Iterator<Item = usize> {
        self.buckets.iter().filter(move |(place, _): &(&Place, _)| place.tried == tried).map(|(_, bucket)| bucket.len())
    }
}
