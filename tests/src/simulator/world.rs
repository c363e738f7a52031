//! The nodes, the clock, and what happens next.

use super::hostile::Character;
use super::network::{Network, Packet};
use super::node::{Node, Out};
use super::{Id, check};
use camelid_core::block::CompactTarget;
use camelid_core::chain::MemoryStore;
use rand::rngs::Xoshiro256PlusPlus as Random;
use rand::{RngExt, SeedableRng};
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::time::Duration;

/// What happens.
#[derive(Clone, Debug)]
enum Happening {
    Arrives {
        from: Id,
        to: Id,
        packet: Packet,
    },
    /// A node looks around: dials, asks.
    Ticks(Id),
    /// A node finds a block, if its chain did not change since this was reckoned.
    Mines {
        node: Id,
        generation: u64,
    },
    Pays(Id),
    /// A node notices that a connection is dead.
    Notices(Id, Id),
}

struct Next {
    at: Duration,
    number: u64,
    what: Happening,
}

impl PartialEq for Next {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}
impl Eq for Next {}
impl PartialOrd for Next {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Next {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

/// A place for a node, whether it runs or not.
struct Place {
    node: Option<Node>,
    /// What it left when it stopped.
    left: Option<(MemoryStore, u64)>,
    character: Character,
    skew: i32,
    /// Hashes a second.
    power: f64,
    generation: u64,
    banned: BTreeSet<Id>,
}

/// Nodes, links and clock.
pub struct World {
    /// What all chance comes from.
    pub random: Random,
    places: Vec<Place>,
    network: Network,
    clock: Duration,
    queue: BinaryHeap<Reverse<Next>>,
    happened: u64,
    /// Whether blocks are found and coins are paid.
    pub busy: bool,
}

/// Connections that a node keeps up.
const DIALS: usize = 6;
/// Seconds between looks around.
const TICK: f64 = 1.0;
/// Seconds between two dials of a node that has enough neighbours, on average.
const FEELER: f64 = 30.0;
/// Until a dead connection is noticed, at the latest.
const DEAD: f64 = 25.0;
/// Hashes a second of all nodes together: eight times what the easiest target needs for a block every two seconds.
const POWER: f64 = 8.0 * 4096.0 / 2.0;

/// Hashes that a block with this target takes on average.
fn hashes(bits: CompactTarget) -> f64 {
    let (exponent, mantissa) = (bits.0 >> 24, bits.0 & 0x7f_ffff);
    2f64.powi(256 - 8 * (exponent as i32 - 3)) / mantissa as f64
}

impl World {
    /// So many nodes, of which some are hostile; none is connected yet.
    pub fn new(seed: u64, honest: usize, hostile: usize) -> Self {
        let mut random = Random::seed_from_u64(seed);
        let nodes = honest + hostile;
        let shares: Vec<f64> =
            (0..nodes).map(|n| if n < honest { random.random_range(0.2..2.0) } else { 0.2 }).collect();
        let all: f64 = shares.iter().sum();
        let places = shares.iter().enumerate().map(|(n, share)| {
            let character = match n < honest {
                true => Character::Honest,
                false => Character::HOSTILE[random.random_range(0..Character::HOSTILE.len())],
            };
            let skew = random.random_range(-50..=50);
            Place {
                node: None,
                left: Some((MemoryStore::new(), 0)),
                character,
                skew,
                power: POWER * share / all,
                generation: 0,
                banned: BTreeSet::new(),
            }
        });
        let places: Vec<Place> = places.collect();
        let (queue, clock) = (BinaryHeap::new(), Duration::ZERO);
        let network = Network::new(nodes);
        let mut world = World { random, places, network, clock, queue, happened: 0, busy: true };
        for node in 0..nodes {
            world.start(node);
        }
        world
    }

