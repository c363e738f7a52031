//! The tokenizer that computes: the crate's parts, made from a file that was checked.

use super::cut::Cut;
use super::file::{AddedToken, File};
use super::model::{Model, Vocabulary};
use super::parts::{Decoder, Pattern};
use super::{short, unsupported};
use crate::model::tokenizer::TokenizerError;
use crate::units::TokenId;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;
use tokenizers::models::ModelWrapper;
use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::models::unigram::Unigram;
use tokenizers::{AddedVocabulary, Decoder as _, DecoderWrapper, Model as _, NormalizerWrapper, OffsetType};

/// What becomes of a control token's name that stands in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Specials {
    /// It is text like any other.
    Text,
    /// It is the control token.
    Control,
}

/// A tokenizer, read and built.
#[derive(Clone, Debug)]
pub(crate) struct Ready {
    normalizer: Option<NormalizerWrapper>,
    cuts: Vec<Cut>,
    model: ModelWrapper,
    decoder: DecoderWrapper,
    /// Finds added tokens, control tokens among them.
    all: AddedVocabulary,
    /// Finds added tokens, and leaves the names of control tokens as text.
    plain: AddedVocabulary,
    /// Control tokens: names by id, ascending.
    controls: Vec<(u32, String)>,
    /// What stands for text without a piece. It is a control token by name only: such text gives it.
    unknown: Option<u32>,
    /// The bytes of all ids, one after another, and where each id's end.
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

pub(super) fn crate_error(e: impl ToString) -> TokenizerError {
    TokenizerError::Json(short(&e.to_string()))
}

/// One of the crate's parts, by way of its JSON.
pub(super) fn part<T: DeserializeOwned>(ours: &impl Serialize) -> Result<T, TokenizerError> {
    serde_json::to_string(ours).and_then(|json| serde_json::from_str(&json)).map_err(crate_error)
}

impl Ready {
    /// Builds what [`File::read`] has checked, for a model with `vocabulary` ids.
    pub(crate) fn new(file: File, vocabulary: u32) -> Result<Ready, TokenizerError> {
        let added = file.added_tokens.iter().map(|t| (t.content.as_str(), t.id));
        if let Some((token, id)) = file.model.vocabulary.entries().chain(added).find(|(_, id)| *id >= vocabulary) {
            return Err(TokenizerError::Vocabulary { token: short(token), id, vocabulary });
        }
        let spelling = Spelling::new(&file);
        let normalizer: Option<NormalizerWrapper> = file.normalizer.as_ref().map(part).transpose()?;
        let cuts = Cut::steps(file.pre_tokenizer.as_ref())?;
        let decoder = part(&file.decoder)?;
        let unknown = file.model.unknown();
        let model = build(file.model, &file.added_tokens)?;

        let mut all = AddedVocabulary::new();
        let tokens = file.added_tokens.iter().map(|t| tokenizers::AddedToken {
            content: t.content.clone(),
            single_word: t.single_word,
            lstrip: t.lstrip,
            rstrip: t.rstrip,
            // The name of a control token is looked for as it stands, never in what a normalizer made of other text.
            normalized: t.normalized && !t.special,
            special: t.special,
        });
        all.add_tokens(tokens, &model, normalizer.as_ref()).map_err(crate_error)?;
        // The crate gives added tokens the next free ids, whatever the file says.
        for token in &file.added_tokens {
            if all.token_to_id(&token.content, &model) != Some(token.id) {
                return Err(unsupported("an added token's id", &token.content, "the next one after the model's own"));
            }
        }
        let mut plain = all.clone();
        plain.set_encode_special_tokens(true);

        let controls: Vec<_> = file.added_tokens.into_iter().filter(|t| t.special).map(|t| (t.id, t.content)).collect();
        let (mut bytes, mut ends) = (Vec::new(), Vec::with_capacity(vocabulary as usize));
        for id in 0..vocabulary {
            if controls.binary_search_by_key(&id, |c| c.0).is_err()
                && let Some(token) = all.simple_id_to_token(id).or_else(|| model.id_to_token(id))
            {
                spelling.bytes(&token, &mut bytes);
            }
            ends.push(bytes.len() as u32);
        }
        Ok(Ready { normalizer, cuts, model, decoder, all, plain, controls, unknown, bytes, ends })
    }

