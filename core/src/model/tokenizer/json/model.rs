//! The model part: byte-pair encoding with its merges, or unigram pieces with their scores.

use super::file::MAX_TOKEN;
use super::unsupported;
use crate::model::tokenizer::TokenizerError;
use core::fmt;
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::{BTreeMap, BTreeSet};
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

const MAX_TOKENS: usize = 1 << 20;
const MAX_MERGES: usize = 1 << 21;
/// The crate's tree of unigram pieces takes some hundred bytes for each of theirs.
const MAX_UNIGRAM_BYTES: usize = 8 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ModelKind {
    #[serde(rename = "BPE")]
    Bpe,
    Unigram,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Model {
    /// Files of 2019 do not say; they are all byte-pair encodings.
    #[serde(rename = "type", default = "bpe")]
    pub kind: ModelKind,
    #[serde(default, skip_serializing)]
    pub dropout: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unk_token: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unk_id: Option<usize>,
    #[serde(default, skip_serializing)]
    pub continuing_subword_prefix: Option<String>,
    #[serde(default, skip_serializing)]
    pub end_of_word_suffix: Option<String>,
    #[serde(default, deserialize_with = "flag")]
    pub fuse_unk: bool,
    #[serde(default, deserialize_with = "flag")]
    pub byte_fallback: bool,
    #[serde(default, deserialize_with = "flag")]
    pub ignore_merges: bool,
    #[serde(rename = "vocab")]
    pub vocabulary: Vocabulary,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merges: Option<Merges>,
}

fn bpe() -> ModelKind {
    ModelKind::Bpe
}

/// `null` is `false`.
fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(Option::<bool>::deserialize(deserializer)?.unwrap_or(false))
}

impl Model {
    pub(super) fn complete(&mut self) {
        // What is nothing is written as nothing.
        self.dropout = self.dropout.filter(|p| *p != 0.0);
        for affix in [&mut self.continuing_subword_prefix, &mut self.end_of_word_suffix] {
            *affix = affix.take().filter(|a| !a.is_empty());
        }
    }

    /// The token for text that has none.
    pub(super) fn unknown(&self) -> Option<u32> {
        match (&self.vocabulary, &self.unk_token) {
            (Vocabulary::Ids(ids), Some(unk)) => ids.get(unk).copied(),
            (Vocabulary::Ids(_), None) => None,
            (Vocabulary::Scores(_), _) => self.unk_id.map(|id| id as u32),
        }
    }

    pub(super) fn check(&self) -> Result<(), TokenizerError> {
        if let Some(p) = self.dropout {
            return Err(unsupported("model.dropout", p.to_string(), "none: a text has one encoding"));
        }
        if let Some(affix) = self.continuing_subword_prefix.as_ref().or(self.end_of_word_suffix.as_ref()) {
            return Err(unsupported("model.continuing_subword_prefix or end_of_word_suffix", affix, "none"));
        }
        match (self.kind, &self.vocabulary) {
            (ModelKind::Bpe, Vocabulary::Ids(ids)) => self.check_bpe(ids),
            (ModelKind::Unigram, Vocabulary::Scores(pieces)) => self.check_unigram(pieces),
            (ModelKind::Bpe, _) => Err(unsupported("model.vocab", "a list", "an object of tokens and ids")),
            (ModelKind::Unigram, _) => Err(unsupported("model.vocab", "an object", "a list of pieces and scores")),
        }
    }

    fn check_bpe(&self, ids: &BTreeMap<String, u32>) -> Result<(), TokenizerError> {
        let mut seen = BTreeSet::new();
        if let Some((token, _)) = ids.iter().find(|(_, id)| !seen.insert(**id)) {
            return Err(unsupported("model.vocab", token, "each id once"));
        }
        if let Some(unk) = self.unk_token.as_ref().filter(|unk| !ids.contains_key(*unk)) {
            return Err(unsupported("model.unk_token", unk, "a token of the vocabulary"));
        }
        let merges = self.merges.as_ref().ok_or_else(|| unsupported("model.merges", "missing", "a list"))?;
        let mut joined = String::new();
        for (a, b) in &merges.0 {
            joined.clear();
            joined.push_str(a);
            joined.push_str(b);
            if a.is_empty() || b.is_empty() || ![a, b, &joined].into_iter().all(|t| ids.contains_key(t)) {
                return Err(unsupported("model.merges", format!("{a} {b}"), "two tokens whose join is one too"));
            }
        }
        Ok(())
    }

