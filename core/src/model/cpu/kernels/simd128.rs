//! Kernels for WASM's 128-bit vectors: 8 int16 products at a time, added in pairs to i32 (`i32x4.dot_i16x8_s`), exact.
//! (Relaxed SIMD's byte products are left alone: their result differs between machines.)
//!
//! A module either has these instructions or a browser without them refuses it, so they are chosen when it is compiled.

use super::drivers::gate_all;
use super::{Input, Product};
use crate::model::arithmetic::{activation, rescale, saturate};
use crate::model::package::Norm;
use core::arch::wasm32::*;

/// Columns after which a lane may be full: it takes 2 of 8 terms, and 516 fit.
const RUN: usize = 2048;

drivers!();

/// Eight weights as int16.
#[inline(always)]
fn bytes(v: &[u8; 8]) -> v128 {
    // SAFETY: the array holds the 8 bytes that are read; no alignment is asked for.
    unsafe { i16x8_load_extend_i8x8(v.as_ptr().cast()) }
}

#[inline(always)]
pub(super) fn words(v: &[i16; 8]) -> v128 {
    // SAFETY: the array holds the 16 bytes that are read; no alignment is asked for.
    unsafe { v128_load(v.as_ptr().cast()) }
}

/// Adds eight products, two a lane.
#[inline(always)]
pub(super) fn dot(sum: v128, a: v128, b: v128) -> v128 {
    i32x4_add(sum, i32x4_dot_i16x8(a, b))
}

/// The sum of the lanes.
#[inline(always)]
fn total(v: v128) -> i64 {
    let two = i64x2_add(i64x2_extend_low_i32x4(v), i64x2_extend_high_i32x4(v));
    i64x2_extract_lane::<0>(two).wrapping_add(i64x2_extract_lane::<1>(two))
}

/// Rows far apart that are read side by side where one input is all there is. Memory then decides, and a processor asks
/// it ahead once for each place that is read on and on: eight such places give two to three times the speed of one.
const STREAMS: usize = 8;

/// Rows times inputs: three of each at a time just fill sixteen registers.
pub(super) fn multiply(p: &Product<'_>, outputs: &mut [&mut [i32]]) {
    if let ([input], [out]) = (&p.inputs.list[..], &mut *outputs) {
        return streams(p, input, out);
    }
    let mut row = p.rows.start;
    while row < p.rows.end {
        let three = row + 3 <= p.rows.end;
        for (group, outputs) in p.inputs.list.chunks(3).zip(outputs.chunks_mut(3)) {
            let rows = [row, row + 1, row + 2];
            match (three, group) {
                (true, [a, b, c]) => place(p, row, &dots(p, rows, [a, b, c]), group, outputs),
                (true, [a, b]) => place(p, row, &dots(p, rows, [a, b]), group, outputs),
                (true, [a]) => place(p, row, &dots(p, rows, [a]), group, outputs),
                (false, [a, b, c]) => place(p, row, &dots(p, [row], [a, b, c]), group, outputs),
                (false, [a, b]) => place(p, row, &dots(p, [row], [a, b]), group, outputs),
                (false, [a]) => place(p, row, &dots(p, [row], [a]), group, outputs),
                _ => {}
            }
        }
        row += if three { 3 } else { 1 };
    }
}

/// One input times rows that lie far apart.
fn streams(p: &Product<'_>, input: &Input, out: &mut [i32]) {
    let (start, apart) = (p.rows.start, p.rows.len() / STREAMS);
    for i in 0..apart {
        let [tile] = dots(p, core::array::from_fn::<_, STREAMS, _>(|r| start + r * apart + i), [input]);
        for (r, sum) in tile.into_iter().enumerate() {
            out[r * apart + i] = requantise(p, start + r * apart + i, sum, input.fraction);
        }
    }
    for (i, out) in out.iter_mut().enumerate().skip(STREAMS * apart) {
        let [[sum]] = dots(p, [start + i], [input]);
        *out = requantise(p, start + i, sum, input.fraction);
    }
}

