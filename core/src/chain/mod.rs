//! The chain: which blocks are valid, which chain counts, and what is unspent.
//!
//! Three words for validity (`docs/protocol.md`, "Validity of blocks"): a block is *structurally* valid when it
//! decodes, *semantically* valid when it could be valid in some chain ([`check_block`], [`check_transaction`]), and
//! *contextually* valid when it is valid on top of its own ancestors ([`connect_block`]).
//!
//! Everything stored goes through [`Store`]; each accepted block is one atomic [`Batch`], a reorganisation
//! included, so a crash leaves the old tip or the new one and nothing between.

mod block_rules;
mod connect;
mod error;
mod header_rules;
mod light;
mod locks;
mod memory;
mod orphans;
mod overlay;
mod prune;
mod scripts;
mod state;
mod store;
mod sync;
mod template;
mod transaction_rules;
pub mod verify;

pub use block_rules::check_block;
pub use connect::{CoinChanges, Connected, check_block_scripts, connect_block, disconnect_block};
pub use error::{BlockError, ChainError, CheckError, HeaderError, TransactionError, UndoError};
pub use header_rules::{check_header, next_work_required};
pub(crate) use header_rules::{check_in_context, entry as entry_after, genesis_entry, median};
pub use light::{ProofError, TransactionProof};
pub use locks::{check_finality, check_relative_locks};
pub use memory::MemoryStore;
pub use scripts::{ScriptCheck, ScriptRunner, one_by_one};
pub(crate) use state::is_better;
pub use state::{Accepted, Chain, ChainBlock, Checkpoints, Outcome};
pub use store::{Batch, BlockStatus, HeaderEntry, Inspect, Store, Table, TransactionLocation, Undo};
pub use template::Template;
pub use transaction_rules::{ChainView, CheckedTransaction, NextBlock, check_inputs, check_transaction};

#[cfg(test)]
mod tests;
