use super::expand::{LONGEST, SHORTEST, sentences};
use super::grammar::{Grammar, GrammarError};
use super::{GRAMMAR, grammar, tale};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

const SEED: u64 = 1;

/// The first tales, told once for all tests.
fn tales(count: usize) -> &'static [String] {
    static TOLD: OnceLock<Vec<String>> = OnceLock::new();
    &TOLD.get_or_init(|| (0..20_000).map(|number| tale(SEED, number)).collect())[..count]
}

/// A text's words, without marks. `'s` counts as a word's end.
fn words(text: &str) -> Vec<&str> {
    text.split(|c: char| !c.is_ascii_alphabetic()).filter(|word| !word.is_empty()).collect()
}

/// The rows' first cells of a table that has one column in its rows.
fn table(name: &str) -> BTreeSet<&'static str> {
    let rows = GRAMMAR.lines().skip_while(|line| !line.starts_with(&format!("table {name}:"))).skip(1);
    rows.take_while(|line| !line.is_empty()).flat_map(|line| line.split(" ; ")).collect()
}

#[test]
fn the_grammar_parses_and_all_of_it_is_used() {
    // That every table, part and variable is used is what the parser itself asks for.
    let grammar = Grammar::parse(GRAMMAR).unwrap();
    assert!(grammar.parts.len() >= 60, "{} parts", grammar.parts.len());
    // And every line is told, in some tale: its longest piece without a place is there.
    let told = tales(20_000).join("\n");
    for part in &grammar.parts {
        for text in part.steps.iter().filter_map(|(_, step)| match step {
            grammar::Step::Say(variants) => Some(variants),
            _ => None,
        }) {
            let plain = |text: &grammar::Text| {
                let longest = text.iter().filter_map(|piece| match piece {
                    grammar::Piece::Plain(plain) => Some(plain.clone()),
                    _ => None,
                });
                longest.max_by_key(String::len).unwrap_or_default()
            };
            for plain in text.iter().map(|(_, text)| plain(text)) {
                assert!(told.contains(&plain), "never told, in {}: {plain}", part.name);
            }
        }
    }
}

#[test]
fn errors_name_their_line() {
    let error = |text: &str| Grammar::parse(text).unwrap_err();
    let whole = "table kid: name he=she\nAnn ; Eve\nplot one\nhero = kid\n- {Hero} ran.\n";
    assert!(Grammar::parse(whole).is_ok());
    for (text, line, expected) in [
        ("", 1, "a plot"),
        ("plot", 1, "\"plot NAME [WEIGHT]\" or \"part NAME\""),
        ("plot one x", 1, "a weight: a whole number"),
        ("hello", 1, "\"never\", \"table\", \"plot\" or \"part\""),
        ("  hello", 1, "a line above to continue"),
        ("table kid", 1, "\"table NAME: COLUMN ...\""),
        ("table kid: a\ntable kid: b", 2, "a name that no other table has, not \"kid\""),
        ("plot one\nplot one", 2, "a name that no other plot or part has, not \"one\""),
        ("table kid: name age\nAnn | 4\nEve", 3, "2 cells in a row, not \"Eve\""),
        ("plot one\nhello", 2, "\"- TEXT\", \"/\", \"> PART\" or \"NAME = TABLE\""),
        ("plot one\n> two", 2, "a part, not \"two\""),
        ("plot one\nhero = kid", 2, "a table, not \"kid\""),
        ("plot one\n- Hi.\n- {Hero} ran.", 3, "a variable drawn before, not \"hero\""),
        ("plot one\n- {he ran.", 2, "\"}\""),
        ("plot one\n- he] ran.", 2, "\"[\" or \"{\" before \"]\""),
        ("plot one\n- {big red}", 2, "a place such as \"{Hero}\", \"{a toy.part}\" or \"{his}\", not \"{big red}\""),
        ("plot one\n- Hi.\npart two\n- Ho.", 3, "a plot that uses the part \"two\""),
        ("plot one\n> two\npart two\n> two", 3, "a part that does not use itself"),
        ("table kid: name\nAnn\nplot one\n- Hi.", 1, "rows and a use of the table \"kid\""),
        ("table kid: name\nAnn\nplot one\nhero = kid", 4, "a use of this variable"),
        ("table kid: name\nAnn\nplot one\nhero = kid\n- {He} ran.", 5, "a column of \"hero\", not \"he\""),
    ] {
        assert_eq!(error(text), GrammarError { line, expected: expected.to_string() }, "{text}");
    }
    assert_eq!(error("hello").to_string(), "line 1: expected \"never\", \"table\", \"plot\" or \"part\"");
}

#[test]
fn a_tale_is_a_function_of_seed_and_number() {
    let grammar =
        Grammar::parse("table n: w\none ; two ; three\nplot p\na = n\nb = n\n- {A a}, {b.w} [x|y].\n").unwrap();
    assert_eq!(grammar.tale(1, 2), grammar.tale(1, 2));
    assert_eq!(tale(7, 12_345), Grammar::parse(GRAMMAR).unwrap().tale(7, 12_345));
    assert!((0..50).any(|number| grammar.tale(1, number) != grammar.tale(2, number)));
    // Two variables are never the same row.
    assert!((0..50).all(|number| sentences(&grammar.tale(1, number)).iter().all(|s| !s.contains("One, one"))));
    assert_eq!(fnv(&tale(1, 0)), PINNED, "{}", tale(1, 0));
}

