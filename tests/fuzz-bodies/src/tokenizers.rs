//! Tokenizers and chat templates: whatever is taken can be used, within bounds; it is written in one way; ids are the
//! vocabulary's; control tokens never come out of text; a text that comes token by token is the text.

use crate::files::{NAMES, readable, unpack};
use crate::memory::{Allowance, within};
use camelid_core::model::chat::{Chat, Message, chat_ids};
use camelid_core::model::import::huggingface::text_of;
use camelid_core::model::package::{
    ActivationKind, Architecture, Biases, Manifest, MlpKind, NormKind, PositionKind, SpecialTokens,
};
use camelid_core::model::tokenizer::{HuggingFaceSpec, TokenizerSpec};
use camelid_core::model::{Tokenizer, TokenizerError};
use camelid_core::units::TokenId;
use serde_json::Value;
use std::collections::BTreeSet;

/// What reading and using a tokenizer may take: the crate's tables, and regular expressions' (a megabyte each).
const READING: Allowance = Allowance { base: 64 << 20, factor: 4096 };
/// Sizes of vocabularies.
const VOCABULARIES: [u32; 6] = [300, 8, 64, 258, 1000, 60_000];
/// No longer text is asked about.
const MOST_TEXT: usize = 2000;

/// The target.
pub fn run(input: &[u8]) {
    let Some((kind, rest)) = input.split_first() else { return };
    let vocabulary = VOCABULARIES[usize::from(kind & 0x7f) % VOCABULARIES.len()];
    let mut files = unpack(rest);
    let text = files.remove("text").unwrap_or_default();
    let text = String::from_utf8_lossy(&text[..text.len().min(MOST_TEXT)]).into_owned();
    let template = files.get("chat_template.jinja").map(|t| String::from_utf8_lossy(t).into_owned());
    within(READING, rest.len(), || {
        if kind & 0x80 != 0 {
            // A package holds a file as it is.
            let json = files.remove("tokenizer.json").unwrap_or_default();
            if let Ok(json) = String::from_utf8(json) {
                used(
                    &TokenizerSpec::HuggingFace(HuggingFaceSpec::new(json)),
                    None,
                    vocabulary,
                    &text,
                    template.as_deref(),
                );
            }
            return;
        }
        match text_of(&files, vocabulary as usize) {
            Err(error) => readable(&error, &NAMES),
            Ok(side) => {
                let TokenizerSpec::HuggingFace(spec) = &side.tokenizer else { panic!("a file makes the other kind") };
                let mut again = files.clone();
                again.insert("tokenizer.json".into(), spec.json().as_bytes().to_vec());
                let again = text_of(&again, vocabulary as usize).expect("what was written can be read");
                assert_eq!(again.tokenizer, side.tokenizer, "written in another way the second time");
                let usable = used(&side.tokenizer, side.special.begin, vocabulary, &text, Some(&side.chat_template));
                assert!(usable, "what an importer takes can be used");
            }
        }
    });
}

/// Uses a tokenizer in every way. Gives whether it is usable.
fn used(spec: &TokenizerSpec, begin: Option<TokenId>, vocabulary: u32, text: &str, template: Option<&str>) -> bool {
    let manifest = manifest(vocabulary, begin);
    let Ok(tokenizer) = Tokenizer::new(spec, &manifest) else { return false };
    if let Err(error) = tokenizer.usable() {
        let words = error.to_string();
        assert!(words.len() < 1500 && !words.contains(|c: char| c.is_control()), "{words:?}");
        assert!(tokenizer.encode(text).is_err() && tokenizer.piece(TokenId(0)).is_empty());
        return false;
    }
    let TokenizerSpec::HuggingFace(spec) = spec else { return false };
    let controls = controls(spec.json());
    match tokenizer.encode(text) {
        Ok(ids) => {
            assert!(ids.iter().all(|id| id.0 < vocabulary), "{ids:?}");
            let control = ids.iter().find(|id| controls.contains(&id.0));
            assert_eq!(control, None, "a control token came out of text");
            assert_eq!(tokenizer.encode(text).as_ref(), Ok(&ids));
            streamed(&tokenizer, &ids);
            let _ = tokenizer.decode(&ids);
        }
        Err(error) => assert!(matches!(error, TokenizerError::Text(_)), "{error}"),
    }
    let ids: Vec<TokenId> = text.bytes().take(64).map(|b| TokenId(u32::from(b) * vocabulary / 256)).collect();
    streamed(&tokenizer, &ids);
    let _ = tokenizer.decode(&ids);
    let _ = tokenizer.decode(&[TokenId(vocabulary), TokenId(u32::MAX)]);
    assert!(tokenizer.piece(TokenId(vocabulary)).is_empty());
    chats(&tokenizer, template.unwrap_or(""), vocabulary, text);
    true
}

/// Ids of control tokens. The one for text without a piece is one by name alone.
fn controls(json: &str) -> BTreeSet<u32> {
    let file: Value = serde_json::from_str(json).expect("the tokenizer was read");
    let id = |v: &Value| v.as_u64().map(|id| id as u32);
    let model = &file["model"];
    let unknown = model["unk_token"].as_str().map_or(id(&model["unk_id"]), |name| id(&model["vocab"][name]));
    let added = file["added_tokens"].as_array().map_or(&[][..], Vec::as_slice);
    let special = added.iter().filter(|t| t["special"] == true).filter_map(|t| id(&t["id"]));
    special.filter(|id| Some(*id) != unknown).collect()
}

/// Token by token, or all at once.
fn streamed(tokenizer: &Tokenizer, ids: &[TokenId]) {
    let bytes: Vec<u8> = ids.iter().flat_map(|id| tokenizer.piece(*id)).copied().collect();
    let mut stream = tokenizer.stream();
    let mut text: String = ids.iter().map(|id| stream.push(*id)).collect();
    text.push_str(&stream.finish());
    assert_eq!(text, String::from_utf8_lossy(&bytes));
}

fn chats(tokenizer: &Tokenizer, template: &str, vocabulary: u32, text: &str) {
    let messages = [
        Message { role: "system", content: "Be brief." },
        Message { role: "user", content: text },
        Message { role: "assistant", content: "" },
    ];
    for (n, add_generation_prompt) in [(2, true), (3, false), (0, true)] {
        let chat = Chat { messages: &messages[..n], add_generation_prompt, date: None };
        match chat_ids(tokenizer, template, &chat) {
            Ok(ids) => {
                assert!(ids.iter().all(|id| id.0 < vocabulary));
                assert_eq!(chat_ids(tokenizer, template, &chat), Ok(ids));
            }
            Err(error) => {
                let words = error.to_string();
                assert!(words.len() < 1500 && !words.contains(|c: char| c.is_control()), "{words:?}");
            }
        }
    }
}

fn manifest(vocabulary: u32, begin: Option<TokenId>) -> Manifest {
    Manifest {
        name: "a".into(),
        licence: "a".into(),
        architecture: Architecture::Llama,
        dim: 2,
        layers: 1,
        heads: 1,
        kv_heads: 1,
        head_dim: 2,
        hidden: 2,
        vocabulary,
        context: 8,
        position: PositionKind::Learned,
        rotary_dim: 0,
        norm: NormKind::Rms,
        mlp: MlpKind::Plain,
        activation: ActivationKind::Silu,
        biases: Biases::default(),
        tied_head: true,
        residual_fraction: 16,
        epsilon: 1,
        special: SpecialTokens { begin, end: Vec::new() },
        chat_template: String::new(),
    }
}
