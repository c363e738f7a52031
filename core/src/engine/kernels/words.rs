//! 64-bit integers as two 32-bit words, and the roundings of `docs/arithmetic.md` (sections 1 and 10): WGSL has
//! nothing wider than 32 bits. All of it wraps mod 2^32; no shift count reaches 32.

use cubecl::prelude::*;

/// A 64-bit integer in two's complement.
#[derive(CubeType, Clone, Copy)]
pub struct Wide {
    pub hi: u32,
    pub lo: u32,
}

/// The largest i32.
#[cube]
pub fn largest() -> i32 {
    2147483647i32
}

/// The least i32.
#[cube]
pub fn least() -> i32 {
    -2147483647i32 - 1i32
}

/// All ones for a negative value, else zero.
#[cube]
pub fn sign_of(v: u32) -> u32 {
    ((v as i32) >> 31i32) as u32
}

/// |v| as u32; the magnitude of -2^31 is 2^31.
#[cube]
pub fn magnitude(v: i32) -> u32 {
    let sign = (v >> 31i32) as u32;
    ((v as u32) ^ sign) - sign
}

/// `saturate(a + b)`.
#[cube]
pub fn saturating_sum(a: i32, b: i32) -> i32 {
    let sum = a + b;
    let over = ((a ^ sum) & (b ^ sum)) < 0i32;
    let bound = select(a < 0i32, least(), largest());
    select(over, bound, sum)
}

/// `saturate(a - b)`.
#[cube]
pub fn saturating_difference(a: i32, b: i32) -> i32 {
    let difference = a - b;
    let over = ((a ^ b) & (a ^ difference)) < 0i32;
    let bound = select(a < 0i32, least(), largest());
    select(over, bound, difference)
}

/// `saturate16(v)`: from -32767 to 32767.
#[cube]
pub fn saturate16(v: i32) -> i32 {
    let below = select(v > 32767i32, 32767i32, v);
    select(below < -32767i32, -32767i32, below)
}

/// `round_shift` of one word, s from 0 to 31.
#[cube]
pub fn round_shift_word(v: i32, s: u32) -> i32 {
    let mut out = v;
    if s > 0u32 {
        out = (v >> (s as i32)) + ((v >> ((s - 1u32) as i32)) & 1i32);
    }
    out
}

/// The bit length of a word.
#[cube]
pub fn bits(v: u32) -> u32 {
    32u32 - v.leading_zeros()
}

/// The shift of dynamic int16 for a vector with this OR of magnitudes.
#[cube]
pub fn block_shift(mask: u32) -> u32 {
    let length = bits(mask);
    select(length > 15u32, length - 15u32, 0u32)
}

/// A word, sign extended.
#[cube]
pub fn widen(v: i32) -> Wide {
    Wide { hi: sign_of(v as u32), lo: v as u32 }
}

/// The sum.
#[cube]
pub fn sum_wide(a: &Wide, b: &Wide) -> Wide {
    let lo = a.lo + b.lo;
    let carry = select(lo < a.lo, 1u32, 0u32);
    Wide { hi: a.hi + b.hi + carry, lo }
}

/// The negative.
#[cube]
pub fn negate(v: &Wide) -> Wide {
    let lo = 0u32 - v.lo;
    let carry = select(lo == 0u32, 1u32, 0u32);
    Wide { hi: (v.hi ^ 0xffffffffu32) + carry, lo }
}

/// `a * b` of unsigned words.
#[cube]
pub fn product(a: u32, b: u32) -> Wide {
    let al = a & 0xffffu32;
    let ah = a >> 16u32;
    let bl = b & 0xffffu32;
    let bh = b >> 16u32;
    let p = al * bl;
    let m1 = ah * bl + (p >> 16u32);
    let m2 = al * bh + (m1 & 0xffffu32);
    Wide { hi: ah * bh + (m1 >> 16u32) + (m2 >> 16u32), lo: (m2 << 16u32) | (p & 0xffffu32) }
}

/// `a * b` of a signed and an unsigned word.
#[cube]
pub fn product_signed(a: i32, b: u32) -> Wide {
    let p = product(magnitude(a), b);
    let n = negate(&p);
    let below = a < 0i32;
    Wide { hi: select(below, n.hi, p.hi), lo: select(below, n.lo, p.lo) }
}

/// `a * b` of signed words.
#[cube]
pub fn product_both(a: i32, b: i32) -> Wide {
    let p = product(magnitude(a), magnitude(b));
    let n = negate(&p);
    let below = (a ^ b) < 0i32;
    Wide { hi: select(below, n.hi, p.hi), lo: select(below, n.lo, p.lo) }
}

/// `round_shift(v, s)` for every s.
#[cube]
pub fn round_shift(v: &Wide, s: u32) -> Wide {
    let mut hi = v.hi;
    let mut lo = v.lo;
    let mut bit = 0u32;
    let mut rest = s;
    if s >= 32u32 {
        bit = v.lo >> 31u32;
        lo = v.hi;
        hi = sign_of(v.hi);
        rest = s - 32u32;
    }
    if rest >= 32u32 {
        hi = 0u32;
        lo = 0u32;
        bit = 0u32;
    } else if rest > 0u32 {
        bit = (lo >> (rest - 1u32)) & 1u32;
        lo = (hi << (32u32 - rest)) | (lo >> rest);
        hi = ((hi as i32) >> (rest as i32)) as u32;
    }
    let below = s == 0u32;
    sum_wide(&Wide { hi, lo }, &Wide { hi: 0u32, lo: select(below, 0u32, bit) })
}

/// `saturate(v)`.
#[cube]
pub fn saturate(v: &Wide) -> i32 {
    let bound = select((v.hi as i32) < 0i32, least(), largest());
    select(v.hi == sign_of(v.lo), v.lo as i32, bound)
}

/// `rescale(v, shift)`.
#[cube]
pub fn rescale(v: &Wide, shift: i32) -> i32 {
    let word = saturate(v);
    let up = select(shift < 0i32, 0i32 - shift, 0i32);
    let n = select(up > 31i32, 31i32, up);
    let shifted = word << n;
    let bound = select(word < 0i32, least(), largest());
    let mut out = select((shifted >> n) == word, shifted, bound);
    if shift >= 0i32 {
        out = saturate(&round_shift(v, shift as u32));
    }
    out
}

/// The quotient of `hi * 2^32 + lo` by `by`, bit by bit; hi is below `by`.
#[cube]
pub fn quotient(hi: u32, lo: u32, by: u32) -> u32 {
    let mut rest = hi;
    let mut out = 0u32;
    for i in 0u32..32u32 {
        let carried = rest >> 31u32;
        rest = (rest << 1u32) | ((lo >> (31u32 - i)) & 1u32);
        out <<= 1u32;
        if carried == 1u32 || rest >= by {
            rest -= by;
            out |= 1u32;
        }
    }
    out
}
