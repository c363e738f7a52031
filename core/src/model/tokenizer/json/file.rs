//! The file: its parts with their fields, each bounded, and one way to write it.

use super::model::Model;
use super::parts::{self, Decoder, Normalizer, PreTokenizer};
use super::{short, unsupported};
use crate::model::tokenizer::TokenizerError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::string::{String, ToString};
use std::vec::Vec;

/// The most bytes of a token.
pub(crate) const MAX_TOKEN: usize = 1024;
/// The most tokens beside the model's own.
const MAX_ADDED: usize = 1 << 16;

/// A token beside the model's own: looked for in the text before the model sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddedToken {
    pub id: u32,
    pub content: String,
    #[serde(default)]
    pub single_word: bool,
    #[serde(default)]
    pub lstrip: bool,
    #[serde(default)]
    pub rstrip: bool,
    #[serde(default)]
    pub normalized: bool,
    /// Whether it is a control token.
    #[serde(default)]
    pub special: bool,
}

#[cfg(feature = "import")]
impl AddedToken {
    pub(crate) fn control(id: u32, content: String) -> Self {
        let (single_word, lstrip, rstrip, normalized) = (false, false, false, false);
        AddedToken { id, content, single_word, lstrip, rstrip, normalized, special: true }
    }
}

/// A `tokenizer.json`. Truncation, padding and the post-processor are left out: prompts are never cut or filled, and begin
/// tokens are the manifest's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct File {
    #[serde(default = "version")]
    pub version: String,
    #[serde(default)]
    pub added_tokens: Vec<AddedToken>,
    #[serde(default)]
    pub normalizer: Option<Normalizer>,
    #[serde(default)]
    pub pre_tokenizer: Option<PreTokenizer>,
    #[serde(default)]
    pub decoder: Option<Decoder>,
    pub model: Model,
}

pub(crate) fn version() -> String {
    "1.0".to_string()
}

impl File {
    /// Reads and checks a file: whatever passes can be built and used.
    pub(crate) fn read(bytes: &[u8]) -> Result<File, TokenizerError> {
        // serde_json goes 128 levels deep at most.
        let mut file: File = serde_json::from_slice(bytes).map_err(|e| TokenizerError::Json(short(&e.to_string())))?;
        file.complete();
        file.check()?;
        Ok(file)
    }

    /// The one way to write it: fields in a fixed order, tokens by id.
    #[cfg(feature = "import")]
    pub(crate) fn to_json(&self) -> Result<String, TokenizerError> {
        serde_json::to_string(self).map_err(|e| TokenizerError::Json(short(&e.to_string())))
    }

    /// What older files leave out or name differently.
    fn complete(&mut self) {
        self.model.complete();
        self.pre_tokenizer.iter_mut().for_each(PreTokenizer::complete);
        self.decoder.iter_mut().for_each(Decoder::complete);
        self.added_tokens.sort_by_key(|t| t.id);
    }

    pub(super) fn check(&self) -> Result<(), TokenizerError> {
        if self.version != version() {
            return Err(unsupported("version", &self.version, "1.0"));
        }
        parts::check(self.normalizer.as_ref(), self.pre_tokenizer.as_ref(), self.decoder.as_ref())?;
        self.model.check()?;
        if self.added_tokens.len() > MAX_ADDED {
            return Err(unsupported("added_tokens", self.added_tokens.len().to_string(), "at most 65536"));
        }
        let mut by_text: BTreeMap<&str, u32> = BTreeMap::new();
        for (i, token) in self.added_tokens.iter().enumerate() {
            if token.content.is_empty() || token.content.len() > MAX_TOKEN {
                return Err(unsupported("an added token's content", &token.content, "1 to 1024 bytes"));
            }
            if by_text.insert(&token.content, token.id).is_some() {
                return Err(unsupported("an added token", &token.content, "each once"));
            }
            if i > 0 && self.added_tokens[i - 1].id == token.id {
                return Err(unsupported("an added token's id", token.id.to_string(), "each id once"));
            }
        }
        let by_id: BTreeMap<u32, &str> = by_text.iter().map(|(text, id)| (*id, *text)).collect();
        for (text, id) in self.model.vocabulary.entries() {
            let (same_text, same_id) = (by_text.get(text), by_id.get(&id));
            if same_text.is_some_and(|other| *other != id) || same_id.is_some_and(|other| *other != text) {
                return Err(unsupported("an added token's id", text, "what the model's vocabulary says of it"));
            }
        }
        Ok(())
    }
}
