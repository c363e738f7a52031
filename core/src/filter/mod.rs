//! Compact block filters: what a wallet needs to see whether a block has to do with its scripts, in some 21 bits a
//! script (`docs/protocol.md`, "Compact filters"; BIP157 and BIP158).
//!
//! The [`Filter`] of a block is a set of scripts coded so that it can be asked about any of them: it never denies one that
//! is in it, and wrongly affirms one in 784,931. Filters hang together like blocks do: a filter's header is the hash
//! of the filter's hash and of the header before, and the coinbase of each block commits to its own. So a client with headers alone
//! fetches filters from anybody, knows that they are the right ones and all, and tells nobody what it looks for.
//!
//! [`Filter`] itself knows neither blocks nor this chain's scripts; [`block_filter`] says what a block's filter holds and
//! under which key.

mod bits;
mod block;
mod commitment;
mod gcs;

pub use block::{block_filter, key_after, script_elements};
pub use commitment::{FilterEntry, commitment_script, committed_header};
pub use gcs::{Filter, FilterError, FilterKey, MAX_FILTER_BYTES};

#[cfg(test)]
mod tests;