/// Puts a tile's outputs, of rows from `row` on, in their places.
#[inline(always)]
fn place<const R: usize, const T: usize>(
    p: &Product<'_>,
    row: usize,
    tile: &[[i64; R]; T],
    inputs: &[&Input],
    outputs: &mut [&mut [i32]],
) {
    for ((sums, input), out) in tile.iter().zip(inputs).zip(outputs) {
        let out = &mut out[row - p.rows.start..][..R];
        for r in 0..R {
            out[r] = requantise(p, row + r, sums[r], input.fraction);
        }
    }
}

/// Requantisation (`docs/arithmetic.md`, section 4): 64-bit numbers one by one are faster here than in vectors.
#[inline(always)]
fn requantise(p: &Product<'_>, row: usize, sum: i64, fraction: i32) -> i32 {
    let (Some(mantissa), Some(shift)) = (p.matrix.mantissas.get(row), p.beside.shifts.get(row)) else { return 0 };
    // |product| < 2^55.
    let product = sum.wrapping_mul(*mantissa as i64);
    let before = shift.wrapping_add(fraction).wrapping_sub(1);
    // Halves go up: floor(v / 2^(s + 1) + 1/2) is half of floor(v / 2^s) + 1, rounded down.
    let rounded =
        if (0..63).contains(&before) { saturate(((product >> before) + 1) >> 1) } else { far(product, before) };
    rounded.saturating_add(p.matrix.bias_of(row))
}

/// A shift that a model hardly has.
#[cold]
fn far(product: i64, before: i32) -> i32 {
    rescale(product, before.wrapping_add(1))
}

/// The exact sums of some rows for some inputs.
#[inline(always)]
fn dots<const R: usize, const T: usize>(p: &Product<'_>, rows: [usize; R], inputs: [&Input; T]) -> [[i64; R]; T] {
    let rows: [&[u8]; R] = rows.map(|row| p.matrix.row(row));
    let mut sums = [[0i64; R]; T];
    for start in (0..p.matrix.cols).step_by(RUN) {
        let end = p.matrix.cols.min(start + RUN);
        let weights = rows.map(|row| row[start..end].as_chunks::<8>());
        let x = inputs.map(|x| x.values[start..end.next_multiple_of(8)].as_chunks::<8>().0);
        let steps = (end - start) / 8;
        // All as long as the loop: its bounds are then checked once, here.
        let w_at = weights.map(|w| w.0[..steps].as_ptr());
        let x_at = x.map(|x| x[..steps].as_ptr());
        let mut lanes = [[i32x4_splat(0); R]; T];
        for i in 0..steps {
            let mut x = [i32x4_splat(0); T];
            for t in 0..T {
                // SAFETY: each slice was just cut to `steps` blocks of 16 bytes, and i is below that.
                x[t] = unsafe { v128_load(x_at[t].wrapping_add(i).cast()) };
            }
            for r in 0..R {
                // SAFETY: each slice was just cut to `steps` blocks of 8 bytes, and i is below that.
                let w = unsafe { i16x8_load_extend_i8x8(w_at[r].wrapping_add(i).cast()) };
                for t in 0..T {
                    lanes[t][r] = dot(lanes[t][r], w, x[t]);
                }
            }
        }
        if !(end - start).is_multiple_of(8) {
            for r in 0..R {
                let mut last = [0; 8];
                last[..weights[r].1.len()].copy_from_slice(weights[r].1);
                for t in 0..T {
                    lanes[t][r] = dot(lanes[t][r], bytes(&last), words(&x[t][steps]));
                }
            }
        }
        for t in 0..T {
            for r in 0..R {
                sums[t][r] = sums[t][r].wrapping_add(total(lanes[t][r]));
            }
        }
    }
    sums
}
