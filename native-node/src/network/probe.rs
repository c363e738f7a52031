//! Dialling back those who ask whether they can be reached.
//!
//! Only the machine from which the asker is connected is dialled, and seldom: nobody can point this node at another. So
//! libp2p's own protocol for this (AutoNAT 2) is not used; `docs/decisions/reachability.md` says more.

use super::bans::block;
use super::book::can_dial;
use super::limits::Local;
use super::netaddr::multiaddr_of;
use super::standing::{Quota, Rate};
use camelid_core::message::{NetAddress, ReachResult, Reached};
use camelid_core::peers::Scope;
use libp2p::swarm::ConnectionId;
use libp2p::{Multiaddr, PeerId};
use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::time::Instant;
use tokio::sync::oneshot;

/// Questions that one peer, and one machine, may ask: one in half a minute, two at once.
const RATE: Rate = Rate { per_second: 1.0 / 30.0, burst: 2.0 };
/// Addresses dialled at once, for everybody together.
const AT_ONCE: usize = 16;

/// What the asker gets.
pub(super) type Done = oneshot::Sender<Option<Vec<ReachResult>>>;

#[derive(Debug)]
struct Question {
    results: Vec<ReachResult>,
    open: usize,
    done: Done,
}

/// The questions under way.
#[derive(Debug)]
pub(super) struct Probes {
    local: Local,
    of_peer: Quota<PeerId>,
    of_machine: Quota<IpAddr>,
    questions: HashMap<u64, Question>,
    dials: HashMap<ConnectionId, (u64, usize)>,
    next: u64,
}

/// An address to dial.
#[derive(Debug)]
pub(super) struct ProbeDial {
    pub(super) address: Multiaddr,
    question: u64,
    place: usize,
}

impl Probes {
    pub(super) fn new(local: Local) -> Self {
        let (questions, dials) = Default::default();
        Probes { local, of_peer: Quota::new(RATE), of_machine: Quota::new(RATE), questions, dials, next: 0 }
    }

    /// "Only the IP address from which the asker is connected is dialled, and of each question at most 8 ports." The
    /// addresses to dial; false when the peer asks too often, and nothing is dialled.
    pub(super) fn ask(
        &mut self,
        peer: PeerId,
        ip: IpAddr,
        addresses: &[NetAddress],
        done: Done,
        now: Instant,
    ) -> Result<Vec<ProbeDial>, TooOften> {
        let free = self.local.is_free(ip);
        if !self.of_peer.take(&peer, 1.0, now) || !(free || self.of_machine.take(&block(ip), 1.0, now)) {
            let _ = done.send(None);
            return Err(TooOften);
        }
        let (mut dials, mut results, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
        let question = self.next;
        self.next += 1;
        for (place, asked) in addresses.iter().enumerate() {
            let moved = asked.at(ip).filter(|_| self.may_dial(ip));
            let endpoint = moved.as_ref().and_then(NetAddress::endpoint);
            let wanted = endpoint.filter(|e| e.port != 0 && can_dial(e.transport) && seen.insert(e.clone()));
            let room = self.dials.len() + dials.len() < AT_ONCE;
            let address = moved.as_ref().filter(|_| wanted.is_some() && room).and_then(multiaddr_of);
            dials.extend(address.map(|address| ProbeDial { address, question, place }));
            let address = moved.unwrap_or_else(|| asked.clone());
            results.push(ReachResult { address, reached: Reached::NotTried });
        }
        if dials.is_empty() {
            let _ = done.send(Some(results));
        } else {
            self.questions.insert(question, Question { results, open: dials.len(), done });
        }
        Ok(dials)
    }

    /// Whether an address may be dialled at a stranger's word. Where a proxy may stand on this machine, or on the local
    /// network, who comes from there may be anybody.
    fn may_dial(&self, ip: IpAddr) -> bool {
        match Scope::of(ip) {
            Some(Scope::Global) => true,
            Some(_) => self.local != Local::LoopbackFree,
            None => false,
        }
    }

    pub(super) fn dialling(&mut self, dial: &ProbeDial, attempt: ConnectionId) {
        self.dials.insert(attempt, (dial.question, dial.place));
    }

    /// What came of an attempt; false when it was none of ours.
    pub(super) fn ended(&mut self, attempt: ConnectionId, reached: Reached) -> bool {
        let Some((id, place)) = self.dials.remove(&attempt) else { return false };
        if let Some(question) = self.questions.get_mut(&id) {
            if let Some(result) = question.results.get_mut(place) {
                result.reached = reached;
            }
            question.open -= 1;
            if question.open == 0
                && let Some(question) = self.questions.remove(&id)
            {
                let _ = question.done.send(Some(question.results));
            }
        }
        true
    }
}

/// A peer asks more often than it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooOften;

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn tcp(text: &str, port: u16) -> NetAddress {
        NetAddress::tcp(ip(text), port)
    }

