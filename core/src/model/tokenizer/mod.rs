//! Text to token ids and back. Never consensus: ids are what is computed and checked.

mod scored;

pub use scored::{Piece, Pieces, ScoredSpec};

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
}

impl Encode for TokenizerSpec {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            TokenizerSpec::Scored(spec) => {
                out.push(0);
                spec.encode(out);
            }
        }
    }
}

impl Decode for TokenizerSpec {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match u8::decode(r)? {
            0 => ScoredSpec::decode(r).map(TokenizerSpec::Scored),
            other => Err(DecodeError::InvalidValue { what: "tokenizer kind", value: other as u64 }),
        }
    }
}

impl TokenizerSpec {
    /// Checks that every id of the vocabulary has a piece and that every text can be encoded.
    pub fn check(&self, vocabulary: u32) -> Result<(), PackageError> {
        match self {
            TokenizerSpec::Scored(spec) => spec.check(vocabulary),
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
}

impl Tokenizer {
    /// Prepares a tokenizer that [`TokenizerSpec::check`] passes.
    pub fn new(spec: &TokenizerSpec, manifest: &Manifest) -> Result<Tokenizer, PackageError> {
        spec.check(manifest.vocabulary)?;
        let TokenizerSpec::Scored(spec) = spec;
        Ok(Tokenizer { kind: Kind::Scored(scored::Scored::new(spec)), begin: manifest.special.begin })
    }

    /// The ids of a text, without a begin token. Control tokens never come out of text.
    pub fn encode(&self, text: &str) -> Vec<TokenId> {
        let Kind::Scored(t) = &self.kind;
        t.encode(text)
    }

    /// The ids of a prompt: the begin token if the model has one, then the text.
    pub fn prompt(&self, text: &str) -> Vec<TokenId> {
        self.begin.into_iter().chain(self.encode(text)).collect()
    }

    /// The text of a sequence: control tokens are left out, invalid UTF-8 shows as U+FFFD. After a begin
    /// token the space that [`Tokenizer::encode`] puts before a text is taken away again.
    pub fn decode(&self, ids: &[TokenId]) -> String {
        let mut bytes: Vec<u8> = ids.iter().flat_map(|id| self.piece(*id)).copied().collect();
        let Kind::Scored(t) = &self.kind;
        if t.prefix_space()
            && self.begin.is_some()
            && ids.first().copied() == self.begin
            && bytes.first() == Some(&b' ')
        {
            bytes.remove(0);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The bytes of one token: empty for control tokens and for ids outside the vocabulary. A character may
    /// be spread over several tokens.
    pub fn piece(&self, id: TokenId) -> &[u8] {
        let Kind::Scored(t) = &self.kind;
        t.piece(id)
    }
}

#[cfg(test)]
mod tests;
