//! Attention (`docs/arithmetic.md`, section 7): one workgroup a token and query head.

use super::words::*;
use cubecl::prelude::*;

/// Lanes of a workgroup, and positions that are weighed together.
pub const LANES: u32 = 128;

/// What attention is told beside its buffers.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
pub struct Heads {
    /// Query heads.
    pub heads: u32,
    /// Key/value heads.
    pub kv_heads: u32,
    /// Half of a head's width: words of a query, key or value.
    pub half: u32,
    /// Where the heads' fractions lie in the tables.
    pub fractions: u32,
    /// The output's fraction.
    pub fraction: u32,
    /// Where the output's masks lie.
    pub mask: u32,
    /// The largest position of all tokens. Loops with barriers in them run to here: WGSL wants their bounds to be
    /// the same in all lanes, and takes nothing that is read from a writable buffer for that.
    pub last: u32,
}

/// `docs/arithmetic.md`, section 7, step 2.
#[cube]
fn exp2_16(d: u32) -> u32 {
    let n = d >> 16u32;
    let f = d & 0xffffu32;
    let y = 56773u32 - ((7686u32 * f) >> 16u32);
    let y = 62904u32 - ((y * f) >> 18u32);
    let y = 45426u32 - ((y * f) >> 18u32);
    let y = 65536u32 - ((y * f) >> 16u32);
    let down = n & 15u32;
    let p = min((y + (1u32 << down)) >> (down + 1u32), 32767u32);
    select(n > 15u32, 0u32, p)
}

/// The first place of a position's page.
#[cube]
fn page(about: &[u32], table: u32, position: u32, size: u32) -> u32 {
    about[(table + position / 64u32) as usize] * size
}

/// A key's score against the query, fraction 16.
#[cube]
fn score(cache: &[i32], query: &Shared<[i32]>, key: u32, half: u32, shift: i32) -> i32 {
    let mut sum_hi = 0u32;
    let mut sum_lo = 0u32;
    let mut start = 0u32;
    while start < half {
        // Query times the key's high and low byte: 128 products of each fit an i32.
        let mut high = 0i32;
        let mut low = 0i32;
        let stop = min(half, start + 64u32);
        let mut w = start;
        while w < stop {
            let q = query[w as usize];
            let k = cache[(key + 64u32 * w) as usize];
            let qa = (q << 16i32) >> 16i32;
            let qb = q >> 16i32;
            high += qa * ((k << 16i32) >> 24i32) + qb * (k >> 24i32);
            low += qa * (k & 255i32) + qb * ((k >> 16i32) & 255i32);
            w += 1u32;
        }
        let wide = Wide { hi: (high >> 24i32) as u32, lo: (high as u32) << 8u32 };
        let sum = sum_wide(&Wide { hi: sum_hi, lo: sum_lo }, &sum_wide(&wide, &widen(low)));
        sum_hi = sum.hi;
        sum_lo = sum.lo;
        start += 64u32;
    }
    rescale(&Wide { hi: sum_hi, lo: sum_lo }, shift)
}

