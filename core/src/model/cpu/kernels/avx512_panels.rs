//! Many inputs at once with AVX-512 VNNI: weights are turned into panels in which a vector holds four columns of 16
//! rows, so that a row's sum stays in its lane and needs no adding across lanes. Turning them costs a few percent of
//! the products of a block of tokens.

use super::avx512_elements::requantise;
use super::{Input, Product};
use alloc::vec::Vec;
use core::arch::x86_64::*;
use core::ops::Range;

/// From this many inputs on a panel is worth turning.
pub(super) const MIN_INPUTS: usize = 6;

/// Rows of a panel: two vectors.
const ROWS: usize = 32;

/// Inputs that go through a panel together: with two vectors of rows and two bytes an element, 16 sums.
const TOKENS: usize = 4;

/// Columns whose byte products fit an i32's sum: 66,311 do.
const RUN: usize = 65_536;

/// Four columns of four inputs: low bytes, then high bytes.
type Quad = [i32; 2 * TOKENS];

/// The outputs of rows for each input.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
pub(super) fn multiply(p: &Product<'_>, outputs: &mut [&mut [i32]]) {
    let cols = p.matrix.cols;
    let steps = cols.next_multiple_of(64) / 4;
    let (inputs, quads) = (&p.inputs.list, p.inputs.words.as_chunks().0);
    let mut panel = Vec::new();
    let mut sums = alloc::vec![[0i64; ROWS]; inputs.len().next_multiple_of(TOKENS)];
    for first in p.rows.clone().step_by(ROWS) {
        let rows = first..p.rows.end.min(first + ROWS);
        let mut offset = [0; ROWS];
        for (o, sum) in offset.iter_mut().zip(&p.beside.sums[rows.clone()]) {
            *o = *sum as i64 * -(128 << 8);
        }
        sums.fill(offset);
        let next = rows.end..p.rows.end.min(rows.end + ROWS);
        let next = p.matrix.weights.get(next.start * cols..next.end * cols).unwrap_or(&[]);
        let share = next.len().div_ceil(quads.len() / steps.max(1)).max(1);
        for start in (0..cols).step_by(RUN) {
            pack(p, rows.clone(), start..cols.min(start + RUN), &mut panel);
            let mut ahead = next.chunks(share);
            for (quads, sums) in quads.chunks_exact(steps).zip(sums.as_chunks_mut::<TOKENS>().0) {
                let quads = &quads[start / 4..start / 4 + panel.len()];
                add(quads, &panel, ahead.next().unwrap_or(&[]), sums);
            }
        }
        for ((input, sums), out) in inputs.iter().zip(&sums).zip(outputs.iter_mut()) {
            let out = &mut out[rows.start - p.rows.start..rows.end - p.rows.start];
            requantise(p, first, &sums[..rows.len()], input.fraction, out);
        }
    }
}

/// The inputs' quads, four inputs and four together; those that are missing are zero.
pub(super) fn interleave(inputs: &[&Input]) -> Vec<i32> {
    let steps = inputs.first().map_or(0, |x| x.low.len() / 4);
    let mut quads: Vec<Quad> = alloc::vec![[0; 2 * TOKENS]; inputs.len().div_ceil(TOKENS) * steps];
    for (quads, inputs) in quads.chunks_exact_mut(steps.max(1)).zip(inputs.chunks(TOKENS)) {
        for (t, input) in inputs.iter().enumerate() {
            let columns = input.low.as_chunks::<4>().0.iter().zip(input.high.as_chunks::<4>().0);
            for (quad, (low, high)) in quads.iter_mut().zip(columns) {
                (quad[t], quad[TOKENS + t]) = (i32::from_le_bytes(*low), i32::from_le_bytes(*high));
            }
        }
    }
    quads.into_flattened()
}

/// Turns some columns of up to 32 rows into a panel; rows and columns that are missing are zero.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn pack(p: &Product<'_>, rows: Range<usize>, cols: Range<usize>, panel: &mut Vec<[__m512i; 2]>) {
    panel.clear();
    panel.resize(cols.len().next_multiple_of(64) / 4, [_mm512_setzero_si512(); 2]);
    for (half, first) in rows.clone().step_by(16).enumerate() {
        let mut lines: [&[u8]; 16] = [&[]; 16];
        for (line, row) in lines.iter_mut().zip(first..rows.end) {
            *line = &p.matrix.row(row)[cols.clone()];
        }
        for (b, block) in panel.as_chunks_mut::<16>().0.iter_mut().enumerate() {
            let mut words = [_mm512_setzero_si512(); 16];
            for r in 0..16 {
                words[r] = load(lines[r].get(b * 64..).unwrap_or(&[]));
            }
            for (column, v) in block.iter_mut().zip(turn(words)) {
                column[half] = v;
            }
        }
    }
}

