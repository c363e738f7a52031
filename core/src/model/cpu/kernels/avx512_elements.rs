//! What is done to each element between the products, eight or sixteen at a time with AVX-512.

use super::{Product, drivers};
use crate::model::arithmetic::activation::{self, TABLE_LEN};
use core::arch::x86_64::*;

/// Requantisation of rows from `first` on (`docs/arithmetic.md`, section 4).
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
pub(super) fn requantise(p: &Product<'_>, first: usize, sums: &[i64], fraction: i32, out: &mut [i32]) {
    let n = sums.len().min(out.len());
    let Some((mantissas, shifts)) = p.scales(first..first + n) else { return };
    let eights = sums.as_chunks::<8>().0.iter().zip(mantissas.as_chunks::<8>().0).zip(shifts.as_chunks::<8>().0);
    let mut done = 0;
    for (((sums, mantissas), shifts), out) in eights.zip(out.as_chunks_mut::<8>().0) {
        // SAFETY: the arrays hold the 64, 16 and 32 bytes that are read; no alignment is asked for.
        let (sum, mantissa, shift) = unsafe {
            (
                _mm512_loadu_si512(sums.as_ptr().cast()),
                _mm512_cvtepu16_epi64(_mm_loadu_si128(mantissas.as_ptr().cast())),
                _mm512_cvtepi32_epi64(_mm256_loadu_si256(shifts.as_ptr().cast())),
            )
        };
        let shift = _mm512_add_epi64(shift, _mm512_set1_epi64(fraction as i64));
        if _mm512_movepi64_mask(shift) != 0 {
            break;
        }
        // |product| < 2^55: shifts from 56 on give 0, and adding the half cannot overflow.
        let shift = _mm512_min_epi64(shift, _mm512_set1_epi64(63));
        let half = _mm512_srli_epi64::<1>(_mm512_sllv_epi64(_mm512_set1_epi64(1), shift));
        let product = _mm512_add_epi64(_mm512_mullo_epi64(sum, mantissa), half);
        let rounded = _mm512_cvtsepi64_epi32(_mm512_srav_epi64(product, shift));
        // SAFETY: the array has room for the 32 bytes that are written; no alignment is asked for.
        unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), rounded) };
        done += 8;
    }
    // The last few; and from the first left shift on, which no usual model has.
    drivers::round(p, first + done, &sums[done..n], fraction, &mut out[done..n]);
    drivers::add_bias(p, first, &mut out[..n]);
}

/// The gated MLP's hidden elements, in the place of the gates (`docs/arithmetic.md`, section 8).
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
pub(super) fn gate_all(table: &[u32], gates: &mut [i32], ups: &[i32]) {
    let n = gates.len().min(ups.len()) / 8 * 8;
    if table.len() < TABLE_LEN {
        return drivers::gate_all(table, gates, ups);
    }
    for (gates, ups) in gates.as_chunks_mut::<8>().0.iter_mut().zip(ups.as_chunks::<8>().0) {
        // SAFETY: the arrays hold the 32 bytes that are read; no alignment is asked for.
        let (x, up) = unsafe { (_mm256_loadu_si256(gates.as_ptr().cast()), _mm256_loadu_si256(ups.as_ptr().cast())) };
        let magnitude = _mm256_abs_epi32(x);
        let index = _mm256_srli_epi32::<10>(magnitude);
        // From the last entry on: all of the last step.
        let last = _mm256_set1_epi32(TABLE_LEN as i32 - 2);
        let beyond = _mm256_cmpgt_epu32_mask(index, last);
        let index = _mm256_min_epu32(index, last);
        let part = _mm256_and_si256(magnitude, _mm256_set1_epi32(1023));
        let part = _mm256_mask_mov_epi32(part, beyond, _mm256_set1_epi32(1024));
        // SAFETY: each index is at most TABLE_LEN - 2, and the table has TABLE_LEN entries: eight bytes are there.
        let pairs = unsafe { _mm512_i32gather_epi64::<4>(index, table.as_ptr().cast()) };
        let (from, to) = (_mm512_cvtepi64_epi32(pairs), _mm512_cvtepi64_epi32(_mm512_srli_epi64::<32>(pairs)));
        let step = _mm256_mullo_epi32(_mm256_sub_epi32(to, from), part);
        let gate = _mm256_add_epi32(from, _mm256_srai_epi32::<10>(step));
        let negative = _mm256_movepi32_mask(x);
        let gate = _mm256_mask_sub_epi32(gate, negative, _mm256_set1_epi32(activation::ONE as i32), gate);
        let wide = |v| _mm512_cvtepi32_epi64(v);
        let act = _mm512_add_epi64(_mm512_mul_epi32(wide(x), wide(gate)), _mm512_set1_epi64(1 << 23));
        // No larger than x: its low word is all of it.
        let act = _mm512_srai_epi64::<24>(act);
        let hidden = _mm512_add_epi64(_mm512_mul_epi32(act, wide(up)), _mm512_set1_epi64(1 << 15));
        let hidden = _mm512_cvtsepi64_epi32(_mm512_srai_epi64::<16>(hidden));
        // SAFETY: the array has room for the 32 bytes that are written; no alignment is asked for.
        unsafe { _mm256_storeu_si256(gates.as_mut_ptr().cast(), hidden) };
    }
    drivers::gate_all(table, &mut gates[n..], &ups[n..]);
}
