//! Why a model cannot be imported.

use crate::model::package::{PackageError, StorageError};
use crate::model::tokenizer::TokenizerError;
use std::string::{String, ToString};

/// Why a model cannot be imported: which file, which field, what came, what to do.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// A file that must be there is not.
    #[error("{file} is missing: {advice}")]
    MissingFile {
        /// The file.
        file: String,
        /// What to do.
        advice: String,
    },
    /// A file ends early.
    #[error("{file} is too short: {needed} bytes needed for {field}, {found} there; fetch the file again")]
    Truncated {
        /// The file.
        file: String,
        /// What lies where it ends.
        field: String,
        /// Bytes that the file needs.
        needed: u64,
        /// Bytes in the file.
        found: u64,
    },
    /// A file has bytes that belong to nothing.
    #[error("{file} is too long: {expected} bytes expected, {found} there; it belongs to another model or format")]
    TooLong {
        /// The file.
        file: String,
        /// Bytes expected.
        expected: u64,
        /// Bytes in the file.
        found: u64,
    },
    /// A field is absent or lies outside its range.
    #[error("{file}: {field} is {found}, expected {expected}; {advice}")]
    Field {
        /// The file.
        file: String,
        /// The field.
        field: String,
        /// What came.
        found: String,
        /// What it may be.
        expected: String,
        /// What to do.
        advice: &'static str,
    },
    /// A file's structure is broken.
    #[error("{file}: {reason}; the file is damaged, fetch it again")]
    Damaged {
        /// The file.
        file: String,
        /// What is wrong.
        reason: String,
    },
    /// A tensor that the architecture needs is absent.
    #[error("{file}: tensor {tensor} is missing; the checkpoint is not whole, or is of another architecture")]
    MissingTensor {
        /// The file that should name it.
        file: String,
        /// The tensor.
        tensor: String,
    },
    /// A tensor has another shape than the architecture needs.
    #[error(
        "{file}: tensor {tensor} has shape {found}, expected {expected}; the checkpoint does not fit its configuration"
    )]
    TensorShape {
        /// Its file.
        file: String,
        /// The tensor.
        tensor: String,
        /// Its shape.
        found: String,
        /// The shape that the configuration asks for.
        expected: String,
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
    #[error("{file}: {found} is not supported; {advice}")]
    Unsupported {
        /// The file.
        file: String,
        /// What came.
        found: String,
        /// What to do.
        advice: String,
    },
    /// Reading a file failed.
    #[error("{file}: {reason}")]
    Storage {
        /// The file.
        file: String,
        /// The system's reason.
        reason: StorageError,
    },
    /// It was stopped.
    #[error("the import was stopped; nothing is left of it")]
    Stopped,
    /// The tokenizer cannot be used.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The package would not be valid.
    #[error("the model does not fit a package: {0}")]
    Package(PackageError),
    /// The package cannot be written.
    #[error("{reason}; the package needs {needed} bytes: make room for them, or name another place with --out")]
    Write {
        /// Why.
        reason: PackageError,
        /// Bytes in the package.
        needed: u64,
    },
}

impl From<PackageError> for ImportError {
    fn from(error: PackageError) -> Self {
        ImportError::Package(error)
    }
}

impl ImportError {
    pub(super) fn unsupported(file: &str, found: impl Into<String>, advice: &str) -> Self {
        ImportError::Unsupported { file: file.to_string(), found: found.into(), advice: advice.to_string() }
    }

    pub(super) fn damaged(file: &str, reason: impl Into<String>) -> Self {
        ImportError::Damaged { file: file.to_string(), reason: reason.into() }
    }
}

/// The start of a text that a file holds, on one line: what an error shows of it.
pub(super) fn brief(text: &str) -> String {
    const SHOWN: usize = 80;
    let visible = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    let dots = if text.chars().nth(SHOWN).is_some() { "..." } else { "" };
    text.chars().take(SHOWN).map(visible).chain(dots.chars()).collect()
}
