//! How fast memory can be read: what decoding is measured against.

use super::kernels::prefetch;
use alloc::vec::Vec;
use core::hint::black_box;
use std::time::Instant;

/// How often each way is tried.
const TIMES: usize = 3;

/// A cache line.
type Line = [u8; 64];

/// Bytes a second that threads can read from memory, a part each: the best of several ways, each tried several times.
/// The parts together should be more than any cache holds, and written before: what never was has no memory of its own.
pub fn read_speed(parts: &[impl AsRef<[u8]>]) -> f64 {
    measure(&parts.iter().map(|part| part.as_ref().as_chunks().0).collect::<Vec<_>>())
}

/// Not generic: compiled here, with core's optimisation, and not where it is called.
fn measure(parts: &[&[Line]]) -> f64 {
    let bytes = parts.iter().map(|part| size_of_val(*part)).sum::<usize>() as f64;
    let ways: [fn(&[Line]) -> u8; 4] = [read::<1, 0>, read::<1, 8192>, read::<4, 0>, read::<4, 8192>];
    let time = |way: fn(&[Line]) -> u8| {
        let start = Instant::now();
        std::thread::scope(|scope| {
            for part in parts {
                scope.spawn(move || black_box(way(black_box(part))));
            }
        });
        bytes / start.elapsed().as_secs_f64()
    };
    let tries = ways.iter().flat_map(|way| [*way; TIMES]);
    tries.map(time).fold(0.0, f64::max)
}

/// Reads all, as so many streams side by side, and asks memory so many bytes ahead (0: leaves that to the processor).
fn read<const STREAMS: usize, const AHEAD: usize>(part: &[Line]) -> u8 {
    let length = part.len() / STREAMS;
    let streams: [&[Line]; STREAMS] = core::array::from_fn(|s| &part[s * length..(s + 1) * length]);
    let mut sums = [[0u8; 64]; STREAMS];
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
