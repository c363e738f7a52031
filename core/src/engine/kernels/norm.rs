//! Norms (`docs/arithmetic.md`, section 5): one workgroup a token.

use super::words::*;
use cubecl::prelude::*;

/// Lanes of a workgroup.
pub const LANES: u32 = 256;

/// What a norm is told beside its buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NormCall {
    /// Tokens.
    pub tokens: u32,
    /// Elements of a token.
    pub dim: u32,
    /// Where the gains lie in the tables.
    pub gain: u32,
    /// Where the biases lie in the tables; they exist with `centre` alone.
    pub bias: u32,
    /// Whether the mean is subtracted first (norm kind 1).
    pub centre: bool,
    /// The model's epsilon.
    pub epsilon: u64,
    /// Where the masks of the outputs lie.
    pub mask: u32,
    /// Where in `about` the rows of the tokens to take stand; `None`: all in order.
    pub rows: Option<u32>,
}

/// floor((2 * sum + n) / (2 n)) for |sum| <= 2^31 n and n <= 2^15.
#[cube]
fn mean(sum: Wide, n: u32) -> i32 {
    let twice = sum_wide(&sum, &sum);
    let over = sum_wide(&twice, &Wide { hi: 0u32, lo: n });
    let by = 2u32 * n;
    let below = (over.hi as i32) < 0i32;
    // The floor of a negative quotient: less the quotient of the magnitude, rounded up.
    let up = sum_wide(&negate(&over), &Wide { hi: 0u32, lo: by - 1u32 });
    let hi = select(below, up.hi, over.hi);
    let lo = select(below, up.lo, over.lo);
    let q = quotient(hi, lo, by) as i32;
    select(below, 0i32 - q, q)
}

/// For S = `hi * 2^32 + lo`, from 1 to below 2^63: z / 2 and m of section 5, step 4.
#[cube]
fn inverse_root(hi: u32, lo: u32) -> (u32, u32) {
    let zeros = select(hi == 0u32, 32u32 + lo.leading_zeros(), hi.leading_zeros());
    let z = (zeros - 1u32) & 0xfffffffeu32;
    let mut high = hi;
    let mut low = lo;
    if z >= 32u32 {
        high = lo << (z - 32u32);
        low = 0u32;
    } else if z > 0u32 {
        high = (hi << z) | (lo >> (32u32 - z));
        low = lo << z;
    }
    // Two bits of the operand a step, one bit of the root: the rest stays below 2^33.
    let mut root = 0u32;
    let mut rest_hi = 0u32;
    let mut rest = 0u32;
    for _i in 0u32..32u32 {
        let two = high >> 30u32;
        high = (high << 2u32) | (low >> 30u32);
        low <<= 2u32;
        rest_hi = (rest_hi << 2u32) | (rest >> 30u32);
        rest = (rest << 2u32) | two;
        // trial = 4 root + 1
        let trial_hi = root >> 30u32;
        let trial = (root << 2u32) | 1u32;
        root <<= 1u32;
        if rest_hi > trial_hi || (rest_hi == trial_hi && rest >= trial) {
            let borrow = select(rest < trial, 1u32, 0u32);
            rest -= trial;
            rest_hi -= trial_hi + borrow;
            root |= 1u32;
        }
    }
    // floor(2^62 / root): 2^30 is below the root.
    (z >> 1u32, quotient(1073741824u32, 0u32, root))
}

/// Sums of two words over the workgroup, in every lane.
#[cube]
fn total(v: Wide, shared: &mut Shared<[u32]>) -> Wide {
    let lane = UNIT_POS;
    sync_cube();
    shared[(2u32 * lane) as usize] = v.hi;
    shared[(2u32 * lane + 1u32) as usize] = v.lo;
    let mut half = 128u32;
    while half > 0u32 {
        sync_cube();
        if lane < half {
            let a = Wide { hi: shared[(2u32 * lane) as usize], lo: shared[(2u32 * lane + 1u32) as usize] };
            let at = 2u32 * (lane + half);
            let b = Wide { hi: shared[at as usize], lo: shared[(at + 1u32) as usize] };
            let c = sum_wide(&a, &b);
            shared[(2u32 * lane) as usize] = c.hi;
            shared[(2u32 * lane + 1u32) as usize] = c.lo;
        }
        half /= 2u32;
    }
    sync_cube();
    Wide { hi: shared[0usize], lo: shared[1usize] }
}

