//! The CamelidCoin full node: chain, miner, job pool, compute, wallet.
#![forbid(unsafe_code)]

pub mod api;
pub mod network;
pub mod wallet;
