use super::*;
use crate::units::TokenId;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::string::{String, ToString};
use std::sync::LazyLock;
use std::vec::Vec;
use std::{format, vec};

/// Pairs with bytes: `<s>`, 256 bytes, some letters and joins.
static PAIRS: LazyLock<Value> = LazyLock::new(|| {
    let mut tokens: Vec<String> = ["<unk>", "<s>"].map(ToString::to_string).to_vec();
    tokens.extend((0..256).map(|b| format!("<0x{b:02X}>")));
    tokens.extend(["\u{2581}", "a", "b", "c", "ab", "\u{2581}a", "abc", "<", "s", ">"].map(ToString::to_string));
    let vocab: serde_json::Map<String, Value> = tokens.iter().enumerate().map(|(i, t)| (t.clone(), i.into())).collect();
    let added = |id: u32, content: &str, special: bool| {
        json!({"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": special})
    };
    json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": [added(0, "<unk>", true), added(1, "<s>", true), added(268, "<end>", true), added(269, "<tool>", false)],
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": "\u{2581}"},
            {"type": "Replace", "pattern": {"String": " "}, "content": "\u{2581}"}]},
        "pre_tokenizer": null, "post_processor": null,
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "\u{2581}"}, "content": " "},
            {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
        "model": {"type": "BPE", "dropout": null, "unk_token": "<unk>", "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": true, "byte_fallback": true, "ignore_merges": false,
            "vocab": vocab, "merges": ["a b", ["\u{2581}", "a"], "ab c"]},
    })
});

/// Unigram pieces; the name of a control token is one of them.
fn unigram() -> Value {
    json!({
        "added_tokens": [{"id": 0, "content": "<unk>", "special": true}, {"id": 1, "content": "<s>", "special": true}],
        "decoder": {"type": "Metaspace", "replacement": "\u{2581}", "add_prefix_space": true},
        "pre_tokenizer": {"type": "Metaspace", "replacement": "\u{2581}", "prepend_scheme": "always"},
        "model": {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0], ["<s>", 0.0], ["\u{2581}", -2.0], ["a", -3.0],
            ["<", -4.0], ["s", -4.0], [">", -4.0], ["\u{2581}a", -3.5]]},
    })
}

fn read(value: &Value) -> Result<Ready, TokenizerError> {
    Ready::new(File::read(value.to_string().as_bytes())?, 300)
}

/// A copy with the value at a pointer changed.
fn with(at: &str, value: Value) -> Value {
    let mut changed = PAIRS.clone();
    let (parent, key) = at.rsplit_once('/').unwrap();
    match changed.pointer_mut(parent).unwrap() {
        Value::Object(map) => drop(map.insert(key.to_string(), value)),
        list => list[key.parse::<usize>().unwrap()] = value,
    }
    changed
}

fn numbers(ids: &[TokenId]) -> Vec<u32> {
    ids.iter().map(|id| id.0).collect()
}

#[test]
fn pairs_merge_and_bytes_fill_in() {
    let t = read(&PAIRS).unwrap();
    let ids = t.encode("abc a\u{e9}").unwrap();
    // `_a` is the later merge of the two that want the first `a`.
    let texts: Vec<String> = ids.iter().map(|id| String::from_utf8_lossy(t.piece(*id)).into_owned()).collect();
    assert_eq!(texts, [" ", "abc", " a", "\u{fffd}", "\u{fffd}"]);
    assert_eq!(t.decode(&ids), Ok("abc a\u{e9}".to_string()));
    assert_eq!(t.piece(TokenId(u32::MAX)), b"");
    assert_eq!(t.piece(TokenId(0)), b"");
    assert_eq!(t.decode(&[TokenId(299), TokenId(5000), TokenId(1)]), Ok(String::new()));
}

#[test]
fn control_tokens_never_come_out_of_text() {
    let pairs = read(&PAIRS).unwrap();
    let unigram = read(&unigram()).unwrap();
    for t in [&pairs, &unigram] {
        let text = "a<s>a<end><unk>";
        let ids = numbers(&t.encode(text).unwrap());
        assert!(!ids.contains(&1) && !ids.contains(&268), "{ids:?}");
        assert!(numbers(&t.ids(text, Specials::Control, None).unwrap()).contains(&1));
    }
    // The piece `<s>` of the unigram model is spelled in its characters.
    assert_eq!(numbers(&unigram.encode("<s>").unwrap()), [2, 4, 5, 6]);
    assert_eq!(unigram.decode(&unigram.encode("a <s>").unwrap()), Ok("a <s>".to_string()));
    // Tokens that are added but no control tokens are found in every text, as everywhere.
    assert!(numbers(&pairs.encode("a<tool>").unwrap()).contains(&269));
}

