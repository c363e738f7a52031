//! Keys: secp256k1 key pairs and ECDSA (paper 2.2.1), addresses (2.2.2), mnemonic words and derivation
//! (BIP39, BIP32), sealing to a public key.
//!
//! The curve itself is reached through the folder `backend` alone: k256 in Rust, or, with the feature `libsecp256k1`,
//! Bitcoin's library in C, twice as fast.

mod address;
mod backend;
mod derive;
mod mnemonic;
mod password;
mod public;
mod seal;
mod secret;
mod signature;

pub use address::{Address, AddressError};
pub use derive::{ChildNumber, DerivationError, DerivationPath, ExtendedKey, JobKey, WalletKeys};
pub use mnemonic::{Mnemonic, MnemonicError, Seed};
pub use password::{PasswordCost, PasswordError};
pub use public::{PublicKey, VerifyingKey};
pub use seal::{SEAL_OVERHEAD, SealError, open, seal, stream_cipher};
pub use secret::SecretKey;
pub use signature::Signature;

/// Why bytes are no key or no signature.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// A secret key is zero, or not below the order of the curve.
    #[error("secret key is zero or not below the order of secp256k1")]
    SecretOutOfRange,
    /// A public key has another length than 33 bytes.
    #[error("public key has {found} bytes, expected 33 (compressed)")]
    PublicKeyLength {
        /// The length found.
        found: usize,
    },
    /// A public key starts with another byte than 2 or 3.
    #[error("public key starts with byte {found:#04x}, expected 0x02 or 0x03 (compressed)")]
    PublicKeyPrefix {
        /// The byte found.
        found: u8,
    },
    /// A public key's x coordinate belongs to no point of the curve.
    #[error("public key is not a point of secp256k1")]
    NotAPoint,
    /// Text is not the hexadecimal form of a public key.
    #[error("public key is not hexadecimal")]
    NotHex,
    /// A signature is not in strict DER.
    #[error("signature is not in strict DER")]
    NotDer,
    /// A signature's r or s is zero, or not below the order of the curve.
    #[error("signature has r or s that is zero or not below the order of secp256k1")]
    SignatureOutOfRange,
    /// A signature's s lies in the upper half (BIP62 rule 5).
    #[error("signature has a high s, expected the lower of s and order - s")]
    HighS,
}

#[cfg(test)]
mod tests;
