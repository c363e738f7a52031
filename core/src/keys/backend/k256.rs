//! The curve by k256, in Rust: everywhere without the feature `libsecp256k1`, and what the other backend is held against.

use super::Range;
use k256::ecdsa::signature::hazmat::{PrehashSigner, PrehashVerifier};
use k256::ecdsa::{SigningKey, VerifyingKey};

/// A point of the curve, computed from its 33 bytes.
pub(in crate::keys) type Point = VerifyingKey;

/// A scalar from 1 to the order less 1, with its public key at hand. Zeroized on drop.
#[derive(Clone)]
pub(in crate::keys) struct Secret(SigningKey);

impl Secret {
    /// `None` when the number is zero or not below the order.
    pub(in crate::keys) fn from_bytes(bytes: &[u8; 32]) -> Option<Self> {
        SigningKey::from_slice(bytes).ok().map(Secret)
    }

    pub(in crate::keys) fn to_bytes(&self) -> [u8; 32] {
        self.0.to_bytes().into()
    }

    /// The public point, compressed.
    pub(in crate::keys) fn public_key(&self) -> [u8; 33] {
        let mut out = [0; 33];
        out.copy_from_slice(self.0.verifying_key().to_sec1_point(true).as_bytes());
        out
    }

    /// ECDSA with the nonce of RFC 6979 and a low s; r, then s.
    pub(in crate::keys) fn sign(&self, hash: &[u8; 32]) -> [u8; 64] {
        let signature: k256::ecdsa::Signature =
            self.0.sign_prehash(hash).expect("a 32-byte hash can be signed with every secret key");
        signature.normalize_s().to_bytes().into()
    }

    /// The x coordinate of this scalar times the point, which must be valid.
    pub(in crate::keys) fn shared_x(&self, public: &[u8; 33]) -> [u8; 32] {
        let point = point(public).expect("a PublicKey is a point of the curve");
        let shared = k256::ecdh::diffie_hellman(self.0.as_nonzero_scalar(), point.as_affine());
        (*shared.raw_secret_bytes()).into()
    }
}

/// Whether the signature (r, then s; s low) is the point's for this hash.
pub(in crate::keys) fn verify(key: &Point, hash: &[u8; 32], signature: &[u8; 64]) -> bool {
    k256::ecdsa::Signature::from_slice(signature).is_ok_and(|signature| key.verify_prehash(hash, &signature).is_ok())
}

/// Looks at r and s of a signature.
pub(in crate::keys) fn range(signature: &[u8; 64]) -> Range {
    match k256::ecdsa::Signature::from_slice(signature) {
        Ok(s) if s.normalize_s() == s => Range::Low,
        Ok(_) => Range::High,
        Err(_) => Range::Outside,
    }
}

/// The point with these bytes, which start with 2 or 3.
pub(in crate::keys) fn point(bytes: &[u8; 33]) -> Option<Point> {
    VerifyingKey::from_sec1_bytes(bytes).ok()
}
