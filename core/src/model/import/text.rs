//! The text side of a model: its tokenizer, begin and end tokens and chat template, whatever they were read from.

use super::ImportError;
use crate::model::package::SpecialTokens;
use crate::model::tokenizer::json::{AddedToken, File, Ready, short};
use crate::model::tokenizer::{HuggingFaceSpec, MAX_TOKENIZER_JSON, TokenizerSpec};
use crate::units::TokenId;
use std::collections::BTreeSet;
use std::format;
use std::string::{String, ToString};

/// The most bytes of a chat template in a manifest.
const MAX_TEMPLATE: usize = 65_536;
/// The most end tokens in a manifest.
const MAX_END: usize = 64;

/// What a package needs of a model beside its weights and shape.
#[derive(Clone, Debug, PartialEq)]
pub struct TextSide {
    /// The tokenizer.
    pub tokenizer: TokenizerSpec,
    /// Begin and end tokens.
    pub special: SpecialTokens,
    /// The chat template, with the names of special tokens that it uses set at its start; empty if the model has none.
    pub chat_template: String,
}

/// What a file's field is, where it should be something else.
pub(super) fn field(file: &str, field: &str, found: impl ToString, expected: impl Into<String>) -> ImportError {
    ImportError::Field {
        file: file.to_string(),
        field: field.to_string(),
        found: short(&found.to_string()),
        expected: expected.into(),
        advice: "it is damaged or belongs to another model",
    }
}

/// Checks that everything fits, marks the begin and end tokens as control tokens and writes the package's tokenizer.
/// `source` is the file that errors name.
pub(super) fn finish(
    source: &str,
    mut file: File,
    vocabulary: u32,
    begin: Option<u32>,
    end: BTreeSet<u32>,
    chat_template: String,
) -> Result<TextSide, ImportError> {
    if end.len() > MAX_END {
        return Err(field(source, "end tokens", end.len(), format!("at most {MAX_END}")));
    }
    for id in begin.iter().chain(&end) {
        if *id >= vocabulary {
            return Err(field(source, "a begin or end token's id", id, "below the size of the model's vocabulary"));
        }
        mark_control(&mut file, *id);
    }
    if chat_template.len() > MAX_TEMPLATE {
        return Err(field(
            source,
            "the chat template's length",
            chat_template.len(),
            format!("at most {MAX_TEMPLATE}"),
        ));
    }
    let json = file.to_json()?;
    if json.len() > MAX_TOKENIZER_JSON {
        return Err(field(source, "the tokenizer's length", json.len(), format!("at most {MAX_TOKENIZER_JSON}")));
    }
    // Read again, as whoever gets the package will.
    Ready::new(File::read(json.as_bytes())?, vocabulary)?;
    Ok(TextSide {
        tokenizer: TokenizerSpec::HuggingFace(HuggingFaceSpec::new(json)),
        special: SpecialTokens { begin: begin.map(TokenId), end: end.into_iter().map(TokenId).collect() },
        chat_template,
    })
}

/// A begin or end token is no text, even where the file does not say so. One of a single character or byte is left as it
/// is: texts could not be written without it.
fn mark_control(file: &mut File, id: u32) {
    if let Some(token) = file.added_tokens.iter_mut().find(|t| t.id == id) {
        token.special |= token.content.chars().count() > 1;
        return;
    }
    let name = file.model.vocabulary.entries().find(|(_, own)| *own == id).map(|(name, _)| name.to_string());
    if let Some(name) = name.filter(|n| n.chars().count() > 1 && !n.starts_with("<0x")) {
        file.added_tokens.push(AddedToken::control(id, name));
        file.added_tokens.sort_by_key(|t| t.id);
    }
}

/// Sets the names of special tokens that a template uses at its start: a package has no other place for them.
pub(super) fn with_names(
    template: String,
    content: impl Fn(&'static str) -> Result<Option<String>, ImportError>,
) -> Result<String, ImportError> {
    let mut start = String::new();
    for name in ["bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token", "mask_token"] {
        if template.contains(name)
            && let Some(content) = content(name)?
        {
            // JSON's way to write a text is Jinja's too. The line's end goes with the block (`trim_blocks`).
            let content = serde_json::Value::String(content);
            start.push_str(&format!("{{% set {name} = {content} %}}\n"));
        }
    }
    Ok(start + &template)
}
