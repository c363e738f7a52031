//! Bad input: each error names the file, the field and what to do.

use super::formats::{about, with_config, with_header};
use super::*;
use crate::model::package::{PackageError, ReadAt, StorageError, WriteAt};
use camelid_test_vectors::checkpoints::{self, Dtype, Family};
use core::ops::ControlFlow;
use serde_json::{Value, json};
use std::boxed::Box;
use std::collections::BTreeMap;
use std::string::String;

fn files() -> BTreeMap<String, Vec<u8>> {
    checkpoints::huggingface(7, Family::Llama, Dtype::F32, 1)
}

/// The error of a directory: one line that has each of `parts`.
#[track_caller]
fn refused(files: &BTreeMap<String, Vec<u8>>, parts: &[&str]) {
    says(&huggingface::source(files, &about()).err().expect("an error"), parts);
}

#[track_caller]
fn says(error: &ImportError, parts: &[&str]) {
    let text = error.to_string();
    assert!(parts.iter().all(|part| text.contains(part)) && !text.contains('\n'), "{text}");
}

#[test]
fn what_is_missing_is_named() {
    for (name, advice) in [("config.json", "directory"), ("model.safetensors", "index.json")] {
        let mut files = files();
        files.remove(name);
        refused(&files, &[name, "is missing", advice]);
    }
    let mut shards = checkpoints::huggingface(7, Family::Llama, Dtype::F32, 3);
    shards.remove("model-00002-of-00003.safetensors");
    refused(&shards, &["model-00002-of-00003.safetensors is missing", "index.json names it"]);
    let mut outside = checkpoints::huggingface(7, Family::Llama, Dtype::F32, 3);
    let index = String::from_utf8(outside["model.safetensors.index.json"].clone()).unwrap();
    for name in ["../model.safetensors", "/etc/passwd", "", "a\\\\b"] {
        let index = index.replace("model-00002-of-00003.safetensors", name).into_bytes();
        outside.insert("model.safetensors.index.json".into(), index);
        refused(&outside, &["no name of a file in the folder"]);
    }
    let mut files = files();
    let file = with_header(&files["model.safetensors"], |header| {
        let value = header.remove("model.layers.1.mlp.up_proj.weight").unwrap();
        header.insert("another".into(), value);
    });
    files.insert("model.safetensors".into(), file);
    refused(&files, &["model.safetensors", "model.layers.1.mlp.up_proj.weight is missing"]);
    let mut without = files.clone();
    without.remove("tokenizer.json");
    says(&huggingface::tokenizer_of(&without, 320).unwrap_err(), &["tokenizer.json is missing"]);
}

