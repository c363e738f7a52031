//! Contracts: the states of a job's money, and who may move them (`docs/protocol.md`, "Contracts").
//!
//! A contract is an output whose ScriptPubKey is `OP_CONTRACT <terms>`. It is made from plain coins of both
//! sides by a *settlement*, carried from state to state by *moves*, and ends in plain outputs. Everything here
//! depends on chain data and network parameters alone.
//!
//! ```text
//!  plain coins of client and node ──settle──> Settlement ──close──────────────────> node paid, stake and reserve back
//!                                              │  └─demand──> Demanded ──claim────> client: everything
//!                                              │                 │reveal
//!                                              └─reveal───> Revealed ──finalize───> node paid (client was silent)
//! ```

mod build;
mod check;
mod error;
mod rules;
mod terms;
mod witness;

pub use build::{
    ClosePayout, Commitments, SettlementParts, attach_close, build_settlement, claim, close_signature, demand,
    finalize, half_sign, is_close_signature, reveal, settlement_terms, unsigned_close,
};
pub use check::{check_coinbase, check_transaction, check_window, contract_output, revealed_key};
pub use error::ContractError;
pub use rules::{ReleaseFacts, WalletRules, buried_blocks, release_allowed, settled_in_block};
pub use terms::{State, Terms};
pub use witness::{Move, Signer, Witness};

#[cfg(test)]
mod tests;
