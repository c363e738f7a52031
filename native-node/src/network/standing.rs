//! How a peer stands with us: points for what it did wrong, bans, and how many requests it may make.

use libp2p::PeerId;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Points at which a peer is dropped and banned.
pub const BAN_AT: u32 = 100;

/// One point is forgiven in this time.
const FORGIVE_ONE: Duration = Duration::from_secs(6);

/// Peers remembered at once, of each kind; a peer id costs nothing, so the list must not grow with them.
const REMEMBERED: usize = 4096;

/// What a peer may ask of us, and what happens when it misbehaves.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once, in both directions.
    pub max_peers: usize,
    /// Requests a second that a peer may make over time.
    pub requests_per_second: u32,
    /// Requests that a peer may make at once.
    pub request_burst: u32,
    /// How long a banned peer stays banned.
    pub ban: Duration,
    /// Events that may wait for the node before newer ones are dropped.
    pub event_queue: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_peers: 64,
            requests_per_second: 100,
            request_burst: 400,
            ban: Duration::from_secs(600),
            event_queue: 1024,
        }
    }
}

/// A rate: tokens come in at a constant rate up to a burst, each use takes one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    tokens: f64,
    filled: Instant,
}

impl Bucket {
    pub(super) fn full(limits: &Limits, now: Instant) -> Self {
        Bucket { tokens: limits.request_burst as f64, filled: now }
    }

    /// Takes a token; false when there is none.
    pub(super) fn take(&mut self, limits: &Limits, now: Instant) -> bool {
        let more = now.saturating_duration_since(self.filled).as_secs_f64() * limits.requests_per_second as f64;
        self.tokens = (self.tokens + more).min(limits.request_burst as f64);
        self.filled = now;
        let enough = self.tokens >= 1.0;
        if enough {
            self.tokens -= 1.0;
        }
        enough
    }
}

/// Points and bans.
#[derive(Debug, Default)]
pub(super) struct Standing {
    points: HashMap<PeerId, (u32, Instant)>,
    bans: HashMap<PeerId, Instant>,
}

impl Standing {
    /// Adds points; true when the peer is now to be banned, until `until`.
    pub(super) fn penalise(&mut self, peer: PeerId, points: u32, now: Instant, until: Instant) -> bool {
        let old = self.points.remove(&peer).map_or(0, |(points, since)| left(points, since, now));
        let sum = old.saturating_add(points);
        if sum >= BAN_AT {
            make_room(&mut self.bans, |until| *until);
            self.bans.insert(peer, until);
            return true;
        }
        make_room(&mut self.points, |(_, since)| *since);
        self.points.insert(peer, (sum, now));
        false
    }

    /// Forgets what has been forgiven; the peers whose ban is over.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<PeerId> {
        self.points.retain(|_, (points, since)| left(*points, *since, now) > 0);
        let over: Vec<PeerId> = self.bans.iter().filter(|(_, until)| **until <= now).map(|(peer, _)| *peer).collect();
        for peer in &over {
            self.bans.remove(peer);
        }
        over
    }

    pub(super) fn is_banned(&self, peer: &PeerId) -> bool {
        self.bans.contains_key(peer)
    }
}

fn left(points: u32, since: Instant, now: Instant) -> u32 {
    let forgiven = now.saturating_duration_since(since).as_secs() / FORGIVE_ONE.as_secs();
    points.saturating_sub(u32::try_from(forgiven).unwrap_or(u32::MAX))
}

/// Drops the oldest entry of a full list.
fn make_room<V>(map: &mut HashMap<PeerId, V>, age: impl Fn(&V) -> Instant) {
    if map.len() >= REMEMBERED
        && let Some(oldest) = map.iter().min_by_key(|(_, v)| age(v)).map(|(peer, _)| *peer)
    {
        map.remove(&oldest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_add_up_to_a_ban_and_are_forgiven() {
        let (mut standing, peer, start) = (Standing::default(), PeerId::random(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(!standing.penalise(peer, 60, start, at(600)));
        assert!(!standing.penalise(peer, 60, at(180), at(780)), "half of the first points are forgiven by then");
        assert!(standing.penalise(peer, 60, at(181), at(781)));
        assert!(standing.is_banned(&peer));
        assert!(standing.expire(at(780)).is_empty());
        assert_eq!(standing.expire(at(781)), [peer]);
        assert!(!standing.is_banned(&peer));
    }

    #[test]
    fn the_lists_stay_short() {
        let (mut standing, now) = (Standing::default(), Instant::now());
        for i in 0..REMEMBERED as u64 + 10 {
            let until = now + Duration::from_secs(i);
            standing.penalise(PeerId::random(), 1, now, until);
            standing.penalise(PeerId::random(), BAN_AT, now, until);
        }
        assert_eq!((standing.points.len(), standing.bans.len()), (REMEMBERED, REMEMBERED));
    }

    #[test]
    fn a_bucket_empties_and_fills() {
        let limits = Limits { requests_per_second: 2, request_burst: 3, ..Limits::default() };
        let start = Instant::now();
        let mut bucket = Bucket::full(&limits, start);
        let taken = |bucket: &mut Bucket, now| (0..10).filter(|_| bucket.take(&limits, now)).count();
        assert_eq!(taken(&mut bucket, start), 3);
        assert_eq!(taken(&mut bucket, start + Duration::from_secs(1)), 2);
        assert_eq!(taken(&mut bucket, start + Duration::from_secs(100)), 3);
    }
}
