//! What a model learns from: token ids of texts, and windows of them.

use super::TrainError;
use super::draws::Draws;
use super::shape::BOUNDARY;
use camelid_core::hash::tagged_hash;
use camelid_core::model::Tokenizer;
use std::path::Path;

/// The token ids of texts, one text after another; each starts with the boundary, and a last boundary ends the last.
#[derive(Clone, Debug)]
pub struct Corpus {
    ids: Vec<u16>,
    starts: Vec<usize>,
    bytes: u64,
}

/// Windows of equal length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Number of windows.
    pub rows: usize,
    /// Tokens of a window.
    pub length: usize,
    /// The tokens, window after window.
    pub inputs: Vec<i32>,
    /// What follows each.
    pub targets: Vec<i32>,
}

impl Corpus {
    /// Encodes texts. `progress` gets the number of texts that are done.
    pub fn new(texts: &[String], tokenizer: &Tokenizer, progress: &dyn Fn(u64)) -> Result<Self, TrainError> {
        let mut corpus = Corpus { ids: Vec::new(), starts: Vec::new(), bytes: 0 };
        for (done, text) in texts.iter().enumerate() {
            corpus.starts.push(corpus.ids.len());
            corpus.ids.push(BOUNDARY.0 as u16);
            // The vocabulary has at most 65,536 ids.
            corpus.ids.extend(tokenizer.encode(text)?.iter().map(|id| id.0 as u16));
            corpus.bytes += text.len() as u64;
            progress(done as u64 + 1);
        }
        corpus.ids.push(BOUNDARY.0 as u16);
        Ok(corpus)
    }

    /// Checks that windows of `length` tokens can be drawn. `file` is where the texts came from.
    pub fn check(&self, length: usize, file: &Path) -> Result<(), TrainError> {
        match self.ids.len() > length {
            true => Ok(()),
            false => Err(TrainError::Text {
                file: file.into(),
                reason: format!(
                    "{} tokens, more than {length} expected: give more text or a shorter --context",
                    self.ids.len()
                ),
            }),
        }
    }

    /// Tells this corpus from others: a hash of its first `tokens` tokens. Texts that are added change no token before.
    pub fn fingerprint(&self, tokens: u64) -> String {
        let first = self.ids.iter().take(usize::try_from(tokens).unwrap_or(usize::MAX));
        let bytes: Vec<u8> = first.flat_map(|id| id.to_le_bytes()).collect();
        tagged_hash("camelid/corpus", &[&bytes]).to_string()
    }

    /// Tokens.
    pub fn tokens(&self) -> u64 {
        self.ids.len() as u64
    }

    /// Bytes of the texts a token.
    pub fn bytes_per_token(&self) -> f64 {
        self.bytes as f64 / (self.ids.len() as f64 - 1.0).max(1.0)
    }

    /// The windows of a step: each starts where a random text starts, and goes on into the texts after it.
    pub fn draw(&self, rows: usize, length: usize, seed: u64, step: u64) -> Batch {
        // A run of numbers for each step: a step needs no other step's.
        let mut draws = Draws::new(seed ^ step.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        self.windows((0..rows).map(|_| self.starts[draws.below(self.starts.len())]), length)
    }

    /// The first texts' windows, one a text: the same for every measurement.
    pub fn first(&self, rows: usize, length: usize) -> Batch {
        let apart = (self.starts.len() / rows.max(1)).max(1);
        self.windows(self.starts.iter().step_by(apart).take(rows).copied(), length)
    }

    fn windows(&self, starts: impl Iterator<Item = usize>, length: usize) -> Batch {
        let last = self.ids.len().saturating_sub(length + 1);
        let mut batch = Batch { rows: 0, length, inputs: Vec::new(), targets: Vec::new() };
        for start in starts {
            // The end of the corpus is read by windows that start a little earlier.
            let window = &self.ids[start.min(last)..][..length + 1];
            batch.inputs.extend(window[..length].iter().map(|id| *id as i32));
            batch.targets.extend(window[1..].iter().map(|id| *id as i32));
            batch.rows += 1;
        }
        batch
    }
}

impl Batch {
    /// The batch in parts of at most `rows` windows.
    pub fn parts(&self, rows: usize) -> impl Iterator<Item = Batch> + '_ {
        let numbers = rows.max(1) * self.length;
        self.inputs.chunks(numbers).zip(self.targets.chunks(numbers)).map(|(inputs, targets)| Batch {
            rows: inputs.len() / self.length,
            length: self.length,
            inputs: inputs.to_vec(),
            targets: targets.to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use camelid_core::model::Package;
    use camelid_core::model::import::{RandomShape, random_model};

    #[test]
    fn windows_start_with_texts_and_follow_the_step() {
        let package = Package::parse(random_model(2, &RandomShape::llama()).unwrap()).unwrap();
        let texts: Vec<String> = ["a tale", "of two", "cities"].map(String::from).into();
        let corpus = Corpus::new(&texts, package.tokenizer(), &|_| ()).unwrap();
        let a = corpus.draw(5, 6, 1, 7);
        assert_eq!((a.rows, a.inputs.len(), a.targets.len()), (5, 30, 30));
        assert_eq!(a, corpus.draw(5, 6, 1, 7));
        assert_ne!(a, corpus.draw(5, 6, 1, 8));
        for (inputs, targets) in a.inputs.chunks(6).zip(a.targets.chunks(6)) {
            assert_eq!(inputs[1..], targets[..5]);
        }
        assert!(a.inputs.chunks(6).filter(|w| w[0] == 0).count() >= 1);
        let parts: Vec<Batch> = a.parts(2).collect();
        assert_eq!(parts.iter().map(|p| p.rows).collect::<Vec<_>>(), [2, 2, 1]);
        assert_eq!(parts.iter().flat_map(|p| p.inputs.clone()).collect::<Vec<_>>(), a.inputs);
        assert!(corpus.check(6, Path::new("t")).is_ok());
        let error = corpus.check(100, Path::new("t.txt")).unwrap_err().to_string();
        assert!(error.contains("t.txt") && error.contains("more than 100"), "{error}");
    }
}
