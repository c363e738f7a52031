//! Many inputs at once with AVX2: weights are turned into panels in which a vector holds two columns of 8 rows, widened
//! to int16 once for all inputs, so that a row's sum stays in its lane and needs no adding across lanes.

use super::avx2::more;
use super::avx2_elements::requantise;
use super::{Input, Product};
use alloc::vec::Vec;
use core::arch::x86_64::*;
use core::ops::Range;

/// From this many inputs on a panel is worth turning. From 8 on, groups have 4 to 6.
pub(super) const MIN_INPUTS: usize = 40;

/// Rows of a panel: two vectors.
const ROWS: usize = 16;

/// Most inputs that go through a panel together: with two vectors of rows, 12 sums in 16 registers.
const TOKENS: usize = 6;

/// Columns after which a lane may be full: 516 products fit. This part of a panel, 16 KiB, stays in the first cache.
const RUN: usize = 512;

/// The outputs of rows for each input.
#[target_feature(enable = "avx2")]
pub(super) fn multiply(p: &Product<'_>, outputs: &mut [&mut [i32]]) {
    let cols = p.matrix.cols;
    let (inputs, words) = (&p.inputs.list, &p.inputs.words);
    let (ends, pairs) = (ends(inputs.len()), words.len() / inputs.len().max(1));
    let mut panel = Vec::new();
    let mut sums = alloc::vec![[0i64; ROWS]; inputs.len()];
    for first in p.rows.clone().step_by(ROWS) {
        let rows = first..p.rows.end.min(first + ROWS);
        sums.fill([0; ROWS]);
        for start in (0..cols).step_by(RUN) {
            pack(p, rows.clone(), start..cols.min(start + RUN), &mut panel);
            for group in ends.windows(2) {
                let sums = &mut sums[group[0]..group[1]];
                let words = &words[group[0] * pairs + start / 2 * sums.len()..];
                match sums.len() {
                    4 => add::<4>(words, &panel, sums),
                    5 => add::<5>(words, &panel, sums),
                    _ => add::<TOKENS>(words, &panel, sums),
                }
            }
        }
        for ((input, sums), out) in inputs.iter().zip(&sums).zip(outputs.iter_mut()) {
            let out = &mut out[rows.start - p.rows.start..rows.end - p.rows.start];
            requantise(p, first, &sums[..rows.len()], input.fraction, out);
        }
    }
}

/// Where groups of inputs end, of nearly the same size.
fn ends(inputs: usize) -> Vec<usize> {
    let groups = inputs.div_ceil(TOKENS).max(1);
    (0..=groups).map(|g| inputs * g / groups).collect()
}

/// Pairs of columns of the inputs; group after group, in each pair after pair.
pub(super) fn interleave(inputs: &[&Input]) -> Vec<i32> {
    let pairs = inputs.first().map_or(0, |x| x.values.len() / 2);
    let mut all = alloc::vec![0; pairs * inputs.len()];
    for group in ends(inputs.len()).windows(2) {
        let (inputs, words) = (&inputs[group[0]..group[1]], &mut all[group[0] * pairs..group[1] * pairs]);
        for (t, input) in inputs.iter().enumerate() {
            let words = words.chunks_exact_mut(inputs.len());
            for (words, [a, b]) in words.zip(input.values.as_chunks::<2>().0) {
                words[t] = (*a as u16 as u32 | (*b as u16 as u32) << 16) as i32;
            }
        }
    }
    all
}

/// Turns some columns of up to 16 rows into a panel; rows and columns that are missing are zero.
#[inline]
#[target_feature(enable = "avx2")]
fn pack(p: &Product<'_>, rows: Range<usize>, cols: Range<usize>, panel: &mut Vec<[__m256i; 2]>) {
    panel.clear();
    panel.resize(cols.len().next_multiple_of(16) / 2, [_mm256_setzero_si256(); 2]);
    for (half, first) in rows.clone().step_by(8).enumerate() {
        let mut lines: [&[u8]; 8] = [&[]; 8];
        for (line, row) in lines.iter_mut().zip(first..rows.end) {
            *line = &p.matrix.row(row)[cols.clone()];
        }
        for (b, block) in panel.as_chunks_mut::<8>().0.iter_mut().enumerate() {
            let mut bytes = [_mm_setzero_si128(); 8];
            for r in 0..8 {
                bytes[r] = load(lines[r].get(b * 16..).unwrap_or(&[]));
            }
            for (column, v) in block.iter_mut().zip(turn(bytes)) {
                column[half] = _mm256_cvtepi8_epi16(v);
            }
        }
    }
}

/// Up to 16 bytes, then zeros.
#[inline]
#[target_feature(enable = "avx2")]
fn load(bytes: &[u8]) -> __m128i {
    let mut last = [0; 16];
    let sixteen = match bytes.first_chunk() {
        Some(sixteen) => sixteen,
        None => {
            last[..bytes.len()].copy_from_slice(bytes);
            &last
        }
    };
    // SAFETY: the array holds the 16 bytes that are read; no alignment is asked for.
    unsafe { _mm_loadu_si128(sixteen.as_ptr().cast()) }
}

/// Turns 8 rows of 8 pairs of bytes into 8 columns of pairs.
#[inline]
#[target_feature(enable = "avx2")]
fn turn(r: [__m128i; 8]) -> [__m128i; 8] {
    // twos[2 i] has columns 0 to 3 of rows 2 i and 2 i + 1, twos[2 i + 1] columns 4 to 7.
    let mut twos = r;
    for i in 0..4 {
        twos[2 * i] = _mm_unpacklo_epi16(r[2 * i], r[2 * i + 1]);
        twos[2 * i + 1] = _mm_unpackhi_epi16(r[2 * i], r[2 * i + 1]);
    }
    // fours[4 j + c] has columns 2 c and 2 c + 1 of rows 4 j to 4 j + 3.
    let mut fours = r;
    for j in 0..2 {
        for c in 0..2 {
            fours[4 * j + 2 * c] = _mm_unpacklo_epi32(twos[4 * j + c], twos[4 * j + 2 + c]);
            fours[4 * j + 2 * c + 1] = _mm_unpackhi_epi32(twos[4 * j + c], twos[4 * j + 2 + c]);
        }
    }
    let mut out = r;
    for c in 0..4 {
        out[2 * c] = _mm_unpacklo_epi64(fours[c], fours[4 + c]);
        out[2 * c + 1] = _mm_unpackhi_epi64(fours[c], fours[4 + c]);
    }
    out
}

/// Adds the panel times T inputs to their sums.
#[inline]
#[target_feature(enable = "avx2")]
fn add<const T: usize>(words: &[i32], panel: &[[__m256i; 2]], sums: &mut [[i64; ROWS]]) {
    let mut lanes = [[_mm256_setzero_si256(); 2]; T];
    for (w, x) in panel.iter().zip(words.as_chunks::<T>().0) {
        for t in 0..T {
            let x = _mm256_set1_epi32(x[t]);
            for half in 0..2 {
                lanes[t][half] = _mm256_add_epi32(lanes[t][half], _mm256_madd_epi16(w[half], x));
            }
        }
    }
    for (sums, lanes) in sums.iter_mut().zip(&lanes) {
        let fours = sums.as_chunks_mut::<4>().0;
        for half in 0..2 {
            more(&mut fours[2 * half], _mm256_castsi256_si128(lanes[half]));
            more(&mut fours[2 * half + 1], _mm256_extracti128_si256::<1>(lanes[half]));
        }
    }
}
