//! GGUF files, versions 2 and 3: Llama, Qwen2 and GPT-2 with F32, F16, BF16 or Q8_0 weights.

mod names;
mod reader;
mod text;
mod tokenizer;

pub(super) use text::TextParts;
pub(super) use tokenizer::text_side;

use super::ImportError;
use super::files::Named;
use super::rope::{Scaling, speeds};
use super::source::{About, Field, Positions, Shape, Source, Tensor};
use super::tensors::{Mapped, Tensors};
use crate::model::package::{ActivationKind, Architecture, Biases, MlpKind, NormKind, ReadAt, SpecialTokens};
use crate::model::tokenizer::TokenizerSpec;
use reader::Value;
use std::boxed::Box;
use std::collections::BTreeMap;
use std::format;
use std::string::String;
use std::vec::Vec;

/// How a GGUF file begins.
pub const MAGIC: &[u8; 4] = b"GGUF";

/// A GGUF file: a model and its tokenizer.
pub struct Gguf {
    source: Mapped,
    tokenizer: TokenizerSpec,
}

impl core::fmt::Debug for Gguf {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Gguf").field("shape", self.source.shape()).finish_non_exhaustive()
    }
}

impl Gguf {
    /// Reads a file's metadata. Every tensor is looked up and its shape checked; weights are read as they are asked for.
    pub fn open(name: &str, file: Box<dyn ReadAt>, about: &About) -> Result<Self, ImportError> {
        let contents = reader::read(Named::new(name, file))?;
        let metadata = Metadata { file: name.into(), values: contents.metadata };
        if metadata.count("split.count", u32::MAX as usize)?.is_some_and(|parts| parts > 1) {
            let advice = "merge the parts with llama.cpp's llama-gguf-split --merge";
            return Err(ImportError::unsupported(name, "a model in several files", advice));
        }
        let text = text::parts(&metadata)?;
        let mut shape = shape(&metadata, &contents.tensors, &text, about)?;
        let side = text_side(&text, shape.vocabulary)?;
        (shape.special, shape.chat_template) = (side.special, side.chat_template);
        let source = names::map(Mapped::new(shape, contents.tensors))?;
        Ok(Gguf { source, tokenizer: side.tokenizer })
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &TokenizerSpec {
        &self.tokenizer
    }
}

impl Source for Gguf {
    fn shape(&self) -> &Shape {
        self.source.shape()
    }

    fn row(&self, tensor: Tensor, row: usize, out: &mut [f32]) -> Result<(), ImportError> {
        self.source.row(tensor, row, out)
    }
}

/// Metadata with the file's name.
struct Metadata {
    file: String,
    values: BTreeMap<String, Value>,
}

impl Metadata {
    fn wrong(&self, field: &str, expected: impl Into<String>) -> ImportError {
        let found = self.values.get(field).map_or("absent".into(), Value::shown);
        let advice = "is this a GGUF file of a language model?";
        ImportError::Field { file: self.file.clone(), field: field.into(), found, expected: expected.into(), advice }
    }

    fn count(&self, field: &str, most: usize) -> Result<Option<usize>, ImportError> {
        let expected = || format!("0 to {most}");
        match self.values.get(field) {
            None => Ok(None),
            Some(Value::Integer(v)) => match usize::try_from(*v) {
                Ok(n) if n <= most => Ok(Some(n)),
                _ => Err(self.wrong(field, expected())),
            },
            // Some models say it layer by layer: where all say the same, it is one number.
            Some(Value::Integers(all)) => match (all.first(), usize::try_from(all.first().copied().unwrap_or(-1))) {
                (Some(first), Ok(n)) if n <= most && all.iter().all(|v| v == first) => Ok(Some(n)),
                _ => Err(self.wrong(field, format!("{} in every layer", expected()))),
            },
            Some(_) => Err(self.wrong(field, expected())),
        }
    }

    /// A positive number that must be there.
    fn needed(&self, field: &str, most: usize) -> Result<usize, ImportError> {
        self.count(field, most)?.filter(|n| *n > 0).ok_or_else(|| self.wrong(field, format!("1 to {most}")))
    }

    fn real(&self, field: &str) -> Result<Option<f64>, ImportError> {
        match self.values.get(field) {
            None => Ok(None),
            Some(Value::Real(v)) if v.is_finite() && *v > 0.0 => Ok(Some(*v)),
            Some(_) => Err(self.wrong(field, "a number above 0")),
        }
    }

    fn text(&self, field: &str) -> Result<Option<&str>, ImportError> {
        match self.values.get(field) {
            None => Ok(None),
            Some(Value::Text(text)) => match core::str::from_utf8(text) {
                Ok(text) => Ok(Some(text)),
                Err(_) => Err(self.wrong(field, "UTF-8 text")),
            },
            Some(_) => Err(self.wrong(field, "a text")),
        }
    }

    fn flag(&self, field: &str) -> Result<Option<bool>, ImportError> {
        match self.values.get(field) {
            None => Ok(None),
            Some(Value::Flag(flag)) => Ok(Some(*flag)),
            Some(_) => Err(self.wrong(field, "true or false")),
        }
    }

