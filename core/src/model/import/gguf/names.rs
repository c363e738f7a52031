//! What GGUF calls the tensors.

use super::{Field, ImportError, Mapped, Shape, Source};
use crate::model::import::tensors::Order;
use crate::model::package::{Architecture, MlpKind, NormKind, PositionKind};
use std::format;

/// Finds a model's tensors. Llama's query and key rows lie so that neighbours turn together.
pub(super) fn map(mut m: Mapped) -> Result<Mapped, ImportError> {
    use Field::*;
    let Shape { layers, biases, tied_head, norm, mlp, architecture, head_dim, .. } = *m.shape();
    let layer_norm = norm == NormKind::Layer;
    let learned = m.shape().positions.kind() == PositionKind::Learned;
    let plain = |field, name, wanted| (field, name, Order::Rows, wanted);
    for (field, name, order, _) in [
        plain(Embedding, "token_embd.weight", true),
        plain(Positions, "position_embd.weight", learned),
        plain(FinalNorm, "output_norm.weight", true),
        plain(FinalNormBias, "output_norm.bias", layer_norm),
        plain(Head, "output.weight", !tied_head),
    ]
    .into_iter()
    .filter(|part| part.3)
    {
        m.map(field, 0, name, order)?;
    }
    let turned = if architecture == Architecture::Llama { Order::Pairs(head_dim) } else { Order::Rows };
    for layer in 0..layers {
        let name = |part: &str| format!("blk.{layer}.{part}");
        let whole = name("attn_qkv.weight");
        let together = architecture == Architecture::Gpt2 || m.tensors().has(&whole);
        for (field, part, order, _) in [
            plain(AttentionNorm, "attn_norm.weight", true),
            plain(AttentionNormBias, "attn_norm.bias", layer_norm),
            (Query, "attn_q.weight", turned, !together),
            (Key, "attn_k.weight", turned, !together),
            plain(Value, "attn_v.weight", !together),
            (QueryBias, "attn_q.bias", turned, !together && biases.qkv),
            (KeyBias, "attn_k.bias", turned, !together && biases.qkv),
            plain(ValueBias, "attn_v.bias", !together && biases.qkv),
            plain(Output, "attn_output.weight", true),
            plain(OutputBias, "attn_output.bias", biases.output),
            plain(MlpNorm, "ffn_norm.weight", true),
            plain(MlpNormBias, "ffn_norm.bias", layer_norm),
            plain(Gate, "ffn_gate.weight", mlp == MlpKind::Gated),
            plain(GateBias, "ffn_gate.bias", mlp == MlpKind::Gated && biases.mlp),
            plain(Up, "ffn_up.weight", true),
            plain(UpBias, "ffn_up.bias", biases.mlp),
            plain(Down, "ffn_down.weight", true),
            plain(DownBias, "ffn_down.bias", biases.mlp),
        ]
        .into_iter()
        .filter(|part| part.3)
        {
            m.map(field, layer, &name(part), order)?;
        }
        if together {
            // Query, key and value rows follow each other: as many as the heads have, whatever the model's width.
            let (bias, mut before) = (name("attn_qkv.bias"), 0);
            let (query, kv) = (m.shape().query_dim(), m.shape().kv_dim());
            for (field, bias_field, rows) in [(Query, QueryBias, query), (Key, KeyBias, kv), (Value, ValueBias, kv)] {
                m.map_part(field, layer, &whole, Order::Rows, before, query + 2 * kv)?;
                if biases.qkv {
                    m.map_part(bias_field, layer, &bias, Order::Rows, before, query + 2 * kv)?;
                }
                before += rows;
            }
        }
    }
    Ok(m)
}
