//! `camelid bench`.

use super::args::{BenchChainArgs, BenchCommand, BenchEngineArgs, BenchRasticArgs, SubjectArgs};
use super::output::{pairs, printable, table};
use super::{CliError, Context};
use crate::bench::{
    BenchError, ChainPlan, ChainReport, EnginePlan, EngineReport, RasticPlan, RasticReport, Row, Subject, chain,
    engine, kernel, plot, rastic, usual_model,
};
use crate::engines::CpuOptions;
use crate::models::ModelStore;
use indicatif::ProgressBar;
use std::sync::Arc;
use std::time::Duration;

pub(super) async fn execute(context: &Context, command: BenchCommand) -> Result<(), CliError> {
    match command {
        BenchCommand::Engine(args) => run_engine(context, &args),
        BenchCommand::Rastic(args) => run_rastic(context, &args),
        BenchCommand::Chain(args) => run_chain(context, &args).await,
    }
}

async fn run_chain(context: &Context, args: &BenchChainArgs) -> Result<(), CliError> {
    let plan = ChainPlan {
        rounds: args.rounds.max(1),
        seconds: args.seconds.clamp(0.0, 60.0),
        headers: args.headers.max(1),
        blocks: args.blocks.max(1),
        transactions: args.transactions.max(1),
        sync_blocks: args.sync_blocks,
    };
    let bar = progress();
    let report = chain(&plan, &|text| bar.set_message(text.to_string())).await;
    bar.finish_and_clear();
    context.out.value(&report?, chain_report);
    Ok(())
}

fn chain_report(r: &ChainReport) -> String {
    let (h, s, c) = (&r.hashes, &r.signatures, &r.connect);
    let rate = |v: f64| if v >= 1e6 { format!("{:.2} million a second", v / 1e6) } else { format!("{v:.0} a second") };
    let known = |v: Option<f64>, show: &dyn Fn(f64) -> String| v.map_or("not known".into(), show);
    let mut lines = vec![
        ("headers hashed", format!("{}, one core", rate(h.double_sha256_per_second))),
        ("", format!("{} without special instructions", rate(h.portable_per_second))),
        ("", format!("{} whole, not from the middle on", rate(h.whole_headers_per_second))),
        ("openssl", known(h.openssl_per_second, &rate)),
        ("", known(h.ratio_to_openssl, &|v| format!("{v:.3} of it reached"))),
        ("signatures", format!("{}, one core", rate(s.node_per_second))),
        ("libsecp256k1", rate(s.libsecp256k1_per_second)),
        ("", format!("{:.3} of it reached", s.ratio_to_libsecp256k1)),
        ("k256", rate(s.k256_per_second)),
        ("headers checked", format!("{}, one core", rate(r.headers.checks_per_second))),
        ("headers taken", format!("{} into memory", rate(r.headers.accepted_in_memory_per_second))),
        ("", format!("{} onto the disk", rate(r.headers.accepted_on_disk_per_second))),
        ("transactions", format!("{} connected, {} cores", rate(c.per_second), r.cores)),
        ("", format!("{} blocks of {} each, {} bytes", c.blocks, c.transactions_per_block, c.block_bytes)),
        ("", known(c.per_processor_second, &|v| format!("{v:.0} a second of a processor's time"))),
        ("", known(c.processors, &|v| format!("{v:.2} processors worked on them"))),
        ("one by one", format!("{}, so {:.2} times as many together", rate(c.one_by_one_per_second), c.speedup)),
    ];
    if let Some(s) = &r.sync {
        let mb = |bytes: u64| format!("{:.1} MB", bytes as f64 / 1e6);
        lines.extend([
            ("sync", format!("{} blocks in {:.1} s, {:.0} a second", s.blocks, s.seconds, s.blocks_per_second)),
            ("", known(s.headers_per_second, &|v| format!("headers at {v:.0} a second"))),
            ("", known(s.processor_seconds, &|v| format!("{v:.1} s of a processor's time"))),
            ("peak memory", s.peak_memory_bytes.map_or("not known".into(), mb)),
            ("disk", format!("{} for {} of blocks", mb(s.disk_bytes), mb(s.chain_bytes))),
        ]);
    }
    pairs(&lines)
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
        Some(name) => Arc::new(ModelStore::at(context.data_dir.models()).load(name)?),
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