    fn unsupported(&self, field: &str, advice: &str) -> ImportError {
        let value = self.values.get(field).map_or(String::new(), Value::shown);
        ImportError::unsupported(&self.file, format!("{field} {value}"), advice)
    }
}

fn shape(m: &Metadata, tensors: &Tensors, text: &TextParts, about: &About) -> Result<Shape, ImportError> {
    const KIND: &str = "general.architecture";
    let (architecture, kind) = match m.text(KIND)? {
        Some("llama") => (Architecture::Llama, "llama"),
        Some("qwen2") => (Architecture::Qwen2, "qwen2"),
        Some("gpt2") => (Architecture::Gpt2, "gpt2"),
        Some(_) => return Err(m.unsupported(KIND, "llama, qwen2 and gpt2 are")),
        None => return Err(m.wrong(KIND, "llama, qwen2 or gpt2")),
    };
    let key = |name: &str| format!("{kind}.{name}");
    for field in ["expert_count", "attention.sliding_window"] {
        if m.count(&key(field), u32::MAX as usize)?.is_some_and(|n| n > 0) {
            return Err(m.unsupported(&key(field), "take a model without"));
        }
    }
    let gpt2 = architecture == Architecture::Gpt2;
    let dim = m.needed(&key("embedding_length"), 1 << 15)?;
    let heads = m.needed(&key("attention.head_count"), 1024)?;
    let kv_heads = m.count(&key("attention.head_count_kv"), heads)?.unwrap_or(heads);
    if kv_heads == 0 || !heads.is_multiple_of(kv_heads) {
        return Err(m.wrong(&key("attention.head_count_kv"), format!("a divisor of {heads}")));
    }
    let head_dim = match m.count(&key("attention.key_length"), 1024)? {
        Some(width) => width,
        None if dim.is_multiple_of(heads) => dim / heads,
        None => return Err(m.wrong(&key("attention.head_count"), format!("a divisor of {dim}"))),
    };
    if m.count(&key("attention.value_length"), 1024)?.unwrap_or(head_dim) != head_dim {
        return Err(m.wrong(&key("attention.value_length"), format!("{head_dim}, as wide as a key")));
    }
    if head_dim == 0 || !head_dim.is_multiple_of(2) {
        return Err(m.wrong(&key("attention.head_count"), "one that leaves an even head width"));
    }
    let epsilon = key(if gpt2 { "attention.layer_norm_epsilon" } else { "attention.layer_norm_rms_epsilon" });
    let vocabulary = match m.count(&key("vocab_size"), 1 << 20)? {
        Some(n) if n > 0 => n,
        _ => text.tokens.len(),
    };
    let has = |part: &str| tensors.has(&format!("blk.0.{part}"));
    Ok(Shape {
        name: about.name.clone(),
        licence: about.licence.clone(),
        architecture,
        dim,
        layers: m.needed(&key("block_count"), 512)?,
        heads,
        kv_heads,
        head_dim,
        hidden: m.needed(&key("feed_forward_length"), 1 << 17)?,
        vocabulary,
        context: m.needed(&key("context_length"), 1 << 30)?.min(super::MAX_CONTEXT),
        positions: if gpt2 { Positions::Learned } else { Positions::Rotary(rotary(m, kind, tensors, head_dim)?) },
        norm: if gpt2 { NormKind::Layer } else { NormKind::Rms },
        epsilon: m.real(&epsilon)?.ok_or_else(|| m.wrong(&epsilon, "a number above 0"))?,
        mlp: if gpt2 { MlpKind::Plain } else { MlpKind::Gated },
        activation: if gpt2 { ActivationKind::GeluTanh } else { ActivationKind::Silu },
        biases: Biases {
            qkv: has("attn_q.bias") || has("attn_qkv.bias"),
            output: has("attn_output.bias"),
            mlp: has("ffn_down.bias"),
        },
        tied_head: !tensors.has("output.weight"),
        special: SpecialTokens::default(),
        chat_template: String::new(),
    })
}

/// How fast each pair turns: the base, a linear scaling, or factors of each pair, as Llama 3's scaling is told.
fn rotary(m: &Metadata, kind: &str, tensors: &Tensors, head_dim: usize) -> Result<Vec<f64>, ImportError> {
    let key = |name: &str| format!("{kind}.rope.{name}");
    let width = key("dimension_count");
    if m.count(&width, 1 << 15)?.unwrap_or(head_dim) != head_dim {
        return Err(m.unsupported(&width, "only the head's whole width is"));
    }
    let theta = m.real(&key("freq_base"))?.unwrap_or(10_000.0);
    let scaling = match m.text(&key("scaling.type"))? {
        None | Some("none") => Scaling::Default,
        Some("linear") => match m.real(&key("scaling.factor"))? {
            Some(factor) => Scaling::Linear { factor },
            None => return Err(m.wrong(&key("scaling.factor"), "a number above 0")),
        },
        Some(_) => return Err(m.unsupported(&key("scaling.type"), "none, linear and Llama 3's factors are")),
    };
    let scaling = match (scaling, m.real(&key("scale_linear"))?) {
        (Scaling::Default, Some(factor)) => Scaling::Linear { factor },
        (scaling, _) => scaling,
    };
    let mut speeds = speeds(head_dim, theta, scaling);
    const FACTORS: &str = "rope_freqs.weight";
    for long in ["rope_factors_long.weight", "rope_factors_short.weight"] {
        if tensors.has(long) {
            return Err(ImportError::unsupported(&m.file, long, "take a model without LongRoPE"));
        }
    }
    if tensors.has(FACTORS) {
        let factors = tensors.vector(FACTORS, speeds.len())?;
        if factors.iter().any(|f| !f.is_finite() || *f <= 0.0) {
            return Err(ImportError::damaged(&m.file, format!("{FACTORS} holds numbers that are not above 0")));
        }
        speeds.iter_mut().zip(&factors).for_each(|(speed, factor)| *speed /= *factor as f64);
    }
    Ok(speeds)
}
