//! What all kernels do alike, compiled once for each with its instructions.

use super::{Product, Scratch};
use crate::model::arithmetic::{attention, rescale};
use crate::model::cpu::cache::{HeadCache, LANES};

/// Rows whose sums are collected before they are rounded, many at a time.
pub(super) const ROWS: usize = 64;

/// Pairs of query elements, or of positions, whose products with int16 are added in an i32: 256 terms of at most
/// 255 x 32767.
pub(super) const PAIRS: usize = 128;

/// Requantisation of rows from `first` on (`docs/arithmetic.md`, section 4), without a branch.
#[inline(always)]
pub(super) fn requantise(p: &Product<'_>, first: usize, sums: &[i64], fraction: i32, out: &mut [i32]) {
    let n = sums.len().min(out.len());
    let rows = first..first + n;
    let (Some(mantissas), Some(shifts)) = (p.matrix.mantissas.get(rows.clone()), p.beside.shifts.get(rows.clone()))
    else {
        return;
    };
    let (sums, out) = (&sums[..n], &mut out[..n]);
    for i in 0..n {
        let shift = shifts[i].wrapping_add(fraction);
        // |product| < 2^55: shifts from 56 on give 0, and adding the half cannot overflow.
        let product = sums[i].wrapping_mul(mantissas[i] as i64);
        let (right, left) = (shift.clamp(0, 63) as u32, shift.wrapping_neg().clamp(0, 31) as u32);
        let half = (1u64.wrapping_shl(right) >> 1) as i64;
        let rounded = (product.wrapping_add(half) >> right).clamp(i32::MIN as i64, i32::MAX as i64);
        out[i] = (rounded << left).clamp(i32::MIN as i64, i32::MAX as i64) as i32;
    }
    if let Some(bias) = p.matrix.bias.get(rows) {
        for (o, b) in out.iter_mut().zip(bias) {
            *o = o.saturating_add(*b);
        }
    }
}

/// Query pairs as words: low bytes, and high bytes with their sign.
#[inline(always)]
pub(super) fn split_query(query: &[i16], scratch: &mut Scratch) {
    let word = |a: i16, b: i16| (a as u16 as u32 | (b as u16 as u32) << 16) as i32;
    scratch.low.clear();
    scratch.high.clear();
    for pair in query.chunks_exact(2) {
        scratch.low.push(word(pair[0] & 255, pair[1] & 255));
        scratch.high.push(word(pair[0] >> 8, pair[1] >> 8));
    }
}

/// Scores from the exact products of query and keys; softmax; its weights' pairs as words: low seven bits, and the
/// eight above. Gives the weights' sum.
#[inline(always)]
pub(super) fn softmax(positions: usize, shift: i32, scratch: &mut Scratch) -> u32 {
    scratch.scores.clear();
    scratch.scores.extend(scratch.products.iter().take(positions).map(|s| rescale(*s, shift)));
    let total = attention::softmax(&scratch.scores, &mut scratch.weights);
    // An odd last position is paired with a weight of zero.
    scratch.weights.resize(positions.next_multiple_of(2), 0);
    let word = |a: u16, b: u16| (a as u32 | (b as u32) << 16) as i32;
    scratch.low.clear();
    scratch.high.clear();
    for pair in scratch.weights.chunks_exact(2) {
        scratch.low.push(word(pair[0] & 127, pair[1] & 127));
        scratch.high.push(word(pair[0] >> 7, pair[1] >> 7));
    }
    total
}

/// Prepares the scratch memory for a head: room for its scores in whole blocks, and for its sums.
#[inline(always)]
pub(super) fn prepare(query: &[i16], cache: &HeadCache, positions: usize, scratch: &mut Scratch) {
    split_query(query, scratch);
    scratch.products.clear();
    scratch.products.resize(positions.next_multiple_of(LANES), 0);
    scratch.sums.clear();
    scratch.sums.resize(cache.padded, 0);
}

/// The functions that [`dispatch!`](super) calls, from three of the module's own: `tile` (the exact sums of R rows for
/// T inputs), `scores` (query times keys) and `weigh` (weights times values).
macro_rules! drivers {
    ($tokens:literal $(, #[$features:meta])?) => {
        $(#[$features])?
        pub(super) fn input(v: &[i32], fraction: i32, bytes: bool) -> Input {
            super::make_input(v, fraction, bytes)
        }

        $(#[$features])?
        pub(super) fn normalise(x: &mut [i32], norm: &Norm, centre: bool, epsilon: u64) -> i32 {
            super::make_norm(x, norm, centre, epsilon)
        }

        $(#[$features])?
        pub(super) fn gate(table: &[u32], gates: &mut [i32], ups: &[i32]) {
            for (gate, up) in gates.iter_mut().zip(ups) {
                *gate = activation::gated(table, *gate, *up);
            }
        }

        $(#[$features])?
        pub(super) fn activate(table: &[u32], values: &mut [i32]) {
            for v in values {
                *v = activation::activate(table, *v);
            }
        }

        $(#[$features])?
        pub(super) fn multiply(p: &Product<'_>, out: &mut [i32]) {
            let width = p.rows.len();
            let mut sums = alloc::vec![0i64; p.inputs.len() * drivers::ROWS];
            for first in p.rows.clone().step_by(drivers::ROWS) {
                let end = p.rows.end.min(first + drivers::ROWS);
                let mut row = first;
                while row < end {
                    let at = row - first;
                    let four = row + 4 <= end;
                    for (i, group) in p.inputs.chunks($tokens).enumerate() {
                        let sums = &mut sums[i * $tokens * drivers::ROWS + at..];
                        match (four, group) {
                            (true, [a, b, c]) => put(&tile::<4, 3>(p, row, [a, b, c]), sums),
                            (true, [a, b]) => put(&tile::<4, 2>(p, row, [a, b]), sums),
                            (true, [a]) => put(&tile::<4, 1>(p, row, [a]), sums),
                            (false, [a, b, c]) => put(&tile::<1, 3>(p, row, [a, b, c]), sums),
                            (false, [a, b]) => put(&tile::<1, 2>(p, row, [a, b]), sums),
                            (false, [a]) => put(&tile::<1, 1>(p, row, [a]), sums),
                            _ => {}
                        }
                    }
                    row += if four { 4 } else { 1 };
                }
                for (i, input) in p.inputs.iter().enumerate() {
                    let sums = &sums[i * drivers::ROWS..][..end - first];
                    let to = i * width + first - p.rows.start;
                    drivers::requantise(p, first, sums, input.fraction, &mut out[to..to + end - first]);
                }
            }
        }

        #[inline(always)]
        fn put<const R: usize, const T: usize>(tile: &[[i64; R]; T], sums: &mut [i64]) {
            for (t, row) in tile.iter().enumerate() {
                sums[t * drivers::ROWS..][..R].copy_from_slice(row);
            }
        }

        $(#[$features])?
        pub(super) fn attend(
            query: &[i16],
            cache: &HeadCache,
            positions: usize,
            shift: i32,
            scratch: &mut Scratch,
        ) -> u32 {
            drivers::prepare(query, cache, positions, scratch);
            scores(&scratch.low, &scratch.high, &cache.keys, &mut scratch.products);
            let total = drivers::softmax(positions, shift, scratch);
            for (i, (low, high)) in
                scratch.low.chunks(drivers::PAIRS).zip(scratch.high.chunks(drivers::PAIRS)).enumerate()
            {
                let values = &cache.values[i * drivers::PAIRS * 2 * cache.padded..];
                weigh(low, high, values, &mut scratch.sums);
            }
            total
        }
    };
}
