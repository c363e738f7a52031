//! Importers: from float checkpoints to packages. Floats are allowed here; the result is fixed by its root.
//!
//! A [`Source`] gives a float model row by row, whatever it lies in: [`huggingface`] directories, [`gguf`] files,
//! [`llama2c`] checkpoints. [`build_into`] turns any into a package, with some rows in memory at a time.

mod build;
mod dtype;
mod error;
mod files;
pub mod gguf;
pub mod huggingface;
pub mod llama2c;
mod quantise;
mod random;
mod rope;
mod safetensors;
mod source;
mod tables;
mod tensors;
mod text;

pub use build::{Progress, build, build_into};
pub use error::ImportError;
pub use files::Directory;
pub use quantise::{Row, quantise};
pub use random::{RandomShape, random_model, random_source};
pub use source::{About, Field, Positions, Shape, Source, Tensor};
pub use tables::activation as activation_table;
pub use text::TextSide;

/// A package's context is not longer: of a model whose context is, the rest is left out.
const MAX_CONTEXT: usize = 1 << 17;

#[cfg(test)]
mod tests;
