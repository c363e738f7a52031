//! Importers: from float checkpoints to packages. Floats are allowed here; the result is fixed by its root.

mod build;
mod error;
pub mod llama2c;
mod quantise;
mod random;
mod source;
mod tables;

pub use build::build;
pub use error::ImportError;
pub use quantise::{Row, quantise};
pub use random::{RandomShape, random_model, random_source};
pub use source::{Field, Positions, Shape, Source, Tensor};
pub use tables::activation as activation_table;

#[cfg(test)]
mod tests;
