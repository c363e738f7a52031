//! Proof of work: the compact form of a target, the target, and work (`docs/protocol.md`, "Proof of
//! work and difficulty").

use crate::encode::{Decode, DecodeError, Encode, Reader};
use crate::hash::BlockHash;
use alloc::vec::Vec;
use core::fmt;
use crypto_bigint::{NonZero, U256};

/// Why a compact target is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// The sign bit of the mantissa is set.
    #[error("compact target {0} is negative, expected a positive one")]
    Negative(CompactTarget),
    /// The target does not fit in 256 bits.
    #[error("compact target {0} is over 256 bits")]
    Overflow(CompactTarget),
    /// The target is zero: no hash could reach it.
    #[error("compact target {0} is zero, expected a positive one")]
    Zero(CompactTarget),
    /// Another compact form stands for the same target.
    #[error("compact target {found} is not canonical, expected {expected}")]
    NotCanonical {
        /// The canonical form of the same target.
        expected: CompactTarget,
        /// What was found.
        found: CompactTarget,
    },
}

/// A target in a header's four bytes (`bits`): an exponent in bytes, then a mantissa of 23 bits and a sign.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CompactTarget(pub u32);

impl CompactTarget {
    /// The target that this stands for; negative, zero, too large and non-canonical forms are refused.
    pub fn target(self) -> Result<Target, TargetError> {
        let (exponent, mantissa) = (self.0 >> 24, self.0 & 0x007f_ffff);
        // "A compact target is positive, fits in 256 bits and is in its canonical form."
        if self.0 & 0x0080_0000 != 0 {
            return Err(TargetError::Negative(self));
        }
        let value = if exponent <= 3 {
            U256::from_u32(mantissa >> (8 * (3 - exponent)))
        } else {
            let mantissa = U256::from_u32(mantissa);
            let shift = 8 * (exponent - 3);
            if mantissa.bits_vartime() + shift > 256 {
                return Err(TargetError::Overflow(self));
            }
            mantissa.unbounded_shl_vartime(shift)
        };
        if value.is_zero_vartime() {
            return Err(TargetError::Zero(self));
        }
        let target = Target(value);
        let expected = target.compact();
        if expected != self {
            return Err(TargetError::NotCanonical { expected, found: self });
        }
        Ok(target)
    }
}

impl fmt::Display for CompactTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:08x}", self.0)
    }
}

impl Encode for CompactTarget {
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }
}

impl Decode for CompactTarget {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        u32::decode(r).map(CompactTarget)
    }
}

/// The largest value that a block's hash, read as a little-endian number, may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target(pub U256);

impl Target {
    /// The compact form, rounded down to what 23 bits of mantissa hold.
    pub fn compact(self) -> CompactTarget {
        let bytes = self.0.bits_vartime().div_ceil(8);
        let low = if bytes <= 3 {
            self.0.unbounded_shl_vartime(8 * (3 - bytes))
        } else {
            self.0.unbounded_shr_vartime(8 * (bytes - 3))
        };
        // At most three bytes are left.
        let mut mantissa = 0u32;
        for byte in low.to_be_bytes().as_ref().iter().skip(29) {
            mantissa = mantissa << 8 | *byte as u32;
        }
        // The mantissa's highest bit is the sign.
        if mantissa & 0x0080_0000 != 0 {
            CompactTarget((bytes + 1) << 24 | mantissa >> 8)
        } else {
            CompactTarget(bytes << 24 | mantissa)
        }
    }

    /// Whether a hash reaches the target.
    pub fn is_met_by(&self, hash: &BlockHash) -> bool {
        U256::from_le_slice(&hash.0) <= self.0
    }

    /// The number of hashes that reaching this target takes on average: 2^256 / (target + 1), rounded down.
    pub fn work(self) -> Work {
        // 2^256 / (t + 1) = (2^256 - t - 1) / (t + 1) + 1; for the largest target the sum wraps to zero.
        match NonZero::new(self.0.wrapping_add(&U256::ONE)).into_option() {
            Some(divisor) => {
                let (quotient, _) = U256::MAX.wrapping_sub(&self.0).div_rem_vartime(&divisor);
                // No target is zero, and only there would the sum be 2^256.
                Work(quotient.saturating_add(&U256::ONE))
            }
            None => Work(U256::ONE),
        }
    }
}

