//! The package: a model as one file, cut into 64 KiB chunks whose Merkle root is the model's identity
//! (`docs/arithmetic.md`, "Package"; paper 2.6.1).
//!
//! Manifest and tokenizer lie first, so a client that checks nothing itself fetches those chunks alone.
//! All that follows has a place that the manifest fixes: there is no table of offsets to lie with.

mod check;
mod chunks;
mod download;
mod error;
mod head;
mod layout;
mod manifest;
mod parse;
mod storage;
mod write;

pub use check::check_package;
pub use chunks::{
    CHUNK_LEN, MAX_CHUNKS_AT_ONCE, ProvedChunk, chunk_tree, chunks, model_root, prove_chunks, verify_chunk,
};
pub use download::{DownloadError, ModelDownload, Taken};
pub use error::PackageError;
pub use head::{Head, PREFIX_LEN};
pub use layout::{Layout, MAX_PACKAGE_LEN, MatrixPlace, NormPlace};
pub use manifest::{
    ActivationKind, Architecture, Biases, Manifest, MlpKind, ModelInfo, NormKind, PositionKind, SpecialTokens,
};
pub use parse::{Layer, Matrix, Norm, Package, valid_model};
pub use storage::{ReadAt, StorageError, WriteAt};
pub use write::{MatrixWriter, NormData, PackageWriter, TableWriter};

#[cfg(all(test, feature = "import"))]
mod tests;
