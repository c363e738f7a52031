//! Text to token ids and back. Never consensus: ids are what is computed and checked.
//!
//! A package holds one of two kinds. [`ScoredSpec`] is read in every build. A `tokenizer.json` ([`HuggingFaceSpec`]) is
//! kept in every build and read with the feature `tokenizers`, when text is first asked for: a package is as valid
//! without it.

mod error;
mod hugging_face;
#[cfg(feature = "tokenizers")]
pub(crate) mod json;
mod scored;
mod stream;

pub use error::TokenizerError;
pub use hugging_face::{HuggingFaceSpec, MAX_TOKENIZER_JSON};
pub use scored::{Piece, Pieces, ScoredSpec};
pub use stream::TextStream;

use crate::encode::{Decode, DecodeError, Encode, Reader};
use crate::model::package::{Manifest, PackageError};
use crate::units::TokenId;
use alloc::string::String;
use alloc::vec::Vec;

/// A tokenizer as a package holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenizerSpec {
    /// Pieces with ranks, merged best first, with single bytes for what has no piece (llama2.c, sentencepiece).
    Scored(ScoredSpec),
    /// A `tokenizer.json`.
    HuggingFace(HuggingFaceSpec),
}

impl Encode for TokenizerSpec {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            TokenizerSpec::Scored(spec) => {
                out.push(0);
                spec.encode(out);
            }
            TokenizerSpec::HuggingFace(spec) => {
                out.push(1);
                spec.encode(out);
            }
        }
    }
}

impl Decode for TokenizerSpec {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match u8::decode(r)? {
            0 => ScoredSpec::decode(r).map(TokenizerSpec::Scored),
            1 => HuggingFaceSpec::decode(r).map(TokenizerSpec::HuggingFace),
            other => Err(DecodeError::InvalidValue { what: "tokenizer kind", value: other as u64 }),
        }
    }
}

impl TokenizerSpec {
    /// Checks what every build can: that pieces cover the vocabulary and every text, or that there is a `tokenizer.json`
    /// of a bounded length. What is in that file does not make a package invalid: [`Tokenizer::usable`] says.
    pub fn check(&self, vocabulary: u32) -> Result<(), PackageError> {
        match self {
            TokenizerSpec::Scored(spec) => spec.check(vocabulary),
            TokenizerSpec::HuggingFace(spec) => spec.check(),
        }
    }
}

/// A tokenizer that is ready for use.
#[derive(Clone, Debug)]
pub struct Tokenizer {
    kind: Kind,
    begin: Option<TokenId>,
}

#[derive(Clone, Debug)]
enum Kind {
    Scored(scored::Scored),
    #[cfg(feature = "tokenizers")]
    HuggingFace(json::Lazy),
    #[cfg(not(feature = "tokenizers"))]
    HuggingFace,
}

impl Tokenizer {
    /// Prepares a tokenizer that [`TokenizerSpec::check`] passes. A `tokenizer.json` is read at its first use.
    pub fn new(spec: &TokenizerSpec, manifest: &Manifest) -> Result<Tokenizer, PackageError> {
        spec.check(manifest.vocabulary)?;
        let kind = match spec {
            TokenizerSpec::Scored(spec) => Kind::Scored(scored::Scored::new(spec)),
            #[cfg(feature = "tokenizers")]
            TokenizerSpec::HuggingFace(spec) => Kind::HuggingFace(json::Lazy::new(spec, manifest.vocabulary)),
            #[cfg(not(feature = "tokenizers"))]
            TokenizerSpec::HuggingFace(_) => Kind::HuggingFace,
        };
        Ok(Tokenizer { kind, begin: manifest.special.begin })
    }

    /// Whether text can be turned into ids and back; if not, why.
    pub fn usable(&self) -> Result<(), TokenizerError> {
        match &self.kind {
            Kind::Scored(_) => Ok(()),
            #[cfg(feature = "tokenizers")]
            Kind::HuggingFace(t) => t.get().map(|_| ()),
            #[cfg(not(feature = "tokenizers"))]
            Kind::HuggingFace => Err(TokenizerError::NotBuilt),
        }
    }

    /// The ids of a text, without a begin token. Control tokens never come out of text.
    pub fn encode(&self, text: &str) -> Result<Vec<TokenId>, TokenizerError> {
        match &self.kind {
            Kind::Scored(t) => Ok(t.encode(text)),
            #[cfg(feature = "tokenizers")]
            Kind::HuggingFace(t) => t.get()?.encode(text),
            #[cfg(not(feature = "tokenizers"))]
            Kind::HuggingFace => Err(TokenizerError::NotBuilt),
        }
    }

    /// The ids of a prompt: the begin token if the model has one, then the text.
    pub fn prompt(&self, text: &str) -> Result<Vec<TokenId>, TokenizerError> {
        Ok(self.begin.into_iter().chain(self.encode(text)?).collect())
    }

    /// The text of a sequence: control tokens are left out, invalid UTF-8 shows as U+FFFD. The space that
    /// [`Tokenizer::encode`] puts before a text is taken away again: after a begin token, and by a `tokenizer.json` always.
    pub fn decode(&self, ids: &[TokenId]) -> Result<String, TokenizerError> {
        let t = match &self.kind {
            Kind::Scored(t) => t,
            #[cfg(feature = "tokenizers")]
            Kind::HuggingFace(t) => return t.get()?.decode(ids),
            #[cfg(not(feature = "tokenizers"))]
            Kind::HuggingFace => return Err(TokenizerError::NotBuilt),
        };
        let mut bytes: Vec<u8> = ids.iter().flat_map(|id| t.piece(*id)).copied().collect();
        if t.prefix_space()
            && self.begin.is_some()
            && ids.first().copied() == self.begin
            && bytes.first() == Some(&b' ')
        {
            bytes.remove(0);
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The bytes of one token: empty for control tokens, for ids that have none, and all of them where the tokenizer is not
    /// [usable](Tokenizer::usable). A character may be spread over several tokens: [`Tokenizer::stream`] puts them together.
    pub fn piece(&self, id: TokenId) -> &[u8] {
        match &self.kind {
            Kind::Scored(t) => t.piece(id),
            #[cfg(feature = "tokenizers")]
            Kind::HuggingFace(t) => t.get().map_or(&[], |t| t.piece(id)),
            #[cfg(not(feature = "tokenizers"))]
            Kind::HuggingFace => &[],
        }
    }

    /// The text of an answer as its tokens come.
    pub fn stream(&self) -> TextStream<'_> {
        TextStream::new(self)
    }

    /// The `tokenizer.json`, read; `None` for the other kind.
    #[cfg(feature = "tokenizers")]
    pub(crate) fn json(&self) -> Option<Result<&json::Ready, TokenizerError>> {
        match &self.kind {
            Kind::Scored(_) => None,
            Kind::HuggingFace(t) => Some(t.get()),
        }
    }
}

#[cfg(test)]
mod tests;
