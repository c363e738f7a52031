//! What goes into the book, and what leaves it.

use super::entry::{Entry, Place};
use super::scope::{Group, Scope, may_tell};
use crate::hash::tagged_hash;
use crate::job::PeerAddress;
use crate::message::{Endpoint, MAX_ADDRESSES, NetAddress, Transports, VerifiedRecord};
use crate::units::Timestamp;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::net::IpAddr;

/// Buckets of the table of peers that were heard of.
pub const NEW_BUCKETS: u16 = 256;
/// How many of them the news from one network reaches.
pub const NEW_PER_SOURCE: u16 = 16;
/// Buckets of the table of peers that answered.
pub const TRIED_BUCKETS: u16 = 128;
/// How many of them the peers of one network reach.
pub const TRIED_PER_GROUP: u16 = 4;
/// Peers in one bucket.
pub const SLOTS: usize = 16;
/// Seconds after which a peer that nobody heard from is given up for another.
pub const MAX_AGE: u32 = 30 * 24 * 3600;
/// How far ahead of our clock a record's time may lie, in seconds.
const MAX_AHEAD: u32 = 10 * 60;
/// Peers of a full bucket that wait for proof that an older one is gone.
const MAX_TESTS: usize = 16;
/// Failures that count while nobody at all can be reached: enough for a pause, too few to give a peer up.
const FAILURES_OFFLINE: u16 = 2;

/// Where news of a peer comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The IP address of the neighbour that told us, as we see it.
    pub from: IpAddr,
    /// Whether that neighbour is the peer itself.
    pub first_hand: bool,
    /// When the neighbour last heard from the peer, as it says.
    pub last_seen: Timestamp,
}

/// What came of telling the book about a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// It was not known.
    New,
    /// It says something newer about itself.
    Updated,
    /// There was nothing new in it, or hearsay about a peer that we met.
    Known,
    /// Its bucket is full.
    Full,
    /// It names no address that can be dialled from here.
    Useless,
    /// It is too old, or dated in the future.
    Stale,
}

/// The address book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Book {
    pub(super) key: [u8; 32],
    own: PeerAddress,
    dialable: Transports,
    pub(super) entries: BTreeMap<PeerAddress, Entry>,
    pub(super) buckets: BTreeMap<Place, BTreeSet<PeerAddress>>,
    /// Whose each address is: one peer's.
    pub(super) holders: BTreeMap<Endpoint, PeerAddress>,
    /// Peers that answered and found their bucket full: whom one of them would replace, and itself.
    pub(super) tests: Vec<(PeerAddress, PeerAddress)>,
}

impl Book {
    /// An empty book of the node with this id, which dials by these transports. Nobody else may know the key.
    pub fn new(key: [u8; 32], own: PeerAddress, dialable: Transports) -> Self {
        let (entries, buckets, holders, tests) = Default::default();
        Book { key, own, dialable, entries, buckets, holders, tests }
    }

    /// Peers in the book.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is nobody in it.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Those of them that answered when they were dialled.
    pub fn tried(&self) -> usize {
        self.buckets.iter().filter(|(place, _)| place.tried).map(|(_, bucket)| bucket.len()).sum()
    }

    /// Whether this peer answered when it was dialled.
    pub fn is_tried(&self, peer: &PeerAddress) -> bool {
        self.entries.get(peer).is_some_and(|e| e.place.tried)
    }

    /// Takes what a peer says about itself, from that peer or from a neighbour. "What a node heard from others never
    /// changes what it knows of a peer that it met."
    pub fn add(&mut self, record: &VerifiedRecord, heard: &Heard, now: Timestamp) -> Added {
        let body = record.body();
        if body.peer == self.own {
            return Added::Known;
        }
        if body.time.0 > now.0.saturating_add(MAX_AHEAD) || now.0.saturating_sub(body.time.0) > MAX_AGE {
            return Added::Stale;
        }
        let addresses = self.usable(&body.peer, &body.addresses, heard.from);
        let seen = if heard.first_hand { now } else { heard.last_seen.min(now) };
        let Some(entry) = self.entries.get_mut(&body.peer) else {
            let Some(first) = addresses.first().and_then(NetAddress::endpoint) else { return Added::Useless };
            let Some(ip) = first.ip() else { return Added::Useless };
            let source = Group::of(heard.from);
            let place = self.new_place(&source, &Group::of_port(ip, first.port));
            if now.0.saturating_sub(seen.0) > MAX_AGE || !self.has_room(place, now) {
                return if now.0.saturating_sub(seen.0) > MAX_AGE { Added::Stale } else { Added::Full };
            }
            self.insert(Entry {
                peer: body.peer.clone(),
                record: Some(record.signed().clone()),
                addresses,
                place,
                source,
                first_hand: heard.first_hand,
                seen,
                attempt: Timestamp::default(),
                success: Timestamp::default(),
                failures: 0,
            });
            return Added::New;
        };
        if entry.place.tried && !heard.first_hand {
            return Added::Known;
        }
        entry.seen = entry.seen.max(seen);
        let old = entry.record.as_ref().map(|r| r.body.time);
        if old.is_some_and(|old| old >= body.time) {
            entry.first_hand |= heard.first_hand && entry.record.as_ref() == Some(record.signed());
            return Added::Known;
        }
        if addresses.is_empty() && !entry.place.tried {
            return Added::Useless;
        }
        entry.record = Some(record.signed().clone());
        entry.first_hand = heard.first_hand;
        let mut kept = Vec::new();
        // Where it answered stays first.
        kept.extend(entry.addresses.first().filter(|_| entry.place.tried && entry.failures == 0).cloned());
        kept.extend(addresses.into_iter().filter(|a| kept.first() != Some(a)).collect::<Vec<_>>());
        if !kept.is_empty() {
            let peer = body.peer.clone();
            self.set_addresses(&peer, kept);
        }
        Added::Updated
    }

