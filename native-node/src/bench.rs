//! `camelid bench`: how fast an engine is on this machine. Ratios within one run are what counts.

use camelid_core::model::cpu::Kernel;
use camelid_core::model::import::{RandomShape, random_model};
use camelid_core::model::{Cpu, Engine, EngineError, Feed, Package, Reference, Sampling, Want, generate};
use camelid_core::rastic;
use camelid_core::units::TokenId;
use serde::Serialize;
use std::hint::black_box;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

/// Tokens of the prompt where an answer is generated or checked.
const PROMPT: usize = 32;
/// Sequences in the batch.
const SEQUENCES: usize = 8;
/// Bytes that each thread reads to measure memory.
const MEMORY: usize = 256 << 20;

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BenchError {
    /// The kernel is not there.
    #[error("no kernel `{name}` on this machine; there is {available}")]
    Kernel {
        /// What was asked for.
        name: String,
        /// What there is.
        available: String,
    },
    /// The engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The model ends its answers early, or has a context too short to measure with.
    #[error("cannot measure with this model: {0}")]
    Model(String),
}

/// What to measure.
#[derive(Clone, Debug)]
pub struct BenchPlan {
    /// A kernel's name, or `reference`; the fastest when `None`.
    pub kernel: Option<String>,
    /// Threads; all cores when `None`.
    pub threads: Option<usize>,
    /// Tokens that are generated one by one to measure decoding.
    pub decode: usize,
    /// Tokens of the prompt to measure prefill.
    pub prefill: usize,
    /// Lengths of answers to generate and check.
    pub answers: Vec<u32>,
}

/// One length of answer.
#[derive(Clone, Debug, Serialize)]
pub struct AnswerRow {
    /// Tokens in the answer.
    pub tokens: u32,
    /// Milliseconds to generate it.
    pub generate_ms: f64,
    /// Milliseconds to check three positions.
    pub spot_ms: f64,
    /// Milliseconds to check every position.
    pub full_ms: f64,
}

/// What came out.
#[derive(Clone, Debug, Serialize)]
pub struct BenchReport {
    /// The model.
    pub model: String,
    /// Its parameters.
    pub parameters: u64,
    /// The kernel.
    pub kernel: String,
    /// Threads.
    pub threads: usize,
    /// Bytes a second that the threads can read from memory.
    pub memory_bytes_per_second: f64,
    /// Tokens a second, one by one.
    pub decode_tokens_per_second: f64,
    /// The weights read a second while decoding, as a part of what the memory can do.
    pub decode_share_of_memory: f64,
    /// Tokens of a prompt a second.
    pub prefill_tokens_per_second: f64,
    /// Tokens a second of eight sequences in a batch, over those of one sequence.
    pub batch_ratio: f64,
    /// Generating and checking answers.
    pub rows: Vec<AnswerRow>,
}

/// A random model in SmolLM2-135M's shape.
pub fn usual_model() -> Result<Vec<u8>, BenchError> {
    random_model(1, &RandomShape::smollm2_135m()).map_err(|e| BenchError::Model(e.to_string()))
}

/// Measures.
pub fn measure(package: &Arc<Package>, plan: &BenchPlan) -> Result<BenchReport, BenchError> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let info = package.info();
    let needed = plan.answers.iter().copied().max().unwrap_or(0) as usize + PROMPT;
    let needed = needed.max(plan.prefill).max(plan.decode + PROMPT);
    if needed > info.context as usize {
        return Err(BenchError::Model(format!("its context is {}, and {needed} tokens are to be fed", info.context)));
    }
    let (mut engine, kernel, threads): (Box<dyn Engine>, _, _) = match plan.kernel.as_deref() {
        Some("reference") => (Box::new(Reference::new(package.clone())), "reference", 1),
        name => {
            let kernel = match name {
                None => Kernel::best(),
                Some(name) => Kernel::by_name(name).ok_or_else(|| unknown(name))?,
            };
            let threads = plan.threads.unwrap_or(cores).max(1);
            (Box::new(Cpu::with(package.clone(), kernel, threads)), kernel.name(), threads)
        }
    };
    let engine = &mut *engine;
    let memory = memory_bandwidth(threads);
    let alone = decode(engine, 1, plan.decode)?;
    let batch = decode(engine, SEQUENCES, plan.decode)?;
    Ok(BenchReport {
        model: info.name.clone(),
        parameters: info.parameters,
        kernel: kernel.into(),
        threads,
        memory_bytes_per_second: memory,
        decode_tokens_per_second: alone,
        decode_share_of_memory: alone * info.parameters as f64 / memory,
        prefill_tokens_per_second: prefill(engine, plan.prefill)?,
        batch_ratio: batch / alone,
        rows: plan.answers.iter().map(|n| answer(engine, *n)).collect::<Result<_, _>>()?,
    })
}

