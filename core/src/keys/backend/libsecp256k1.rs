//! The curve by libsecp256k1, Bitcoin's library in C: the native node's, for its speed.
//!
//! Its tables are compiled in, so there is nothing to prepare. What it blinds its secret computations with changes from
//! one to the next by the secrets themselves: it wants no randomness from us, and results do not depend on it.

use super::Range;
use secp256k1::ecdsa::{self, Signature};
use secp256k1::{Message, PublicKey, SecretKey, ecdh};
use zeroize::Zeroize;

/// A point of the curve, computed from its 33 bytes.
pub(in crate::keys) type Point = PublicKey;

/// A scalar from 1 to the order less 1. Zeroized on drop.
#[derive(Clone)]
pub(in crate::keys) struct Secret(SecretKey);

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.non_secure_erase();
    }
}

impl Secret {
    /// `None` when the number is zero or not below the order.
    pub(in crate::keys) fn from_bytes(bytes: &[u8; 32]) -> Option<Self> {
        SecretKey::from_secret_bytes(*bytes).ok().map(Secret)
    }

    pub(in crate::keys) fn to_bytes(&self) -> [u8; 32] {
        self.0.to_secret_bytes()
    }

    /// The public point, compressed.
    pub(in crate::keys) fn public_key(&self) -> [u8; 33] {
        self.0.public_key().serialize()
    }

    /// ECDSA with the nonce of RFC 6979 and a low s; r, then s.
    pub(in crate::keys) fn sign(&self, hash: &[u8; 32]) -> [u8; 64] {
        ecdsa::sign(Message::from_digest(*hash), &self.0).serialize_compact()
    }

    /// The x coordinate of this scalar times the point, which must be valid.
    pub(in crate::keys) fn shared_x(&self, public: &[u8; 33]) -> [u8; 32] {
        let point = point(public).expect("a PublicKey is a point of the curve");
        let mut both = ecdh::shared_secret_point(&point, &self.0);
        let mut x = [0; 32];
        x.copy_from_slice(&both[..32]);
        both.zeroize();
        x
    }
}

/// Whether the signature (r, then s; s low) is the point's for this hash.
pub(in crate::keys) fn verify(key: &Point, hash: &[u8; 32], signature: &[u8; 64]) -> bool {
    // It refuses a high s, and, as r and s must be from 1 on, a zero too.
    let message = Message::from_digest(*hash);
    Signature::from_compact(signature).is_ok_and(|signature| ecdsa::verify(&signature, message, key).is_ok())
}

/// Looks at r and s of a signature.
pub(in crate::keys) fn range(signature: &[u8; 64]) -> Range {
    // The library refuses numbers from the order on, and takes zero.
    let is_zero = |number: &[u8]| number.iter().all(|byte| *byte == 0);
    let Ok(parsed) = Signature::from_compact(signature) else { return Range::Outside };
    if is_zero(&signature[..32]) || is_zero(&signature[32..]) {
        return Range::Outside;
    }
    let mut normal = parsed;
    normal.normalize_s();
    if normal == parsed { Range::Low } else { Range::High }
}

/// The point with these bytes, which start with 2 or 3.
pub(in crate::keys) fn point(bytes: &[u8; 33]) -> Option<Point> {
    PublicKey::from_byte_array_compressed(*bytes).ok()
}
