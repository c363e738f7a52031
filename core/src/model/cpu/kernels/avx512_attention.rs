//! Attention with AVX-512 VNNI: int16 products added in pairs (`vpdpwssd`), several queries at once, so that a key or
//! value is loaded once for all of them.

use super::{Query, Scratch, drivers};
use crate::model::cpu::cache::{HeadCache, LANES};
use core::arch::x86_64::*;

/// See [`Kernel::attend`](super::Kernel::attend).
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
pub(super) fn attend(queries: &[Query<'_>], cache: &HeadCache, scratch: &mut Scratch) {
    match *queries {
        [a] => together::<1, 4>([a], cache, scratch),
        [a, b] => together::<2, 2>([a, b], cache, scratch),
        [a, b, c] => together::<3, 2>([a, b, c], cache, scratch),
        [a, b, c, d] => together::<4, 2>([a, b, c, d], cache, scratch),
        _ => {}
    }
}

/// Q queries, B blocks of keys at a time.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
fn together<const Q: usize, const B: usize>(queries: [Query<'_>; Q], cache: &HeadCache, scratch: &mut Scratch) {
    let Scratch { low, high, products, scores, weights, sums, totals } = scratch;
    let longest = queries.iter().map(|q| q.positions).max().unwrap_or(0);
    let stride = longest.next_multiple_of(LANES);
    products.clear();
    products.resize(Q * stride, 0);
    low.clear();
    high.clear();
    for query in &queries {
        drivers::split_query(query.words, low, high);
    }
    let (block, blocks) = (cache.width * LANES, stride / LANES);
    let mut at = 0;
    while at + B <= blocks {
        multiply::<Q, B>(low, high, &cache.keys[at * block..(at + B) * block], &mut products[at * LANES..], stride);
        at += B;
    }
    while at < blocks {
        multiply::<Q, 1>(low, high, &cache.keys[at * block..(at + 1) * block], &mut products[at * LANES..], stride);
        at += 1;
    }
    low.clear();
    high.clear();
    let pairs = longest.div_ceil(2);
    for (q, query) in queries.iter().enumerate() {
        drivers::scores(query, &products[q * stride..], scores);
        totals[q] = drivers::softmax(scores, pairs, weights, low, high);
    }
    let mut q = 0;
    while q < Q {
        if q + 2 <= Q {
            weigh::<2>([q, q + 1], pairs, low, high, cache, sums);
            q += 2;
        } else {
            weigh::<1>([q], pairs, low, high, cache, sums);
            q += 1;
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(v: &[i16; 32]) -> __m512i {
    // SAFETY: the array holds the 64 bytes that are read; no alignment is asked for.
    unsafe { _mm512_loadu_si512(v.as_ptr().cast()) }
}

/// Adds the exact products of Q queries with B blocks of keys; query q's from `out[q * stride]` on.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512vnni")]
fn multiply<const Q: usize, const B: usize>(low: &[i32], high: &[i32], keys: &[i16], out: &mut [i64], stride: usize) {
    let pairs = low.len() / Q;
    let keys = keys.as_chunks::<32>().0;
    for start in (0..pairs).step_by(drivers::PAIRS) {
        let steps = drivers::PAIRS.min(pairs - start);
        let (mut k_at, mut l_at, mut h_at) = ([&keys[..0]; B], [&low[..0]; Q], [&low[..0]; Q]);
        for b in 0..B {
            k_at[b] = &keys[b * pairs + start..][..steps];
        }
        for q in 0..Q {
            l_at[q] = &low[q * pairs + start..][..steps];
            h_at[q] = &high[q * pairs + start..][..steps];
        }
        let mut l = [[_mm512_setzero_si512(); B]; Q];
        let mut h = l;
        for i in 0..steps {
            let mut k = [_mm512_setzero_si512(); B];
            for b in 0..B {
                k[b] = load(&k_at[b][i]);
            }
            for q in 0..Q {
                let (ql, qh) = (_mm512_set1_epi32(l_at[q][i]), _mm512_set1_epi32(h_at[q][i]));
                for b in 0..B {
                    l[q][b] = _mm512_dpwssd_epi32(l[q][b], k[b], ql);
                    h[q][b] = _mm512_dpwssd_epi32(h[q][b], k[b], qh);
                }
            }
        }
        for q in 0..Q {
            let (out, _) = out[q * stride..].as_chunks_mut::<LANES>();
            for b in 0..B {
                add::<8>(&mut out[b], l[q][b], h[q][b]);
            }
        }
    }
}

/// Adds the weights of some queries times all values, up to 64 elements at a time.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512vnni")]
fn weigh<const Q: usize>(
    which: [usize; Q],
    pairs: usize,
    low: &[i32],
    high: &[i32],
    cache: &HeadCache,
    sums: &mut [i64],
) {
    let stride = cache.padded / LANES;
    for start in (0..pairs).step_by(drivers::PAIRS) {
        let end = pairs.min(start + drivers::PAIRS);
        let values = &cache.values.as_chunks::<32>().0[start * stride..end * stride];
        let (mut l, mut h) = ([&low[..0]; Q], [&low[..0]; Q]);
        for q in 0..Q {
            l[q] = &low[which[q] * pairs..][start..end];
            h[q] = &high[which[q] * pairs..][start..end];
        }
        let mut first = 0;
        while first + 4 <= stride {
            elements::<Q, 4>(which, l, h, values, stride, first, sums);
            first += 4;
        }
        while first < stride {
            elements::<Q, 1>(which, l, h, values, stride, first, sums);
            first += 1;
        }
    }
}

/// Elements from block `first` on: G blocks of 16.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512vnni")]
fn elements<const Q: usize, const G: usize>(
    which: [usize; Q],
    low: [&[i32]; Q],
    high: [&[i32]; Q],
    values: &[[i16; 32]],
    stride: usize,
    first: usize,
    sums: &mut [i64],
) {
    let mut l = [[_mm512_setzero_si512(); G]; Q];
    let mut h = l;
    for (i, row) in values.chunks_exact(stride).enumerate() {
        let row = &row[first..first + G];
        let mut v = [_mm512_setzero_si512(); G];
        for g in 0..G {
            v[g] = load(&row[g]);
        }
        for q in 0..Q {
            let (pl, ph) = (_mm512_set1_epi32(low[q][i]), _mm512_set1_epi32(high[q][i]));
            for g in 0..G {
                l[q][g] = _mm512_dpwssd_epi32(l[q][g], v[g], pl);
                h[q][g] = _mm512_dpwssd_epi32(h[q][g], v[g], ph);
            }
        }
    }
    for q in 0..Q {
        let (out, _) = sums[which[q] * stride * LANES..].as_chunks_mut::<LANES>();
        for g in 0..G {
            add::<7>(&mut out[first + g], l[q][g], h[q][g]);
        }
    }
}

/// Adds high * 2^BITS + low to 16 sums.
#[inline]
#[target_feature(enable = "avx512f")]
fn add<const BITS: u32>(out: &mut [i64; LANES], low: __m512i, high: __m512i) {
    let (first, second) = out.split_at_mut(8);
    let halves = [
        (first, _mm512_castsi512_si256(low), _mm512_castsi512_si256(high)),
        (second, _mm512_extracti64x4_epi64::<1>(low), _mm512_extracti64x4_epi64::<1>(high)),
    ];
    for (out, low, high) in halves {
        let high = _mm512_slli_epi64::<BITS>(_mm512_cvtepi32_epi64(high));
        let more = _mm512_add_epi64(high, _mm512_cvtepi32_epi64(low));
        // SAFETY: each half holds the 64 bytes that are read and written; no alignment is asked for.
        unsafe {
            let sum = _mm512_add_epi64(_mm512_loadu_si512(out.as_ptr().cast()), more);
            _mm512_storeu_si512(out.as_mut_ptr().cast(), sum);
        }
    }
}
