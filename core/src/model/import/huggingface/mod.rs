//! Directories as Hugging Face has them: `config.json`, and weights in one or several safetensors files.

mod config;
mod gpt2;
mod llama;
mod text;

pub use text::{text_of, tokenizer_of};

use super::files::{Directory, Named};
use super::source::{About, Source};
use super::tensors::{Mapped, Tensors};
use super::{ImportError, safetensors};
use config::Config;
use serde::Deserialize;
use std::boxed::Box;
use std::collections::{BTreeMap, BTreeSet};
use std::format;
use std::string::String;

const CONFIG: &str = "config.json";
const GENERATION: &str = "generation_config.json";
const WEIGHTS: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

/// No index is longer.
const MAX_INDEX: u64 = 16 << 20;
const MAX_SHARDS: usize = 4096;

/// A directory's model. Every tensor is looked up and its shape checked; weights are read as they are asked for.
pub fn source(directory: &dyn Directory, about: &About) -> Result<Box<dyn Source>, ImportError> {
    let config = Config::read(&needed(directory, CONFIG, "a model's directory has one")?)?;
    if config.has("quantization_config") {
        return Err(config.unsupported("quantization_config", "take the model with F32, F16 or BF16 weights"));
    }
    type Read = fn(&Config, &About) -> Result<llama::Model, ImportError>;
    let architectures = config.texts("architectures")?;
    let read: Read = match architectures.as_slice() {
        ["LlamaForCausalLM"] => llama::llama,
        ["Qwen2ForCausalLM"] => llama::qwen2,
        ["GPT2LMHeadModel"] => gpt2::read,
        _ => {
            let advice = "LlamaForCausalLM, Qwen2ForCausalLM and GPT2LMHeadModel are";
            return Err(config.unsupported("architectures", advice));
        }
    };
    let mut model = read(&config, about)?;
    let text = text_of(directory, model.shape.vocabulary)?;
    (model.shape.special, model.shape.chat_template) = (text.special, text.chat_template);
    let tensors = weights(directory)?;
    Ok(Box::new((model.map)(Mapped::new(model.shape, tensors))?))
}

fn needed(directory: &dyn Directory, name: &str, advice: &str) -> Result<Named, ImportError> {
    let missing = || ImportError::MissingFile { file: name.into(), advice: advice.into() };
    Named::open(directory, name)?.ok_or_else(missing)
}

/// The tensors of one file, or of those that the index names.
fn weights(directory: &dyn Directory) -> Result<Tensors, ImportError> {
    let mut tensors = Tensors::default();
    if let Some(file) = Named::open(directory, WEIGHTS)? {
        safetensors::add(&mut tensors, file)?;
        return Ok(tensors);
    }
    #[derive(Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    let advice = "a model's directory has it, or model.safetensors.index.json and the files that that names; \
                  pytorch_model.bin is not read: save the model as safetensors";
    let index = Named::open(directory, INDEX)?
        .ok_or_else(|| ImportError::MissingFile { file: WEIGHTS.into(), advice: advice.into() })?;
    let index: Index = serde_json::from_slice(&index.read_all(MAX_INDEX)?).map_err(|e| {
        ImportError::damaged(INDEX, format!("no index of tensors: {}", super::error::brief(&format!("{e}"))))
    })?;
    let shards: BTreeSet<&String> = index.weight_map.values().collect();
    if shards.len() > MAX_SHARDS {
        return Err(ImportError::damaged(INDEX, format!("{} files, at most {MAX_SHARDS} expected", shards.len())));
    }
    for shard in shards {
        let file = needed(directory, shard, "model.safetensors.index.json names it: fetch it too")?;
        for tensor in safetensors::add(&mut tensors, file)? {
            if index.weight_map.get(&tensor) != Some(shard) {
                let tensor = super::error::brief(&tensor);
                return Err(ImportError::damaged(shard, format!("tensor {tensor} stands elsewhere in {INDEX}")));
            }
        }
    }
    Ok(tensors)
}
