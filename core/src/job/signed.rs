//! A statement with the signature of the one who makes it.

use super::JobError;
use crate::encode::{Decode, DecodeError, Encode, Reader};
use crate::hash::{Hash32, tagged_hash};
use crate::keys::{PublicKey, SecretKey, Signature};
use crate::units::Network;
use alloc::vec::Vec;

/// Something that is said under a signature.
pub trait Statement: Encode + Decode {
    /// Keeps the signatures of different statements apart.
    const TAG: &'static str;

    /// The hash that the signature signs: tag, network, and the whole statement.
    fn hash(&self, network: Network) -> Hash32 {
        tagged_hash(Self::TAG, &[&network.magic(), &self.to_bytes()])
    }
}

/// A statement and its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed<T> {
    /// What is said.
    pub body: T,
    /// The signature over it.
    pub signature: Signature,
}

impl<T: Statement> Signed<T> {
    /// Signs `body`.
    pub fn sign(body: T, key: &SecretKey, network: Network) -> Self {
        let signature = key.sign(&body.hash(network));
        Signed { body, signature }
    }

    /// Fails unless `key` signed it.
    pub fn check(&self, key: &PublicKey, network: Network) -> Result<(), JobError> {
        if key.verify(&self.body.hash(network), &self.signature) { Ok(()) } else { Err(JobError::Signature(T::TAG)) }
    }
}

impl<T: Encode> Encode for Signed<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        self.body.encode(out);
        self.signature.encode(out);
    }
}

impl<T: Decode> Decode for Signed<T> {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Signed { body: T::decode(r)?, signature: Decode::decode(r)? })
    }
}
