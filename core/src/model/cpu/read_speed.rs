//! How fast memory can be read: what decoding is measured against.

use super::kernels::prefetch;
use alloc::vec;
use alloc::vec::Vec;
use core::hint::black_box;
use std::time::Instant;

/// Bytes that each thread reads: more than any cache holds.
const PART: usize = 256 << 20;
/// How often each way is tried.
const TIMES: usize = 3;

/// A cache line.
type Line = [u64; 8];

/// Bytes a second that so many threads can read from memory: the best of several ways, each tried several times.
pub fn read_speed(threads: usize) -> f64 {
    let parts: Vec<Vec<Line>> = (0..threads.max(1)).map(|i| vec![[i as u64 + 1; 8]; PART / 64]).collect();
    let ways: [fn(&[Line]) -> u64; 4] = [read::<1, 0>, read::<1, 8192>, read::<4, 0>, read::<4, 8192>];
    let time = |way: fn(&[Line]) -> u64| {
        let start = Instant::now();
        std::thread::scope(|scope| {
            for part in &parts {
                scope.spawn(move || black_box(way(black_box(part))));
            }
        });
        (PART * parts.len()) as f64 / start.elapsed().as_secs_f64()
    };
    let tries = ways.iter().flat_map(|way| [*way; TIMES]);
    tries.map(time).fold(0.0, f64::max)
}

/// Reads all, as so many streams side by side, and asks memory so many bytes ahead (0: leaves that to the processor).
fn read<const STREAMS: usize, const AHEAD: usize>(part: &[Line]) -> u64 {
    let length = part.len() / STREAMS;
    let streams: [&[Line]; STREAMS] = core::array::from_fn(|s| &part[s * length..(s + 1) * length]);
    let mut sums = [[0u64; 8]; STREAMS];
    for i in 0..length {
        for (stream, sum) in streams.iter().zip(&mut sums) {
            let line = &stream[i];
            if AHEAD > 0 {
                prefetch(stream.as_ptr().wrapping_add(i + AHEAD / 64).cast());
            }
            for (sum, value) in sum.iter_mut().zip(line) {
                *sum |= *value;
            }
        }
    }
    sums.iter().flatten().fold(0, |all, one| all | one)
}
