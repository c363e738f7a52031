//! Generation, token by token.

use super::engine::{Engine, EngineError, Feed, SequenceId, Want};
use super::limits::{JobLimitError, valid_job, valid_prompt};
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

/// Generates up to `limit` tokens after `prompt`. Each goes to `on_token`, which may stop it.
///
/// Ends with an end token, which is part of the answer, or at the limit. Prompt and limit must fit the model's
/// context together.
pub fn generate(
    engine: &mut dyn Engine,
    prompt: &[TokenId],
    sampling: &Sampling,
    seed: u64,
    limit: u32,
    on_token: &mut dyn FnMut(TokenId) -> ControlFlow<()>,
) -> Result<Generation, GenerateError> {
    valid_job(engine.info(), prompt.len() as u64, limit, sampling)?;
    valid_prompt(engine.info(), prompt)?;
    let sequence = engine.open()?;
    let result = run(engine, sequence, prompt, sampling, seed, limit, on_token);
    engine.close(sequence);
    result.map_err(GenerateError::Engine)
}

fn run(
    engine: &mut dyn Engine,
    sequence: SequenceId,
    prompt: &[TokenId],
    sampling: &Sampling,
    seed: u64,
    limit: u32,
    on_token: &mut dyn FnMut(TokenId) -> ControlFlow<()>,
) -> Result<Generation, EngineError> {
    let mut tokens: Vec<TokenId> = Vec::new();
    loop {
        let position = (prompt.len() + tokens.len()) as u32;
        let input = tokens.last().map_or(prompt, core::slice::from_ref);
        let logits = engine.forward(&[Feed { sequence, tokens: input, want: Want::Last }])?;
        let row = logits.first().and_then(|l| l.last()).unwrap_or(&[]);
        let token = sample(row, sampling, seed, position);
        tokens.push(token);
        let stopped = on_token(token).is_break();
        let reason = if engine.info().is_end(token) {
            EndReason::EndToken
        } else if tokens.len() as u64 >= limit as u64 {
            EndReason::Limit
        } else if stopped {
            EndReason::Stopped
        } else {
            continue;
        };
        return Ok(Generation { tokens, reason });
    }
}
