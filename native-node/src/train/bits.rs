//! Bits per byte: how well a model foretells texts, in a measure that no tokenizer changes.

use super::TrainError;
use camelid_core::model::{Engine, Feed, Tokenizer, Want};
use camelid_core::units::TokenId;
use serde::Serialize;
use std::time::Instant;

/// Tokens that go through the model together.
const AT_ONCE: usize = 2048;

/// What came out.
#[derive(Clone, Debug, Serialize)]
pub struct BitsReport {
    /// The model's name.
    pub model: String,
    /// Texts.
    pub texts: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Tokens foretold: those of the texts and, after each, its end.
    pub tokens: u64,
    /// Bits per byte.
    pub bits_per_byte: f64,
    /// Perplexity, of this model's tokens.
    pub perplexity: f64,
    /// Tokens a second.
    pub tokens_per_second: f64,
}

/// Measures the model of `engine` on texts, each after the begin token and up to its end token, by the integers of its
/// logits. A text longer than the model's context is read in pieces. `progress` gets the number of texts that are done.
pub fn bits(
    engine: &mut dyn Engine,
    tokenizer: &Tokenizer,
    texts: &[String],
    progress: &dyn Fn(u64),
) -> Result<BitsReport, TrainError> {
    let info = engine.info().clone();
    let begin = info.begin.or(info.end.first().copied()).ok_or_else(|| TrainError::Model {
        name: info.name.clone(),
        reason: "it has neither a begin nor an end token: its first token cannot be measured".into(),
    })?;
    let context = info.context as usize;
    let started = Instant::now();
    let (mut tokens, mut nats) = (0u64, 0.0f64);
    let mut batch: Vec<Vec<TokenId>> = Vec::new();
    for (done, text) in texts.iter().enumerate() {
        let mut ids = tokenizer.encode(text)?;
        ids.extend(info.end.first());
        // A piece and what follows each of its tokens; the last token is only foretold.
        for piece in ids.chunks(context) {
            batch.push(std::iter::once(begin).chain(piece.iter().copied()).collect());
        }
        if done + 1 == texts.len() || batch.iter().map(Vec::len).sum::<usize>() >= AT_ONCE {
            let (t, n) = measure(engine, &batch)?;
            tokens += t;
            nats += n;
            batch.clear();
            progress(done as u64 + 1);
        }
    }
    let bytes: u64 = texts.iter().map(|text| text.len() as u64).sum();
    Ok(BitsReport {
        model: info.name,
        texts: texts.len(),
        bytes,
        tokens,
        bits_per_byte: nats / std::f64::consts::LN_2 / bytes.max(1) as f64,
        perplexity: (nats / tokens.max(1) as f64).exp(),
        tokens_per_second: tokens as f64 / started.elapsed().as_secs_f64().max(1e-9),
    })
}

/// Tokens foretold, and the sum of their negative log probabilities.
fn measure(engine: &mut dyn Engine, batch: &[Vec<TokenId>]) -> Result<(u64, f64), TrainError> {
    let mut sequences = Vec::with_capacity(batch.len());
    for _ in batch {
        sequences.push(engine.open()?);
    }
    let feeds: Vec<Feed<'_>> = batch
        .iter()
        .zip(&sequences)
        .map(|(ids, sequence)| Feed { sequence: *sequence, tokens: &ids[..ids.len() - 1], want: Want::All })
        .collect();
    let all = engine.forward(&feeds)?;
    sequences.into_iter().for_each(|sequence| engine.close(sequence));
    let (mut tokens, mut nats) = (0, 0.0);
    for (ids, logits) in batch.iter().zip(&all) {
        for (row, follows) in logits.rows().zip(&ids[1..]) {
            nats += surprise(row, *follows);
            tokens += 1;
        }
    }
    Ok((tokens, nats))
}

/// The negative log probability of a token under logits with 16 fraction bits.
fn surprise(logits: &[i32], token: TokenId) -> f64 {
    let real = |l: i32| l as f64 / 65_536.0;
    let largest = real(logits.iter().copied().max().unwrap_or(0));
    let total: f64 = logits.iter().map(|l| (real(*l) - largest).exp()).sum();
    let own = logits.get(token.0 as usize).map_or(f64::NEG_INFINITY, |l| real(*l));
    largest + total.ln() - own
}

#[cfg(test)]
mod tests {
    use super::*;
    use camelid_core::model::import::{RandomShape, random_model};
    use camelid_core::model::{Cpu, Package, Reference};
    use std::sync::Arc;

    #[test]
    fn even_odds_are_log2_of_the_number() {
        let nats = surprise(&[70_000; 8], TokenId(3));
        assert!((nats / std::f64::consts::LN_2 - 3.0).abs() < 1e-12);
        assert!(surprise(&[0, 655_360], TokenId(1)) < 1e-4);
    }

    #[test]
    fn batches_and_engines_change_nothing_and_long_texts_are_read_in_pieces() {
        let package = Arc::new(Package::parse(random_model(2, &RandomShape::llama()).unwrap()).unwrap());
        let texts: Vec<String> = ["a tale", "of two", &"cities ".repeat(90)].map(String::from).into();
        let mut engine = Reference::new(package.clone());
        let together = bits(&mut engine, package.tokenizer(), &texts, &|_| ()).unwrap();
        let fast = bits(&mut Cpu::new(package.clone()), package.tokenizer(), &texts, &|_| ()).unwrap();
        assert_eq!(together.bits_per_byte, fast.bits_per_byte);
        let mut sum = 0.0;
        for text in &texts {
            let one = std::slice::from_ref(text);
            let r = bits(&mut engine, package.tokenizer(), one, &|_| ()).unwrap();
            sum += r.bits_per_byte * r.bytes as f64;
        }
        assert!((sum / together.bytes as f64 - together.bits_per_byte).abs() < 1e-9);
        assert_eq!(together.bytes, 6 + 6 + 90 * 7);
        let ids: usize = texts.iter().map(|t| package.tokenizer().encode(t).unwrap().len() + 1).sum();
        assert!(together.tokens == ids as u64 && ids > 128 + 20, "{ids}");
    }

    #[test]
    fn stories_by_their_own_model() {
        let Some(data) = camelid_test_support::shared_data("stories_by_their_own_model", "stories260k") else { return };
        let read = |name| std::fs::read(data.join(name)).unwrap();
        let package = camelid_core::model::import::llama2c::llama2c(
            &read("stories260K.bin"),
            &read("tok512.bin"),
            "stories260k",
            "MIT",
        );
        let package = Arc::new(Package::parse(package.unwrap()).unwrap());
        let story = "Once upon a time, there was a little girl named Lily. She loved to play outside in the park.";
        let noise = "Park. a the outside play to named loved girl little there Lily upon, was time Once in She";
        let mut measured = [story, noise].map(|text| {
            let text = [text.to_string()];
            bits(&mut Cpu::new(package.clone()), package.tokenizer(), &text, &|_| ()).unwrap().bits_per_byte
        });
        measured.sort_by(f64::total_cmp);
        assert!(measured[0] < 0.6 && measured[1] > 2.0, "{measured:?}");
    }
}
