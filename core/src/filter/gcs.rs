//! Golomb-coded sets (BIP158): hashed elements in order, as differences in Golomb-Rice code.

use super::bits::{BitReader, BitWriter};
use crate::encode::{Decode, DecodeError, Encode, Reader, put_bytes, put_varint};
use crate::hash::{FilterHash, sha256d};
use crate::sorted::Set;
use alloc::vec::Vec;
use siphasher::sip::SipHasher24;

/// Bits of a difference that are written as they are (P of BIP158).
const REMAINDER_BITS: u32 = 19;
/// Elements are hashed to numbers below this times their count (M of BIP158): an element that is not in the set passes for
/// one with this chance, one in so many.
const INVERSE_RATE: u64 = 784_931;

/// The largest encoding of a filter, in bytes. A block of 4,000,000 bytes has room for fewer than 340,000 different
/// scripts, and an honest filter takes at most 21.5 bits for each.
pub const MAX_FILTER_BYTES: usize = 1_000_000;

/// The key under which a filter's elements are hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilterKey(pub [u8; 16]);

/// The filter of a set of byte strings: the number of elements, then their code (BIP158). Whoever sends it may have made
/// it up: only its hash says that it is a block's.
#[derive(Clone, PartialEq, Eq)]
pub struct Filter(Vec<u8>);

/// Why bytes are no filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FilterError {
    /// The number of elements is none, or over what a filter may have.
    #[error("the filter's number of elements: {0}")]
    Count(#[from] DecodeError),
    /// The bytes end before the last element.
    #[error("the filter announces {count} elements and ends within element {at}")]
    Truncated {
        /// How many it announces.
        count: u64,
        /// The element that is not whole, from 0.
        at: u64,
    },
    /// An element is larger than any hash of an element.
    #[error("element {at} of the filter is {found}, expected below {limit}")]
    OutOfRange {
        /// The element, from 0.
        at: u64,
        /// Its number.
        found: u64,
        /// What it has to lie below.
        limit: u64,
    },
    /// Something stands behind the last element.
    #[error("the filter goes on for {bits} bits after its {count} elements, or these are not zero")]
    Excess {
        /// How many elements it has.
        count: u64,
        /// Bits left over.
        bits: usize,
    },
}

/// A hash of 64 bits, brought evenly into a range: the upper half of its product with the range (BIP158).
fn in_range(hash: u64, range: u64) -> u64 {
    ((u128::from(hash) * u128::from(range)) >> 64) as u64
}

/// The hashes of elements, in order.
fn hashed<'a>(key: &FilterKey, elements: impl Iterator<Item = &'a [u8]>, range: u64) -> Vec<u64> {
    let hasher = SipHasher24::new_with_key(&key.0);
    let mut hashes: Vec<u64> = elements.map(|e| in_range(hasher.hash(e), range)).collect();
    hashes.sort_unstable();
    hashes
}

impl Filter {
    /// The filter of a set: an element that is named twice counts once.
    pub fn build<T: AsRef<[u8]> + Ord>(key: &FilterKey, elements: &Set<T>) -> Filter {
        let count = elements.len() as u64;
        let mut out = Vec::new();
        put_varint(count, &mut out);
        let mut bits = BitWriter::new(&mut out);
        let mut last = 0;
        for hash in hashed(key, elements.iter().map(AsRef::as_ref), count * INVERSE_RATE) {
            let difference = hash - last;
            bits.unary(difference >> REMAINDER_BITS);
            bits.bits(difference, REMAINDER_BITS);
            last = hash;
        }
        Filter(out)
    }

    /// The bytes of a filter, as they came.
    pub fn from_raw(bytes: Vec<u8>) -> Filter {
        Filter(bytes)
    }

    /// The filter's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The filter's hash: double SHA-256 (BIP157).
    pub fn hash(&self) -> FilterHash {
        FilterHash(sha256d(&self.0).0)
    }

    /// Whether one of `wanted` seems to be in the set: always where it is, by mistake once in 784,931 times for each that is not.
    /// An error where the filter is none, as far as it was read: it is read up to the first match.
    pub fn matches_any<T: AsRef<[u8]>>(
        &self,
        key: &FilterKey,
        wanted: impl IntoIterator<Item = T>,
    ) -> Result<bool, FilterError> {
        let set = Elements::new(&self.0)?;
        let range = set.range;
        let hasher = SipHasher24::new_with_key(&key.0);
        let mut wanted: Vec<u64> = wanted.into_iter().map(|e| in_range(hasher.hash(e.as_ref()), range)).collect();
        wanted.sort_unstable();
        let mut wanted = wanted.into_iter().peekable();
        for found in set {
            let found = found?;
            while wanted.next_if(|w| *w < found).is_some() {}
            match wanted.peek() {
                Some(w) if *w == found => return Ok(true),
                Some(_) => {}
                None => return Ok(false),
            }
        }
        Ok(false)
    }

    /// The number of elements; an error unless the whole filter is well-formed.
    pub fn check(&self) -> Result<u64, FilterError> {
        let mut elements = Elements::new(&self.0)?;
        elements.by_ref().try_for_each(|e| e.map(drop))?;
        let (count, bits) = (elements.count, elements.bits.remaining());
        // Less than a byte, all zeros.
        match elements.bits.bits(bits.min(8) as u32) {
            Some(0) if bits < 8 => Ok(count),
            _ => Err(FilterError::Excess { count, bits }),
        }
    }
}

impl core::fmt::Debug for Filter {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Filter({} bytes)", self.0.len())
    }
}

impl Encode for Filter {
    fn encode(&self, out: &mut Vec<u8>) {
        put_bytes(&self.0, out);
    }
}

impl Decode for Filter {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Filter(r.bytes("filter", MAX_FILTER_BYTES)?.to_vec()))
    }
}

/// The elements of a filter that may be none, in order. Holds no memory, ends after an error.
struct Elements<'a> {
    bits: BitReader<'a>,
    count: u64,
    range: u64,
    at: u64,
    last: u64,
    failed: bool,
}

impl<'a> Elements<'a> {
    fn new(bytes: &'a [u8]) -> Result<Self, FilterError> {
        let mut reader = Reader::new(bytes);
        // Each element takes more than two bytes.
        let count = reader.length("filter's elements", MAX_FILTER_BYTES / 2)? as u64;
        let rest = reader.take(reader.remaining())?;
        let range = count * INVERSE_RATE;
        Ok(Elements { bits: BitReader::new(rest), count, range, at: 0, last: 0, failed: false })
    }

    fn read(&mut self) -> Result<u64, FilterError> {
        let truncated = FilterError::Truncated { count: self.count, at: self.at };
        let quotient = self.bits.unary().ok_or(truncated.clone())?;
        let remainder = self.bits.bits(REMAINDER_BITS).ok_or(truncated)?;
        // A quotient is at most the number of bits that are there.
        let found = self.last.saturating_add((quotient << REMAINDER_BITS) + remainder);
        if found >= self.range {
            return Err(FilterError::OutOfRange { at: self.at, found, limit: self.range });
        }
        self.at += 1;
        self.last = found;
        Ok(found)
    }
}

impl Iterator for Elements<'_> {
    type Item = Result<u64, FilterError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed || self.at == self.count {
            return None;
        }
        let read = self.read();
        self.failed = read.is_err();
        Some(read)
    }
}