/// The OR over the workgroup, in every lane.
#[cube]
fn union(v: u32, shared: &mut Shared<[u32]>) -> u32 {
    let lane = UNIT_POS;
    sync_cube();
    shared[lane as usize] = v;
    let mut half = 128u32;
    while half > 0u32 {
        sync_cube();
        if lane < half {
            shared[lane as usize] |= shared[(lane + half) as usize];
        }
        half /= 2u32;
    }
    sync_cube();
    shared[0usize]
}

/// Writes the normalised tokens, and to `masks` the OR of each one's magnitudes.
#[cube(launch)]
pub fn normalise(
    x: &[i32],
    tables: &[i32],
    about: &[u32],
    out: &mut [i32],
    masks: &[Atomic<u32>],
    dim: u32,
    gain: u32,
    bias: u32,
    centre: u32,
    epsilon_hi: u32,
    epsilon_lo: u32,
    mask: u32,
    rows: u32,
) {
    let lane = UNIT_POS;
    let token = CUBE_POS_X;
    let mut shared = Shared::<[u32]>::new_slice(512usize);
    let mut row = token;
    if rows != 0xffffffffu32 {
        row = about[(rows + token) as usize];
    }
    let from = row * dim;
    let mut less = 0i32;
    if centre != 0u32 {
        let mut high = 0i32;
        let mut low = 0u32;
        let mut i = lane;
        while i < dim {
            let v = x[(from + i) as usize];
            high += v >> 16i32;
            low += (v as u32) & 0xffffu32;
            i += 256u32;
        }
        let part =
            sum_wide(&Wide { hi: (high >> 16i32) as u32, lo: (high as u32) << 16u32 }, &Wide { hi: 0u32, lo: low });
        less = mean(total(part, &mut shared), dim);
    }
    let mut seen = 0u32;
    let mut i = lane;
    while i < dim {
        seen |= magnitude(saturating_difference(x[(from + i) as usize], less));
        i += 256u32;
    }
    let length = bits(union(seen, &mut shared));
    let shift = select(length > 23u32, length - 23u32, 0u32);
    let mut squares_hi = 0u32;
    let mut squares_lo = 0u32;
    let mut i = lane;
    while i < dim {
        let u = magnitude(round_shift_word(saturating_difference(x[(from + i) as usize], less), shift));
        let squares = sum_wide(&Wide { hi: squares_hi, lo: squares_lo }, &product(u, u));
        squares_hi = squares.hi;
        squares_lo = squares.lo;
        i += 256u32;
    }
    let sum = total(Wide { hi: squares_hi, lo: squares_lo }, &mut shared);
    if lane == 0u32 {
        let down = 2u32 * shift;
        let mut hi = epsilon_hi;
        let mut lo = epsilon_lo;
        if down > 0u32 {
            lo = (epsilon_hi << (32u32 - down)) | (epsilon_lo >> down);
            hi = epsilon_hi >> down;
        }
        let all = sum_wide(&sum, &Wide { hi, lo });
        let none = (all.hi | all.lo) == 0u32;
        let (half, inverse) = inverse_root(all.hi, select(none, 1u32, all.lo));
        shared[2usize] = half;
        shared[3usize] = inverse;
    }
    sync_cube();
    let back = 32i32 - (shared[2usize] as i32);
    let inverse = shared[3usize];
    let mut seen = 0u32;
    let mut i = lane;
    while i < dim {
        let u = round_shift_word(saturating_difference(x[(from + i) as usize], less), shift);
        let unit = rescale(&product_signed(u, inverse), back);
        let mut y = rescale(&product_both(unit, tables[(gain + i) as usize]), 24i32);
        if centre != 0u32 {
            y = saturating_sum(y, tables[(bias + i) as usize]);
        }
        out[(token * dim + i) as usize] = y;
        seen |= magnitude(y);
        i += 256u32;
    }
    let seen = union(seen, &mut shared);
    if lane == 0u32 {
        masks[(mask + token) as usize].store(seen);
    }
}
