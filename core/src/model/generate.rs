//! Generation, token by token.

use super::engine::{Engine, EngineError, Feed, SequenceId, Want};
use super::limits::{JobLimitError, valid_job, valid_prompt};
use super::package::ModelInfo;
use super::sampling::{Sampling, sample};
use crate::units::TokenId;
use alloc::vec::Vec;
use core::ops::ControlFlow;

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// Its last token is an end token.
    EndToken,
    /// It has as many tokens as were asked for.
    Limit,
    /// The caller stopped it.
    Stopped,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generation {
    /// The answer's tokens; an end token is part of it.
    pub tokens: Vec<TokenId>,
    /// Why it ended.
    pub reason: EndReason,
}

/// Why nothing was generated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GenerateError {
    /// The model cannot be asked this.
    #[error(transparent)]
    Limit(#[from] JobLimitError),
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// One answer in the making, without an engine: says what to feed, takes the logits, draws the token.
///
/// Several of them share one engine's batches; an engine that answers later (a browser's GPU) drives it just so.
#[derive(Clone, Debug)]
pub struct Generator {
    prompt: Vec<TokenId>,
    tokens: Vec<TokenId>,
    sampling: Sampling,
    seed: u64,
    limit: u32,
    end: Vec<TokenId>,
}

impl Generator {
    /// An answer of up to `limit` tokens after `prompt`. Both together must fit the model's context.
    pub fn new(
        info: &ModelInfo,
        prompt: &[TokenId],
        sampling: &Sampling,
        seed: u64,
        limit: u32,
    ) -> Result<Self, JobLimitError> {
        valid_job(info, prompt.len() as u64, limit, sampling)?;
        valid_prompt(info, prompt)?;
        let (prompt, end) = (prompt.to_vec(), info.end.clone());
        Ok(Generator { prompt, tokens: Vec::new(), sampling: *sampling, seed, limit, end })
    }

    /// What to feed next: the prompt, then each token drawn. The last one's logits are wanted.
    pub fn input(&self) -> &[TokenId] {
        self.tokens.last().map_or(&self.prompt, core::slice::from_ref)
    }

    /// Draws the next token from the logits of the last token fed, and says whether the answer ends with it: with
    /// an end token, which is part of it, or at the limit.
    pub fn advance(&mut self, logits: &[i32]) -> (TokenId, Option<EndReason>) {
        let position = (self.prompt.len() + self.tokens.len()) as u32;
        let token = sample(logits, &self.sampling, self.seed, position);
        self.tokens.push(token);
        let reason = if self.end.contains(&token) {
            Some(EndReason::EndToken)
        } else {
            (self.tokens.len() as u64 >= self.limit as u64).then_some(EndReason::Limit)
        };
        (token, reason)
    }

    /// The answer so far.
    pub fn tokens(&self) -> &[TokenId] {
        &self.tokens
    }

    /// The answer.
    pub fn into_tokens(self) -> Vec<TokenId> {
        self.tokens
    }
}

/// Generates up to `limit` tokens after `prompt`. Each goes to `on_token`, which may stop it.
pub fn generate(
    engine: &mut dyn Engine,
    prompt: &[TokenId],
    sampling: &Sampling,
    seed: u64,
    limit: u32,
    on_token: &mut dyn FnMut(TokenId) -> ControlFlow<()>,
) -> Result<Generation, GenerateError> {
    let mut generator = Generator::new(engine.info(), prompt, sampling, seed, limit)?;
    let sequence = engine.open()?;
    let result = run(engine, sequence, &mut generator, on_token);
    engine.close(sequence);
    Ok(Generation { reason: result?, tokens: generator.into_tokens() })
}

fn run(
    engine: &mut dyn Engine,
    sequence: SequenceId,
    generator: &mut Generator,
    on_token: &mut dyn FnMut(TokenId) -> ControlFlow<()>,
) -> Result<EndReason, EngineError> {
    loop {
        let logits = engine.forward(&[Feed { sequence, tokens: generator.input(), want: Want::Last }])?;
        let row = logits.first().and_then(|l| l.last()).unwrap_or(&[]);
        let (token, ended) = generator.advance(row);
        let stopped = on_token(token).is_break().then_some(EndReason::Stopped);
        if let Some(reason) = ended.or(stopped) {
            return Ok(reason);
        }
    }
}
