//! Ways to read memory: who holds a clock times them, to know what decoding can reach at most.

use super::kernels::prefetch;

/// A cache line.
type Line = [u8; 64];

/// Each reads all of a slice but the rest that is no whole line, and gives the OR of it: as one stream or as four side
/// by side, with and without asking memory ahead. Which is fastest depends on the machine. A static, not a constant: so
/// they are compiled here, with core's optimisation, and not where they are used.
pub static READINGS: [fn(&[u8]) -> u8; 4] = [read::<1, 0>, read::<1, 8192>, read::<4, 0>, read::<4, 8192>];

/// Reads as so many streams, and asks memory so many bytes ahead (0: leaves that to the processor).
fn read<const STREAMS: usize, const AHEAD: usize>(memory: &[u8]) -> u8 {
    let lines: &[Line] = memory.as_chunks().0;
    let length = lines.len() / STREAMS;
    let streams: [&[Line]; STREAMS] = core::array::from_fn(|s| &lines[s * length..(s + 1) * length]);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_reads_every_line() {
        for at in [0, 63, 64, 1000, 4095] {
            let mut memory = [0; 4096];
            memory[at] = 5;
            for (way, read) in READINGS.iter().enumerate() {
                assert_eq!(read(&memory), 5, "way {way}, byte {at}");
            }
        }
    }
}
