use super::*;
use alloc::string::ToString;
use alloc::vec;
use proptest::prelude::*;

fn spec(texts: &[(&str, u32)]) -> ScoredSpec {
    let mut pieces = vec![Piece::Control(b"<s>".to_vec())];
    pieces.extend((0..=255).map(Piece::Byte));
    pieces.extend(texts.iter().map(|(t, rank)| Piece::Text { rank: *rank, bytes: t.as_bytes().to_vec() }));
    ScoredSpec { prefix_space: true, pieces: scored::Pieces(pieces) }
}

fn tokenizer(texts: &[(&str, u32)]) -> Tokenizer {
    Tokenizer { kind: Kind::Scored(scored::Scored::new(&spec(texts))), begin: Some(TokenId(0)) }
}

/// The definition: look for the best pair from the left, merge it, start again.
fn slow(texts: &[(&str, u32)], text: &str) -> Vec<Vec<u8>> {
    let find = |bytes: &[u8]| texts.iter().find(|(t, _)| t.as_bytes() == bytes).map(|(_, rank)| *rank);
    let mut parts: Vec<Vec<u8>> = Vec::new();
    for c in [" ", text].concat().chars() {
        let bytes = c.to_string().into_bytes();
        if find(&bytes).is_some() {
            parts.push(bytes);
        } else {
            parts.extend(bytes.iter().map(|b| vec![*b]));
        }
    }
    loop {
        let mut best: Option<(u32, usize)> = None;
        for (i, pair) in parts.windows(2).enumerate() {
            if let Some(rank) = find(&pair.concat())
                && best.is_none_or(|(r, _)| rank > r)
            {
                best = Some((rank, i));
            }
        }
        let Some((_, i)) = best else { return parts };
        let right = parts.remove(i + 1);
        parts[i].extend(right);
    }
}

const TEXTS: &[(&str, u32)] = &[
    ("a", 0),
    ("b", 0),
    (" ", 0),
    ("ab", 5),
    ("ba", 5),
    ("aa", 4),
    (" a", 7),
    ("aba", 9),
    ("bab", 8),
    ("é", 0),
    ("éa", 3),
];

#[test]
fn control_tokens_never_come_from_text() {
    let t = tokenizer(TEXTS);
    assert!(!t.encode("<s>").unwrap().contains(&TokenId(0)));
    assert_eq!(t.decode(&[TokenId(0), TokenId(9999)]).unwrap(), "");
    assert_eq!(t.encode("").unwrap(), []);
}

#[test]
fn the_vocabulary_must_be_whole() {
    let good = spec(TEXTS);
    let n = good.pieces.0.len() as u32;
    assert_eq!(good.check(n), Ok(()));
    assert!(good.check(n + 1).is_err());
    let mut twice = good.clone();
    twice.pieces.0[2] = Piece::Byte(0);
    assert!(twice.check(n).is_err());
    let mut empty = good;
    empty.pieces.0.push(Piece::Text { rank: 0, bytes: vec![] });
    assert!(empty.check(n + 1).is_err());
}

proptest! {
    #[test]
    fn merges_as_the_definition_says(text in "[abé\u{20AC} ]{1,40}") {
        let t = tokenizer(TEXTS);
        let pieces: Vec<Vec<u8>> = t.encode(&text).unwrap().iter().map(|id| t.piece(*id).to_vec()).collect();
        prop_assert_eq!(pieces, slow(TEXTS, &text));
    }

    #[test]
    fn every_text_comes_back(text: String) {
        let t = tokenizer(TEXTS);
        prop_assert_eq!(t.decode(&t.prompt(&text).unwrap()).unwrap(), text);
    }

    #[test]
    fn a_spec_round_trips_and_garbage_is_an_error(cut in 0usize..700, flip: u8) {
        let spec = TokenizerSpec::Scored(spec(TEXTS));
        let bytes = spec.to_bytes();
        prop_assert_eq!(TokenizerSpec::from_bytes(&bytes), Ok(spec));
        let cut = cut % bytes.len();
        prop_assert!(TokenizerSpec::from_bytes(&bytes[..cut]).is_err());
        let mut mutated = bytes.clone();
        mutated[cut] = flip;
        if let Ok(other) = TokenizerSpec::from_bytes(&mutated) {
            prop_assert_eq!(other.to_bytes(), mutated);
        }
    }
}