    fn check_unigram(&self, pieces: &[(String, f64)]) -> Result<(), TokenizerError> {
        let mut seen = BTreeSet::new();
        let mut bytes = 0;
        for (piece, score) in pieces {
            bytes += piece.len();
            if !seen.insert(piece.as_str()) {
                return Err(unsupported("model.vocab", piece, "each piece once"));
            }
            if !(-1e9..=1e9).contains(score) {
                return Err(unsupported("a piece's score", score.to_string(), "-1e9 to 1e9"));
            }
        }
        if bytes > MAX_UNIGRAM_BYTES {
            return Err(unsupported("model.vocab", format!("{bytes} bytes of pieces"), "at most 8 MiB"));
        }
        match self.unk_id {
            Some(id) if id < pieces.len() => Ok(()),
            other => Err(unsupported("model.unk_id", format!("{other:?}"), "the index of a piece")),
        }
    }
}

/// Tokens and their ids, or pieces by id with their scores. Scores are floats, as in the file: the crate adds and compares
/// them, no more, and both have one result everywhere. Text is never consensus; ids are.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Vocabulary {
    Ids(BTreeMap<String, u32>),
    Scores(Vec<(String, f64)>),
}

impl Vocabulary {
    /// Every token with its id.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&str, u32)> {
        let (ids, scores) = match self {
            Vocabulary::Ids(ids) => (Some(ids), None),
            Vocabulary::Scores(scores) => (None, Some(scores)),
        };
        let by_id = ids.into_iter().flatten().map(|(token, id)| (token.as_str(), *id));
        let by_place = scores.into_iter().flatten().enumerate().map(|(id, (piece, _))| (piece.as_str(), id as u32));
        by_id.chain(by_place)
    }
}

impl Serialize for Vocabulary {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Vocabulary::Ids(ids) => {
                let mut ordered: Vec<_> = ids.iter().collect();
                ordered.sort_by_key(|(_, id)| **id);
                let mut map = serializer.serialize_map(Some(ordered.len()))?;
                for (token, id) in ordered {
                    map.serialize_entry(token, id)?;
                }
                map.end()
            }
            Vocabulary::Scores(pieces) => pieces.serialize(serializer),
        }
    }
}

fn token<E: Error>(text: String) -> Result<String, E> {
    if text.len() > MAX_TOKEN {
        return Err(E::custom(format!("a token has {} bytes, at most {MAX_TOKEN} expected", text.len())));
    }
    Ok(text)
}

fn room<E: Error>(what: &str, len: usize, most: usize) -> Result<(), E> {
    if len >= most { Err(E::custom(format!("more than {most} {what}"))) } else { Ok(()) }
}

impl<'de> Deserialize<'de> for Vocabulary {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Vocabulary;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("tokens with ids, or pieces with scores")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vocabulary, A::Error> {
                let mut ids = BTreeMap::new();
                while let Some((text, id)) = map.next_entry::<String, u32>()? {
                    room("tokens", ids.len(), MAX_TOKENS)?;
                    if ids.insert(token(text)?, id).is_some() {
                        return Err(A::Error::custom("a token comes twice in model.vocab"));
                    }
                }
                Ok(Vocabulary::Ids(ids))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vocabulary, A::Error> {
                let mut pieces = Vec::new();
                while let Some((text, score)) = seq.next_element::<(String, f64)>()? {
                    room("pieces", pieces.len(), MAX_TOKENS)?;
                    pieces.push((token(text)?, score));
                }
                Ok(Vocabulary::Scores(pieces))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

/// Pairs that join, the first ones first.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Merges(pub Vec<(String, String)>);

impl Serialize for Merges {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut seq = serializer.serialize_seq(Some(self.0.len()))?;
        for pair in &self.0 {
            seq.serialize_element(pair)?;
        }
        seq.end()
    }
}

impl<'de> Deserialize<'de> for Merges {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Merges;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of pairs of tokens")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Merges, A::Error> {
                let mut merges = Vec::new();
                while let Some(pair) = seq.next_element::<Pair>()? {
                    room("merges", merges.len(), MAX_MERGES)?;
                    merges.push((pair.0, pair.1));
                }
                Ok(Merges(merges))
            }
        }
        deserializer.deserialize_seq(Reader)
    }
}

/// `["a", "b"]`, or `"a b"` in older files.
struct Pair(String, String);

impl<'de> Deserialize<'de> for Pair {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Pair;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a pair of tokens")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Pair, E> {
                match text.split_once(' ') {
                    Some((a, b)) if !b.contains(' ') => Ok(Pair(token(a.to_string())?, token(b.to_string())?)),
                    _ => Err(E::custom("a merge is no two tokens with a space between")),
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Pair, A::Error> {
                let mut next = |i| seq.next_element::<String>()?.ok_or_else(|| A::Error::invalid_length(i, &self));
                let (a, b) = (next(0)?, next(1)?);
                if seq.next_element::<String>()?.is_some() {
                    return Err(A::Error::invalid_length(3, &self));
                }
                Ok(Pair(token(a)?, token(b)?))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}
