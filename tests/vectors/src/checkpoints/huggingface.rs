//! A directory as `transformers` saves it.

use super::{Dtype, Family, Written, rows, transposed};
use camelid_core::model::import::{Field, RandomShape, Source, random_source};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The files of a directory whose weights are spread over `shards` files.
pub fn huggingface(seed: u64, family: Family, dtype: Dtype, shards: usize) -> BTreeMap<String, Vec<u8>> {
    huggingface_of(seed, family, &family.shape(), dtype, shards)
}

/// The same of a model of another shape, with at least 258 tokens.
pub fn huggingface_of(
    seed: u64,
    family: Family,
    shape: &RandomShape,
    dtype: Dtype,
    shards: usize,
) -> BTreeMap<String, Vec<u8>> {
    let source = random_source(seed, shape);
    let mut files = BTreeMap::new();
    let mut put = |name: &str, value: Value| files.insert(name.to_string(), value.to_string().into_bytes());
    put("config.json", config(&source, family));
    put("generation_config.json", json!({ "bos_token_id": 0, "eos_token_id": [1] }));
    put("tokenizer_config.json", json!({ "add_bos_token": true }));
    put("tokenizer.json", tokenizer());
    let all = tensors(&source, family);
    if shards <= 1 {
        files.insert("model.safetensors".into(), safetensors(&described(&all, dtype)));
        return files;
    }
    let mut map = Map::new();
    for (i, part) in all.chunks(all.len().div_ceil(shards)).enumerate() {
        let name = format!("model-{:05}-of-{shards:05}.safetensors", i + 1);
        map.extend(part.iter().map(|t| (t.name.clone(), name.clone().into())));
        files.insert(name, safetensors(&described(part, dtype)));
    }
    let index = json!({ "metadata": {}, "weight_map": map });
    files.insert("model.safetensors.index.json".into(), index.to_string().into_bytes());
    files
}

