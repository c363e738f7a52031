//! How far it is, and how long it will take.

use crate::units::Height;
use core::time::Duration;

/// A rate is measured over so much time at least.
const SPAN: Duration = Duration::from_secs(2);

/// How far following the chain is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// The last block here.
    pub height: Height,
    /// The last header that leads to more work.
    pub headers: Height,
    /// The highest of what peers say, or of the headers.
    pub target: Height,
    /// Blocks a second, lately; 0 before the first.
    pub blocks_per_second: f64,
    /// Seconds left at that rate; `None` before there is one.
    pub seconds_left: Option<f64>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Meter {
    since: Option<Duration>,
    count: usize,
    rate: f64,
}

impl Meter {
    /// So many blocks came.
    pub(super) fn came(&mut self, blocks: usize, now: Duration) {
        let since = *self.since.get_or_insert(now);
        self.count += blocks;
        let span = now.saturating_sub(since);
        if span >= SPAN {
            let rate = self.count as f64 / span.as_secs_f64();
            self.rate = if self.rate == 0.0 { rate } else { self.rate * 0.7 + rate * 0.3 };
            (self.since, self.count) = (Some(now), 0);
        }
    }

    pub(super) fn progress(&self, height: Height, headers: Height, told: Height) -> Option<Progress> {
        let target = headers.max(told);
        let left = target.since(height);
        let seconds_left = (self.rate > 0.0).then(|| left as f64 / self.rate);
        let progress = Progress { height, headers, target, blocks_per_second: self.rate, seconds_left };
        (left > 0).then_some(progress)
    }
}
