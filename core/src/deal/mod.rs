//! A deal: one job from one party's side, as a state machine without I/O.
//!
//! [`ClientDeal`] is the client's side, [`ComputeDeal`] the node's. What arrives (messages, blocks, results) is
//! told to them; `step` then says what to do next, from what is known alone, so a deal that was saved goes on after
//! a restart, and a message that was lost is sent again. The owner saves a deal whenever it changed, *before* it
//! carries out what `step` asked for: nothing is said that could be forgotten.

mod client;
mod client_step;
mod compute;
mod compute_step;
mod record;
mod settlement;
mod track;

pub use client::{ClientDeal, ClientKeys, DealVerdict, VerifyMode, WrongToken};
pub use compute::{ComputeDeal, answer_keys};
pub use record::{Timeline, TimelineEntry};
pub use settlement::check_testament;
pub use track::{Ending, Position, Track};

use crate::block::NetworkParams;
use crate::contract::{ContractError, WalletRules};
use crate::hash::{BlockHash, Hash32};
use crate::job::{GarbageError, JobError, PeerAddress};
use crate::message::Payload;
use crate::transaction::Transaction;
use crate::units::{Amount, Height, Timestamp, TokenId};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// What is known when a deal takes a step.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The network.
    pub network: &'a NetworkParams,
    /// The rules of wallet and node.
    pub rules: &'a WalletRules,
    /// The last block's height.
    pub tip: Height,
    /// The last block.
    pub tip_hash: BlockHash,
    /// The time.
    pub now: Timestamp,
}

impl Facts<'_> {
    /// The height of the block that could take a transaction next.
    pub fn next(&self) -> Height {
        self.tip.next()
    }
}

/// When something was last said: what nobody answers is said again, and not at every step. Not saved: after a restart
/// it is time again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Pace(Timestamp);

impl Pace {
    /// Whether it is time to say the same again; if so, it counts as said.
    fn due(&mut self, facts: &Facts<'_>) -> bool {
        let due = facts.now.0 >= self.0.0.saturating_add(facts.rules.resend_seconds);
        if due {
            self.0 = facts.now;
        }
        due
    }

    /// Something new came up: it is time at once.
    fn reset(&mut self) {
        *self = Pace::default();
    }
}

/// What a deal asks its owner to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Tell everybody.
    Broadcast(Payload),
    /// Tell one peer.
    Send(PeerAddress, Payload),
    /// Put a transaction into the pool and broadcast it.
    Publish(Box<Transaction>),
    /// Run the model on the private part; tell the deal with `computed`.
    Compute,
    /// Check the answer; tell the deal with `verified`.
    Verify {
        /// The prompt's tokens.
        prompt: Vec<TokenId>,
        /// The answer's tokens.
        answer: Vec<TokenId>,
    },
}

/// Why something that arrived does not fit a deal. It changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DealError {
    /// It does not belong to the state that the deal is in.
    #[error("{0} does not fit the deal's state")]
    OutOfTurn(&'static str),
    /// A job message is not well-formed.
    #[error(transparent)]
    Job(#[from] JobError),
    /// Terms or transaction are not well-formed.
    #[error(transparent)]
    Contract(#[from] ContractError),
    /// The stake coin is no good.
    #[error("stake coin refused: {0}")]
    StakeCoin(&'static str),
    /// The stake coin is too small.
    #[error("stake coin holds {found} coins, the job asks for {expected}")]
    StakeValue {
        /// The job's stake.
        expected: Amount,
        /// The coin's value.
        found: Amount,
    },
    /// The private part does not open with the node key.
    #[error("the private part does not open with the node key")]
    Sealed,
    /// The settlement is not the one that job and terms lead to.
    #[error("the settlement differs from what job and terms lead to: {0}")]
    Settlement(&'static str),
    /// The ciphertext is not the one that the terms promise.
    #[error("ciphertext of {len} bytes has hash {found}, expected {expected_len} bytes with hash {expected}")]
    Ciphertext {
        /// In the terms.
        expected: Hash32,
        /// Of what came.
        found: Hash32,
        /// What came, in bytes.
        len: usize,
        /// The length that fits the terms.
        expected_len: usize,
    },
    /// The delivered key is not the promised one.
    #[error(transparent)]
    Garbage(#[from] GarbageError),
    /// A close is not the one that the terms lead to.
    #[error("close refused: {0}")]
    Close(&'static str),
    /// A close pays less than it must.
    #[error("the close pays the node {found} coins, expected {expected}")]
    CloseValue {
        /// W + S.
        expected: Amount,
        /// What it pays.
        found: Amount,
    },
}

#[cfg(test)]
mod tests;
