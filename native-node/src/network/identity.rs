//! The node's network key, an ed25519 key kept on disk. It says which peer this is; it holds no money.

use super::NetworkError;
use libp2p::identity::Keypair;
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::Path;

/// Reads the key in `file`, or makes one and writes it there, readable by its owner alone.
pub(super) fn load_or_create(file: &Path) -> Result<Keypair, NetworkError> {
    let error = |reason: String| NetworkError::Identity { file: file.to_owned(), reason };
    match fs::read(file) {
        Ok(bytes) => Keypair::from_protobuf_encoding(&bytes).map_err(|_| {
            error("not a network key: restore it, or delete it and the node makes itself a new identity".into())
        }),
        Err(e) if e.kind() == ErrorKind::NotFound => {
            let keypair = Keypair::generate_ed25519();
            let bytes = keypair.to_protobuf_encoding().map_err(|e| error(e.to_string()))?;
            write_private(file, &bytes).map_err(|e| error(e.to_string()))?;
            Ok(keypair)
        }
        Err(e) => Err(error(e.to_string())),
    }
}

/// Writes a file that only its owner can read. It appears whole or not at all.
pub(crate) fn write_private(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if let Some(dir) = file.parent() {
        fs::create_dir_all(dir)?;
    }
    let mut name = file.as_os_str().to_owned();
    name.push(".new");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut new = options.open(&name)?;
    new.write_all(bytes)?;
    new.sync_all()?;
    fs::rename(&name, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_kept_and_private() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("deep/peer.key");
        let first = load_or_create(&file).unwrap();
        assert_eq!(load_or_create(&file).unwrap().public(), first.public());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_damaged_key_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("peer.key");
        fs::write(&file, b"garbage").unwrap();
        let error = load_or_create(&file).unwrap_err().to_string();
        assert!(error.contains("peer.key") && error.contains("not a network key"), "{error}");
        assert_eq!(fs::read(&file).unwrap(), b"garbage");
    }
}
