//! New coins (`docs/protocol.md`, "Subsidy").

use super::NetworkParams;
use crate::units::{Amount, Height};

/// What the coinbase of the block at `height` may make: halved every `halving_interval` blocks, nothing in the
/// genesis block.
pub fn subsidy(params: &NetworkParams, height: Height) -> Amount {
    if height == Height(0) {
        return Amount::ZERO;
    }
    // From 64 halvings on the shift would be undefined; the subsidy is long zero.
    Amount(params.subsidy.0.checked_shr(height.0 / params.halving_interval).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::super::NetworkParams;
    use super::*;
    use crate::units::{MAX_MONEY, Network};

    #[test]
    fn halves_and_ends() {
        let p = NetworkParams::of(Network::Main);
        for (height, units) in [
            (0, 0),
            (1, 5_000_000_000),
            (999_999, 5_000_000_000),
            (1_000_000, 2_500_000_000),
            (32_999_999, 1),
            (33_000_000, 0),
            (64_000_000, 0),
            (u32::MAX, 0),
        ] {
            assert_eq!(subsidy(p, Height(height)), Amount(units), "{height}");
        }
    }

    #[test]
    fn all_of_it_is_below_the_most_there_can_be() {
        let p = NetworkParams::of(Network::Main);
        let total: u64 =
            (0..64).map(|era| subsidy(p, Height(era * p.halving_interval + 1)).0 * p.halving_interval as u64).sum();
        assert!(total <= MAX_MONEY.0);
        assert!(total > MAX_MONEY.0 - MAX_MONEY.0 / 1_000_000);
    }
}
