//! What a GGUF file's metadata say of text: the vocabulary, begin and end tokens, the chat template.

use super::Metadata;
use super::reader::Value;
use crate::model::import::ImportError;
use std::collections::BTreeSet;
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

pub(super) const KIND: &str = "tokenizer.ggml.model";
pub(super) const PRE: &str = "tokenizer.ggml.pre";
pub(super) const TOKENS: &str = "tokenizer.ggml.tokens";
pub(super) const SCORES: &str = "tokenizer.ggml.scores";
const TYPES: &str = "tokenizer.ggml.token_type";
pub(super) const MERGES: &str = "tokenizer.ggml.merges";

/// Types of tokens, as GGUF numbers them.
pub(super) const NORMAL: i32 = 1;
pub(super) const UNKNOWN: i32 = 2;
pub(super) const CONTROL: i32 = 3;
pub(super) const USER_DEFINED: i32 = 4;
pub(super) const UNUSED: i32 = 5;
pub(super) const BYTE: i32 = 6;

/// What a GGUF file says of its text, each field by the key that it comes from.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::model::import) struct TextParts {
    /// The file's name, for errors.
    pub file: String,
    /// `tokenizer.ggml.model`: `gpt2` (byte-level pairs with merges) or `llama` (pieces with scores).
    pub model: String,
    /// `tokenizer.ggml.pre`: how a text is cut, with `gpt2`.
    pub pre: Option<String>,
    /// `tokenizer.ggml.tokens`.
    pub tokens: Vec<String>,
    /// `tokenizer.ggml.token_type`: one for each token, or none.
    pub token_types: Vec<i32>,
    /// `tokenizer.ggml.scores`: one for each token, or none.
    pub scores: Vec<f32>,
    /// `tokenizer.ggml.merges`.
    pub merges: Vec<String>,
    /// `tokenizer.ggml.bos_token_id`.
    pub begin: Option<u32>,
    /// `tokenizer.ggml.eos_token_id`, `eot_token_id` and `eom_token_id`, ascending.
    pub end: Vec<u32>,
    /// `tokenizer.ggml.eos_token_id`: what a template calls `eos_token`.
    pub eos: Option<u32>,
    /// `tokenizer.ggml.unknown_token_id`.
    pub unknown: Option<u32>,
    /// `tokenizer.ggml.add_bos_token`.
    pub add_begin: Option<bool>,
    /// `tokenizer.ggml.add_space_prefix`.
    pub add_space_prefix: Option<bool>,
    /// `tokenizer.chat_template`.
    pub chat_template: Option<String>,
}

/// Collects the parts.
pub(super) fn parts(m: &Metadata) -> Result<TextParts, ImportError> {
    let id = |name: &str| {
        let id = m.count(&format!("tokenizer.ggml.{name}_token_id"), 1 << 20)?;
        Ok::<_, ImportError>(id.map(|id| id as u32))
    };
    let mut end = BTreeSet::new();
    for name in ["eos", "eot", "eom"] {
        end.extend(id(name)?);
    }
    let tokens = texts(m, TOKENS)?;
    if tokens.is_empty() {
        return Err(m.wrong(TOKENS, "the vocabulary's tokens"));
    }
    let each = "one number for each token";
    let token_types = match m.values.get(TYPES) {
        None => Vec::new(),
        Some(Value::Integers(types)) if types.len() == tokens.len() => types.iter().map(|t| *t as i32).collect(),
        Some(_) => return Err(m.wrong(TYPES, each)),
    };
    let scores = match m.values.get(SCORES) {
        None => Vec::new(),
        Some(Value::Reals(scores)) if scores.len() == tokens.len() && scores.iter().all(|s| s.is_finite()) => {
            scores.clone()
        }
        Some(_) => return Err(m.wrong(SCORES, each)),
    };
    Ok(TextParts {
        file: m.file.clone(),
        model: m.text(KIND)?.ok_or_else(|| m.wrong(KIND, "llama or gpt2"))?.to_string(),
        pre: m.text(PRE)?.map(ToString::to_string),
        merges: texts(m, MERGES)?,
        begin: id("bos")?,
        end: end.into_iter().collect(),
        eos: id("eos")?,
        unknown: id("unknown")?,
        add_begin: m.flag("tokenizer.ggml.add_bos_token")?,
        add_space_prefix: m.flag("tokenizer.ggml.add_space_prefix")?,
        chat_template: m.text("tokenizer.chat_template")?.map(ToString::to_string),
        tokens,
        token_types,
        scores,
    })
}

fn texts(m: &Metadata, field: &str) -> Result<Vec<String>, ImportError> {
    match m.values.get(field) {
        None => Ok(Vec::new()),
        Some(Value::Texts(all)) => {
            let all = all.iter().map(|text| core::str::from_utf8(text).map(ToString::to_string));
            all.collect::<Result<_, _>>().map_err(|_| m.wrong(field, "UTF-8 texts"))
        }
        Some(_) => Err(m.wrong(field, "a list of texts")),
    }
}
