//! The shape of a model in training, and where each of its tensors lies among all weights.

use super::TrainError;
use camelid_core::model::import::{Field, Positions, Shape, Tensor};
use camelid_core::model::package::{ActivationKind, Architecture, Biases, MlpKind, NormKind, SpecialTokens};
use camelid_core::units::TokenId;
use serde::{Deserialize, Serialize};

/// The norms' epsilon.
pub(super) const EPSILON: f64 = 1e-5;

/// The token between texts: it begins a text and ends an answer.
pub const BOUNDARY: TokenId = TokenId(0);

/// A small Llama: RMSNorm, rotary positions, a gated MLP with SiLU, the head tied to the embedding, no biases.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelShape {
    /// Width of the residual stream.
    pub dim: usize,
    /// Number of layers.
    pub layers: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads.
    pub kv_heads: usize,
    /// Width of the MLP's hidden vector.
    pub hidden: usize,
    /// Number of tokens in the vocabulary.
    pub vocabulary: usize,
    /// Longest sequence.
    pub context: usize,
}

/// A tensor's place among the weights: rows of numbers, one row after another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Which tensor.
    pub tensor: Tensor,
    /// Its rows; 1 for a norm.
    pub rows: usize,
    /// Its columns.
    pub columns: usize,
    /// Where it starts.
    pub start: usize,
}

impl Place {
    /// How many numbers it has.
    pub fn size(&self) -> usize {
        self.rows * self.columns
    }

    /// Whether it is a norm's gain, which starts at one and does not decay.
    pub fn is_norm(&self) -> bool {
        self.rows == 1
    }

    /// Where its numbers lie.
    pub fn range(&self) -> std::ops::Range<usize> {
        self.start..self.start + self.size()
    }
}

/// The fields of a layer in the order in which they lie.
pub(super) const LAYER: [Field; 9] = [
    Field::AttentionNorm,
    Field::Query,
    Field::Key,
    Field::Value,
    Field::Output,
    Field::MlpNorm,
    Field::Gate,
    Field::Up,
    Field::Down,
];

impl ModelShape {
    /// Checks that such a model can be.
    pub fn check(&self) -> Result<(), TrainError> {
        let range = |name, found: usize, low: usize, high: usize| match (low..=high).contains(&found) {
            true => Ok(()),
            false => Err(TrainError::Setting { name, found: found.to_string(), expected: format!("{low} to {high}") }),
        };
        range("--dim", self.dim, 8, 4096)?;
        range("--layers", self.layers, 1, 128)?;
        range("--heads", self.heads, 1, 256)?;
        range("--kv-heads", self.kv_heads, 1, self.heads)?;
        range("--hidden", self.hidden, 8, 16_384)?;
        range("--context", self.context, 8, 8192)?;
        range("the tokenizer's vocabulary", self.vocabulary, 258, 65_536)?;
        let multiple = |name, found: usize, of: usize, expected: &str| match found.is_multiple_of(of) {
            true => Ok(()),
            false => Err(TrainError::Setting { name, found: found.to_string(), expected: expected.into() }),
        };
        multiple("--dim", self.dim, 2 * self.heads, "a multiple of twice --heads")?;
        multiple("--heads", self.heads, self.kv_heads, "a multiple of --kv-heads")
    }

    /// Width of a head.
    pub fn head_dim(&self) -> usize {
        self.dim / self.heads
    }

    /// The tensors in the order in which they lie.
    pub fn places(&self) -> Vec<Place> {
        let shape = self.imported("model", "");
        let mut start = 0;
        let layers = (0..self.layers).flat_map(|layer| LAYER.map(|field| Tensor { field, layer }));
        let alone = |field| [Tensor { field, layer: 0 }];
        alone(Field::Embedding)
            .into_iter()
            .chain(layers)
            .chain(alone(Field::FinalNorm))
            .map(|tensor| {
                let (rows, columns) = shape.size(tensor.field);
                let place = Place { tensor, rows, columns, start };
                start += place.size();
                place
            })
            .collect()
    }

    /// How many weights there are.
    pub fn parameters(&self) -> usize {
        self.places().last().map_or(0, |p| p.range().end)
    }

    /// Radians a position by which each pair of a head's elements turns.
    pub(super) fn speeds(&self) -> Vec<f64> {
        let width = self.head_dim();
        (0..width / 2).map(|i| 1.0 / 10_000f64.powf(2.0 * i as f64 / width as f64)).collect()
    }

    /// The shape as importers know it.
    pub fn imported(&self, name: &str, licence: &str) -> Shape {
        Shape {
            name: name.into(),
            licence: licence.into(),
            architecture: Architecture::Llama,
            dim: self.dim,
            layers: self.layers,
            heads: self.heads,
            kv_heads: self.kv_heads,
            head_dim: self.head_dim(),
            hidden: self.hidden,
            vocabulary: self.vocabulary,
            context: self.context,
            positions: Positions::Rotary(self.speeds()),
            norm: NormKind::Rms,
            epsilon: EPSILON,
            mlp: MlpKind::Gated,
            activation: ActivationKind::Silu,
            biases: Biases::default(),
            tied_head: true,
            special: SpecialTokens { begin: Some(BOUNDARY), end: vec![BOUNDARY] },
            chat_template: String::new(),
        }
    }
}
