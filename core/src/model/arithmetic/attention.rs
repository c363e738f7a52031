//! Rotation of query and key, scores, softmax, and the weighted sum of values.

use super::{FRACTION, rescale, round_shift, saturate16};
use crate::model::package::PackageError;
use alloc::vec::Vec;

/// Fraction bits of cosine and sine.
const ROTARY_BITS: u32 = 14;

/// Checks that every cosine and sine lies within -2^14 to 2^14: two products and their sum fit an i32.
pub fn check_rotary(part: &[u8], before: u64) -> Result<(), PackageError> {
    let values = part.as_chunks::<2>().0.iter().map(|b| i16::from_le_bytes(*b));
    match values.enumerate().find(|(_, v)| v.unsigned_abs() > 1 << ROTARY_BITS) {
        None => Ok(()),
        Some((index, v)) => {
            let (table, expected) = ("rotary table", "-2^14 to 2^14");
            Err(PackageError::Value { table, index: before / 2 + index as u64, expected, found: v as i64 })
        }
    }
}

/// Rotates one head in place by a row of the rotary table. Element i turns with element i + half, where half
/// is half of the rotary width; both round and saturate to int16. The rest of the head stays.
#[inline]
pub fn rotate(head: &mut [i16], row: &[u8]) {
    let pairs = row.as_chunks::<4>().0;
    let half = pairs.len().min(head.len() / 2);
    let (first, rest) = head.split_at_mut(half);
    for ((a, b), pair) in first.iter_mut().zip(rest).zip(pairs) {
        let [c0, c1, s0, s1] = *pair;
        let (cos, sin) = (i16::from_le_bytes([c0, c1]) as i32, i16::from_le_bytes([s0, s1]) as i32);
        let (x, y) = (*a as i32, *b as i32);
        *a = saturate16(round_shift(x.wrapping_mul(cos).wrapping_sub(y.wrapping_mul(sin)) as i64, ROTARY_BITS) as i32);
        *b = saturate16(round_shift(x.wrapping_mul(sin).wrapping_add(y.wrapping_mul(cos)) as i64, ROTARY_BITS) as i32);
    }
}

/// QK^T: the exact dot product of a query and a key head, then `rescale` to fraction 16. The query carries
/// `log2(e) / sqrt(head width)` in its weights, so a score is an exponent of two.
pub fn score(query: &[i16], key: &[i16], query_fraction: i32, key_fraction: i32) -> i32 {
    // Within 2^40: wrapping spares the checks that would keep the compiler from using vector instructions.
    let pairs = query.iter().zip(key);
    let sum = pairs.fold(0i64, |sum, (q, k)| sum.wrapping_add((*q as i32).wrapping_mul(*k as i32) as i64));
    rescale(sum, query_fraction + key_fraction - FRACTION)
}

/// `2^-d` for d with 16 fraction bits, as an integer from 0 to 32767 that stands for itself / 2^15.
///
/// A polynomial of degree 4 in the fraction, in 32-bit unsigned steps; 0 from d = 16 on.
#[inline(always)]
pub fn exp2_16(d: u32) -> u16 {
    let (n, f) = (d >> 16, d & 0xffff);
    if n > 15 {
        return 0;
    }
    // Every product is below 2^32, and no difference below 0: wrapping spares the checks that would keep the compiler from
    // using vector instructions.
    let step = |c: u32, y: u32, shift: u32| c.wrapping_sub(y.wrapping_mul(f) >> shift);
    let y = step(56_773, 7_686, 16);
    let y = step(62_904, y, 18);
    let y = step(45_426, y, 18);
    let y = step(65_536, y, 16);
    (y.wrapping_add(1 << n) >> (n + 1)).min(32_767) as u16
}

/// Softmax's numerators: `exp2_16(largest score - score)`. Gives their sum, from 32767 to below 2^32.
#[inline(always)] // Compiled for each kernel's instructions.
pub fn softmax(scores: &[i32], out: &mut Vec<u16>) -> u32 {
    let largest = scores.iter().copied().max().unwrap_or(0);
    out.clear();
    out.extend(scores.iter().map(|s| exp2_16(largest.wrapping_sub(*s) as u32)));
    // At most 2^17 positions of at most 2^15 - 1.
    out.iter().fold(0u32, |sum, p| sum.wrapping_add(*p as u32))
}

/// Softmax's one division. With b the bit length of the sum: `floor(2^(b + 30) / sum)`, from 2^30 to 2^31, and b.
pub fn reciprocal(sum: u32) -> (u32, u32) {
    let bits = 32 - sum.max(1).leading_zeros();
    (((1u64 << (bits + 30)) / sum.max(1) as u64) as u32, bits)
}

/// P V: adds `p * value` to each exact sum. |sum| stays below 2^15 times the sum of all p.
pub fn accumulate(sums: &mut [i64], p: u16, value: &[i16]) {
    for (sum, v) in sums.iter_mut().zip(value) {
        *sum = sum.wrapping_add((p as i32).wrapping_mul(*v as i32) as i64);
    }
}

/// Fraction of a layer's attention output, from the fractions of its value heads: the least, plus 14.
pub fn output_fraction(value_fractions: &[i8]) -> i32 {
    value_fractions.iter().copied().min().unwrap_or(0) as i32 + 14
}

/// One element of a head's output: the exact sum times the reciprocal of the probabilities' sum, from the
/// head's `value_fraction` to the layer's `output_fraction`.
#[inline]
pub fn output(sum: i64, reciprocal: (u32, u32), value_fraction: i32, output_fraction: i32) -> i32 {
    let (inverse, bits) = reciprocal;
    // |sum| < 2^(bits + 15), so 31 bits are left; times 2^31 it stays below 2^62.
    let sum = round_shift(sum, bits.saturating_sub(15));
    rescale(sum.wrapping_mul(inverse as i64), 45 + value_fraction - output_fraction)
}
