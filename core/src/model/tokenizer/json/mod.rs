//! A `tokenizer.json`, read: our own reader checks and bounds every part, then the `tokenizers` crate computes.
//!
//! The crate is not given the file: what it does with hostile ones (a merge longer than any token, a character map that is
//! none, patterns that unfold without end) is to panic or to allocate. What passes [`File::read`] it can be given.

mod cut;
mod file;
mod model;
mod parts;
mod ready;

pub(crate) use file::File;
#[cfg(feature = "import")]
pub(crate) use file::{AddedToken, MAX_TOKEN, version};
#[cfg(feature = "import")]
pub(crate) use model::{Merges, Model, ModelKind, Vocabulary};
#[cfg(feature = "import")]
pub(crate) use parts::{Behavior, Decoder, Normalizer, Pattern, PreTokenizer};
pub(crate) use ready::{Ready, Specials};

use super::{HuggingFaceSpec, TokenizerError};
use std::sync::{Arc, OnceLock};

/// A tokenizer that is read when it is first asked for: lists of models need no text.
#[derive(Clone, Debug)]
pub(super) struct Lazy {
    spec: HuggingFaceSpec,
    vocabulary: u32,
    ready: Arc<OnceLock<Result<Ready, TokenizerError>>>,
}

impl Lazy {
    pub(super) fn new(spec: &HuggingFaceSpec, vocabulary: u32) -> Self {
        Lazy { spec: spec.clone(), vocabulary, ready: Arc::default() }
    }

    pub(super) fn get(&self) -> Result<&Ready, TokenizerError> {
        let made = self.ready.get_or_init(|| Ready::new(File::read(self.spec.json().as_bytes())?, self.vocabulary));
        made.as_ref().map_err(Clone::clone)
    }
}

/// What came, short enough for an error of one line.
pub(crate) fn short(text: &str) -> std::string::String {
    let mut out: std::string::String = text.chars().take(160).flat_map(char::escape_debug).collect();
    if text.chars().nth(160).is_some() {
        out.push_str("...");
    }
    out
}

pub(crate) fn unsupported(part: &'static str, found: impl AsRef<str>, expected: &'static str) -> TokenizerError {
    TokenizerError::Unsupported { part, found: short(found.as_ref()), expected }
}

#[cfg(all(test, feature = "import"))]
mod tests;
