//! What a GGUF file's metadata say of text: the vocabulary, begin and end tokens, the chat template.

use super::Metadata;
use super::reader::Value;
use crate::model::import::ImportError;
use crate::model::import::error::brief;
use crate::model::import::llama2c::byte_piece;
use crate::model::import::quantise::ranks;
use crate::model::package::{Architecture, SpecialTokens};
use crate::model::tokenizer::{Piece, Pieces, ScoredSpec, TokenizerSpec};
use crate::units::TokenId;
use std::collections::BTreeSet;
use std::format;
use std::string::{String, ToString};
use std::vec;
use std::vec::Vec;

const KIND: &str = "tokenizer.ggml.model";
const TOKENS: &str = "tokenizer.ggml.tokens";
const SCORES: &str = "tokenizer.ggml.scores";
const TYPES: &str = "tokenizer.ggml.token_type";
const MERGES: &str = "tokenizer.ggml.merges";

/// Types of tokens, as GGUF numbers them.
const UNKNOWN: i32 = 2;
const CONTROL: i32 = 3;
const UNUSED: i32 = 5;
const BYTE: i32 = 6;

/// What a GGUF file says of its text, each field by the key that it comes from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TextParts {
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
        pre: m.text("tokenizer.ggml.pre")?.map(ToString::to_string),
        merges: texts(m, MERGES)?,
        begin: id("bos")?,
        end: end.into_iter().collect(),
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

/// Begin and end tokens: a Llama's prompts begin with the begin token where nothing else is said.
pub(super) fn special(parts: &TextParts, architecture: Architecture) -> SpecialTokens {
    let begins = parts.add_begin.unwrap_or(architecture == Architecture::Llama);
    SpecialTokens {
        begin: parts.begin.filter(|_| begins).map(TokenId),
        end: parts.end.iter().copied().map(TokenId).collect(),
    }
}

/// The tokenizer of a model with a vocabulary of `vocabulary` tokens.
pub(super) fn tokenizer(parts: &TextParts, vocabulary: usize) -> Result<TokenizerSpec, ImportError> {
    if parts.tokens.len() > vocabulary {
        let reason = format!("{TOKENS} has {} tokens, the model {vocabulary}", parts.tokens.len());
        return Err(ImportError::damaged(&parts.file, reason));
    }
    match &*parts.model {
        "llama" => scored(parts, vocabulary),
        other => {
            let found = format!("{KIND} {} ({})", brief(other), brief(parts.pre.as_deref().unwrap_or("default")));
            Err(ImportError::unsupported(&parts.file, found, "take a model whose tokenizer is of kind llama"))
        }
    }
}

/// Pieces with scores, as sentencepiece has them: U+2581 stands for a space.
fn scored(parts: &TextParts, vocabulary: usize) -> Result<TokenizerSpec, ImportError> {
    if parts.scores.is_empty() {
        return Err(ImportError::damaged(&parts.file, format!("{SCORES} is absent")));
    }
    let types = if parts.token_types.is_empty() { vec![1; parts.tokens.len()] } else { parts.token_types.clone() };
    let mut pieces = Vec::new();
    for (id, ((token, kind), rank)) in parts.tokens.iter().zip(types).zip(ranks(&parts.scores)).enumerate() {
        pieces.push(match kind {
            UNKNOWN | CONTROL | UNUSED => Piece::Control(token.clone().into_bytes()),
            BYTE => Piece::Byte(byte_piece(token.as_bytes()).ok_or_else(|| {
                ImportError::damaged(&parts.file, format!("token {id} is of type byte, but not of the form <0x41>"))
            })?),
            _ => Piece::Text { rank, bytes: token.replace('\u{2581}', " ").into_bytes() },
        });
    }
    // Rows of the embedding that no token has.
    pieces.extend((pieces.len()..vocabulary).map(|id| Piece::Control(format!("<unused {id}>").into_bytes())));
    let prefix_space = parts.add_space_prefix.unwrap_or(true);
    Ok(TokenizerSpec::Scored(ScoredSpec { prefix_space, pieces: Pieces(pieces) }))
}
