//! Public keys.

use super::{KeyError, Signature, backend};
use crate::encode::{Decode, DecodeError, Encode, Reader};
use crate::hash::{Hash32, KeyHash, hash160};
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

/// A public key: a point of secp256k1, compressed (33 bytes). Every value of this type is a valid point.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 33]);

impl PublicKey {
    /// The key with these 33 bytes: 2 or 3 (the parity of y), then x.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        let bytes = compressed(bytes)?;
        backend::point(&bytes).map(|_| PublicKey(bytes)).ok_or(KeyError::NotAPoint)
    }

    /// For bytes that came from the curve itself.
    pub(super) fn trusted(bytes: [u8; 33]) -> Self {
        PublicKey(bytes)
    }

    /// The 33 bytes.
    pub fn as_bytes(&self) -> &[u8; 33] {
        &self.0
    }

    /// RIPEMD-160 of SHA-256 of the 33 bytes (paper 2.2.2).
    pub fn hash(&self) -> KeyHash {
        hash160(&self.0)
    }

    /// Whether `signature` is this key's for `hash`.
    pub fn verify(&self, hash: &Hash32, signature: &Signature) -> bool {
        backend::point(&self.0).is_some_and(|point| backend::verify(&point, &hash.0, signature.as_bytes()))
    }

    /// The same by the reference backend, k256, whichever is used otherwise: to compare results and speed.
    pub fn verify_by_reference(&self, hash: &Hash32, signature: &Signature) -> bool {
        let point = backend::k256::point(&self.0);
        point.is_some_and(|point| backend::k256::verify(&point, &hash.0, signature.as_bytes()))
    }
}

/// A public key that signatures are to be checked with at once: finding its point is a good part of a check, and is done once.
#[derive(Clone)]
pub struct VerifyingKey(backend::Point);

impl VerifyingKey {
    /// As [`PublicKey::from_bytes`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        backend::point(&compressed(bytes)?).map(VerifyingKey).ok_or(KeyError::NotAPoint)
    }

    /// As [`PublicKey::verify`].
    pub fn verify(&self, hash: &Hash32, signature: &Signature) -> bool {
        backend::verify(&self.0, &hash.0, signature.as_bytes())
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VerifyingKey")
    }
}

/// 33 bytes that start with 2 or 3.
fn compressed(bytes: &[u8]) -> Result<[u8; 33], KeyError> {
    let bytes: [u8; 33] = bytes.try_into().map_err(|_| KeyError::PublicKeyLength { found: bytes.len() })?;
    // SEC 1 has more forms of this length than the compressed one.
    if matches!(bytes[0], 2 | 3) { Ok(bytes) } else { Err(KeyError::PublicKeyPrefix { found: bytes[0] }) }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        if text.len() != 66 {
            return Err(KeyError::PublicKeyLength { found: text.len() / 2 });
        }
        PublicKey::from_bytes(&hex::decode(text).map_err(|_| KeyError::NotHex)?)
    }
}

impl Encode for PublicKey {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
}

impl Decode for PublicKey {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        PublicKey::from_bytes(r.take(33)?).map_err(|_| DecodeError::Malformed("public key"))
    }
}
