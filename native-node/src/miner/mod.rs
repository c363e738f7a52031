//! Mining on all cores: searches the nonce of a template's block (paper 2.3.1).
//!
//! Plain threads, no runtime. Each thread takes ranges of nonces from a common counter and hashes them with
//! [`PowMidstate`]; when all 2^32 are used up, an extra nonce in the coinbase's ScriptSig gives new ones.

#[cfg(test)]
mod tests;

use camelid_core::block::{Block, NetworkParams, PowMidstate, Target};
use camelid_core::chain::Template;
use camelid_core::units::Timestamp;
use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

/// Nonces that a thread takes at once: some milliseconds, so that it notices soon when it should stop.
const RANGE: u64 = 1 << 16;
/// All nonces of one header.
const NONCES: u64 = 1 << 32;

/// How a search goes; shared with whoever watches or stops it.
#[derive(Debug, Default)]
pub struct Progress {
    stop: AtomicBool,
    hashes: AtomicU64,
}

impl Progress {
    /// A search that has not begun.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes the search end without a block, within milliseconds.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Whether the search should end.
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Headers hashed so far.
    pub fn hashes(&self) -> u64 {
        self.hashes.load(Ordering::Relaxed)
    }
}

/// The number of threads that use all cores.
pub fn all_cores() -> NonZeroUsize {
    thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// Seconds that the miner should wait at `now` before it works on a block after one of time `tip`. Zero on networks
/// whose difficulty sets the pace alone.
pub fn wait_before(params: &NetworkParams, tip: Timestamp, now: Timestamp) -> u32 {
    let due = tip.0.saturating_add(params.miner_gap);
    // A tip whose time lies ahead of the clock does not hold us up for longer than one gap.
    due.saturating_sub(now.0).min(params.miner_gap)
}

/// Searches on `threads` threads until the block's hash reaches the target, and gives the solved block; `None` when it is
/// stopped before.
pub fn mine(template: &Template, threads: NonZeroUsize, progress: &Progress) -> Option<Block> {
    search(template.block.clone(), &template.target, threads, progress, 0..NONCES)
}

/// As [`mine`], with the nonces of each header given.
fn search(
    mut block: Block,
    target: &Target,
    threads: NonZeroUsize,
    progress: &Progress,
    nonces: std::ops::Range<u64>,
) -> Option<Block> {
    let script_sig = block.transactions.first()?.inputs.first()?.script_sig.0.clone();
    for extra_nonce in 0u64.. {
        if extra_nonce > 0 {
            let coinbase = block.transactions.first_mut()?.inputs.first_mut()?;
            coinbase.script_sig.0 = [&script_sig[..], &extra_nonce.to_le_bytes()].concat();
        }
        block.header.merkle_root = block.merkle_root();
        if let Some(nonce) = search_header(&PowMidstate::new(&block.header), target, threads, progress, &nonces) {
            block.header.nonce = nonce;
            return Some(block);
        }
        if progress.is_stopped() {
            return None;
        }
    }
    None
}

/// Searches one header's nonces on several threads.
fn search_header(
    midstate: &PowMidstate,
    target: &Target,
    threads: NonZeroUsize,
    progress: &Progress,
    nonces: &std::ops::Range<u64>,
) -> Option<u32> {
    let (next, done, found) = (AtomicU64::new(nonces.start), AtomicBool::new(false), Mutex::new(None));
    let work = || {
        while !done.load(Ordering::Relaxed) && !progress.is_stopped() {
            let first = next.fetch_add(RANGE, Ordering::Relaxed);
            let end = nonces.end.min(first.saturating_add(RANGE)).min(NONCES);
            if first >= end {
                return;
            }
            // Both are below 2^32.
            let range = first as u32..=(end - 1) as u32;
            let result = midstate.try_nonces(range, target);
            let hashed = result.map_or(end - first, |nonce| u64::from(nonce) - first + 1);
            progress.hashes.fetch_add(hashed, Ordering::Relaxed);
            if let Some(nonce) = result {
                done.store(true, Ordering::Relaxed);
                // A thread that panicked left no half-written number.
                found.lock().unwrap_or_else(|e| e.into_inner()).get_or_insert(nonce);
                return;
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..threads.get() {
            scope.spawn(work);
        }
    });
    found.into_inner().unwrap_or_else(|e| e.into_inner())
}
