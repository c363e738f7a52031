//! Why nothing can be sampled, trained or measured.

use camelid_core::model::import::ImportError;
use camelid_core::model::{EngineError, GenerateError, PackageError, TokenizerError};
use std::path::{Path, PathBuf};

/// Why nothing can be sampled, trained or measured: one line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// Reading or writing fails.
    #[error("{}: {source}", .file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A file of texts cannot be used.
    #[error("text file {}: {reason}", .file.display())]
    Text {
        /// The file.
        file: PathBuf,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// A text file was begun in another way.
    #[error("{} was begun with other {field}: name another --out, or delete it and {}", .file.display(), .state.display())]
    OtherSample {
        /// The text file.
        file: PathBuf,
        /// The file that says how far it is.
        state: PathBuf,
        /// What differs.
        field: &'static str,
    },
    /// The model does not suit the task.
    #[error("model {name}: {reason}")]
    Model {
        /// Its name.
        name: String,
        /// Why, and what to do.
        reason: String,
    },
    /// A tokenizer cannot be trained or read.
    #[error("tokenizer {}: {reason}", .file.display())]
    Tokenizer {
        /// Its file.
        file: PathBuf,
        /// Why, and what to do.
        reason: String,
    },
    /// A setting cannot be.
    #[error("{name} is {found}, expected {expected}")]
    Setting {
        /// The option's name.
        name: &'static str,
        /// What came.
        found: String,
        /// What it may be.
        expected: String,
    },
    /// A checkpoint cannot be used.
    #[error("checkpoint {}: {reason}", .file.display())]
    Checkpoint {
        /// Its file.
        file: PathBuf,
        /// Why, and what to do.
        reason: String,
    },
    /// The loss is no number any more.
    #[error("the loss of step {step} is no number: try a lower --rate; the last checkpoint stays as it is")]
    Diverged {
        /// The step.
        step: u64,
    },
    /// No curve can be drawn.
    #[error("cannot draw {}: {reason}", .file.display())]
    Plot {
        /// The picture's file.
        file: PathBuf,
        /// Why.
        reason: String,
    },
    /// The trained weights make no package.
    #[error("cannot make a package of the trained weights: {0}")]
    Import(#[from] ImportError),
    /// The package made is damaged.
    #[error("the package made cannot be read back: {0}")]
    Package(#[from] PackageError),
    /// The model's tokenizer turns no text into ids, or no ids into text.
    #[error(transparent)]
    Ids(#[from] TokenizerError),
    /// An engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The model cannot be asked this.
    #[error(transparent)]
    Generate(#[from] GenerateError),
    /// Training is not in this program.
    #[error(
        "this camelid is built without training: build it with cargo build -p camelid-node --features train, or run `make train`"
    )]
    NotBuilt,
}

impl TrainError {
    pub(crate) fn io(file: &Path) -> impl FnOnce(std::io::Error) -> TrainError {
        let file = file.to_owned();
        move |source| TrainError::Io { file, source }
    }
}
