//! Linear layers (`docs/arithmetic.md`, section 4). Two kernels of the same sums: for a few tokens, where the lanes
//! of a workgroup share each row; for many, where each lane has outputs of its own and a tile of weights and inputs
//! goes through the workgroup's memory.

use super::finish::*;
use super::words::*;
use cubecl::prelude::*;

/// Lanes of a workgroup of either kernel.
pub const LANES: u32 = 64;
/// Rows of a workgroup that shares rows.
pub const ROWS: u32 = 4;
/// Rows of a tile.
pub const TILE_ROWS: u32 = 32;
/// Tokens of a tile.
pub const TILE_TOKENS: u32 = 16;

/// The input as int16, by the shift that its mask gives.
#[cube]
fn quantised(x: &[i32], at: u32, shift: u32) -> i32 {
    saturate16(round_shift_word(x[at as usize], shift))
}

/// Weight `i` of a word.
#[cube]
fn weight(word: u32, #[comptime] i: u32) -> i32 {
    let up = comptime!(24 - 8 * i);
    ((word << up) as i32) >> 24i32
}

/// A few tokens: a workgroup has four rows of one token.
#[cube(launch)]
pub fn by_row(
    weights: &[u32],
    tables: &[i32],
    x: &[i32],
    about: &[u32],
    masks: &[Atomic<u32>],
    out: &mut [i32],
    cache: &mut [i32],
    place: Place,
) {
    let lane = UNIT_POS;
    let row = (CUBE_POS_Y * CUBE_COUNT_X + CUBE_POS_X) * 4u32;
    let token = CUBE_POS_Z;
    let mut shared = Shared::<[i32]>::new_slice(512usize);
    let shift = block_shift(masks[(place.mask_in + token) as usize].load());
    let from = token * place.cols;
    let words = place.words;
    let base = row * words;
    let mut h0 = 0i32;
    let mut h1 = 0i32;
    let mut h2 = 0i32;
    let mut h3 = 0i32;
    let mut l0 = 0i32;
    let mut l1 = 0i32;
    let mut l2 = 0i32;
    let mut l3 = 0i32;
    if row < place.rows {
        let mut start = lane;
        while start < words {
            // 128 words of this lane at most: 512 products fit an i32.
            let mut s0 = 0i32;
            let mut s1 = 0i32;
            let mut s2 = 0i32;
            let mut s3 = 0i32;
            let stop = min(words, start + 8192u32);
            let mut i = start;
            while i < stop {
                let w0 = weights[(base + i) as usize];
                let w1 = weights[(base + words + i) as usize];
                let w2 = weights[(base + 2u32 * words + i) as usize];
                let w3 = weights[(base + 3u32 * words + i) as usize];
                #[unroll]
                for k in 0u32..4u32 {
                    // Past the end the weights are zero.
                    let at = from + min(4u32 * i + k, place.cols - 1u32);
                    let q = quantised(x, at, shift);
                    s0 += weight(w0, k) * q;
                    s1 += weight(w1, k) * q;
                    s2 += weight(w2, k) * q;
                    s3 += weight(w3, k) * q;
                }
                i += 64u32;
            }
            h0 += s0 >> 8i32;
            h1 += s1 >> 8i32;
            h2 += s2 >> 8i32;
            h3 += s3 >> 8i32;
            l0 += s0 & 255i32;
            l1 += s1 & 255i32;
            l2 += s2 & 255i32;
            l3 += s3 & 255i32;
            start += 8192u32;
        }
    }
    shared[lane as usize] = h0;
    shared[(64u32 + lane) as usize] = l0;
    shared[(128u32 + lane) as usize] = h1;
    shared[(192u32 + lane) as usize] = l1;
    shared[(256u32 + lane) as usize] = h2;
    shared[(320u32 + lane) as usize] = l2;
    shared[(384u32 + lane) as usize] = h3;
    shared[(448u32 + lane) as usize] = l3;
    sync_cube();
    // Eight sums of 64: eight lanes each, then one.
    let mut sum = 0i32;
    for i in 0u32..8u32 {
        sum += shared[(lane * 8u32 + i) as usize];
    }
    sync_cube();
    shared[lane as usize] = sum;
    sync_cube();
    if lane < 2u32 && row + 2u32 * lane < place.rows {
        let mut ha = 0i32;
        let mut la = 0i32;
        let mut hb = 0i32;
        let mut lb = 0i32;
        for i in 0u32..8u32 {
            let at = lane * 32u32 + i;
            ha += shared[at as usize];
            la += shared[(at + 8u32) as usize];
            hb += shared[(at + 16u32) as usize];
            lb += shared[(at + 24u32) as usize];
        }
        let pair = row + 2u32 * lane;
        let fraction = (place.fraction as i32) - (shift as i32);
        let at = place.scales + 2u32 * pair;
        let a = requantise(tables, at, ha, la, fraction);
        let b = requantise(tables, at + 2u32, hb, lb, fraction);
        store(tables, about, masks, out, cache, &place, pair, token, a, b);
    }
}

