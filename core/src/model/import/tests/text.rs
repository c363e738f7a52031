//! Tokenizers, begin and end tokens, chat templates: from directories and from GGUF files.

use super::gguf::{TextParts, text_side};
use super::*;
use crate::model::Tokenizer;
use crate::model::package::{Head, SpecialTokens};
use crate::model::tokenizer::{Piece, Pieces, ScoredSpec, TokenizerSpec};
use crate::units::TokenId;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::string::String;
use std::{format, vec};

fn llama3() -> Value {
    let vectors: Value =
        serde_json::from_str(include_str!("../../../../tests/vectors/tokenizers/llama3.json")).unwrap();
    vectors["tokenizer"].clone()
}

/// A directory's files.
type Files = BTreeMap<String, Value>;

/// As Llama 3 Instruct's directory is: ids 300 to 304 are control tokens, 300 begins, three end.
fn folder() -> Files {
    let files = [
        ("tokenizer.json", llama3()),
        (
            "tokenizer_config.json",
            json!({"bos_token": "<|begin_of_text|>", "eos_token": {"content": "<|eot_id|>", "lstrip": false},
                "chat_template": "{{ bos_token }}{{ messages[0].content }}"}),
        ),
        ("generation_config.json", json!({"eos_token_id": [301, 304]})),
        ("config.json", json!({"eos_token_id": 301, "bos_token_id": 302, "vocab_size": 310})),
    ];
    files.map(|(name, value)| (name.to_string(), value)).into()
}

fn bytes(f: &Files) -> BTreeMap<String, Vec<u8>> {
    f.iter().map(|(name, value)| (name.clone(), value.to_string().into_bytes())).collect()
}

fn import(f: &Files) -> Result<TextSide, ImportError> {
    huggingface::text_of(&bytes(f), 310)
}

fn at<'a>(f: &'a mut Files, file: &str) -> &'a mut Value {
    f.get_mut(file).unwrap()
}

fn ids(ids: &[u32]) -> Vec<TokenId> {
    ids.iter().copied().map(TokenId).collect()
}

fn tokenizer(side: &TextSide, vocabulary: u32) -> Tokenizer {
    let mut manifest = Head::parse(&random_model(1, &RandomShape::llama()).unwrap()).unwrap().manifest;
    (manifest.vocabulary, manifest.special) = (vocabulary, side.special.clone());
    Tokenizer::new(&side.tokenizer, &manifest).unwrap()
}

#[test]
fn begin_and_end_tokens_come_from_where_they_are_named() {
    let side = import(&folder()).unwrap();
    assert_eq!(side.special, SpecialTokens { begin: Some(TokenId(300)), end: ids(&[301, 304]) });
    assert_eq!(
        side.chat_template,
        "{% set bos_token = \"<|begin_of_text|>\" %}\n{{ bos_token }}{{ messages[0].content }}"
    );
    assert_eq!(tokenizer(&side, 310).prompt("a").unwrap()[0], TokenId(300));

    // `add_bos_token` is heard before the post-processor.
    let mut f = folder();
    at(&mut f, "tokenizer_config.json")["add_bos_token"] = json!(false);
    assert_eq!(import(&f).unwrap().special.begin, None);
    at(&mut f, "tokenizer.json")["post_processor"] = Value::Null;
    at(&mut f, "tokenizer_config.json")["add_bos_token"] = json!(true);
    assert_eq!(import(&f).unwrap().special.begin, Some(TokenId(300)));
    at(&mut f, "tokenizer_config.json")["add_bos_token"] = Value::Null;
    assert_eq!(import(&f).unwrap().special.begin, None);
    let template = llama3()["post_processor"].clone();
    at(&mut f, "tokenizer.json")["post_processor"] =
        json!({"type": "Sequence", "processors": [{"type": "ByteLevel"}, template]});
    assert_eq!(import(&f).unwrap().special.begin, Some(TokenId(300)));
    at(&mut f, "tokenizer.json")["post_processor"] =
        json!({"type": "RobertaProcessing", "cls": ["<s>", 302], "sep": ["</s>", 303]});
    assert_eq!(import(&f).unwrap().special.begin, Some(TokenId(302)));

    // Where the configuration names no token, the models' ids count.
    let mut f = folder();
    *at(&mut f, "tokenizer_config.json") = json!({"add_bos_token": true});
    assert_eq!(import(&f).unwrap().special.begin, Some(TokenId(302)));

    // `tokenizer.json` alone is enough.
    let side = import(&Files::from([("tokenizer.json".to_string(), llama3())])).unwrap();
    assert_eq!(side.special, SpecialTokens { begin: Some(TokenId(300)), end: vec![] });
    assert_eq!(side.chat_template, "");
}

