//! `camelid bench engine`: tokens a second, as llama.cpp's `llama-bench` counts them, and what is left of memory's speed.

use super::batch::{self, BatchReport};
use super::memory::read_speed;
use super::{BenchError, PROMPT, Subject};
use crate::weights::Weights;
use camelid_core::model::{Engine, EngineError, Feed, Want};
use serde::Serialize;
use std::hint::black_box;
use std::time::Instant;

/// Bytes that each thread reads to measure memory: more than any cache holds.
const PART: usize = 256 << 20;

/// What to measure.
#[derive(Clone, Debug)]
pub struct EnginePlan {
    /// Tokens that are fed one by one to an empty sequence to measure decoding.
    pub decode: usize,
    /// Tokens of the prompt to measure prefill.
    pub prefill: usize,
    /// Jobs in the batch; none is measured for 0.
    pub jobs: u32,
    /// Tokens of each one's answer.
    pub answer: u32,
}

/// What came out.
#[derive(Clone, Debug, Serialize)]
pub struct EngineReport {
    /// The model.
    pub model: String,
    /// Its parameters.
    pub parameters: u64,
    /// The engine.
    pub engine: String,
    /// Threads.
    pub threads: usize,
    /// Bytes a second that the threads can read from memory.
    pub memory_bytes_per_second: f64,
    /// Tokens fed one by one.
    pub decode: usize,
    /// Of them a second.
    pub decode_tokens_per_second: f64,
    /// The weights read a second while decoding, as a part of what the memory can do.
    pub decode_share_of_memory: f64,
    /// Tokens of the prompt.
    pub prefill: usize,
    /// Of them a second.
    pub prefill_tokens_per_second: f64,
    /// Jobs together and one after another.
    pub batch: Option<BatchReport>,
}

/// Measures; says what it is doing.
pub fn engine(subject: &Subject, plan: &EnginePlan, progress: &dyn Fn(&str)) -> Result<EngineReport, BenchError> {
    let answer = if plan.jobs > 0 { PROMPT + plan.answer as usize } else { 0 };
    subject.takes(plan.prefill.max(plan.decode).max(answer) as u64)?;
    let info = subject.package.info();
    let mut open = subject.open()?;
    let engine = &mut *open;
    progress("warming up");
    decode(engine, subject, plan.decode.min(16))?;
    prefill(engine, subject, plan.prefill)?;
    // Before and after: what others take from the memory meanwhile, they take from both.
    let threads = subject.threads();
    progress("reading memory");
    let parts: Result<Vec<_>, _> = (0..threads).map(|_| Weights::filled(PART, 1)).collect();
    let parts = parts.map_err(|e| BenchError::Model(format!("no memory to read: {e}")))?;
    let before = read_speed(&parts);
    progress("decoding");
    let decoded = decode(engine, subject, plan.decode)?;
    progress("reading memory");
    let memory = before.max(read_speed(&parts));
    drop(parts);
    progress("prefill");
    let filled = prefill(engine, subject, plan.prefill)?;
    let name = engine.name();
    drop(open);
    let batch = match plan.jobs {
        0 => None,
        jobs => Some(batch::measure(subject, jobs, plan.answer, progress)?),
    };
    Ok(EngineReport {
        model: info.name.clone(),
        parameters: info.parameters,
        engine: name,
        threads,
        memory_bytes_per_second: memory,
        decode: plan.decode,
        decode_tokens_per_second: decoded,
        decode_share_of_memory: decoded * info.parameters as f64 / memory,
        prefill: plan.prefill,
        prefill_tokens_per_second: filled,
        batch,
    })
}

/// Tokens a second, one by one from an empty sequence, each one's logits computed: llama-bench's `tg`.
fn decode(engine: &mut dyn Engine, subject: &Subject, n: usize) -> Result<f64, EngineError> {
    let tokens = subject.text(n, 0);
    let sequence = engine.open()?;
    let start = Instant::now();
    for token in tokens.chunks(1) {
        black_box(engine.forward(&[Feed { sequence, tokens: token, want: Want::Last }])?);
    }
    let seconds = start.elapsed().as_secs_f64();
    engine.close(sequence);
    Ok(n as f64 / seconds)
}

/// Tokens of a prompt a second, the last one's logits computed: llama-bench's `pp`.
fn prefill(engine: &mut dyn Engine, subject: &Subject, n: usize) -> Result<f64, EngineError> {
    let tokens = subject.text(n, 1);
    let sequence = engine.open()?;
    let start = Instant::now();
    black_box(engine.forward(&[Feed { sequence, tokens: &tokens, want: Want::Last }])?);
    let seconds = start.elapsed().as_secs_f64();
    engine.close(sequence);
    Ok(n as f64 / seconds)
}
