//! Kernels for AVX2: 16 int16 products at a time, added in pairs to i32 (`vpmaddwd`), exact.

use super::avx2_elements::{gate_all, requantise};
use super::drivers;
use super::{Input, Product};
use crate::model::arithmetic::activation;
use crate::model::cpu::cache::LANES;
use crate::model::package::Norm;
use core::arch::x86_64::*;

/// Columns after which a lane may be full: it takes 2 of 16 terms, and 516 fit.
const RUN: usize = 4096;

drivers!(#[target_feature(enable = "avx2")]);

#[inline]
#[target_feature(enable = "avx2")]
fn bytes(v: &[u8; 16]) -> __m256i {
    // SAFETY: the array holds the 16 bytes that are read; no alignment is asked for.
    _mm256_cvtepi8_epi16(unsafe { _mm_loadu_si128(v.as_ptr().cast()) })
}

#[inline]
#[target_feature(enable = "avx2")]
fn words(v: &[i16; 16]) -> __m256i {
    // SAFETY: the array holds the 32 bytes that are read; no alignment is asked for.
    unsafe { _mm256_loadu_si256(v.as_ptr().cast()) }
}

/// The lanes of a vector.
#[inline]
#[target_feature(enable = "avx2")]
fn lanes(v: __m256i) -> [i32; 8] {
    let mut out = [0; 8];
    // SAFETY: the array has room for the 32 bytes that are written; no alignment is asked for.
    unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), v) };
    out
}

#[inline]
#[target_feature(enable = "avx2")]
fn total(v: __m256i) -> i64 {
    let low = _mm256_cvtepi32_epi64(_mm256_castsi256_si128(v));
    let high = _mm256_cvtepi32_epi64(_mm256_extracti128_si256::<1>(v));
    let four = _mm256_add_epi64(low, high);
    let two = _mm_add_epi64(_mm256_castsi256_si128(four), _mm256_extracti128_si256::<1>(four));
    _mm_cvtsi128_si64(two).wrapping_add(_mm_extract_epi64::<1>(two))
}

/// Rows of a matrix times inputs that are few. Rows that lie far apart are read side by side: memory decides, and a
/// processor asks it ahead once for each place that is read on and on.
#[target_feature(enable = "avx2")]
pub(super) fn multiply(p: &Product<'_>, outputs: &mut [&mut [i32]]) {
    if let [input] = p.inputs.list[..] {
        return apart(p, outputs, |rows: [usize; 8], sums| put(dots(p, rows, [input]), sums));
    }
    apart(p, outputs, |rows: [usize; 2], sums| {
        for (inputs, sums) in p.inputs.list.chunks(4).zip(sums.chunks_mut(4)) {
            match *inputs {
                [a] => put(dots(p, rows, [a]), sums),
                [a, b] => put(dots(p, rows, [a, b]), sums),
                [a, b, c] => put(dots(p, rows, [a, b, c]), sums),
                [a, b, c, d] => put(dots(p, rows, [a, b, c, d]), sums),
                _ => {}
            }
        }
    });
}

#[inline(always)]
fn put<const R: usize, const T: usize>(tile: [[i64; R]; T], sums: &mut [[i64; R]]) {
    for (to, from) in sums.iter_mut().zip(tile) {
        *to = from;
    }
}

/// R rows at a time, as far apart as they can be; `sums` computes the exact sums of some rows for each input.
#[inline]
#[target_feature(enable = "avx2")]
fn apart<const R: usize>(p: &Product<'_>, outputs: &mut [&mut [i32]], sums: impl Fn([usize; R], &mut [[i64; R]])) {
    let (start, apart) = (p.rows.start, p.rows.len() / R);
    let mut tile = alloc::vec![[0; R]; p.inputs.list.len()];
    let mut held = alloc::vec![[[0; drivers::ROWS]; R]; p.inputs.list.len()];
    for first in (0..apart).step_by(drivers::ROWS) {
        let count = drivers::ROWS.min(apart - first);
        for i in 0..count {
            let mut rows = [start + first + i; R];
            for (r, row) in rows.iter_mut().enumerate() {
                *row += r * apart;
            }
            sums(rows, &mut tile);
            for (held, tile) in held.iter_mut().zip(&tile) {
                for r in 0..R {
                    held[r][i] = tile[r];
                }
            }
        }
        for ((input, held), out) in p.inputs.list.iter().zip(&held).zip(outputs.iter_mut()) {
            for (r, held) in held.iter().enumerate() {
                let at = r * apart + first;
                requantise(p, start + at, &held[..count], input.fraction, &mut out[at..at + count]);
            }
        }
    }
    for i in R * apart..p.rows.len() {
        for (input, out) in p.inputs.list.iter().zip(outputs.iter_mut()) {
            let [sum] = dots(p, [start + i], [input]);
            requantise(p, start + i, &sum, input.fraction, &mut out[i..i + 1]);
        }
    }
}

