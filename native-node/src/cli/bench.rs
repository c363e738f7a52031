//! `camelid bench`.

use super::args::BenchCommand;
use super::output::{pairs, printable, table};
use super::{CliError, Context};
use crate::bench::{AnswerRow, BenchError, BenchPlan, BenchReport, measure, usual_model};
use crate::models::{ModelStore, load};
use crate::weights::Weights;
use camelid_core::model::Package;
use std::sync::Arc;

pub(super) fn execute(context: &Context, command: BenchCommand) -> Result<(), CliError> {
    let BenchCommand::Engine(args) = command;
    let package = match &args.model {
        Some(name) => load(&ModelStore::at(context.data_dir.models()).find(name)?)?,
        None => {
            context.out.line("making a random model in SmolLM2-135M's shape (some seconds)");
            let bytes = usual_model()?;
            let model = |e: &dyn std::error::Error| BenchError::Model(e.to_string());
            Package::parse(Weights::copy(&bytes).map_err(|e| model(&e))?).map_err(|e| model(&e))?
        }
    };
    let plan = BenchPlan {
        kernel: args.kernel,
        threads: args.threads,
        decode: args.decode.max(1),
        prefill: args.prefill.max(1),
        answers: args.answers,
    };
    context.out.line("measuring; other work on this machine spoils it");
    context.out.value(&measure(&Arc::new(package), &plan)?, report);
    Ok(())
}

fn report(r: &BenchReport) -> String {
    let giga = r.memory_bytes_per_second / 1e9;
    let head = pairs(&[
        ("model", format!("{}, {} parameters", printable(&r.model), r.parameters)),
        ("kernel", format!("{}, {} threads", r.kernel, r.threads)),
        ("memory", format!("{giga:.1} GB a second")),
        ("decode", format!("{:.1} tokens a second", r.decode_tokens_per_second)),
        ("weights read", format!("at {:.0} % of the memory's speed", r.decode_share_of_memory * 100.0)),
        ("prefill", format!("{:.1} tokens a second", r.prefill_tokens_per_second)),
        ("8 together", format!("{:.2} times the tokens a second of one alone", r.batch_ratio)),
    ]);
    let row = |a: &AnswerRow| {
        let ms = |v: f64| format!("{v:.1}");
        let ratio = format!("{:.3}", a.full_ms / a.generate_ms);
        vec![a.tokens.to_string(), ms(a.generate_ms), ms(a.spot_ms), ms(a.full_ms), ratio]
    };
    let names = [">tokens", ">generate ms", ">spot ms", ">full ms", ">full / generate"];
    head + "\n" + &table(&names, &r.rows.iter().map(row).collect::<Vec<_>>())
}
