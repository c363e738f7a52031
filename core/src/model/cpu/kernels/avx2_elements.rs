//! What is done to each element between the products, four or eight at a time with AVX2, which can neither multiply
//! 64-bit numbers nor shift them to the right with their sign.

use super::{Product, drivers};
use crate::model::arithmetic::activation::{self, TABLE_LEN};
use core::arch::x86_64::*;

/// Requantisation of rows from `first` on (`docs/arithmetic.md`, section 4).
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn requantise(p: &Product<'_>, first: usize, sums: &[i64], fraction: i32, out: &mut [i32]) {
    let n = sums.len().min(out.len());
    let Some((mantissas, shifts)) = p.scales(first..first + n) else { return };
    let fours = sums.as_chunks::<4>().0.iter().zip(mantissas.as_chunks::<4>().0).zip(shifts.as_chunks::<4>().0);
    let mut done = 0;
    for (((sums, mantissas), shifts), out) in fours.zip(out.as_chunks_mut::<4>().0) {
        // SAFETY: the arrays hold the 32, 8 and 16 bytes that are read; no alignment is asked for.
        let (sum, mantissa, shift) = unsafe {
            (
                _mm256_loadu_si256(sums.as_ptr().cast()),
                _mm256_cvtepu16_epi64(_mm_loadl_epi64(mantissas.as_ptr().cast())),
                _mm_loadu_si128(shifts.as_ptr().cast()),
            )
        };
        let shift = _mm_add_epi32(shift, _mm_set1_epi32(fraction));
        if _mm_movemask_epi8(_mm_srai_epi32::<31>(shift)) != 0 {
            break;
        }
        // |product| < 2^55: shifts from 56 on give 0, and adding half and offset cannot overflow.
        let shift = _mm256_cvtepi32_epi64(_mm_min_epi32(shift, _mm_set1_epi32(62)));
        let half = _mm256_srli_epi64::<1>(_mm256_sllv_epi64(_mm256_set1_epi64x(1), shift));
        let low = _mm256_mul_epu32(sum, mantissa);
        let high = _mm256_slli_epi64::<32>(_mm256_mul_epu32(_mm256_srli_epi64::<32>(sum), mantissa));
        let product = _mm256_add_epi64(_mm256_add_epi64(low, high), half);
        // A number without a sign is shifted, 2^62 more.
        let offset = _mm256_set1_epi64x(1 << 62);
        let raised = _mm256_srlv_epi64(_mm256_add_epi64(product, offset), shift);
        let rounded =
            saturated(_mm256_sub_epi64(raised, _mm256_srlv_epi64(offset, shift)), i32::MIN as i64, i32::MAX as i64);
        // SAFETY: the array has room for the 16 bytes that are written; no alignment is asked for.
        unsafe { _mm_storeu_si128(out.as_mut_ptr().cast(), low_words(rounded)) };
        done += 4;
    }
    // The last few; and from the first left shift on, which no usual model has.
    drivers::round(p, first + done, &sums[done..n], fraction, &mut out[done..n]);
    drivers::add_bias(p, first, &mut out[..n]);
}

/// 64-bit numbers, none below `least`, none above `most`.
#[inline]
#[target_feature(enable = "avx2")]
fn saturated(v: __m256i, least: i64, most: i64) -> __m256i {
    let (least, most) = (_mm256_set1_epi64x(least), _mm256_set1_epi64x(most));
    let v = _mm256_blendv_epi8(v, most, _mm256_cmpgt_epi64(v, most));
    _mm256_blendv_epi8(v, least, _mm256_cmpgt_epi64(least, v))
}

/// The low words of four 64-bit numbers.
#[inline]
#[target_feature(enable = "avx2")]
fn low_words(v: __m256i) -> __m128i {
    _mm256_castsi256_si128(_mm256_permutevar8x32_epi32(v, _mm256_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6)))
}

/// The gated MLP's hidden elements, in the place of the gates (`docs/arithmetic.md`, section 8).
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn gate_all(table: &[u32], gates: &mut [i32], ups: &[i32]) {
    let n = gates.len().min(ups.len()) / 8 * 8;
    if table.len() < TABLE_LEN {
        return drivers::gate_all(table, gates, ups);
    }
    for (gates, ups) in gates.as_chunks_mut::<8>().0.iter_mut().zip(ups.as_chunks::<8>().0) {
        // SAFETY: the arrays hold the 32 bytes that are read; no alignment is asked for.
        let (x, up) = unsafe { (_mm256_loadu_si256(gates.as_ptr().cast()), _mm256_loadu_si256(ups.as_ptr().cast())) };
        let magnitude = _mm256_abs_epi32(x);
        // From the last entry on: all of the last step.
        let last = _mm256_set1_epi32(TABLE_LEN as i32 - 2);
        let found = _mm256_srli_epi32::<10>(magnitude);
        let index = _mm256_min_epu32(found, last);
        let part = _mm256_and_si256(magnitude, _mm256_set1_epi32(1023));
        let part = _mm256_blendv_epi8(_mm256_set1_epi32(1024), part, _mm256_cmpeq_epi32(index, found));
        // SAFETY: each index is at most TABLE_LEN - 2, and the table has TABLE_LEN entries: the next one is there too.
        let (from, to) = unsafe {
            (
                _mm256_i32gather_epi32::<4>(table.as_ptr().cast(), index),
                _mm256_i32gather_epi32::<4>(table.as_ptr().wrapping_add(1).cast(), index),
            )
        };
        let step = _mm256_mullo_epi32(_mm256_sub_epi32(to, from), part);
        let gate = _mm256_add_epi32(from, _mm256_srai_epi32::<10>(step));
        let other = _mm256_sub_epi32(_mm256_set1_epi32(activation::ONE as i32), gate);
        let gate = _mm256_blendv_epi8(gate, other, _mm256_srai_epi32::<31>(x));
        let even = hidden(x, gate, up);
        let odd = |v| _mm256_srli_epi64::<32>(v);
        let odd = hidden(odd(x), odd(gate), odd(up));
        let all = _mm256_blend_epi32::<0b1010_1010>(even, _mm256_slli_epi64::<32>(odd));
        // SAFETY: the array has room for the 32 bytes that are written; no alignment is asked for.
        unsafe { _mm256_storeu_si256(gates.as_mut_ptr().cast(), all) };
    }
    drivers::gate_all(table, &mut gates[n..], &ups[n..]);
}

/// Of the low words of four 64-bit numbers: x times gate, to x's fraction, times up, to up's: in the low words.
#[inline]
#[target_feature(enable = "avx2")]
fn hidden(x: __m256i, gate: __m256i, up: __m256i) -> __m256i {
    let act = _mm256_add_epi64(_mm256_mul_epi32(x, gate), _mm256_set1_epi64x(1 << 23));
    // No larger than x: its low word is all of it, whatever the shift brings in from above.
    let act = _mm256_srli_epi64::<24>(act);
    let product = _mm256_add_epi64(_mm256_mul_epi32(act, up), _mm256_set1_epi64x(1 << 15));
    _mm256_srli_epi64::<16>(saturated(product, (i32::MIN as i64) << 16, ((i32::MAX as i64) << 16) + 0xffff))
}