    /// The honest nodes that run.
    pub fn honest(&self) -> impl Iterator<Item = (Id, &Node)> {
        let honest = self.places.iter().enumerate().filter(|(_, place)| place.character == Character::Honest);
        honest.filter_map(|(id, place)| Some((id, place.node.as_ref()?)))
    }

    /// The network.
    pub fn network(&mut self) -> &mut Network {
        &mut self.network
    }

    /// How many nodes there are, running or not.
    pub fn size(&self) -> usize {
        self.places.len()
    }

    /// The time, and how many things have happened.
    pub fn clock(&self) -> (Duration, u64) {
        (self.clock, self.happened)
    }

    /// Who is hostile, and how.
    pub fn characters(&self) -> Vec<(Id, Character)> {
        let hostile = self.places.iter().map(|p| p.character).enumerate();
        hostile.filter(|(_, c)| *c != Character::Honest).collect()
    }

    fn after(&mut self, seconds: f64, what: Happening) {
        let at = self.clock + Duration::from_secs_f64(seconds);
        self.at(at, what);
    }

    fn at(&mut self, at: Duration, what: Happening) {
        self.happened += 1;
        self.queue.push(Reverse(Next { at, number: self.happened, what }));
    }

    /// Starts a node that does not run.
    pub fn start(&mut self, node: Id) {
        let Some((store, sequence)) = self.places[node].left.take() else { return };
        // Connections from before are dead at both ends.
        for other in self.network.neighbours(node) {
            self.network.cut(node, other);
            let clock = self.clock;
            self.with(other, |peer, _| peer.disconnected(node, clock));
        }
        let place = &mut self.places[node];
        place.node = Some(Node::start(node, store, place.character, place.skew, sequence));
        let wait = self.random.random_range(0.0..TICK);
        self.after(wait, Happening::Ticks(node));
        let wait = self.random.random_range(0.0..20.0);
        self.after(wait, Happening::Pays(node));
        self.mine_next(node);
    }

    /// Stops a node: its memory is gone, its store stays. Neighbours notice at once or later.
    pub fn stop(&mut self, node: Id) {
        let Some(stopped) = self.places[node].node.take() else { return };
        self.places[node].left = Some(stopped.stop());
        for other in self.network.neighbours(node) {
            let wait = self.random.random_range(0.0..DEAD);
            self.after(wait, Happening::Notices(other, node));
        }
    }

    /// Cuts the network into parts, by node. Dead connections are noticed at once or later.
    pub fn part(&mut self, sides: Vec<u8>) {
        for (a, b) in self.network.part(sides) {
            let wait = self.random.random_range(0.0..DEAD);
            self.after(wait, Happening::Notices(a, b));
        }
    }

    /// When a node finds its next block: the work of its target over its power, on average.
    fn mine_next(&mut self, node: Id) {
        self.places[node].generation += 1;
        let place = &self.places[node];
        let Some(running) = &place.node else { return };
        let work = hashes(running.chain.next_work_required());
        let chance: f64 = self.random.random_range(1e-9..1.0);
        let (wait, generation) = (-chance.ln() * work / place.power, place.generation);
        self.after(wait, Happening::Mines { node, generation });
    }

    /// Lets time pass.
    pub fn run(&mut self, seconds: u64) {
        let until = self.clock + Duration::from_secs(seconds);
        while self.queue.peek().is_some_and(|next| next.0.at <= until) {
            let Some(Reverse(next)) = self.queue.pop() else { break };
            self.clock = next.at;
            self.happen(next.what);
        }
        self.clock = until;
    }

