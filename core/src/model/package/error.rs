//! Why bytes are not a model package.

use super::storage::StorageError;
use crate::encode::DecodeError;
use crate::hash::ModelRoot;

/// Why bytes are not a model package.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PackageError {
    /// The file does not start as a package does.
    #[error("not a model package: expected it to start with \"CAMELIDM\"; import the model first")]
    NotAPackage,
    /// The package's version is another than this program reads.
    #[error("package version {found}, expected {expected}: import the model again with this program")]
    Version {
        /// The version this program reads.
        expected: u32,
        /// The version found.
        found: u32,
    },
    /// The file is shorter or longer than its head says.
    #[error("package has {found} bytes, its head says {expected}: fetch it again")]
    Length {
        /// What head and manifest fix.
        expected: u64,
        /// What is there.
        found: u64,
    },
    /// Manifest or tokenizer do not decode.
    #[error("package head: {0}")]
    Head(#[from] DecodeError),
    /// A number of the manifest lies outside its range.
    #[error("manifest: {field} is {found}, expected {expected}")]
    Field {
        /// The field.
        field: &'static str,
        /// What it may be.
        expected: &'static str,
        /// What it is.
        found: u64,
    },
    /// A value in a table lies outside the range in which the arithmetic cannot overflow.
    #[error("{table}, entry {index}: {found} is outside {expected}")]
    Value {
        /// The table.
        table: &'static str,
        /// Position in the table.
        index: u64,
        /// What it may be.
        expected: &'static str,
        /// What it is.
        found: i64,
    },
    /// The tokenizer contradicts itself or the manifest.
    #[error("tokenizer: {0}")]
    Tokenizer(&'static str),
    /// Reading or writing the package failed.
    #[error("{what} failed at byte {offset}: {reason}")]
    Storage {
        /// What was done.
        what: &'static str,
        /// Where.
        offset: u64,
        /// The system's reason.
        reason: StorageError,
    },
    /// The root is another than the one asked for.
    #[error("model root {found}, expected {expected}")]
    Root {
        /// The root asked for.
        expected: ModelRoot,
        /// The root of these bytes.
        found: ModelRoot,
    },
}