/// Writes the heads' outputs, and to `masks` the OR of each token's magnitudes.
#[cube(launch)]
pub fn attend(
    queries: &[i32],
    cache: &[i32],
    tables: &[i32],
    about: &[u32],
    out: &mut [i32],
    masks: &[Atomic<u32>],
    shape: Heads,
) {
    let lane = UNIT_POS;
    let head = CUBE_POS_X;
    let token = CUBE_POS_Y;
    let mut query = Shared::<[i32]>::new_slice(512usize);
    // The scores of the first positions; those after are computed twice.
    let mut held = Shared::<[i32]>::new_slice(1024usize);
    let mut weights = Shared::<[u32]>::new_slice(128usize);
    let mut gather = Shared::<[u32]>::new_slice(128usize);
    // Sums of weighted values: four words (two elements) a lane, or a word of the value where it is wider.
    let mut sums = Shared::<[u32]>::new_slice(2048usize);

    let half = shape.half;
    let position = about[(2u32 * token) as usize];
    let table = about[(2u32 * token + 1u32) as usize];
    let kv = head / (shape.heads / shape.kv_heads);
    let all = shape.kv_heads * half * 64u32;
    let size = 2u32 * all;
    let query_fraction = tables[(shape.fractions + head) as usize];
    let key_fraction = tables[(shape.fractions + shape.heads + kv) as usize];
    let value_fraction = tables[(shape.fractions + shape.heads + shape.kv_heads + kv) as usize];
    let shift = query_fraction + key_fraction - 16i32;
    let mut i = lane;
    while i < half {
        query[i as usize] = queries[((token * shape.heads + head) * half + i) as usize];
        i += 128u32;
    }
    let mut i = lane;
    while i < 2048u32 {
        sums[i as usize] = 0u32;
        i += 128u32;
    }
    sync_cube();

    let mut largest = least();
    let mut at = lane;
    while at <= position {
        let key = page(about, table, at, size) + kv * half * 64u32 + at % 64u32;
        let s = score(cache, &query, key, half, shift);
        if at < 1024u32 {
            held[at as usize] = s;
        }
        largest = max(largest, s);
        at += 128u32;
    }
    gather[lane as usize] = largest as u32;
    let mut step = 64u32;
    while step > 0u32 {
        sync_cube();
        if lane < step {
            let other = gather[(lane + step) as usize] as i32;
            gather[lane as usize] = max(gather[lane as usize] as i32, other) as u32;
        }
        step /= 2u32;
    }
    sync_cube();
    let largest = gather[0usize] as i32;

    // Lanes that share a value's words, each group with every groups-th position.
    let across = min(half, 128u32);
    let groups = 128u32 / across;
    let group = lane / across;
    let mut mass = 0u32;
    let mut base = 0u32;
    while base <= shape.last {
        let at = base + lane;
        let mut p = 0u32;
        if at <= position {
            let mut s = held[(at % 1024u32) as usize];
            if at >= 1024u32 {
                let key = page(about, table, at, size) + kv * half * 64u32 + at % 64u32;
                s = score(cache, &query, key, half, shift);
            }
            p = exp2_16((largest as u32) - (s as u32));
        }
        mass += p;
        weights[lane as usize] = p;
        sync_cube();
        if group < groups && base <= position {
            let count = min(position + 1u32 - base, 128u32);
            let mut w = lane % across;
            while w < half {
                // p times the value's high and low byte: 128 products of each fit an i32.
                let mut ah = 0i32;
                let mut al = 0i32;
                let mut bh = 0i32;
                let mut bl = 0i32;
                let mut i = group;
                while i < count {
                    let p = weights[i as usize] as i32;
                    let here = base + i;
                    let value = page(about, table, here, size) + all + (kv * 64u32 + here % 64u32) * half + w;
                    let v = cache[value as usize];
                    ah += p * ((v << 16i32) >> 24i32);
                    al += p * (v & 255i32);
                    bh += p * (v >> 24i32);
                    bl += p * ((v >> 16i32) & 255i32);
                    i += groups;
                }
                let slot = 4u32 * (group * half + w);
                let a = sum_wide(&Wide { hi: (ah >> 24i32) as u32, lo: (ah as u32) << 8u32 }, &widen(al));
                let b = sum_wide(&Wide { hi: (bh >> 24i32) as u32, lo: (bh as u32) << 8u32 }, &widen(bl));
                let a = sum_wide(&a, &Wide { hi: sums[slot as usize], lo: sums[(slot + 1u32) as usize] });
                let b = sum_wide(&b, &Wide { hi: sums[(slot + 2u32) as usize], lo: sums[(slot + 3u32) as usize] });
                sums[slot as usize] = a.hi;
                sums[(slot + 1u32) as usize] = a.lo;
                sums[(slot + 2u32) as usize] = b.hi;
                sums[(slot + 3u32) as usize] = b.lo;
                w += across;
            }
        }
        sync_cube();
        base += 128u32;
    }

    gather[lane as usize] = mass;
    let mut step = 64u32;
    while step > 0u32 {
        sync_cube();
        if lane < step {
            gather[lane as usize] += gather[(lane + step) as usize];
        }
        step /= 2u32;
    }
    sync_cube();
    // From 32767 to below 2^32: b from 15 to 32. R = floor(2^(b + 30) / T), 2^(b - 2) being below T.
    let mass = gather[0usize];
    let length = bits(mass);
    let inverse = quotient(1u32 << (length - 2u32), 0u32, mass);

    let mut seen = 0u32;
    let mut w = lane;
    while w < half {
        let mut a_hi = 0u32;
        let mut a_lo = 0u32;
        let mut b_hi = 0u32;
        let mut b_lo = 0u32;
        for g in 0u32..groups {
            let slot = 4u32 * (g * half + w);
            let part = Wide { hi: sums[slot as usize], lo: sums[(slot + 1u32) as usize] };
            let a = sum_wide(&Wide { hi: a_hi, lo: a_lo }, &part);
            let part = Wide { hi: sums[(slot + 2u32) as usize], lo: sums[(slot + 3u32) as usize] };
            let b = sum_wide(&Wide { hi: b_hi, lo: b_lo }, &part);
            a_hi = a.hi;
            a_lo = a.lo;
            b_hi = b.hi;
            b_lo = b.lo;
        }
        let down = length - 15u32;
        let back = 45i32 + value_fraction - (shape.fraction as i32);
        let x = rescale(&product_signed(round_shift(&Wide { hi: a_hi, lo: a_lo }, down).lo as i32, inverse), back);
        let y = rescale(&product_signed(round_shift(&Wide { hi: b_hi, lo: b_lo }, down).lo as i32, inverse), back);
        let to = ((token * shape.heads + head) * half + w) * 2u32;
        out[to as usize] = x;
        out[(to + 1u32) as usize] = y;
        seen |= magnitude(x) | magnitude(y);
        w += 128u32;
    }
    if seen != 0u32 {
        masks[(shape.mask + token) as usize].fetch_or(seen);
    }
}
