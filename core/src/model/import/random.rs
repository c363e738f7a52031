//! Seeded random models: small, fast, of every supported shape, with a tokenizer that works. For tests and
//! benchmarks.

use super::source::{Field, Positions, Shape, Source, Tensor};
use super::{ImportError, build};
use crate::model::package::{ActivationKind, Architecture, Biases, MlpKind, NormKind, SpecialTokens};
use crate::model::tokenizer::{Piece, Pieces, ScoredSpec, TokenizerSpec};
use crate::units::TokenId;
use std::format;
use std::string::{String, ToString};
use std::vec;
use std::vec::Vec;

/// Ids below are the begin and end tokens and the 256 bytes.
const FIRST_TEXT: usize = 258;

/// The shape of a random model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RandomShape {
    /// Family: decides norms, MLP, activation, biases and positions.
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
    /// Number of tokens, at least 258.
    pub vocabulary: usize,
    /// Longest sequence.
    pub context: usize,
    /// Whether the head is the embedding.
    pub tied_head: bool,
}

impl RandomShape {
    /// A small Llama: grouped-query attention, an untied head.
    pub fn llama() -> Self {
        RandomShape {
            architecture: Architecture::Llama,
            dim: 32,
            layers: 2,
            heads: 4,
            kv_heads: 2,
            head_dim: 8,
            hidden: 48,
            vocabulary: 320,
            context: 128,
            tied_head: false,
        }
    }

    /// A small Qwen2: biases on query, key and value, a tied head.
    pub fn qwen2() -> Self {
        RandomShape { architecture: Architecture::Qwen2, tied_head: true, ..Self::llama() }
    }

    /// A small GPT-2: LayerNorm, GELU, biases everywhere, learned positions, a tied head.
    pub fn gpt2() -> Self {
        RandomShape { architecture: Architecture::Gpt2, kv_heads: 4, tied_head: true, ..Self::llama() }
    }

    /// SmolLM2-135M's shape: what benchmarks measure.
    pub fn smollm2_135m() -> Self {
        RandomShape {
            architecture: Architecture::Llama,
            dim: 576,
            layers: 30,
            heads: 9,
            kv_heads: 3,
            head_dim: 64,
            hidden: 1536,
            vocabulary: 49_152,
            context: 2048,
            tied_head: true,
        }
    }
}

/// The package of a random model: the same seed and shape, the same package.
pub fn random_model(seed: u64, shape: &RandomShape) -> Result<Vec<u8>, ImportError> {
    let source = random_source(seed, shape);
    build(&source, &tokenizer(shape.vocabulary))
}

/// The float model behind [`random_model`].
pub fn random_source(seed: u64, s: &RandomShape) -> impl Source + use<> {
    let gpt2 = s.architecture == Architecture::Gpt2;
    let speed = |i: usize| 1.0 / 10_000f64.powf(2.0 * i as f64 / s.head_dim as f64);
    let shape = Shape {
        name: format!("random-{seed}"),
        licence: "CC0-1.0".to_string(),
        architecture: s.architecture,
        dim: s.dim,
        layers: s.layers,
        heads: s.heads,
        kv_heads: s.kv_heads,
        head_dim: s.head_dim,
        hidden: s.hidden,
        vocabulary: s.vocabulary,
        context: s.context,
        positions: if gpt2 { Positions::Learned } else { Positions::Rotary((0..s.head_dim / 2).map(speed).collect()) },
        norm: if gpt2 { NormKind::Layer } else { NormKind::Rms },
        epsilon: 1e-5,
        mlp: if gpt2 { MlpKind::Plain } else { MlpKind::Gated },
        activation: if gpt2 { ActivationKind::GeluTanh } else { ActivationKind::Silu },
        biases: Biases { qkv: s.architecture != Architecture::Llama, output: gpt2, mlp: gpt2 },
        tied_head: s.tied_head,
        special: SpecialTokens { begin: Some(TokenId(0)), end: vec![TokenId(1)] },
        chat_template: String::new(),
    };
    Random { seed, shape }
}

fn tokenizer(vocabulary: usize) -> TokenizerSpec {
    let control = [Piece::Control(b"<begin>".to_vec()), Piece::Control(b"<end>".to_vec())];
    let letters = b"etaoinshrdlucmfwypvbgkjqxz ".map(|b| b as usize);
    // Two-letter pieces, then longer ones: whatever the size, each text is its own.
    let text = (FIRST_TEXT..vocabulary).map(|id| {
        let mut n = id - FIRST_TEXT + letters.len();
        let mut bytes = Vec::new();
        while n > 0 {
            bytes.push(letters[n % letters.len()] as u8);
            n /= letters.len();
        }
        Piece::Text { rank: (vocabulary - id) as u32, bytes }
    });
    let pieces = control.into_iter().chain((0..=255).map(Piece::Byte)).chain(text).collect();
    TokenizerSpec::Scored(ScoredSpec { prefix_space: false, pieces: Pieces(pieces) })
}

struct Random {
    seed: u64,
    shape: Shape,
}

impl Source for Random {
    fn shape(&self) -> &Shape {
        &self.shape
    }

    fn row(&self, tensor: Tensor, row: usize, out: &mut [f32]) -> Result<(), ImportError> {
        let (_, cols) = self.shape.size(tensor.field);
        let spread = 1.0 / (cols as f32).sqrt();
        let (mean, deviation) = match tensor.field {
            Field::AttentionNorm | Field::MlpNorm | Field::FinalNorm => (1.0, 0.2),
            Field::AttentionNormBias | Field::MlpNormBias | Field::FinalNormBias => (0.0, 0.2),
            Field::QueryBias | Field::KeyBias | Field::ValueBias => (0.0, 0.5),
            Field::OutputBias | Field::GateBias | Field::UpBias | Field::DownBias => (0.0, 0.1),
            Field::Embedding | Field::Positions => (0.0, 0.5),
            Field::Query | Field::Key => (0.0, 2.0 * spread),
            Field::Head => (0.0, 3.0 * spread),
            _ => (0.0, 1.5 * spread),
        };
        let place = (tensor.field as u64) << 56 | (tensor.layer as u64) << 40 | row as u64;
        let mut state = mix(self.seed ^ mix(place));
        for o in out.iter_mut() {
            // The sum of four uniform numbers is near enough to a normal one.
            let sum: f32 = (0..4)
                .map(|_| {
                    state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                    (mix(state) >> 40) as f32 / (1 << 24) as f32 - 0.5
                })
                .sum();
            *o = mean + deviation * sum * 1.732;
        }
        Ok(())
    }
}

/// SplitMix64's finaliser.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
