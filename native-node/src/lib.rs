//! The CamelidCoin full node: chain, miner, job pool, compute, wallet.
#![forbid(unsafe_code)]

pub mod api;
pub mod bench;
pub mod cli;
pub mod compute;
pub mod config;
pub mod data_dir;
mod durable;
pub mod engines;
pub mod eval;
pub mod miner;
pub mod models;
pub mod network;
pub mod node;
pub mod parallel;
pub mod run;
pub mod store;
mod system;
pub mod train;
pub mod wallet;
mod weights;