/// An expected number of hashes. Chains are compared by the sum over their blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Work(pub U256);

impl Work {
    /// No work.
    pub const ZERO: Work = Work(U256::ZERO);

    /// The sum (saturating: nobody does that much work).
    pub fn plus(self, other: Work) -> Work {
        Work(self.0.saturating_add(&other.0))
    }
}

impl fmt::Display for Work {
    /// Hexadecimal without leading zeros.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = hex::encode(self.0.to_be_bytes());
        let short = text.trim_start_matches('0');
        f.write_str(if short.is_empty() { "0" } else { short })
    }
}

impl Encode for Work {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0.to_le_bytes().as_ref());
    }
}

impl Decode for Work {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Work(U256::from_le_slice(&r.array::<32>()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use proptest::prelude::*;

    fn target(bits: u32) -> Result<Target, TargetError> {
        CompactTarget(bits).target()
    }

    /// The cases of Bitcoin's own tests of compact numbers; where those give a value that is not
    /// canonical, we refuse.
    #[test]
    fn compact_edges() {
        for zero in [0, 0x0012_3456, 0x0100_3456, 0x0200_0056, 0x0300_0000, 0x0400_0000, 0x2000_0000] {
            assert_eq!(target(zero), Err(TargetError::Zero(CompactTarget(zero))), "{zero:08x}");
        }
        for negative in [0x0492_3456, 0x01fe_dcba, 0x0480_0001] {
            assert_eq!(target(negative), Err(TargetError::Negative(CompactTarget(negative))));
        }
        for over in [0xff12_3456, 0x2200_0100, 0x2300_0001, 0x2101_0000] {
            assert_eq!(target(over), Err(TargetError::Overflow(CompactTarget(over))), "{over:08x}");
        }
        for (bits, value) in [
            (0x0112_0000, 0x12u64),
            (0x0200_8000, 0x80),
            (0x0500_9234, 0x9234_0000),
            (0x0412_3456, 0x1234_5600),
            (0x0312_3456, 0x12_3456),
        ] {
            assert_eq!(target(bits), Ok(Target(U256::from_u64(value))), "{bits:08x}");
        }
        let not = TargetError::NotCanonical { expected: CompactTarget(0x0112_0000), found: CompactTarget(0x0112_3456) };
        assert_eq!(target(0x0112_3456), Err(not));
        assert!(matches!(target(0x0400_1234), Err(TargetError::NotCanonical { .. })));
    }

    #[test]
    fn work_of_known_targets() {
        // Bitcoin's genesis block counts for 2^32 + 2^16 + 1 hashes.
        assert_eq!(target(0x1d00_ffff).unwrap().work().to_string(), "100010001");
        assert_eq!(Target(U256::MAX).work(), Work(U256::ONE));
        assert_eq!(Target(U256::ZERO).work(), Work(U256::MAX));
        assert_eq!(Work::ZERO.to_string(), "0");
    }

    proptest! {
        #[test]
        fn compact_is_stable_and_rounds_down(bytes: [u8; 32], shift in 0u32..256) {
            let t = Target(U256::from_le_slice(&bytes).unbounded_shr_vartime(shift));
            prop_assume!(!t.0.is_zero_vartime());
            let back = t.compact().target().unwrap();
            prop_assert!(back <= t);
            prop_assert_eq!(back.compact(), t.compact());
            prop_assert_eq!(Work::from_bytes(&t.work().to_bytes()), Ok(t.work()));
        }

        #[test]
        fn a_compact_target_has_one_form(bits: u32) {
            if let Ok(t) = target(bits) {
                prop_assert_eq!(t.compact(), CompactTarget(bits));
            }
        }
    }
}