#[test]
fn a_stream_gives_whole_characters() {
    let t = tokenizer(TEXTS);
    let byte = |b: u8| TokenId(1 + b as u32);
    let mut stream = t.stream();
    let camel: Vec<_> = "\u{1F42B}".bytes().map(|b| stream.push(byte(b))).collect();
    assert_eq!(camel, ["", "", "", "\u{1F42B}"]);
    assert_eq!(stream.push(byte(b'a')), "a");
    // A byte that nothing can follow, then a beginning that is not gone on with.
    assert_eq!(stream.push(byte(0xff)), "\u{fffd}");
    assert_eq!(stream.push(byte(0xf0)), "");
    assert_eq!(stream.push(byte(b'b')), "\u{fffd}b");
    assert_eq!(stream.push(TokenId(0)), "");
    assert_eq!(stream.push(byte(0xe2)), "");
    assert_eq!(stream.finish(), "\u{fffd}");
}

proptest! {
    #[test]
    fn a_stream_is_the_text(ids in proptest::collection::vec(0u32..270, 0..40)) {
        let t = tokenizer(TEXTS);
        let ids: Vec<TokenId> = ids.into_iter().map(TokenId).collect();
        let mut stream = t.stream();
        let mut text: alloc::string::String = ids.iter().map(|id| stream.push(*id)).collect();
        text.push_str(&stream.finish());
        let bytes: Vec<u8> = ids.iter().flat_map(|id| t.piece(*id)).copied().collect();
        prop_assert_eq!(text, alloc::string::String::from_utf8_lossy(&bytes));
    }
}

/// A package's tokenizer that nobody has looked into.
fn unread(json: &str) -> Tokenizer {
    let spec = TokenizerSpec::HuggingFace(HuggingFaceSpec::new(json));
    assert_eq!(spec.check(10), Ok(()));
    assert_eq!(TokenizerSpec::from_bytes(&spec.to_bytes()), Ok(spec.clone()));
    #[cfg(feature = "tokenizers")]
    let kind = Kind::HuggingFace(super::json::Lazy::new(&HuggingFaceSpec::new(json), 10));
    #[cfg(not(feature = "tokenizers"))]
    let kind = Kind::HuggingFace;
    Tokenizer { kind, begin: None }
}

#[test]
fn a_tokenizer_that_cannot_be_used_says_why_when_it_is_asked() {
    let t = unread("not json");
    let error = t.usable().unwrap_err();
    #[cfg(feature = "tokenizers")]
    assert!(matches!(error, TokenizerError::Json(_)));
    #[cfg(not(feature = "tokenizers"))]
    assert_eq!(error, TokenizerError::NotBuilt);
    assert_eq!(t.encode("a"), Err(error.clone()));
    assert_eq!(t.prompt("a"), Err(error.clone()));
    assert_eq!(t.decode(&[]), Err(error));
    assert_eq!(t.piece(TokenId(1)), b"");
}

#[test]
fn a_tokenizer_json_is_bounded() {
    let empty = TokenizerSpec::HuggingFace(HuggingFaceSpec::new(""));
    assert!(empty.check(1).is_err());
    let long = TokenizerSpec::HuggingFace(HuggingFaceSpec::new(" ".repeat(MAX_TOKENIZER_JSON + 1)));
    assert!(long.check(1).is_err());
    assert!(TokenizerSpec::from_bytes(&long.to_bytes()).is_err());
    assert!(TokenizerSpec::from_bytes(&[1, 2, 0xff, 0xff]).is_err());
}