#[test]
fn odd_configurations_name_the_field() {
    let cases: [(&str, Value, &[&str]); 22] = [
        ("hidden_size", json!(0), &["hidden_size is 0", "1 to 32768"]),
        ("hidden_size", json!(1e300), &["hidden_size"]),
        ("hidden_size", json!("32"), &["hidden_size is \"32\""]),
        ("hidden_size", Value::Null, &["hidden_size is absent"]),
        ("hidden_size", json!(64), &["embed_tokens.weight has shape [320, 32], expected [320, 64]"]),
        ("num_hidden_layers", json!(513), &["num_hidden_layers is 513"]),
        ("num_hidden_layers", json!(500), &["model.layers.2.", "is missing"]),
        ("num_attention_heads", json!(-4), &["num_attention_heads is -4"]),
        ("num_key_value_heads", json!(3), &["num_key_value_heads is 3", "divisor"]),
        ("vocab_size", json!(1u64 << 60), &["vocab_size", "1 to 1048576"]),
        ("rms_norm_eps", json!(-1.0), &["rms_norm_eps is -1.0"]),
        ("hidden_act", json!("relu"), &["hidden_act \"relu\" is not supported", "silu"]),
        ("architectures", json!(["MambaForCausalLM"]), &["MambaForCausalLM", "not supported", "LlamaForCausalLM"]),
        ("architectures", Value::Null, &["architectures absent is not supported"]),
        ("quantization_config", json!({ "quant_method": "gptq" }), &["gptq", "not supported", "BF16"]),
        ("rope_scaling", json!({ "rope_type": "yarn", "factor": 4.0 }), &["rope_scaling.rope_type \"yarn\""]),
        ("rope_scaling", json!({ "type": "linear" }), &["rope_scaling.factor is absent"]),
        ("rope_scaling", json!([]), &["rope_scaling is []", "an object"]),
        ("partial_rotary_factor", json!(0.5), &["partial_rotary_factor 0.5 is not supported"]),
        ("tie_word_embeddings", json!("yes"), &["tie_word_embeddings is \"yes\"", "true or false"]),
        ("eos_token_id", json!({}), &["eos_token_id is {}"]),
        ("attention_bias", json!(true), &["q_proj.bias is missing"]),
    ];
    for (field, value, parts) in cases {
        let changed = with_config(&files(), |config| {
            config.insert(field.into(), value.clone());
        });
        refused(&changed, parts);
    }
    let slides = with_config(&checkpoints::huggingface(7, Family::Qwen2, Dtype::F32, 1), |config| {
        config.insert("use_sliding_window".into(), true.into());
        config.insert("sliding_window".into(), 16.into());
        config.insert("max_window_layers".into(), 1.into());
    });
    refused(&slides, &["use_sliding_window", "sliding window"]);
    for bad in [&b""[..], b"[]", b"{", b"\xff", &[b'['; 100_000]] {
        let mut files = files();
        files.insert("config.json".into(), bad.to_vec());
        refused(&files, &["config.json: no JSON object", "fetch it again"]);
    }
    let mut ends = files();
    ends.insert("generation_config.json".into(), br#"{"eos_token_id": 4000}"#.to_vec());
    refused(&ends, &["generation_config.json: eos_token_id is 4000", "below the vocabulary's size"]);
}

#[test]
fn hostile_safetensors_headers_are_refused() {
    let good = files()["model.safetensors"].clone();
    let norm = "model.norm.weight";
    type Change = fn(&mut serde_json::Map<String, Value>);
    let cases: [(Change, &[&str]); 7] = [
        (|h| h["model.norm.weight"]["data_offsets"] = json!([0, 128]), &["overlaps"]),
        (|h| h["model.norm.weight"]["data_offsets"] = json!([u64::MAX - 128, u64::MAX]), &["gap"]),
        (|h| h["model.norm.weight"]["data_offsets"] = json!([128, 0]), &["model.norm.weight"]),
        (|h| h["model.norm.weight"]["shape"] = json!([u64::MAX, u64::MAX]), &["does not take 128 bytes"]),
        (|h| h["model.norm.weight"]["shape"] = json!([1, 1, 1, 1, 1, 1, 1, 1, 32]), &["9 dimensions"]),
        (|h| h["model.norm.weight"]["dtype"] = json!("F8_E4M3"), &["type F8_E4M3", "not supported", "BF16"]),
        (|h| h["model.norm.weight"]["shape"] = json!([4, 8]), &["has shape [4, 8], expected [32]"]),
    ];
    for (change, parts) in cases {
        let mut files = files();
        files.insert("model.safetensors".into(), with_header(&good, change));
        refused(&files, &[&["model.safetensors"][..], parts].concat());
    }
    let with = |bytes: Vec<u8>| {
        let mut files = files();
        files.insert("model.safetensors".into(), bytes);
        files
    };
    // A name twice: a map would take the last.
    let text = String::from_utf8_lossy(&good[8..]).into_owned();
    assert!(text.contains(norm));
    let header = br#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#;
    let twice = [&(header.len() as u64).to_le_bytes()[..], header, &[0; 8]].concat();
    refused(&with(twice), &["tensor a comes twice"]);
    refused(&with(u64::MAX.to_le_bytes().to_vec()), &["header length", "at most"]);
    refused(&with([&(1u64 << 20).to_le_bytes()[..], b"{}"].concat()), &["too short", "its header"]);
    refused(&with([&good[..], &[0]].concat()), &["too long"]);
    refused(&with(vec_of_brackets()), &["its header"]);
    for cut in [0, 7, 8, 100, good.len() - 1] {
        refused(&with(good[..cut].to_vec()), &["model.safetensors"]);
    }
}

fn vec_of_brackets() -> Vec<u8> {
    [&(4096u64).to_le_bytes()[..], &[b'['; 4096]].concat()
}

fn gguf(bytes: Vec<u8>) -> Result<gguf::Gguf, ImportError> {
    gguf::Gguf::open("m.gguf", Box::new(bytes), &about())
}

#[test]
fn hostile_gguf_files_are_refused() {
    let good = checkpoints::gguf(7, Family::Llama, Dtype::F32);
    let find = |text: &str| good.windows(text.len()).position(|w| w == text.as_bytes()).unwrap() + text.len();
    let patched = |at: usize, bytes: &[u8]| {
        let mut file = good.clone();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        file
    };
    let huge = u64::MAX.to_le_bytes();
    let tokens = find("tokenizer.ggml.tokens");
    let cases: [(usize, &[u8], &[&str]); 14] = [
        (0, b"GGML", &["another format than GGUF"]),
        (4, &1u32.to_le_bytes(), &["version 1", "convert"]),
        (4, &3u32.to_be_bytes(), &["big-endian"]),
        (4, &9u32.to_le_bytes(), &["version 9"]),
        (8, &huge, &["number of tensors", "at most 65536"]),
        (16, &huge, &["number of metadata entries"]),
        (24, &huge, &["length of a metadata entry's name"]),
        (tokens + 8, &huge, &["length of tokenizer.ggml.tokens"]),
        (tokens, &77u32.to_le_bytes(), &["tokenizer.ggml.tokens has type 77"]),
        (find("general.architecture") + 12, b"mamba", &["general.architecture mamba", "llama, qwen2 and gpt2"]),
        (find("llama.embedding_length") + 4, &[0; 4], &["llama.embedding_length is", "1 to 32768"]),
        (find("llama.attention.head_count_kv") + 4, &3u32.to_le_bytes(), &["head_count_kv", "divisor of 4"]),
        (find("blk.0.attn_norm.weight") + 12, &2u32.to_le_bytes(), &["type Q4_0 of tensor blk.0.attn_norm.weight"]),
        (find("blk.1.ffn_up.weight") + 24, &[0; 8], &["overlaps"]),
    ];
    for (at, bytes, parts) in cases {
        says(&gguf(patched(at, bytes)).unwrap_err(), &[&["m.gguf"][..], parts].concat());
    }
    let kind = find("tokenizer.ggml.model") + 12;
    says(&gguf(patched(kind, b"wordp")).unwrap_err(), &["m.gguf: tokenizer.ggml.model wordp", "Hugging Face"]);
    for cut in (0..2000).step_by(7).chain([good.len() - 1]) {
        says(&gguf(good[..cut].to_vec()).unwrap_err(), &["m.gguf"]);
    }
}

/// Fewer key and value heads than the one tensor of all three has rows for: other rows would be read as values.
#[test]
fn one_tensor_of_query_key_and_value_fits_the_heads() {
    let mut file = checkpoints::gguf(7, Family::Gpt2, Dtype::F32);
    let name = b"gpt2.attention.head_count_kv";
    let at = file.windows(name.len()).position(|w| w == name).unwrap() + name.len() + 4;
    assert_eq!(file[at..at + 4], 4u32.to_le_bytes());
    file[at..at + 4].copy_from_slice(&2u32.to_le_bytes());
    says(&gguf(file).unwrap_err(), &["m.gguf", "blk.0.attn_qkv.weight has shape [96, 32], expected [64, 32]"]);
}

/// A disk with so much room.
struct Disk {
    bytes: Vec<u8>,
    room: u64,
}

impl ReadAt for Disk {
    fn length(&self) -> u64 {
        self.bytes.length()
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<(), StorageError> {
        self.bytes.read_at(offset, out)
    }
}

impl WriteAt for Disk {
    fn resize(&mut self, length: u64) -> Result<(), StorageError> {
        WriteAt::resize(&mut self.bytes, length)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), StorageError> {
        self.room = self.room.checked_sub(bytes.len() as u64).ok_or(StorageError("No space left on device".into()))?;
        self.bytes.write_at(offset, bytes)
    }
}

#[test]
fn a_full_disk_is_told_wherever_it_ends() {
    let source = huggingface::source(&files(), &about()).unwrap();
    let tokenizer = huggingface::tokenizer_of(&files(), 320).unwrap();
    let go = &mut |_| ControlFlow::Continue(());
    let whole = build(&*source, &tokenizer).unwrap().len() as u64;
    for room in [0, 10, 5000, whole / 2] {
        let error = build_into(&*source, &tokenizer, &mut Disk { bytes: Vec::new(), room }, go).unwrap_err();
        assert!(matches!(&error, ImportError::Write { needed, .. } if *needed == whole), "{error:?}");
        says(&error, &["writing the package failed", "No space left", "--out"]);
    }
    let mut disk = Disk { bytes: Vec::new(), room: whole };
    let root = build_into(&*source, &tokenizer, &mut disk, go).unwrap();
    assert_eq!(valid_model(&disk.bytes), Ok(root));
    let cut = disk.bytes[..disk.bytes.len() - 1].to_vec();
    assert!(matches!(valid_model(&cut), Err(PackageError::Length { .. })));
}
