//! Kernels for AVX-512 with VNNI: 64 byte products at a time, added in fours to i32 (`vpdpbusd`), exact.
//!
//! An input is q = 256 (high - 128) + low with both bytes unsigned, so a row's sum is 256 (sum of w high - 128 sum of w)
//! + sum of w low.

use super::avx512_elements::{gate_all, requantise};
use super::drivers;
use super::{Input, Product};
use crate::model::arithmetic::activation;
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
        let steps = (end - start) / 64;
        // Loops rather than `map`, whose closures are not always compiled into their place. All slices are as long as the
        // loop below: its bounds are checked once, here.
        let mut weights = [(&[][..], &[][..]); R];
        let mut w_at = [core::ptr::null(); R];
        for r in 0..R {
            weights[r] = rows[r][start..end].as_chunks::<64>();
            w_at[r] = weights[r].0[..steps].as_ptr();
        }
        let (mut low, mut high) = ([&[][..]; T], [&[][..]; T]);
        let (mut l_at, mut h_at) = ([core::ptr::null(); T], [core::ptr::null(); T]);
        for t in 0..T {
            low[t] = inputs[t].low[start..end.next_multiple_of(64)].as_chunks::<64>().0;
            high[t] = inputs[t].high[start..end.next_multiple_of(64)].as_chunks::<64>().0;
            (l_at[t], h_at[t]) = (low[t][..steps].as_ptr(), high[t][..steps].as_ptr());
        }
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
