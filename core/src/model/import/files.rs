//! The files that a model is made of.

use super::ImportError;
use crate::model::package::{ReadAt, StorageError};
use std::boxed::Box;
use std::collections::BTreeMap;
use std::format;
use std::string::{String, ToString};
use std::vec;
use std::vec::Vec;

/// A folder's files by name: a directory, or what stands for one.
pub trait Directory {
    /// Opens a file; `None` where there is none of that name.
    fn open(&self, name: &str) -> Result<Option<Box<dyn ReadAt>>, StorageError>;
}

impl Directory for BTreeMap<String, Vec<u8>> {
    fn open(&self, name: &str) -> Result<Option<Box<dyn ReadAt>>, StorageError> {
        Ok(self.get(name).map(|bytes| Box::new(bytes.clone()) as Box<dyn ReadAt>))
    }
}

/// A file with its name, which errors tell.
pub(super) struct Named {
    pub name: String,
    pub bytes: Box<dyn ReadAt>,
}

impl Named {
    pub fn new(name: &str, bytes: Box<dyn ReadAt>) -> Self {
        Named { name: name.to_string(), bytes }
    }

    /// Opens a file of a folder. A name from another file must not lead out of the folder.
    pub fn open(directory: &dyn Directory, name: &str) -> Result<Option<Self>, ImportError> {
        let odd = |c: char| matches!(c, '/' | '\\' | ':') || c.is_control();
        if name.is_empty() || name.len() > 255 || name.starts_with('.') || name.contains(odd) {
            let name = super::error::brief(name);
            return Err(ImportError::damaged(&name, format!("`{name}` is no name of a file in the folder")));
        }
        let opened = directory.open(name).map_err(|reason| ImportError::Storage { file: name.to_string(), reason })?;
        Ok(opened.map(|bytes| Named::new(name, bytes)))
    }

    /// Fills `out`; `field` is what lies there.
    pub fn read(&self, offset: u64, out: &mut [u8], field: &str) -> Result<(), ImportError> {
        let (needed, found) = (offset.saturating_add(out.len() as u64), self.bytes.length());
        if needed > found {
            return Err(ImportError::Truncated { file: self.name.clone(), field: field.to_string(), needed, found });
        }
        let failed = |reason| ImportError::Storage { file: self.name.clone(), reason };
        self.bytes.read_at(offset, out).map_err(failed)
    }

    /// All of a file that is small by its nature.
    pub fn read_all(&self, most: u64) -> Result<Vec<u8>, ImportError> {
        let length = self.bytes.length();
        if length > most {
            return Err(ImportError::Field {
                file: self.name.clone(),
                field: "its length".to_string(),
                found: format!("{length} bytes"),
                expected: format!("at most {most}"),
                advice: "is this the model's file?",
            });
        }
        let mut out = vec![0; length as usize];
        self.read(0, &mut out, "its contents")?;
        Ok(out)
    }
}
