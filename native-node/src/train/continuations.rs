//! Continuations of everyday story openings: what a model's card shows.

use super::TrainError;
use camelid_core::model::{EndReason, Engine, Sampling, Tokenizer, generate};
use serde::Serialize;
use std::ops::ControlFlow;

/// Openings of everyday stories.
pub const OPENINGS: [&str; 10] = [
    "Once upon a time, there was a little girl named Lily.",
    "One day, Tom and his mom went to the park.",
    "The little dog was very hungry.",
    "Ben had a big red ball.",
    "It was a sunny day and the birds were singing.",
    "Sara wanted to bake a cake for her grandma.",
    "There was a small cat who lived in a big house.",
    "Tim and Sam were best friends.",
    "Mom said, \"It is time to go to bed.\"",
    "In the forest, there was a tall tree.",
];

/// A continuation.
#[derive(Clone, Debug, Serialize)]
pub struct Continuation {
    /// What was given.
    pub opening: String,
    /// What the model wrote.
    pub text: String,
    /// Tokens of it, an end token among them.
    pub tokens: usize,
    /// Whether it ended by an end token.
    pub ended: bool,
}

/// The model's continuation of each opening, up to `limit` tokens or the context's end.
pub fn continuations(
    engine: &mut dyn Engine,
    tokenizer: &Tokenizer,
    openings: &[&str],
    sampling: &Sampling,
    seed: u64,
    limit: u32,
) -> Result<Vec<Continuation>, TrainError> {
    let context = engine.info().context;
    let mut all = Vec::new();
    for opening in openings {
        let prompt = tokenizer.prompt(opening)?;
        let room = context.saturating_sub(prompt.len() as u32).min(limit);
        let answer = generate(engine, &prompt, sampling, seed, room, &mut |_| ControlFlow::Continue(()))?;
        // Both at once: a character may begin in the opening's last token.
        let ids: Vec<_> = prompt.iter().chain(&answer.tokens).copied().collect();
        let whole = tokenizer.decode(&ids)?;
        all.push(Continuation {
            opening: opening.to_string(),
            text: whole.strip_prefix(opening).unwrap_or(&whole).to_string(),
            tokens: answer.tokens.len(),
            ended: answer.reason == EndReason::EndToken,
        });
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use camelid_core::model::import::{RandomShape, random_model};
    use camelid_core::model::{Package, Reference};
    use std::sync::Arc;

    #[test]
    fn every_opening_is_continued_within_the_context() {
        let package = Arc::new(Package::parse(random_model(3, &RandomShape::llama()).unwrap()).unwrap());
        let mut engine = Reference::new(package.clone());
        let all = continuations(&mut engine, package.tokenizer(), &OPENINGS, &Sampling::GREEDY, 0, 9).unwrap();
        assert_eq!(all.len(), 10);
        for (one, opening) in all.iter().zip(OPENINGS) {
            assert_eq!(one.opening, opening);
            assert!(one.tokens <= 9 && (one.ended || one.tokens == 9));
        }
    }
}
