//! Time that does not count what others do on this machine: where the system tells it, the time that a processor gave us.

use std::time::{Duration, Instant};

/// Measures one thread.
pub(super) struct Stopwatch {
    begun: Instant,
    given: Option<Duration>,
}

/// Nanoseconds on a processor, of this thread; Linux alone tells.
fn given() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

impl Stopwatch {
    pub(super) fn start() -> Self {
        Stopwatch { begun: Instant::now(), given: given() }
    }

    /// Seconds that a processor worked for this thread since the start; else seconds. The system counts in its ticks: what
    /// took less has taken the time that passed.
    pub(super) fn seconds(&self) -> f64 {
        let worked = self.given.zip(given()).map(|(before, after)| after.saturating_sub(before));
        worked.filter(|worked| !worked.is_zero()).unwrap_or_else(|| self.begun.elapsed()).as_secs_f64()
    }
}

/// Seconds of one turn: some of the system's ticks, in which it counts what it gave.
const TURN: f64 = 0.05;

/// How many a second each work does, on one core, by turns until each had so many seconds: what the machine's speed does
/// meanwhile happens to all. A work says how many it did in one go.
pub(super) fn rates<const N: usize>(seconds: f64, mut works: [&mut dyn FnMut() -> u64; N]) -> [f64; N] {
    let (mut done, mut worked) = ([0u64; N], [0.0; N]);
    while worked.iter().any(|w| *w < seconds) {
        for (work, (done, worked)) in works.iter_mut().zip(done.iter_mut().zip(&mut worked)) {
            let watch = Stopwatch::start();
            let turn = loop {
                *done += work();
                let turn = watch.seconds();
                if turn >= seconds.min(TURN) {
                    break turn;
                }
            };
            *worked += turn;
        }
    }
    std::array::from_fn(|i| done[i] as f64 / worked[i])
}

/// Seconds that processors worked for a process, `self` or its number; Linux alone tells. Of hundredths.
pub(super) fn process_seconds(process: &str) -> Option<f64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name in brackets may hold anything; after it, the 12th and 13th fields are user and system time.
    let (_, fields) = text.rsplit_once(')')?;
    let ticks: Vec<u64> = fields.split_whitespace().skip(11).take(2).filter_map(|f| f.parse().ok()).collect();
    // The kernel's interface has 100 ticks a second, whatever it works with inside.
    (ticks.len() == 2).then(|| ticks.iter().sum::<u64>() as f64 / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_counted() {
        let (mut calls, mut others) = (0, 0);
        let count = |calls: &mut u64| {
            *calls += 1;
            (0..1000).map(std::hint::black_box).sum::<u64>().min(1)
        };
        let rates = rates(0.01, [&mut || count(&mut calls), &mut || count(&mut others)]);
        assert!(rates.iter().all(|rate| *rate > 0.0) && calls > 0 && others > 0);
        if cfg!(target_os = "linux") {
            assert!(process_seconds("self").is_some() && given().is_some());
        }
        assert_eq!(process_seconds("none"), None);
    }
}
