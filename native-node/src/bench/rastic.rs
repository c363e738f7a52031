//! `camelid bench rastic`: the time to generate an answer against the time to check it (figure 1 of the paper).

use super::{BenchError, PROMPT, Subject};
use camelid_core::model::{Engine, Sampling, generate};
use camelid_core::rastic::{Claim, Plan, check};
use serde::Serialize;
use std::ops::ControlFlow;
use std::time::Instant;

/// What to measure.
#[derive(Clone, Debug)]
pub struct RasticPlan {
    /// Lengths of answers to generate and check.
    pub tokens: Vec<u32>,
    /// How often the short ones are measured, at most; the medians are given.
    pub repeat: usize,
}

/// One length of answer.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
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
pub struct RasticReport {
    /// The model.
    pub model: String,
    /// The engine.
    pub engine: String,
    /// Threads.
    pub threads: usize,
    /// Tokens of the prompt.
    pub prompt: usize,
    /// One a length.
    pub rows: Vec<Row>,
}

/// Rows shorter than this are measured again.
const LONG: f64 = 1_000.0;

/// Measures; says what it is doing.
pub fn rastic(subject: &Subject, plan: &RasticPlan, progress: &dyn Fn(&str)) -> Result<RasticReport, BenchError> {
    subject.takes(PROMPT as u64 + plan.tokens.iter().copied().max().unwrap_or(0) as u64)?;
    let mut open = subject.open()?;
    let engine = &mut *open;
    progress("warming up");
    row(engine, subject, 8)?;
    let mut rows = Vec::new();
    for n in plan.tokens.iter().copied().filter(|n| *n > 0) {
        progress(&format!("answers of {n} tokens"));
        let first = row(engine, subject, n)?;
        let mut all = vec![first];
        while all.len() < plan.repeat && all[0].generate_ms < LONG {
            all.push(row(engine, subject, n)?);
        }
        let middle = |of: fn(&Row) -> f64| median(all.iter().map(of).collect());
        rows.push(Row {
            tokens: n,
            generate_ms: middle(|r| r.generate_ms),
            spot_ms: middle(|r| r.spot_ms),
            full_ms: middle(|r| r.full_ms),
        });
    }
    let (model, engine) = (subject.package.info().name, engine.name());
    Ok(RasticReport { model, engine, threads: subject.threads(), prompt: PROMPT, rows })
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let upper = values.len() / 2;
    let lower = values.len().saturating_sub(1) / 2;
    (values[lower] + values[upper]) / 2.0
}

fn row(engine: &mut dyn Engine, subject: &Subject, n: u32) -> Result<Row, BenchError> {
    // An answer that an end token cuts short is no use; another prompt gives another answer.
    for seed in 0..8 {
        let prompt = subject.text(PROMPT, seed * 1_000);
        let start = Instant::now();
        let answer = generate(engine, &prompt, &Sampling::GREEDY, 0, n, &mut |_| ControlFlow::Continue(()))?;
        let generate_ms = milliseconds(start);
        if answer.tokens.len() as u32 != n {
            continue;
        }
        let claim = Claim { prompt: &prompt, answer: &answer.tokens, limit: n, sampling: Sampling::GREEDY, seed: 0 };
        let mut time = |plan| {
            let start = Instant::now();
            let verdict = check(engine, &claim, plan, &mut |_| {})?;
            match verdict.is_valid() {
                true => Ok(milliseconds(start)),
                false => Err(BenchError::Model("its own answer does not hold; please report this".into())),
            }
        };
        let spot_ms = time(Plan::Spot { random: n as u64 / 2 })?;
        return Ok(Row { tokens: n, generate_ms, spot_ms, full_ms: time(Plan::Full)? });
    }
    Err(BenchError::Model(format!("no prompt gave an answer of {n} tokens")))
}

fn milliseconds(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1000.0
}