/// The first tale's hash. It changes with the grammar; whoever changes that puts the new one here.
const PINNED: u64 = 0x8844_6817_6a29_ea5b;

fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[test]
fn sentences_end_at_marks() {
    let text = "\"Oh no!\" Tom said. \"Is it 3.5?\"\nHe ran.";
    assert_eq!(sentences(text), ["\"Oh no!\"", "Tom said.", "\"Is it 3.5?\"", "He ran."]);
}

#[test]
fn no_sentence_comes_twice() {
    for text in tales(10_000) {
        let all = sentences(text);
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "{text}");
        assert!(all.len() >= 6, "{text}");
        assert!(
            text.ends_with(['.', '!', '?', '"']) && text.len() == all.iter().map(|s| s.len() + 1).sum::<usize>() - 1,
            "{text}"
        );
    }
}

#[test]
fn texts_are_plain_and_of_the_right_length() {
    for text in tales(10_000) {
        assert!((SHORTEST..=LONGEST).contains(&text.len()), "{text}");
        assert!(text.is_ascii() && !text.contains("  ") && !text.contains(" \n") && !text.contains("\n\n"), "{text}");
        assert!(!text.contains(['{', '}', '[', ']', '|', '_']), "{text}");
        for line in text.lines() {
            assert_eq!(line.matches('"').count() % 2, 0, "{text}");
            // What is spoken ends with a mark, and a sentence begins with a capital.
            assert!(line.split('"').skip(1).step_by(2).all(|said| said.ends_with(['.', ',', '!', '?'])), "{text}");
            assert!(line.trim_start_matches('"').starts_with(|c: char| c.is_ascii_uppercase()), "{text}");
            let bad = line
                .as_bytes()
                .windows(3)
                .any(|w| matches!(w[0], b'.' | b'!' | b'?') && w[1] == b' ' && w[2].is_ascii_lowercase());
            assert!(!bad, "{text}");
        }
    }
}

#[test]
fn articles_fit() {
    for text in tales(20_000) {
        for pair in words(text).windows(2) {
            let vowel = pair[1].to_lowercase().starts_with(['a', 'e', 'i', 'o', 'u']);
            match pair[0] {
                "a" | "A" => assert!(!vowel, "{pair:?} in {text}"),
                "an" | "An" => assert!(vowel, "{pair:?} in {text}"),
                _ => {}
            }
        }
    }
}

/// In a tale whose people are all girls and women, or all boys and men, and that has no animal with a pronoun of its
/// own, the others' pronouns are wrong.
#[test]
fn pronouns_fit() {
    let (girls, boys) = (table("girl"), table("boy"));
    let mut animals: BTreeSet<&str> = BTreeSet::new();
    for name in [
        "eater",
        "forest",
        "homepet",
        "elderly",
        "asked",
        "nester",
        "fruiteater",
        "climber",
        "chickbird",
        "baby",
        "mittenfolk",
    ] {
        animals.extend(table(name).iter().filter_map(|row| row.split(" | ").next()?.split(' ').next_back()));
    }
    for name in ["catname", "petname", "bearname", "owlname", "pigname", "turtlename"] {
        animals
            .extend(table(name).iter().filter_map(|row| row.split(" | ").next()).filter(|name| !boys.contains(name)));
    }
    animals.extend(["bear", "bees", "crow", "puppy", "snowman", "swallow", "crab", "bird", "turtle", "owl"]);
    let mut decided = BTreeMap::new();
    for text in tales(20_000) {
        let all = words(text);
        let has = |these: &[&str]| all.iter().any(|word| these.contains(&word.to_lowercase().as_str()));
        if all.iter().any(|word| animals.contains(word.to_lowercase().as_str()) || animals.contains(word)) {
            continue;
        }
        let she = has(&["mom", "grandma", "girl", "woman", "sister", "mother"])
            || all.iter().any(|word| girls.contains(word));
        let he = has(&["dad", "grandpa", "boy", "man", "brother", "father", "uncle"])
            || all.iter().any(|word| boys.contains(word));
        if she != he {
            let wrong: &[&str] =
                if she { &["he", "him", "his", "himself"] } else { &["she", "her", "hers", "herself"] };
            assert!(!has(wrong), "{text}");
            *decided.entry(she).or_insert(0) += 1;
        }
    }
    assert!(decided.values().all(|count| *count > 1_000), "{decided:?}");
}

#[test]
fn tales_differ() {
    let all: BTreeSet<&String> = tales(20_000).iter().collect();
    assert!(all.len() >= 19_800, "{}", all.len());
}

#[test]
fn no_tale_holds_a_cards_opening() {
    let kept = "Once upon a time, there was a little girl named Lily.";
    let openings = crate::train::continuations::OPENINGS;
    assert!(openings.contains(&kept));
    for opening in openings.iter().filter(|opening| **opening != kept) {
        assert!(GRAMMAR.contains(&format!("never {opening}\n")), "{opening}");
    }
    for text in tales(2_000) {
        assert!(openings.iter().all(|opening| *opening == kept || !text.contains(opening)), "{text}");
    }
}
