//! The manifest: a model's shape, its special tokens and its name.

use super::PackageError;
use crate::encode::{Decode, DecodeError, Encode, Reader, put_bytes, put_vec};
use crate::encode_struct;
use crate::hash::ModelRoot;
use crate::units::TokenId;
use alloc::string::String;
use alloc::vec::Vec;

macro_rules! byte_enum {
    ($(#[$doc:meta])* $name:ident, $what:literal { $($(#[$vdoc:meta])* $variant:ident = $value:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$vdoc])* $variant = $value),*
        }
        impl Encode for $name {
            fn encode(&self, out: &mut Vec<u8>) {
                out.push(*self as u8);
            }
        }
        impl Decode for $name {
            fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
                match u8::decode(r)? {
                    $($value => Ok($name::$variant),)*
                    other => Err(DecodeError::InvalidValue { what: $what, value: other as u64 }),
                }
            }
        }
    };
}

byte_enum!(
    /// The family a model was imported from. For display: the arithmetic follows the other fields.
    Architecture, "architecture" {
        /// Llama and all that share its shape.
        Llama = 0,
        /// Qwen2: Llama with biases on query, key and value.
        Qwen2 = 1,
        /// GPT-2.
        Gpt2 = 2,
    }
);
byte_enum!(
    /// How a vector is normalised before attention and MLP.
    NormKind, "norm kind" {
        /// By its root mean square.
        Rms = 0,
        /// By mean and variance, with a bias.
        Layer = 1,
    }
);
byte_enum!(
    /// The two layers between attention blocks.
    MlpKind, "MLP kind" {
        /// `down(act(gate(x)) * up(x))`.
        Gated = 0,
        /// `down(act(up(x)))`.
        Plain = 1,
    }
);
byte_enum!(
    /// The function that the activation table holds. For display: the table is what counts.
    ActivationKind, "activation kind" {
        /// `x * sigmoid(x)`.
        Silu = 0,
        /// `x * Phi(x)`.
        Gelu = 1,
        /// GELU by its tanh approximation.
        GeluTanh = 2,
    }
);
byte_enum!(
    /// How a token knows its place.
    PositionKind, "position kind" {
        /// Rotation of query and key.
        Rotary = 0,
        /// A learned vector added to the embedding.
        Learned = 1,
    }
);

/// Which linear layers have a bias.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Biases {
    /// Query, key and value.
    pub qkv: bool,
    /// The attention's output.
    pub output: bool,
    /// The MLP's layers.
    pub mlp: bool,
}
encode_struct!(Biases { qkv, output, mlp });

/// Begin and end of a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpecialTokens {
    /// The token that starts every prompt, if the model has one.
    pub begin: Option<TokenId>,
    /// Every token that ends an answer, ascending, without repetition.
    pub end: Vec<TokenId>,
}

/// A model's shape: everything that fixes the layout and the arithmetic of its package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Short name, such as `stories260k`.
    pub name: String,
    /// Licence of the weights.
    pub licence: String,
    /// Family.
    pub architecture: Architecture,
    /// Width of the residual stream.
    pub dim: u32,
    /// Number of layers.
    pub layers: u32,
    /// Query heads.
    pub heads: u32,
    /// Key and value heads; divides `heads`.
    pub kv_heads: u32,
    /// Width of a head; even.
    pub head_dim: u32,
    /// Width of the MLP's hidden vector.
    pub hidden: u32,
    /// Number of tokens in the vocabulary.
    pub vocabulary: u32,
    /// Longest sequence in tokens.
    pub context: u32,
    /// How a token knows its place.
    pub position: PositionKind,
    /// Leading elements of each head that are rotated; even; 0 with learned positions.
    pub rotary_dim: u32,
    /// Kind of every norm.
    pub norm: NormKind,
    /// Kind of every MLP.
    pub mlp: MlpKind,
    /// The activation function.
    pub activation: ActivationKind,
    /// Which layers have a bias.
    pub biases: Biases,
    /// Whether the head is the embedding.
    pub tied_head: bool,
    /// Fraction bits of the residual stream.
    pub residual_fraction: u8,
    /// The norms' epsilon times `dim`, with twice the residual stream's fraction bits; at least 1.
    pub epsilon: u64,
    /// Begin and end tokens.
    pub special: SpecialTokens,
    /// Template that turns a conversation into a prompt; empty if none.
    pub chat_template: String,
}

