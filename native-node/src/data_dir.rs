//! The node's folder: where each file is, and that a folder belongs to one network.

use camelid_core::units::Network;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The folder of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataDir {
    root: PathBuf,
}

/// Why a folder cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataDirError {
    /// There is no home folder to put it in.
    #[error("no home directory is known: name a data directory with --data-dir")]
    NoHome,
    /// It belongs to another network.
    #[error("data directory {} is of network {found}, not {expected}: give --network {found}, or another --data-dir", .dir.display())]
    OtherNetwork {
        /// The folder.
        dir: PathBuf,
        /// The network asked for.
        expected: Network,
        /// The network of the folder.
        found: Network,
    },
    /// Its `network` file names none.
    #[error("{} names no network: expected main, test or dev; is the folder a node's?", .file.display())]
    UnknownNetwork {
        /// The file.
        file: PathBuf,
    },
    /// Reading or writing fails.
    #[error("data directory {}: {source}; give another with --data-dir", .path.display())]
    Io {
        /// The folder or file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
}

impl DataDir {
    /// This folder.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        DataDir { root: root.into() }
    }

    /// The usual folder of a network: `~/.camelid/<network>`.
    pub fn usual(network: Network) -> Result<Self, DataDirError> {
        let home = std::env::home_dir().filter(|home| !home.as_os_str().is_empty()).ok_or(DataDirError::NoHome)?;
        Ok(DataDir { root: home.join(".camelid").join(network.name()) })
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// The network that the folder belongs to; `None` for a new one.
    pub fn network(&self) -> Result<Option<Network>, DataDirError> {
        let file = self.root.join("network");
        match fs::read_to_string(&file) {
            Ok(text) => text.trim().parse().map(Some).map_err(|_| DataDirError::UnknownNetwork { file }),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(DataDirError::Io { path: file, source }),
        }
    }

    /// Makes the folder for a network, readable by its owner alone; fails when it is another network's.
    pub fn prepare(&self, network: Network) -> Result<(), DataDirError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| DataDirError::Io { path, source }
        };
        self.check(network)?;
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        for dir in [self.root.clone(), self.models()] {
            builder.create(&dir).map_err(failed(&dir))?;
        }
        let file = self.root.join("network");
        if !file.exists() {
            fs::write(&file, format!("{network}\n")).map_err(failed(&file))?;
        }
        Ok(())
    }

    /// Fails when the folder is another network's.
    pub fn check(&self, network: Network) -> Result<(), DataDirError> {
        match self.network()? {
            Some(found) if found != network => {
                Err(DataDirError::OtherNetwork { dir: self.root.clone(), expected: network, found })
            }
            _ => Ok(()),
        }
    }

    /// The configuration that is read when none is named.
    pub fn config(&self) -> PathBuf {
        self.root.join("camelid.toml")
    }

    /// The wallet's key file.
    pub fn wallet(&self) -> PathBuf {
        self.root.join("wallet.json")
    }

    /// The network key.
    pub fn identity(&self) -> PathBuf {
        self.root.join("peer.key")
    }

    /// The peers that the node knows of.
    pub fn address_book(&self) -> PathBuf {
        self.root.join("peers.book")
    }

    /// Whom it talks to no more for a while.
    pub fn bans(&self) -> PathBuf {
        self.root.join("peers.bans")
    }

    /// The certificate of WebRTC connections, with its key.
    pub fn webrtc_certificate(&self) -> PathBuf {
        self.root.join("webrtc.pem")
    }

    /// What the node must not forget beside the chain.
    pub fn journal(&self) -> PathBuf {
        self.root.join("journal.redb")
    }

    /// What waits: loose transactions and open jobs, as of the last save.
    pub fn pools(&self) -> PathBuf {
        self.root.join("pools.bin")
    }

    /// The model packages.
    pub fn models(&self) -> PathBuf {
        self.root.join("models")
    }

    /// The token of a running node's API.
    pub fn api_token(&self) -> PathBuf {
        self.root.join("api.token")
    }

    /// The address of a running node's API.
    pub fn api_address(&self) -> PathBuf {
        self.root.join("api.address")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_belongs_to_one_network() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::at(dir.path().join("deep/node"));
        assert_eq!(data.network().unwrap(), None);
        data.prepare(Network::Dev).unwrap();
        data.prepare(Network::Dev).unwrap();
        assert_eq!(data.network().unwrap(), Some(Network::Dev));
        let error = data.prepare(Network::Test).unwrap_err().to_string();
        assert!(error.contains("is of network dev, not test") && error.contains("--network dev"), "{error}");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(data.path()).unwrap().permissions().mode() & 0o777, 0o700);
        }
        fs::write(data.path().join("network"), "moon").unwrap();
        assert!(matches!(data.check(Network::Dev), Err(DataDirError::UnknownNetwork { .. })));
    }
}
