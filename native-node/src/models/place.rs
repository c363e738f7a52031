//! Where a package is: in a file, or in the program itself.

use super::{ModelError, io};
use crate::compute::{Memory, available};
use crate::weights::Weights;
use camelid_core::model::Package;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// The name of the model in the program: what a job without `--model` asks for.
pub const DEFAULT_MODEL: &str = "camelid-tiny";

/// Its package; docs/models/camelid-tiny.md is its card.
static OWN: &[u8] = include_bytes!("../../models/camelid-tiny.camelid");

/// Where a package is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In the program.
    Program,
    /// In this file.
    File(PathBuf),
}

impl Place {
    /// Reads and checks the package.
    pub fn load(&self) -> Result<Package, ModelError> {
        match self {
            Place::Program => {
                Package::parse(OWN).map_err(|source| ModelError::Package { file: self.to_string().into(), source })
            }
            Place::File(file) => load(file),
        }
    }

    /// The file, if it is in one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Place::Program => None,
            Place::File(file) => Some(file),
        }
    }

    /// What it is called here: its file's name without the ending.
    pub fn name(&self) -> Option<&str> {
        match self {
            Place::Program => Some(DEFAULT_MODEL),
            Place::File(file) => file.file_stem().and_then(|name| name.to_str()),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Program => f.write_str("in the program"),
            Place::File(file) => file.display().fmt(f),
        }
    }
}

/// Reads and checks a package's file.
pub fn load(file: &Path) -> Result<Package, ModelError> {
    let needed = Memory(fs::metadata(file).map_err(io(file))?.len());
    if let Some(free) = available().filter(|free| *free < needed) {
        return Err(ModelError::Memory { file: file.into(), needed, free });
    }
    let weights = Weights::read(file).map_err(io(file))?;
    Package::parse(weights).map_err(|source| ModelError::Package { file: file.into(), source })
}
