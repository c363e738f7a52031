//! Sealing with a password (`docs/protocol.md`, "Key file"): Argon2id turns password and salt into a key, under which
//! XChaCha20-Poly1305 seals. Whoever calls draws salt and nonce.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

/// The parameters of Argon2id: they decide how much memory and time opening takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordCost {
    /// Memory, in KiB.
    pub memory_kib: u32,
    /// How often it is gone through.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

/// Why a password seals or opens nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PasswordError {
    /// The parameters ask for more than any wallet does.
    #[error("asks for {} KiB, {} passes and {} lanes, at most {} KiB, {} and {} expected",
        found.memory_kib, found.passes, found.lanes,
        PasswordCost::MOST.memory_kib, PasswordCost::MOST.passes, PasswordCost::MOST.lanes)]
    Cost {
        /// The parameters.
        found: PasswordCost,
    },
    /// Argon2 cannot run.
    #[error("cannot derive a key from the password: {reason}")]
    Derivation {
        /// What Argon2 says.
        reason: String,
    },
    /// The password is another one, or what was sealed or what it is bound to was altered.
    #[error("wrong password, or what it sealed was altered")]
    DoesNotOpen,
}

impl PasswordCost {
    /// RFC 9106's choice for machines with little memory: 64 MiB, 3 passes, 4 lanes.
    pub const STANDARD: PasswordCost = PasswordCost { memory_kib: 64 * 1024, passes: 3, lanes: 4 };

    /// The most that is taken from outside.
    pub const MOST: PasswordCost = PasswordCost { memory_kib: 1024 * 1024, passes: 32, lanes: 16 };

    fn key(&self, password: &str, salt: &[u8]) -> Result<Zeroizing<[u8; 32]>, PasswordError> {
        let most = Self::MOST;
        if self.memory_kib > most.memory_kib || self.passes > most.passes || self.lanes > most.lanes {
            return Err(PasswordError::Cost { found: *self });
        }
        let failed = |e: argon2::Error| PasswordError::Derivation { reason: e.to_string() };
        let params = argon2::Params::new(self.memory_kib, self.passes, self.lanes, Some(32)).map_err(failed)?;
        let mut key = Zeroizing::new([0; 32]);
        argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params)
            .hash_password_into(password.as_bytes(), salt, &mut *key)
            .map_err(failed)?;
        Ok(key)
    }

    /// Seals `plaintext`, bound to `bound`: both must be the same when it is opened. 16 bytes longer than the plaintext.
    pub fn seal(
        &self,
        password: &str,
        salt: &[u8; 16],
        nonce: &[u8; 24],
        bound: &[u8],
        plaintext: &[u8],
    ) -> Result<Vec<u8>, PasswordError> {
        let key = self.key(password, salt)?;
        let sealed = XChaCha20Poly1305::new(&(*key).into())
            .encrypt(&XNonce::from(*nonce), Payload { msg: plaintext, aad: bound });
        // It fails on more than 256 GiB alone.
        sealed.map_err(|_| PasswordError::Derivation { reason: "too much to seal".into() })
    }

    /// Opens what was sealed.
    pub fn open(
        &self,
        password: &str,
        salt: &[u8],
        nonce: &[u8; 24],
        bound: &[u8],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, PasswordError> {
        let key = self.key(password, salt)?;
        let opened =
            XChaCha20Poly1305::new(&(*key).into()).decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: bound });
        opened.map(Zeroizing::new).map_err(|_| PasswordError::DoesNotOpen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP: PasswordCost = PasswordCost { memory_kib: 64, passes: 1, lanes: 1 };

    #[test]
    fn only_the_password_and_what_it_is_bound_to_open() {
        let sealed = CHEAP.seal("secret", &[1; 16], &[2; 24], b"dev", b"words").unwrap();
        let open =
            |password, salt, bound: &[u8], sealed: &[u8]| CHEAP.open(password, &[salt; 16], &[2; 24], bound, sealed);
        assert_eq!(&**open("secret", 1, b"dev", &sealed).unwrap(), b"words");
        assert_eq!(open("Secret", 1, b"dev", &sealed), Err(PasswordError::DoesNotOpen));
        assert_eq!(open("secret", 2, b"dev", &sealed), Err(PasswordError::DoesNotOpen));
        assert_eq!(open("secret", 1, b"main", &sealed), Err(PasswordError::DoesNotOpen));
        let mut altered = sealed.clone();
        altered[3] ^= 1;
        assert_eq!(open("secret", 1, b"dev", &altered), Err(PasswordError::DoesNotOpen));
        assert_eq!(open("secret", 1, b"dev", &sealed[..3]), Err(PasswordError::DoesNotOpen));
    }

    #[test]
    fn nobody_else_decides_how_much_memory_is_taken() {
        let cost = PasswordCost { memory_kib: u32::MAX, ..CHEAP };
        assert_eq!(cost.open("secret", &[1; 16], &[2; 24], b"", b""), Err(PasswordError::Cost { found: cost }));
        let none = PasswordCost { memory_kib: 0, ..CHEAP };
        assert!(matches!(none.open("", &[1; 16], &[2; 24], b"", b""), Err(PasswordError::Derivation { .. })));
    }
}