impl Encode for Manifest {
    fn encode(&self, out: &mut Vec<u8>) {
        put_bytes(self.name.as_bytes(), out);
        put_bytes(self.licence.as_bytes(), out);
        self.architecture.encode(out);
        for n in [
            self.dim,
            self.layers,
            self.heads,
            self.kv_heads,
            self.head_dim,
            self.hidden,
            self.vocabulary,
            self.context,
        ] {
            n.encode(out);
        }
        self.position.encode(out);
        self.rotary_dim.encode(out);
        self.norm.encode(out);
        self.mlp.encode(out);
        self.activation.encode(out);
        self.biases.encode(out);
        self.tied_head.encode(out);
        self.residual_fraction.encode(out);
        self.epsilon.encode(out);
        self.special.begin.encode(out);
        put_vec(&self.special.end, out);
        put_bytes(self.chat_template.as_bytes(), out);
    }
}

impl Decode for Manifest {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Manifest {
            name: r.text("model name", 100)?,
            licence: r.text("licence", 100)?,
            architecture: Decode::decode(r)?,
            dim: Decode::decode(r)?,
            layers: Decode::decode(r)?,
            heads: Decode::decode(r)?,
            kv_heads: Decode::decode(r)?,
            head_dim: Decode::decode(r)?,
            hidden: Decode::decode(r)?,
            vocabulary: Decode::decode(r)?,
            context: Decode::decode(r)?,
            position: Decode::decode(r)?,
            rotary_dim: Decode::decode(r)?,
            norm: Decode::decode(r)?,
            mlp: Decode::decode(r)?,
            activation: Decode::decode(r)?,
            biases: Decode::decode(r)?,
            tied_head: Decode::decode(r)?,
            residual_fraction: Decode::decode(r)?,
            epsilon: Decode::decode(r)?,
            special: SpecialTokens { begin: Decode::decode(r)?, end: r.vec("end tokens", 64)? },
            chat_template: r.text("chat template", 65_536)?,
        })
    }
}

impl Manifest {
    /// Checks every number against the range in which no accumulator can overflow
    /// (`docs/arithmetic.md`, "Ranges").
    pub fn check(&self) -> Result<(), PackageError> {
        fn within(field: &'static str, found: u64, ok: bool, expected: &'static str) -> Result<(), PackageError> {
            if ok { Ok(()) } else { Err(PackageError::Field { field, expected, found }) }
        }
        let range = |field, n: u32, max: u32, expected| within(field, n as u64, (1..=max).contains(&n), expected);
        within("name length", self.name.len() as u64, !self.name.is_empty(), "1 to 100")?;
        range("dim", self.dim, 1 << 15, "1 to 32768")?;
        range("layers", self.layers, 512, "1 to 512")?;
        range("heads", self.heads, 1024, "1 to 1024")?;
        range("kv_heads", self.kv_heads, self.heads, "1 to heads")?;
        within("kv_heads", self.kv_heads as u64, self.heads.is_multiple_of(self.kv_heads), "a divisor of heads")?;
        within("head_dim", self.head_dim as u64, matches!(self.head_dim, 2..=1024), "2 to 1024")?;
        within("head_dim", self.head_dim as u64, self.head_dim.is_multiple_of(2), "even")?;
        within("heads x head_dim", self.query_dim() as u64, self.query_dim() <= 1 << 15, "at most 32768")?;
        range("hidden", self.hidden, 1 << 17, "1 to 131072")?;
        range("vocabulary", self.vocabulary, 1 << 20, "1 to 1048576")?;
        range("context", self.context, 1 << 17, "1 to 131072")?;
        let rotary_ok = match self.position {
            PositionKind::Rotary => {
                self.rotary_dim.is_multiple_of(2) && self.rotary_dim > 0 && self.rotary_dim <= self.head_dim
            }
            PositionKind::Learned => self.rotary_dim == 0,
        };
        within(
            "rotary_dim",
            self.rotary_dim as u64,
            rotary_ok,
            "even and at most head_dim, or 0 with learned positions",
        )?;
        within(
            "residual_fraction",
            self.residual_fraction as u64,
            matches!(self.residual_fraction, 8..=24),
            "8 to 24",
        )?;
        within("epsilon", self.epsilon, (1..1 << 60).contains(&self.epsilon), "1 to 2^60 - 1")?;
        for id in self.special.begin.iter().chain(&self.special.end) {
            within("special token", id.0 as u64, id.0 < self.vocabulary, "below the vocabulary's size")?;
        }
        for pair in self.special.end.windows(2) {
            within("end token", pair[1].0 as u64, pair[0] < pair[1], "ascending")?;
        }
        Ok(())
    }

