//! llama2.c checkpoints, version 0: seven i32, then f32 tensors; and its tokenizer file.

use super::quantise::ranks;
use super::source::{Field, Positions, Shape, Source, Tensor};
use super::tensors::paired_by_halves;
use super::{ImportError, build};
use crate::model::package::{ActivationKind, Architecture, Biases, MlpKind, NormKind, ReadAt, SpecialTokens};
use crate::model::tokenizer::{Piece, Pieces, ScoredSpec, TokenizerSpec};
use crate::units::TokenId;
use std::string::{String, ToString};
use std::vec;
use std::vec::Vec;

const CHECKPOINT: &str = "checkpoint";
const TOKENIZER: &str = "tokenizer";
const HEADER: usize = 28;

/// The begin token. llama2.c's training data separates texts by it, so it ends an answer too.
const BEGIN: TokenId = TokenId(1);
const END: TokenId = TokenId(2);

/// Imports a checkpoint and its tokenizer as a package.
pub fn llama2c(checkpoint: &[u8], tokenizer: &[u8], name: &str, licence: &str) -> Result<Vec<u8>, ImportError> {
    let source = Checkpoint::new(checkpoint, name, licence)?;
    build(&source, &read_tokenizer(tokenizer, source.shape.vocabulary)?)
}

/// A checkpoint as a [`Source`]: weights are read as they are asked for.
#[derive(Debug)]
pub struct Checkpoint<R> {
    shape: Shape,
    file: R,
}

impl<R: ReadAt> Checkpoint<R> {
    /// Reads the header and checks the file's length against it.
    pub fn new(file: R, name: &str, licence: &str) -> Result<Self, ImportError> {
        let found = file.length();
        let truncated = |field: &str, needed| {
            let (file, field) = (CHECKPOINT.to_string(), field.to_string());
            ImportError::Truncated { file, field, needed, found }
        };
        if found < HEADER as u64 {
            return Err(truncated("its header", HEADER as u64));
        }
        let mut header = [0; HEADER];
        read(&file, 0, &mut header)?;
        if header.starts_with(&0x616b_3432u32.to_le_bytes()) {
            let advice = "export it again with llama2.c's export.py --version 0";
            return Err(ImportError::unsupported(CHECKPOINT, "a version 1 or 2 export", advice));
        }
        let mut values = header.as_chunks::<4>().0.iter().map(|b| i32::from_le_bytes(*b));
        let mut next = |field, max: i32, expected| match values.next().unwrap_or(0) {
            v if v >= 1 && v <= max => Ok(v as usize),
            v => Err(field_error(CHECKPOINT, field, v, expected)),
        };
        let dim = next("dim", 1 << 15, "1 to 32768")?;
        let hidden = next("hidden_dim", 1 << 17, "1 to 131072")?;
        let layers = next("n_layers", 512, "1 to 512")?;
        let heads = next("n_heads", 1024, "1 to 1024")?;
        let kv_heads = next("n_kv_heads", 1024, "1 to 1024")?;
        let signed_vocabulary = values.next().unwrap_or(0);
        let vocabulary = match signed_vocabulary.unsigned_abs() {
            v @ 1..=0x10_0000 => v as usize,
            _ => return Err(field_error(CHECKPOINT, "vocab_size", signed_vocabulary, "1 to 1048576, or negative")),
        };
        let context = match values.next().unwrap_or(0) {
            v @ 1..=0x2_0000 => v as usize,
            v => return Err(field_error(CHECKPOINT, "seq_len", v, "1 to 131072")),
        };
        if !dim.is_multiple_of(heads) || !(dim / heads).is_multiple_of(2) {
            return Err(field_error(
                CHECKPOINT,
                "n_heads",
                heads as i32,
                "a divisor of dim that leaves an even head width",
            ));
        }
        if !heads.is_multiple_of(kv_heads) {
            return Err(field_error(CHECKPOINT, "n_kv_heads", kv_heads as i32, "a divisor of n_heads"));
        }
        let head_dim = dim / heads;
        let speed = |i: usize| 1.0 / 10_000f64.powf(2.0 * i as f64 / head_dim as f64);
        let shape = Shape {
            name: name.to_string(),
            licence: licence.to_string(),
            architecture: Architecture::Llama,
            dim,
            layers,
            heads,
            kv_heads,
            head_dim,
            hidden,
            vocabulary,
            context,
            positions: Positions::Rotary((0..head_dim / 2).map(speed).collect()),
            norm: NormKind::Rms,
            epsilon: 1e-5,
            mlp: MlpKind::Gated,
            activation: ActivationKind::Silu,
            biases: Biases::default(),
            tied_head: signed_vocabulary > 0,
            special: SpecialTokens { begin: Some(BEGIN), end: vec![BEGIN, END] },
            chat_template: String::new(),
        };
        let needed = HEADER as u64 + 4 * offset(&shape, None);
        if found < needed {
            return Err(truncated("its weights", needed));
        }
        if found > needed {
            return Err(ImportError::TooLong { file: CHECKPOINT.to_string(), expected: needed, found });
        }
        Ok(Checkpoint { shape, file })
    }
}

