//! What the fuzz targets do with an input: once for libFuzzer (`fuzz/`), once for a plain test that replays the corpus.
//!
//! A body takes any bytes and panics where a promise is broken: each file says which. `docs/fuzzing.md` lists them.

mod choices;
mod files;
mod memory;

pub mod chain;
pub mod contract;
pub mod decoders;
pub mod filters;
pub mod importers;
pub mod keys;
pub mod messages;
pub mod packages;
pub mod script;
pub mod tokenizers;
pub mod world;

pub use choices::Choices;
pub use files::{NAMES, pack};

/// A target: its name, and what it does with an input.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 10] = [
    ("chain", chain::run),
    ("contract", contract::run),
    ("decoders", decoders::run),
    ("filters", filters::run),
    ("importers", importers::run),
    ("keys", keys::run),
    ("messages", messages::run),
    ("packages", packages::run),
    ("script", script::run),
    ("tokenizers", tokenizers::run),
];
