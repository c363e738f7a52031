//! Integer against float: perplexity on the same tokens, agreement of the most likely token.

use super::{FloatModel, FloatState};
use crate::model::engine::{Engine, EngineError, Feed, Want};
use crate::model::sampling::{argmax, random};
use crate::units::TokenId;
use std::vec;
use std::vec::Vec;

/// How near the integer model comes to the float model on the same tokens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// Tokens predicted.
    pub tokens: usize,
    /// The float model's perplexity.
    pub float_perplexity: f64,
    /// The integer model's perplexity.
    pub integer_perplexity: f64,
    /// Part of the positions where both have the same most likely token.
    pub same_top: f64,
}

impl Comparison {
    /// How much higher the integer model's perplexity is, as a part of the float model's.
    pub fn excess(&self) -> f64 {
        self.integer_perplexity / self.float_perplexity - 1.0
    }
}

/// Texts of `length` tokens each, sampled from the float model at temperature 1 after `begin`.
pub fn float_samples(model: &FloatModel, begin: TokenId, texts: usize, length: usize, seed: u64) -> Vec<Vec<TokenId>> {
    (0..texts)
        .map(|text| {
            let mut state = model.start();
            let mut tokens = vec![begin];
            while tokens.len() < length {
                let logits = next(model, &mut state, &tokens);
                let weights: Vec<f64> = log_softmax(logits.iter().map(|l| *l as f64)).iter().map(|l| l.exp()).collect();
                let bits = random(seed.wrapping_add(text as u64), tokens.len() as u32);
                let mut left = (bits >> 11) as f64 / (1u64 << 53) as f64;
                let drawn = weights.iter().position(|w| {
                    left -= w;
                    left < 0.0
                });
                tokens.push(TokenId(drawn.unwrap_or(0) as u32));
            }
            tokens
        })
        .collect()
}

/// The float model's greedy continuation of `prompt`, end tokens passed over, up to `length` tokens in all.
pub fn float_greedy(model: &FloatModel, prompt: &[TokenId], length: usize) -> Vec<TokenId> {
    let mut state = model.start();
    let mut tokens = prompt.to_vec();
    for token in prompt.iter().rev().skip(1).rev() {
        model.forward(&mut state, token.0 as usize);
    }
    while tokens.len() < length {
        let logits = next(model, &mut state, &tokens);
        tokens.push(TokenId(top(&logits) as u32));
    }
    tokens
}

/// The integer model's greedy continuation of `prompt`, end tokens passed over, up to `length` tokens in all.
pub fn integer_greedy(engine: &mut dyn Engine, prompt: &[TokenId], length: usize) -> Result<Vec<TokenId>, EngineError> {
    let sequence = engine.open()?;
    let mut tokens = prompt.to_vec();
    let mut fed = 0;
    while tokens.len() < length {
        let logits = engine.forward(&[Feed { sequence, tokens: &tokens[fed..], want: Want::Last }])?;
        fed = tokens.len();
        tokens.push(argmax(logits[0].last().unwrap_or(&[])));
    }
    engine.close(sequence);
    Ok(tokens)
}

/// Perplexity of both on `texts`, each token after a text's first.
pub fn compare(float: &FloatModel, engine: &mut dyn Engine, texts: &[Vec<TokenId>]) -> Result<Comparison, EngineError> {
    let (mut tokens, mut same) = (0usize, 0usize);
    let (mut float_loss, mut integer_loss) = (0.0, 0.0);
    for text in texts {
        let sequence = engine.open()?;
        let mut state = float.start();
        for pair in text.windows(2) {
            let (token, follows) = (pair[0], pair[1].0 as usize);
            let f = float.forward(&mut state, token.0 as usize);
            let logits = engine.forward(&[Feed { sequence, tokens: &[token], want: Want::Last }])?;
            let row = logits[0].last().unwrap_or(&[]);
            float_loss -= log_softmax(f.iter().map(|l| *l as f64))[follows];
            integer_loss -= log_softmax(row.iter().map(|l| *l as f64 / 65_536.0))[follows];
            same += usize::from(top(&f) == argmax(row).0 as usize);
            tokens += 1;
        }
        engine.close(sequence);
    }
    let n = tokens.max(1) as f64;
    Ok(Comparison {
        tokens,
        float_perplexity: (float_loss / n).exp(),
        integer_perplexity: (integer_loss / n).exp(),
        same_top: same as f64 / n,
    })
}

fn next(model: &FloatModel, state: &mut FloatState, tokens: &[TokenId]) -> Vec<f32> {
    let last = tokens.last().map_or(0, |t| t.0 as usize);
    model.forward(state, last)
}

fn top(logits: &[f32]) -> usize {
    let mut best = 0;
    for (i, l) in logits.iter().enumerate() {
        if *l > logits[best] {
            best = i;
        }
    }
    best
}

fn log_softmax(logits: impl Iterator<Item = f64>) -> Vec<f64> {
    let logits: Vec<f64> = logits.collect();
    let largest = logits.iter().copied().fold(f64::MIN, f64::max);
    let total: f64 = logits.iter().map(|l| (l - largest).exp()).sum();
    logits.iter().map(|l| l - largest - total.ln()).collect()
}
