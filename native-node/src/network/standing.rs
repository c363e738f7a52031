//! How a peer stands with us: points for what it did wrong, and how often it may ask.

use super::limits::Limits;
use libp2p::PeerId;
use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// Points at which a peer is dropped and banned.
pub const BAN_AT: u32 = 100;

/// One point is forgiven in this time.
const FORGIVE_ONE: Duration = Duration::from_secs(6);

/// Peers remembered at once; a peer id costs nothing, so the list must not grow with them.
const REMEMBERED: usize = 4096;

/// How much of something, over time and at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rate {
    /// A second.
    pub per_second: f64,
    /// At once.
    pub burst: f64,
}

impl Rate {
    /// The requests that one peer may make.
    pub(super) fn of_requests(limits: &Limits) -> Self {
        Rate { per_second: limits.requests_per_second.into(), burst: limits.request_burst.into() }
    }
}

/// What is left of a rate: tokens come in at a constant rate up to a burst, each use takes some.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    tokens: f64,
    filled: Instant,
}

impl Bucket {
    pub(crate) fn full(rate: Rate, now: Instant) -> Self {
        Bucket { tokens: rate.burst, filled: now }
    }

    /// Takes so many tokens; false when there are fewer.
    pub(crate) fn take(&mut self, rate: Rate, amount: f64, now: Instant) -> bool {
        let more = now.saturating_duration_since(self.filled).as_secs_f64() * rate.per_second;
        self.tokens = (self.tokens + more).min(rate.burst);
        self.filled = now;
        let enough = self.tokens >= amount;
        if enough {
            self.tokens -= amount;
        }
        enough
    }
}

/// A rate for each of many, who are not known beforehand. It remembers the latest [`REMEMBERED`] of them.
#[derive(Debug)]
pub(crate) struct Quota<K> {
    rate: Rate,
    left: HashMap<K, Bucket>,
}

impl<K: Eq + Hash + Clone> Quota<K> {
    pub(crate) fn new(rate: Rate) -> Self {
        Quota { rate, left: HashMap::new() }
    }

    /// Whether `who` may have so much more.
    pub(crate) fn take(&mut self, who: &K, amount: f64, now: Instant) -> bool {
        if !self.left.contains_key(who) {
            make_room(&mut self.left, |bucket| bucket.filled);
        }
        let full = || Bucket::full(self.rate, now);
        self.left.entry(who.clone()).or_insert_with(full).take(self.rate, amount, now)
    }
}

/// Points.
#[derive(Debug, Default)]
pub(super) struct Standing {
    points: HashMap<PeerId, (u32, Instant)>,
}

impl Standing {
    /// Adds points; true when the peer is now to be banned.
    pub(super) fn penalise(&mut self, peer: PeerId, points: u32, now: Instant) -> bool {
        let sum = self.points(&peer, now).saturating_add(points);
        self.points.remove(&peer);
        if sum >= BAN_AT {
            return true;
        }
        make_room(&mut self.points, |(_, since)| *since);
        self.points.insert(peer, (sum, now));
        false
    }

    /// Forgets what has been forgiven.
    pub(super) fn expire(&mut self, now: Instant) {
        self.points.retain(|_, (points, since)| left(*points, *since, now) > 0);
    }

    /// What a peer has now.
    pub(super) fn points(&self, peer: &PeerId, now: Instant) -> u32 {
        self.points.get(peer).map_or(0, |(points, since)| left(*points, *since, now))
    }
}

fn left(points: u32, since: Instant, now: Instant) -> u32 {
    let forgiven = now.saturating_duration_since(since).as_secs() / FORGIVE_ONE.as_secs();
    points.saturating_sub(u32::try_from(forgiven).unwrap_or(u32::MAX))
}

/// Drops the oldest entry of a full list.
fn make_room<K: Eq + Hash + Clone, V>(map: &mut HashMap<K, V>, age: impl Fn(&V) -> Instant) {
    if map.len() >= REMEMBERED
        && let Some(oldest) = map.iter().min_by_key(|(_, v)| age(v)).map(|(key, _)| key.clone())
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
        assert!(!standing.penalise(peer, 60, start));
        assert_eq!(standing.points(&peer, at(60)), 50);
        assert!(!standing.penalise(peer, 60, at(180)), "half of the first points are forgiven by then");
        assert!(standing.penalise(peer, 60, at(181)));
        assert_eq!(standing.points(&peer, at(181)), 0, "the ban is the penalty");
        assert!(!standing.penalise(peer, 5, at(182)));
        standing.expire(at(212));
        assert!(standing.points.is_empty());
    }

    #[test]
    fn the_lists_stay_short() {
        let (mut standing, now) = (Standing::default(), Instant::now());
        let mut quota = Quota::new(Rate { per_second: 1.0, burst: 1.0 });
        for i in 0..REMEMBERED as u64 + 10 {
            let now = now + Duration::from_millis(i);
            standing.penalise(PeerId::random(), 1, now);
            assert!(quota.take(&i, 1.0, now));
        }
        assert_eq!((standing.points.len(), quota.left.len()), (REMEMBERED, REMEMBERED));
        assert!(!quota.take(&(REMEMBERED as u64), 1.0, now), "the latest are remembered");
    }

    #[test]
    fn a_bucket_empties_and_fills() {
        let rate = Rate { per_second: 2.0, burst: 3.0 };
        let start = Instant::now();
        let mut bucket = Bucket::full(rate, start);
        let taken = |bucket: &mut Bucket, now| (0..10).filter(|_| bucket.take(rate, 1.0, now)).count();
        assert_eq!(taken(&mut bucket, start), 3);
        assert_eq!(taken(&mut bucket, start + Duration::from_secs(1)), 2);
        assert_eq!(taken(&mut bucket, start + Duration::from_secs(100)), 3);
        assert!(!bucket.take(rate, 3.5, start + Duration::from_secs(200)), "more than a burst never fits");
    }
}
