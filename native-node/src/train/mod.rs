//! Training a model of one's own: texts sampled from another model, a tokenizer, a small Llama, and its measure.
//!
//! Sampling and measuring work in every build; learning needs the feature `train`.

mod bits;
mod continuations;
mod error;
#[cfg(feature = "train")]
pub mod learn;
mod sample;
mod tales;
mod texts;

pub use bits::{BitsReport, bits};
pub use continuations::{Continuation, OPENINGS, continuations};
pub use error::TrainError;
pub use sample::{SamplePlan, SampleReport, sample};
pub use tales::{TalesReport, tell};
pub use texts::read as read_texts;

use std::io::Write;
use std::path::Path;

/// Writes a file: whole, or not at all.
pub(crate) fn write_whole(file: &Path, bytes: &[u8]) -> Result<(), TrainError> {
    let dir = file.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let write = || {
        let mut options = tempfile::Builder::new();
        // Like any other file: who may read it is the user's mask's to say.
        #[cfg(unix)]
        options.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let mut new = options.tempfile_in(dir)?;
        new.write_all(bytes)?;
        new.as_file().sync_data()?;
        new.persist(file).map_err(|e| e.error)
    };
    write().map(|_| ()).map_err(TrainError::io(file))
}
