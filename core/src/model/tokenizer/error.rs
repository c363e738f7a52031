//! Why text cannot be turned into ids or back.

use alloc::string::String;

/// Why text cannot be turned into ids or back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenizerError {
    /// The model's tokenizer is a `tokenizer.json`, and the feature `tokenizers` is off.
    #[error(
        "this model's tokenizer is a tokenizer.json, which this program cannot read: give token ids instead of text, or build it with the feature `tokenizers`"
    )]
    NotBuilt,
    /// `tokenizer.json` is no JSON, or has other fields than a tokenizer has.
    #[error("tokenizer.json: {0}; import the model again from a whole file")]
    Json(String),
    /// A part of `tokenizer.json` is not one that is read here.
    #[error(
        "tokenizer.json: {part} is {found}, expected {expected}; this model's text cannot be read, its token ids can"
    )]
    Unsupported {
        /// The part.
        part: &'static str,
        /// What it is.
        found: String,
        /// What it may be.
        expected: &'static str,
    },
    /// A token's id lies outside the model's vocabulary.
    #[error(
        "tokenizer.json: token `{token}` has id {id}, the model's vocabulary has {vocabulary} ids: the tokenizer belongs to another model"
    )]
    Vocabulary {
        /// The token.
        token: String,
        /// Its id.
        id: u32,
        /// Number of tokens in the model's vocabulary.
        vocabulary: u32,
    },
    /// The tokenizer has no ids for this text.
    #[error("the tokenizer cannot encode this text: {0}")]
    Text(String),
}
