//! How an answer travels before it is paid for: sealed to the client's job key, then under the key `k`
//! that the contract sells (`docs/protocol.md`, "The answer's commitments").

use crate::encode::Encode;
use crate::hash::{Hash32, MerkleHasher, tagged_hash};
use crate::keys::{PublicKey, SEAL_OVERHEAD, SecretKey, open, seal, stream_cipher};
use crate::units::TokenId;
use alloc::vec::Vec;

const CONTEXT: &[u8] = b"camelid/job/answer";
const HEADER_BYTES: usize = 4 + 32;

/// What the node draws for one answer, from its own seed.
pub struct AnswerKeys {
    /// Salts the leaves of the output tree.
    pub salt: [u8; 32],
    /// The ephemeral key of the inner seal.
    pub ephemeral: SecretKey,
    /// The key `k` of the outer layer: what the client pays for.
    pub key: [u8; 32],
}

/// An answer as it is served before payment, with what the terms commit to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedAnswer {
    /// The doubly sealed answer.
    pub ciphertext: Vec<u8>,
    /// Merkle root over the salted tokens.
    pub output_root: Hash32,
    /// Tagged hash of the ciphertext.
    pub ciphertext_hash: Hash32,
    /// Tagged hash of `k`.
    pub key_hash: Hash32,
}

impl SealedAnswer {
    /// Seals `ids` for the holder of `job_key`.
    pub fn new(ids: &[TokenId], keys: &AnswerKeys, job_key: &PublicKey) -> Self {
        let mut plaintext = Vec::with_capacity(HEADER_BYTES + 4 * ids.len());
        (ids.len() as u32).encode(&mut plaintext);
        keys.salt.encode(&mut plaintext);
        ids.iter().for_each(|id| id.encode(&mut plaintext));
        let mut ciphertext = seal(job_key, &keys.ephemeral, CONTEXT, &plaintext);
        stream_cipher(&keys.key, &mut ciphertext);
        SealedAnswer {
            output_root: output_root(&keys.salt, ids),
            ciphertext_hash: ciphertext_hash(&ciphertext),
            key_hash: key_hash(&keys.key),
            ciphertext,
        }
    }
}

/// "The ciphertext's length is a fixed function of the answer's length; the client refuses any other."
pub fn ciphertext_len(answer_tokens: u32) -> usize {
    HEADER_BYTES + 4 * answer_tokens as usize + SEAL_OVERHEAD
}

/// "Ciphertext hash and key hash are tagged SHA-256 of the whole."
pub fn ciphertext_hash(ciphertext: &[u8]) -> Hash32 {
    tagged_hash("camelid/job/ciphertext", &[ciphertext])
}

/// The hash of `k` that the terms commit to.
pub fn key_hash(key: &[u8; 32]) -> Hash32 {
    tagged_hash("camelid/job/key", &[key])
}

/// "Leaf i = H_leaf(H_salt(salt, i) ‖ id_i); the output root commits to the count."
fn output_root(salt: &[u8; 32], ids: &[TokenId]) -> Hash32 {
    let mut tree = MerkleHasher::default();
    for (i, id) in ids.iter().enumerate() {
        tree.push(&output_leaf(salt, i as u32, *id));
    }
    tree.root()
}

fn output_leaf(salt: &[u8; 32], index: u32, id: TokenId) -> [u8; 36] {
    let mut leaf = [0; 36];
    leaf[..32].copy_from_slice(&tagged_hash("camelid/job/leaf-salt", &[salt, &index.to_le_bytes()]).0);
    leaf[32..].copy_from_slice(&id.0.to_le_bytes());
    leaf
}

/// Why what was delivered is not what the terms promise: *garbage*, in the sense of a challenge.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GarbageError {
    /// The key does not have the promised hash.
    #[error("the key has hash {found}, the terms promise {expected}")]
    Key {
        /// The hash in the terms.
        expected: Hash32,
        /// The hash of what came.
        found: Hash32,
    },
    /// The inner seal does not open with the job key.
    #[error("the answer does not open with the job key")]
    Seal,
    /// The plaintext's length does not fit its count, or the count is not the terms' answer length.
    #[error("the answer holds {found} tokens in {bytes} bytes, the terms promise {expected} tokens")]
    Count {
        /// The answer length in the terms.
        expected: u32,
        /// The count that was found.
        found: u32,
        /// The plaintext's length.
        bytes: usize,
    },
    /// The tokens have another root.
    #[error("the answer has output root {found}, the terms promise {expected}")]
    Root {
        /// The root in the terms.
        expected: Hash32,
        /// The root of what came.
        found: Hash32,
    },
}

/// Opens an answer. Total: "any failure or mismatch is garbage".
pub fn open_answer(
    ciphertext: &[u8],
    key: &[u8; 32],
    job_secret: &SecretKey,
    promised_key_hash: Hash32,
    promised_root: Hash32,
    promised_tokens: u32,
) -> Result<Vec<TokenId>, GarbageError> {
    let found = key_hash(key);
    if found != promised_key_hash {
        return Err(GarbageError::Key { expected: promised_key_hash, found });
    }
    let mut inner = ciphertext.to_vec();
    stream_cipher(key, &mut inner);
    let plaintext = open(job_secret, CONTEXT, &inner).map_err(|_| GarbageError::Seal)?;
    let wrong_count = |found| GarbageError::Count { expected: promised_tokens, found, bytes: plaintext.len() };
    let (Some((count, rest)), true) = (plaintext.split_first_chunk::<4>(), plaintext.len() >= HEADER_BYTES) else {
        return Err(wrong_count(0));
    };
    let count = u32::from_le_bytes(*count);
    let Some((salt, ids)) = rest.split_first_chunk::<32>() else { return Err(wrong_count(count)) };
    if count != promised_tokens || ids.len() as u64 != 4 * count as u64 {
        return Err(wrong_count(count));
    }
    let ids: Vec<_> = ids.as_chunks::<4>().0.iter().map(|id| TokenId(u32::from_le_bytes(*id))).collect();
    let found = output_root(salt, &ids);
    if found != promised_root {
        return Err(GarbageError::Root { expected: promised_root, found });
    }
    Ok(ids)
}
