//! Canonical binary encoding: one value has one encoding, one encoding one value.
//!
//! Integers are little-endian; lengths are Bitcoin's variable-length integers in their shortest form
//! (`docs/protocol.md`, "Encoding"). Decoding never allocates by a number that the sender chose: a
//! vector's declared length is checked against a limit and against the bytes that are there.

use crate::units::{Amount, Height, Timestamp, TokenId};
use alloc::string::String;
use alloc::vec::Vec;

/// Why bytes are not the encoding of a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The input ends inside a value.
    #[error("input ends early: {needed} more bytes expected, {available} left")]
    UnexpectedEnd {
        /// Bytes the value needs.
        needed: usize,
        /// Bytes that are left.
        available: usize,
    },
    /// Bytes are left after the value.
    #[error("{0} bytes left over after the value")]
    TrailingBytes(usize),
    /// A variable-length integer is not in its shortest form.
    #[error("variable-length integer is not in its shortest form")]
    NonCanonicalVarint,
    /// A declared length is over its limit.
    #[error("{what} has length {len}, at most {max} allowed")]
    TooLong {
        /// What is too long.
        what: &'static str,
        /// The declared length.
        len: u64,
        /// The limit.
        max: u64,
    },
    /// A field holds a value that its type does not have.
    #[error("{what} has invalid value {value}")]
    InvalidValue {
        /// The field.
        what: &'static str,
        /// What was found.
        value: u64,
    },
    /// Bytes that should be text are not UTF-8.
    #[error("{0} is not valid UTF-8")]
    InvalidUtf8(&'static str),
    /// Bytes that should be a key, point or signature are none.
    #[error("{0} is malformed")]
    Malformed(&'static str),
}

/// A value with a canonical encoding.
pub trait Encode {
    /// Appends the encoding to `out`.
    fn encode(&self, out: &mut Vec<u8>);

    /// The encoding as a vector of its own.
    fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode(&mut out);
        out
    }
}

/// A value that can be read from its canonical encoding.
pub trait Decode: Sized {
    /// Reads one value; leaves the reader behind it.
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError>;

    /// Reads a value that fills `bytes` exactly.
    fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new(bytes);
        let value = Self::decode(&mut r)?;
        r.finish()?;
        Ok(value)
    }
}

/// A cursor over input bytes.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads from the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Reader { rest: bytes }
    }

    /// Bytes not read yet.
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// Fails when bytes are left.
    pub fn finish(&self) -> Result<(), DecodeError> {
        if self.rest.is_empty() { Ok(()) } else { Err(DecodeError::TrailingBytes(self.rest.len())) }
    }

    /// The next `n` bytes.
    pub fn take(&mut self, n: usize) -> Result<&'a [u8], DecodeError> {
        if n > self.rest.len() {
            return Err(DecodeError::UnexpectedEnd { needed: n, available: self.rest.len() });
        }
        let (head, tail) = self.rest.split_at(n);
        self.rest = tail;
        Ok(head)
    }

    /// The next `N` bytes as an array.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    /// A variable-length integer in its shortest form.
    pub fn varint(&mut self) -> Result<u64, DecodeError> {
        let (value, least) = match self.array::<1>()?[0] {
            0xfd => (u16::decode(self)? as u64, 0xfd),
            0xfe => (u32::decode(self)? as u64, 0x1_0000),
            0xff => (u64::decode(self)?, 0x1_0000_0000),
            small => (small as u64, 0),
        };
        if value < least { Err(DecodeError::NonCanonicalVarint) } else { Ok(value) }
    }

    /// A length of at most `max`.
    pub fn length(&mut self, what: &'static str, max: usize) -> Result<usize, DecodeError> {
        let len = self.varint()?;
        if len > max as u64 {
            return Err(DecodeError::TooLong { what, len, max: max as u64 });
        }
        Ok(len as usize)
    }

    /// A length of at most `max`, then that many bytes.
    pub fn bytes(&mut self, what: &'static str, max: usize) -> Result<&'a [u8], DecodeError> {
        let len = self.length(what, max)?;
        self.take(len)
    }

    /// A length of at most `max` bytes, then UTF-8 text.
    pub fn text(&mut self, what: &'static str, max: usize) -> Result<String, DecodeError> {
        let bytes = self.bytes(what, max)?;
        core::str::from_utf8(bytes).map(String::from).map_err(|_| DecodeError::InvalidUtf8(what))
    }

    /// A length of at most `max`, then that many values, each of at least one byte.
    pub fn vec<T: Decode>(&mut self, what: &'static str, max: usize) -> Result<Vec<T>, DecodeError> {
        let len = self.length(what, max)?;
        if len > self.remaining() {
            return Err(DecodeError::UnexpectedEnd { needed: len, available: self.remaining() });
        }
        // Memory follows the bytes that arrived, never the declared length alone: values that take more room than
        // they have bytes are given it as they come.
        let mut out = Vec::with_capacity(len.min(self.remaining() / size_of::<T>().max(1)));
        for _ in 0..len {
            out.push(T::decode(self)?);
        }
        Ok(out)
    }
}

