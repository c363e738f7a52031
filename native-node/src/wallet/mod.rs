//! The wallet: the key file on disk, the password that opens it, the keys it holds, and payments.
//!
//! `file` and `password` touch the outside; keyring, coins and payments are pure and lie in [`camelid_core::wallet`].

mod file;
mod password;

pub use camelid_core::wallet::{
    Balance, Branch, FeeRate, INPUT_BYTES, KeyPath, Keyring, Need, Paid, Payment, PaymentError, Selection, balance,
    pay, select, spendable,
};
pub use file::{KeyFile, KeyFileError};
pub use password::{PASSWORD_VARIABLE, PasswordError, Passwords};

use camelid_core::keys::Mnemonic;
use zeroize::Zeroizing;

/// Draws the words of a new wallet: 12, from 16 bytes of the operating system's randomness.
pub fn new_mnemonic() -> Result<Mnemonic, KeyFileError> {
    let mut entropy = Zeroizing::new([0; 16]);
    getrandom::fill(&mut *entropy).map_err(|e| KeyFileError::Random { reason: e.to_string() })?;
    Ok(Mnemonic::from_entropy(&*entropy).expect("16 bytes of entropy make 12 words"))
}