    /// A peer answered at an address that was dialled, and speaks our protocol: it is one that we met.
    pub fn connected(&mut self, peer: &PeerAddress, address: &NetAddress, now: Timestamp) {
        let Some((endpoint, ip)) = address.endpoint().and_then(|e| e.ip().map(|ip| (e, ip))) else { return };
        if *peer == self.own {
            return;
        }
        if let Some(other) = self.holders.get(&endpoint).filter(|holder| *holder != peer).cloned() {
            self.misled(&other, address);
        }
        self.tests.retain(|(older, _)| older != peer);
        let group = Group::of_port(ip, endpoint.port);
        let place = self.tried_place(peer, &group);
        if let Some(entry) = self.entries.get_mut(peer) {
            (entry.success, entry.seen, entry.attempt, entry.failures) = (now, now, now, 0);
            let mut addresses = entry.addresses.clone();
            addresses.retain(|a| a != address);
            addresses.insert(0, address.clone());
            addresses.truncate(MAX_ADDRESSES + 1);
            let tried = entry.place.tried;
            self.set_addresses(peer, addresses);
            if !tried && self.has_room(place, now) {
                self.move_to(peer, place);
            } else if !tried {
                self.test_older(place, peer);
            }
            return;
        }
        let source = Group::of(ip);
        let new = self.new_place(&source, &group);
        let Some(free) = [place, new].into_iter().find(|p| self.has_room(*p, now)) else { return };
        self.insert(Entry {
            peer: peer.clone(),
            record: None,
            addresses: alloc::vec![address.clone()],
            place: free,
            source,
            first_hand: false,
            seen: now,
            attempt: now,
            success: now,
            failures: 0,
        });
        if free != place {
            self.test_older(place, peer);
        }
    }

    /// A connected peer is still there.
    pub fn seen(&mut self, peer: &PeerAddress, now: Timestamp) {
        if let Some(entry) = self.entries.get_mut(peer) {
            entry.seen = now;
        }
    }

    /// A peer is dialled.
    pub fn dialled(&mut self, peer: &PeerAddress, now: Timestamp) {
        if let Some(entry) = self.entries.get_mut(peer) {
            entry.attempt = now;
        }
    }

    /// A peer that was dialled did not answer, or was of no use. `online` is whether others can be reached: where nobody
    /// can, it is not this peer's fault.
    pub fn failed(&mut self, peer: &PeerAddress, now: Timestamp, online: bool) {
        let Some(entry) = self.entries.get_mut(peer) else { return };
        entry.attempt = now;
        if online || entry.failures < FAILURES_OFFLINE {
            entry.failures = entry.failures.saturating_add(1);
        }
        // An older peer that does not answer makes room for the newer one that did.
        let test = self.tests.iter().position(|(older, _)| older == peer).filter(|_| online);
        if let Some((older, newer)) = test.map(|at| self.tests.swap_remove(at)) {
            let Some(place) = self.entries.get(&older).map(|e| e.place) else { return };
            let (source, group) = self.entries.get(&older).map(|e| (e.source.clone(), e.group())).unwrap_or_default();
            let new = self.new_place(&source, &group);
            if self.has_room(new, now) {
                self.move_to(&older, new);
            } else {
                self.forget(&older);
            }
            if self.entries.contains_key(&newer) && self.has_room(place, now) {
                self.move_to(&newer, place);
            }
        }
    }

    /// Somebody else, or nobody of this network, answered at an address of this peer's.
    pub fn misled(&mut self, peer: &PeerAddress, address: &NetAddress) {
        let Some(entry) = self.entries.get(peer) else { return };
        let left: Vec<_> = entry.addresses.iter().filter(|a| *a != address).cloned().collect();
        if left.is_empty() {
            self.forget(peer);
        } else {
            self.set_addresses(peer, left);
        }
    }

    /// Takes a peer out.
    pub fn forget(&mut self, peer: &PeerAddress) {
        let Some(entry) = self.entries.remove(peer) else { return };
        for endpoint in entry.addresses.iter().filter_map(NetAddress::endpoint) {
            self.holders.remove(&endpoint);
        }
        if let Some(bucket) = self.buckets.get_mut(&entry.place) {
            bucket.remove(peer);
            if bucket.is_empty() {
                self.buckets.remove(&entry.place);
            }
        }
        self.tests.retain(|(older, newer)| older != peer && newer != peer);
    }

