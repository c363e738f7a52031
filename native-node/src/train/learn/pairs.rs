//! Learns a tokenizer's pieces with the `tokenizers` crate.

use super::TrainError;
use super::tokenizer::{FIRST_PIECES, spec, words};
use camelid_core::model::tokenizer::TokenizerSpec;
use std::collections::BTreeSet;
use std::path::Path;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::tokenizer::Trainer;

/// Bytes of text that are learned from: more changes next to nothing.
const ENOUGH: usize = 16 << 20;

/// Learns a tokenizer with `vocabulary` ids from texts. `file` is where they came from.
pub fn learn(texts: &[String], vocabulary: usize, file: &Path) -> Result<TokenizerSpec, TrainError> {
    if !(FIRST_PIECES + 1..=65_536).contains(&vocabulary) {
        let (found, expected) = (vocabulary.to_string(), format!("{} to 65536", FIRST_PIECES + 1));
        return Err(TrainError::Setting { name: "--vocabulary", found, expected });
    }
    let model = byte_pairs(texts, vocabulary)
        .map_err(|e| TrainError::Text { file: file.into(), reason: format!("no tokenizer can be trained: {e}") })?;
    // The trainer's ids: the alphabet, then each pair in the order in which it was learned.
    let mut pieces: Vec<(u32, String)> = model.get_vocab().into_iter().map(|(piece, id)| (id, piece)).collect();
    pieces.sort_unstable();
    let learned = pieces.into_iter().map(|(_, piece)| raw(&piece)).filter(|bytes| bytes.len() > 1);
    let spec = spec(learned);
    let found = super::tokenizer::vocabulary(&spec);
    if found < vocabulary {
        let reason =
            format!("its words give {found} pieces, {vocabulary} expected: give more text or a smaller --vocabulary");
        return Err(TrainError::Text { file: file.into(), reason });
    }
    Ok(spec)
}

/// The trained model; its alphabet is bytes, each written as a character.
fn byte_pairs(texts: &[String], vocabulary: usize) -> tokenizers::Result<BPE> {
    let mut left = ENOUGH;
    let some = texts.iter().take_while(|text| {
        let more = left > 0;
        left = left.saturating_sub(text.len());
        more
    });
    // A text starts as if a space stood before it.
    let spaced: Vec<String> = some.map(|text| format!(" {text}")).collect();
    let alphabet: BTreeSet<u8> = spaced.iter().flat_map(|text| text.bytes()).collect();
    let mut trainer = BpeTrainer::builder()
        .show_progress(false)
        .min_frequency(2)
        .vocab_size(alphabet.len() + vocabulary - FIRST_PIECES)
        .build();
    trainer.feed(spaced.iter(), |text| Ok(words(text).map(shown).collect()))?;
    let mut model = BPE::default();
    trainer.train(&mut model)?;
    Ok(model)
}

/// Bytes as characters, one each: the byte's own number.
fn shown(word: &str) -> String {
    word.bytes().map(char::from).collect()
}

/// Back again.
fn raw(piece: &str) -> Vec<u8> {
    piece.chars().map(|c| u8::try_from(c).unwrap_or(b'?')).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::texts;
    use super::*;
    use crate::train::learn::{ModelShape, package};
    use camelid_core::model::Package;
    use tokenizers::Model;

    #[test]
    fn the_package_gives_the_ids_that_the_trained_model_gives() {
        let (all, vocabulary) = (texts(300, 1), 330);
        let spec = learn(&all, vocabulary, Path::new("texts")).unwrap();
        let shape = ModelShape { dim: 8, layers: 1, heads: 1, kv_heads: 1, hidden: 8, vocabulary, context: 8 };
        let package = package(&shape, &vec![0.5; shape.parameters()], &spec, "t", "none").unwrap();
        let package = Package::parse(package).unwrap();
        let ours = package.tokenizer();
        let trained = byte_pairs(&all, vocabulary).unwrap();
        for text in texts(300, 9) {
            let expected: Vec<Vec<u8>> = words(&format!(" {text}"))
                .flat_map(|word| trained.tokenize(&shown(word)).unwrap())
                .map(|token| raw(&token.value))
                .collect();
            let found: Vec<&[u8]> = ours.encode(&text).unwrap().iter().map(|id| ours.piece(*id)).collect();
            assert_eq!(found, expected, "{text}");
            assert_eq!(ours.decode(&ours.prompt(&text).unwrap()).unwrap(), text);
        }
    }

    #[test]
    fn too_little_text_and_odd_sizes_are_refused() {
        let few = ["ab ab".to_string()];
        let error = learn(&few, 400, Path::new("few.txt")).unwrap_err().to_string();
        assert!(error.contains("few.txt") && error.contains("--vocabulary"), "{error}");
        for odd in [0, 257, 70_000] {
            assert!(learn(&few, odd, Path::new("few.txt")).unwrap_err().to_string().contains("--vocabulary"));
        }
    }
}
