//! One generator for the tests of all engines: models with texts, ways to feed these, and the reference's logits.
//!
//! `core/tests/bits.rs` runs it on the kernels of this machine; `camelid-browser-tests` writes it down for the engines
//! in a browser, which compare digests.

pub mod checkpoints;
mod extremes;
mod models;
mod plan;

pub use extremes::saturated;
pub use models::{Case, named_cases, random_case};
pub use plan::{Piece, Plan, plans, replay, strangers};

use camelid_core::hash::sha256;
use camelid_core::model::sampling::random;
use camelid_core::model::{Engine, Feed, Package, Reference, Want};
use camelid_core::units::TokenId;
use std::sync::Arc;

/// A stream of random numbers.
#[derive(Debug)]
pub struct Stream {
    seed: u64,
    position: u32,
}

impl Stream {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Self {
        Stream { seed, position: 0 }
    }

    /// The next number, from 0 to `n` - 1.
    pub fn below(&mut self, n: usize) -> usize {
        self.position += 1;
        (random(self.seed, self.position) % n as u64) as usize
    }

    /// So many ids.
    pub fn text(&mut self, vocabulary: usize, n: usize) -> Vec<TokenId> {
        (0..n).map(|_| TokenId(self.below(vocabulary) as u32)).collect()
    }
}

/// The reference's logits of every token of a text, fed in one piece.
pub fn reference(package: &Arc<Package>, text: &[TokenId]) -> Vec<i32> {
    let mut engine = Reference::new(package.clone());
    let sequence = engine.open().expect("the reference opens a sequence");
    let fed = engine.forward(&[Feed { sequence, tokens: text, want: Want::All }]).expect("the text fits the model");
    fed.first().map(|rows| rows.values().to_vec()).unwrap_or_default()
}

/// What two engines compare where whole logits are too much to move: SHA-256 of all of a text's, four bytes each, the
/// lowest first.
pub fn digest(logits: &[i32]) -> String {
    let bytes: Vec<u8> = logits.iter().flat_map(|l| l.to_le_bytes()).collect();
    sha256(&bytes).to_string()
}
