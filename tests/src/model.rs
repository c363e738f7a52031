//! A small random model, and what a model must answer.

use anyhow::{Context, Result};
use camelid_core::model::import::{RandomShape, random_model};
use camelid_core::model::{Reference, Sampling, generate};
use camelid_node::api::types::JobSubmit;
use camelid_node::models::Place;
use std::ops::ControlFlow;
use std::sync::Arc;
use tempfile::{NamedTempFile, TempPath};

/// A small random model as a package file: the same seed, the same model.
pub fn random_package(seed: u64) -> Result<TempPath> {
    let file = NamedTempFile::with_suffix(".camelid")?.into_temp_path();
    std::fs::write(&file, random_model(seed, &RandomShape::llama())?)?;
    Ok(file)
}

/// What the reference pass of a model answers to a job, token by token.
pub fn reference_answer(model: &Place, job: &JobSubmit) -> Result<Vec<u32>> {
    let package = Arc::new(model.load()?);
    let prompt = package.tokenizer().prompt(&job.prompt)?;
    let sampling = Sampling { temperature: job.temperature, top_k: job.top_k, top_p: job.top_p };
    let seed = job.seed.context("a job without a seed has no expected answer")?;
    let mut engine = Reference::new(package);
    let mut go_on = |_| ControlFlow::Continue(());
    let answer = generate(&mut engine, &prompt, &sampling, seed, job.max_tokens, &mut go_on)?;
    Ok(answer.tokens.iter().map(|t| t.0).collect())
}
