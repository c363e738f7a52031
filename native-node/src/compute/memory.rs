//! Memory for keys and values: how much a sequence takes, how much there may be.

use camelid_core::model::Package;
use std::fmt;
use std::str::FromStr;

/// Of keys and values where the system does not say how much memory it has.
const UNKNOWN: u64 = 1 << 30;

/// An amount of memory, written such as `512MB` or `4GB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Memory(pub u64);

/// Not an amount of memory.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no amount of memory: expected a number with MB or GB, such as 512MB or 4GB")]
pub struct MemoryUnit(pub String);

impl FromStr for Memory {
    type Err = MemoryUnit;

    fn from_str(text: &str) -> Result<Self, MemoryUnit> {
        let error = || MemoryUnit(text.into());
        let split = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(error)?;
        let (number, unit) = text.split_at(split);
        let unit = match unit.trim_start().to_ascii_uppercase().as_str() {
            "MB" => 1_000_000,
            "GB" => 1_000_000_000,
            _ => return Err(error()),
        };
        let number: u64 = number.parse().map_err(|_| error())?;
        number.checked_mul(unit).map(Memory).ok_or_else(error)
    }
}

impl fmt::Display for Memory {
    /// Rounded up: what is said to be needed is enough.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.div_ceil(1_000_000) {
            mega @ 0..10_000 => write!(f, "{mega}MB"),
            _ => write!(f, "{}GB", self.0.div_ceil(1_000_000_000)),
        }
    }
}

impl Memory {
    /// Half of what is free now.
    pub fn usual() -> Memory {
        Memory(available().map_or(UNKNOWN, |free| free.0 / 2))
    }
}

/// A sequence that can never be computed here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "too little memory: {tokens} tokens of this model need {needed} for keys and values, the limit is {limit}; give a larger --memory, or shorten prompt or limit"
)]
pub struct MemoryError {
    /// Its tokens.
    pub tokens: u64,
    /// What they need.
    pub needed: Memory,
    /// What there is.
    pub limit: Memory,
}

/// Memory for keys and values of a sequence of so many tokens, with the eighth that the CPU engine keeps to spare.
pub fn sequence_bytes(package: &Package, tokens: u64) -> Memory {
    let bytes = package.manifest().cache_bytes(tokens);
    Memory(bytes.saturating_add(bytes / 8))
}

/// The memory that programs can still have, if the system says so (Linux).
pub fn available() -> Option<Memory> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024).map(Memory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_and_rounded_up() {
        assert_eq!("512MB".parse(), Ok(Memory(512_000_000)));
        assert_eq!("4 gb".parse(), Ok(Memory(4_000_000_000)));
        for bad in ["", "4", "GB", "-1GB", "1.5GB", "4TB", "99999999999999GB"] {
            let error = bad.parse::<Memory>().unwrap_err().to_string();
            assert!(error.contains("such as 512MB or 4GB"), "{error}");
        }
        assert_eq!(Memory(1).to_string(), "1MB");
        assert_eq!(Memory(9_999_000_001).to_string(), "10GB");
    }
}
