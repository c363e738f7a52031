//! What a job may ask of a model: total predicates, checked before money moves.

use super::package::ModelInfo;
use super::sampling::{Sampling, SamplingError};
use crate::units::TokenId;

/// Why a model cannot be asked this.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JobLimitError {
    /// No prompt.
    #[error("prompt has no tokens, at least one expected")]
    EmptyPrompt,
    /// No answer.
    #[error("token limit is 0, at least 1 expected")]
    ZeroLimit,
    /// Prompt and limit together are longer than the model's context.
    #[error("prompt of {prompt} tokens and a limit of {limit} exceed the model's context of {context}: shorten one")]
    Context {
        /// Tokens in the prompt.
        prompt: u64,
        /// Token limit of the answer.
        limit: u32,
        /// The model's context.
        context: u32,
    },
    /// The sampling makes no sense.
    #[error(transparent)]
    Sampling(#[from] SamplingError),
    /// A prompt's id is outside the vocabulary.
    #[error("prompt token {index} is {found}, outside the vocabulary of {expected}")]
    Vocabulary {
        /// Index in the prompt.
        index: usize,
        /// The id.
        found: u32,
        /// Size of the vocabulary.
        expected: u32,
    },
}

/// Whether a job of this shape can be computed: "empty prompt, zero limit, context overflow, odd sampling
/// values ... are refused before money".
pub fn valid_job(info: &ModelInfo, prompt: u64, limit: u32, sampling: &Sampling) -> Result<(), JobLimitError> {
    if prompt == 0 {
        return Err(JobLimitError::EmptyPrompt);
    }
    if limit == 0 {
        return Err(JobLimitError::ZeroLimit);
    }
    if prompt.saturating_add(limit as u64) > info.context as u64 {
        return Err(JobLimitError::Context { prompt, limit, context: info.context });
    }
    Ok(sampling.valid()?)
}

/// Whether every id of a prompt is in the vocabulary.
pub fn valid_prompt(info: &ModelInfo, prompt: &[TokenId]) -> Result<(), JobLimitError> {
    match prompt.iter().enumerate().find(|(_, id)| id.0 >= info.vocabulary) {
        None => Ok(()),
        Some((index, id)) => Err(JobLimitError::Vocabulary { index, found: id.0, expected: info.vocabulary }),
    }
}
