//! The CamelidCoin full node: chain, miner, job pool, compute, wallet.

pub mod wallet;
