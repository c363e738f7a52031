//! The wallet's words, sealed with a password: what the browser keeps of the keys.

use crate::error::{Failure, Result};
use crate::outside::random;
use camelid_core::encode::{Decode, DecodeError, Encode, Reader, put_bytes};
use camelid_core::keys::{Mnemonic, PasswordCost, PasswordError};
use camelid_core::units::{Height, Network};

const VERSION: u8 = 1;
/// The longest seal that is read: the entropy of 24 words, and the tag.
const MAX_SEALED: usize = 64;
/// Fewer characters are guessed at once, whatever the cost.
const LEAST_PASSWORD: usize = 8;

/// A sealed wallet.
#[derive(Clone)]
pub struct Vault {
    cost: PasswordCost,
    salt: [u8; 16],
    nonce: [u8; 24],
    sealed: Vec<u8>,
    /// Blocks below have nothing to do with it.
    pub birthday: Height,
}

/// What the seal is bound to.
fn bound(network: Network) -> Vec<u8> {
    format!("camelid browser wallet {VERSION} {network}").into_bytes()
}

impl Vault {
    /// Seals words.
    pub fn seal(network: Network, words: &Mnemonic, password: &str, birthday: Height) -> Result<Self> {
        if password.chars().count() < LEAST_PASSWORD {
            return Err(Failure::bad_input(format_args!(
                "the password has {} characters, at least {LEAST_PASSWORD} are needed",
                password.chars().count()
            )));
        }
        let (cost, salt, nonce) = (PasswordCost::STANDARD, random(), random());
        let sealed = cost.seal(password, &salt, &nonce, &bound(network), &words.entropy());
        Ok(Vault { cost, salt, nonce, sealed: sealed.map_err(Failure::internal)?, birthday })
    }

    /// Opens it.
    pub fn open(&self, network: Network, password: &str) -> Result<Mnemonic> {
        let opened = self.cost.open(password, &self.salt, &self.nonce, &bound(network), &self.sealed);
        let entropy = opened.map_err(|error| match error {
            PasswordError::DoesNotOpen => {
                Failure::wrong_password("wrong password: try again, or restore from the words")
            }
            error => Failure::storage(format_args!(
                "the wallet kept in this browser is damaged ({error}): restore it from its words"
            )),
        })?;
        Mnemonic::from_entropy(&entropy).map_err(Failure::storage)
    }

    /// What the browser kept.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        Self::from_bytes(bytes).map_err(|error| {
            Failure::storage(format_args!(
                "the wallet kept in this browser is damaged ({error}): restore it from its words"
            ))
        })
    }
}

impl Encode for Vault {
    fn encode(&self, out: &mut Vec<u8>) {
        VERSION.encode(out);
        self.cost.memory_kib.encode(out);
        self.cost.passes.encode(out);
        self.cost.lanes.encode(out);
        out.extend_from_slice(&self.salt);
        out.extend_from_slice(&self.nonce);
        put_bytes(&self.sealed, out);
        self.birthday.encode(out);
    }
}

impl Decode for Vault {
    fn decode(r: &mut Reader<'_>) -> core::result::Result<Self, DecodeError> {
        let version = u8::decode(r)?;
        if version != VERSION {
            return Err(DecodeError::InvalidValue { what: "version of the wallet", value: version.into() });
        }
        let cost =
            PasswordCost { memory_kib: Decode::decode(r)?, passes: Decode::decode(r)?, lanes: Decode::decode(r)? };
        Ok(Vault {
            cost,
            salt: r.array()?,
            nonce: r.array()?,
            sealed: r.bytes("sealed words", MAX_SEALED)?.to_vec(),
            birthday: Decode::decode(r)?,
        })
    }
}
