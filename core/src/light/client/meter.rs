//! How fast headers come.

use super::event::Progress;
use crate::units::Height;
use core::time::Duration;

/// A rate is measured over so much time at least.
const SPAN: Duration = Duration::from_secs(1);

/// Counts headers.
#[derive(Clone, Debug, Default)]
pub(super) struct Meter {
    since: Option<Duration>,
    count: u64,
    /// Headers a second, lately.
    rate: Option<u64>,
}

impl Meter {
    /// So many headers came.
    pub(super) fn came(&mut self, headers: u32, now: Duration) {
        let since = *self.since.get_or_insert(now);
        self.count += u64::from(headers);
        let span = now.saturating_sub(since);
        if span >= SPAN {
            let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
            let new = self.count.saturating_mul(1000) / millis.max(1);
            self.rate = Some(self.rate.map_or(new, |old| (old.saturating_mul(7) + new.saturating_mul(3)) / 10));
            (self.since, self.count) = (Some(now), 0);
        }
    }

    /// How far it is.
    pub(super) fn progress(&self, have: Height, total: Height) -> Progress {
        let left = |rate: u64| u64::from(total.since(have)).checked_div(rate).map(Duration::from_secs);
        Progress {
            have,
            total,
            per_second: self.rate.map(|rate| u32::try_from(rate).unwrap_or(u32::MAX)),
            left: self.rate.and_then(left),
        }
    }
}
