//! Attention for WASM's 128-bit vectors: 16 positions, or elements, at a time.

use super::simd128::{dot, words};
use super::{Query, Scratch, drivers};
use crate::model::arithmetic::rescale;
use crate::model::cpu::cache::{HeadCache, LANES};
use alloc::vec::Vec;
use core::arch::wasm32::*;

/// Queries over the keys and values of one head, one after another.
pub(super) fn attend(queries: &[Query<'_>], cache: &HeadCache, scratch: &mut Scratch) {
    for (q, query) in queries.iter().enumerate() {
        let Scratch { low, high, products, scores: scored, sums, totals, .. } = &mut *scratch;
        low.clear();
        high.clear();
        drivers::split_query(query.words, low, high);
        if low.len() <= drivers::PAIRS {
            scores(low, high, &cache.keys, query, scored);
        } else {
            products.clear();
            products.resize(query.positions.next_multiple_of(LANES), 0);
            wide_products(low, high, &cache.keys, products);
            drivers::scores(query, products, scored);
        }
        totals[q] = softmax(scored, low, high);
        let sums = &mut sums[q * cache.padded..(q + 1) * cache.padded];
        let runs = low.chunks(drivers::PAIRS).zip(high.chunks(drivers::PAIRS));
        for (i, (low, high)) in runs.enumerate() {
            weigh(low, high, &cache.values[i * drivers::PAIRS * 2 * cache.padded..], sums);
        }
    }
}

/// The scores of a query whose products with a key fit an i32's sum.
#[inline(always)]
fn scores(low: &[i32], high: &[i32], keys: &[i16], query: &Query<'_>, scores: &mut Vec<i32>) {
    scores.clear();
    scores.resize(query.positions.next_multiple_of(LANES), 0);
    let block = low.len() * 2 * LANES;
    for (keys, out) in keys.chunks_exact(block).zip(scores.as_chunks_mut::<LANES>().0) {
        let mut sums = Sums::default();
        for ((l, h), keys) in low.iter().zip(high).zip(keys.as_chunks::<{ 2 * LANES }>().0) {
            sums.add(*l, *h, keys);
        }
        for (i, out) in out.as_chunks_mut::<4>().0.iter_mut().enumerate() {
            store(out, rescaled(sums.low[i], sums.high[i], query.shift));
        }
    }
    scores.truncate(query.positions);
}

/// `rescale(high * 256 + low, shift)` (`docs/arithmetic.md`), in 32 bits wherever that is exact.
#[inline(always)]
fn rescaled(low: v128, high: v128, shift: i32) -> v128 {
    // The same number with a rest from 0 to 255. |high| < 2^30 and |low| < 2^31 for 256 terms: the sum fits.
    let whole = i32x4_add(high, i32x4_shr(low, 8));
    if shift > 8 {
        // The rest is less than one step before the last bit that counts. Halves go up.
        let before = (shift - 9).min(31) as u32;
        return i32x4_shr(i32x4_add(i32x4_shr(whole, before), i32x4_splat(1)), 1);
    }
    let fits = i32x4_lt(i32x4_abs(whole), i32x4_splat(1 << 23));
    if shift > 0 && i32x4_all_true(fits) {
        let (shift, rest) = (shift as u32, v128_and(low, i32x4_splat(255)));
        let part = i32x4_shr(i32x4_add(rest, i32x4_splat(1 << (shift - 1))), shift);
        return i32x4_add(i32x4_shl(whole, 8 - shift), part);
    }
    one_by_one(low, high, shift)
}

/// Shifts and sizes that saturate, or that a model hardly has.
#[cold]
fn one_by_one(low: v128, high: v128, shift: i32) -> v128 {
    let (mut l, mut h) = ([0; 4], [0; 4]);
    store(&mut l, low);
    store(&mut h, high);
    let score = |i: usize| rescale(((h[i] as i64) << 8) + l[i] as i64, shift);
    i32x4(score(0), score(1), score(2), score(3))
}

/// Softmax's numerators (`docs/arithmetic.md`), as words of pairs: low seven bits, and the eight above. Gives their sum.
#[inline(always)]
fn softmax(scores: &mut Vec<i32>, low: &mut Vec<i32>, high: &mut Vec<i32>) -> u32 {
    let positions = scores.len();
    let largest = i32x4_splat(scores.iter().copied().max().unwrap_or(0));
    // Whole vectors; what is beyond the last position is cleared below.
    scores.resize(positions.next_multiple_of(8), 0);
    low.clear();
    low.resize(scores.len() / 2, 0);
    high.clear();
    high.resize(scores.len() / 2, 0);
    let end = i32x4_splat(positions as i32);
    let mut index = i32x4(0, 1, 2, 3);
    let mut sum = i32x4_splat(0);
    let words = low.as_chunks_mut::<4>().0.iter_mut().zip(high.as_chunks_mut::<4>().0);
    for (scores, (low, high)) in scores.as_chunks::<8>().0.iter().zip(words) {
        let mut numerators = [i32x4_splat(0); 2];
        for (numerators, scores) in numerators.iter_mut().zip(scores.as_chunks::<4>().0) {
            *numerators = v128_and(exp2_16(i32x4_sub(largest, load(scores))), i32x4_lt(index, end));
            sum = i32x4_add(sum, *numerators);
            index = i32x4_add(index, i32x4_splat(4));
        }
        let eight = i16x8_narrow_i32x4(numerators[0], numerators[1]);
        store(low, v128_and(eight, i16x8_splat(127)));
        store(high, u16x8_shr(eight, 7));
    }
    // An odd last position is paired with a weight of zero.
    low.truncate(positions.div_ceil(2));
    high.truncate(positions.div_ceil(2));
    let lane = |v: i32| v as u32;
    lane(i32x4_extract_lane::<0>(sum))
        .wrapping_add(lane(i32x4_extract_lane::<1>(sum)))
        .wrapping_add(lane(i32x4_extract_lane::<2>(sum)))
        .wrapping_add(lane(i32x4_extract_lane::<3>(sum)))
}

/// `2^-d` for four d with 16 fraction bits: `attention::exp2_16`.
#[inline(always)]
fn exp2_16(d: v128) -> v128 {
    let (n, f) = (u32x4_min(u32x4_shr(d, 16), u32x4_splat(16)), v128_and(d, u32x4_splat(0xffff)));
    let y = u32x4_sub(u32x4_splat(56_773), u32x4_shr(u32x4_mul(u32x4_splat(7_686), f), 16));
    let y = u32x4_sub(u32x4_splat(62_904), u32x4_shr(u32x4_mul(y, f), 18));
    let y = u32x4_sub(u32x4_splat(45_426), u32x4_shr(u32x4_mul(y, f), 18));
    let y = u32x4_sub(u32x4_splat(65_536), u32x4_shr(u32x4_mul(y, f), 16));
    // (y + 2^n) / 2^(n + 1) is (y * 2^(15 - n) + 2^15) / 2^16: there is no shift by lanes, but there are tables of bytes.
    // Byte 0 of 2^(15 - n) is entry n, byte 1 is entry n + 8; an entry that is not there is 0, and so is all from n = 16 on.
    let table = u8x16(0, 0, 0, 0, 0, 0, 0, 0, 128, 64, 32, 16, 8, 4, 2, 1);
    let entries = u32x4_add(u32x4_add(n, u32x4_shl(n, 8)), u32x4_splat(0xffff_0800));
    let power = u8x16_swizzle(table, entries);
    let rounded = u32x4_shr(u32x4_add(u32x4_mul(y, power), u32x4_splat(1 << 15)), 16);
    u32x4_min(rounded, u32x4_splat(32_767))
}

/// The exact products of a query with keys, where they need 64 bits, block after block.
#[inline(always)]
fn wide_products(low: &[i32], high: &[i32], keys: &[i16], out: &mut [i64]) {
    let block = low.len() * 2 * LANES;
    for (keys, out) in keys.chunks_exact(block).zip(out.as_chunks_mut::<LANES>().0) {
        let steps = low.chunks(drivers::PAIRS).zip(high.chunks(drivers::PAIRS));
        for ((low, high), keys) in steps.zip(keys.chunks(drivers::PAIRS * 2 * LANES)) {
            let mut sums = Sums::default();
            for ((l, h), keys) in low.iter().zip(high).zip(keys.as_chunks::<{ 2 * LANES }>().0) {
                sums.add(*l, *h, keys);
            }
            sums.finish::<8>(out);
        }
    }
}

/// Adds weights times values, pair of positions after pair, 16 elements at a time.
#[inline(always)]
fn weigh(low: &[i32], high: &[i32], values: &[i16], sums: &mut [i64]) {
    let stride = sums.len() / LANES;
    let values = values.as_chunks::<{ 2 * LANES }>().0;
    for (i, out) in sums.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
        let mut lanes = Sums::default();
        for ((l, h), row) in low.iter().zip(high).zip(values.chunks_exact(stride)) {
            lanes.add(*l, *h, &row[i]);
        }
        lanes.finish::<7>(out);
    }
}

