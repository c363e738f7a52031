//! What both sides of CamelidCoin share: the encoding, the chain, the contracts, the integer
//! arithmetic and RASTiC.
//!
//! Each module is one *room*; a room imports only rooms above it in this list. All of it is pure: no
//! clock, no random source, no file, no socket, no global, no logging. Time and randomness come in as
//! arguments, everything stored goes through a small trait. That is what lets one rule be tested by a
//! thousand simulated nodes, run in a browser page, and be fuzzed.
//!
//! `no_std` with `alloc`; the feature `import` adds the model importers and the float evaluation path, the feature
//! `cpu` the engine with threads and vector instructions, the feature `burn` the engine on graphics processors, the
//! feature `tokenizers` text by a `tokenizer.json` and chat templates, the feature `libsecp256k1` keys by Bitcoin's library in
//! C: they need the standard library.
#![no_std]
// The feature `cpu` has two modules with vector instructions that may.
#![cfg_attr(not(feature = "cpu"), forbid(unsafe_code))]
#![deny(unsafe_code)]

extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

pub mod sorted;

pub mod units;

pub mod encode;

pub mod hash;

pub mod keys;

pub mod transaction;

pub mod script;

pub mod block;

pub mod model;

pub mod job;

pub mod rastic;

pub mod contract;

pub mod filter;

pub mod chain;

pub mod message;

pub mod sync;

pub mod peers;

pub mod deal;

pub mod pool;

pub mod wallet;

pub mod light;

#[cfg(feature = "burn")]
pub mod engine;

#[cfg(feature = "p2p-light")]
pub mod p2p;
