//! Mnemonic words (BIP39, English): what a person writes down to keep a wallet.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use zeroize::Zeroizing;

/// What words and passphrase turn into: the root of all keys. Zeroized on drop.
pub type Seed = Zeroizing<[u8; 64]>;

/// 12, 15, 18, 21 or 24 words that hold 16 to 32 bytes of entropy and a checksum. Zeroized on drop.
#[derive(Clone, PartialEq, Eq)]
pub struct Mnemonic(bip39::Mnemonic);

/// Why text or bytes are no mnemonic.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MnemonicError {
    /// The number of words is none that BIP39 knows.
    #[error("{found} words, expected 12, 15, 18, 21 or 24")]
    WordCount {
        /// Words found.
        found: usize,
    },
    /// A word is not in the list.
    #[error("word {position}, '{word}', is not in the BIP39 English list: check its spelling")]
    UnknownWord {
        /// Its position, from 1.
        position: usize,
        /// The word.
        word: String,
    },
    /// The checksum does not fit.
    #[error("the words do not fit together: one is wrong, or two changed places")]
    WrongChecksum,
    /// The entropy has a length that BIP39 does not know.
    #[error("{found} bytes of entropy, expected 16, 20, 24, 28 or 32")]
    EntropyLength {
        /// Bytes found.
        found: usize,
    },
}

impl Mnemonic {
    /// The words for 16, 20, 24, 28 or 32 bytes of entropy.
    pub fn from_entropy(entropy: &[u8]) -> Result<Self, MnemonicError> {
        bip39::Mnemonic::from_entropy_in(bip39::Language::English, entropy)
            .map(Mnemonic)
            .map_err(|_| MnemonicError::EntropyLength { found: entropy.len() })
    }

    /// Reads words, divided by any white space, in small or capital letters.
    pub fn parse(text: &str) -> Result<Self, MnemonicError> {
        let text = Zeroizing::new(text.to_lowercase());
        bip39::Mnemonic::parse_in_normalized(bip39::Language::English, &text).map(Mnemonic).map_err(|e| match e {
            bip39::Error::BadWordCount(_) => MnemonicError::WordCount { found: text.split_whitespace().count() },
            bip39::Error::UnknownWord(at) => MnemonicError::UnknownWord {
                position: at + 1,
                word: text.split_whitespace().nth(at).unwrap_or_default().to_string(),
            },
            _ => MnemonicError::WrongChecksum,
        })
    }

    /// The words, with one space between them.
    pub fn phrase(&self) -> Zeroizing<String> {
        Zeroizing::new(self.0.words().collect::<Vec<_>>().join(" "))
    }

    /// The entropy in the words, 16 to 32 bytes.
    pub fn entropy(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(self.0.to_entropy())
    }

    /// The seed: PBKDF2 of words and passphrase (an empty one is the usual). BIP39 wants the passphrase in Unicode's form
    /// NFKD, which text in ASCII always has; other text is the caller's to bring into it.
    pub fn seed(&self, passphrase: &str) -> Seed {
        Zeroizing::new(self.0.to_seed_normalized(passphrase))
    }
}

impl fmt::Debug for Mnemonic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mnemonic(hidden)")
    }
}
