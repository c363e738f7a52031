//! Kernels for AVX-512 with VNNI: 64 byte products at a time, added in fours to i32 (`vpdpbusd`), exact.
//!
//! An input is q = 256 (high - 128) + low with both bytes unsigned, so a row's sum is 256 (sum of w high - 128 sum of w)
//! + sum of w low. Attention's int16 products are added in pairs (`vpdpwssd`).

use super::drivers;
use super::{Input, Product, Scratch};
use crate::model::arithmetic::activation;
use crate::model::cpu::cache::{HeadCache, LANES};
use crate::model::package::Norm;
use core::arch::x86_64::*;

/// Columns whose byte products fit an i32's sum: 66,311 do.
const RUN: usize = 65_536;

/// Blocks of 64 weights between what is multiplied and what memory is asked for.
const AHEAD: usize = 128;

drivers!(2, #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]);

#[inline]
#[target_feature(enable = "avx512f")]
fn bytes(v: &[u8; 64]) -> __m512i {
    // SAFETY: the array holds the 64 bytes that are read; no alignment is asked for.
    unsafe { _mm512_loadu_si512(v.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn words(v: &[i16; 32]) -> __m512i {
    // SAFETY: the array holds the 64 bytes that are read; no alignment is asked for.
    unsafe { _mm512_loadu_si512(v.as_ptr().cast()) }
}

/// The sums of four vectors' lanes.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl")]
fn totals([a, b, c, d]: [__m512i; 4]) -> __m128i {
    let ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
    let cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
    let all = _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
    let half = _mm256_add_epi32(_mm512_castsi512_si256(all), _mm512_extracti64x4_epi64::<1>(all));
    _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256::<1>(half))
}

/// The exact sums of rows from `row` on for some inputs. R is 1 or 4.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
fn tile<const R: usize, const T: usize>(p: &Product<'_>, row: usize, inputs: [&Input; T]) -> [[i64; R]; T] {
    let cols = p.matrix.cols;
    let mut rows: [&[u8]; R] = [&[]; R];
    let mut offset = [0i64; R];
    for r in 0..R {
        rows[r] = p.matrix.row(row + r);
        offset[r] = p.beside.sums[row + r] as i64 * -(128 << 8);
    }
    let mut sums = [offset; T];
    for start in (0..cols).step_by(RUN) {
        let end = cols.min(start + RUN);
        let weights = rows.map(|row| row[start..end].as_chunks::<64>());
        let padded = start..end.next_multiple_of(64);
        let low = inputs.map(|x| x.low[padded.clone()].as_chunks::<64>().0);
        let high = inputs.map(|x| x.high[padded.clone()].as_chunks::<64>().0);
        let steps = (end - start) / 64;
        // All as long as the loop: its bounds are then checked once, here.
        let w_at = weights.map(|w| w.0[..steps].as_ptr());
        let (l_at, h_at) = (low.map(|x| x[..steps].as_ptr()), high.map(|x| x[..steps].as_ptr()));
        let mut l = [[_mm512_setzero_si512(); R]; T];
        let mut h = l;
        for i in 0..steps {
            let mut w = [_mm512_setzero_si512(); R];
            for r in 0..R {
                // SAFETY: each slice was just cut to `steps` blocks of 64 bytes, and i is below that.
                w[r] = unsafe { _mm512_loadu_si512(w_at[r].wrapping_add(i).cast()) };
                // Rows are short, and four of them read side by side are no pattern that a processor foresees.
                _mm_prefetch::<_MM_HINT_T0>(w_at[r].wrapping_add(i + AHEAD).cast());
            }
            for t in 0..T {
                // SAFETY: as above.
                let (xl, xh) = unsafe {
                    (
                        _mm512_loadu_si512(l_at[t].wrapping_add(i).cast()),
                        _mm512_loadu_si512(h_at[t].wrapping_add(i).cast()),
                    )
                };
                for r in 0..R {
                    l[t][r] = _mm512_dpbusd_epi32(l[t][r], xl, w[r]);
                    h[t][r] = _mm512_dpbusd_epi32(h[t][r], xh, w[r]);
                }
            }
        }
        if !(end - start).is_multiple_of(64) {
            for r in 0..R {
                let mut last = [0; 64];
                last[..weights[r].1.len()].copy_from_slice(weights[r].1);
                let w = bytes(&last);
                for t in 0..T {
                    l[t][r] = _mm512_dpbusd_epi32(l[t][r], bytes(&low[t][steps]), w);
                    h[t][r] = _mm512_dpbusd_epi32(h[t][r], bytes(&high[t][steps]), w);
                }
            }
        }
        for t in 0..T {
            let (low, high) = (reduce(l[t]), reduce(h[t]));
            for r in 0..R {
                sums[t][r] = sums[t][r].wrapping_add(((high[r] as i64) << 8) + low[r] as i64);
            }
        }
    }
    sums
}

/// The sum of each vector's lanes.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl")]
fn reduce<const R: usize>(v: [__m512i; R]) -> [i32; R] {
    if R == 4 {
        let sums = totals([v[0], v[1], v[2], v[3]]);
        let mut out = [0; 4];
        // SAFETY: the array has room for the 16 bytes that are written; no alignment is asked for.
        unsafe { _mm_storeu_si128(out.as_mut_ptr().cast(), sums) };
        let mut four = [0; R];
        four.copy_from_slice(&out[..R]);
        four
    } else {
        let mut one = [0; R];
        for r in 0..R {
            one[r] = _mm512_reduce_add_epi32(v[r]);
        }
        one
    }
}

/// The exact products of a query with keys, block after block, four blocks at a time.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512vnni")]
fn scores(low: &[i32], high: &[i32], keys: &[i16], out: &mut [i64]) {
    let block = low.len() * 2 * LANES;
    let whole = out.len() / (4 * LANES) * (4 * LANES);
    let (fours, rest) = out.split_at_mut(whole);
    let mut keys = keys;
    for out in fours.as_chunks_mut::<{ 4 * LANES }>().0 {
        blocks::<4>(low, high, keys, out);
        keys = &keys[4 * block..];
    }
    for out in rest.as_chunks_mut::<LANES>().0 {
        blocks::<1>(low, high, keys, out);
        keys = &keys[block..];
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512vnni")]
fn blocks<const B: usize>(low: &[i32], high: &[i32], keys: &[i16], out: &mut [i64]) {
    let keys: [&[[i16; 32]]; B] =
        core::array::from_fn(|b| keys[b * low.len() * 32..(b + 1) * low.len() * 32].as_chunks::<32>().0);
    for start in (0..low.len()).step_by(drivers::PAIRS) {
        let end = low.len().min(start + drivers::PAIRS);
        let (low, high) = (&low[start..end], &high[start..end]);
        let keys = keys.map(|k| &k[start..end]);
        let mut l = [_mm512_setzero_si512(); B];
        let mut h = l;
        for i in 0..end - start {
            let (ql, qh) = (_mm512_set1_epi32(low[i]), _mm512_set1_epi32(high[i]));
            for b in 0..B {
                let k = words(&keys[b][i]);
                l[b] = _mm512_dpwssd_epi32(l[b], k, ql);
                h[b] = _mm512_dpwssd_epi32(h[b], k, qh);
            }
        }
        for (b, out) in out.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
            add::<8>(out, l[b], h[b]);
        }
    }
}

/// Adds weights times values, pair of positions after pair, up to 64 elements at a time.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512vnni")]
fn weigh(low: &[i32], high: &[i32], values: &[i16], sums: &mut [i64]) {
    let stride = sums.len() / LANES;
    let values = values.as_chunks::<32>().0;
    let (fours, rest) = sums.as_chunks_mut::<{ 4 * LANES }>();
    for (i, out) in fours.iter_mut().enumerate() {
        elements::<4>(low, high, &values[4 * i..], stride, out);
    }
    let first = 4 * fours.len();
    for (i, out) in rest.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
        elements::<1>(low, high, &values[first + i..], stride, out);
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512vnni")]
fn elements<const G: usize>(low: &[i32], high: &[i32], values: &[[i16; 32]], stride: usize, out: &mut [i64]) {
    let mut l = [_mm512_setzero_si512(); G];
    let mut h = l;
    for ((pl, ph), row) in low.iter().zip(high).zip(values.chunks(stride)) {
        let (pl, ph) = (_mm512_set1_epi32(*pl), _mm512_set1_epi32(*ph));
        let row = &row[..G];
        for g in 0..G {
            let v = words(&row[g]);
            l[g] = _mm512_dpwssd_epi32(l[g], v, pl);
            h[g] = _mm512_dpwssd_epi32(h[g], v, ph);
        }
    }
    for (g, out) in out.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
        add::<7>(out, l[g], h[g]);
    }
}

/// Adds high * 2^BITS + low to 16 sums.
#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
fn add<const BITS: u32>(out: &mut [i64; 16], low: __m512i, high: __m512i) {
    let (mut l, mut h) = ([0i32; 16], [0i32; 16]);
    // SAFETY: each array has room for the 64 bytes that are written; no alignment is asked for.
    unsafe {
        _mm512_storeu_si512(l.as_mut_ptr().cast(), low);
        _mm512_storeu_si512(h.as_mut_ptr().cast(), high);
    }
    for i in 0..16 {
        out[i] = out[i].wrapping_add(((h[i] as i64) << BITS) + l[i] as i64);
    }
}
