//! RMSNorm and LayerNorm.

use super::{bit_length, round_shift_word, saturate};
use crate::model::package::Norm;

/// The largest magnitude of a gain.
pub const MAX_GAIN: u32 = 1 << 23;

/// Bits of a normalised magnitude, and of the vector that the sum of squares is taken of.
const INPUT_BITS: u32 = 23;

/// Subtracts the mean: `floor((2 * sum + n) / (2 * n))`, saturating.
#[inline]
pub fn centre(x: &mut [i32]) {
    let n = x.len().max(1) as i64;
    let sum: i64 = x.iter().map(|v| *v as i64).sum();
    let mean = (2 * sum + n).div_euclid(2 * n);
    for v in x.iter_mut() {
        *v = super::saturate(*v as i64 - mean);
    }
}

/// `1 / sqrt(s)` for s from 1 to 2^63 - 1 as `(m, e)`, standing for `m / 2^e`, with m below 2^32.
///
/// z is the even number for which s * 2^z lies in [2^61, 2^63); q is the floor of the square root of that; m is
/// floor(2^62 / q), e is 62 - z / 2.
#[inline]
pub fn inverse_root(s: u64) -> (u32, u32) {
    // 2^61 <= s << z < 2^63 with z even.
    let z = s.clamp(1, i64::MAX as u64).leading_zeros().saturating_sub(1) & !1;
    let root = (s.clamp(1, i64::MAX as u64) << z).isqrt();
    (((1u64 << 62) / root) as u32, 62 - z / 2)
}

/// Normalises `x` in place and multiplies by the gain; adds the bias. Gives the output's fraction.
///
/// `epsilon` has twice the fraction bits of `x` and is multiplied by the number of elements. Steps
/// (`docs/arithmetic.md`, "Norms"): shift to 23 bits; exact sum of squares and epsilon; inverse root; unit
/// vector with fraction 30; gain, fraction of the gain plus 6; bias, saturating.
#[inline]
pub fn normalise(x: &mut [i32], norm: &Norm, epsilon: u64) -> i32 {
    let shift = bit_length(x).saturating_sub(INPUT_BITS);
    for v in x.iter_mut() {
        *v = round_shift_word(*v, shift);
    }
    // At most 2^15 squares of 2^46, and an epsilon below 2^60: below 2^62.
    let squares: u64 = x.iter().fold(0, |sum, v| {
        // Wrapping, here and below, spares checks that would keep the compiler from using vector instructions.
        let v = *v as i64;
        u64::wrapping_add(sum, v.wrapping_mul(v) as u64)
    });
    let (m, e) = inverse_root(squares + (epsilon >> (2 * shift)).max(u64::from(squares == 0)));
    // e is 31 at least, so both shifts go to the right; no step comes near an i64's end, so a half is added before.
    let half = 1i64 << (e - 31);
    for (v, gain) in x.iter_mut().zip(&norm.gain) {
        // |v| <= 2^23 and m < 2^32; v is at most the root, so the unit vector stays within 2^30 and a bit.
        let unit = (*v as i64).wrapping_mul(m as i64).wrapping_add(half) >> (e - 30);
        let scaled = (unit as i32 as i64).wrapping_mul(*gain as i64);
        *v = saturate(scaled.wrapping_add(1 << 23) >> 24);
    }
    for (v, bias) in x.iter_mut().zip(&norm.bias) {
        *v = v.saturating_add(*bias);
    }
    norm.fraction as i32 + 6
}
