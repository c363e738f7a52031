//! `camelid bench`.

use super::args::{BenchCommand, BenchEngineArgs, BenchRasticArgs, SubjectArgs};
use super::output::{pairs, printable, table};
use super::{CliError, Context};
use crate::bench::{
    BenchError, EnginePlan, EngineReport, RasticPlan, RasticReport, Row, Subject, engine, kernel, plot, rastic,
    usual_model,
};
use crate::engines::CpuOptions;
use crate::models::{ModelStore, load};
use indicatif::ProgressBar;
use std::sync::Arc;
use std::time::Duration;

pub(super) fn execute(context: &Context, command: BenchCommand) -> Result<(), CliError> {
    match command {
        BenchCommand::Engine(args) => run_engine(context, &args),
        BenchCommand::Rastic(args) => run_rastic(context, &args),
    }
}

fn run_engine(context: &Context, args: &BenchEngineArgs) -> Result<(), CliError> {
    let plan = EnginePlan {
        decode: args.decode.max(1),
        prefill: args.prefill.max(1),
        jobs: args.jobs,
        answer: args.answer.max(1),
    };
    let bar = progress();
    let subject = subject(context, &args.subject, &bar)?;
    let report = engine(&subject, &plan, &|text| bar.set_message(text.to_string()));
    bar.finish_and_clear();
    context.out.value(&report?, engine_report);
    Ok(())
}

fn run_rastic(context: &Context, args: &BenchRasticArgs) -> Result<(), CliError> {
    let bar = progress();
    let subject = subject(context, &args.subject, &bar)?;
    let plan = RasticPlan { tokens: args.tokens.clone(), repeat: args.repeat };
    let report = rastic(&subject, &plan, &|text| bar.set_message(text.to_string()));
    bar.finish_and_clear();
    let report = report?;
    if let Some(file) = &args.plot {
        let drawn = plot(&report).map_err(|e| e.to_string());
        let written = drawn.and_then(|svg| std::fs::write(file, svg).map_err(|e| e.to_string()));
        written.map_err(|reason| BenchError::Plot { file: file.clone(), reason })?;
    }
    context.out.value(&report, rastic_report);
    Ok(())
}

/// On a terminal, what is being measured.
fn progress() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}

fn subject(context: &Context, args: &SubjectArgs, bar: &ProgressBar) -> Result<Subject, CliError> {
    let cpu = CpuOptions {
        kernel: args.kernel.as_deref().map(kernel).transpose()?,
        threads: args.threads.map(|threads| threads.max(1)),
    };
    let package = match &args.model {
        Some(name) => Arc::new(load(&ModelStore::at(context.data_dir.models()).find(name)?)?),
        None => {
            bar.set_message("making a random model in SmolLM2-135M's shape");
            usual_model()?
        }
    };
    Ok(Subject { package, choice: args.engine.clone(), cpu })
}

fn engine_report(r: &EngineReport) -> String {
    let mut lines = vec![
        ("model", format!("{}, {} parameters", printable(&r.model), r.parameters)),
        ("engine", format!("{}, {} threads", r.engine, r.threads)),
        ("memory", format!("{:.1} GB a second", r.memory_bytes_per_second / 1e9)),
        ("decode", format!("{:.1} tokens a second ({} one by one)", r.decode_tokens_per_second, r.decode)),
        ("weights read", format!("at {:.0} % of the memory's speed", r.decode_share_of_memory * 100.0)),
        ("prefill", format!("{:.1} tokens a second ({} at once)", r.prefill_tokens_per_second, r.prefill)),
    ];
    if let Some(b) = &r.batch {
        let (alone, together) = (b.one_by_one_tokens_per_second, b.together_tokens_per_second);
        lines.push(("jobs", format!("{} one after another {alone:.1} tokens a second", b.jobs)));
        lines.push(("", format!("all together {together:.1} tokens a second, {:.2} times as many", b.ratio)));
    }
    pairs(&lines)
}

fn rastic_report(r: &RasticReport) -> String {
    let head = pairs(&[
        ("model", printable(&r.model)),
        ("engine", format!("{}, {} threads", r.engine, r.threads)),
        ("prompt", format!("{} tokens", r.prompt)),
    ]);
    let row = |a: &Row| {
        let ms = |v: f64| format!("{v:.1}");
        let ratio = |v: f64| format!("{v:.3}");
        let full = ratio(a.full_ms / a.generate_ms);
        vec![a.tokens.to_string(), ms(a.generate_ms), ms(a.spot_ms), ms(a.full_ms), full, ratio(a.full_ms / a.spot_ms)]
    };
    let names = [">tokens", ">generate ms", ">spot ms", ">full ms", ">full / generate", ">full / spot"];
    head + "\n" + &table(&names, &r.rows.iter().map(row).collect::<Vec<_>>())
}