    /// The ids of a text. Names of control tokens are text.
    pub(crate) fn encode(&self, text: &str) -> Result<Vec<TokenId>, TokenizerError> {
        self.ids(text, Specials::Text, None)
    }

    /// The ids of a text. `hidden` is taken out of it after control tokens were looked for: a name with it inside is text.
    pub(crate) fn ids(
        &self,
        text: &str,
        specials: Specials,
        hidden: Option<char>,
    ) -> Result<Vec<TokenId>, TokenizerError> {
        let failed = |e: tokenizers::Error| TokenizerError::Text(short(&e.to_string()));
        let added = if specials == Specials::Text { &self.plain } else { &self.all };
        let mut parts = added.extract_and_normalize(self.normalizer.as_ref(), text);
        if let Some(hidden) = hidden {
            let without = |part: &mut tokenizers::NormalizedString| {
                part.filter(|c| c != hidden);
                Ok(())
            };
            parts.normalize(without).map_err(failed)?;
        }
        for cut in &self.cuts {
            cut.cut(&mut parts).map_err(failed)?;
        }
        parts
            .tokenize(|part| {
                let mut tokens = self.model.tokenize(part.get())?;
                if tokens.iter().any(|t| self.is_name(t)) {
                    tokens = tokens.into_iter().flat_map(|t| self.spelled(t)).collect();
                }
                Ok(tokens)
            })
            .map_err(failed)?;
        let encoding = parts.into_encoding(None, 0, OffsetType::None).map_err(failed)?;
        Ok(encoding.get_ids().iter().copied().map(TokenId).collect())
    }

    /// The text of ids, control tokens left out, as Python's `tokenizers` gives it.
    pub(crate) fn decode(&self, ids: &[TokenId]) -> Result<String, TokenizerError> {
        let text = |id: &TokenId| {
            let token = || self.all.simple_id_to_token(id.0).or_else(|| self.model.id_to_token(id.0));
            if self.is_control(id.0) { None } else { token() }
        };
        self.decoder.decode(ids.iter().filter_map(text).collect()).map_err(crate_error)
    }

    /// The bytes of an id.
    pub(crate) fn piece(&self, id: TokenId) -> &[u8] {
        let end = |i: Option<usize>| i.and_then(|i| self.ends.get(i)).map(|end| *end as usize);
        let id = id.0 as usize;
        let start = if id == 0 { Some(0) } else { end(id.checked_sub(1)) };
        start.zip(end(Some(id))).and_then(|(start, end)| self.bytes.get(start..end)).unwrap_or(&[])
    }

    /// The names of the control tokens.
    pub(crate) fn controls(&self) -> impl Iterator<Item = &str> {
        self.controls.iter().map(|(_, name)| name.as_str())
    }

    fn is_control(&self, id: u32) -> bool {
        self.controls.binary_search_by_key(&id, |c| c.0).is_ok()
    }

    fn is_name(&self, token: &tokenizers::Token) -> bool {
        self.is_control(token.id) && Some(token.id) != self.unknown
    }