fn unknown(name: &str) -> BenchError {
    let names: Vec<_> = Kernel::available().iter().map(|k| k.name()).chain(["reference"]).collect();
    BenchError::Kernel { name: name.into(), available: names.join(", ") }
}

/// Bytes a second that so many threads read, the best of three.
fn memory_bandwidth(threads: usize) -> f64 {
    let memory: Vec<Vec<u64>> = (0..threads).map(|i| vec![i as u64; MEMORY / 8]).collect();
    let read = || {
        let start = Instant::now();
        std::thread::scope(|scope| {
            for part in &memory {
                scope.spawn(move || black_box(part.iter().fold(0u64, |sum, v| sum | *v)));
            }
        });
        (MEMORY * threads) as f64 / start.elapsed().as_secs_f64()
    };
    (0..3).map(|_| read()).fold(0.0, f64::max)
}

fn text(engine: &dyn Engine, n: usize, seed: u32) -> Vec<TokenId> {
    let vocabulary = engine.info().vocabulary;
    (0..n as u32).map(|i| TokenId(i.wrapping_add(seed).wrapping_mul(2_654_435_761) % vocabulary)).collect()
}

/// Tokens a second of `sequences` in one batch, each `n` tokens after a prompt.
fn decode(engine: &mut dyn Engine, sequences: usize, n: usize) -> Result<f64, EngineError> {
    let mut open = Vec::new();
    let texts: Vec<_> = (0..sequences as u32).map(|s| text(engine, PROMPT + n, s * 7919)).collect();
    for tokens in &texts {
        let sequence = engine.open()?;
        engine.forward(&[Feed { sequence, tokens: &tokens[..PROMPT], want: Want::Nothing }])?;
        open.push(sequence);
    }
    let start = Instant::now();
    for i in PROMPT..PROMPT + n {
        let each = open.iter().zip(&texts);
        let batch: Vec<Feed<'_>> =
            each.map(|(s, t)| Feed { sequence: *s, tokens: &t[i..=i], want: Want::Last }).collect();
        black_box(engine.forward(&batch)?);
    }
    let seconds = start.elapsed().as_secs_f64();
    open.into_iter().for_each(|s| engine.close(s));
    Ok((n * sequences) as f64 / seconds)
}

fn prefill(engine: &mut dyn Engine, n: usize) -> Result<f64, EngineError> {
    let tokens = text(engine, n, 1);
    let sequence = engine.open()?;
    let start = Instant::now();
    black_box(engine.forward(&[Feed { sequence, tokens: &tokens, want: Want::Last }])?);
    let seconds = start.elapsed().as_secs_f64();
    engine.close(sequence);
    Ok(n as f64 / seconds)
}

fn answer(engine: &mut dyn Engine, n: u32) -> Result<AnswerRow, BenchError> {
    let model = |e: &dyn std::error::Error| BenchError::Model(e.to_string());
    // An answer that an end token cuts short is no use; another prompt gives another answer.
    for seed in 0..8 {
        let prompt = text(engine, PROMPT, seed);
        let start = Instant::now();
        let answer = generate(engine, &prompt, &Sampling::GREEDY, 0, n, &mut |_| ControlFlow::Continue(()))
            .map_err(|e| model(&e))?;
        let generate_ms = milliseconds(start);
        if answer.tokens.len() as u32 != n {
            continue;
        }
        let claim =
            rastic::Claim { prompt: &prompt, answer: &answer.tokens, limit: n, sampling: Sampling::GREEDY, seed: 0 };
        let mut check = |plan| {
            let start = Instant::now();
            let verdict = rastic::check(engine, &claim, plan, &mut |_| {}).map_err(|e| model(&e))?;
            if !verdict.is_valid() {
                return Err(BenchError::Model("its own answer does not hold; please report this".into()));
            }
            Ok(milliseconds(start))
        };
        let spot_ms = check(rastic::Plan::Spot { random: n as u64 / 2 })?;
        return Ok(AnswerRow { tokens: n, generate_ms, spot_ms, full_ms: check(rastic::Plan::Full)? });
    }
    Err(BenchError::Model(format!("no answer of {n} tokens")))
}

fn milliseconds(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1000.0
}
