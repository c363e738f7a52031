//! Hashes: SHA-256 and its double, RIPEMD-160 of SHA-256, tagged hashes, and tagged Merkle trees.

mod merkle;
mod types;

pub use merkle::{Branch, MerkleError, MerkleHasher, MerkleTree, merkle_root};
pub use types::{BlockHash, FilterHash, FilterHeader, Hash32, JobId, KeyHash, ModelRoot, Txid, Wtxid};

use ripemd::Ripemd160;
use sha2::{Digest, Sha256};

/// SHA-256.
pub fn sha256(data: &[u8]) -> Hash32 {
    Hash32(Sha256::digest(data).into())
}

/// SHA-256 of SHA-256: block hashes (paper 2.3.1), transaction ids, address checksums.
pub fn sha256d(data: &[u8]) -> Hash32 {
    Hash32(Sha256::digest(Sha256::digest(data)).into())
}

/// RIPEMD-160 of SHA-256: the hash of a public key in an address (paper 2.2.2).
pub fn hash160(data: &[u8]) -> KeyHash {
    KeyHash(Ripemd160::digest(Sha256::digest(data)).into())
}

/// SHA-256 under a tag, as in BIP340: `SHA256(SHA256(tag) || SHA256(tag) || parts...)`. Two uses with
/// different tags never share an input. The parts are concatenated as they are: all but the last must
/// have a length that the tag fixes.
pub fn tagged_hash(tag: &str, parts: &[&[u8]]) -> Hash32 {
    let tag = Sha256::digest(tag.as_bytes());
    let mut hasher = Sha256::new();
    hasher.update(tag);
    hasher.update(tag);
    for part in parts {
        hasher.update(part);
    }
    Hash32(hasher.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn known_values() {
        assert_eq!(sha256(b"abc").to_string(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(sha256d(b"hello").to_string(), "9595c9df90075148eb06860365df33584b75bff782a510c6cd4883a419833d50");
        assert_eq!(hex::encode(hash160(b"").0), "b472a266d0bd89c13706a4132ccfb16f7c3b9fcb");
        // BIP340's own tagged hash of nothing.
        let by_hand = {
            let t = sha256(b"BIP0340/challenge").0;
            sha256(&[t, t].concat())
        };
        assert_eq!(tagged_hash("BIP0340/challenge", &[]), by_hand);
    }
}