    /// Width of all query heads together.
    pub fn query_dim(&self) -> u32 {
        self.heads.saturating_mul(self.head_dim)
    }

    /// Width of all key heads together, and of all value heads.
    pub fn kv_dim(&self) -> u32 {
        self.kv_heads.saturating_mul(self.head_dim)
    }

    /// Bytes of the keys and values of a sequence: int16, each head's width and the number of tokens rounded up to 16.
    pub fn cache_bytes(&self, tokens: u64) -> u64 {
        let head = 2 * 2 * self.head_dim.next_multiple_of(16) as u64;
        let token = head.saturating_mul(self.kv_heads as u64 * self.layers as u64);
        token.saturating_mul(tokens.checked_next_multiple_of(16).unwrap_or(u64::MAX))
    }

    /// Number of weights: matrices, norms, biases and learned positions.
    pub fn parameters(&self) -> u64 {
        let (dim, q, kv) = (self.dim as u64, self.query_dim() as u64, self.kv_dim() as u64);
        let (hidden, vocabulary) = (self.hidden as u64, self.vocabulary as u64);
        let norm = dim * if self.norm == NormKind::Layer { 2 } else { 1 };
        let ups = if self.mlp == MlpKind::Gated { 2 } else { 1 };
        let mut layer = dim * (2 * q + 2 * kv) + (ups + 1) * dim * hidden + 2 * norm;
        layer += if self.biases.qkv { q + 2 * kv } else { 0 };
        layer += if self.biases.output { dim } else { 0 };
        layer += if self.biases.mlp { ups * hidden + dim } else { 0 };
        let tables = if self.tied_head { vocabulary * dim } else { 2 * vocabulary * dim };
        let positions = if self.position == PositionKind::Learned { self.context as u64 * dim } else { 0 };
        layer * self.layers as u64 + tables + positions + norm
    }

    /// Multiply-accumulates of one pass over `tokens` tokens of one sequence, of which the last `heads_for`
    /// get logits; attention included.
    pub fn multiply_accumulates(&self, tokens: u32, heads_for: u32) -> u64 {
        let (dim, q, kv, n) = (self.dim as u128, self.query_dim() as u128, self.kv_dim() as u128, tokens as u128);
        let ups = if self.mlp == MlpKind::Gated { 2 } else { 1 };
        let linear = dim * (2 * q + 2 * kv) + (ups + 1) * dim * self.hidden as u128;
        // Position i attends to i + 1 keys and values.
        let attention = n * (n + 1) * q;
        let head = heads_for as u128 * dim * self.vocabulary as u128;
        ((linear * n + attention) * self.layers as u128 + head).try_into().unwrap_or(u64::MAX)
    }
}

/// What a list of models shows, and what jobs are checked against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelInfo {
    /// Name.
    pub name: String,
    /// Licence of the weights.
    pub licence: String,
    /// Identity.
    pub root: ModelRoot,
    /// Family.
    pub architecture: Architecture,
    /// Bytes in the package.
    pub package_len: u64,
    /// Number of weights.
    pub parameters: u64,
    /// Width of the residual stream.
    pub dim: u32,
    /// Number of layers.
    pub layers: u32,
    /// Longest sequence in tokens, prompt and answer together.
    pub context: u32,
    /// Number of tokens.
    pub vocabulary: u32,
    /// The token that starts every prompt, if any.
    pub begin: Option<TokenId>,
    /// Every token that ends an answer, ascending.
    pub end: Vec<TokenId>,
}

impl ModelInfo {
    /// Whether `id` ends an answer.
    pub fn is_end(&self, id: TokenId) -> bool {
        self.end.binary_search(&id).is_ok()
    }
}
