//! The key file: the wallet's words, sealed with a password (`docs/protocol.md`, "Key file").
//!
//! JSON, so that a person sees what it is. Argon2id turns password and salt into a key;
//! XChaCha20-Poly1305 seals the BIP39 entropy under it, bound to network and parameters.

use camelid_core::keys::{Mnemonic, PasswordCost, PasswordError};
use camelid_core::units::Network;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

const FORMAT: &str = "camelid wallet";
const VERSION: u32 = 1;
/// A key file takes about 500 bytes; more than this is something else.
const MAX_FILE_BYTES: u64 = 16 * 1024;

/// Why a key file cannot be made or opened. Each message is one line that says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// A new wallet would replace one.
    #[error("a wallet is already there: {}; move it away first, it holds the only keys to its coins", path.display())]
    AlreadyExists {
        /// The file.
        path: PathBuf,
    },
    /// There is no wallet.
    #[error("no wallet at {}: make one with `camelid wallet new`, or bring one back with `camelid wallet restore`", path.display())]
    NotFound {
        /// The file looked for.
        path: PathBuf,
    },
    /// The file ends too early.
    #[error("wallet file {} is cut off: take a copy of it, or bring the wallet back from its words with `camelid wallet restore`", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
    },
    /// The file is something else.
    #[error("{} is no wallet file ({reason}): take a copy of it, or bring the wallet back from its words with `camelid wallet restore`", path.display())]
    NotAWallet {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The file is of a newer kind.
    #[error("wallet file {} has version {found}, this program knows version {VERSION}: use a newer one", path.display())]
    UnknownVersion {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// The wallet belongs to another network.
    #[error("wallet file {} is of network {found}, expected network {expected}: name the network with --network {found}, or another data directory", path.display())]
    WrongNetwork {
        /// The file.
        path: PathBuf,
        /// The network asked for.
        expected: Network,
        /// The network of the file.
        found: Network,
    },
    /// The password does not open the file.
    #[error("wrong password for wallet {} (or the file was altered)", path.display())]
    WrongPassword {
        /// The file.
        path: PathBuf,
    },
    /// Argon2 cannot run.
    #[error("cannot derive the wallet's key: {reason}")]
    Derivation {
        /// What Argon2 says.
        reason: String,
    },
    /// The operating system gives no randomness.
    #[error("the operating system gives no random bytes: {reason}")]
    Random {
        /// What it says.
        reason: String,
    },
    /// Reading or writing fails.
    #[error("cannot {action} wallet file {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

/// The parameters of Argon2id, as they stand in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Argon2idCost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl From<PasswordCost> for Argon2idCost {
    fn from(PasswordCost { memory_kib, passes, lanes }: PasswordCost) -> Self {
        Argon2idCost { memory_kib, passes, lanes }
    }
}

impl From<Argon2idCost> for PasswordCost {
    fn from(Argon2idCost { memory_kib, passes, lanes }: Argon2idCost) -> Self {
        PasswordCost { memory_kib, passes, lanes }
    }
}

/// What stands in the file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    format: String,
    version: u32,
    network: String,
    argon2id: Argon2idCost,
    salt: String,
    xchacha20poly1305_nonce: String,
    sealed: String,
}

impl Content {
    /// What the seal is bound to beside the key: everything that is not secret.
    fn bound(&self) -> Vec<u8> {
        let Argon2idCost { memory_kib, passes, lanes } = self.argon2id;
        format!("{FORMAT}\n{}\n{}\n{memory_kib} {passes} {lanes}\n{}", self.version, self.network, self.salt)
            .into_bytes()
    }
}

/// A wallet's key file.
#[derive(Clone, Debug)]
pub struct KeyFile {
    path: PathBuf,
}

