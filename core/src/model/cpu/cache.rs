//! Keys and values, int16, laid out so that a vector register holds what is multiplied together.

use crate::model::package::Manifest;
use alloc::vec::Vec;
use std::sync::RwLock;

/// Positions whose keys lie together; value vectors are padded to a multiple of it.
pub(super) const LANES: usize = 16;

/// A sequence: its length, and for each layer each key/value head.
#[derive(Debug)]
pub(super) struct Sequence {
    pub length: usize,
    pub layers: Vec<Vec<RwLock<HeadCache>>>,
}

impl Sequence {
    pub fn new(manifest: &Manifest) -> Self {
        let head = || RwLock::new(HeadCache::new(manifest.head_dim as usize));
        let layer = || (0..manifest.kv_heads).map(|_| head()).collect();
        Sequence { length: 0, layers: (0..manifest.layers).map(|_| layer()).collect() }
    }
}

/// Lengthens a vector with zeros. It keeps an eighth to spare, not as much again as `Vec` does: there are many of them.
fn grow(vector: &mut Vec<i16>, length: usize) {
    if vector.capacity() < length {
        vector.reserve_exact(length + length / 8 - vector.len());
    }
    vector.resize(length, 0);
}

/// Keys and values of one head.
///
/// Keys: blocks of 16 positions; in a block, for each pair of elements, 16 positions' pairs. Values: for each pair of
/// positions, each element's pair. Places without a token are zero.
#[derive(Debug)]
pub(super) struct HeadCache {
    pub width: usize,
    /// `width` rounded up to a multiple of 16.
    pub padded: usize,
    pub keys: Vec<i16>,
    pub values: Vec<i16>,
    /// The largest magnitude of a key's element.
    pub largest_key: u32,
    /// The largest magnitude of a value's element.
    pub largest_value: u32,
    length: usize,
}

impl HeadCache {
    pub fn new(width: usize) -> Self {
        HeadCache {
            width,
            padded: width.next_multiple_of(LANES),
            keys: Vec::new(),
            values: Vec::new(),
            largest_key: 0,
            largest_value: 0,
            length: 0,
        }
    }

    /// The next position's key and value.
    pub fn push(&mut self, key: &[i16], value: &[i16]) {
        let (block, lane) = (self.length / LANES, self.length % LANES);
        if lane == 0 {
            grow(&mut self.keys, (block + 1) * LANES * self.width);
            grow(&mut self.values, (block + 1) * LANES * self.padded);
        }
        let pairs = self.keys[block * LANES * self.width..].chunks_exact_mut(2 * LANES);
        for (to, from) in pairs.zip(key.chunks_exact(2)) {
            to[2 * lane..2 * lane + 2].copy_from_slice(from);
        }
        let (pair, half) = (self.length / 2, self.length % 2);
        let pairs = self.values[pair * 2 * self.padded..].chunks_exact_mut(2);
        for (to, from) in pairs.zip(value) {
            to[half] = *from;
        }
        let largest = |v: &[i16]| v.iter().fold(0, |most, v| most.max(v.unsigned_abs())) as u32;
        self.largest_key = self.largest_key.max(largest(key));
        self.largest_value = self.largest_value.max(largest(value));
        self.length += 1;
    }
}

#[cfg(all(test, feature = "import"))]
mod tests {
    use super::*;
    use crate::model::Package;
    use crate::model::import::{RandomShape, random_model};
    use alloc::vec;

    #[test]
    fn a_sequence_takes_no_more_memory_than_the_manifest_says_and_an_eighth() {
        let package = Package::parse(random_model(1, &RandomShape::llama()).unwrap()).unwrap();
        let manifest = package.manifest();
        let sequence = Sequence::new(manifest);
        let vector = vec![1; manifest.head_dim as usize];
        for tokens in 1..=500 {
            let mut bytes = 0;
            for head in sequence.layers.iter().flatten() {
                let mut head = head.write().unwrap();
                head.push(&vector, &vector);
                bytes += 2 * (head.keys.capacity() + head.values.capacity()) as u64;
            }
            let said = manifest.cache_bytes(tokens);
            assert!(bytes <= said + said / 8, "{tokens} tokens: {bytes}, {said}");
            assert!(bytes >= said / 2, "{tokens} tokens: {bytes}, {said}");
        }
    }
}