#[test]
fn an_end_token_that_was_no_control_token_becomes_one() {
    let mut f = folder();
    at(&mut f, "tokenizer.json")["added_tokens"][4]["special"] = json!(false);
    let side = import(&f).unwrap();
    let t = tokenizer(&side, 310);
    assert!(!t.encode("<|eot_id|>").unwrap().contains(&TokenId(304)));
    // One character can be needed in texts.
    let newline = at(&mut f, "tokenizer.json")["model"]["vocab"]["\u{10a}"].as_u64().unwrap() as u32;
    at(&mut f, "generation_config.json")["eos_token_id"] = json!(newline);
    let side = import(&f).unwrap();
    assert!(side.special.end.contains(&TokenId(newline)));
    assert_eq!(tokenizer(&side, 310).encode("\n"), Ok(ids(&[newline])));
}

#[test]
fn chat_templates_come_in_three_ways() {
    let mut f = folder();
    at(&mut f, "tokenizer_config.json")["chat_template"] =
        json!([{"name": "tool_use", "template": "t"}, {"name": "default", "template": "d {{ eos_token }}"}]);
    assert_eq!(import(&f).unwrap().chat_template, "{% set eos_token = \"<|eot_id|>\" %}\nd {{ eos_token }}");
    at(&mut f, "tokenizer_config.json")["chat_template"] = json!([{"name": "tool_use", "template": "t"}]);
    assert_eq!(import(&f).unwrap().chat_template, "t");
    let mut f = bytes(&folder());
    f.insert("chat_template.jinja".into(), b"file".to_vec());
    assert_eq!(huggingface::text_of(&f, 310).unwrap().chat_template, "file");
    f.insert("chat_template.jinja".into(), vec![0xff]);
    let error = huggingface::text_of(&f, 310).unwrap_err().to_string();
    assert!(error.contains("chat_template.jinja"), "{error}");
}

#[test]
fn what_is_wrong_is_named_with_its_file() {
    let cases = [
        ("generation_config.json", "/eos_token_id", json!([301, 310]), "eos_token_id is [301,310]"),
        ("generation_config.json", "/eos_token_id", json!(-1), "eos_token_id is -1"),
        ("config.json", "/eos_token_id", json!("x"), "eos_token_id"),
        ("tokenizer_config.json", "/eos_token", json!("nobody"), "eos_token is \"nobody\""),
        ("tokenizer_config.json", "/eos_token", json!(7), "eos_token is 7"),
        ("tokenizer_config.json", "", json!({"add_bos_token": "yes"}), "add_bos_token is \"yes\""),
        ("tokenizer_config.json", "", json!([]), "no JSON object"),
        ("tokenizer_config.json", "/chat_template", json!(7), "chat_template is 7"),
        ("tokenizer_config.json", "/chat_template", json!([{"name": "a"}, {"name": "b"}]), "chat_template"),
        ("tokenizer.json", "/added_tokens/4/id", json!(310), "belongs to another model"),
        ("tokenizer.json", "/post_processor/special_tokens", json!({}), "post_processor"),
    ];
    for (file, pointer, value, expected) in cases {
        let mut f = folder();
        *at(&mut f, file).pointer_mut(pointer).unwrap() = value;
        let error = import(&f).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains(file) && !error.contains('\n'), "{expected}: {error}");
    }
    let mut f = folder();
    at(&mut f, "tokenizer_config.json")["chat_template"] = json!("x".repeat(70_000));
    let error = import(&f).unwrap_err().to_string();
    assert!(error.contains("template") && error.contains("65536"), "{error}");
    let mut f = folder();
    f.insert("tokenizer_config.json".into(), json!({"add_bos_token": true}));
    f.remove("config.json");
    let error = import(&f).unwrap_err().to_string();
    assert!(error.contains("tokenizer_config.json: bos_token is absent"), "{error}");
    let mut f = bytes(&folder());
    f.insert("config.json".into(), b"{".to_vec());
    let error = huggingface::text_of(&f, 310).unwrap_err().to_string();
    assert!(error.contains("config.json: no JSON object"), "{error}");
    f.insert("tokenizer.json".into(), Vec::new());
    let error = huggingface::text_of(&f, 310).unwrap_err().to_string();
    assert!(error.contains("tokenizer.json"), "{error}");
    let error = huggingface::text_of(&BTreeMap::new(), 310).unwrap_err().to_string();
    assert!(error.contains("tokenizer.json is missing") && error.contains("save_pretrained"), "{error}");
}