#[test]
fn a_hidden_character_keeps_a_name_text_and_leaves_no_trace() {
    let t = read(&PAIRS).unwrap();
    let hidden = '\u{FDD0}';
    let ids = t.ids("a<s>ab<\u{FDD0}s>", Specials::Control, Some(hidden)).unwrap();
    assert_eq!(numbers(&ids).iter().filter(|id| **id == 1).count(), 1);
    let after = numbers(&ids).split(|id| *id == 1).nth(1).unwrap().to_vec();
    assert_eq!(after, numbers(&t.encode("ab<s>").unwrap()));
}

#[test]
fn it_is_written_in_one_way() {
    let written = File::read(PAIRS.to_string().as_bytes()).unwrap().to_json().unwrap();
    let again = File::read(written.as_bytes()).unwrap();
    assert_eq!(again.to_json().unwrap(), written);
    assert!(!written.contains("truncation"));
    let pretty = serde_json::to_string_pretty(&*PAIRS).unwrap();
    assert_eq!(File::read(pretty.as_bytes()).unwrap(), again);
    let old = File::read(unigram().to_string().as_bytes()).unwrap();
    assert_eq!(File::read(old.to_json().unwrap().as_bytes()).unwrap(), old);
    // What was `add_prefix_space` has become a scheme.
    let mut never = unigram();
    never["pre_tokenizer"] = json!({"type": "Metaspace", "replacement": "\u{2581}", "add_prefix_space": false});
    let never = File::read(never.to_string().as_bytes()).unwrap();
    assert!(never.to_json().unwrap().contains(r#""prepend_scheme":"never""#));
}

#[test]
fn what_cannot_be_used_is_named() {
    let regex = |pattern: &str| json!({"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false});
    let replace = |content: &str| json!({"type": "Replace", "pattern": {"String": "a"}, "content": content});
    let cases = [
        ("/version", json!("2.0"), "version"),
        ("/model/type", json!("WordPiece"), "WordPiece"),
        ("/model/dropout", json!(0.1), "dropout"),
        ("/model/vocab", json!([["a", 0.0]]), "model.vocab"),
        ("/model/vocab/ab", json!(3), "each id once"),
        ("/model/vocab/ab", json!(-3), "invalid value"),
        ("/model/vocab/ab", json!(1u64 << 40), "invalid value"),
        ("/model/vocab/ab", json!(300), "belongs to another model"),
        ("/model/vocab/ab", json!(u32::MAX), "belongs to another model"),
        ("/model/unk_token", json!("nobody"), "unk_token"),
        ("/model/continuing_subword_prefix", json!("##"), "prefix"),
        ("/model/merges", json!(null), "merges"),
        ("/model/merges", json!(["a"]), "merge"),
        ("/model/merges", json!(["a b c"]), "merge"),
        ("/model/merges", json!([["a", "b", "c"]]), "pair"),
        ("/model/merges", json!(["c c"]), "join"),
        ("/model/merges", json!([["", "ab"]]), "join"),
        ("/model/vocab/", json!(2), "each id once"),
        ("/normalizer", json!({"type": "Precompiled", "precompiled_charsmap": "AAAA"}), "Precompiled"),
        ("/normalizer", json!({"type": "Sequence", "normalizers": vec![replace("aaaaaaaaaaaaaaaa"); 16]}), "longer"),
        ("/normalizer", replace(&"x".repeat(65)), "64 bytes"),
        ("/normalizer", json!({"type": "Replace", "pattern": {"String": ""}, "content": "x"}), "Replace"),
        ("/normalizer", json!({"type": "Sequence", "normalizers": vec![json!({"type": "NFC"}); 65]}), "at most 64"),
        ("/normalizer", json!({"type": "Prepend", "prepend": "x", "more": 1}), "more"),
        ("/normalizer", json!({"type": "Prepend", "prepend": ""}), "Prepend"),
        ("/normalizer", json!({"type": "Prepend", "prepend": "x".repeat(17)}), "16"),
        ("/pre_tokenizer", regex("(?=a){999}{999}"), "counted repeats"),
        ("/pre_tokenizer", regex(&"a".repeat(5000)), "4096"),
        ("/pre_tokenizer", regex("(unclosed"), "tokenizer.json"),
        ("/pre_tokenizer", regex(&"(".repeat(3000)), "tokenizer.json"),
        (
            "/pre_tokenizer",
            json!({"type": "Sequence", "pretokenizers": vec![json!({"type": "ByteLevel", "add_prefix_space": true}); 9]}),
            "ByteLevel",
        ),
        ("/decoder", json!(null), "decoder"),
        ("/decoder", json!({"type": "CTC"}), "CTC"),
        ("/decoder", json!({"type": "Strip", "content": " ", "start": 0, "stop": 9}), "stop"),
        ("/added_tokens/2/id", json!(0), "each id once"),
        ("/added_tokens/2/id", json!(4), "an added token's id"),
        ("/added_tokens/2/id", json!(1000), "belongs to another model"),
        ("/added_tokens/2/content", json!(""), "content"),
        ("/added_tokens/2/content", json!("<s>"), "each once"),
        ("/added_tokens/2/content", json!("x".repeat(1025)), "1024"),
        ("/model/vocab", json!({"x".repeat(1025): 1}), "1024"),
    ];
    for (at, value, names) in cases {
        match read(&with(at, value)) {
            Err(error) => {
                let error = error.to_string();
                assert!(error.contains(names), "{at}: {error}");
                assert!(!error.contains('\n') && error.len() < 500, "{at}: {error}");
            }
            Ok(_) => panic!("{at} {names}: read"),
        }
    }
    let deep = [
        "[".repeat(100_000),
        format!("{{\"normalizer\":{}", "{\"type\":\"Sequence\",\"normalizers\":[".repeat(50_000)),
    ];
    let short = ["", "{", "null", "[]", "{}", "{\"model\":1}", "\u{feff}{}"];
    for bytes in short.into_iter().chain(deep.iter().map(String::as_str)) {
        assert!(matches!(File::read(bytes.as_bytes()), Err(TokenizerError::Json(_))), "{bytes:.40}");
    }
    let mut scores = unigram();
    for (at, value) in [
        ("unk_id", json!(8)),
        ("unk_id", json!(null)),
        ("vocab", json!([["a", 1e300]])),
        ("vocab", json!([["a", 0.0], ["a", 0.0]])),
    ] {
        scores["model"][at] = value;
        assert!(read(&scores).is_err(), "{at}");
        scores = unigram();
    }
}

#[test]
fn a_pattern_that_blows_up_is_an_error() {
    let split =
        |regex: &str| json!({"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated", "invert": false});
    let t = read(&with("/pre_tokenizer", split("(?:a(?!c)|aa(?!c))+!"))).unwrap();
    let error = t.encode(&format!("{}b", "a".repeat(200))).unwrap_err();
    assert!(error.to_string().contains("too many steps"), "{error}");
    // Looking far for what is not there is no blow-up.
    let t = read(&with("/pre_tokenizer", split(r"(?=(\d{3})+(?!\d))"))).unwrap();
    let text = "ab ".repeat(100_000) + "1234567";
    assert_eq!(t.decode(&t.encode(&text).unwrap()), Ok(text));
}

#[test]
fn ids_keep_where_there_are_gaps() {
    let t = read(&with("/added_tokens/3/id", json!(290))).unwrap();
    assert!(numbers(&t.encode("<tool>").unwrap()).contains(&290));
}

static TEXT: LazyLock<String> = LazyLock::new(|| PAIRS.to_string());

fn used(bytes: &[u8], text: &str) {
    if let Ok(file) = File::read(bytes)
        && let Ok(t) = Ready::new(file, 300)
    {
        for specials in [Specials::Text, Specials::Control] {
            if let Ok(ids) = t.ids(text, specials, Some('\u{FDD0}')) {
                let _ = t.decode(&ids);
                assert!(ids.iter().all(|id| id.0 < 300));
            }
        }
        let all: Vec<TokenId> = (0..300).map(TokenId).collect();
        let _ = t.decode(&all);
    }
}

/// Parts to put in the place of others: all that are read, with odd values.
fn odd_part() -> impl Strategy<Value = Value> {
    let text = prop_oneof![Just(String::new()), Just(" ".to_string()), Just("\u{2581}".to_string()), "[ab<> ]{1,3}"];
    let scheme = prop_oneof![Just("first"), Just("never"), Just("always")];
    let behavior = prop_oneof![
        Just("Removed"),
        Just("Isolated"),
        Just("MergedWithPrevious"),
        Just("MergedWithNext"),
        Just("Contiguous")
    ];
    let regex = prop_oneof![
        Just("".to_string()),
        Just("$".to_string()),
        Just("a*".to_string()),
        Just("(?=a)".to_string()),
        Just("(?<=a)b?".to_string()),
        Just(r"\s+(?!\S)|\s+".to_string()),
        Just(r"(a)\1".to_string()),
        Just(r"\G".to_string()),
        Just(r"\K".to_string()),
    ];
    let behavior = (behavior, any::<bool>());
    prop_oneof![
        Just(json!(null)),
        Just(json!({"type": "NFKC"})),
        Just(json!({"type": "StripAccents"})),
        Just(json!({"type": "Lowercase"})),
        Just(json!({"type": "Whitespace"})),
        Just(json!({"type": "WhitespaceSplit"})),
        Just(json!({"type": "ByteFallback"})),
        any::<(bool, bool)>().prop_map(|(l, r)| json!({"type": "Strip", "strip_left": l, "strip_right": r})),
        any::<bool>().prop_map(|b| json!({"type": "Digits", "individual_digits": b})),
        any::<(bool, bool)>().prop_map(|(p, r)| json!({"type": "ByteLevel", "add_prefix_space": p, "use_regex": r})),
        text.clone().prop_map(|t| json!({"type": "Prepend", "prepend": t})),
        (text.clone(), text.clone())
            .prop_map(|(a, b)| json!({"type": "Replace", "pattern": {"String": a}, "content": b})),
        (text, behavior.clone())
            .prop_map(|(t, (b, i))| json!({"type": "Split", "pattern": {"String": t}, "behavior": b, "invert": i})),
        (regex, behavior)
            .prop_map(|(t, (b, i))| json!({"type": "Split", "pattern": {"Regex": t}, "behavior": b, "invert": i})),
        (scheme, any::<bool>())
            .prop_map(|(p, s)| json!({"type": "Metaspace", "replacement": "a", "prepend_scheme": p, "split": s})),
        (0usize..4).prop_map(|n| json!({"type": "Strip", "content": "a", "start": n, "stop": 0})),
    ]
}

fn odd_text() -> impl Strategy<Value = String> {
    proptest::collection::vec(
        prop_oneof![
            Just("<s>"),
            Just("<end>"),
            Just("<tool>"),
            Just(" "),
            Just("  "),
            Just("a"),
            Just("b"),
            Just("abc"),
            Just("\u{FDD0}"),
            Just("\u{e9}"),
            Just("e\u{301}"),
            Just("\u{1F42B}"),
            Just("\u{0}"),
            Just("\n"),
            Just("\u{fb01}"),
            Just("1"),
        ],
        0..12,
    )
    .prop_map(|v| v.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_changed_byte_is_an_error_or_a_tokenizer(at in 0usize..5000, byte: u8, text in odd_text()) {
        let mut bytes = TEXT.clone().into_bytes();
        let at = at % bytes.len();
        bytes[at] = byte;
        used(&bytes, &text);
        used(&TEXT.as_bytes()[..at], &text);
    }

    #[test]
    fn whatever_is_read_can_be_used(
        normalizers in proptest::collection::vec(odd_part(), 0..3),
        pretokenizers in proptest::collection::vec(odd_part(), 0..3),
        decoders in proptest::collection::vec(odd_part(), 0..3),
        flags: [bool; 8],
        contents in proptest::collection::vec("[ab<s> \u{e9}]{1,3}", 2),
        text in odd_text(),
    ) {
        let mut value = PAIRS.clone();
        value["normalizer"] = json!({"type": "Sequence", "normalizers": normalizers});
        value["pre_tokenizer"] = json!({"type": "Sequence", "pretokenizers": pretokenizers});
        value["decoder"] = json!({"type": "Sequence", "decoders": decoders});
        for (i, flags) in flags.chunks(4).enumerate() {
            let token = &mut value["added_tokens"][2 + i];
            token["content"] = json!(contents[i]);
            for (name, flag) in ["single_word", "lstrip", "rstrip", "normalized"].iter().zip(flags) {
                token[name] = json!(flag);
            }
        }
        used(value.to_string().as_bytes(), &text);
        // Parts alone, where the others are sound.
        for (name, part) in [("normalizer", normalizers.first()), ("pre_tokenizer", pretokenizers.first()), ("decoder", decoders.first())] {
            used(with(&format!("/{name}"), part.cloned().unwrap_or(Value::Null)).to_string().as_bytes(), &text);
        }
    }
}
