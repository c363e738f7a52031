//! What all kernels do alike, compiled once for each with its instructions.

use super::{Product, Query};
use crate::model::arithmetic::{activation, attention, rescale, saturate};
use alloc::vec::Vec;

/// Rows whose sums are collected before they are rounded, many at a time.
pub(super) const ROWS: usize = 64;

/// Pairs of query elements, or of positions, whose products with int16 are added in an i32: 256 terms of at most
/// 255 x 32767.
pub(super) const PAIRS: usize = 128;

/// Requantisation of rows from `first` on (`docs/arithmetic.md`, section 4).
#[inline(always)]
pub(super) fn requantise(p: &Product<'_>, first: usize, sums: &[i64], fraction: i32, out: &mut [i32]) {
    round(p, first, sums, fraction, out);
    add_bias(p, first, out);
}

/// Scales and rounds the sums of rows from `first` on, without a branch.
#[inline(always)]
pub(super) fn round(p: &Product<'_>, first: usize, sums: &[i64], fraction: i32, out: &mut [i32]) {
    let n = sums.len().min(out.len());
    let Some((mantissas, shifts)) = p.scales(first..first + n) else { return };
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
}

/// Adds the biases of rows from `first` on, where there are any.
#[inline(always)]
pub(super) fn add_bias(p: &Product<'_>, first: usize, out: &mut [i32]) {
    if let Some(bias) = p.matrix.bias.get(first..first + out.len()) {
        for (o, b) in out.iter_mut().zip(bias) {
            *o = o.saturating_add(*b);
        }
    }
}

/// The gated MLP's hidden elements, in the place of the gates.
#[inline(always)]
pub(super) fn gate_all(table: &[u32], gates: &mut [i32], ups: &[i32]) {
    for (gate, up) in gates.iter_mut().zip(ups) {
        *gate = activation::gated(table, *gate, *up);
    }
}

/// Query pairs as words: low bytes, and high bytes with their sign.
#[inline(always)]
pub(super) fn split_query(query: &[i16], low: &mut Vec<i32>, high: &mut Vec<i32>) {
    let word = |[a, b]: [i16; 2]| (a as u16 as u32 | (b as u16 as u32) << 16) as i32;
    let pairs = query.as_chunks::<2>().0;
    low.extend(pairs.iter().map(|p| word(p.map(|v| v & 255))));
    high.extend(pairs.iter().map(|p| word(p.map(|v| v >> 8))));
}

/// Softmax of a query's scores; its weights' pairs as words: low seven bits, and the eight above, zeros up to
/// `pairs`. Gives the weights' sum.
#[inline(always)]
pub(super) fn softmax(
    scores: &[i32],
    pairs: usize,
    weights: &mut Vec<u16>,
    low: &mut Vec<i32>,
    high: &mut Vec<i32>,
) -> u32 {
    let total = attention::softmax(scores, weights);
    weights.resize(2 * pairs, 0);
    let words = weights.as_chunks::<2>().0;
    let word = |[a, b]: [u16; 2]| a as u32 | (b as u32) << 16;
    low.extend(words.iter().map(|p| (word(*p) & 0x007f_007f) as i32));
    high.extend(words.iter().map(|p| (word(*p) >> 7 & 0x00ff_00ff) as i32));
    total
}

/// A query's scores from its exact products.
#[inline(always)]
pub(super) fn scores(query: &Query<'_>, products: &[i64], scores: &mut Vec<i32>) {
    scores.clear();
    let products = products.iter().take(query.positions);
    if query.shift > 0 {
        // The products are far from an i64's ends: adding the half cannot overflow, and from 63 on all is zero or less.
        let (shift, half) = (query.shift.min(62), 1i64 << (query.shift.min(62) - 1));
        scores.extend(products.map(|s| saturate(s.wrapping_add(half) >> shift)));
    } else {
        scores.extend(products.map(|s| rescale(*s, query.shift)));
    }
}

/// The functions that [`dispatch!`](super) calls, from the module's own `tile` (the exact sums of R rows for T inputs)
/// and from `requantise` and `gate_all`: the module's own too, or those above.
macro_rules! drivers {
    ($tokens:literal $(, #[$features:meta])?) => {
        drivers!($(#[$features])?);

        $(#[$features])?
        pub(super) fn multiply(p: &Product<'_>, outputs: &mut [&mut [i32]]) {
            let mut sums = alloc::vec![0i64; p.inputs.list.len() * drivers::ROWS];
            for first in p.rows.clone().step_by(drivers::ROWS) {
                let end = p.rows.end.min(first + drivers::ROWS);
                let mut row = first;
                while row < end {
                    let at = row - first;
                    let four = row + 4 <= end;
                    for (i, group) in p.inputs.list.chunks($tokens).enumerate() {
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
                let sums = sums.chunks_exact(drivers::ROWS);
                for ((input, sums), out) in p.inputs.list.iter().zip(sums).zip(outputs.iter_mut()) {
                    let out = &mut out[first - p.rows.start..end - p.rows.start];
                    requantise(p, first, &sums[..end - first], input.fraction, out);
                }
            }
        }

        #[inline(always)]
        fn put<const R: usize, const T: usize>(tile: &[[i64; R]; T], sums: &mut [i64]) {
            for (t, row) in tile.iter().enumerate() {
                sums[t * drivers::ROWS..][..R].copy_from_slice(row);
            }
        }
    };
    // Without `multiply`, which the module has of its own.
    ($(#[$features:meta])?) => {
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
            gate_all(table, gates, ups);
        }

        $(#[$features])?
        pub(super) fn activate(table: &[u32], values: &mut [i32]) {
            for v in values {
                *v = activation::activate(table, *v);
            }
        }
    };
}

/// The function `attend` that [`dispatch!`](super) calls, one query after another, from the module's own `scores` (query
/// times keys) and `weigh` (weights times values).
macro_rules! attention_driver {
    ($(#[$features:meta])?) => {
        $(#[$features])?
        pub(super) fn attend(queries: &[Query<'_>], cache: &HeadCache, scratch: &mut Scratch) {
            for (q, query) in queries.iter().enumerate() {
                let Scratch { low, high, products, scores: scored, weights, sums, totals } = &mut *scratch;
                low.clear();
                high.clear();
                drivers::split_query(query.words, low, high);
                products.clear();
                products.resize(query.positions.next_multiple_of(LANES), 0);
                scores(low, high, &cache.keys, products);
                drivers::scores(query, products, scored);
                low.clear();
                high.clear();
                totals[q] = drivers::softmax(scored, query.positions.div_ceil(2), weights, low, high);
                let sums = &mut sums[q * cache.padded..(q + 1) * cache.padded];
                let runs = low.chunks(drivers::PAIRS).zip(high.chunks(drivers::PAIRS));
                for (i, (low, high)) in runs.enumerate() {
                    weigh(low, high, &cache.values[i * drivers::PAIRS * 2 * cache.padded..], sums);
                }
            }
        }
    };
}
