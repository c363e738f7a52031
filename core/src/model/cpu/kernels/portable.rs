//! Kernels in plain Rust.

use super::drivers::{self, gate_all, requantise};
use super::{Input, Product, Query, Scratch};
use crate::model::arithmetic::{activation, linear};
use crate::model::cpu::cache::{HeadCache, LANES};
use crate::model::package::Norm;
use alloc::vec::Vec;

drivers!(3);
attention_driver!();

/// The exact sums of rows from `row` on for some inputs.
fn tile<const R: usize, const T: usize>(p: &Product<'_>, row: usize, inputs: [&Input; T]) -> [[i64; R]; T] {
    inputs.map(|x| core::array::from_fn(|r| linear::dot(p.matrix.row(row + r), &x.values)))
}

/// The exact products of a query with keys, block after block.
fn scores(low: &[i32], high: &[i32], keys: &[i16], out: &mut [i64]) {
    let block = low.len() * 2 * LANES;
    let query: Vec<[i32; 2]> = low.iter().zip(high).map(|(l, h)| join(*l, *h, 8)).collect();
    for (keys, out) in keys.chunks_exact(block).zip(out.chunks_exact_mut(LANES)) {
        for ([a, b], keys) in query.iter().zip(keys.chunks_exact(2 * LANES)) {
            for (out, k) in out.iter_mut().zip(keys.chunks_exact(2)) {
                // Two products of int16 from -32767 on fit an i32.
                let sum = a.wrapping_mul(k[0] as i32).wrapping_add(b.wrapping_mul(k[1] as i32));
                *out = out.wrapping_add(sum as i64);
            }
        }
    }
}

/// Adds weights times values, pair of positions after pair.
fn weigh(low: &[i32], high: &[i32], values: &[i16], sums: &mut [i64]) {
    let rows = values.chunks_exact(2 * sums.len());
    for ((low, high), values) in low.iter().zip(high).zip(rows) {
        let [a, b] = join(*low, *high, 7);
        for (sum, v) in sums.iter_mut().zip(values.chunks_exact(2)) {
            let add = a.wrapping_mul(v[0] as i32).wrapping_add(b.wrapping_mul(v[1] as i32));
            *sum = sum.wrapping_add(add as i64);
        }
    }
}

/// The two numbers whose low `bits` and high bits are the words' halves.
fn join(low: i32, high: i32, bits: u32) -> [i32; 2] {
    let half = |word: i32, i: u32| (word >> (16 * i)) as i16 as i32;
    [0, 1].map(|i| (half(high, i) << bits) + half(low, i))
}