    fn happen(&mut self, what: Happening) {
        let clock = self.clock;
        match what {
            Happening::Arrives { from, to, packet } => {
                // It may have been cut while the message was on its way.
                if self.network.linked(from, to) && self.network.reaches(from, to) {
                    self.with(to, |node, _| node.on_packet(from, packet, clock));
                }
            }
            Happening::Ticks(id) => {
                if self.places[id].node.is_some() {
                    self.dial(id);
                    self.with(id, |node, _| node.tick(clock));
                    self.after(TICK, Happening::Ticks(id));
                }
            }
            Happening::Mines { node, generation } => {
                if self.places[node].generation == generation && self.places[node].node.is_some() {
                    if self.busy {
                        self.with(node, |node, _| node.mine(clock));
                    }
                    self.mine_next(node);
                }
            }
            Happening::Pays(id) => {
                if self.places[id].node.is_none() {
                    return;
                }
                let to = self.random.random_range(0..self.places.len());
                let payee = self.places[to].node.as_ref().map(Node::payee);
                let flooder = self.places[id].character == Character::Flooder;
                match payee {
                    _ if !self.busy => {}
                    _ if flooder => self.with(id, |node, random| node.flood(random)),
                    Some(payee) => self.with(id, |node, random| node.pay(&payee, random, clock)),
                    None => {}
                }
                let wait = self.random.random_range(1.0..20.0);
                self.after(wait, Happening::Pays(id));
            }
            Happening::Notices(a, b) => {
                let dead =
                    self.places[a].node.is_none() || self.places[b].node.is_none() || !self.network.reaches(a, b);
                if dead && self.network.cut(a, b) {
                    self.with(a, |node, _| node.disconnected(b, clock));
                    self.with(b, |node, _| node.disconnected(a, clock));
                }
            }
        }
    }

    /// Lets a node do something, and does what it then wants done.
    fn with(&mut self, id: Id, act: impl FnOnce(&mut Node, &mut Random)) {
        let Some(node) = self.places[id].node.as_mut() else { return };
        act(node, &mut self.random);
        for out in node.take() {
            match out {
                Out::Send(to, packet) => {
                    if let Some(at) = self.network.arrival(id, to, &packet, self.clock, &mut self.random) {
                        self.at(at, Happening::Arrives { from: id, to, packet });
                    }
                }
                Out::Ban(peer, reason) => self.ban(id, peer, &reason),
                Out::NewTip => self.mine_next(id),
            }
        }
    }

    fn ban(&mut self, id: Id, peer: Id, reason: &str) {
        let honest = |id: Id| self.places[id].character == Character::Honest;
        assert!(peer < self.places.len(), "node {id} banned itself: {reason}");
        // Who was only slow may come again.
        if reason != "silent" {
            assert!(!honest(id) || !honest(peer), "node {id} banned the honest node {peer}: {reason}");
            self.places[id].banned.insert(peer);
        }
        if self.network.cut(id, peer) {
            let clock = self.clock;
            self.with(peer, |node, _| node.disconnected(id, clock));
        }
    }

    /// Connects a node to others, until it has enough; now and then to one more, or parts of the network that were cut
    /// off would stay by themselves. Where it has many, one goes.
    fn dial(&mut self, id: Id) {
        let neighbours = self.network.neighbours(id);
        if neighbours.len() >= DIALS && !self.random.random_bool(TICK / FEELER) {
            return;
        }
        if neighbours.len() >= 2 * DIALS {
            let gone = neighbours[self.random.random_range(0..neighbours.len())];
            self.network.cut(id, gone);
            let clock = self.clock;
            self.with(id, |node, _| node.disconnected(gone, clock));
            self.with(gone, |node, _| node.disconnected(id, clock));
        }
        let other = self.random.random_range(0..self.places.len());
        let refused = self.places[id].banned.contains(&other) || self.places[other].banned.contains(&id);
        let there = other != id && self.places[other].node.is_some() && self.network.reaches(id, other);
        if there && !refused && !self.network.linked(id, other) {
            self.network.link(id, other, &mut self.random);
            let clock = self.clock;
            self.with(id, |node, _| node.connected(other, clock));
            self.with(other, |node, _| node.connected(id, clock));
        }
    }

    /// Checks that honest nodes agree.
    pub fn agree(&self) -> Result<camelid_core::hash::BlockHash, String> {
        check::agree(self)
    }
}