/// 16 sums of products with pairs that are split in two halves.
struct Sums {
    low: [v128; 4],
    high: [v128; 4],
}

impl Default for Sums {
    #[inline(always)]
    fn default() -> Self {
        Sums { low: [i32x4_splat(0); 4], high: [i32x4_splat(0); 4] }
    }
}

impl Sums {
    /// Adds a pair, given as the words of its halves, times 16 pairs.
    #[inline(always)]
    fn add(&mut self, low: i32, high: i32, pairs: &[i16; 2 * LANES]) {
        let (l, h) = (i32x4_splat(low), i32x4_splat(high));
        for (i, pair) in pairs.as_chunks::<8>().0.iter().enumerate() {
            let v = words(pair);
            self.low[i] = dot(self.low[i], v, l);
            self.high[i] = dot(self.high[i], v, h);
        }
    }

    /// Adds high * 2^BITS + low to 16 sums.
    #[inline(always)]
    fn finish<const BITS: u32>(&self, out: &mut [i64; LANES]) {
        let whole = |low: v128, high: v128| i64x2_add(i64x2_shl(high, BITS), low);
        for (i, out) in out.as_chunks_mut::<4>().0.iter_mut().enumerate() {
            let (low, high) = (self.low[i], self.high[i]);
            let first = whole(i64x2_extend_low_i32x4(low), i64x2_extend_low_i32x4(high));
            let second = whole(i64x2_extend_high_i32x4(low), i64x2_extend_high_i32x4(high));
            let at = out.as_mut_ptr().cast::<v128>();
            // SAFETY: the array has room for both vectors of 16 bytes; no alignment is asked for.
            unsafe {
                v128_store(at, i64x2_add(v128_load(at), first));
                v128_store(at.wrapping_add(1), i64x2_add(v128_load(at.wrapping_add(1)), second));
            }
        }
    }
}

#[inline(always)]
fn load(v: &[i32; 4]) -> v128 {
    // SAFETY: the array holds the 16 bytes that are read; no alignment is asked for.
    unsafe { v128_load(v.as_ptr().cast()) }
}

#[inline(always)]
fn store(out: &mut [i32; 4], v: v128) {
    // SAFETY: the array has room for the 16 bytes that are written; no alignment is asked for.
    unsafe { v128_store(out.as_mut_ptr().cast(), v) }
}
