//! Llama, and Qwen2, which is Llama with biases on query, key and value.

use super::config::Config;
use crate::model::import::rope::{Scaling, speeds};
use crate::model::import::source::{About, Field, Positions, Shape, Source};
use crate::model::import::tensors::{Mapped, Order};
use crate::model::import::{ImportError, MAX_CONTEXT};
use crate::model::package::{ActivationKind, Architecture, Biases, MlpKind, NormKind, SpecialTokens};
use std::format;
use std::string::String;
use std::vec::Vec;

/// Finds a model's tensors.
pub(super) type Map = fn(Mapped) -> Result<Mapped, ImportError>;

/// A configuration as read: the shape, and how its fields' tensors are called.
pub(super) struct Model {
    pub shape: Shape,
    pub map: Map,
}

/// Reads a Llama's configuration.
pub(super) fn llama(config: &Config, about: &About) -> Result<Model, ImportError> {
    let attention = config.flag("attention_bias", false)?;
    let biases = Biases { qkv: attention, output: attention, mlp: config.flag("mlp_bias", false)? };
    read(config, about, Architecture::Llama, biases)
}

/// Reads a Qwen2's configuration.
pub(super) fn qwen2(config: &Config, about: &About) -> Result<Model, ImportError> {
    let layers = config.needed("num_hidden_layers", 512)?;
    let context = config.needed("max_position_embeddings", 1 << 30)?;
    let window = config.count("sliding_window", 1 << 30)?.is_some_and(|window| window < context);
    let slides = config.count("max_window_layers", 1 << 20)?.unwrap_or(28) < layers;
    if config.flag("use_sliding_window", false)? && window && slides {
        return Err(config.unsupported("use_sliding_window", "take a model without a sliding window"));
    }
    read(config, about, Architecture::Qwen2, Biases { qkv: true, output: false, mlp: false })
}

fn read(config: &Config, about: &About, architecture: Architecture, biases: Biases) -> Result<Model, ImportError> {
    let dim = config.needed("hidden_size", 1 << 15)?;
    let heads = config.needed("num_attention_heads", 1024)?;
    let kv_heads = config.count("num_key_value_heads", heads)?.unwrap_or(heads);
    if !heads.is_multiple_of(kv_heads) {
        return Err(config.wrong("num_key_value_heads", format!("a divisor of num_attention_heads, {heads}")));
    }
    let head_dim = match config.count("head_dim", 1024)? {
        Some(width) => width,
        None if dim.is_multiple_of(heads) => dim / heads,
        None => return Err(config.wrong("num_attention_heads", format!("a divisor of hidden_size, {dim}"))),
    };
    let layers = config.needed("num_hidden_layers", 512)?;
    if config.real("partial_rotary_factor")?.is_some_and(|factor| factor != 1.0) {
        return Err(config.unsupported("partial_rotary_factor", "only 1 is"));
    }
    if config.texts("layer_types")?.iter().any(|kind| *kind != "full_attention") {
        return Err(config.unsupported("layer_types", "only full_attention is"));
    }
    let shape = Shape {
        name: about.name.clone(),
        licence: about.licence.clone(),
        architecture,
        dim,
        layers,
        heads,
        kv_heads,
        head_dim,
        hidden: config.needed("intermediate_size", 1 << 17)?,
        vocabulary: config.needed("vocab_size", 1 << 20)?,
        context: config.count("max_position_embeddings", 1 << 30)?.unwrap_or(2048).min(MAX_CONTEXT),
        positions: Positions::Rotary(rotary(config, head_dim)?),
        norm: NormKind::Rms,
        epsilon: config.real("rms_norm_eps")?.unwrap_or(1e-6),
        mlp: MlpKind::Gated,
        activation: activation(config, "hidden_act", "silu")?,
        biases,
        tied_head: config.flag("tie_word_embeddings", false)?,
        special: SpecialTokens::default(),
        chat_template: String::new(),
    };
    Ok(Model { map, shape })
}

