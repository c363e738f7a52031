//! What a wallet knows and does by itself: the keys that grow from its words, and payments from a list of coins.
//!
//! Pure: a [`Keyring`] learns from the chain which of its addresses are used, [`pay`] chooses among coins that it is
//! given. Where the words are kept, and where the coins come from, is for the owner to know.

mod coins;
mod job;
mod keyring;

pub use coins::{
    Balance, FeeRate, INPUT_BYTES, Need, OUTPUT_BYTES, Paid, Payment, PaymentError, Selection, balance, most_payable,
    pay, select, spendable,
};
pub use job::{JobCoins, JobOrder, JobOrderError, RESERVE, settlement_bytes, settlement_fee, usual_stake};
pub use keyring::{Branch, KeyPath, Keyring};
