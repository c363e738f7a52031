//! GPT-2: LayerNorm, learned positions, biases everywhere, weights transposed (Conv1D), query, key and value in one
//! tensor.

use super::config::Config;
use super::llama::{Model, activation};
use crate::model::import::source::{About, Field, Positions, Shape, Source};
use crate::model::import::tensors::{Mapped, Order};
use crate::model::import::{ImportError, MAX_CONTEXT};
use crate::model::package::{Architecture, Biases, MlpKind, NormKind, SpecialTokens};
use std::format;
use std::string::String;

/// Reads a GPT-2's configuration.
pub(super) fn read(config: &Config, about: &About) -> Result<Model, ImportError> {
    for (field, usual) in
        [("scale_attn_weights", true), ("scale_attn_by_inverse_layer_idx", false), ("add_cross_attention", false)]
    {
        if config.flag(field, usual)? != usual {
            return Err(config.unsupported(field, if usual { "only true is" } else { "only false is" }));
        }
    }
    let dim = config.needed("n_embd", 1 << 15)?;
    let heads = config.needed("n_head", 1024)?;
    if !dim.is_multiple_of(heads) {
        return Err(config.wrong("n_head", format!("a divisor of n_embd, {dim}")));
    }
    let context = match config.count("n_positions", MAX_CONTEXT)? {
        Some(context) => context,
        None => config.needed("n_ctx", MAX_CONTEXT)?,
    };
    let shape = Shape {
        name: about.name.clone(),
        licence: about.licence.clone(),
        architecture: Architecture::Gpt2,
        dim,
        layers: config.needed("n_layer", 512)?,
        heads,
        kv_heads: heads,
        head_dim: dim / heads,
        hidden: config.count("n_inner", 1 << 17)?.unwrap_or(4 * dim),
        vocabulary: config.needed("vocab_size", 1 << 20)?,
        context,
        positions: Positions::Learned,
        norm: NormKind::Layer,
        epsilon: config.real("layer_norm_epsilon")?.unwrap_or(1e-5),
        mlp: MlpKind::Plain,
        activation: activation(config, "activation_function", "gelu_new")?,
        biases: Biases { qkv: true, output: true, mlp: true },
        tied_head: config.flag("tie_word_embeddings", true)?,
        special: SpecialTokens::default(),
        chat_template: String::new(),
    };
    Ok(Model { shape, map })
}

fn map(mut m: Mapped) -> Result<Mapped, ImportError> {
    use Field::*;
    let prefix = if m.tensors().has("transformer.wte.weight") { "transformer." } else { "" };
    let Shape { layers, dim, tied_head, .. } = *m.shape();
    m.map(Embedding, 0, &format!("{prefix}wte.weight"), Order::Rows)?;
    m.map(Positions, 0, &format!("{prefix}wpe.weight"), Order::Rows)?;
    m.map(FinalNorm, 0, &format!("{prefix}ln_f.weight"), Order::Rows)?;
    m.map(FinalNormBias, 0, &format!("{prefix}ln_f.bias"), Order::Rows)?;
    if !tied_head {
        m.map(Head, 0, "lm_head.weight", Order::Rows)?;
    }
    for layer in 0..layers {
        let name = |part: &str| format!("{prefix}h.{layer}.{part}");
        for (field, bias, part) in [(AttentionNorm, AttentionNormBias, "ln_1"), (MlpNorm, MlpNormBias, "ln_2")] {
            m.map(field, layer, &name(&format!("{part}.weight")), Order::Rows)?;
            m.map(bias, layer, &name(&format!("{part}.bias")), Order::Rows)?;
        }
        let weights = name("attn.c_attn.weight");
        let bias = name("attn.c_attn.bias");
        for (i, (field, bias_field)) in [(Query, QueryBias), (Key, KeyBias), (Value, ValueBias)].into_iter().enumerate()
        {
            m.map_part(field, layer, &weights, Order::Columns, i * dim, 3 * dim)?;
            m.map_part(bias_field, layer, &bias, Order::Rows, i * dim, 3 * dim)?;
        }
        for (field, bias, part) in
            [(Output, OutputBias, "attn.c_proj"), (Up, UpBias, "mlp.c_fc"), (Down, DownBias, "mlp.c_proj")]
        {
            m.map(field, layer, &name(&format!("{part}.weight")), Order::Columns)?;
            m.map(bias, layer, &name(&format!("{part}.bias")), Order::Rows)?;
        }
    }
    Ok(m)
}