/// Up to 64 bytes, then zeros.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn load(bytes: &[u8]) -> __m512i {
    let mask = if bytes.len() >= 64 { u64::MAX } else { (1 << bytes.len()) - 1 };
    // SAFETY: only bytes of the mask are read, and the slice has them.
    unsafe { _mm512_maskz_loadu_epi8(mask, bytes.as_ptr().cast()) }
}

/// Turns 16 rows of 16 words into 16 columns.
#[inline]
#[target_feature(enable = "avx512f")]
fn turn(r: [__m512i; 16]) -> [__m512i; 16] {
    let mut pairs = r;
    for i in 0..8 {
        pairs[2 * i] = _mm512_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
        pairs[2 * i + 1] = _mm512_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
    }
    // Word b of fours[4 j + c] has column 4 b + c of rows 4 j to 4 j + 3.
    let mut fours = r;
    for j in 0..4 {
        for c in 0..2 {
            fours[4 * j + 2 * c] = _mm512_unpacklo_epi64(pairs[4 * j + c], pairs[4 * j + 2 + c]);
            fours[4 * j + 2 * c + 1] = _mm512_unpackhi_epi64(pairs[4 * j + c], pairs[4 * j + 2 + c]);
        }
    }
    let mut out = r;
    for c in 0..4 {
        let [a, b, d, e] = [fours[c], fours[4 + c], fours[8 + c], fours[12 + c]];
        let (ab, cd) = (_mm512_shuffle_i32x4::<0x44>(a, b), _mm512_shuffle_i32x4::<0x44>(d, e));
        out[c] = _mm512_shuffle_i32x4::<0x88>(ab, cd);
        out[4 + c] = _mm512_shuffle_i32x4::<0xdd>(ab, cd);
        let (ab, cd) = (_mm512_shuffle_i32x4::<0xee>(a, b), _mm512_shuffle_i32x4::<0xee>(d, e));
        out[8 + c] = _mm512_shuffle_i32x4::<0x88>(ab, cd);
        out[12 + c] = _mm512_shuffle_i32x4::<0xdd>(ab, cd);
    }
    out
}

/// Adds the panel times four inputs to their sums, and asks memory for what comes next.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
fn add(quads: &[Quad], panel: &[[__m512i; 2]], ahead: &[u8], sums: &mut [[i64; ROWS]; TOKENS]) {
    let mut l = [[_mm512_setzero_si512(); 2]; TOKENS];
    let mut h = l;
    // Spread over the steps: what memory is asked for at once waits in few places.
    let stride = ahead.len().div_ceil(panel.len().max(1));
    let mut next = ahead.as_ptr();
    for (w, x) in panel.iter().zip(quads) {
        _mm_prefetch::<_MM_HINT_T1>(next.cast());
        next = next.wrapping_add(stride);
        for t in 0..TOKENS {
            let (xl, xh) = (_mm512_set1_epi32(x[t]), _mm512_set1_epi32(x[TOKENS + t]));
            for half in 0..2 {
                l[t][half] = _mm512_dpbusd_epi32(l[t][half], xl, w[half]);
                h[t][half] = _mm512_dpbusd_epi32(h[t][half], xh, w[half]);
            }
        }
    }
    for t in 0..TOKENS {
        let eights = sums[t].as_chunks_mut::<8>().0;
        for half in 0..2 {
            let (low, high) = (l[t][half], h[t][half]);
            more(&mut eights[2 * half], _mm512_castsi512_si256(low), _mm512_castsi512_si256(high));
            let (low, high) = (_mm512_extracti64x4_epi64::<1>(low), _mm512_extracti64x4_epi64::<1>(high));
            more(&mut eights[2 * half + 1], low, high);
        }
    }
}

/// Adds 256 high + low to eight sums.
#[inline]
#[target_feature(enable = "avx512f")]
fn more(sums: &mut [i64; 8], low: __m256i, high: __m256i) {
    let high = _mm512_slli_epi64::<8>(_mm512_cvtepi32_epi64(high));
    let add = _mm512_add_epi64(high, _mm512_cvtepi32_epi64(low));
    // SAFETY: the array holds the 64 bytes that are read and written; no alignment is asked for.
    unsafe {
        let sum = _mm512_add_epi64(_mm512_loadu_si512(sums.as_ptr().cast()), add);
        _mm512_storeu_si512(sums.as_mut_ptr().cast(), sum);
    }
}
