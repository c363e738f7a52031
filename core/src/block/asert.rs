//! The difficulty rule: ASERT (aserti3-2d), in integers alone (`docs/protocol.md`, "Proof of work and
//! difficulty"; the specification is Bitcoin Cash's of 2020-11-15).

use super::{CompactTarget, NetworkParams, Target};
use crate::units::{Height, Timestamp};
use crypto_bigint::{U256, U512};

/// Where a chain's schedule starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AsertAnchor {
    /// The anchor block's height.
    pub height: Height,
    /// The anchor block's target.
    pub bits: CompactTarget,
    /// The time at which the block before the anchor was due: on our networks the anchor's own time
    /// less one interval. May lie before 1970.
    pub parent_time: i64,
}

impl AsertAnchor {
    /// The anchor of a chain whose block 1 has this time.
    ///
    /// Block 1 and not the genesis block: a network's schedule starts when somebody starts it, not when
    /// its parameters were written down. A genesis date long past would ask for the blocks of all that time at once.
    pub fn block_one(params: &NetworkParams, time: Timestamp) -> Self {
        AsertAnchor {
            height: Height(1),
            bits: params.pow_limit,
            parent_time: time.0 as i64 - params.block_interval as i64,
        }
    }
}

/// The target of the block after the one at `height` with time `time`: it halves for each half-life that
/// the chain is ahead of its schedule and doubles for each that it is behind, and is never easier than the limit.
pub fn asert(params: &NetworkParams, anchor: &AsertAnchor, height: Height, time: Timestamp) -> CompactTarget {
    let (limit, Ok(start)) = (params.pow_limit, anchor.bits.target()) else {
        // The anchor's target was checked with its header.
        return params.pow_limit;
    };
    let Ok(limit_target) = limit.target() else { return limit };
    match next_target(
        start,
        time.0 as i64 - anchor.parent_time,
        height.0 as i64 - anchor.height.0 as i64,
        params.block_interval,
        params.difficulty_half_life,
    ) {
        Some(target) if target <= limit_target => target.compact(),
        _ => limit,
    }
}

/// `None` where the target would be over 256 bits. Times are seconds; heights and times are 32-bit numbers, so
/// nothing here overflows.
fn next_target(start: Target, time_delta: i64, height_delta: i64, interval: u32, half_life: u32) -> Option<Target> {
    const RADIX_BITS: u32 = 16;
    let ahead = time_delta - interval as i64 * (height_delta + 1);
    // Truncates towards zero, as the specification does.
    let exponent = (ahead << RADIX_BITS) / half_life as i64;
    let (shift, fraction) = (exponent >> RADIX_BITS, (exponent & 0xffff) as u64);
    // 2^x on [0, 1) by a cubic, in units of 2^-16. The sum stays below 2^64.
    let factor = ((195_766_423_245_049 * fraction
        + 971_821_376 * fraction * fraction
        + 5_127 * fraction * fraction * fraction
        + (1 << 47))
        >> 48)
        + (1 << RADIX_BITS);
    let product: U512 = start.0.resize::<{ U512::LIMBS }>().wrapping_mul(&U512::from_u64(factor));
    let shift = shift - RADIX_BITS as i64;
    let shifted = if shift <= 0 {
        product.unbounded_shr_vartime(shift.unsigned_abs().min(512) as u32)
    } else {
        if product.bits_vartime() as i64 + shift > 256 {
            return None;
        }
        product.unbounded_shl_vartime(shift as u32)
    };
    if shifted.bits_vartime() > 256 {
        return None;
    }
    let target: U256 = shifted.resize::<{ U256::LIMBS }>();
    Some(Target(if target.is_zero_vartime() { U256::ONE } else { target }))
}

#[cfg(test)]
#[path = "asert_tests.rs"]
mod tests;
