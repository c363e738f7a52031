//! SiLU, GELU: `x * gate(x)` with the gate in a table that the package holds.

use super::{FRACTION, rescale, round_shift};
use crate::model::package::PackageError;

/// Entries of the table: gate(i / 64) for i from 0 to 1024, with 24 fraction bits.
pub const TABLE_LEN: usize = 1025;

/// Fraction bits of an entry.
pub const TABLE_FRACTION: u32 = 24;

/// A gate that lets all through.
pub(crate) const ONE: u32 = 1 << TABLE_FRACTION;

/// Bits of x (with fraction 16) below one step of the table.
const STEP_BITS: u32 = 10;

/// Neighbouring entries may differ by this much: their difference times a step's part fits an i32.
const MAX_STEP: u32 = 1 << 20;

/// Checks that no entry is above one and no two neighbours lie too far apart.
pub fn check_table(table: &[u32]) -> Result<(), PackageError> {
    let error = |index, expected, found| {
        Err(PackageError::Value { table: "activation table", index: index as u64, expected, found: found as i64 })
    };
    if let Some((i, v)) = table.iter().enumerate().find(|(_, v)| **v > ONE) {
        return error(i, "0 to 2^24", *v);
    }
    match table.windows(2).enumerate().find(|(_, pair)| pair[0].abs_diff(pair[1]) > MAX_STEP) {
        Some((i, pair)) => error(i + 1, "2^20 around the entry before", pair[1]),
        None => Ok(()),
    }
}

/// The gate of x (fraction 16) with fraction 24: linear between entries, the last entry from 16 on;
/// `gate(-x) = 1 - gate(x)`.
#[inline]
pub fn gate(table: &[u32], x: i32) -> i32 {
    let magnitude = x.unsigned_abs();
    let (index, part) = ((magnitude >> STEP_BITS) as usize, (magnitude & ((1 << STEP_BITS) - 1)) as i32);
    let at = |i: usize| table.get(i.min(TABLE_LEN - 1)).copied().unwrap_or(0) as i32;
    let (from, to) = (at(index), at(index.saturating_add(1)));
    let gate = from + (((to - from) * part) >> STEP_BITS);
    if x < 0 { ONE as i32 - gate } else { gate }
}

/// `x * gate(x)`, fraction 16 in and out.
#[inline]
pub fn activate(table: &[u32], x: i32) -> i32 {
    round_shift(x as i64 * gate(table, x) as i64, TABLE_FRACTION) as i32
}

/// The gated MLP's hidden vector: `activate(gate) * up`, saturating, fraction 16.
#[inline]
pub fn gated(table: &[u32], gate: i32, up: i32) -> i32 {
    rescale(activate(table, gate) as i64 * up as i64, FRACTION)
}
