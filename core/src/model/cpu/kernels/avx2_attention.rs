//! Attention with AVX2: several queries at once, so that a key or value is loaded once for all of them, and whole int16
//! products wherever no sum can leave an i32. The largest magnitudes in the cache say where that is; elsewhere queries and
//! weights are split into two planes, one query after another.

use super::{Query, Scratch, avx2, drivers};
use crate::model::arithmetic::attention;
use crate::model::cpu::cache::{HeadCache, LANES};
use alloc::vec::Vec;
use core::arch::x86_64::*;

/// Values up to here may be multiplied whole: the weights of four positions, 32767 at most, times this fit an i32.
const LARGEST_VALUE: u32 = 16_383;

/// See [`Kernel::attend`](super::Kernel::attend).
#[target_feature(enable = "avx2")]
pub(super) fn attend(queries: &[Query<'_>], cache: &HeadCache, scratch: &mut Scratch) {
    match *queries {
        [a] => together::<1, 4>([a], cache, scratch),
        [a, b] => together::<2, 2>([a, b], cache, scratch),
        [a, b, c] => together::<3, 1>([a, b, c], cache, scratch),
        [a, b, c, d] => together::<4, 1>([a, b, c, d], cache, scratch),
        _ => {}
    }
}

/// Q queries; G blocks of 16 elements of the values at a time.
#[inline]
#[target_feature(enable = "avx2")]
fn together<const Q: usize, const G: usize>(queries: [Query<'_>; Q], cache: &HeadCache, scratch: &mut Scratch) {
    let longest = queries.iter().map(|q| q.positions).max().unwrap_or(0);
    let stride = longest.next_multiple_of(LANES);
    scratch.scores.clear();
    scratch.scores.resize(Q * stride, 0);
    if queries.iter().all(|q| (1..32).contains(&q.shift) && reach(q, cache) <= i32::MAX as u64) {
        whole_scores(&queries, cache, scratch, stride);
    } else {
        split_scores(&queries, cache, scratch, stride);
    }
    let pairs = longest.div_ceil(2);
    let Scratch { low, high, scores, weights, sums, totals, .. } = scratch;
    low.clear();
    let whole = cache.largest_value <= LARGEST_VALUE;
    if whole {
        low.resize(Q * pairs, 0);
    }
    for (q, query) in queries.iter().enumerate() {
        let scores = &scores[q * stride..][..query.positions];
        if whole {
            totals[q] = attention::softmax(scores, weights);
            weights.resize(2 * pairs, 0);
            for (words, [a, b]) in low.as_chunks_mut::<Q>().0.iter_mut().zip(weights.as_chunks::<2>().0) {
                words[q] = (*a as u32 | (*b as u32) << 16) as i32;
            }
            continue;
        }
        low.clear();
        high.clear();
        totals[q] = drivers::softmax(scores, pairs, weights, low, high);
        let sums = &mut sums[q * cache.padded..(q + 1) * cache.padded];
        for (i, (low, high)) in low.chunks(drivers::PAIRS).zip(high.chunks(drivers::PAIRS)).enumerate() {
            avx2::weigh(low, high, &cache.values[i * drivers::PAIRS * 2 * cache.padded..], sums);
        }
    }
    if whole {
        weigh::<Q, G>(low, totals, cache, sums);
    }
}

/// No product of the query with a key, nor a part of its sum, is larger.
fn reach(query: &Query<'_>, cache: &HeadCache) -> u64 {
    query.words.iter().map(|w| w.unsigned_abs() as u64).sum::<u64>() * cache.largest_key as u64
}

/// The scores where all sums fit an i32 and are shifted to the right.
#[inline]
#[target_feature(enable = "avx2")]
fn whole_scores<const Q: usize>(queries: &[Query<'_>; Q], cache: &HeadCache, scratch: &mut Scratch, stride: usize) {
    let Scratch { low, scores, .. } = scratch;
    let pairs = cache.width / 2;
    low.clear();
    low.resize(Q * pairs, 0);
    for (q, query) in queries.iter().enumerate() {
        for (words, [a, b]) in low.as_chunks_mut::<Q>().0.iter_mut().zip(query.words.as_chunks::<2>().0) {
            words[q] = (*a as u16 as u32 | (*b as u16 as u32) << 16) as i32;
        }
    }
    let words = low.as_chunks::<Q>().0;
    for (i, keys) in cache.keys.chunks_exact(cache.width * LANES).take(stride / LANES).enumerate() {
        let mut sums = [[_mm256_setzero_si256(); 2]; Q];
        for (words, k) in words.iter().zip(keys.as_chunks::<32>().0) {
            let k = halves(k);
            for q in 0..Q {
                let word = _mm256_set1_epi32(words[q]);
                for half in 0..2 {
                    sums[q][half] = _mm256_add_epi32(sums[q][half], _mm256_madd_epi16(k[half], word));
                }
            }
        }
        for q in 0..Q {
            let shift = queries[q].shift;
            let (all, less) = (_mm_cvtsi32_si128(shift), _mm_cvtsi32_si128(shift - 1));
            let (out, _) = scores[q * stride + i * LANES..].as_chunks_mut::<8>();
            for half in 0..2 {
                // Floor, and one more where the first bit that falls off is set: half is rounded up, without a wider sum.
                let up = _mm256_and_si256(_mm256_sra_epi32(sums[q][half], less), _mm256_set1_epi32(1));
                let score = _mm256_add_epi32(_mm256_sra_epi32(sums[q][half], all), up);
                // SAFETY: the array has room for the 32 bytes that are written; no alignment is asked for.
                unsafe { _mm256_storeu_si256(out[half].as_mut_ptr().cast(), score) };
            }
        }
    }
}

/// The scores whatever the magnitudes.
#[inline]
#[target_feature(enable = "avx2")]
fn split_scores<const Q: usize>(queries: &[Query<'_>; Q], cache: &HeadCache, scratch: &mut Scratch, stride: usize) {
    let Scratch { low, high, products, scores, .. } = scratch;
    let mut one = Vec::new();
    for (q, query) in queries.iter().enumerate() {
        low.clear();
        high.clear();
        drivers::split_query(query.words, low, high);
        products.clear();
        products.resize(query.positions.next_multiple_of(LANES), 0);
        avx2::scores(low, high, &cache.keys, products);
        drivers::scores(query, products, &mut one);
        scores[q * stride..][..one.len()].copy_from_slice(&one);
    }
}

/// 32 numbers in two vectors.
#[inline]
#[target_feature(enable = "avx2")]
fn halves(v: &[i16; 32]) -> [__m256i; 2] {
    // SAFETY: the array holds the 64 bytes that are read; no alignment is asked for.
    unsafe { [_mm256_loadu_si256(v.as_ptr().cast()), _mm256_loadu_si256(v.as_ptr().wrapping_add(16).cast())] }
}

/// Adds the weights times all values. `words`: of each pair of positions, each query's weights.
#[inline]
#[target_feature(enable = "avx2")]
fn weigh<const Q: usize, const G: usize>(words: &[i32], totals: &[u32], cache: &HeadCache, sums: &mut [i64]) {
    let words = words.as_chunks::<Q>().0;
    let most = i32::MAX as u32 / cache.largest_value.max(1);
    let ends = match totals[..Q].iter().all(|total| *total <= most) {
        true => alloc::vec![words.len()],
        false => runs(words, most),
    };
    let stride = cache.padded / LANES;
    let values = cache.values.as_chunks::<32>().0;
    let mut start = 0;
    for end in ends {
        let (words, values) = (&words[start..end], &values[start * stride..end * stride]);
        let mut first = 0;
        while first + G <= stride {
            elements::<Q, G>(words, values, stride, first, sums);
            first += G;
        }
        while first < stride {
            elements::<Q, 1>(words, values, stride, first, sums);
            first += 1;
        }
        start = end;
    }
}

/// Where to cut the pairs of positions, two at least in a run, so that no query's weights in a run add up to more than
/// `most`.
#[inline]
#[target_feature(enable = "avx2")]
fn runs<const Q: usize>(words: &[[i32; Q]], most: u32) -> Vec<usize> {
    let (mut ends, mut held) = (Vec::new(), [0u32; Q]);
    for (i, two) in words.chunks(2).enumerate() {
        let mut more = [0u32; Q];
        for word in two {
            for q in 0..Q {
                // Weights are below 2^15, a run's sum below 2^31.
                let (a, b) = (word[q] as u32 & 0xffff, word[q] as u32 >> 16);
                more[q] = more[q].wrapping_add(a).wrapping_add(b);
            }
        }
        let (mut full, mut together) = (false, held);
        for q in 0..Q {
            together[q] = together[q].wrapping_add(more[q]);
            full |= together[q] > most;
        }
        held = if full { more } else { together };
        if full && i > 0 {
            ends.push(2 * i);
        }
    }
    ends.push(words.len());
    ends
}

/// Elements from block `first` on: G blocks of 16.
#[inline]
#[target_feature(enable = "avx2")]
fn elements<const Q: usize, const G: usize>(
    words: &[[i32; Q]],
    values: &[[i16; 32]],
    stride: usize,
    first: usize,
    sums: &mut [i64],
) {
    let mut lanes = [[[_mm256_setzero_si256(); 2]; G]; Q];
    for (word, row) in words.iter().zip(values.chunks_exact(stride)) {
        let row = &row[first..first + G];
        for g in 0..G {
            let v = halves(&row[g]);
            for q in 0..Q {
                let word = _mm256_set1_epi32(word[q]);
                for half in 0..2 {
                    lanes[q][g][half] = _mm256_add_epi32(lanes[q][g][half], _mm256_madd_epi16(v[half], word));
                }
            }
        }
    }
    for q in 0..Q {
        for g in 0..G {
            let (out, _) = sums[(q * stride + first + g) * LANES..].as_chunks_mut::<4>();
            for half in 0..2 {
                avx2::more(&mut out[2 * half], _mm256_castsi256_si128(lanes[q][g][half]));
                avx2::more(&mut out[2 * half + 1], _mm256_extracti128_si256::<1>(lanes[q][g][half]));
            }
        }
    }
}
