//! Fields of a JSON file: each absent, null or of its type and range, or an error that names it.

use crate::model::import::ImportError;
use crate::model::import::error::brief;
use crate::model::import::files::{Directory, Named};
use crate::units::TokenId;
use serde_json::{Map, Value};
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

/// No configuration is longer; a tokenizer's, with a thousand tokens described, is the longest.
const MAX_CONFIG: u64 = 8 << 20;

/// A JSON object and the file it stands in.
pub(super) struct Config {
    pub file: String,
    /// Fields before this object's, such as `rope_scaling.`.
    path: String,
    fields: Map<String, Value>,
}

impl Config {
    pub fn read(file: &Named) -> Result<Self, ImportError> {
        let bytes = file.read_all(MAX_CONFIG)?;
        let fields = serde_json::from_slice(&bytes)
            .map_err(|e| ImportError::damaged(&file.name, format!("no JSON object: {}", brief(&format!("{e}")))))?;
        Ok(Config { file: file.name.clone(), path: String::new(), fields })
    }

    /// Reads a file that may be absent: then it says nothing.
    pub fn or_empty(directory: &dyn Directory, name: &str) -> Result<Self, ImportError> {
        match Named::open(directory, name)? {
            Some(file) => Config::read(&file),
            None => Ok(Config { file: name.to_string(), path: String::new(), fields: Map::new() }),
        }
    }

    /// A field's value, if there.
    pub fn get(&self, field: &str) -> Option<&Value> {
        self.fields.get(field).filter(|v| !v.is_null())
    }

    /// The error that a field is not what it should be.
    pub fn wrong(&self, field: &str, expected: impl Into<String>) -> ImportError {
        ImportError::Field {
            file: self.file.clone(),
            field: format!("{}{field}", self.path),
            found: self.get(field).map_or("absent".to_string(), |v| brief(&v.to_string())),
            expected: expected.into(),
            advice: "is this the model's own configuration?",
        }
    }

    /// The error that a field's value is known, but not computed here.
    pub fn unsupported(&self, field: &str, advice: &str) -> ImportError {
        let value = self.get(field).map_or("absent".to_string(), |v| brief(&v.to_string()));
        ImportError::unsupported(&self.file, format!("{}{field} {value}", self.path), advice)
    }

    pub fn has(&self, field: &str) -> bool {
        self.get(field).is_some()
    }

    /// An object inside, if there.
    pub fn inner(&self, field: &str) -> Result<Option<Config>, ImportError> {
        match self.get(field) {
            None => Ok(None),
            Some(Value::Object(fields)) => {
                let path = format!("{}{field}.", self.path);
                Ok(Some(Config { file: self.file.clone(), path, fields: fields.clone() }))
            }
            Some(_) => Err(self.wrong(field, "an object")),
        }
    }

    pub fn text(&self, field: &str) -> Result<Option<&str>, ImportError> {
        match self.get(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong(field, "a text")),
        }
    }

    pub fn flag(&self, field: &str, default: bool) -> Result<bool, ImportError> {
        match self.get(field) {
            None => Ok(default),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(self.wrong(field, "true or false")),
        }
    }

    /// A positive number up to `most`, if there.
    pub fn count(&self, field: &str, most: usize) -> Result<Option<usize>, ImportError> {
        match self.get(field) {
            None => Ok(None),
            Some(value) => match value.as_u64().and_then(|n| usize::try_from(n).ok()) {
                Some(n) if (1..=most).contains(&n) => Ok(Some(n)),
                _ => Err(self.wrong(field, format!("1 to {most}"))),
            },
        }
    }

    /// A positive number up to `most` that must be there.
    pub fn needed(&self, field: &str, most: usize) -> Result<usize, ImportError> {
        self.count(field, most)?.ok_or_else(|| self.wrong(field, format!("1 to {most}")))
    }

    /// A positive real, if there.
    pub fn real(&self, field: &str) -> Result<Option<f64>, ImportError> {
        match self.get(field) {
            None => Ok(None),
            Some(value) => match value.as_f64() {
                Some(v) if v > 0.0 && v.is_finite() => Ok(Some(v)),
                _ => Err(self.wrong(field, "a number above 0")),
            },
        }
    }

    /// A positive real that must be there.
    pub fn needed_real(&self, field: &str) -> Result<f64, ImportError> {
        self.real(field)?.ok_or_else(|| self.wrong(field, "a number above 0"))
    }

    /// Token ids: none, one, or a list.
    pub fn ids(&self, field: &str) -> Result<Vec<TokenId>, ImportError> {
        let id = |v: &Value| v.as_u64().and_then(|n| u32::try_from(n).ok()).map(TokenId);
        let ids = match self.get(field) {
            None => Some(Vec::new()),
            Some(Value::Array(all)) if all.len() <= 64 => all.iter().map(id).collect(),
            Some(one) => id(one).map(|id| std::vec![id]),
        };
        ids.ok_or_else(|| self.wrong(field, "a token's id, or a list of at most 64"))
    }

    /// Texts of a list, if there.
    pub fn texts(&self, field: &str) -> Result<Vec<&str>, ImportError> {
        let texts = match self.get(field) {
            None => Some(Vec::new()),
            Some(Value::Array(all)) => all.iter().map(Value::as_str).collect(),
            Some(_) => None,
        };
        texts.ok_or_else(|| self.wrong(field, "a list of texts"))
    }
}
