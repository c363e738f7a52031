//! Whether others can dial this node: it asks a few neighbours to try.

use super::{Internal, Node};
use crate::network::netaddr::{multiaddr_of, net_address};
use crate::network::{Direction, Multiaddr, PeerId, Responder};
use camelid_core::encode::{Decode, Encode};
use camelid_core::message::{
    Host, MAX_REACH_ADDRESSES, NetAddress, ReachRequest, ReachResponse, ReachResult, Reached, Request, Response,
};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Neighbours asked in one round.
const ASKED: usize = 3;
/// From the first neighbour to the first round: a few more may come.
const FIRST_AFTER: Duration = Duration::from_secs(5);
/// To the next round, when this one told nothing, told that nobody can reach us, or told that others can.
const AGAIN: [Duration; 3] = [Duration::from_secs(60), Duration::from_secs(300), Duration::from_secs(1800)];
/// How long a neighbour may take.
const TIMEOUT: Duration = Duration::from_secs(40);

/// Whether others can dial this node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reachable {
    /// Nobody has tried yet.
    #[default]
    Unknown,
    /// Nobody can.
    No,
    /// At one address at least.
    Yes,
}

/// How often an address was dialled in the last round, and answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) yes: u32,
    pub(super) no: u32,
}

/// What is known, and the round under way.
#[derive(Debug, Default)]
pub(super) struct Reach {
    next: Option<Instant>,
    /// Neighbours that have not answered yet.
    open: BTreeSet<PeerId>,
    round: BTreeMap<NetAddress, Tally>,
    tallies: BTreeMap<NetAddress, Tally>,
    verdict: Reachable,
}

impl Reach {
    pub(super) fn verdict(&self) -> Reachable {
        self.verdict
    }

    /// The addresses of the last round.
    pub(super) fn tallies(&self) -> impl Iterator<Item = (&NetAddress, Tally)> {
        self.tallies.iter().map(|(address, tally)| (address, *tally))
    }

    /// Where others can dial us: most that tried did.
    pub(super) fn open_addresses(&self) -> impl Iterator<Item = &NetAddress> {
        self.tallies().filter(|(_, t)| t.yes > t.no).map(|(address, _)| address)
    }

    /// Whether most that dialled this address found it closed.
    pub(super) fn is_closed(&self, address: &NetAddress) -> bool {
        self.tallies.get(address).is_some_and(|t| t.no > 0 && t.no >= t.yes)
    }

    /// Whether a round is to begin, given how many neighbours there are to ask.
    fn begins(&mut self, neighbours: usize, now: Instant) -> bool {
        if neighbours == 0 || !self.open.is_empty() {
            return false;
        }
        let next = *self.next.get_or_insert(now + FIRST_AFTER);
        if next <= now {
            self.round.clear();
            self.next = Some(now + AGAIN[0]);
        }
        next <= now
    }

    /// A neighbour answered, or did not. True when that was the last of the round, and what is known has changed.
    fn answered(&mut self, peer: &PeerId, results: &[ReachResult], now: Instant) -> bool {
        if !self.open.remove(peer) {
            return false;
        }
        for result in results {
            let tally = self.round.entry(result.address.clone()).or_default();
            match result.reached {
                Reached::Yes => tally.yes += 1,
                Reached::No => tally.no += 1,
                Reached::NotTried => {}
            }
        }
        if !self.open.is_empty() {
            return false;
        }
        let mut round = std::mem::take(&mut self.round);
        round.retain(|_, t| t.yes + t.no > 0);
        let verdict = if round.is_empty() {
            Reachable::Unknown
        } else if round.values().any(|t| t.yes > t.no) {
            Reachable::Yes
        } else {
            Reachable::No
        };
        self.next = Some(now + AGAIN[verdict as usize]);
        // A round that told nothing takes nothing back.
        let told = verdict != Reachable::Unknown && (verdict, &round) != (self.verdict, &self.tallies);
        if verdict != Reachable::Unknown {
            (self.verdict, self.tallies) = (verdict, round);
        }
        told
    }
}

/// The ports and transports to ask about: each once, whatever addresses this machine has.
fn questions(listen: &[Multiaddr]) -> Vec<NetAddress> {
    let mut seen = BTreeSet::new();
    let asked = listen.iter().filter_map(net_address).filter(|address| {
        let ip = |host: &Host| if let Host::Ip(ip) = host { Some(ip.is_ipv4()) } else { None };
        let kind = address.endpoint().and_then(|e| ip(&e.host).map(|four| (four, e.port, e.transport)));
        kind.is_some_and(|kind| seen.insert(kind))
    });
    asked.take(MAX_REACH_ADDRESSES).collect()
}

/// What to open, such as `TCP port 7460`, of the addresses that are listened on.
pub(super) fn ports(listen: &[Multiaddr]) -> String {
    let endpoints = listen.iter().filter_map(net_address).filter_map(|a| a.endpoint());
    let ports: BTreeSet<_> = endpoints.map(|e| format!("{} port {}", e.transport.port_kind(), e.port)).collect();
    ports.into_iter().collect::<Vec<_>>().join(", ")
}

