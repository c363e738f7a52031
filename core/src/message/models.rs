//! Which models a neighbour has, and their chunks.

use super::line::{one_line, put_line, read_line};
use crate::encode::{Decode, DecodeError, Encode, Reader, put_vec};
use crate::encode_struct;
use crate::hash::ModelRoot;
use crate::model::package::{CHUNK_LEN, MAX_CHUNKS_AT_ONCE, Manifest, ProvedChunk};
use crate::units::Amount;
use alloc::string::String;
use alloc::vec::Vec;

/// The most models in one response.
pub const MAX_MODELS_PER_RESPONSE: usize = 64;
/// Bytes of the longest name.
const MAX_NAME: usize = 100;

/// Chunks of a model that follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkRange {
    /// The model.
    pub root: ModelRoot,
    /// The first chunk's index.
    pub first: u64,
    /// How many; one response holds [`MAX_CHUNKS_AT_ONCE`].
    pub count: u32,
}
encode_struct!(ChunkRange { root, first, count });

/// A model that a neighbour has. All of it is the neighbour's word; the package's first chunks prove name and length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedModel {
    /// Its root.
    pub root: ModelRoot,
    /// Its own name.
    name: String,
    /// Bytes of its package.
    pub length: u64,
    /// What the neighbour asks for 1,000 tokens of prompt and token limit together, if it computes with it for others.
    pub per_thousand_tokens: Option<Amount>,
}

impl ListedModel {
    /// A model with this manifest.
    pub fn new(root: ModelRoot, manifest: &Manifest, length: u64, per_thousand_tokens: Option<Amount>) -> Self {
        ListedModel { root, name: one_line(&manifest.name, MAX_NAME), length, per_thousand_tokens }
    }

    /// Its own name: one line.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many chunks it has.
    pub fn chunks(&self) -> u64 {
        self.length.div_ceil(CHUNK_LEN as u64)
    }
}

impl Encode for ListedModel {
    fn encode(&self, out: &mut Vec<u8>) {
        self.root.encode(out);
        put_line(&self.name, out);
        self.length.encode(out);
        self.per_thousand_tokens.encode(out);
    }
}

impl Decode for ListedModel {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(ListedModel {
            root: Decode::decode(r)?,
            name: read_line(r, "model name", MAX_NAME)?,
            length: Decode::decode(r)?,
            per_thousand_tokens: Decode::decode(r)?,
        })
    }
}

/// What a neighbour is asked about its models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModelRequest {
    /// The models that you have, in the order of their roots, after this one.
    List(Option<ModelRoot>),
    /// These chunks of a model.
    Chunks(ChunkRange),
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelResponse {
    /// Models in the order of their roots: as many as one response holds.
    List(Vec<ListedModel>),
    /// Chunks from the first one asked for on: as many as one response holds, and none where the model has no such chunk.
    Chunks(Vec<ProvedChunk>),
}

impl Encode for ModelRequest {
    fn encode(&self, out: &mut Vec<u8>) {
        let (kind, content): (u8, &dyn Encode) = match self {
            ModelRequest::List(after) => (18, after),
            ModelRequest::Chunks(range) => (19, range),
        };
        out.push(kind);
        content.encode(out);
    }
}

impl ModelRequest {
    /// Reads what follows the request's byte.
    pub(super) fn decode_after(kind: u8, r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match kind {
            18 => ModelRequest::List(Decode::decode(r)?),
            19 => ModelRequest::Chunks(Decode::decode(r)?),
            other => return Err(DecodeError::InvalidValue { what: "request", value: other as u64 }),
        })
    }
}

impl Encode for ModelResponse {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            ModelResponse::List(models) => {
                out.push(18);
                put_vec(models, out);
            }
            ModelResponse::Chunks(chunks) => {
                out.push(19);
                put_vec(chunks, out);
            }
        }
    }
}

impl ModelResponse {
    /// Reads what follows the response's byte.
    pub(super) fn decode_after(kind: u8, r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match kind {
            18 => ModelResponse::List(r.vec("models", MAX_MODELS_PER_RESPONSE)?),
            19 => ModelResponse::Chunks(r.vec("chunks", MAX_CHUNKS_AT_ONCE)?),
            other => return Err(DecodeError::InvalidValue { what: "response", value: other as u64 }),
        })
    }
}
