//! Keys from one seed (BIP32), on fixed paths (`docs/protocol.md`, "Wallet keys"):
//!
//! | path | key |
//! |---|---|
//! | `m/44'/7077'/0'/0/i` | coins received, address i |
//! | `m/44'/7077'/0'/1/i` | change, address i |
//! | `m/44'/7077'/1'/j'/k'` | secret k of job number j ([`JobKey`]) |

use super::{KeyError, SecretKey};
use alloc::string::{String, ToString};
use bip32::ExtendedPrivateKey;
use core::fmt;
use zeroize::Zeroizing;

pub use bip32::{ChildNumber, DerivationPath};

/// Our number in the second place of a path (BIP44).
const COIN_TYPE: u32 = 7077;

/// Why a key cannot be derived.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DerivationError {
    /// A seed has another length.
    #[error("seed has {found} bytes, expected 16, 32 or 64")]
    SeedLength {
        /// Bytes found.
        found: usize,
    },
    /// Text is no path such as `m/44'/0'/0'/0/7`.
    #[error("'{found}' is no derivation path; expected one such as m/44'/7077'/0'/0/7")]
    Path {
        /// The text.
        found: String,
    },
    /// An index does not fit into 31 bits.
    #[error("key index {found} is too large, expected at most 2147483647")]
    Index {
        /// The index.
        found: u32,
    },
    /// The path is deeper than 255, or has no key (chance: 2^-127).
    #[error("this path has no key")]
    NoKey,
}

impl From<KeyError> for DerivationError {
    fn from(_: KeyError) -> Self {
        DerivationError::NoKey
    }
}

/// A secret key from which others are derived (BIP32).
#[derive(Clone)]
pub struct ExtendedKey(ExtendedPrivateKey<k256::SecretKey>);

impl ExtendedKey {
    /// The master key of a seed of 16, 32 or 64 bytes.
    pub fn master(seed: &[u8]) -> Result<Self, DerivationError> {
        if ![16, 32, 64].contains(&seed.len()) {
            return Err(DerivationError::SeedLength { found: seed.len() });
        }
        ExtendedPrivateKey::new(seed).map(ExtendedKey).map_err(|_| DerivationError::NoKey)
    }

    /// The key reached from here step by step.
    pub fn derive(&self, path: &[ChildNumber]) -> Result<Self, DerivationError> {
        let mut key = self.0.clone();
        for child in path {
            key = key.derive_child(*child).map_err(|_| DerivationError::NoKey)?;
        }
        Ok(ExtendedKey(key))
    }

    /// The key on a path such as `m/44'/7077'/0'/0/7`, seen from here.
    pub fn derive_path(&self, path: &str) -> Result<Self, DerivationError> {
        let parsed: DerivationPath = path.parse().map_err(|_| DerivationError::Path { found: path.to_string() })?;
        self.derive(parsed.as_ref())
    }

    /// The key itself, without its chain code.
    pub fn secret_key(&self) -> Result<SecretKey, DerivationError> {
        Ok(SecretKey::from_bytes(self.0.to_bytes())?)
    }

    /// The text form that other wallets read (`xprv...`).
    pub fn to_xprv(&self) -> Zeroizing<String> {
        self.0.to_string(bip32::Prefix::XPRV)
    }
}

impl fmt::Debug for ExtendedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ExtendedKey(hidden)")
    }
}

/// What a secret of one job is for: the last number of its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum JobKey {
    /// The client's key in the contract: signs settlement, close, demand, claim.
    Client = 0,
    /// The key to which the answer is sealed, for this job only.
    Encryption = 1,
    /// The key that may challenge in the client's place.
    Challenge = 2,
    /// The salt of the commitment to the private job parameters.
    PromptSalt = 3,
}

/// All keys of a wallet. Zeroized on drop.
#[derive(Clone)]
pub struct WalletKeys {
    receive: ExtendedKey,
    change: ExtendedKey,
    jobs: ExtendedKey,
}

impl WalletKeys {
    /// The keys that grow from a seed (a [`Seed`](super::Seed) of words, or 16 or 32 bytes).
    pub fn from_seed(seed: &[u8]) -> Result<Self, DerivationError> {
        let root = ExtendedKey::master(seed)?.derive(&[hardened(44)?, hardened(COIN_TYPE)?])?;
        Ok(WalletKeys {
            receive: root.derive(&[hardened(0)?, plain(0)?])?,
            change: root.derive(&[hardened(0)?, plain(1)?])?,
            jobs: root.derive(&[hardened(1)?])?,
        })
    }

    /// The key of receiving address `index`: `m/44'/7077'/0'/0/index`.
    pub fn receive(&self, index: u32) -> Result<SecretKey, DerivationError> {
        self.receive.derive(&[plain(index)?])?.secret_key()
    }

    /// The key of change address `index`: `m/44'/7077'/0'/1/index`.
    pub fn change(&self, index: u32) -> Result<SecretKey, DerivationError> {
        self.change.derive(&[plain(index)?])?.secret_key()
    }

    /// A secret of job number `index`: `m/44'/7077'/1'/index'/purpose'`. Where 32 secret bytes are wanted (a
    /// salt, `k`), they are the key's bytes.
    pub fn job(&self, index: u32, purpose: JobKey) -> Result<SecretKey, DerivationError> {
        self.jobs.derive(&[hardened(index)?, hardened(purpose as u32)?])?.secret_key()
    }
}

impl fmt::Debug for WalletKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WalletKeys(hidden)")
    }
}

fn plain(index: u32) -> Result<ChildNumber, DerivationError> {
    ChildNumber::new(index, false).map_err(|_| DerivationError::Index { found: index })
}

fn hardened(index: u32) -> Result<ChildNumber, DerivationError> {
    ChildNumber::new(index, true).map_err(|_| DerivationError::Index { found: index })
}