    /// A model may hold a control token's name as a piece of text: its characters then, each for itself.
    fn spelled(&self, token: tokenizers::Token) -> Vec<tokenizers::Token> {
        if !self.is_name(&token) {
            return std::vec![token];
        }
        let id = |piece: &str| self.model.token_to_id(piece).filter(|id| !self.is_control(*id));
        let one = |id| tokenizers::Token::new(id, String::new(), (0, 0));
        let mut out = Vec::new();
        for c in token.value.chars() {
            let text = c.to_string();
            match id(&text) {
                Some(id) => out.push(one(id)),
                None => out.extend(text.bytes().filter_map(|b| id(&format!("<0x{b:02X}>"))).map(one)),
            }
        }
        out
    }
}

fn build(model: Model, added: &[AddedToken]) -> Result<ModelWrapper, TokenizerError> {
    match model.vocabulary {
        Vocabulary::Ids(ids) => {
            let mut vocab: Vocab = ids.into_iter().collect();
            // So that these keep their ids where there are gaps before them.
            vocab.extend(added.iter().map(|t| (t.content.clone(), t.id)));
            let merges = model.merges.unwrap_or_default().0;
            // No cache: the crate's is one for all tokenizers of a thread, and is never emptied.
            let mut bpe = BPE::builder()
                .vocab_and_merges(vocab, merges)
                .cache_capacity(0)
                .fuse_unk(model.fuse_unk)
                .byte_fallback(model.byte_fallback)
                .ignore_merges(model.ignore_merges);
            if let Some(unk) = model.unk_token {
                bpe = bpe.unk_token(unk);
            }
            Ok(bpe.build().map_err(crate_error)?.into())
        }
        Vocabulary::Scores(pieces) => {
            let mut unigram = Unigram::from(pieces, model.unk_id, model.byte_fallback).map_err(crate_error)?;
            unigram.resize_cache(0);
            Ok(unigram.into())
        }
    }
}

/// How a token's text becomes bytes: the decoder, for one token alone.
enum Spelling {
    /// One character a byte.
    ByteLevel,
    /// Replacements in order, and pieces such as `<0x0A>` for single bytes.
    Text { replacements: Vec<(String, String)>, bytes: bool },
}

impl Spelling {
    fn new(file: &File) -> Self {
        let decoders = file.decoder.as_ref().map(Decoder::flat).unwrap_or_default();
        if decoders.iter().any(|d| matches!(d, Decoder::ByteLevel { .. })) {
            return Spelling::ByteLevel;
        }
        let bytes = decoders.iter().any(|d| matches!(d, Decoder::ByteFallback));
        let replacement = |d: &&Decoder| match d {
            Decoder::Replace { pattern: Pattern::String(from), content } => Some((from.clone(), content.clone())),
            Decoder::Metaspace { replacement, .. } => Some((replacement.to_string(), " ".to_string())),
            _ => None,
        };
        Spelling::Text { replacements: decoders.iter().filter_map(replacement).collect(), bytes }
    }

    fn bytes(&self, token: &str, out: &mut Vec<u8>) {
        match self {
            Spelling::ByteLevel => {
                let start = out.len();
                for c in token.chars() {
                    let Some(byte) = byte_of(c) else {
                        out.truncate(start);
                        out.extend_from_slice(token.as_bytes());
                        return;
                    };
                    out.push(byte);
                }
            }
            Spelling::Text { replacements, bytes } => {
                if let Some(byte) = byte_piece(token).filter(|_| *bytes) {
                    out.push(byte);
                    return;
                }
                let mut text = token.to_string();
                for (from, to) in replacements {
                    text = text.replace(from, to);
                }
                out.extend_from_slice(text.as_bytes());
            }
        }
    }
}

/// The byte that a character of a byte-level token stands for: printable ones for themselves, the others, in order, from
/// U+0100 on.
fn byte_of(c: char) -> Option<u8> {
    let plain = |b: u8| matches!(b, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    match c as u32 {
        n @ 0..=0xff => Some(n as u8).filter(|b| plain(*b)),
        n => (0..=255u8).filter(|b| !plain(*b)).nth((n - 0x100) as usize),
    }
}

fn byte_piece(token: &str) -> Option<u8> {
    let digits = token.strip_prefix("<0x")?.strip_suffix('>')?;
    if digits.len() == 2 { u8::from_str_radix(digits, 16).ok() } else { None }
}
