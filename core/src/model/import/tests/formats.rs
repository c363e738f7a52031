//! The same weights from every format give the same package.

use super::*;
use crate::model::Reference;
use crate::model::eval::{self, FloatModel, compare, float_samples};
use crate::model::tokenizer::TokenizerSpec;
use crate::units::TokenId;
use alloc::sync::Arc;
use camelid_test_vectors::checkpoints::{self, Dtype, FAMILIES, Family};
use std::boxed::Box;
use std::collections::BTreeMap;
use std::string::String;

const SEED: u64 = 7;

type Files = BTreeMap<String, Vec<u8>>;

pub(super) fn about() -> About {
    About { name: "random-7".into(), licence: "CC0-1.0".into() }
}

/// What the files were made from. (The generator links this crate once more: its types are others.)
fn original(family: Family) -> impl Source {
    let shape = match family {
        Family::Llama => RandomShape::llama(),
        Family::Qwen2 => RandomShape::qwen2(),
        Family::Gpt2 => RandomShape::gpt2(),
    };
    random_source(SEED, &RandomShape { hidden: 64, ..shape })
}

/// A model's rows as a type rounds them, under another shape's names.
struct Rounded<S> {
    source: S,
    shape: Shape,
    dtype: Dtype,
    vectors: bool,
}

impl<S: Source> Source for Rounded<S> {
    fn shape(&self) -> &Shape {
        &self.shape
    }

    fn row(&self, tensor: Tensor, row: usize, out: &mut [f32]) -> Result<(), ImportError> {
        self.source.row(tensor, row, out)?;
        if self.vectors || !tensor.field.is_vector() {
            out.copy_from_slice(&self.dtype.rounded(out));
        }
        Ok(())
    }
}

fn expected(family: Family, dtype: Dtype, vectors: bool, tokenizer: &TokenizerSpec) -> Vec<u8> {
    let source = original(family);
    let shape = source.shape().clone();
    build(&Rounded { source, shape, dtype, vectors }, tokenizer).unwrap()
}

fn package(files: &Files) -> Vec<u8> {
    let source = huggingface::source(files, &about()).unwrap();
    let tokenizer = huggingface::tokenizer_of(files, source.shape().vocabulary).unwrap();
    build(&*source, &tokenizer).unwrap()
}

#[test]
fn a_directory_is_its_model_whatever_the_type_and_the_number_of_files() {
    for family in FAMILIES {
        for (dtype, shards) in [(Dtype::F32, 1), (Dtype::F32, 3), (Dtype::F16, 1), (Dtype::Bf16, 2)] {
            let files = checkpoints::huggingface(SEED, family, dtype, shards);
            let tokenizer = huggingface::tokenizer_of(&files, 320).unwrap();
            let name = std::format!("{family:?} {dtype:?} {shards}");
            assert!(package(&files) == expected(family, dtype, true, &tokenizer), "{name}");
        }
    }
}

#[test]
fn a_gguf_file_is_its_model_whatever_the_type() {
    for family in FAMILIES {
        for dtype in [Dtype::F32, Dtype::F16, Dtype::Bf16, Dtype::Q8_0] {
            let file = checkpoints::gguf(SEED, family, dtype);
            let model = gguf::Gguf::open("model.gguf", Box::new(file), &about()).unwrap();
            let bytes = build(&model, model.tokenizer()).unwrap();
            assert!(bytes == expected(family, dtype, false, model.tokenizer()), "{family:?} {dtype:?}");
            let package = Package::parse(bytes).unwrap();
            let text = "a text \u{1F42B} w300";
            let ids = package.tokenizer().prompt(text).unwrap();
            assert_eq!(package.tokenizer().decode(&ids).unwrap(), text);
            assert_eq!(package.manifest().special.end, [TokenId(1)]);
        }
    }
}

#[test]
fn a_llama2c_checkpoint_is_its_model() {
    let file = checkpoints::llama2c(SEED);
    let checkpoint = llama2c::Checkpoint::new(&file, "random-7", "CC0-1.0").unwrap();
    let tokenizer = huggingface::tokenizer_of(&checkpoints::huggingface(SEED, Family::Llama, Dtype::F32, 1), 320);
    let (shape, tokenizer) = (checkpoint.shape().clone(), tokenizer.unwrap());
    let same = Rounded { source: original(Family::Llama), shape, dtype: Dtype::F32, vectors: false };
    assert!(build(&checkpoint, &tokenizer).unwrap() == build(&same, &tokenizer).unwrap());
}

/// The header and the data of a safetensors file.
fn parts(file: &[u8]) -> (serde_json::Value, &[u8]) {
    let length = u64::from_le_bytes(*file.first_chunk().unwrap()) as usize;
    (serde_json::from_slice(&file[8..8 + length]).unwrap(), &file[8 + length..])
}

pub(super) fn with_header(file: &[u8], change: impl Fn(&mut serde_json::Map<String, serde_json::Value>)) -> Vec<u8> {
    let (mut header, data) = parts(file);
    change(header.as_object_mut().unwrap());
    let header = header.to_string().into_bytes();
    [&(header.len() as u64).to_le_bytes()[..], &header, data].concat()
}

