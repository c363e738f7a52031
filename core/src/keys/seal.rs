//! Sealing to a public key, and the plain stream cipher (`docs/protocol.md`, "Sealing").
//!
//! Sealed = ephemeral public key (33 bytes) ‖ ciphertext ‖ tag (16 bytes). The cipher is
//! ChaCha20-Poly1305 (RFC 8439) with key and nonce from HKDF-SHA256 over the x coordinate of the
//! Diffie-Hellman point, bound to both public keys and to a context. A secret key opens given bytes to
//! one plaintext or to an error: nothing else can be shown to anybody who knows that key.

use super::{PublicKey, SecretKey};
use crate::hash::{sha256, tagged_hash};
use alloc::vec::Vec;
use chacha20::cipher::{KeyIvInit, StreamCipher};
use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce, Tag};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

const KEY: usize = 33;
const TAG: usize = 16;

/// How many bytes longer than its plaintext a sealed message is.
pub const SEAL_OVERHEAD: usize = KEY + TAG;

/// Why a sealed message does not open.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The message is shorter than its frame.
    #[error("sealed message has {found} bytes, expected at least {}", SEAL_OVERHEAD)]
    TooShort {
        /// Bytes found.
        found: usize,
    },
    /// It does not begin with a public key.
    #[error("sealed message does not begin with a public key")]
    NoKey,
    /// The tag does not fit.
    #[error("sealed message does not open: it is for another key or context, or was altered")]
    DoesNotOpen,
}

/// Seals `plaintext` so that only the owner of `to` can open it, and only under the same `context`.
///
/// The ephemeral key is drawn from `ephemeral`, the recipient, the context and the plaintext together:
/// the same arguments give the same bytes, and an `ephemeral` that is used again harms nobody.
pub fn seal(to: &PublicKey, ephemeral: &SecretKey, context: &[u8], plaintext: &[u8]) -> Vec<u8> {
    let ephemeral = draw(to, ephemeral, context, plaintext);
    let public = ephemeral.public_key();
    let shared = Zeroizing::new(ephemeral.0.shared_x(to.as_bytes()));
    let (cipher, nonce) = cipher(&shared, &public, to, context);
    let mut out = Vec::with_capacity(plaintext.len() + SEAL_OVERHEAD);
    out.extend_from_slice(public.as_bytes());
    out.extend_from_slice(plaintext);
    // Fails past 256 GiB only, which no message reaches.
    let tag = cipher.encrypt_inout_detached(&nonce, &[], (&mut out[KEY..]).into()).expect("plaintext below 256 GiB");
    out.extend_from_slice(&tag);
    out
}

/// Opens what was sealed to the public key of `key` under `context`.
pub fn open(key: &SecretKey, context: &[u8], sealed: &[u8]) -> Result<Vec<u8>, SealError> {
    let too_short = SealError::TooShort { found: sealed.len() };
    let (public, rest) = sealed.split_at_checked(KEY).ok_or(too_short.clone())?;
    let (ciphertext, tag) = rest.len().checked_sub(TAG).and_then(|n| rest.split_at_checked(n)).ok_or(too_short)?;
    let public = PublicKey::from_bytes(public).map_err(|_| SealError::NoKey)?;
    let shared = Zeroizing::new(key.0.shared_x(public.as_bytes()));
    let (cipher, nonce) = cipher(&shared, &public, &key.public_key(), context);
    let tag = Tag::try_from(tag).map_err(|_| SealError::DoesNotOpen)?;
    let mut out = ciphertext.to_vec();
    cipher.decrypt_inout_detached(&nonce, &[], out.as_mut_slice().into(), &tag).map_err(|_| SealError::DoesNotOpen)?;
    Ok(out)
}

/// Encrypts or decrypts in place: ChaCha20 (RFC 8439) under `key` with nonce and counter zero. No
/// authentication: every key opens everything to something. One key serves one message, of at most 256 GiB.
pub fn stream_cipher(key: &[u8; 32], data: &mut [u8]) {
    chacha20::ChaCha20::new(key.into(), &[0; 12].into()).apply_keystream(data);
}

/// The ephemeral key of one sealed message.
fn draw(to: &PublicKey, seed: &SecretKey, context: &[u8], plaintext: &[u8]) -> SecretKey {
    let mut seed = Zeroizing::new(seed.to_bytes());
    loop {
        *seed = tagged_hash("camelid/seal/ephemeral", &[&seed[..], to.as_bytes(), &sha256(context).0, plaintext]).0;
        // One hash in 2^128 is no key; then the hash of the hash is tried.
        if let Ok(key) = SecretKey::from_bytes(*seed) {
            return key;
        }
    }
}

fn cipher(shared: &[u8; 32], ephemeral: &PublicKey, to: &PublicKey, context: &[u8]) -> (ChaCha20Poly1305, Nonce) {
    let mut okm = [0; 44];
    Hkdf::<Sha256>::new(Some(b"camelid/seal/v1"), shared)
        .expand_multi_info(&[ephemeral.as_bytes(), to.as_bytes(), context], &mut okm)
        .expect("44 bytes are within HKDF's limit of 8160");
    let (mut key, mut nonce) = (Key::default(), Nonce::default());
    key.copy_from_slice(&okm[..32]);
    nonce.copy_from_slice(&okm[32..]);
    let cipher = ChaCha20Poly1305::new(&key);
    okm.zeroize();
    key.zeroize();
    (cipher, nonce)
}