fn read(file: &impl ReadAt, offset: u64, out: &mut [u8]) -> Result<(), ImportError> {
    let failed = |reason| ImportError::Storage { file: CHECKPOINT.to_string(), reason };
    file.read_at(offset, out).map_err(failed)
}

fn field_error(file: &str, field: &str, found: i32, expected: &str) -> ImportError {
    ImportError::Field {
        file: file.to_string(),
        field: field.to_string(),
        found: found.to_string(),
        expected: expected.to_string(),
        advice: "is this a llama2.c version 0 file?",
    }
}

/// Where a field's numbers start, or how many there are in all. Every field holds all layers.
fn offset(shape: &Shape, field: Option<Field>) -> u64 {
    let order = [
        Field::Embedding,
        Field::AttentionNorm,
        Field::Query,
        Field::Key,
        Field::Value,
        Field::Output,
        Field::MlpNorm,
        Field::Gate,
        Field::Down,
        Field::Up,
        Field::FinalNorm,
    ];
    let len = |f: Field| {
        let (rows, cols) = shape.size(f);
        let times = if matches!(f, Field::Embedding | Field::FinalNorm) { 1 } else { shape.layers };
        rows as u64 * cols as u64 * times as u64
    };
    let mut at = 0;
    for f in order {
        if Some(f) == field {
            return at;
        }
        at += len(f);
    }
    // Tables of cosines and sines that newer readers compute themselves.
    at += shape.context as u64 * shape.head_dim as u64;
    if field.is_none() && !shape.tied_head {
        at += shape.vocabulary as u64 * shape.dim as u64;
    }
    at
}

impl<R: ReadAt> Source for Checkpoint<R> {
    fn shape(&self) -> &Shape {
        &self.shape
    }

    fn row(&self, tensor: Tensor, row: usize, out: &mut [f32]) -> Result<(), ImportError> {
        let (rows, cols) = self.shape.size(tensor.field);
        let row = match tensor.field {
            Field::Query | Field::Key => paired_by_halves(row, self.shape.head_dim),
            _ => row,
        };
        let start = offset(&self.shape, Some(tensor.field)) + (tensor.layer * rows + row) as u64 * cols as u64;
        let mut bytes = vec![0; out.len() * 4];
        read(&self.file, HEADER as u64 + start * 4, &mut bytes)?;
        for (o, b) in out.iter_mut().zip(bytes.as_chunks::<4>().0) {
            *o = f32::from_le_bytes(*b);
        }
        Ok(())
    }
}

/// Reads a llama2.c tokenizer file with `vocabulary` pieces.
pub fn read_tokenizer(file: &[u8], vocabulary: usize) -> Result<TokenizerSpec, ImportError> {
    let found = file.len() as u64;
    let mut rest = file;
    let mut take = |n: usize| match rest.split_at_checked(n) {
        Some((head, tail)) => {
            rest = tail;
            Ok(head)
        }
        None => {
            let field = "the pieces of the checkpoint's vocabulary".to_string();
            let needed = found - rest.len() as u64 + n as u64;
            Err(ImportError::Truncated { file: TOKENIZER.to_string(), field, needed, found })
        }
    };
    let int = |b: &[u8]| b.first_chunk().map_or(0, |b| i32::from_le_bytes(*b));
    let longest = int(take(4)?);
    if !(1..=1024).contains(&longest) {
        return Err(field_error(TOKENIZER, "max_token_length", longest, "1 to 1024"));
    }
    let mut pieces = Vec::new();
    for _ in 0..vocabulary {
        let score = f32::from_bits(int(take(4)?) as u32);
        if !score.is_finite() {
            return Err(field_error(TOKENIZER, "score", score.to_bits() as i32, "a finite number"));
        }
        let len = int(take(4)?);
        if !(1..=longest).contains(&len) {
            return Err(field_error(TOKENIZER, "piece length", len, "1 to max_token_length"));
        }
        pieces.push((score, take(len as usize)?.to_vec()));
    }
    if !rest.is_empty() {
        return Err(ImportError::TooLong { file: TOKENIZER.to_string(), expected: found - rest.len() as u64, found });
    }
    let ranks = ranks(&pieces.iter().map(|p| p.0).collect::<Vec<f32>>());
    let pieces = pieces.into_iter().zip(ranks).enumerate().map(|(id, ((_, bytes), rank))| match byte_piece(&bytes) {
        _ if id < 3 => Piece::Control(bytes),
        Some(byte) => Piece::Byte(byte),
        None => Piece::Text { rank, bytes },
    });
    Ok(TokenizerSpec::Scored(ScoredSpec { prefix_space: true, pieces: Pieces(pieces.collect()) }))
}

/// The byte that a piece such as `<0x0A>` stands for.
pub(super) fn byte_piece(piece: &[u8]) -> Option<u8> {
    let digits = piece.strip_prefix(b"<0x")?.strip_suffix(b">")?;
    if digits.len() != 2 {
        return None;
    }
    u8::from_str_radix(core::str::from_utf8(digits).ok()?, 16).ok()
}
