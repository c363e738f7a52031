//! `camelid train` and `camelid model bits`.

pub mod args;
#[cfg(feature = "train")]
mod learn;

use crate::cli::output::{pairs, printable};
use crate::cli::{CliError, Context};
use crate::engines::{CpuOptions, EngineChoice};
use crate::models::ModelStore;
use crate::train::{
    BitsReport, Continuation, OPENINGS, SamplePlan, SampleReport, TalesReport, TrainError, bits, continuations,
    read_texts, sample, tell,
};
use args::{BitsArgs, SampleArgs, StoriesArgs, TalesArgs, TrainCommand};
use camelid_core::model::{Engine, Package, Sampling};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::sync::Arc;

pub(super) fn execute(context: &Context, command: TrainCommand) -> Result<(), CliError> {
    match command {
        TrainCommand::Sample(args) => run_sample(context, &args),
        TrainCommand::Stories(args) => stories(context, &args),
        TrainCommand::Tales(args) => tales(context, &args),
        #[cfg(feature = "train")]
        TrainCommand::Tokenizer(args) => learn::tokenizer(context, &args),
        #[cfg(feature = "train")]
        TrainCommand::Run(args) => learn::run(context, &args),
        #[cfg(feature = "train")]
        TrainCommand::Export(args) => learn::export(context, &args),
        #[cfg(not(feature = "train"))]
        _ => Err(TrainError::NotBuilt.into()),
    }
}

/// A model and the processor's engine for it.
fn engine(context: &Context, model: &str, threads: Option<usize>) -> Result<(Arc<Package>, Box<dyn Engine>), CliError> {
    let package = Arc::new(ModelStore::at(context.data_dir.models()).load(model)?);
    let cpu = CpuOptions { kernel: None, threads: threads.map(|n| n.max(1)) };
    let engine = EngineChoice::Cpu.open(package.clone(), cpu).map_err(TrainError::from)?;
    Ok((package, engine))
}

/// A bar with what is done, the whole, and the time left.
fn bar(length: u64, style: &str) -> ProgressBar {
    let bar = ProgressBar::new(length);
    bar.set_style(ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

fn run_sample(context: &Context, args: &SampleArgs) -> Result<(), CliError> {
    let (package, mut engine) = engine(context, &args.model, args.threads)?;
    let plan = SamplePlan {
        out: args.out.clone(),
        bytes: args.size.0,
        seed: args.seed,
        temperatures: args.temperatures.clone(),
        batch: args.batch,
    };
    let bar = bar(plan.bytes, "sampling {wide_bar} {bytes} of {total_bytes}, {eta} left");
    let report = sample(&mut *engine, package.tokenizer(), &plan, &|bytes| bar.set_position(bytes));
    bar.finish_and_clear();
    context.out.value(&report?, |r: &SampleReport| {
        pairs(&[
            ("texts", format!("{}, {} bytes, {} tokens", r.texts, r.bytes, r.tokens)),
            ("left out", format!("{} that did not end or are no text", r.left_out)),
            ("speed", format!("{:.0} tokens a second", r.tokens_per_second)),
            ("file", args.out.display().to_string()),
        ])
    });
    Ok(())
}

fn tales(context: &Context, args: &TalesArgs) -> Result<(), CliError> {
    let report = tell(&args.out, args.seed, args.size.0)?;
    context.out.value(&report, |r: &TalesReport| {
        pairs(&[("tales", format!("{}, {} bytes", r.texts, r.bytes)), ("file", args.out.display().to_string())])
    });
    Ok(())
}

pub(super) fn model_bits(context: &Context, args: &BitsArgs) -> Result<(), CliError> {
    let (package, mut engine) = engine(context, &args.model, args.threads)?;
    let texts = read_texts(&args.text)?;
    let bar = bar(texts.len() as u64, "measuring {wide_bar} {pos} of {len} texts, {eta} left");
    let report = bits(&mut *engine, package.tokenizer(), &texts, &|done| bar.set_position(done));
    bar.finish_and_clear();
    context.out.value(&report?, bits_report);
    Ok(())
}

fn bits_report(r: &BitsReport) -> String {
    pairs(&[
        ("model", printable(&r.model)),
        ("texts", format!("{}, {} bytes, {} tokens", r.texts, r.bytes, r.tokens)),
        ("bits per byte", format!("{:.4}", r.bits_per_byte)),
        ("perplexity", format!("{:.4} a token", r.perplexity)),
        ("speed", format!("{:.0} tokens a second", r.tokens_per_second)),
    ])
}

/// What `train stories` shows.
#[derive(Debug, Serialize)]
struct Stories {
    model: String,
    root: String,
    greedy: Vec<Continuation>,
    sampled: Vec<Continuation>,
    temperature: f64,
    seed: u64,
}

fn stories(context: &Context, args: &StoriesArgs) -> Result<(), CliError> {
    let (package, mut engine) = engine(context, &args.model, None)?;
    let sampling = Sampling::new(args.temperature, 0, 1_000_000)
        .map_err(|e| TrainError::from(camelid_core::model::GenerateError::Limit(e.into())))?;
    let mut continued = |sampling: &Sampling| {
        continuations(&mut *engine, package.tokenizer(), &OPENINGS, sampling, args.seed, args.max_tokens)
    };
    let (greedy, sampled) = (continued(&Sampling::GREEDY)?, continued(&sampling)?);
    let info = package.info();
    let stories = Stories {
        model: info.name,
        root: info.root.to_string(),
        greedy,
        sampled,
        temperature: args.temperature as f64 / 1000.0,
        seed: args.seed,
    };
    context.out.value(&stories, |s| {
        let list = |all: &[Continuation]| -> String {
            let quoted = |c: &Continuation| {
                let whole = format!("**{}**{}", printable(&c.opening), printable(&c.text));
                let lines: Vec<&str> = whole.trim_end().split('\n').collect();
                let end = if c.ended { "" } else { " ..." };
                format!("> {}{end}\n", lines.join("\n>\n> "))
            };
            all.iter().map(quoted).collect::<Vec<_>>().join("\n")
        };
        let (greedy, sampled) = (list(&s.greedy), list(&s.sampled));
        format!("Greedy:\n\n{greedy}\nAt temperature {}, seed {}:\n\n{sampled}", s.temperature, s.seed)
    });
    Ok(())
}
