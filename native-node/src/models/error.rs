//! Why a model cannot be imported or used.

use crate::compute::Memory;
use camelid_core::model::PackageError;
use camelid_core::model::import::ImportError;
use std::path::PathBuf;

/// Why a model cannot be imported or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// No such model here.
    #[error("no model `{wanted}` in {}: `camelid model import FILE` brings one, `camelid model list` shows what is there", .dir.display())]
    NotFound {
        /// The name, root or file.
        wanted: String,
        /// Where it was looked for.
        dir: PathBuf,
    },
    /// The name cannot be a file's.
    #[error(
        "`{name}` is no model name: expected 1 to 64 small letters, digits, `-`, `_` or `.`, a letter or digit first"
    )]
    Name {
        /// The name.
        name: String,
    },
    /// A model of that name is there.
    #[error("there is another model at {}: give --name or --out another, or move that file away", .file.display())]
    NameTaken {
        /// Its file.
        file: PathBuf,
    },
    /// No tokenizer was given, and none or several are beside the checkpoint.
    #[error("{}: {found} tokenizer files (tok*.bin) beside it: name one with --tokenizer FILE", .checkpoint.display())]
    Tokenizer {
        /// The checkpoint.
        checkpoint: PathBuf,
        /// How many there are.
        found: usize,
    },
    /// The checkpoint cannot be imported.
    #[error("cannot import {}: {source}", .file.display())]
    Import {
        /// The file.
        file: PathBuf,
        /// Why.
        source: Box<ImportError>,
    },
    /// It is no model that can be read.
    #[error("{} is no model: expected a directory from Hugging Face, a GGUF file, a llama2.c checkpoint or a package; {advice}", .file.display())]
    Unknown {
        /// The file.
        file: PathBuf,
        /// What to do.
        advice: &'static str,
    },
    /// The package is damaged.
    #[error("model package {}: {source}", .file.display())]
    Package {
        /// The file.
        file: PathBuf,
        /// Why.
        source: PackageError,
    },
    /// It is larger than the free memory.
    #[error("model file {}: too little memory: it has {needed}, and {free} are free; end other programs, or use a smaller model", .file.display())]
    Memory {
        /// The file.
        file: PathBuf,
        /// Its length.
        needed: Memory,
        /// What there is.
        free: Memory,
    },
    /// Reading or writing fails.
    #[error("model file {}: {source}", .file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
}