pub(super) fn with_config(files: &Files, change: impl Fn(&mut serde_json::Map<String, serde_json::Value>)) -> Files {
    let mut files = files.clone();
    let mut config: serde_json::Value = serde_json::from_slice(&files["config.json"]).unwrap();
    change(config.as_object_mut().unwrap());
    files.insert("config.json".into(), config.to_string().into_bytes());
    files
}

#[test]
fn names_without_their_prefix_are_found() {
    for (family, prefix) in [(Family::Gpt2, "transformer."), (Family::Qwen2, "model.")] {
        let mut files = checkpoints::huggingface(SEED, family, Dtype::F32, 1);
        let whole = package(&files);
        let bare = with_header(&files["model.safetensors"], |header| {
            let strip = |name: String| name.strip_prefix(prefix).map(String::from).unwrap_or(name);
            *header = std::mem::take(header).into_iter().map(|(name, value)| (strip(name), value)).collect();
        });
        files.insert("model.safetensors".into(), bare);
        assert!(package(&files) == whole, "{family:?}");
    }
}

#[test]
fn configurations_say_what_they_may() {
    let files = checkpoints::huggingface(SEED, Family::Llama, Dtype::F32, 1);
    let shape = |change: fn(&mut serde_json::Map<String, serde_json::Value>)| {
        huggingface::source(&with_config(&files, change), &about()).map(|source| source.shape().clone())
    };
    let speeds = |shape: Shape| match shape.positions {
        Positions::Rotary(speeds) => speeds,
        Positions::Learned => panic!("a Llama rotates"),
    };
    let plain = speeds(shape(|_| ()).unwrap());
    let linear = shape(|c| c["rope_scaling"] = serde_json::json!({ "type": "linear", "factor": 2.0 }));
    assert!(plain.iter().zip(speeds(linear.unwrap())).all(|(p, l)| *p == l * 2.0));
    let llama3 = serde_json::json!({ "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
        "high_freq_factor": 4.0, "original_max_position_embeddings": 64 });
    let llama3 = with_config(&files, |c| c["rope_scaling"] = llama3.clone());
    let llama3 = speeds(huggingface::source(&llama3, &about()).unwrap().shape().clone());
    assert_eq!((llama3[0], llama3[3]), (plain[0], plain[3] / 8.0));
    let base = shape(|c| c["rope_theta"] = 500_000.0.into()).unwrap();
    assert!(speeds(base)[3] < plain[3]);
    // Newer files keep base and scaling in one object.
    let newer = shape(|c| {
        c.remove("rope_theta");
        c.remove("rope_scaling");
        c.insert("rope_parameters".into(), serde_json::json!({ "rope_theta": 10000.0, "rope_type": "default" }));
    });
    assert_eq!(speeds(newer.unwrap()), plain);
    let ends = shape(|c| c["eos_token_id"] = serde_json::json!([5, 3])).unwrap();
    assert_eq!(ends.special.end, [1, 3, 5].map(TokenId));
    assert_eq!(ends.special.begin, Some(TokenId(0)));
    assert_eq!(shape(|c| c["max_position_embeddings"] = 1_000_000.into()).unwrap().context, MAX_CONTEXT);
}

/// Against the float model with int8 weights: a random model of this width answers by logits so far apart and sums so
/// short that the weights' rounding alone changes one top token in eight.
#[test]
fn an_imported_model_answers_like_its_float_model() {
    for family in FAMILIES {
        let files = checkpoints::huggingface(SEED, family, Dtype::F32, 2);
        let float = FloatModel::new(&eval::tests::Rounded(original(family))).unwrap();
        let package = Arc::new(Package::parse(package(&files)).unwrap());
        let texts = float_samples(&float, TokenId(0), 4, 100, 3);
        let c = compare(&float, &mut Reference::new(package), &texts).unwrap();
        assert!(c.excess().abs() < 0.01 && c.same_top > 0.93, "{family:?}: {c:?}");
    }
}

#[test]
fn the_import_tells_its_progress_and_can_be_stopped() {
    use core::ops::ControlFlow;
    let source = original(Family::Gpt2);
    let tokenizer =
        huggingface::tokenizer_of(&checkpoints::huggingface(SEED, Family::Gpt2, Dtype::F32, 1), 320).unwrap();
    let mut seen = Vec::new();
    let mut target = Vec::new();
    let root = build_into(&source, &tokenizer, &mut target, &mut |p| {
        seen.push(p);
        ControlFlow::Continue(())
    });
    assert_eq!(valid_model(&target), Ok(root.unwrap()));
    assert!(seen.windows(2).all(|w| w[0].done < w[1].done));
    assert_eq!(seen.last().map(|p| p.done), Some(seen[0].total));
    let stop = &mut |p: Progress| if p.done > 5000 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    assert_eq!(build_into(&source, &tokenizer, &mut Vec::new(), stop), Err(ImportError::Stopped));
}