/// Appends a variable-length integer in its shortest form.
pub fn put_varint(value: u64, out: &mut Vec<u8>) {
    match value {
        0..=0xfc => out.push(value as u8),
        0xfd..=0xffff => {
            out.push(0xfd);
            (value as u16).encode(out);
        }
        0x1_0000..=0xffff_ffff => {
            out.push(0xfe);
            (value as u32).encode(out);
        }
        _ => {
            out.push(0xff);
            value.encode(out);
        }
    }
}

/// Appends a length and the bytes.
pub fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    put_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

/// Appends a length and the values.
pub fn put_vec<T: Encode>(items: &[T], out: &mut Vec<u8>) {
    put_varint(items.len() as u64, out);
    for item in items {
        item.encode(out);
    }
}

macro_rules! integers {
    ($($t:ty),*) => {$(
        impl Encode for $t {
            fn encode(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }
        }
        impl Decode for $t {
            fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
                Ok(<$t>::from_le_bytes(r.array()?))
            }
        }
    )*};
}
integers!(u8, u16, u32, u64, i8, i16, i32, i64);

macro_rules! wrappers {
    ($($t:ident),*) => {$(
        impl Encode for $t {
            fn encode(&self, out: &mut Vec<u8>) {
                self.0.encode(out);
            }
        }
        impl Decode for $t {
            fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
                Decode::decode(r).map($t)
            }
        }
    )*};
}
wrappers!(Amount, Height, TokenId, Timestamp);

impl<const N: usize> Encode for [u8; N] {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }
}

impl<const N: usize> Decode for [u8; N] {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        r.array()
    }
}

impl Encode for bool {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(*self as u8);
    }
}

impl Decode for bool {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match u8::decode(r)? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(DecodeError::InvalidValue { what: "boolean", value: other as u64 }),
        }
    }
}

/// One byte, 0 or 1, then the value if 1.
impl<T: Encode> Encode for Option<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        self.is_some().encode(out);
        if let Some(value) = self {
            value.encode(out);
        }
    }
}

impl<T: Decode> Decode for Option<T> {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(if bool::decode(r)? { Some(T::decode(r)?) } else { None })
    }
}

/// Implements [`Encode`] and [`Decode`] for a struct whose fields are encoded in the order named.
#[macro_export]
macro_rules! encode_struct {
    ($name:ident { $($field:ident),* $(,)? }) => {
        impl $crate::encode::Encode for $name {
            fn encode(&self, out: &mut alloc::vec::Vec<u8>) {
                $($crate::encode::Encode::encode(&self.$field, out);)*
            }
        }
        impl $crate::encode::Decode for $name {
            fn decode(r: &mut $crate::encode::Reader<'_>) -> Result<Self, $crate::encode::DecodeError> {
                Ok($name { $($field: $crate::encode::Decode::decode(r)?),* })
            }
        }
    };
}

/// Implements [`Encode`] and [`Decode`] for an enum without fields: one byte a variant.
#[macro_export]
macro_rules! encode_enum {
    ($name:ident, $what:literal { $($variant:ident = $byte:literal),* $(,)? }) => {
        impl $crate::encode::Encode for $name {
            fn encode(&self, out: &mut alloc::vec::Vec<u8>) {
                out.push(match self { $($name::$variant => $byte,)* });
            }
        }
        impl $crate::encode::Decode for $name {
            fn decode(r: &mut $crate::encode::Reader<'_>) -> Result<Self, $crate::encode::DecodeError> {
                match <u8 as $crate::encode::Decode>::decode(r)? {
                    $($byte => Ok($name::$variant),)*
                    other => Err($crate::encode::DecodeError::InvalidValue { what: $what, value: other as u64 }),
                }
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn varint_edges() {
        for v in [0, 0xfc, 0xfd, 0xffff, 0x1_0000, 0xffff_ffff, 0x1_0000_0000, u64::MAX] {
            let mut out = Vec::new();
            put_varint(v, &mut out);
            assert_eq!(Reader::new(&out).varint(), Ok(v));
        }
        for long in [&[0xfd, 0xfc, 0][..], &[0xfe, 0xff, 0xff, 0, 0], &[0xff, 1, 0, 0, 0, 0, 0, 0, 0]] {
            assert_eq!(Reader::new(long).varint(), Err(DecodeError::NonCanonicalVarint));
        }
    }

    #[test]
    fn a_declared_length_does_not_allocate() {
        let mut out = Vec::new();
        put_varint(1 << 40, &mut out);
        let err = Reader::new(&out).vec::<u64>("items", usize::MAX).unwrap_err();
        assert!(matches!(err, DecodeError::UnexpectedEnd { .. }));
        assert!(matches!(Reader::new(&out).vec::<u64>("items", 10), Err(DecodeError::TooLong { .. })));
    }

    proptest! {
        #[test]
        fn integers_round_trip(v: u64) {
            let mut out = Vec::new();
            put_varint(v, &mut out);
            prop_assert_eq!(Reader::new(&out).varint(), Ok(v));
            prop_assert_eq!(u64::from_bytes(&v.to_bytes()), Ok(v));
        }
    }
}
