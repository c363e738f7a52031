//! The tokenizer of a directory.

use super::{Directory, ImportError, needed};
use crate::model::import::error::brief;
use crate::model::tokenizer::{Piece, Pieces, ScoredSpec, TokenizerSpec};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::format;
use std::string::String;
use std::vec::Vec;

const FILE: &str = "tokenizer.json";
const MAX_FILE: u64 = 64 << 20;

#[derive(Deserialize)]
struct File {
    model: Model,
    #[serde(default)]
    added_tokens: Vec<Added>,
}

#[derive(Deserialize)]
struct Model {
    #[serde(default)]
    r#type: String,
    vocab: BTreeMap<String, u32>,
    #[serde(default)]
    merges: Vec<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Added {
    id: u32,
    content: String,
}

/// The tokenizer of a model with a vocabulary of `vocabulary` tokens.
pub fn tokenizer_of(directory: &dyn Directory, vocabulary: usize) -> Result<TokenizerSpec, ImportError> {
    let bytes = needed(directory, FILE, "a model's directory has one")?.read_all(MAX_FILE)?;
    let file: File = serde_json::from_slice(&bytes)
        .map_err(|e| ImportError::damaged(FILE, format!("no tokenizer: {}", brief(&format!("{e}")))))?;
    bytes_alone(&file, vocabulary).ok_or_else(|| {
        let kind = format!("a {} tokenizer with {} merges", brief(&file.model.r#type), file.model.merges.len());
        ImportError::unsupported(FILE, kind, "vocabularies of the 256 bytes are")
    })
}

/// A vocabulary of the 256 bytes and control tokens.
fn bytes_alone(file: &File, vocabulary: usize) -> Option<TokenizerSpec> {
    if file.model.r#type != "BPE" || !file.model.merges.is_empty() || vocabulary > file.model.vocab.len() + (1 << 16) {
        return None;
    }
    let mut pieces: Vec<Piece> = (0..vocabulary).map(|id| Piece::Control(format!("<{id}>").into_bytes())).collect();
    let added: BTreeMap<u32, &String> = file.added_tokens.iter().map(|added| (added.id, &added.content)).collect();
    for (text, id) in &file.model.vocab {
        let mut letters = text.chars();
        let piece = pieces.get_mut(*id as usize)?;
        *piece = match (added.get(id), letters.next().and_then(byte_of), letters.next()) {
            (Some(name), ..) => Piece::Control(name.as_bytes().to_vec()),
            (None, Some(byte), None) => Piece::Byte(byte),
            _ => return None,
        };
    }
    for (id, name) in added {
        *pieces.get_mut(id as usize)? = Piece::Control(name.as_bytes().to_vec());
    }
    Some(TokenizerSpec::Scored(ScoredSpec { prefix_space: false, pieces: Pieces(pieces) }))
}

/// The byte that a letter of a byte-level vocabulary stands for: printable Latin-1 for itself, the others from U+0100 on.
fn byte_of(letter: char) -> Option<u8> {
    let printable = |b: u8| matches!(b, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
    match u32::from(letter) {
        code @ 0..=0xff => u8::try_from(code).ok().filter(|b| printable(*b)),
        code => (0..=255u8).filter(|b| !printable(*b)).nth(code as usize - 0x100),
    }
}