    /// The addresses that are dialled for who is connected from `from`.
    fn dialled(local: Local, from: &str, asked: &[NetAddress]) -> (Vec<String>, Probes) {
        let mut probes = Probes::new(local);
        let dials = probes.ask(PeerId::random(), ip(from), asked, oneshot::channel().0, Instant::now()).unwrap();
        for (n, dial) in dials.iter().enumerate() {
            probes.dialling(dial, ConnectionId::new_unchecked(n));
        }
        (dials.iter().map(|d| d.address.to_string()).collect(), probes)
    }

    #[test]
    fn nobody_is_dialled_but_the_machine_that_asks() {
        let asked = [tcp("9.9.9.9", 1), tcp("10.0.0.1", 2), tcp("9.9.9.8", 1), tcp("::1", 3), tcp("1.1.1.1", 0)];
        let (dials, _) = dialled(Local::LoopbackFree, "8.8.8.8", &asked);
        assert_eq!(dials, ["/ip4/8.8.8.8/tcp/1", "/ip4/8.8.8.8/tcp/2"], "each port once");
        let quic = NetAddress::new(&[4, 9, 9, 9, 9, 0x91, 0x02, 0x1d, 0x24, 0xcd, 0x03]).unwrap();
        assert!(dialled(Local::LoopbackFree, "8.8.8.8", &[quic]).0.is_empty(), "no such transport");
        // Behind a proxy of this machine anybody may be.
        for (from, dev, public) in [("127.0.0.1", 2, 0), ("10.0.0.9", 2, 0), ("8.8.8.8", 2, 2), ("0.0.0.0", 0, 0)] {
            assert_eq!(dialled(Local::Free, from, &asked).0.len(), dev, "{from}");
            assert_eq!(dialled(Local::LoopbackFree, from, &asked).0.len(), public, "{from}");
        }
    }

    #[tokio::test]
    async fn the_answer_comes_when_every_dial_has_ended() {
        let mut probes = Probes::new(Local::Free);
        let (done, answer) = oneshot::channel();
        let asked = [tcp("9.9.9.9", 1), tcp("::1", 3), tcp("9.9.9.9", 2)];
        let dials = probes.ask(PeerId::random(), ip("8.8.8.8"), &asked, done, Instant::now()).unwrap();
        let ids = [7, 8].map(ConnectionId::new_unchecked);
        dials.iter().zip(ids).for_each(|(dial, id)| probes.dialling(dial, id));
        assert!(probes.ended(ids[1], Reached::Yes) && !probes.ended(ConnectionId::new_unchecked(9), Reached::Yes));
        assert!(probes.ended(ids[0], Reached::No));
        let results = answer.await.unwrap().unwrap();
        let reached: Vec<_> = results.iter().map(|r| r.reached).collect();
        assert_eq!(reached, [Reached::No, Reached::NotTried, Reached::Yes]);
        assert_eq!(results[2].address, tcp("8.8.8.8", 2));
        assert!(probes.dials.is_empty() && probes.questions.is_empty());
    }

    #[tokio::test]
    async fn who_asks_too_often_gets_nothing() {
        let (mut probes, now, peer) = (Probes::new(Local::Free), Instant::now(), PeerId::random());
        let mut ask = |peer, from: &str, now| {
            let (done, answer) = oneshot::channel();
            let dials = probes.ask(peer, ip(from), &[tcp("9.9.9.9", 1)], done, now);
            (dials.map(|d| d.len()), answer)
        };
        assert_eq!([0; 3].map(|_| ask(peer, "8.8.8.8", now).0), [Ok(1), Ok(1), Err(TooOften)]);
        assert_eq!(ask(peer, "8.8.8.8", now).1.await, Ok(None));
        // Another id from the same machine helps nobody, on one machine alone are all of them others.
        assert_eq!(ask(PeerId::random(), "8.8.8.8", now).0, Err(TooOften));
        assert_eq!(ask(PeerId::random(), "127.0.0.1", now).0, Ok(1));
        assert_eq!(ask(PeerId::random(), "8.8.8.9", now).0, Ok(1));
        assert_eq!(ask(peer, "8.8.8.8", now + Duration::from_secs(31)).0, Ok(1));
    }

    #[test]
    fn only_so_many_are_dialled_at_once() {
        let asked: Vec<_> = (1..9).map(|port| tcp("9.9.9.9", port)).collect();
        let (_, mut probes) = dialled(Local::Free, "8.8.8.8", &asked);
        let mut dial = |n: usize, from: &str| {
            let dials = probes.ask(PeerId::random(), ip(from), &asked, oneshot::channel().0, Instant::now()).unwrap();
            for (i, dial) in dials.iter().enumerate() {
                probes.dialling(dial, ConnectionId::new_unchecked(100 * n + i));
            }
            dials.len()
        };
        assert_eq!([dial(1, "8.8.8.1"), dial(2, "8.8.8.2")], [8, 0]);
    }
}
