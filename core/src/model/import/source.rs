//! What an importer needs to know of a float model: its shape, and its rows one at a time.

use super::ImportError;
use crate::model::package::{ActivationKind, Architecture, Biases, MlpKind, NormKind, PositionKind, SpecialTokens};
use std::string::String;
use std::vec::Vec;

/// How a token knows its place.
#[derive(Clone, Debug, PartialEq)]
pub enum Positions {
    /// Rotation: radians a position for each pair of elements, any scaling applied. Element i turns with element
    /// i + half of the rotary width: a source whose model pairs neighbours reorders query and key rows.
    Rotary(Vec<f64>),
    /// Learned vectors, in [`Field::Positions`].
    Learned,
}

impl Positions {
    /// Which of the two.
    pub fn kind(&self) -> PositionKind {
        match self {
            Positions::Rotary(_) => PositionKind::Rotary,
            Positions::Learned => PositionKind::Learned,
        }
    }
}

/// What an operator tells of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// Its short name.
    pub name: String,
    /// The licence of its weights.
    pub licence: String,
}

/// A float model's shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    /// Short name.
    pub name: String,
    /// Licence of the weights.
    pub licence: String,
    /// Family.
    pub architecture: Architecture,
    /// Width of the residual stream.
    pub dim: usize,
    /// Number of layers.
    pub layers: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads.
    pub kv_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// Width of the MLP's hidden vector.
    pub hidden: usize,
    /// Number of tokens in the vocabulary.
    pub vocabulary: usize,
    /// Longest sequence.
    pub context: usize,
    /// Positions.
    pub positions: Positions,
    /// Norms.
    pub norm: NormKind,
    /// The norms' epsilon.
    pub epsilon: f64,
    /// MLP.
    pub mlp: MlpKind,
    /// Activation function.
    pub activation: ActivationKind,
    /// Biases.
    pub biases: Biases,
    /// Whether the head is the embedding.
    pub tied_head: bool,
    /// Begin and end tokens.
    pub special: SpecialTokens,
    /// Template that turns a conversation into a prompt; empty if none.
    pub chat_template: String,
}

/// Which weights. A vector (norm, bias) is a tensor of one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Field {
    Embedding,
    Positions,
    AttentionNorm,
    AttentionNormBias,
    Query,
    QueryBias,
    Key,
    KeyBias,
    Value,
    ValueBias,
    Output,
    OutputBias,
    MlpNorm,
    MlpNormBias,
    Gate,
    GateBias,
    Up,
    UpBias,
    Down,
    DownBias,
    FinalNorm,
    FinalNormBias,
    Head,
}

impl Field {
    /// Whether it is a vector: a norm's gain, a bias.
    pub fn is_vector(self) -> bool {
        use Field::*;
        !matches!(self, Embedding | Positions | Query | Key | Value | Output | Gate | Up | Down | Head)
    }
}

/// A field of a layer; the layer is 0 for what no layer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tensor {
    /// Which weights.
    pub field: Field,
    /// Of which layer.
    pub layer: usize,
}

/// A float model.
pub trait Source {
    /// Its shape.
    fn shape(&self) -> &Shape;

    /// Row `row` of a tensor. A row of a matrix holds the weights of one output.
    fn row(&self, tensor: Tensor, row: usize, out: &mut [f32]) -> Result<(), ImportError>;
}

impl Shape {
    /// Width of all query heads.
    pub fn query_dim(&self) -> usize {
        self.heads * self.head_dim
    }

    /// Width of all key heads.
    pub fn kv_dim(&self) -> usize {
        self.kv_heads * self.head_dim
    }

    /// Rows and columns of a field.
    pub fn size(&self, field: Field) -> (usize, usize) {
        let (dim, hidden) = (self.dim, self.hidden);
        match field {
            Field::Embedding | Field::Head => (self.vocabulary, dim),
            Field::Positions => (self.context, dim),
            Field::Query => (self.query_dim(), dim),
            Field::Key | Field::Value => (self.kv_dim(), dim),
            Field::Output => (dim, self.query_dim()),
            Field::Gate | Field::Up => (hidden, dim),
            Field::Down => (dim, hidden),
            Field::QueryBias => (1, self.query_dim()),
            Field::KeyBias | Field::ValueBias => (1, self.kv_dim()),
            Field::GateBias | Field::UpBias => (1, hidden),
            Field::AttentionNorm
            | Field::AttentionNormBias
            | Field::MlpNorm
            | Field::MlpNormBias
            | Field::FinalNorm
            | Field::FinalNormBias
            | Field::OutputBias
            | Field::DownBias => (1, dim),
        }
    }
}
