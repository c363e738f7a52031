//! What follows the sum of a linear layer's rows: requantisation (`docs/arithmetic.md`, section 4), and what the
//! layer does with its outputs. Rows come in pairs, stored one after the other.

use super::words::*;
use cubecl::prelude::*;

/// Query, key and value: rotation, queries to `out`, keys and values to the cache. A pair is one word of both.
pub const QKV: u32 = 0;
/// Adds to the residual stream.
pub const RESIDUAL: u32 = 1;
/// A pair is a gate row and its up row: one element of the hidden vector.
pub const GATED: u32 = 2;
/// Up rows alone: two elements of the hidden vector.
pub const PLAIN: u32 = 3;
/// Logits: as they are.
pub const LOGITS: u32 = 4;

/// Positions of a page of the cache.
pub const PAGE: u32 = 64;

/// What the kernels of a linear layer need of its shape.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
pub struct Place {
    /// One of the kinds above.
    pub kind: u32,
    /// Rows of this part of the matrix.
    pub rows: u32,
    /// Words of a row: four weights each.
    pub words: u32,
    /// Inputs.
    pub cols: u32,
    /// Tokens.
    pub tokens: u32,
    /// Where the rows' scales lie in the tables: two words each.
    pub scales: u32,
    /// The input's fraction before it was shifted.
    pub fraction: u32,
    /// Where the input's masks lie.
    pub mask_in: u32,
    /// Where the output's masks lie.
    pub mask_out: u32,
    /// Elements of `out` a token.
    pub width: u32,
    /// The first row's place among the whole matrix's.
    pub first: u32,
    /// Activation or rotary table, in the tables.
    pub table: u32,
    /// Query heads.
    pub heads: u32,
    /// Key/value heads.
    pub kv_heads: u32,
    /// Half of a head's width.
    pub half: u32,
    /// Pairs of a head that turn.
    pub turned: u32,
}

/// `docs/arithmetic.md`, section 4: sum = 256 high + low.
#[cube]
pub fn requantise(tables: &[i32], at: u32, high: i32, low: i32, fraction: i32) -> i32 {
    let scale = tables[at as usize];
    let mantissa = (scale as u32) & 0xffffu32;
    let sum = sum_wide(&Wide { hi: (high >> 24i32) as u32, lo: (high as u32) << 8u32 }, &widen(low));
    let p = product(sum.lo, mantissa);
    let scaled = Wide { hi: p.hi + sum.hi * mantissa, lo: p.lo };
    saturating_sum(rescale(&scaled, (scale >> 16i32) + fraction), tables[(at + 1u32) as usize])
}

/// `docs/arithmetic.md`, section 8.
#[cube]
fn activate(tables: &[i32], table: u32, x: i32) -> i32 {
    let a = magnitude(x);
    let i = a >> 10u32;
    let from = select(i > 1024u32, 1024u32, i);
    let to = select(i > 1023u32, 1024u32, i + 1u32);
    let low = tables[(table + from) as usize];
    let high = tables[(table + to) as usize];
    let g = low + (((high - low) * ((a & 1023u32) as i32)) >> 10i32);
    let gate = select(x < 0i32, 16777216i32 - g, g);
    saturate(&round_shift(&product_both(x, gate), 24u32))
}

/// What becomes of a pair of outputs.
#[cube]
pub fn store(
    tables: &[i32],
    about: &[u32],
    masks: &[Atomic<u32>],
    out: &mut [i32],
    cache: &mut [i32],
    place: &Place,
    row: u32,
    token: u32,
    a: i32,
    b: i32,
) {
    let second = row + 1u32 < place.rows;
    let at = token * place.width + place.first + row;
    if place.kind == 0u32 {
        let pair = (place.first + row) / 2u32;
        let head = pair / place.half;
        let j = pair % place.half;
        let position = about[(2u32 * token) as usize];
        let mut x = saturate16(a);
        let mut y = saturate16(b);
        if head < place.heads + place.kv_heads && j < place.turned {
            let turn = tables[(place.table + position * place.turned + j) as usize];
            let c = (turn << 16i32) >> 16i32;
            let s = turn >> 16i32;
            let u = x * c - y * s;
            let v = x * s + y * c;
            x = saturate16(round_shift_word(u, 14u32));
            y = saturate16(round_shift_word(v, 14u32));
        }
        let word = (x & 0xffffi32) | (y << 16i32);
        if head < place.heads {
            out[(token * place.width + pair) as usize] = word;
        } else {
            // A page: keys [head][word][position], then values [head][position][word].
            let page = about[(about[(2u32 * token + 1u32) as usize] + position / 64u32) as usize];
            let within = position % 64u32;
            let size = place.kv_heads * place.half * 64u32;
            let base = page * 2u32 * size;
            let kv = head - place.heads;
            let mut to = base + (kv * place.half + j) * 64u32 + within;
            if kv >= place.kv_heads {
                to = base + size + ((kv - place.kv_heads) * 64u32 + within) * place.half + j;
            }
            cache[to as usize] = word;
        }
    } else if place.kind == 1u32 {
        out[at as usize] = saturating_sum(out[at as usize], a);
        if second {
            out[(at + 1u32) as usize] = saturating_sum(out[(at + 1u32) as usize], b);
        }
    } else if place.kind == 2u32 {
        let v = rescale(&product_both(activate(tables, place.table, a), b), 16i32);
        out[(token * place.width + (place.first + row) / 2u32) as usize] = v;
        masks[(place.mask_out + token) as usize].fetch_or(magnitude(v));
    } else if place.kind == 3u32 {
        let v = activate(tables, place.table, a);
        out[at as usize] = v;
        let mut seen = magnitude(v);
        if second {
            let w = activate(tables, place.table, b);
            out[(at + 1u32) as usize] = w;
            seen |= magnitude(w);
        }
        masks[(place.mask_out + token) as usize].fetch_or(seen);
    } else {
        out[at as usize] = a;
        if second {
            out[(at + 1u32) as usize] = b;
        }
    }
}
