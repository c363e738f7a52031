//! Units as types: amounts, heights, token ids, times. A bare integer never says what it counts.

use core::fmt;
use core::iter::Sum;

/// Units in one coin.
pub const COIN: u64 = 100_000_000;

/// The most that can ever exist: 100 million coins (`docs/protocol.md`, "Subsidy").
pub const MAX_MONEY: Amount = Amount(100_000_000 * COIN);

/// A sum of money in units; one coin is 100,000,000 units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(pub u64);

impl Amount {
    /// Nothing.
    pub const ZERO: Amount = Amount(0);

    /// An amount of whole coins.
    pub const fn from_coins(coins: u64) -> Self {
        Amount(coins * COIN)
    }

    /// The sum, or `None` past [`MAX_MONEY`].
    pub fn checked_add(self, other: Amount) -> Option<Amount> {
        self.0.checked_add(other.0).map(Amount).filter(|a| *a <= MAX_MONEY)
    }

    /// The difference, or `None` below zero.
    pub fn checked_sub(self, other: Amount) -> Option<Amount> {
        self.0.checked_sub(other.0).map(Amount)
    }

    /// The difference, zero at least.
    pub fn saturating_sub(self, other: Amount) -> Amount {
        Amount(self.0.saturating_sub(other.0))
    }

    /// The product, or `None` past [`MAX_MONEY`].
    pub fn checked_mul(self, times: u64) -> Option<Amount> {
        self.0.checked_mul(times).map(Amount).filter(|a| *a <= MAX_MONEY)
    }

    /// The checked sum of many; `None` past [`MAX_MONEY`].
    pub fn sum_checked(amounts: impl IntoIterator<Item = Amount>) -> Option<Amount> {
        amounts.into_iter().try_fold(Amount::ZERO, Amount::checked_add)
    }

    /// Parses a decimal number of coins, such as `12.5`, with at most eight decimals.
    pub fn parse_coins(text: &str) -> Option<Amount> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        if fraction.len() > 8 || (whole.is_empty() && fraction.is_empty()) || !digits(whole) || !digits(fraction) {
            return None;
        }
        let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        let mut units = if fraction.is_empty() { 0 } else { fraction.parse::<u64>().ok()? };
        for _ in fraction.len()..8 {
            units *= 10;
        }
        whole.checked_mul(COIN)?.checked_add(units).map(Amount).filter(|a| *a <= MAX_MONEY)
    }
}

impl Sum for Amount {
    /// Saturates: for display and statistics only. Consensus uses [`Amount::sum_checked`].
    fn sum<I: Iterator<Item = Amount>>(iter: I) -> Self {
        Amount(iter.fold(0u64, |a, b| a.saturating_add(b.0)))
    }
}

impl fmt::Display for Amount {
    /// Coins with the decimals that are needed, at least two.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, mut fraction, mut width) = (self.0 / COIN, self.0 % COIN, 8);
        while width > 2 && fraction % 10 == 0 {
            fraction /= 10;
            width -= 1;
        }
        write!(f, "{whole}.{fraction:0width$}")
    }
}

/// A block's height: its distance from the genesis block, which has height 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Height(pub u32);

impl Height {
    /// The height `blocks` above this one (saturating: no chain gets that long).
    pub const fn plus(self, blocks: u32) -> Height {
        Height(self.0.saturating_add(blocks))
    }

    /// How many blocks this height lies above `other`; 0 when it does not.
    pub const fn since(self, other: Height) -> u32 {
        self.0.saturating_sub(other.0)
    }

    /// The height of the next block.
    pub const fn next(self) -> Height {
        self.plus(1)
    }
}

impl fmt::Display for Height {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Index of a token in a model's vocabulary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenId(pub u32);

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Seconds since 1970-01-01 00:00 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub u32);

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which network: their blocks, addresses and signatures do not mix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Network {
    /// Real money.
    Main,
    /// Rehearsal with the rules of `Main`.
    Test,
    /// One's own machine: fast blocks, easy work.
    Dev,
}

impl Network {
    /// Four bytes that name the network on the wire, on disk and in signatures.
    pub const fn magic(self) -> [u8; 4] {
        match self {
            Network::Main => *b"CAMm",
            Network::Test => *b"CAMt",
            Network::Dev => *b"CAMd",
        }
    }

    /// The name used in configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Network::Main => "main",
            Network::Test => "test",
            Network::Dev => "dev",
        }
    }

    /// The first byte of an address: the paper's 0x00 on `Main` (2.2.2).
    pub const fn address_version(self) -> u8 {
        match self {
            Network::Main => 0x00,
            Network::Test => 0x6f,
            Network::Dev => 0x78,
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl core::str::FromStr for Network {
    type Err = UnknownNetwork;

    fn from_str(text: &str) -> Result<Self, UnknownNetwork> {
        match text {
            "main" => Ok(Network::Main),
            "test" => Ok(Network::Test),
            "dev" => Ok(Network::Dev),
            _ => Err(UnknownNetwork),
        }
    }
}

/// A network name that does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown network: expected main, test or dev")]
pub struct UnknownNetwork;

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn coins_print_and_parse() {
        for (units, text) in [(0, "0.00"), (1, "0.00000001"), (150_000_000, "1.50"), (5_000_000_000, "50.00")] {
            assert_eq!(Amount(units).to_string(), text);
            assert_eq!(Amount::parse_coins(text), Some(Amount(units)));
        }
        for bad in ["", ".", "-1", "1.123456789", "1e3", "99999999999999999999", "100000000.00000001", "+1"] {
            assert_eq!(Amount::parse_coins(bad), None, "{bad}");
        }
    }

    #[test]
    fn sums_stop_at_max_money() {
        assert_eq!(MAX_MONEY.checked_add(Amount(1)), None);
        assert_eq!(Amount::sum_checked([Amount(1), Amount(2)]), Some(Amount(3)));
    }
}
