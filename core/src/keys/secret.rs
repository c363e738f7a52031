//! Secret keys.

use super::{KeyError, PublicKey, Signature, backend};
use crate::hash::Hash32;
use core::fmt;
use zeroize::Zeroize;

/// A secret key: a number from 1 to the order of secp256k1 less 1 (paper 2.2.1). Zeroized on drop; shown nowhere.
#[derive(Clone)]
pub struct SecretKey(pub(super) backend::Secret);

impl SecretKey {
    /// The key whose number these bytes are, most significant byte first.
    pub fn from_bytes(mut bytes: [u8; 32]) -> Result<Self, KeyError> {
        let secret = backend::Secret::from_bytes(&bytes);
        bytes.zeroize();
        secret.map(SecretKey).ok_or(KeyError::SecretOutOfRange)
    }

    /// The key's number, most significant byte first. The caller wipes it.
    pub fn to_bytes(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// The public key: this number times the generator (paper 2.2.1).
    pub fn public_key(&self) -> PublicKey {
        PublicKey::trusted(self.0.public_key())
    }

    /// Signs a hash: ECDSA with the nonce of RFC 6979, s in the lower half.
    pub fn sign(&self, hash: &Hash32) -> Signature {
        Signature::trusted(self.0.sign(&hash.0))
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(hidden)")
    }
}