/// The exact sums of some rows for some inputs.
#[inline]
#[target_feature(enable = "avx2")]
fn dots<const R: usize, const T: usize>(p: &Product<'_>, which: [usize; R], inputs: [&Input; T]) -> [[i64; R]; T] {
    // Loops rather than `map`, whose closures are not always compiled into their place. All slices are as long as the loop
    // over the steps: its bounds are checked once, where they are cut.
    let mut rows: [&[u8]; R] = [&[]; R];
    for (bytes, row) in rows.iter_mut().zip(which) {
        *bytes = p.matrix.row(row);
    }
    let mut sums = [[0i64; R]; T];
    for start in (0..p.matrix.cols).step_by(RUN) {
        let end = p.matrix.cols.min(start + RUN);
        let steps = (end - start) / 16;
        let mut weights = [(&[][..], &[][..]); R];
        let mut w_at = [core::ptr::null(); R];
        for r in 0..R {
            weights[r] = rows[r][start..end].as_chunks::<16>();
            w_at[r] = weights[r].0[..steps].as_ptr();
        }
        let mut x = [&[][..]; T];
        let mut x_at = [core::ptr::null(); T];
        for t in 0..T {
            x[t] = inputs[t].values[start..end.next_multiple_of(16)].as_chunks::<16>().0;
            x_at[t] = x[t][..steps].as_ptr();
        }
        let mut lanes = [[_mm256_setzero_si256(); R]; T];
        for i in 0..steps {
            let mut w = [_mm256_setzero_si256(); R];
            for r in 0..R {
                // SAFETY: each slice was just cut to `steps` blocks of 16 bytes, and i is below that.
                w[r] = _mm256_cvtepi8_epi16(unsafe { _mm_loadu_si128(w_at[r].wrapping_add(i).cast()) });
            }
            for t in 0..T {
                // SAFETY: each slice was just cut to `steps` blocks of 32 bytes, and i is below that.
                let x = unsafe { _mm256_loadu_si256(x_at[t].wrapping_add(i).cast()) };
                for r in 0..R {
                    lanes[t][r] = _mm256_add_epi32(lanes[t][r], _mm256_madd_epi16(w[r], x));
                }
            }
        }
        if !(end - start).is_multiple_of(16) {
            for r in 0..R {
                let mut last = [0; 16];
                last[..weights[r].1.len()].copy_from_slice(weights[r].1);
                let w = bytes(&last);
                for t in 0..T {
                    let x = words(&x[t][steps]);
                    lanes[t][r] = _mm256_add_epi32(lanes[t][r], _mm256_madd_epi16(w, x));
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

/// The exact products of a query with keys, block after block: 16 positions in two vectors.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn scores(low: &[i32], high: &[i32], keys: &[i16], out: &mut [i64]) {
    let block = low.len() * 2 * LANES;
    for (keys, out) in keys.chunks_exact(block).zip(out.chunks_exact_mut(LANES)) {
        let steps = low.chunks(drivers::PAIRS).zip(high.chunks(drivers::PAIRS));
        for ((low, high), keys) in steps.zip(keys.chunks(drivers::PAIRS * 2 * LANES)) {
            let mut sums = [[_mm256_setzero_si256(); 2]; 2];
            for ((l, h), k) in low.iter().zip(high).zip(keys.as_chunks::<16>().0.chunks_exact(2)) {
                let (l, h) = (_mm256_set1_epi32(*l), _mm256_set1_epi32(*h));
                for (half, k) in k.iter().enumerate() {
                    let k = words(k);
                    sums[0][half] = _mm256_add_epi32(sums[0][half], _mm256_madd_epi16(k, l));
                    sums[1][half] = _mm256_add_epi32(sums[1][half], _mm256_madd_epi16(k, h));
                }
            }
            add(out, sums, 8);
        }
    }
}

/// Adds weights times values, pair of positions after pair, 16 elements at a time.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn weigh(low: &[i32], high: &[i32], values: &[i16], sums: &mut [i64]) {
    let stride = 2 * sums.len();
    for (i, out) in sums.chunks_exact_mut(LANES).enumerate() {
        let mut lanes = [[_mm256_setzero_si256(); 2]; 2];
        for ((l, h), row) in low.iter().zip(high).zip(values.chunks_exact(stride)) {
            let (l, h) = (_mm256_set1_epi32(*l), _mm256_set1_epi32(*h));
            let row = row[i * 2 * LANES..][..2 * LANES].as_chunks::<16>().0;
            for (half, v) in row.iter().enumerate() {
                let v = words(v);
                lanes[0][half] = _mm256_add_epi32(lanes[0][half], _mm256_madd_epi16(v, l));
                lanes[1][half] = _mm256_add_epi32(lanes[1][half], _mm256_madd_epi16(v, h));
            }
        }
        add(out, lanes, 7);
    }
}

/// Adds high * 2^bits + low to 16 sums.
#[inline]
#[target_feature(enable = "avx2")]
fn add(out: &mut [i64], [low, high]: [[__m256i; 2]; 2], bits: u32) {
    for (half, out) in out.chunks_exact_mut(8).enumerate() {
        let (low, high) = (lanes(low[half]), lanes(high[half]));
        for (o, (l, h)) in out.iter_mut().zip(low.iter().zip(high)) {
            *o = o.wrapping_add(((h as i64) << bits) + *l as i64);
        }
    }
}

/// Adds to four sums.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn more(sums: &mut [i64; 4], lanes: __m128i) {
    // SAFETY: the array holds the 32 bytes that are read and written; no alignment is asked for.
    unsafe {
        let sum = _mm256_add_epi64(_mm256_loadu_si256(sums.as_ptr().cast()), _mm256_cvtepi32_epi64(lanes));
        _mm256_storeu_si256(sums.as_mut_ptr().cast(), sum);
    }
}
