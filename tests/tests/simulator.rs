//! Networks of twenty and more nodes on a virtual clock: after each partition, loss and restart all honest nodes agree.
//!
//! `CAMELID_SIM_SEEDS=1000` plays more seeds (`make soak`), `CAMELID_SIM_SEED=17` plays one and tells its story.

use camelid_tests::simulator::{Ending, play};
use std::sync::atomic::{AtomicU64, Ordering};

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text}: a number expected")))
}

fn tell(seed: u64, e: &Ending) {
    println!(
        "seed {seed}: height {}, {} transactions, {} happenings, {} nodes: {}",
        e.height,
        e.transactions,
        e.happened,
        e.nodes,
        e.told.join("; ")
    );
}

#[test]
fn honest_nodes_agree_after_whatever_happens() {
    if let Some(seed) = number("CAMELID_SIM_SEED") {
        return tell(seed, &play(seed).unwrap());
    }
    let seeds = number("CAMELID_SIM_SEEDS").unwrap_or(30);
    let next = AtomicU64::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let work = || {
        let mut endings = Vec::new();
        while let seed = next.fetch_add(1, Ordering::Relaxed)
            && seed < seeds
        {
            let result =
                std::panic::catch_unwind(|| play(seed)).unwrap_or_else(|_| Err(format!("seed {seed} panicked")));
            endings.push(result.inspect(|e| tell(seed, e)));
        }
        endings
    };
    let endings: Vec<_> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        running.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let failed: Vec<_> = endings.iter().filter_map(|r| r.as_ref().err()).collect();
    assert!(failed.is_empty(), "{} of {seeds} failed; CAMELID_SIM_SEED=N plays one again: {failed:#?}", failed.len());
    // The stories are no idle ones.
    let endings: Vec<_> = endings.into_iter().flatten().collect();
    assert!(endings.iter().all(|e| e.height.0 > 60 && e.transactions > 20 && e.nodes >= 20), "{endings:#?}");
}

#[test]
fn a_seed_replays() {
    assert_eq!(play(5).unwrap(), play(5).unwrap());
    assert_ne!(play(5).unwrap().tip, play(6).unwrap().tip);
}
