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
    assert!(!t.encode("<s>").contains(&TokenId(0)));
    assert_eq!(t.decode(&[TokenId(0), TokenId(9999)]), "");
    assert_eq!(t.encode(""), []);
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
        let pieces: Vec<Vec<u8>> = t.encode(&text).iter().map(|id| t.piece(*id).to_vec()).collect();
        prop_assert_eq!(pieces, slow(TEXTS, &text));
    }

    #[test]
    fn every_text_comes_back(text: String) {
        let t = tokenizer(TEXTS);
        prop_assert_eq!(t.decode(&t.prompt(&text)), text);
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