impl KeyFile {
    /// The key file at this path, which need not exist.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        KeyFile { path: path.into() }
    }

    /// The path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether something is there.
    pub fn exists(&self) -> bool {
        self.path.symlink_metadata().is_ok()
    }

    /// Seals the words and writes the file, readable by its owner alone. Never replaces a file; after a
    /// crash it is there as a whole or not at all.
    pub fn create(&self, network: Network, mnemonic: &Mnemonic, password: &str) -> Result<(), KeyFileError> {
        self.create_with(network, mnemonic, password, PasswordCost::STANDARD)
    }

    fn create_with(
        &self,
        network: Network,
        mnemonic: &Mnemonic,
        password: &str,
        cost: PasswordCost,
    ) -> Result<(), KeyFileError> {
        if self.exists() {
            return Err(KeyFileError::AlreadyExists { path: self.path.clone() });
        }
        let (mut salt, mut nonce) = ([0; 16], [0; 24]);
        for bytes in [&mut salt[..], &mut nonce] {
            getrandom::fill(bytes).map_err(|e| KeyFileError::Random { reason: e.to_string() })?;
        }
        let mut content = Content {
            format: FORMAT.into(),
            version: VERSION,
            network: network.name().into(),
            argon2id: cost.into(),
            salt: hex::encode(salt),
            xchacha20poly1305_nonce: hex::encode(nonce),
            sealed: String::new(),
        };
        let sealed = cost.seal(password, &salt, &nonce, &content.bound(), &mnemonic.entropy());
        let sealed = sealed.map_err(|e| KeyFileError::Derivation { reason: e.to_string() })?;
        content.sealed = hex::encode(sealed);
        let text = serde_json::to_string_pretty(&content).expect("a key file is plain JSON") + "\n";
        self.write_new(text.as_bytes())
    }

    /// Opens the file of this network with the password.
    pub fn open(&self, network: Network, password: &str) -> Result<Mnemonic, KeyFileError> {
        let content = self.read()?;
        let not_a_wallet = |reason: &str| KeyFileError::NotAWallet { path: self.path.clone(), reason: reason.into() };
        let found = content.network.parse().map_err(|_| not_a_wallet("its network is unknown"))?;
        if found != network {
            return Err(KeyFileError::WrongNetwork { path: self.path.clone(), expected: network, found });
        }
        let salt = hex::decode(&content.salt).map_err(|_| not_a_wallet("its salt is not hexadecimal"))?;
        let mut nonce = [0; 24];
        hex::decode_to_slice(&content.xchacha20poly1305_nonce, &mut nonce)
            .map_err(|_| not_a_wallet("its nonce is not 24 bytes in hexadecimal"))?;
        let sealed = hex::decode(&content.sealed).map_err(|_| not_a_wallet("its seal is not hexadecimal"))?;
        let cost = PasswordCost::from(content.argon2id);
        let opened = cost.open(password, &salt, &nonce, &content.bound(), &sealed);
        let entropy = opened.map_err(|error| match error {
            PasswordError::DoesNotOpen => KeyFileError::WrongPassword { path: self.path.clone() },
            PasswordError::Cost { .. } => not_a_wallet("it asks for more memory or time than any wallet"),
            error => KeyFileError::Derivation { reason: error.to_string() },
        })?;
        Mnemonic::from_entropy(&entropy).map_err(|e| not_a_wallet(&e.to_string()))
    }

    /// The network that the file names. Not proved before it is opened.
    pub fn network(&self) -> Result<Network, KeyFileError> {
        let network = self.read()?.network.parse();
        network
            .map_err(|_| KeyFileError::NotAWallet { path: self.path.clone(), reason: "its network is unknown".into() })
    }

    fn read(&self) -> Result<Content, KeyFileError> {
        let path = self.path.clone();
        let file = File::open(&path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => KeyFileError::NotFound { path: path.clone() },
            _ => KeyFileError::Io { action: "open", path: path.clone(), source },
        })?;
        let mut bytes = Vec::new();
        file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(|source| KeyFileError::Io {
            action: "read",
            path: path.clone(),
            source,
        })?;
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(KeyFileError::NotAWallet { path, reason: "it is too long".into() });
        }
        // Format and version come first: of a newer version the rest may look different.
        #[derive(Deserialize)]
        struct Head {
            format: String,
            version: u32,
        }
        let failed = |e: serde_json::Error| match e.classify() {
            serde_json::error::Category::Eof => KeyFileError::Truncated { path: path.clone() },
            _ => KeyFileError::NotAWallet { path: path.clone(), reason: e.to_string() },
        };
        let head: Head = serde_json::from_slice(&bytes).map_err(failed)?;
        if head.format != FORMAT {
            let reason = format!("its format is not '{FORMAT}'");
            return Err(KeyFileError::NotAWallet { path, reason });
        }
        if head.version != VERSION {
            return Err(KeyFileError::UnknownVersion { path, found: head.version });
        }
        serde_json::from_slice(&bytes).map_err(failed)
    }

    fn write_new(&self, bytes: &[u8]) -> Result<(), KeyFileError> {
        let failed = |source| KeyFileError::Io { action: "write", path: self.path.clone(), source };
        let folder = match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        std::fs::create_dir_all(folder).map_err(failed)?;
        // Temporary files are readable by their owner alone (0600).
        let mut file = tempfile::Builder::new().prefix(".wallet-").tempfile_in(folder).map_err(failed)?;
        file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
        file.persist_noclobber(&self.path).map_err(|e| match e.error.kind() {
            io::ErrorKind::AlreadyExists => KeyFileError::AlreadyExists { path: self.path.clone() },
            _ => failed(e.error),
        })?;
        // The name is on disk when the folder is.
        #[cfg(unix)]
        File::open(folder).and_then(|f| f.sync_all()).map_err(failed)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP: PasswordCost = PasswordCost { memory_kib: 64, passes: 1, lanes: 1 };

    fn mnemonic() -> Mnemonic {
        Mnemonic::from_entropy(&[7; 16]).unwrap()
    }

    /// A folder and a wallet in it, password "secret", network dev.
    fn wallet() -> (tempfile::TempDir, KeyFile) {
        let folder = tempfile::tempdir().unwrap();
        let file = KeyFile::at(folder.path().join("deep/wallet.json"));
        file.create_with(Network::Dev, &mnemonic(), "secret", CHEAP).unwrap();
        (folder, file)
    }

    fn one_line(error: &KeyFileError) -> String {
        let text = error.to_string();
        assert!(!text.contains('\n'), "{text}");
        text
    }

    #[test]
    fn what_was_sealed_opens() {
        let (_folder, file) = wallet();
        assert_eq!(file.open(Network::Dev, "secret").unwrap(), mnemonic());
        assert_eq!(file.network().unwrap(), Network::Dev);
        let entries = std::fs::read_dir(file.path().parent().unwrap()).unwrap().count();
        assert_eq!(entries, 1, "a temporary file was left behind");
    }

    /// With the real cost of a password guess.
    #[test]
    fn the_standard_cost_works() {
        let folder = tempfile::tempdir().unwrap();
        let file = KeyFile::at(folder.path().join("wallet.json"));
        file.create(Network::Main, &mnemonic(), "pass word").unwrap();
        assert_eq!(file.open(Network::Main, "pass word").unwrap(), mnemonic());
        let text = std::fs::read_to_string(file.path()).unwrap();
        assert!(text.contains("\"memory_kib\": 65536"), "{text}");
        assert!(!text.contains(&hex::encode(&*mnemonic().entropy())), "the secret stands in the file");
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let (_folder, file) = wallet();
        assert_eq!(file.path().metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_wallet_is_never_replaced() {
        let (_folder, file) = wallet();
        let error = file.create_with(Network::Dev, &mnemonic(), "other", CHEAP).unwrap_err();
        assert!(matches!(error, KeyFileError::AlreadyExists { .. }));
        assert!(one_line(&error).contains("already there"));
        // Nor by one that did not see it come.
        assert!(matches!(file.write_new(b"x").unwrap_err(), KeyFileError::AlreadyExists { .. }));
        assert_eq!(file.open(Network::Dev, "secret").unwrap(), mnemonic());
    }

    #[test]
    fn errors_say_what_is_wrong() {
        let (folder, file) = wallet();
        let missing = KeyFile::at(folder.path().join("none.json")).open(Network::Dev, "secret").unwrap_err();
        assert!(one_line(&missing).contains("camelid wallet new"));
        let password = file.open(Network::Dev, "Secret").unwrap_err();
        assert!(one_line(&password).starts_with("wrong password"));
        let network = file.open(Network::Main, "secret").unwrap_err();
        assert!(one_line(&network).contains("is of network dev, expected network main"));
        let elsewhere = KeyFile::at(file.path().join("below a file")).open(Network::Dev, "secret").unwrap_err();
        assert!(matches!(elsewhere, KeyFileError::Io { .. }));
    }

    #[test]
    fn every_cut_file_is_an_error() {
        let (_folder, file) = wallet();
        let whole = std::fs::read(file.path()).unwrap();
        for len in 0..whole.trim_ascii_end().len() {
            std::fs::write(file.path(), &whole[..len]).unwrap();
            let error = file.open(Network::Dev, "secret").unwrap_err();
            assert!(matches!(error, KeyFileError::Truncated { .. }), "{len}: {error}");
            one_line(&error);
        }
    }

    #[test]
    fn an_altered_file_does_not_open() {
        let (_folder, file) = wallet();
        let text = std::fs::read_to_string(file.path()).unwrap();
        let alter = |from: &str, to: &str| {
            assert!(text.contains(from), "{from} is not in {text}");
            std::fs::write(file.path(), text.replacen(from, to, 1)).unwrap();
            file.open(Network::Dev, "secret").unwrap_err()
        };
        assert!(matches!(alter("\"passes\": 1", "\"passes\": 2"), KeyFileError::WrongPassword { .. }));
        assert!(matches!(alter("\"passes\": 1", "\"passes\": 0"), KeyFileError::Derivation { .. }));
        let greedy = alter("\"memory_kib\": 64", "\"memory_kib\": 4294967295");
        assert!(matches!(greedy, KeyFileError::NotAWallet { .. }));
        assert!(matches!(alter("\"version\": 1", "\"version\": 2"), KeyFileError::UnknownVersion { found: 2, .. }));
        assert!(matches!(alter("camelid wallet", "other wallet"), KeyFileError::NotAWallet { .. }));
        assert!(matches!(alter("\"dev\"", "\"def\""), KeyFileError::NotAWallet { .. }));
        assert!(matches!(alter("\"salt\": \"", "\"salt\": \"zz"), KeyFileError::NotAWallet { .. }));
        assert!(matches!(alter("\"sealed\": \"", "\"sealed\": \"00"), KeyFileError::WrongPassword { .. }));
        assert!(matches!(alter("\"salt\"", "\"more\": 1, \"salt\""), KeyFileError::NotAWallet { .. }));
        std::fs::write(file.path(), vec![b' '; 100_000]).unwrap();
        assert!(matches!(file.open(Network::Dev, "secret").unwrap_err(), KeyFileError::NotAWallet { .. }));
        // The same words under the name of another network.
        std::fs::write(file.path(), text.replacen("\"dev\"", "\"main\"", 1)).unwrap();
        assert!(matches!(file.open(Network::Main, "secret").unwrap_err(), KeyFileError::WrongPassword { .. }));
    }
}
