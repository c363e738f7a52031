//! The peers that the configuration names: dialled at the start, and again, ever more slowly, whenever they are away.

use libp2p::multiaddr::Protocol;
use libp2p::swarm::ConnectionId;
use libp2p::{Multiaddr, PeerId};
use std::time::{Duration, Instant};

/// The wait before the second attempt; doubled after each failure.
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// The longest wait between two attempts.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// A connection that lasted as long was a good one: the next wait is short again.
const GOOD_AFTER: Duration = Duration::from_secs(10);

#[derive(Debug)]
struct Entry {
    address: Multiaddr,
    /// Who answers there, once known.
    peer: Option<PeerId>,
    attempt: Option<ConnectionId>,
    connected: Option<Instant>,
    next: Instant,
    wait: Duration,
    gave_up: bool,
    complained: bool,
}

impl Entry {
    fn later(&mut self, now: Instant) {
        self.next = now + self.wait;
        self.wait = (self.wait * 2).min(LONGEST_WAIT);
    }
}

/// The configured peers. It decides when to dial whom; the caller dials, and tells what came of it.
#[derive(Debug)]
pub(super) struct Dialer {
    entries: Vec<Entry>,
}

impl Dialer {
    pub(super) fn new(addresses: Vec<Multiaddr>, now: Instant) -> Self {
        let entry = |address: Multiaddr| Entry {
            peer: address.iter().find_map(|part| if let Protocol::P2p(peer) = part { Some(peer) } else { None }),
            address,
            attempt: None,
            connected: None,
            next: now,
            wait: FIRST_WAIT,
            gave_up: false,
            complained: false,
        };
        Dialer { entries: addresses.into_iter().map(entry).collect() }
    }

    /// The addresses to dial now, each with a key for [`Self::dialling`].
    pub(super) fn due(&self, now: Instant) -> Vec<(usize, Multiaddr)> {
        let idle = |e: &Entry| e.attempt.is_none() && e.connected.is_none() && !e.gave_up && e.next <= now;
        self.entries.iter().enumerate().filter(|(_, e)| idle(e)).map(|(i, e)| (i, e.address.clone())).collect()
    }

    pub(super) fn dialling(&mut self, key: usize, attempt: ConnectionId) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.attempt = Some(attempt);
        }
    }

    /// A connection to a peer, made by this attempt or otherwise.
    pub(super) fn connected(&mut self, peer: PeerId, connection: ConnectionId, now: Instant) {
        for entry in &mut self.entries {
            let by_us = entry.attempt == Some(connection);
            if by_us {
                entry.attempt = None;
                entry.peer = Some(peer);
            }
            if by_us || entry.peer == Some(peer) {
                entry.connected = Some(now);
                entry.complained = false;
            }
        }
    }

    /// The last connection to a peer has closed.
    pub(super) fn disconnected(&mut self, peer: PeerId, now: Instant) {
        for entry in self.entries.iter_mut().filter(|e| e.peer == Some(peer)) {
            if let Some(since) = entry.connected.take() {
                if now.saturating_duration_since(since) >= GOOD_AFTER {
                    entry.wait = FIRST_WAIT;
                }
                entry.later(now);
            }
        }
    }

    /// An attempt failed. The address, if this is the first failure since it last worked: say it once.
    pub(super) fn failed(&mut self, connection: ConnectionId, now: Instant) -> Option<Multiaddr> {
        let entry = self.entries.iter_mut().find(|e| e.attempt == Some(connection))?;
        entry.attempt = None;
        entry.later(now);
        let first = !entry.complained;
        entry.complained = true;
        first.then(|| entry.address.clone())
    }

    /// The attempt reached ourselves: there is no use in another.
    pub(super) fn give_up(&mut self, connection: ConnectionId) {
        for entry in self.entries.iter_mut().filter(|e| e.attempt == Some(connection)) {
            entry.gave_up = true;
        }
    }

    /// The peer is of no use (another network): try again, but slowly, in case that changes.
    pub(super) fn slow_down(&mut self, peer: PeerId) {
        for entry in self.entries.iter_mut().filter(|e| e.peer == Some(peer)) {
            entry.wait = LONGEST_WAIT;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_are_reset_by_a_good_connection() {
        let start = Instant::now();
        let mut dialer = Dialer::new(vec!["/ip4/127.0.0.1/tcp/1".parse().unwrap()], start);
        let (mut now, mut waits) = (start, Vec::new());
        for i in 0..10 {
            assert_eq!(dialer.due(now).len(), 1);
            let attempt = ConnectionId::new_unchecked(i);
            dialer.dialling(0, attempt);
            assert!(dialer.due(now).is_empty(), "one attempt at a time");
            assert_eq!(dialer.failed(attempt, now).is_some(), i == 0, "only the first failure is told");
            let wait = dialer.entries[0].next - now;
            waits.push(wait.as_millis());
            assert!(dialer.due(now).is_empty());
            now += wait;
        }
        assert_eq!(waits, [500, 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000, 60000]);
        let (attempt, peer) = (ConnectionId::new_unchecked(99), PeerId::random());
        dialer.dialling(0, attempt);
        dialer.connected(peer, attempt, now);
        assert!(dialer.due(now + LONGEST_WAIT).is_empty());
        dialer.disconnected(peer, now + GOOD_AFTER);
        assert_eq!(dialer.due(now + GOOD_AFTER + FIRST_WAIT).len(), 1);
    }

    #[test]
    fn a_peer_that_came_by_itself_is_not_dialled() {
        let (start, peer) = (Instant::now(), PeerId::random());
        let address: Multiaddr = format!("/ip4/127.0.0.1/tcp/1/p2p/{peer}").parse().unwrap();
        let mut dialer = Dialer::new(vec![address], start);
        dialer.connected(peer, ConnectionId::new_unchecked(7), start);
        assert!(dialer.due(start).is_empty());
    }
}
