//! Which peers of the address book to dial, and when: until enough of them are connected, no two of one owner's network,
//! and now and then one that was only heard of, to see whether it is there.
//!
//! It decides; the network's task dials, and tells what came of it.

use super::book::{self, AddressBook};
use super::limits::Limits;
use super::netaddr::{multiaddr_of, net_address, peer_address};
use camelid_core::job::PeerAddress;
use camelid_core::message::NetAddress;
use camelid_core::peers::{Group, Pick, Which};
use libp2p::swarm::ConnectionId;
use libp2p::{Multiaddr, PeerId};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::{Duration, Instant};

/// Between two draws from the book.
const DRAW_EVERY: Duration = Duration::from_millis(500);
/// After a draw that found nobody.
const NOBODY: Duration = Duration::from_secs(2);
/// Attempts under way at once.
const ATTEMPTS: usize = 4;
/// The first wait before a seed node is asked again; doubled each time.
const SEED_WAIT: Duration = Duration::from_secs(5);
/// The longest one.
const LONGEST_SEED_WAIT: Duration = Duration::from_secs(600);
/// A connection that lasted as long was a good one.
const GOOD_AFTER: Duration = Duration::from_secs(10);
/// How often the book is told who is still there.
const SEEN_EVERY: Duration = Duration::from_secs(300);

/// Why a peer is dialled, or was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    /// To stay connected to it.
    Keep,
    /// To see whether it is there.
    Feel,
    /// To ask it for others.
    Seed,
}

/// An attempt to be made.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Where to dial.
    pub(super) address: Multiaddr,
    why: Why,
    pick: Option<Pick>,
}

/// A connection that we opened.
#[derive(Debug)]
struct Live {
    connection: ConnectionId,
    why: Why,
    address: Option<NetAddress>,
    /// The peer of the book that was meant.
    pick: Option<Pick>,
    group: Option<Group>,
    since: Instant,
    announced: bool,
}

/// What came of an attempt that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// Nobody answered.
    NoAnswer,
    /// This node itself answered.
    Ourselves,
}

/// The node's choice of peers.
#[derive(Debug)]
pub(super) struct Outbound {
    book: AddressBook,
    limits: Limits,
    seeds: Vec<Multiaddr>,
    next_seed: usize,
    seed_wait: Duration,
    seed_at: Instant,
    attempts: HashMap<ConnectionId, Plan>,
    live: HashMap<PeerId, Live>,
    /// Everybody who is connected, whoever opened the connection.
    connected: HashSet<PeerId>,
    next_draw: Instant,
    next_feeler: Instant,
    next_seen: Instant,
}

fn random() -> u64 {
    u64::from_le_bytes(crate::system::random())
}

impl Outbound {
    pub(super) fn new(book: AddressBook, limits: Limits, seeds: Vec<Multiaddr>, now: Instant) -> Self {
        Outbound {
            book,
            limits,
            seeds,
            next_seed: 0,
            seed_wait: SEED_WAIT,
            seed_at: now,
            attempts: HashMap::new(),
            live: HashMap::new(),
            connected: HashSet::new(),
            next_draw: now,
            next_feeler: now + limits.feeler,
            next_seen: now + SEEN_EVERY,
        }
    }

    /// How many connections of our own there should be: those places are kept from others.
    fn target(&self) -> usize {
        self.limits.outbound.min((self.limits.max_peers - self.limits.inbound()).max(1))
    }

    fn kept(&self) -> usize {
        self.live.values().filter(|l| l.why == Why::Keep).count()
    }

    /// Whom to dial now; `banned` says with whom we talk no more. Each plan is to be told to [`Self::dialling`].
    pub(super) fn due(&mut self, now: Instant, banned: impl Fn(&PeerAddress, &NetAddress) -> bool) -> Option<Plan> {
        if self.limits.outbound == 0 || self.attempts.len() >= ATTEMPTS {
            return None;
        }
        let under_way = self.attempts.values().filter(|a| a.why == Why::Keep).count();
        if self.kept() + under_way < self.target() && self.next_draw <= now {
            let plan = self.draw(Which::Any, &banned);
            self.next_draw = now + if plan.is_some() { DRAW_EVERY } else { NOBODY };
            if let Some(pick) = plan {
                return self.plan(pick, Why::Keep);
            }
            if let Some(seed) = self.seed(now) {
                return Some(seed);
            }
        }
        if self.next_feeler <= now && !self.connected.is_empty() {
            self.next_feeler = now + self.limits.feeler;
            let test = self.book.read().to_test(book::now()).filter(|pick| !banned(&pick.peer, &pick.address));
            if let Some(pick) = test.or_else(|| self.draw(Which::New, &banned)) {
                return self.plan(pick, Why::Feel);
            }
        }
        None
    }

    fn plan(&self, pick: Pick, why: Why) -> Option<Plan> {
        let address = multiaddr_of(&pick.address)?;
        self.book.change().dialled(&pick.peer, book::now());
        Some(Plan { address, why, pick: Some(pick) })
    }

