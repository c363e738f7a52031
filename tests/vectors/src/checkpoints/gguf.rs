//! A GGUF file as llama.cpp's converter writes it: matrices in the type asked for, vectors as F32.

use super::{Dtype, Family, Written, neighbours, rows};
use camelid_core::model::import::{Field, RandomShape, Source, random_source};

const ALIGNMENT: usize = 32;

/// A GGUF file, version 3, with a scored vocabulary of the 256 bytes from id 2 on.
pub fn gguf(seed: u64, family: Family, dtype: Dtype) -> Vec<u8> {
    gguf_of(seed, family, &family.shape(), dtype)
}

/// The same of a model of another shape, with at least 258 tokens.
pub fn gguf_of(seed: u64, family: Family, shape: &RandomShape, dtype: Dtype) -> Vec<u8> {
    let source = random_source(seed, shape);
    let (metadata, count) = metadata(&source, family);
    let tensors = tensors(&source, family);
    let mut out = b"GGUF".to_vec();
    out.extend(3u32.to_le_bytes());
    out.extend((tensors.len() as u64).to_le_bytes());
    out.extend((count as u64).to_le_bytes());
    out.extend(metadata);
    let mut data = Vec::new();
    for t in &tensors {
        let dtype = if t.shape.len() == 1 { Dtype::F32 } else { dtype };
        text(&mut out, t.name.as_bytes());
        out.extend((t.shape.len() as u32).to_le_bytes());
        t.shape.iter().rev().for_each(|size| out.extend(size.to_le_bytes()));
        let kind: u32 = match dtype {
            Dtype::F32 => 0,
            Dtype::F16 => 1,
            Dtype::Q8_0 => 8,
            Dtype::Bf16 => 30,
        };
        out.extend(kind.to_le_bytes());
        data.resize(data.len().next_multiple_of(ALIGNMENT), 0);
        out.extend((data.len() as u64).to_le_bytes());
        data.extend(t.bytes(dtype));
    }
    out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
    out.extend(data);
    out
}

fn text(out: &mut Vec<u8>, text: &[u8]) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text);
}

/// Metadata entries, and how many they are.
fn metadata(source: &dyn Source, family: Family) -> (Vec<u8>, usize) {
    let s = source.shape();
    let kind = match family {
        Family::Llama => "llama",
        Family::Qwen2 => "qwen2",
        Family::Gpt2 => "gpt2",
    };
    let (mut out, mut count) = (Vec::new(), 0);
    let mut entry = |name: &str, kind: u32, value: &[u8]| {
        text(&mut out, name.as_bytes());
        out.extend(kind.to_le_bytes());
        out.extend(value);
        count += 1;
    };
    let string = |value: &str| {
        let mut out = Vec::new();
        text(&mut out, value.as_bytes());
        out
    };
    entry("general.architecture", 8, &string(kind));
    entry("general.name", 8, &string("a random model"));
    for (name, value) in [
        ("embedding_length", s.dim),
        ("block_count", s.layers),
        ("feed_forward_length", s.hidden),
        ("attention.head_count", s.heads),
        ("attention.head_count_kv", s.kv_heads),
        ("context_length", s.context),
    ] {
        entry(&format!("{kind}.{name}"), 4, &(value as u32).to_le_bytes());
    }
    if family == Family::Gpt2 {
        entry("gpt2.attention.layer_norm_epsilon", 6, &1e-5f32.to_le_bytes());
    } else {
        entry(&format!("{kind}.attention.layer_norm_rms_epsilon"), 6, &1e-5f32.to_le_bytes());
        entry(&format!("{kind}.rope.freq_base"), 6, &10_000f32.to_le_bytes());
        entry(&format!("{kind}.rope.dimension_count"), 4, &(s.head_dim as u32).to_le_bytes());
    }
    entry("tokenizer.ggml.model", 8, &string("llama"));
    let named = [("<begin>".to_string(), 3i32), ("<end>".to_string(), 3)];
    let bytes = (0..=255u8).map(|b| (format!("<0x{b:02X}>"), 6));
    let words = (258..s.vocabulary).map(|id| (format!("\u{2581}w{id}"), 1));
    let tokens: Vec<(String, i32)> = named.into_iter().chain(bytes).chain(words).collect();
    let list = |kind: u32, items: Vec<u8>| {
        let mut out = kind.to_le_bytes().to_vec();
        out.extend((tokens.len() as u64).to_le_bytes());
        out.extend(items);
        out
    };
    let texts = tokens.iter().flat_map(|(token, _)| string(token)).collect();
    entry("tokenizer.ggml.tokens", 9, &list(8, texts));
    let scores = (0..tokens.len()).flat_map(|i| (-(i as f32)).to_le_bytes()).collect();
    entry("tokenizer.ggml.scores", 9, &list(6, scores));
    let types = tokens.iter().flat_map(|(_, kind)| kind.to_le_bytes()).collect();
    entry("tokenizer.ggml.token_type", 9, &list(5, types));
    entry("tokenizer.ggml.bos_token_id", 4, &0u32.to_le_bytes());
    entry("tokenizer.ggml.eos_token_id", 4, &1u32.to_le_bytes());
    entry("tokenizer.ggml.add_bos_token", 7, &[1]);
    entry("tokenizer.ggml.add_space_prefix", 7, &[0]);
    (out, count)
}

