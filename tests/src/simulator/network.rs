//! Links between nodes: which there are, how long a message takes, what gets lost.

use super::Id;
use rand::RngExt;
use rand::rngs::Xoshiro256PlusPlus as Random;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What goes over a link: the bytes that go over a socket.
#[derive(Clone, Debug)]
pub enum Packet {
    /// A message for everybody.
    Gossip(Vec<u8>),
    /// A question, with the asker's number for it.
    Request(u64, Vec<u8>),
    /// The answer to it.
    Response(u64, Vec<u8>),
}

impl Packet {
    fn len(&self) -> usize {
        match self {
            Packet::Gossip(bytes) | Packet::Request(_, bytes) | Packet::Response(_, bytes) => bytes.len(),
        }
    }
}

/// Which nodes are connected, and how good the connections are.
#[derive(Debug)]
pub struct Network {
    links: BTreeSet<(Id, Id)>,
    /// The side of the partition on which each node is.
    sides: Vec<u8>,
    /// Seconds on the way, by pair.
    delays: BTreeMap<(Id, Id), f64>,
    /// When the last message of a direction arrives: a connection keeps its order.
    busy: BTreeMap<(Id, Id), Duration>,
    /// How many of a thousand messages are lost.
    pub loss: u32,
}

/// Bytes a second on a link.
const BANDWIDTH: f64 = 1e6;

fn pair(a: Id, b: Id) -> (Id, Id) {
    (a.min(b), a.max(b))
}

impl Network {
    /// No links yet, among so many nodes.
    pub fn new(nodes: usize) -> Self {
        let (links, delays, busy) = (BTreeSet::new(), BTreeMap::new(), BTreeMap::new());
        Network { links, sides: vec![0; nodes], delays, busy, loss: 0 }
    }

    /// Whether two are connected.
    pub fn linked(&self, a: Id, b: Id) -> bool {
        self.links.contains(&pair(a, b))
    }

    /// Who is connected to a node.
    pub fn neighbours(&self, node: Id) -> Vec<Id> {
        (0..self.sides.len()).filter(|other| self.linked(node, *other)).collect()
    }

    /// Whether a message can get from one to the other.
    pub fn reaches(&self, a: Id, b: Id) -> bool {
        self.sides[a] == self.sides[b]
    }

    /// Connects two.
    pub fn link(&mut self, a: Id, b: Id, random: &mut Random) {
        self.links.insert(pair(a, b));
        let delay =
            if random.random_bool(0.1) { random.random_range(0.5..2.0) } else { random.random_range(0.01..0.2) };
        self.delays.insert(pair(a, b), delay);
        self.busy.remove(&(a, b));
        self.busy.remove(&(b, a));
    }

    /// Cuts a connection; false if there was none.
    pub fn cut(&mut self, a: Id, b: Id) -> bool {
        self.links.remove(&pair(a, b))
    }

    /// Cuts the network into parts; gives the links between them, which are dead but not yet noticed.
    pub fn part(&mut self, sides: Vec<u8>) -> Vec<(Id, Id)> {
        self.sides = sides;
        self.links.iter().copied().filter(|(a, b)| !self.reaches(*a, *b)).collect()
    }

    /// Puts it together again.
    pub fn heal(&mut self) {
        self.sides.fill(0);
    }

    /// When a message that leaves now arrives; `None` when it does not.
    pub fn arrival(
        &mut self,
        from: Id,
        to: Id,
        packet: &Packet,
        now: Duration,
        random: &mut Random,
    ) -> Option<Duration> {
        if !self.linked(from, to) || !self.reaches(from, to) || random.random_range(0..1000) < self.loss {
            return None;
        }
        let delay = self.delays.get(&pair(from, to)).copied().unwrap_or(0.1) * random.random_range(1.0..1.5);
        let sent = Duration::from_secs_f64(packet.len() as f64 / BANDWIDTH);
        let at =
            (now + Duration::from_secs_f64(delay)).max(self.busy.get(&(from, to)).copied().unwrap_or_default()) + sent;
        self.busy.insert((from, to), at);
        Some(at)
    }
}
