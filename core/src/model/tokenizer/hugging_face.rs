//! A `tokenizer.json`: held as text in every build, used with the feature `tokenizers` alone. Whether a package is valid
//! does not depend on features, so nothing of the text is looked into here.

use crate::encode::{Decode, DecodeError, Encode, Reader, put_bytes};
use crate::model::package::PackageError;
use alloc::sync::Arc;
use core::fmt;

/// The most bytes of a `tokenizer.json` in a package.
pub const MAX_TOKENIZER_JSON: usize = 32 << 20;

/// A `tokenizer.json`, as the `tokenizers` library of Hugging Face reads it.
#[derive(Clone, PartialEq, Eq)]
pub struct HuggingFaceSpec {
    json: Arc<str>,
}

impl HuggingFaceSpec {
    /// Takes the file's text as it is. Importers write it in one way (`import::hugging_face`), so that equal tokenizers are
    /// equal bytes.
    pub fn new(json: impl Into<Arc<str>>) -> Self {
        HuggingFaceSpec { json: json.into() }
    }

    /// The file's text.
    pub fn json(&self) -> &str {
        &self.json
    }

    pub(super) fn check(&self) -> Result<(), PackageError> {
        match self.json.len() {
            0 => Err(PackageError::Tokenizer("expected a tokenizer.json, found no text")),
            1..=MAX_TOKENIZER_JSON => Ok(()),
            _ => Err(PackageError::Tokenizer("expected a tokenizer.json of at most 32 MiB")),
        }
    }
}

impl fmt::Debug for HuggingFaceSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HuggingFaceSpec({} bytes)", self.json.len())
    }
}

impl Encode for HuggingFaceSpec {
    fn encode(&self, out: &mut alloc::vec::Vec<u8>) {
        put_bytes(self.json.as_bytes(), out);
    }
}

impl Decode for HuggingFaceSpec {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let what = "tokenizer.json";
        let text = core::str::from_utf8(r.bytes(what, MAX_TOKENIZER_JSON)?);
        text.map(Self::new).map_err(|_| DecodeError::InvalidUtf8(what))
    }
}