fn tensors(source: &dyn Source, family: Family) -> Vec<Written> {
    use Field::*;
    let s = source.shape();
    let gpt2 = family == Family::Gpt2;
    let matrix = |name: String, field, layer| Written::matrix(name, rows(source, field, layer));
    let vector = |name: String, field, layer| Written::vector(name, rows(source, field, layer).concat());
    let mut all =
        vec![matrix("token_embd.weight".into(), Embedding, 0), vector("output_norm.weight".into(), FinalNorm, 0)];
    if gpt2 {
        all.push(matrix("position_embd.weight".into(), Positions, 0));
        all.push(vector("output_norm.bias".into(), FinalNormBias, 0));
    }
    if !s.tied_head {
        all.push(matrix("output.weight".into(), Head, 0));
    }
    for layer in 0..s.layers {
        let name = |part: &str| format!("blk.{layer}.{part}");
        all.push(vector(name("attn_norm.weight"), AttentionNorm, layer));
        all.push(vector(name("ffn_norm.weight"), MlpNorm, layer));
        for (part, field) in [("attn_output", Output), ("ffn_up", Up), ("ffn_down", Down)] {
            all.push(matrix(name(&format!("{part}.weight")), field, layer));
        }
        if gpt2 {
            let qkv = [Query, Key, Value].map(|field| rows(source, field, layer)).concat();
            all.push(Written::matrix(name("attn_qkv.weight"), qkv));
            let bias = [QueryBias, KeyBias, ValueBias].map(|field| rows(source, field, layer).concat()).concat();
            all.push(Written::vector(name("attn_qkv.bias"), bias));
            for (part, field) in [
                ("attn_norm", AttentionNormBias),
                ("ffn_norm", MlpNormBias),
                ("attn_output", OutputBias),
                ("ffn_up", UpBias),
                ("ffn_down", DownBias),
            ] {
                all.push(vector(name(&format!("{part}.bias")), field, layer));
            }
            continue;
        }
        all.push(matrix(name("ffn_gate.weight"), Gate, layer));
        all.push(matrix(name("attn_v.weight"), Value, layer));
        for (part, field) in [("attn_q", Query), ("attn_k", Key)] {
            let rows = rows(source, field, layer);
            let rows = if family == Family::Llama { neighbours(&rows, s.head_dim) } else { rows };
            all.push(Written::matrix(name(&format!("{part}.weight")), rows));
        }
        if s.biases.qkv {
            for (part, field) in [("attn_q", QueryBias), ("attn_k", KeyBias), ("attn_v", ValueBias)] {
                all.push(vector(name(&format!("{part}.bias")), field, layer));
            }
        }
    }
    all
}
