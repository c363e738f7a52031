//! Where the wallet's password comes from.

use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The environment variable that programs may put the password into.
pub const PASSWORD_VARIABLE: &str = "CAMELID_PASSWORD";
/// A password file holds one line; more than this is something else.
const MAX_BYTES: u64 = 4096;

/// Why there is no password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PasswordError {
    /// The file cannot be read.
    #[error("cannot read password file {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file holds something else.
    #[error("password file {} is not one line of UTF-8 text of at most {MAX_BYTES} bytes", path.display())]
    NotAPassword {
        /// The file.
        path: PathBuf,
    },
    /// The password is empty.
    #[error("the password is empty: a wallet needs one")]
    Empty,
    /// Both entries of a new password differ.
    #[error("the two passwords differ: try again")]
    Differ,
    /// Nobody can be asked.
    #[error("no password: no terminal to ask on; give --password-file FILE or set {PASSWORD_VARIABLE}")]
    NoTerminal,
    /// The terminal fails.
    #[error(
        "cannot read the password from the terminal: {source}; give --password-file FILE or set {PASSWORD_VARIABLE}"
    )]
    Terminal {
        /// Why.
        source: io::Error,
    },
}

/// The places where a password may be, in the order in which they are looked at; after them, the terminal.
#[derive(Clone, Debug, Default)]
pub struct Passwords {
    /// `--password-file`.
    pub file: Option<PathBuf>,
    /// The content of [`PASSWORD_VARIABLE`].
    pub variable: Option<Zeroizing<String>>,
}

impl Passwords {
    /// With the environment as it is.
    pub fn from_environment(file: Option<PathBuf>) -> Self {
        Passwords { file, variable: std::env::var(PASSWORD_VARIABLE).ok().map(Zeroizing::new) }
    }

    /// The password of a wallet that exists.
    pub fn existing(&self) -> Result<Zeroizing<String>, PasswordError> {
        match self.given()? {
            Some(password) => Ok(password),
            None => ask("Wallet password: "),
        }
    }

    /// The password for a new wallet, asked for twice on a terminal.
    pub fn new_one(&self) -> Result<Zeroizing<String>, PasswordError> {
        if let Some(password) = self.given()? {
            return Ok(password);
        }
        let password = ask("New wallet password: ")?;
        if *ask("The same again: ")? == *password { Ok(password) } else { Err(PasswordError::Differ) }
    }

    fn given(&self) -> Result<Option<Zeroizing<String>>, PasswordError> {
        match (&self.file, &self.variable) {
            (Some(path), _) => from_file(path).and_then(not_empty).map(Some),
            (None, Some(password)) => not_empty(password.clone()).map(Some),
            (None, None) => Ok(None),
        }
    }
}

fn from_file(path: &Path) -> Result<Zeroizing<String>, PasswordError> {
    let failed = |source| PasswordError::File { path: path.into(), source };
    let mut bytes = Zeroizing::new(Vec::new());
    std::fs::File::open(path).map_err(failed)?.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    let text = std::str::from_utf8(&bytes).ok().filter(|_| bytes.len() as u64 <= MAX_BYTES);
    let line = text.map(|t| t.strip_suffix('\n').unwrap_or(t)).map(|t| t.strip_suffix('\r').unwrap_or(t));
    match line {
        Some(line) if !line.contains('\n') => Ok(Zeroizing::new(line.into())),
        _ => Err(PasswordError::NotAPassword { path: path.into() }),
    }
}

fn ask(prompt: &str) -> Result<Zeroizing<String>, PasswordError> {
    if !io::stdin().is_terminal() {
        return Err(PasswordError::NoTerminal);
    }
    let password = rpassword::prompt_password(prompt).map_err(|source| PasswordError::Terminal { source })?;
    not_empty(Zeroizing::new(password))
}

fn not_empty(password: Zeroizing<String>) -> Result<Zeroizing<String>, PasswordError> {
    if password.is_empty() { Err(PasswordError::Empty) } else { Ok(password) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(file: Option<&[u8]>, variable: Option<&str>) -> Result<String, PasswordError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        if let Some(bytes) = file {
            std::fs::write(&path, bytes).unwrap();
        }
        let variable = variable.map(|v| Zeroizing::new(v.to_string()));
        let passwords = Passwords { file: file.map(|_| path), variable };
        passwords.existing().map(|p| p.to_string())
    }

    #[test]
    fn the_file_comes_before_the_variable() {
        assert_eq!(given(Some(b"from file\n"), Some("from variable")).unwrap(), "from file");
        assert_eq!(given(Some(b" spaces stay \r\n"), None).unwrap(), " spaces stay ");
        assert_eq!(given(None, Some("from variable")).unwrap(), "from variable");
        let both = Passwords { file: None, variable: Some(Zeroizing::new("new".into())) };
        assert_eq!(*both.new_one().unwrap(), "new");
    }

    #[test]
    fn bad_passwords_are_refused() {
        assert!(matches!(given(Some(b"\n"), None), Err(PasswordError::Empty)));
        assert!(matches!(given(None, Some("")), Err(PasswordError::Empty)));
        assert!(matches!(given(Some(b"two\nlines\n"), None), Err(PasswordError::NotAPassword { .. })));
        assert!(matches!(given(Some(&[0xff]), None), Err(PasswordError::NotAPassword { .. })));
        assert!(matches!(given(Some(&[b'a'; 5000]), None), Err(PasswordError::NotAPassword { .. })));
        let missing = Passwords { file: Some("/no/such/file".into()), variable: None };
        let text = missing.existing().unwrap_err().to_string();
        assert!(text.starts_with("cannot read password file /no/such/file"), "{text}");
    }
}
