//! Integer against float: perplexity on the same tokens, agreement of the most likely token.

use super::{FloatModel, FloatState};
use crate::model::engine::{Engine, EngineError, Feed, Logits, Want};
use crate::model::sampling::{argmax, random};
use crate::units::TokenId;
use std::vec;
use std::vec::Vec;

/// Logits that are held at a time.
const LOGITS: usize = 1 << 22;

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

/// What both models say where one token follows another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prediction {
    /// The token that follows.
    pub follows: TokenId,
    /// The float model's logarithm of its probability.
    pub float: f64,
    /// The integer model's.
    pub integer: f64,
    /// The float model's most likely token.
    pub float_top: TokenId,
    /// The integer model's.
    pub integer_top: TokenId,
}

/// Predictions summed up.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    tokens: usize,
    same: usize,
    float: f64,
    integer: f64,
}

impl Tally {
    /// Adds one.
    pub fn add(&mut self, p: &Prediction) {
        self.tokens += 1;
        self.same += usize::from(p.float_top == p.integer_top);
        self.float -= p.float;
        self.integer -= p.integer;
    }

    /// What came out.
    pub fn comparison(&self) -> Comparison {
        let n = self.tokens.max(1) as f64;
        Comparison {
            tokens: self.tokens,
            float_perplexity: (self.float / n).exp(),
            integer_perplexity: (self.integer / n).exp(),
            same_top: self.same as f64 / n,
        }
    }
}

/// What both say on a text, for each token after its first. Memory holds some tokens' logits at a time.
pub fn predictions(
    float: &FloatModel,
    engine: &mut dyn Engine,
    text: &[TokenId],
    each: &mut dyn FnMut(&Prediction),
) -> Result<(), EngineError> {
    let piece = (LOGITS / engine.info().vocabulary.max(1) as usize).clamp(1, 128);
    let known = text.get(..text.len().saturating_sub(1)).unwrap_or(&[]);
    let sequence = engine.open()?;
    let mut state = float.start();
    let mut follow = text.iter().skip(1);
    for tokens in known.chunks(piece) {
        let fed = engine.forward(&[Feed { sequence, tokens, want: Want::All }]);
        let fed = fed.inspect_err(|_| engine.close(sequence))?;
        for ((token, row), follows) in tokens.iter().zip(fed.iter().flat_map(Logits::rows)).zip(follow.by_ref()) {
            let exact = float.forward(&mut state, token.0 as usize);
            let at = follows.0 as usize;
            let of = |logits: Vec<f64>| logits.get(at).copied().unwrap_or(f64::NEG_INFINITY);
            each(&Prediction {
                follows: *follows,
                float: of(log_softmax(exact.iter().map(|l| *l as f64))),
                integer: of(log_softmax(row.iter().map(|l| *l as f64 / 65_536.0))),
                float_top: TokenId(top(&exact) as u32),
                integer_top: argmax(row),
            });
        }
    }
    engine.close(sequence);
    Ok(())
}

/// Perplexity of both on `texts`, each token after a text's first.
pub fn compare(float: &FloatModel, engine: &mut dyn Engine, texts: &[Vec<TokenId>]) -> Result<Comparison, EngineError> {
    let mut tally = Tally::default();
    for text in texts {
        predictions(float, engine, text, &mut |p| tally.add(p))?;
    }
    Ok(tally.comparison())
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
