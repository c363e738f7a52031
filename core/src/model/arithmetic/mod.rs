//! The integer arithmetic, one file a family. Every function is total: defined for every input, without
//! overflow within the ranges that [`valid_model`](crate::model::valid_model) admits.
//!
//! A vector of integers `v` with *fraction* f stands for the reals `v / 2^f`; f may be negative.

pub mod activation;
pub mod attention;
pub mod linear;
pub mod norm;
pub mod residual;

/// Fraction bits of gate, up, hidden vector and logits.
pub const FRACTION: i32 = 16;

/// `floor(v / 2^shift + 1/2)`: the one rounding rule, halves go up.
#[inline]
pub fn round_shift(v: i64, shift: u32) -> i64 {
    match shift {
        0 => v,
        // |v / 2^shift| is at most a half; -1/2 goes up to 0, and +1/2 is out of an i64's reach.
        64.. => 0,
        // At most 2^62 + 1.
        s => (v >> s).wrapping_add((v >> (s - 1)) & 1),
    }
}

/// The nearest i32: the one saturation rule.
#[inline]
pub fn saturate(v: i64) -> i32 {
    v.clamp(i32::MIN as i64, i32::MAX as i64) as i32
}

/// `saturate(floor(v / 2^shift + 1/2))` for every shift; a negative one multiplies.
#[inline]
pub fn rescale(v: i64, shift: i32) -> i32 {
    if shift >= 0 {
        saturate(round_shift(v, shift.unsigned_abs()))
    } else {
        // Beyond an i32 it saturates after the shift too.
        let v = saturate(v) as i64;
        saturate(v << shift.unsigned_abs().min(31))
    }
}

/// The nearest value from -32767 to 32767: -32768 is left out so that two products of i16 fit an i32's sum.
#[inline]
pub fn saturate16(v: i32) -> i16 {
    v.clamp(-32767, 32767) as i16
}

/// Number of bits of the largest magnitude in `v`: 0 for all zeros, at most 32.
#[inline]
pub fn bit_length(v: &[i32]) -> u32 {
    32 - v.iter().fold(0, |bits, x| bits | x.unsigned_abs()).leading_zeros()
}

/// [`round_shift`] of an i32 by at most 31, without a branch: in a loop the compiler makes vector instructions of it.
#[inline(always)]
pub fn round_shift_word(v: i32, shift: u32) -> i32 {
    // Beyond 0 the half carries one at most: no overflow.
    (v >> shift).wrapping_add(v >> shift.saturating_sub(1) & i32::from(shift > 0))
}

/// Dynamic int16: one power of two for the whole vector. Gives the new fraction.
///
/// With b the vector's bit length and s = max(0, b - 15): `out = saturate16(round_shift(v, s))`, fraction
/// less s.
#[inline]
pub fn block_float(v: &[i32], fraction: i32, out: &mut [i16]) -> i32 {
    let shift = bit_length(v).saturating_sub(15);
    for (o, x) in out.iter_mut().zip(v) {
        *o = saturate16(round_shift_word(*x, shift));
    }
    fraction - shift as i32
}

#[cfg(test)]
mod tests;
