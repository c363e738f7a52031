//! How fast memory can be read: what decoding is measured against.

use camelid_core::model::cpu::READINGS;
use std::hint::black_box;
use std::time::Instant;

/// How often each way is tried.
const TIMES: usize = 3;

/// Bytes a second that threads can read from memory, a part each: the best of several ways, each tried several times.
/// The parts together should be more than any cache holds, and written before: what never was has no memory of its own.
pub fn read_speed(parts: &[impl AsRef<[u8]> + Sync]) -> f64 {
    let bytes: usize = parts.iter().map(|part| part.as_ref().len()).sum();
    let time = |way: fn(&[u8]) -> u8| {
        let start = Instant::now();
        std::thread::scope(|scope| {
            for part in parts {
                scope.spawn(move || black_box(way(black_box(part.as_ref()))));
            }
        });
        bytes as f64 / start.elapsed().as_secs_f64()
    };
    READINGS.iter().flat_map(|way| [*way; TIMES]).map(time).fold(0.0, f64::max)
}
