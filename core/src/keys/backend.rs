//! The curve: everything that the library for secp256k1 does for the other files of this room. A second
//! backend is a second file with the same items.

use k256::ecdsa::signature::hazmat::{PrehashSigner, PrehashVerifier};
use k256::ecdsa::{SigningKey, VerifyingKey};

/// A scalar from 1 to the order less 1, with its public key at hand. Zeroized on drop.
#[derive(Clone)]
pub(super) struct Secret(SigningKey);

impl Secret {
    /// `None` when the number is zero or not below the order.
    pub(super) fn from_bytes(bytes: &[u8; 32]) -> Option<Self> {
        SigningKey::from_slice(bytes).ok().map(Secret)
    }

    pub(super) fn to_bytes(&self) -> [u8; 32] {
        self.0.to_bytes().into()
    }

    /// The public point, compressed.
    pub(super) fn public_key(&self) -> [u8; 33] {
        let mut out = [0; 33];
        out.copy_from_slice(self.0.verifying_key().to_sec1_point(true).as_bytes());
        out
    }

    /// ECDSA with the nonce of RFC 6979 and a low s; r, then s.
    pub(super) fn sign(&self, hash: &[u8; 32]) -> [u8; 64] {
        let signature: k256::ecdsa::Signature =
            self.0.sign_prehash(hash).expect("a 32-byte hash can be signed with every secret key");
        signature.normalize_s().to_bytes().into()
    }

    /// The x coordinate of this scalar times the point, which must be valid.
    pub(super) fn shared_x(&self, public: &[u8; 33]) -> [u8; 32] {
        let point = point(public).expect("a PublicKey is a point of the curve");
        let shared = k256::ecdh::diffie_hellman(self.0.as_nonzero_scalar(), point.as_affine());
        (*shared.raw_secret_bytes()).into()
    }
}

/// Whether the bytes, which start with 2 or 3, are a point of the curve.
pub(super) fn is_point(bytes: &[u8; 33]) -> bool {
    point(bytes).is_some()
}

/// Whether the signature (r, then s; s low) is the key's for this hash.
pub(super) fn verify(public: &[u8; 33], hash: &[u8; 32], signature: &[u8; 64]) -> bool {
    match (point(public), k256::ecdsa::Signature::from_slice(signature)) {
        (Some(key), Ok(signature)) => key.verify_prehash(hash, &signature).is_ok(),
        _ => false,
    }
}

/// What the numbers of a signature are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Range {
    /// r and s from 1 to the order less 1, s in the lower half.
    Low,
    /// The same with s in the upper half.
    High,
    /// Something else.
    Outside,
}

/// Looks at r and s of a signature.
pub(super) fn range(signature: &[u8; 64]) -> Range {
    match k256::ecdsa::Signature::from_slice(signature) {
        Ok(s) if s.normalize_s() == s => Range::Low,
        Ok(_) => Range::High,
        Err(_) => Range::Outside,
    }
}

fn point(bytes: &[u8; 33]) -> Option<VerifyingKey> {
    VerifyingKey::from_sec1_bytes(bytes).ok()
}
