//! ECDSA signatures: 64 bytes in our encoding, strict DER inside scripts.

use super::{KeyError, backend};
use crate::encode::{Decode, DecodeError, Encode, Reader};
use alloc::vec::Vec;
use core::fmt;

/// The longest strict DER form of a signature with a low s, in bytes.
const MAX_DER: usize = 71;

/// An ECDSA signature: r and s from 1 to the order of secp256k1 less 1, s in the lower half.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signature([u8; 64]);

impl Signature {
    /// The signature with this r and s, 32 bytes each, most significant byte first.
    pub fn from_bytes(bytes: [u8; 64]) -> Result<Self, KeyError> {
        match backend::range(&bytes) {
            backend::Range::Low => Ok(Signature(bytes)),
            backend::Range::High => Err(KeyError::HighS),
            backend::Range::Outside => Err(KeyError::SignatureOutOfRange),
        }
    }

    /// For numbers that the backend made.
    pub(super) fn trusted(bytes: [u8; 64]) -> Self {
        Signature(bytes)
    }

    /// r, then s.
    pub fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }

    /// Reads strict DER (BIP66): a signature has exactly one such form.
    pub fn from_der(der: &[u8]) -> Result<Self, KeyError> {
        Signature::from_bytes(Signature::numbers(der)?)
    }

    /// r, then s, of strict DER, whatever they are.
    pub(super) fn numbers(der: &[u8]) -> Result<[u8; 64], KeyError> {
        // r may be high, so it may take 33 bytes; a high s is reported as such.
        if der.len() > MAX_DER + 1 {
            return Err(KeyError::NotDer);
        }
        let body = element(0x30, der).filter(|(_, rest)| rest.is_empty()).ok_or(KeyError::NotDer)?.0;
        let (r, rest) = element(0x02, body).ok_or(KeyError::NotDer)?;
        let (s, _) = element(0x02, rest).filter(|(_, rest)| rest.is_empty()).ok_or(KeyError::NotDer)?;
        let mut bytes = [0; 64];
        let (high, low) = bytes.split_at_mut(32);
        read_number(r, high)?;
        read_number(s, low)?;
        Ok(bytes)
    }

    /// The strict DER form, 71 bytes at most.
    pub fn to_der(&self) -> Vec<u8> {
        let (r, s) = self.0.split_at(32);
        let mut body = Vec::with_capacity(MAX_DER);
        put_number(r, &mut body);
        put_number(s, &mut body);
        let mut der = Vec::with_capacity(MAX_DER);
        der.extend_from_slice(&[0x30, body.len() as u8]);
        der.extend_from_slice(&body);
        der
    }
}

/// The content of a DER element with this tag and a one-byte length, and what follows it.
fn element(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let [found, len, rest @ ..] = der else { return None };
    // Lengths from 128 on take another form; no signature is that long.
    if *found != tag || *len >= 0x80 { None } else { rest.split_at_checked(*len as usize) }
}

/// Reads a DER integer into 32 bytes: not negative, no byte more than needed.
fn read_number(der: &[u8], out: &mut [u8]) -> Result<(), KeyError> {
    let digits = match der {
        [] => return Err(KeyError::NotDer),
        [0] => &[][..],
        [0, next, ..] if *next >= 0x80 => &der[1..],
        [first, ..] if *first == 0 || *first >= 0x80 => return Err(KeyError::NotDer),
        _ => der,
    };
    let start = out.len().checked_sub(digits.len()).ok_or(KeyError::SignatureOutOfRange)?;
    out[start..].copy_from_slice(digits);
    Ok(())
}

/// Appends a DER integer.
fn put_number(number: &[u8], out: &mut Vec<u8>) {
    let first = number.iter().position(|b| *b != 0).unwrap_or(number.len() - 1);
    let digits = &number[first..];
    let pad = digits[0] >= 0x80;
    out.extend_from_slice(&[0x02, digits.len() as u8 + pad as u8]);
    if pad {
        out.push(0);
    }
    out.extend_from_slice(digits);
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({self})")
    }
}

impl Encode for Signature {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
}

impl Decode for Signature {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Signature::from_bytes(r.array()?).map_err(|_| DecodeError::Malformed("signature"))
    }
}
