//! The peers that a new node asks first (paper 2.1.1: "a set of predefined seed nodes, which are nodes known to be online
//! and reliable").

use super::{Multiaddr, parse_address};
use camelid_core::units::Network;

/// The seed nodes of a network, as `NAME:PORT`, `IP:PORT` or multiaddress. There is no public network yet: the lists are
/// empty, and a node finds others by `--peer` or the key `seeds` of its configuration.
pub const fn seeds(network: Network) -> &'static [&'static str] {
    match network {
        Network::Main => &[],
        Network::Test => &[],
        Network::Dev => &[],
    }
}

/// The seed nodes whose addresses can be found now; the others are named in the log.
pub(super) fn look_up(seeds: &[&str]) -> Vec<Multiaddr> {
    let found = seeds.iter().filter_map(|seed| match parse_address(seed) {
        Ok(address) => Some(address),
        Err(error) => {
            tracing::warn!("seed node left out: {error}");
            None
        }
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_seed_can_be_read_and_a_bad_one_is_left_out() {
        for network in [Network::Main, Network::Test, Network::Dev] {
            assert_eq!(look_up(seeds(network)).len(), seeds(network).len());
        }
        assert_eq!(look_up(&["127.0.0.1:7460", "no seed"]).len(), 1);
    }
}
