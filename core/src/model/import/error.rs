//! Why a checkpoint cannot be imported.

use crate::model::package::PackageError;
use std::string::String;

/// Why a checkpoint cannot be imported: which file, which field, what came, what to do.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// A file ends early.
    #[error("{file} is too short: {needed} bytes needed for {field}, {found} there; fetch the file again")]
    Truncated {
        /// The file.
        file: &'static str,
        /// What lies where it ends.
        field: &'static str,
        /// Bytes that the file needs.
        needed: u64,
        /// Bytes in the file.
        found: u64,
    },
    /// A file has bytes that belong to nothing.
    #[error("{file} is too long: {expected} bytes expected, {found} there; it belongs to another model or format")]
    TooLong {
        /// The file.
        file: &'static str,
        /// Bytes expected.
        expected: u64,
        /// Bytes in the file.
        found: u64,
    },
    /// A field lies outside its range.
    #[error("{file}: {field} is {found}, expected {expected}; {advice}")]
    Field {
        /// The file.
        file: &'static str,
        /// The field.
        field: &'static str,
        /// What came.
        found: i64,
        /// What it may be.
        expected: &'static str,
        /// What to do.
        advice: &'static str,
    },
    /// A weight is not a number that can be used.
    #[error("{tensor}, row {row}: found {found}, expected finite numbers below 2^15; the checkpoint is damaged")]
    Weight {
        /// The tensor.
        tensor: String,
        /// Its row.
        row: usize,
        /// What came.
        found: f32,
    },
    /// The format is known, but another.
    #[error("{file}: {found}; {advice}")]
    Unsupported {
        /// The file.
        file: &'static str,
        /// What came.
        found: &'static str,
        /// What to do.
        advice: &'static str,
    },
    /// The package would not be valid.
    #[error("the model does not fit a package: {0}")]
    Package(#[from] PackageError),
}