/// GGUF's parts of a `tokenizer.json` with pairs.
fn parts(file: &Value) -> TextParts {
    let mut tokens: Vec<(u64, String, i32)> = Vec::new();
    for (text, id) in file["model"]["vocab"].as_object().unwrap() {
        tokens.push((id.as_u64().unwrap(), text.clone(), if text.starts_with("<0x") { 6 } else { 1 }));
    }
    for token in file["added_tokens"].as_array().unwrap() {
        let id = token["id"].as_u64().unwrap();
        tokens.retain(|t| t.0 != id);
        let kind = if token["special"] == true { 3 } else { 4 };
        tokens.push((id, token["content"].as_str().unwrap().to_string(), kind));
    }
    tokens.sort();
    let merges = file["model"]["merges"].as_array().unwrap();
    let pair = |m: &Value| format!("{} {}", m[0].as_str().unwrap(), m[1].as_str().unwrap());
    TextParts {
        file: "m.gguf".into(),
        model: "gpt2".into(),
        token_types: tokens.iter().map(|t| t.2).collect(),
        scores: tokens.iter().map(|t| -(t.0 as f32)).collect(),
        tokens: tokens.into_iter().map(|t| t.1).collect(),
        merges: merges.iter().map(pair).collect(),
        ..Default::default()
    }
}

/// A GGUF file with a tokenizer's parts reads every text as the tokenizer does.
fn same_as_pythons(vectors: &str, pre: Option<&str>) {
    let vectors: Value = serde_json::from_str(vectors).unwrap();
    let vocabulary = vectors["vocabulary"].as_u64().unwrap() as u32;
    let parts = TextParts { pre: pre.map(String::from), ..parts(&vectors["tokenizer"]) };
    let side = text_side(&parts, vocabulary as usize).unwrap();
    let t = tokenizer(&side, vocabulary);
    for case in vectors["cases"].as_array().unwrap() {
        let text = case["text"].as_str().unwrap();
        let found = t.encode(text).unwrap();
        let expected: Vec<TokenId> =
            case["ids"].as_array().unwrap().iter().map(|id| TokenId(id.as_u64().unwrap() as u32)).collect();
        assert_eq!(found, expected, "{pre:?} {text:?}");
        assert_eq!(t.decode(&found).unwrap(), case["decoded"].as_str().unwrap());
    }
}

#[test]
fn ggufs_parts_give_the_same_tokenizer() {
    same_as_pythons(include_str!("../../../../tests/vectors/tokenizers/gpt2.json"), Some("gpt-2"));
    same_as_pythons(include_str!("../../../../tests/vectors/tokenizers/gpt2.json"), None);
    same_as_pythons(include_str!("../../../../tests/vectors/tokenizers/llama3.json"), Some("llama-bpe"));
    same_as_pythons(include_str!("../../../../tests/vectors/tokenizers/qwen2.json"), Some("qwen2"));
    same_as_pythons(include_str!("../../../../tests/vectors/tokenizers/smollm.json"), Some("smollm"));
}

#[test]
fn ggufs_pieces_merge_by_their_scores() {
    let vectors: Value =
        serde_json::from_str(include_str!("../../../../tests/vectors/tokenizers/llama2.json")).unwrap();
    let (model, unknown, begin, end) = ("llama".into(), Some(0), Some(1), vec![2]);
    let parts = TextParts { model, unknown, begin, end, ..parts(&vectors["tokenizer"]) };
    let vocabulary = parts.tokens.len() as u32;
    let side = text_side(&parts, vocabulary as usize).unwrap();
    assert_eq!(side.special.begin, Some(TokenId(1)));
    let t = tokenizer(&side, vocabulary);
    // The other kind of tokenizer merges by the definition.
    let piece = |(id, text): (usize, &String)| match parts.token_types[id] {
        3 => Piece::Control(text.clone().into_bytes()),
        6 => Piece::Byte(u8::from_str_radix(&text[3..5], 16).unwrap()),
        _ => Piece::Text { rank: vocabulary - id as u32, bytes: text.replace('\u{2581}', " ").into_bytes() },
    };
    let pieces = Pieces(parts.tokens.iter().enumerate().map(piece).collect());
    let scored = TokenizerSpec::Scored(ScoredSpec { prefix_space: true, pieces });
    let defined = tokenizer(&TextSide { tokenizer: scored, ..side }, vocabulary);
    let mut compared = 0;
    for case in vectors["cases"].as_array().unwrap() {
        let text = case["text"].as_str().unwrap();
        // In a `tokenizer.json` this character and the space are one.
        if !text.contains('\u{2581}') {
            assert_eq!(t.prompt(text), defined.prompt(text), "{text:?}");
            assert_eq!(t.decode(&t.prompt(text).unwrap()), defined.decode(&defined.prompt(text).unwrap()));
            compared += 1;
        }
    }
    assert!(compared > 10);
}