/// Many tokens: a workgroup has 32 rows of 16 tokens, a lane four rows of two tokens.
#[cube(launch)]
pub fn by_tile(
    weights: &[u32],
    tables: &[i32],
    x: &[i32],
    about: &[u32],
    masks: &[Atomic<u32>],
    out: &mut [i32],
    cache: &mut [i32],
    place: Place,
) {
    let lane = UNIT_POS;
    let first_row = (CUBE_POS_Y * CUBE_COUNT_X + CUBE_POS_X) * 32u32;
    let first_token = CUBE_POS_Z * 16u32;
    // 16 tokens of 128 inputs; 32 rows of 32 words, each row one word apart from its neighbour's banks.
    let mut inputs = Shared::<[i32]>::new_slice(2048usize);
    let mut tile = Shared::<[u32]>::new_slice(1056usize);
    let mut shifts = Shared::<[u32]>::new_slice(16usize);
    if lane < 16u32 {
        let token = min(first_token + lane, place.tokens - 1u32);
        shifts[lane as usize] = block_shift(masks[(place.mask_in + token) as usize].load());
    }
    sync_cube();
    let words = place.words;
    let rows4 = (lane / 8u32) * 4u32;
    let tokens2 = (lane % 8u32) * 2u32;
    let mut high = Array::<i32>::new(8usize);
    let mut low = Array::<i32>::new(8usize);
    #[unroll]
    for k in 0usize..8usize {
        high[k] = 0i32;
        low[k] = 0i32;
    }
    let mut start = 0u32;
    while start < words {
        for k in 0u32..32u32 {
            let at = lane + 64u32 * k;
            let t = at / 128u32;
            let i = min(4u32 * start + at % 128u32, place.cols - 1u32);
            let token = min(first_token + t, place.tokens - 1u32);
            inputs[at as usize] = quantised(x, token * place.cols + i, shifts[t as usize]);
        }
        for k in 0u32..16u32 {
            let at = lane + 64u32 * k;
            let r = at / 32u32;
            let i = start + at % 32u32;
            let mut word = 0u32;
            if i < words && first_row + r < place.rows {
                word = weights[((first_row + r) * words + i) as usize];
            }
            tile[(r * 33u32 + at % 32u32) as usize] = word;
        }
        sync_cube();
        let mut sums = Array::<i32>::new(8usize);
        #[unroll]
        for k in 0usize..8usize {
            sums[k] = 0i32;
        }
        for i in 0u32..32u32 {
            let a = tokens2 * 128u32 + 4u32 * i;
            #[unroll]
            for r in 0usize..4usize {
                let word = tile[((rows4 + r as u32) * 33u32 + i) as usize];
                #[unroll]
                for k in 0u32..4u32 {
                    let w = weight(word, k);
                    sums[2 * r] += w * inputs[(a + k) as usize];
                    sums[2 * r + 1] += w * inputs[(a + 128u32 + k) as usize];
                }
            }
        }
        // 128 products fit an i32.
        #[unroll]
        for k in 0usize..8usize {
            high[k] += sums[k] >> 8i32;
            low[k] += sums[k] & 255i32;
        }
        sync_cube();
        start += 32u32;
    }
    #[unroll]
    for t in 0usize..2usize {
        let token = first_token + tokens2 + t as u32;
        let fraction = (place.fraction as i32) - (shifts[(tokens2 + t as u32) as usize] as i32);
        #[unroll]
        for p in 0usize..2usize {
            let pair = first_row + rows4 + 2u32 * (p as u32);
            if token < place.tokens && pair < place.rows {
                let at = place.scales + 2u32 * pair;
                let a = requantise(tables, at, high[4 * p + t], low[4 * p + t], fraction);
                let b = requantise(tables, at + 2u32, high[4 * p + 2 + t], low[4 * p + 2 + t], fraction);
                store(tables, about, masks, out, cache, &place, pair, token, a, b);
            }
        }
    }
}