    /// "Addresses that can never be dialled are dropped": those that are none, of a transport or a scope that is of no use
    /// here, and those that are another peer's.
    fn usable(&self, peer: &PeerAddress, addresses: &[NetAddress], from: IpAddr) -> Vec<NetAddress> {
        let mut endpoints = BTreeSet::new();
        let mut usable = |address: &&NetAddress| {
            let Some(endpoint) = address.endpoint() else { return false };
            let scope = endpoint.ip().and_then(Scope::of);
            endpoint.port != 0
                && self.dialable.has(endpoint.transport)
                && scope.is_some_and(|scope| may_tell(scope, from))
                && self.holders.get(&endpoint).is_none_or(|holder| holder == peer)
                && endpoints.insert(endpoint)
        };
        addresses.iter().filter(|a| usable(a)).take(MAX_ADDRESSES).cloned().collect()
    }

    /// A number that only this node can foresee.
    pub(super) fn number(&self, what: &str, parts: &[&[u8]]) -> u64 {
        let mut input = Vec::new();
        for part in parts {
            crate::encode::put_bytes(part, &mut input);
        }
        let hash = tagged_hash("camelid/peers", &[&self.key, what.as_bytes(), &[0], &input]);
        u64::from_le_bytes(core::array::from_fn(|i| hash.0[i]))
    }

    /// The bucket for a peer of a network that was heard of from another.
    fn new_place(&self, source: &Group, group: &Group) -> Place {
        let of_source = self.number("new", &[&source.0, &group.0]) % u64::from(NEW_PER_SOURCE);
        let bucket = self.number("new bucket", &[&source.0, &of_source.to_le_bytes()]) % u64::from(NEW_BUCKETS);
        Place { tried: false, bucket: bucket as u16 }
    }

    /// The bucket for a peer that answered in a network.
    fn tried_place(&self, peer: &PeerAddress, group: &Group) -> Place {
        let of_group = self.number("tried", &[peer.as_bytes()]) % u64::from(TRIED_PER_GROUP);
        let bucket = self.number("tried bucket", &[&group.0, &of_group.to_le_bytes()]) % u64::from(TRIED_BUCKETS);
        Place { tried: true, bucket: bucket as u16 }
    }

    /// Whether a bucket has a free place; one of a lost peer is made free.
    fn has_room(&mut self, place: Place, now: Timestamp) -> bool {
        let Some(bucket) = self.buckets.get(&place).filter(|b| b.len() >= SLOTS) else { return true };
        let lost = |peer: &&PeerAddress| self.entries.get(*peer).is_none_or(|e| e.is_lost(now, MAX_AGE));
        let Some(lost) = bucket.iter().find(lost).cloned() else { return false };
        self.forget(&lost);
        true
    }

    /// Notes that the peer of a bucket that answered longest ago must prove that it is there, or give way.
    fn test_older(&mut self, place: Place, newer: &PeerAddress) {
        let waits = |peer: &PeerAddress| self.tests.iter().any(|(older, newer)| older == peer || newer == peer);
        if self.tests.len() >= MAX_TESTS || waits(newer) {
            return;
        }
        let members = self.buckets.get(&place).into_iter().flatten().filter(|p| !waits(p));
        let older = members.min_by_key(|p| self.entries.get(*p).map(|e| e.success)).cloned();
        self.tests.extend(older.map(|older| (older, newer.clone())));
    }

    pub(super) fn insert(&mut self, entry: Entry) {
        for endpoint in entry.addresses.iter().filter_map(NetAddress::endpoint) {
            self.holders.insert(endpoint, entry.peer.clone());
        }
        self.buckets.entry(entry.place).or_default().insert(entry.peer.clone());
        self.entries.insert(entry.peer.clone(), entry);
    }

    fn move_to(&mut self, peer: &PeerAddress, place: Place) {
        let tests = core::mem::take(&mut self.tests);
        if let Some(mut entry) = self.entries.get(peer).cloned() {
            self.forget(peer);
            entry.place = place;
            self.insert(entry);
        }
        self.tests = tests;
        self.tests.retain(|(_, newer)| newer != peer);
    }

    fn set_addresses(&mut self, peer: &PeerAddress, addresses: Vec<NetAddress>) {
        let Some(entry) = self.entries.get_mut(peer) else { return };
        for endpoint in entry.addresses.iter().filter_map(NetAddress::endpoint) {
            self.holders.remove(&endpoint);
        }
        for endpoint in addresses.iter().filter_map(NetAddress::endpoint) {
            self.holders.insert(endpoint, peer.clone());
        }
        entry.addresses = addresses;
    }

    /// Whether an address is free for a peer: nobody else's.
    pub(super) fn is_free(&self, address: &NetAddress) -> bool {
        address.endpoint().is_some_and(|e| e.ip().is_some() && !self.holders.contains_key(&e))
    }
}