    fn draw(&self, which: Which, banned: &impl Fn(&PeerAddress, &NetAddress) -> bool) -> Option<Pick> {
        let mut groups: HashMap<Group, usize> = HashMap::new();
        let live = self.live.values().filter(|l| l.why != Why::Feel).filter_map(|l| l.group.clone());
        let attempts = self.attempts.values().filter_map(|a| self.group(&net_address(&a.address)?));
        live.chain(attempts).for_each(|group| *groups.entry(group).or_default() += 1);
        let here: HashSet<_> = self.connected.iter().filter_map(peer_address).collect();
        let pending: HashSet<_> = self.attempts.values().filter_map(|a| Some(a.pick.as_ref()?.peer.clone())).collect();
        let apart = |address: &NetAddress| {
            let count = self.group(address).and_then(|group| groups.get(&group).copied()).unwrap_or(0);
            which == Which::New || count < self.limits.outbound_per_subnet
        };
        self.book.read().draw(which, book::now(), random(), |peer, address| {
            !here.contains(peer) && !pending.contains(peer) && !banned(peer, address) && apart(address)
        })
    }

    fn group(&self, address: &NetAddress) -> Option<Group> {
        let endpoint = address.endpoint()?;
        Some(self.limits.local.group(endpoint.ip()?, endpoint.port))
    }

    /// A seed node, where the book has nobody and nobody is connected.
    fn seed(&mut self, now: Instant) -> Option<Plan> {
        if !self.live.is_empty() || !self.attempts.is_empty() || self.seed_at > now || self.seeds.is_empty() {
            return None;
        }
        let address = self.seeds[self.next_seed % self.seeds.len()].clone();
        self.next_seed += 1;
        if self.next_seed.is_multiple_of(self.seeds.len()) {
            self.seed_at = now + self.seed_wait;
            self.seed_wait = (self.seed_wait * 2).min(LONGEST_SEED_WAIT);
        }
        Some(Plan { address, why: Why::Seed, pick: None })
    }

    /// The plan's attempt has begun.
    pub(super) fn dialling(&mut self, attempt: ConnectionId, plan: Plan) {
        self.attempts.insert(attempt, plan);
    }

    /// A connection that we opened, for whatever reason.
    pub(super) fn opened(&mut self, peer: PeerId, connection: ConnectionId, address: &Multiaddr, now: Instant) {
        let plan = self.attempts.remove(&connection);
        self.connected.insert(peer);
        let at = net_address(address).filter(|a| a.endpoint().is_some_and(|e| e.ip().is_some()));
        let (why, pick) = plan.map_or((Why::Keep, None), |plan| (plan.why, plan.pick));
        if let (Some(pick), Some(own)) = (&pick, peer_address(&peer))
            && pick.peer != own
        {
            self.book.change().misled(&pick.peer, &pick.address);
        }
        let group = at.as_ref().and_then(|at| self.group(at));
        let live = Live { connection, why, address: at, pick, group, since: now, announced: false };
        self.live.entry(peer).or_insert(live);
    }

    /// A connection that the peer opened.
    pub(super) fn came(&mut self, peer: PeerId) {
        self.connected.insert(peer);
    }

    /// A connected peer speaks this network. The connection to be closed, when that was all we wanted to know of it.
    pub(super) fn announced(&mut self, peer: &PeerId) -> Option<ConnectionId> {
        let live = self.live.get_mut(peer)?;
        if !live.announced
            && let (Some(own), Some(address)) = (peer_address(peer), &live.address)
        {
            self.book.change().connected(&own, address, book::now());
        }
        live.announced = true;
        (live.why == Why::Feel).then_some(live.connection)
    }

    /// The connection to a seed node that is no longer needed: others are connected in its place.
    pub(super) fn superfluous(&self) -> Option<ConnectionId> {
        let enough = self.live.values().filter(|l| l.why == Why::Keep && l.announced).count() >= self.target();
        let seed = self.live.values().find(|l| l.why == Why::Seed).map(|l| l.connection);
        seed.filter(|_| enough)
    }

    /// The last connection to a peer has closed.
    pub(super) fn closed(&mut self, peer: &PeerId, now: Instant) {
        self.connected.remove(peer);
        let online = !self.connected.is_empty();
        let Some(live) = self.live.remove(peer) else { return };
        let (mut book, time) = (self.book.change(), book::now());
        if live.announced && (live.why == Why::Feel || now.saturating_duration_since(live.since) >= GOOD_AFTER) {
            if let Some(own) = peer_address(peer) {
                book.seen(&own, time);
            }
            self.seed_wait = SEED_WAIT;
        } else {
            // Of no use: another network, no room for us, or gone at once.
            let own = peer_address(peer).filter(|_| live.announced);
            let blamed: BTreeSet<_> = own.into_iter().chain(live.pick.map(|p| p.peer)).collect();
            blamed.iter().for_each(|peer| book.failed(peer, time, online));
        }
    }

    /// An attempt failed.
    pub(super) fn failed(&mut self, attempt: ConnectionId, failure: Failure) {
        let Some(Plan { pick: Some(pick), .. }) = self.attempts.remove(&attempt) else { return };
        let online = !self.connected.is_empty();
        match failure {
            Failure::NoAnswer => self.book.change().failed(&pick.peer, book::now(), online),
            Failure::Ourselves => self.book.change().misled(&pick.peer, &pick.address),
        }
    }

    /// Tells the book, now and then, who is still there; true when it did.
    pub(super) fn tick(&mut self, now: Instant) -> bool {
        let due = self.next_seen <= now;
        if due {
            self.next_seen = now + SEEN_EVERY;
            let (mut book, time) = (self.book.change(), book::now());
            self.connected.iter().filter_map(peer_address).for_each(|peer| book.seen(&peer, time));
        }
        due
    }
}

#[cfg(test)]
#[path = "outbound_tests.rs"]
mod tests;
