//! Several files in one input.

use camelid_core::model::import::{About, ImportError};
use std::collections::BTreeMap;

/// What stands before each file, with a byte after it that says which of [`NAMES`] it is. Files may grow and shrink: there
/// is no table of lengths for a mutation to break.
const BEFORE: &[u8] = b"\n\0file";

/// The files of a model's directory, and the text that a tokenizer is asked about.
pub const NAMES: [&str; 11] = [
    "config.json",
    "generation_config.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "chat_template.jinja",
    "model.safetensors",
    "model.safetensors.index.json",
    "model-00001-of-00002.safetensors",
    "model-00002-of-00002.safetensors",
    "text",
];

/// Files as an input: for seeds. Others than [`NAMES`] are left out.
pub fn pack(files: &BTreeMap<String, Vec<u8>>) -> Vec<u8> {
    let named = files.iter().filter_map(|(name, bytes)| Some((NAMES.iter().position(|n| n == name)?, bytes)));
    named.flat_map(|(number, bytes)| [BEFORE, &[number as u8], bytes].concat()).collect()
}

/// The parts of an input, with the byte that each begins with.
pub(crate) fn parts(input: &[u8]) -> Vec<(u8, &[u8])> {
    let (mut parts, mut rest) = (Vec::new(), input);
    let next = |bytes: &[u8]| bytes.windows(BEFORE.len()).position(|w| w == BEFORE);
    while let Some(at) = next(rest) {
        rest = &rest[at + BEFORE.len()..];
        let Some((number, body)) = rest.split_first() else { break };
        let end = next(body).unwrap_or(body.len());
        parts.push((*number, &body[..end]));
        rest = &body[end..];
    }
    parts
}

/// The files of an input; of two with one name the last.
pub(crate) fn unpack(input: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let name = |number: u8| NAMES.get(usize::from(number)).map(|name| name.to_string());
    parts(input).into_iter().filter_map(|(number, bytes)| Some((name(number)?, bytes.to_vec()))).collect()
}

pub(crate) fn about() -> About {
    About { name: "fuzzed".into(), licence: "CC0-1.0".into() }
}

/// "Errors: one line", short enough to be read; it names the file.
pub(crate) fn readable(error: &ImportError, names: &[&str]) {
    let text = error.to_string();
    assert!(!text.is_empty() && text.len() < 1500, "{} bytes: {text}", text.len());
    assert!(!text.contains(|c: char| c.is_control()), "more than one line: {text:?}");
    let named =
        |file: &String| assert!(names.iter().any(|n| n == file) || text.contains("no name of a file"), "{text}");
    let told = |what: &String| assert!(!what.is_empty(), "{text}");
    match error {
        ImportError::MissingFile { file, advice } => {
            // One that an index names may be called anything.
            told(file);
            told(advice);
        }
        ImportError::Truncated { file, field, .. } => {
            named(file);
            told(field);
        }
        ImportError::Field { file, field, expected, .. } => {
            named(file);
            told(field);
            told(expected);
        }
        ImportError::TooLong { file, .. } | ImportError::Storage { file, .. } => named(file),
        ImportError::Damaged { file, reason } => {
            named(file);
            told(reason);
        }
        ImportError::MissingTensor { tensor, .. } | ImportError::TensorShape { tensor, .. } => told(tensor),
        ImportError::Weight { tensor, .. } => told(tensor),
        ImportError::Unsupported { file, found, .. } => {
            named(file);
            told(found);
        }
        _ => {}
    }
}
