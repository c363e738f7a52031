//! Every tokenizer gives the ids and the text that Python's `tokenizers` gives.
//!
//! `core/tests/vectors/tokenizers` holds small ones; CAMELID_TOKENIZER_VECTORS names a folder with others, which
//! `scripts/test-tokenizers.sh` makes: 10,000 texts for each.
#![cfg(feature = "import")]

use camelid_core::model::Tokenizer;
use camelid_core::model::chat::{Chat, Message, chat_ids};
use camelid_core::model::import::{RandomShape, huggingface, random_model};
use camelid_core::model::package::Head;
use camelid_core::units::TokenId;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

#[derive(Deserialize)]
struct Vectors {
    name: String,
    vocabulary: u32,
    tokenizer: serde_json::Value,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    text: String,
    /// Where names of control tokens are text.
    ids: Vec<u32>,
    decoded: String,
    /// Where they are control tokens.
    control: Option<Vec<u32>>,
    /// What the text was read from, where that is no UTF-8 (hexadecimal).
    bytes: Option<String>,
}

fn plain(ids: &[TokenId]) -> Vec<u32> {
    ids.iter().map(|id| id.0).collect()
}

/// Differences, the first few in words.
fn differences(v: &Vectors) -> Vec<String> {
    let directory = BTreeMap::from([("tokenizer.json".to_string(), v.tokenizer.to_string().into_bytes())]);
    // A padded vocabulary: ids that the tokenizer does not know.
    let side = huggingface::text_of(&directory, v.vocabulary as usize + 7).expect("the tokenizer is imported");
    let package = random_model(1, &RandomShape::llama()).unwrap();
    let mut manifest = Head::parse(&package).unwrap().manifest;
    (manifest.vocabulary, manifest.special) = (v.vocabulary + 7, side.special);
    let t = Tokenizer::new(&side.tokenizer, &manifest).unwrap();
    assert_eq!(t.decode(&[TokenId(v.vocabulary + 3)]), Ok(String::new()));
    let mut out = Vec::new();
    for case in &v.cases {
        let mut compare = |what: &str, expected: &dyn std::fmt::Debug, found: &dyn std::fmt::Debug, same: bool| {
            if !same {
                out.push(format!("{} {what} of {:?}: expected {expected:?}, found {found:?}", v.name, case.text));
            }
        };
        if let Some(bytes) = &case.bytes {
            let text = String::from_utf8_lossy(&hex::decode(bytes).unwrap()).into_owned();
            compare("text read", &case.text, &text, case.text == text);
        }
        let ids = t.encode(&case.text).unwrap();
        compare("ids", &case.ids, &plain(&ids), case.ids == plain(&ids));
        let decoded = t.decode(&ids).unwrap();
        compare("text", &case.decoded, &decoded, case.decoded == decoded);
        let mut stream = t.stream();
        let mut streamed: String = ids.iter().map(|id| stream.push(*id)).collect();
        streamed.push_str(&stream.finish());
        // A stream goes on from a prompt: it keeps the space that a tokenizer puts before a text.
        let same = streamed == decoded || streamed.strip_prefix(' ') == Some(&decoded);
        compare("stream", &decoded, &streamed, same);
        // A template's own text, where names of control tokens are control tokens.
        let template = format!("{{{{ {} }}}}", serde_json::Value::from(case.text.as_str()));
        let messages = [Message { role: "user", content: "" }];
        let chat = Chat { messages: &messages, add_generation_prompt: false, date: None };
        let ids = plain(&chat_ids(&t, &template, &chat).unwrap());
        let expected = case.control.as_ref().unwrap_or(&case.ids);
        compare("ids in a template", expected, &ids, ids == *expected);
    }
    out
}

#[test]
fn ids_and_text_are_pythons() {
    let own = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/tokenizers");
    let folder = std::env::var_os("CAMELID_TOKENIZER_VECTORS").map_or(own, PathBuf::from);
    let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "no vectors in {}", folder.display());
    let (mut texts, mut found) = (0, Vec::new());
    for file in files {
        let json = std::fs::read_to_string(&file).unwrap();
        let v: Vectors = serde_json::from_str(&json).unwrap();
        let differences = differences(&v);
        println!("{}: {} texts, {} differences", v.name, v.cases.len(), differences.len());
        texts += v.cases.len();
        found.extend(differences);
    }
    println!("{texts} texts, {} differences", found.len());
    assert!(found.is_empty(), "{} differences:\n{}", found.len(), found[..found.len().min(20)].join("\n"));
}