type Described = (String, &'static str, Vec<u64>, Vec<u8>);

fn described(all: &[Written], dtype: Dtype) -> Vec<Described> {
    let name = match dtype {
        Dtype::F32 => "F32",
        Dtype::F16 => "F16",
        Dtype::Bf16 => "BF16",
        Dtype::Q8_0 => "Q8_0",
    };
    all.iter().map(|t| (t.name.clone(), name, t.shape.clone(), t.bytes(dtype))).collect()
}

/// A safetensors file: tensors with name, type, shape and bytes.
pub fn safetensors(all: &[(String, &str, Vec<u64>, Vec<u8>)]) -> Vec<u8> {
    let (mut header, mut data) = (Map::new(), Vec::new());
    header.insert("__metadata__".into(), json!({ "format": "pt" }));
    for (name, dtype, shape, bytes) in all {
        let start = data.len();
        data.extend_from_slice(bytes);
        let offsets = [start, data.len()];
        header.insert(name.clone(), json!({ "dtype": dtype, "shape": shape, "data_offsets": offsets }));
    }
    let header = Value::Object(header).to_string().into_bytes();
    [&(header.len() as u64).to_le_bytes()[..], &header, &data].concat()
}

fn config(source: &dyn Source, family: Family) -> Value {
    let s = source.shape();
    match family {
        Family::Gpt2 => json!({
            "architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "n_embd": s.dim, "n_layer": s.layers,
            "n_head": s.heads, "n_inner": s.hidden, "vocab_size": s.vocabulary, "n_positions": s.context,
            "layer_norm_epsilon": 1e-5, "activation_function": "gelu_new", "bos_token_id": 0, "eos_token_id": 1,
        }),
        _ => {
            let name = if family == Family::Llama { "LlamaForCausalLM" } else { "Qwen2ForCausalLM" };
            json!({
                "architectures": [name], "hidden_size": s.dim, "num_hidden_layers": s.layers,
                "num_attention_heads": s.heads, "num_key_value_heads": s.kv_heads, "head_dim": s.head_dim,
                "intermediate_size": s.hidden, "vocab_size": s.vocabulary, "max_position_embeddings": s.context,
                "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "rope_scaling": null, "hidden_act": "silu",
                "tie_word_embeddings": s.tied_head, "bos_token_id": 0, "eos_token_id": 1,
            })
        }
    }
}

/// A vocabulary of the 256 bytes from id 2 on, as byte-level vocabularies write them, and control tokens.
fn tokenizer() -> Value {
    let printable = |b: &u8| matches!(b, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
    let mut others = 0x100..;
    let vocab: Map<String, Value> = (0..=255u8)
        .map(|b| {
            let code = if printable(&b) { b as u32 } else { others.next().unwrap_or(0) };
            (char::from_u32(code).unwrap_or('?').to_string(), (b as u32 + 2).into())
        })
        .collect();
    let added: Vec<Value> = [(0, "<begin>"), (1, "<end>")]
        .into_iter()
        .map(|(id, content)| json!({ "id": id, "content": content, "special": true }))
        .collect();
    json!({
        "version": "1.0", "added_tokens": added, "normalizer": null,
        "pre_tokenizer": { "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true },
        "post_processor": null, "decoder": { "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true },
        "model": { "type": "BPE", "vocab": vocab, "merges": [] },
    })
}

fn tensors(source: &dyn Source, family: Family) -> Vec<Written> {
    if family == Family::Gpt2 { gpt2(source) } else { llama(source) }
}

fn llama(source: &dyn Source) -> Vec<Written> {
    use Field::*;
    let s = source.shape();
    let matrix = |name: String, field, layer| Written::matrix(name, rows(source, field, layer));
    let vector = |name: String, field, layer| Written::vector(name, rows(source, field, layer).concat());
    let mut all = vec![matrix("model.embed_tokens.weight".into(), Embedding, 0)];
    for layer in 0..s.layers {
        let name = |part: &str| format!("model.layers.{layer}.{part}");
        all.push(vector(name("input_layernorm.weight"), AttentionNorm, layer));
        all.push(vector(name("post_attention_layernorm.weight"), MlpNorm, layer));
        for (part, field) in [
            ("self_attn.q_proj", Query),
            ("self_attn.k_proj", Key),
            ("self_attn.v_proj", Value),
            ("self_attn.o_proj", Output),
            ("mlp.gate_proj", Gate),
            ("mlp.up_proj", Up),
            ("mlp.down_proj", Down),
        ] {
            all.push(matrix(name(&format!("{part}.weight")), field, layer));
        }
        if s.biases.qkv {
            for (part, field) in [("q_proj", QueryBias), ("k_proj", KeyBias), ("v_proj", ValueBias)] {
                all.push(vector(name(&format!("self_attn.{part}.bias")), field, layer));
            }
        }
    }
    all.push(vector("model.norm.weight".into(), FinalNorm, 0));
    if !s.tied_head {
        all.push(matrix("lm_head.weight".into(), Head, 0));
    }
    all
}

fn gpt2(source: &dyn Source) -> Vec<Written> {
    use Field::*;
    let rows = |field, layer| rows(source, field, layer);
    let vector = |name: String, field, layer| Written::vector(name, rows(field, layer).concat());
    let mut all = vec![
        Written::matrix("transformer.wte.weight".into(), rows(Embedding, 0)),
        Written::matrix("transformer.wpe.weight".into(), rows(Positions, 0)),
    ];
    for layer in 0..source.shape().layers {
        let name = |part: &str| format!("transformer.h.{layer}.{part}");
        all.push(vector(name("ln_1.weight"), AttentionNorm, layer));
        all.push(vector(name("ln_1.bias"), AttentionNormBias, layer));
        all.push(vector(name("ln_2.weight"), MlpNorm, layer));
        all.push(vector(name("ln_2.bias"), MlpNormBias, layer));
        let qkv = [Query, Key, Value].map(|field| rows(field, layer)).concat();
        all.push(Written::matrix(name("attn.c_attn.weight"), transposed(&qkv)));
        let bias = [QueryBias, KeyBias, ValueBias].map(|field| rows(field, layer).concat()).concat();
        all.push(Written::vector(name("attn.c_attn.bias"), bias));
        for (part, field, bias) in
            [("attn.c_proj", Output, OutputBias), ("mlp.c_fc", Up, UpBias), ("mlp.c_proj", Down, DownBias)]
        {
            all.push(Written::matrix(name(&format!("{part}.weight")), transposed(&rows(field, layer))));
            all.push(vector(name(&format!("{part}.bias")), bias, layer));
        }
    }
    all.push(vector("transformer.ln_f.weight".into(), FinalNorm, 0));
    all.push(vector("transformer.ln_f.bias".into(), FinalNormBias, 0));
    all
}
