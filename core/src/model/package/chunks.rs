//! Chunks of 64 KiB and the Merkle root over them.

use crate::hash::{Branch, MerkleError, MerkleHasher, ModelRoot};

/// Bytes in a chunk; the last one may be shorter.
pub const CHUNK_LEN: usize = 65_536;

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
