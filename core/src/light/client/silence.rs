//! Noticing that nobody says what should be heard.

use super::{Event, LightClient, Silence};
use crate::sorted::Set;
use crate::sync::Now;
use core::time::Duration;

/// When what was heard.
#[derive(Clone, Debug, Default)]
pub(super) struct Hearing {
    /// When a peer answered last; the beginning before that.
    heard: Option<Duration>,
    /// When the best chain of headers changed last; the beginning before that.
    changed: Option<Duration>,
    /// When the wallet's way through the blocks came on last, or had nothing to do.
    came_on: Option<Duration>,
    /// What is not heard, as the owner was told.
    told: Set<Silence>,
}

impl Hearing {
    /// A peer answered.
    pub(super) fn heard(&mut self, now: Duration) {
        self.heard = Some(now);
    }

    /// The best chain of headers changed.
    pub(super) fn changed(&mut self, now: Duration) {
        self.changed = Some(now);
    }

    /// The wallet's way through the blocks came on.
    pub(super) fn came_on(&mut self) {
        self.came_on = None;
    }
}

impl<P: Copy + Ord> LightClient<P> {
    /// What is not heard at present.
    pub fn silence(&self) -> impl Iterator<Item = Silence> + '_ {
        self.hearing.told.iter().copied()
    }

    /// Tells what is not heard any more, and what is heard again.
    pub(super) fn listen(&mut self, now: Now) {
        let long_ago = |at: Duration| now.elapsed >= at + self.limits.silence;
        let peers = long_ago(*self.hearing.heard.get_or_insert(now.elapsed));
        if self.forward.undone() > self.headers.height() {
            self.hearing.came_on = None;
        }
        let filters = long_ago(*self.hearing.came_on.get_or_insert(now.elapsed));
        let usual = u64::from(self.params.block_interval) * u64::from(self.limits.old_tip);
        let age = u64::from(now.time.0.saturating_sub(self.headers.tip().header.time.0));
        // While headers come, the last one is old. That more are to come is anybody's word.
        let still = long_ago(*self.hearing.changed.get_or_insert(now.elapsed));
        let tip = age > usual && still;
        for (silence, silent) in [(Silence::Peers, peers), (Silence::Tip, tip), (Silence::Filters, filters && !peers)] {
            let told = &mut self.hearing.told;
            if silent && told.insert(silence) {
                self.events.push(Event::Silent(silence));
            } else if !silent && told.remove(&silence) {
                self.events.push(Event::Heard(silence));
            }
        }
    }
}