/// An activation function by its name in `transformers`.
pub(super) fn activation(config: &Config, field: &str, default: &str) -> Result<ActivationKind, ImportError> {
    match config.text(field)?.unwrap_or(default) {
        "silu" | "swish" => Ok(ActivationKind::Silu),
        "gelu" | "gelu_python" => Ok(ActivationKind::Gelu),
        "gelu_new" | "gelu_fast" | "gelu_pytorch_tanh" | "gelu_python_tanh" => Ok(ActivationKind::GeluTanh),
        _ => Err(config.unsupported(field, "silu, gelu and gelu_new are")),
    }
}

/// How fast each pair turns. Newer configurations keep the base with the scaling.
fn rotary(config: &Config, head_dim: usize) -> Result<Vec<f64>, ImportError> {
    let (newer, older) = (config.inner("rope_parameters")?, config.inner("rope_scaling")?);
    let newer_theta = newer.as_ref().map(|newer| newer.real("rope_theta")).transpose()?.flatten();
    let theta = newer_theta.or(config.real("rope_theta")?).unwrap_or(10_000.0);
    let Some(rope) = newer.or(older) else { return Ok(speeds(head_dim, theta, Scaling::Default)) };
    let field = if rope.has("rope_type") { "rope_type" } else { "type" };
    let scaling = match rope.text(field)? {
        None | Some("default") => Scaling::Default,
        Some("linear") => Scaling::Linear { factor: rope.needed_real("factor")? },
        Some("llama3") => {
            let (low, high) = (rope.needed_real("low_freq_factor")?, rope.needed_real("high_freq_factor")?);
            if low >= high {
                return Err(rope.wrong("low_freq_factor", "less than high_freq_factor"));
            }
            let original = rope.needed_real("original_max_position_embeddings")?;
            Scaling::Llama3 { factor: rope.needed_real("factor")?, low, high, original }
        }
        Some(_) => return Err(rope.unsupported(field, "default, linear and llama3 are")),
    };
    Ok(speeds(head_dim, theta, scaling))
}

fn map(mut m: Mapped) -> Result<Mapped, ImportError> {
    use Field::*;
    let prefix = if m.tensors().has("model.embed_tokens.weight") { "model." } else { "" };
    let Shape { layers, biases, tied_head, .. } = *m.shape();
    m.map(Embedding, 0, &format!("{prefix}embed_tokens.weight"), Order::Rows)?;
    m.map(FinalNorm, 0, &format!("{prefix}norm.weight"), Order::Rows)?;
    if !tied_head {
        m.map(Head, 0, "lm_head.weight", Order::Rows)?;
    }
    for layer in 0..layers {
        let parts = [
            (AttentionNorm, "input_layernorm.weight", true),
            (Query, "self_attn.q_proj.weight", true),
            (Key, "self_attn.k_proj.weight", true),
            (Value, "self_attn.v_proj.weight", true),
            (Output, "self_attn.o_proj.weight", true),
            (MlpNorm, "post_attention_layernorm.weight", true),
            (Gate, "mlp.gate_proj.weight", true),
            (Up, "mlp.up_proj.weight", true),
            (Down, "mlp.down_proj.weight", true),
            (QueryBias, "self_attn.q_proj.bias", biases.qkv),
            (KeyBias, "self_attn.k_proj.bias", biases.qkv),
            (ValueBias, "self_attn.v_proj.bias", biases.qkv),
            (OutputBias, "self_attn.o_proj.bias", biases.output),
            (GateBias, "mlp.gate_proj.bias", biases.mlp),
            (UpBias, "mlp.up_proj.bias", biases.mlp),
            (DownBias, "mlp.down_proj.bias", biases.mlp),
        ];
        for (field, name, _) in parts.into_iter().filter(|part| part.2) {
            m.map(field, layer, &format!("{prefix}layers.{layer}.{name}"), Order::Rows)?;
        }
    }
    Ok(m)
}