impl Node {
    /// Asks a few neighbours, when it is time.
    pub(super) fn check_reach(&mut self) {
        let asked = questions(&self.network.listen_addresses());
        let mut neighbours = self.network.peers();
        if asked.is_empty() || !self.reach.begins(neighbours.len(), Instant::now()) {
            return;
        }
        // Others each time; those that we chose first, and full nodes before clients.
        let salt: [u8; 32] = super::random();
        neighbours.sort_by_key(|info| {
            let chosen = info.direction == Direction::Outbound;
            let drawn = camelid_core::hash::tagged_hash("camelid/reach", &[&salt, &info.peer.to_bytes()]);
            (!chosen, info.services == Default::default(), drawn)
        });
        let request = Request::Reach(ReachRequest { addresses: asked }).to_bytes();
        for info in neighbours.into_iter().take(ASKED) {
            self.reach.open.insert(info.peer);
            let (peer, network, internal) = (info.peer, self.network.clone(), self.internal.clone());
            let request = request.clone();
            tokio::spawn(async move {
                let answer = network.request(peer, request, TIMEOUT).await;
                let results = match answer.map(|bytes| Response::from_bytes(&bytes)) {
                    Ok(Ok(Response::Reach(response))) => response.results,
                    _ => Vec::new(),
                };
                let _ = internal.send(Internal::Reach { peer, results });
            });
        }
    }

    /// What came of a neighbour's dialling us.
    pub(super) fn on_reach(&mut self, peer: &PeerId, results: &[ReachResult]) {
        if !self.reach.answered(peer, results, Instant::now()) {
            return;
        }
        let open: Vec<_> = self.reach.open_addresses().filter_map(multiaddr_of).map(|a| a.to_string()).collect();
        match self.reach.verdict() {
            Reachable::Yes => tracing::info!("others can reach you at {}", open.join(", ")),
            Reachable::No => {
                let ports = ports(&self.network.listen_addresses());
                tracing::warn!("nobody can reach you: open {ports} in your firewall, and forward it in your router");
            }
            Reachable::Unknown => {}
        }
    }

    /// A neighbour asks whether it can be reached.
    pub(super) fn on_reach_request(&self, peer: PeerId, request: ReachRequest, respond: Responder) {
        let network = self.network.clone();
        tokio::spawn(async move {
            let response = match network.probe(peer, request.addresses).await {
                Some(results) => Response::Reach(ReachResponse { results }),
                None => Response::Busy,
            };
            let _ = respond.send(response.to_bytes()).await;
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ip: &str, port: u16) -> NetAddress {
        NetAddress::tcp(ip.parse().unwrap(), port)
    }

    fn result(ip: &str, reached: Reached) -> ReachResult {
        ReachResult { address: at(ip, 7460), reached }
    }

    /// A round in which neighbours answer so.
    fn round(reach: &mut Reach, now: Instant, answers: &[&[ReachResult]]) -> bool {
        let peers: Vec<_> = answers.iter().map(|_| PeerId::random()).collect();
        assert!(reach.begins(answers.len(), now));
        reach.open = peers.iter().copied().collect();
        assert!(!reach.begins(answers.len(), now + Duration::from_secs(3600)), "one round at a time");
        let mut told = false;
        for (peer, results) in peers.iter().zip(answers) {
            assert!(!told, "only the last answer ends the round");
            told = reach.answered(peer, results, now);
        }
        told
    }

    #[test]
    fn most_of_those_who_tried_are_believed() {
        let (yes, no, none) = (
            [result("9.9.9.9", Reached::Yes)],
            [result("9.9.9.9", Reached::No)],
            [result("9.9.9.9", Reached::NotTried)],
        );
        let mut reach = Reach::default();
        let mut now = Instant::now();
        assert!(!reach.begins(0, now) && reach.next.is_none(), "there is nobody to ask");
        assert!(!reach.begins(1, now), "more may come");
        now += FIRST_AFTER;
        assert!(!round(&mut reach, now, &[&none, &[]]));
        assert_eq!((reach.verdict(), reach.next), (Reachable::Unknown, Some(now + AGAIN[0])));
        now += AGAIN[0];
        assert!(round(&mut reach, now, &[&yes, &no, &yes]));
        assert_eq!(reach.open_addresses().collect::<Vec<_>>(), [&at("9.9.9.9", 7460)]);
        now += AGAIN[2];
        assert!(!round(&mut reach, now, &[&yes, &no, &yes]), "nothing new");
        now += AGAIN[2];
        assert!(!round(&mut reach, now, &[&[], &none]), "told nothing");
        assert_eq!(reach.verdict(), Reachable::Yes, "and takes nothing back");
        now += AGAIN[0];
        assert!(round(&mut reach, now, &[&no, &no, &yes]));
        assert_eq!((reach.verdict(), reach.next), (Reachable::No, Some(now + AGAIN[1])));
        assert!(reach.is_closed(&at("9.9.9.9", 7460)) && !reach.is_closed(&at("9.9.9.8", 7460)));
        assert_eq!(reach.open_addresses().count(), 0);
        now += AGAIN[1];
        // At one address they can, at another not.
        assert!(round(&mut reach, now, &[&[result("9.9.9.9", Reached::No), result("2a00::1", Reached::Yes)]]));
        assert_eq!(reach.open_addresses().collect::<Vec<_>>(), [&at("2a00::1", 7460)]);
        assert!(!reach.answered(&PeerId::random(), &yes, now), "nobody asked it");
    }

    #[test]
    fn each_port_is_asked_about_once() {
        let listen: Vec<Multiaddr> =
            ["/ip4/127.0.0.1/tcp/1", "/ip4/10.0.0.1/tcp/1", "/ip6/::1/tcp/1", "/ip4/127.0.0.1/tcp/2"]
                .map(|a| a.parse().unwrap())
                .into();
        assert_eq!(questions(&listen), [at("127.0.0.1", 1), at("::1", 1), at("127.0.0.1", 2)]);
        assert_eq!(ports(&listen), "TCP port 1, TCP port 2");
        assert_eq!(ports(&[]), "");
    }
}
