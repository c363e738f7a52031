//! Addresses: where coins are sent (paper 2.2.2).

use super::PublicKey;
use crate::hash::{KeyHash, sha256d};
use crate::units::Network;
use core::fmt;

/// Version, key hash and checksum.
const BYTES: usize = 1 + 20 + 4;
/// No 25 bytes take more than 50 Base58 digits (25 leading zeros take 25): longer text is not looked at.
const MAX_TEXT: usize = 50;

/// An address: the hash of a public key, on one network.
///
/// Its text is Base58 of version, hash and the first four bytes of the double SHA-256 of both (paper
/// 2.2.2). The paper's formula names the checksum and Base58Check, which would append it again: one it is,
/// as in Bitcoin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// The network.
    pub network: Network,
    /// Hash of the public key that may spend.
    pub hash: KeyHash,
}

/// Why text is not an address of the expected network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// A character is not a Base58 digit.
    #[error("address is not Base58: character '{character}' at position {position} (0, O, I and l are never used)")]
    NotBase58 {
        /// The character.
        character: char,
        /// Its position, from 1.
        position: usize,
    },
    /// The text stands for more or fewer than 25 bytes.
    #[error("address has the wrong length: {found} characters do not hold 25 bytes (is it cut off, or two in one?)")]
    WrongLength {
        /// Characters found.
        found: usize,
    },
    /// The checksum does not fit: a typing error.
    #[error("address has a wrong checksum: a character is mistyped or missing")]
    WrongChecksum,
    /// The version byte belongs to another of our networks.
    #[error("address is of network {found}, expected an address of network {expected}")]
    WrongNetwork {
        /// The network asked for.
        expected: Network,
        /// The network of the address.
        found: Network,
    },
    /// The version byte belongs to none of our networks.
    #[error("address has version byte {found:#04x}, expected {:#04x} (network {expected})", .expected.address_version())]
    UnknownVersion {
        /// The network asked for.
        expected: Network,
        /// The version byte found.
        found: u8,
    },
}

impl Address {
    /// The address of a public key.
    pub fn new(network: Network, key: &PublicKey) -> Self {
        Address { network, hash: key.hash() }
    }

    /// Reads an address, which must be one of `network`.
    pub fn parse(text: &str, network: Network) -> Result<Address, AddressError> {
        const DIGITS: &str = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
        let wrong_length = AddressError::WrongLength { found: text.chars().count() };
        if text.len() > MAX_TEXT {
            return Err(wrong_length);
        }
        if let Some((at, character)) = text.chars().enumerate().find(|(_, c)| !DIGITS.contains(*c)) {
            return Err(AddressError::NotBase58 { character, position: at + 1 });
        }
        let mut bytes = [0; MAX_TEXT];
        match bs58::decode(text).onto(&mut bytes[..]) {
            Ok(BYTES) => {}
            _ => return Err(wrong_length),
        }
        let (payload, checksum) = bytes[..BYTES].split_at(BYTES - 4);
        if sha256d(payload).0[..4] != *checksum {
            return Err(AddressError::WrongChecksum);
        }
        if payload[0] != network.address_version() {
            let found = payload[0];
            let other = [Network::Main, Network::Test, Network::Dev].into_iter().find(|n| n.address_version() == found);
            return Err(match other {
                Some(other) => AddressError::WrongNetwork { expected: network, found: other },
                None => AddressError::UnknownVersion { expected: network, found },
            });
        }
        let mut hash = KeyHash::ZERO;
        hash.0.copy_from_slice(&payload[1..]);
        Ok(Address { network, hash })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [0; BYTES];
        bytes[0] = self.network.address_version();
        bytes[1..21].copy_from_slice(&self.hash.0);
        let checksum = sha256d(&bytes[..21]);
        bytes[21..].copy_from_slice(&checksum.0[..4]);
        f.pad(&bs58::encode(bytes).into_string())
    }
}
