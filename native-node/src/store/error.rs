//! What can be wrong with the file: one line that says what, and what to do.

use camelid_core::units::Network;
use std::path::{Path, PathBuf};

/// Why the chain's file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The file belongs to another network.
    #[error(
        "{} holds the {found} network's chain, expected {expected}: choose another data directory, or --network {found}",
        path.display()
    )]
    OtherNetwork {
        /// The file.
        path: PathBuf,
        /// The network asked for.
        expected: Network,
        /// The file's network.
        found: Network,
    },
    /// The file was written by an older version.
    #[error(
        "{} has format {found}, which this version, format {expected}, cannot read: run `rm '{}'` and start the node, which fetches the chain again (wallet and jobs are in other files)",
        path.display(), path.display()
    )]
    OlderFormat {
        /// The file.
        path: PathBuf,
        /// The format of this version.
        expected: u32,
        /// The file's format.
        found: u32,
    },
    /// The file was written by a newer version.
    #[error("{} has format {found}, this version knows {expected}: use a newer version of camelid", path.display())]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// The format of this version.
        expected: u32,
        /// The file's format.
        found: u32,
    },
    /// The file is no chain, or the beginning of one.
    #[error(
        "{} is truncated or not a chain database ({reason}): delete the file and the chain is fetched again (wallet files are apart)",
        path.display()
    )]
    NoChain {
        /// The file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// The file is in use.
    #[error("{} is in use by another process: stop that one, or choose another data directory", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The file holds something wrong.
    #[error(
        "{} is damaged ({reason}): delete the file and the chain is fetched again (wallet files are apart)",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// The operating system refused.
    #[error("cannot use {}: {error}: check that the directory exists, may be written to, and has room", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What it said.
        error: std::io::Error,
    },
}

impl StoreError {
    pub(super) fn file(path: &Path, error: std::io::Error) -> Self {
        StoreError::File { path: path.to_owned(), error }
    }

    pub(super) fn database(path: &Path, error: impl Into<redb::Error>) -> Self {
        match error.into() {
            redb::Error::Io(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                StoreError::Damaged { path: path.to_owned(), reason: "the file ends early".into() }
            }
            redb::Error::Io(error) => StoreError::file(path, error),
            other => StoreError::Damaged { path: path.to_owned(), reason: other.to_string() },
        }
    }
}
