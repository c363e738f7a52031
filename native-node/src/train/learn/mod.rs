//! Learning: a tokenizer from texts, and a small Llama from their tokens, by burn.

mod batches;
mod checkpoint;
mod curve;
mod draws;
mod network;
mod optimiser;
mod pairs;
mod run;
mod shape;
mod tokenizer;
mod weights;

pub use batches::{Batch, Corpus};
pub use checkpoint::Checkpoint;
pub use curve::curve;
pub use network::Network;
pub use optimiser::{Moments, Optimiser};
pub use pairs::learn as learn_tokenizer;
pub use run::{Course, Files, Plan, Point, Progress, Run};
pub use shape::{BOUNDARY, ModelShape};
pub use tokenizer::{read as read_tokenizer, vocabulary, write as write_tokenizer};
pub use weights::{float_model, grown, of_package, package};

use super::{TrainError, write_whole};

#[cfg(test)]
mod tests;
