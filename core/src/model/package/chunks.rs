//! Chunks of 64 KiB and the Merkle root over them.

use super::storage::{ReadAt, StorageError};
use crate::encode::{Decode, DecodeError, Encode, Reader, put_bytes};
use crate::hash::{Branch, MerkleError, MerkleHasher, MerkleTree, ModelRoot};
use alloc::vec;
use alloc::vec::Vec;

/// Bytes in a chunk; the last one may be shorter.
pub const CHUNK_LEN: usize = 65_536;
/// The most chunks that are proved at once: 1 MiB.
pub const MAX_CHUNKS_AT_ONCE: usize = 16;

/// The package's chunks in order.
pub fn chunks(package: &[u8]) -> impl ExactSizeIterator<Item = &[u8]> {
    package.chunks(CHUNK_LEN)
}

/// The tree over the chunks: gives the root and every chunk's branch.
pub fn chunk_tree(package: &[u8]) -> MerkleHasher {
    let mut tree = MerkleHasher::default();
    chunks(package).for_each(|c| tree.push(c));
    tree
}

/// The model's identity: "each model, along with its subsequent versions and generations, is identified by its
/// Merkle root" (paper 2.6.1).
pub fn model_root(package: &[u8]) -> ModelRoot {
    ModelRoot(chunk_tree(package).root().0)
}

/// Checks that `chunk` stands where `branch` says in the package with this root.
pub fn verify_chunk(root: &ModelRoot, chunk: &[u8], branch: &Branch) -> Result<(), MerkleError> {
    branch.verify(chunk, &crate::hash::Hash32(root.0))
}

/// A chunk with what proves it: it needs no other chunk, and nobody's word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvedChunk {
    /// The chunk.
    pub bytes: Vec<u8>,
    /// From the chunk up to the model's root.
    pub branch: Branch,
}

impl ProvedChunk {
    /// Fails unless this is a chunk of the package with this root.
    pub fn verify(&self, root: &ModelRoot) -> Result<(), MerkleError> {
        verify_chunk(root, &self.bytes, &self.branch)
    }
}

impl Encode for ProvedChunk {
    fn encode(&self, out: &mut Vec<u8>) {
        put_bytes(&self.bytes, out);
        self.branch.encode(out);
    }
}

impl Decode for ProvedChunk {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(ProvedChunk { bytes: r.bytes("chunk", CHUNK_LEN)?.to_vec(), branch: Decode::decode(r)? })
    }
}

/// Chunks of a package from `first` on, each with its branch: `count` of them, but none past the end and at most
/// [`MAX_CHUNKS_AT_ONCE`]. `tree` is the package's [`chunk_tree`]. Only these chunks are read.
pub fn prove_chunks(
    package: &(impl ReadAt + ?Sized),
    tree: &MerkleTree,
    first: u64,
    count: u64,
) -> Result<Vec<ProvedChunk>, StorageError> {
    let count = count.min(MAX_CHUNKS_AT_ONCE as u64);
    let end = first.saturating_add(count).min(tree.count());
    let mut proved = Vec::new();
    for index in first..end {
        let Some(branch) = tree.branch(index) else { break };
        let offset = index.saturating_mul(CHUNK_LEN as u64);
        let left = package.length().saturating_sub(offset);
        let length = if index + 1 < tree.count() { CHUNK_LEN } else { left.min(CHUNK_LEN as u64) as usize };
        let mut bytes = vec![0; length];
        package.read_at(offset, &mut bytes)?;
        proved.push(ProvedChunk { bytes, branch });
    }
    Ok(proved)
}