#[test]
fn ggufs_begin_and_template_are_taken_over_and_odd_parts_named() {
    let good = TextParts {
        pre: Some("llama-bpe".into()),
        begin: Some(300),
        eos: Some(302),
        end: vec![302],
        chat_template: Some("{{ bos_token }}{{ eos_token }}".into()),
        ..parts(&llama3())
    };
    let side = text_side(&good, 305).unwrap();
    // Two of its tokens end answers wherever they are.
    assert_eq!(side.special, SpecialTokens { begin: Some(TokenId(300)), end: ids(&[301, 302, 304]) });
    assert_eq!(
        side.chat_template,
        "{% set bos_token = \"<|begin_of_text|>\" %}\n{% set eos_token = \"<|start_header_id|>\" %}\n{{ bos_token }}{{ eos_token }}"
    );
    let begin = |add_begin, pre: &str| {
        let parts = TextParts { add_begin, pre: Some(pre.into()), ..good.clone() };
        text_side(&parts, 305).unwrap().special.begin
    };
    assert_eq!(begin(Some(false), "llama-bpe"), None);
    assert_eq!(begin(Some(true), "qwen2"), Some(TokenId(300)));
    assert_eq!(begin(None, "qwen2"), None);
    type Change = fn(&mut TextParts);
    let bad: [(Change, usize, &str); 10] = [
        (|p| p.model = "bert".into(), 305, "tokenizer.ggml.model bert is not supported"),
        (|p| p.pre = Some("viking".into()), 305, "tokenizer.ggml.pre viking is not supported"),
        (|_| (), 304, "tokenizer.ggml.tokens is 305 tokens"),
        (|p| p.tokens[290] = "x".repeat(1025), 305, "tokens of at most 1024 bytes"),
        (|p| p.merges[0] = "a".into(), 305, "tokenizer.ggml.merges is a"),
        (|p| p.merges[0] = "zz zz".into(), 305, "merges"),
        (|p| p.end = vec![305], 305, "token's id is 305"),
        (|p| p.begin = Some(u32::MAX), 305, "token's id"),
        (|p| (p.model, p.scores) = ("llama".into(), Vec::new()), 305, "tokenizer.ggml.scores is absent"),
        (|p| p.end = (0..65).collect(), 305, "at most 64"),
    ];
    for (change, vocabulary, expected) in bad {
        let mut parts = good.clone();
        change(&mut parts);
        let error = text_side(&parts, vocabulary).unwrap_err().to_string();
        assert!(error.starts_with("m.gguf: ") && error.contains(expected), "{expected}: {error}");
    }
    // Pieces that are cut in pieces in every way there is.
    let tokens: Vec<String> = (1..=1000).map(|n| "a".repeat(n)).collect();
    let scores = vec![0.0; tokens.len()];
    let many = TextParts { model: "llama".into(), tokens, scores, file: "m.gguf".into(), ..Default::default() };
    let error = text_side(&many, 1000).unwrap_err().to_string();
    assert!(error.contains("fewer ways"), "{error}");
}

proptest! {
    #[test]
    fn changed_files_are_errors_or_imports(at in 0usize..10_000, byte: u8, which in 0usize..4) {
        let mut files = bytes(&folder());
        let file = files.values_mut().nth(which).unwrap();
        let at = at % file.len();
        file[at] = byte;
        if let Ok(side) = huggingface::text_of(&files, 310) {
            prop_assert!(side.special.end.iter().all(|id| id.0 < 310));
        }
    }
}
