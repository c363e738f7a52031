//! `camelid model`.

use super::args::{EvalArgs, ImportArgs, ModelCommand};
use super::output::{pairs, printable, short, table};
use super::{CliError, Context};
use crate::api::types::ModelView;
use crate::eval::{Eval, EvalError, EvalReport};
use crate::models::{Import, ModelStore, Place, Stored, reference};
use camelid_core::model::import::Progress;
use indicatif::{ProgressBar, ProgressStyle};
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

pub(super) async fn execute(context: &Context, command: ModelCommand) -> Result<(), CliError> {
    let store = ModelStore::at(context.data_dir.models());
    match command {
        ModelCommand::Import(args) => {
            let named = args.out.is_some();
            let stored = import(context, store, args).await?;
            context.out.value(&ModelView::from(&stored), |m| {
                let file = stored.place.to_string();
                let model = if !named {
                    stored.place.name().unwrap_or_default().into()
                } else if file.contains('/') {
                    file
                } else {
                    format!("./{file}")
                };
                format!("{}\ncompute it for others with: camelid node run --compute {model}", info(m))
            });
        }
        ModelCommand::Eval(args) => {
            let report = tokio::task::block_in_place(|| eval(&store, &args))?;
            context.out.value(&report, eval_report);
        }
        ModelCommand::Info { model } => {
            let place = store.find(&model)?;
            let stored = Stored { info: place.load()?.info(), place };
            context.out.value(&ModelView::from(&stored), info);
        }
        ModelCommand::Bits(args) => super::train::model_bits(context, &args)?,
        ModelCommand::List => {
            context.out.value(&context.client()?.get::<Vec<ModelView>>("/v1/models").await?, |m| list(m));
        }
    }
    Ok(())
}

/// Imports with a progress bar. Ctrl-C stops it and leaves nothing behind.
async fn import(context: &Context, store: ModelStore, args: ImportArgs) -> Result<Stored, CliError> {
    if args.out.is_none() {
        context.data_dir.prepare(context.network)?;
    }
    let import =
        Import { path: args.path, tokenizer: args.tokenizer, name: args.name, licence: args.licence, out: args.out };
    let stop = Arc::new(AtomicBool::new(false));
    let asked = stop.clone();
    let waiter = tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            asked.store(true, Ordering::Relaxed);
        }
    });
    let bar = progress("importing", 0);
    let (shown, mut last) = (bar.clone(), Instant::now());
    let mut tell = move |p: Progress| {
        // A row takes microseconds: the bar need not know of each.
        if last.elapsed() > Duration::from_millis(100) {
            last = Instant::now();
            shown.set_length(p.total);
            shown.set_position(p.done);
        }
        if stop.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let stored = tokio::task::block_in_place(|| store.import(&import, &mut tell));
    waiter.abort();
    bar.finish_and_clear();
    Ok(stored?)
}

/// On a terminal, how far it is.
fn progress(what: &'static str, total: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix} {bar:40} {percent:>3} %, {eta} left");
    let bar = ProgressBar::new(total).with_prefix(what);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn eval(store: &ModelStore, args: &EvalArgs) -> Result<EvalReport, CliError> {
    let io = |file: &Path, source| EvalError::Io { file: file.into(), source };
    let bytes = fs::read(&args.text).map_err(|e| io(&args.text, e))?;
    let text = String::from_utf8_lossy(&bytes);
    let package = store.load(&args.model)?;
    let source = reference(&args.reference)?;
    let mut eval = Eval::new(package, &*source, args.reference.clone(), &args.engine)?;
    let mut texts = eval.texts(&text, args.length)?;
    texts.truncate(args.texts.unwrap_or(usize::MAX));
    let tokens: usize = texts.iter().map(|text| text.len().saturating_sub(1)).sum();
    if tokens == 0 {
        let tokens = texts.iter().map(Vec::len).sum();
        return Err(EvalError::TooShort { file: args.text.clone(), tokens }.into());
    }
    let mut list = match &args.predictions {
        Some(file) => Some((file, BufWriter::new(File::create(file).map_err(|e| io(file, e))?))),
        None => None,
    };
    let mut written = Ok(());
    let bar = progress("comparing", tokens as u64);
    let report = eval.run(&texts, &mut |text, p| {
        bar.inc(1);
        if let Some((_, out)) = &mut list
            && written.is_ok()
        {
            let (follows, ours, exact) = (p.follows.0, p.integer_top.0, p.float_top.0);
            written = writeln!(out, "{text}\t{follows}\t{ours}\t{}\t{exact}\t{}", p.integer, p.float);
        }
    });
    bar.finish_and_clear();
    if let Some((file, mut out)) = list {
        written.and_then(|()| out.flush()).map_err(|e| io(file, e))?;
    }
    Ok(report?)
}

fn eval_report(r: &EvalReport) -> String {
    let row = vec![
        printable(&r.model),
        r.tokens.to_string(),
        format!("{:.4}", r.perplexity),
        format!("{:.4}", r.perplexity_f32),
        format!("{:+.3} %", r.excess * 100.0),
        format!("{:.2} %", r.top1_agreement * 100.0),
        format!("{:.0}", r.tokens_per_second),
    ];
    let names = ["model", ">tokens", ">perplexity", ">in f32", ">more", ">same top", ">tokens a second"];
    table(&names, &[row])
}

impl From<&Stored> for ModelView {
    fn from(stored: &Stored) -> Self {
        let info = &stored.info;
        ModelView {
            name: info.name.clone(),
            root: info.root.to_string(),
            architecture: format!("{:?}", info.architecture).to_lowercase(),
            parameters: info.parameters,
            context: info.context,
            vocabulary: info.vocabulary,
            package_bytes: info.package_len,
            licence: info.licence.clone(),
            file: stored.place.file().map(|file| file.display().to_string()),
            in_program: stored.place == Place::Program,
            computes: false,
        }
    }
}

fn info(m: &ModelView) -> String {
    pairs(&[
        ("model", printable(&m.name)),
        ("root", m.root.clone()),
        ("architecture", m.architecture.clone()),
        ("parameters", m.parameters.to_string()),
        ("context", format!("{} tokens", m.context)),
        ("vocabulary", format!("{} tokens", m.vocabulary)),
        ("licence", printable(&m.licence)),
        ("package", format!("{} bytes", m.package_bytes)),
        ("file", m.file.clone().unwrap_or_else(|| where_without_file(m).into())),
    ])
}

fn where_without_file(m: &ModelView) -> &'static str {
    if m.in_program { "in the program" } else { "not on this machine" }
}

fn list(models: &[ModelView]) -> String {
    let row = |m: &ModelView| {
        let here = match (m.computes, &m.file) {
            (true, _) => "computed here",
            (false, Some(_)) => "here",
            (false, None) => where_without_file(m),
        };
        let size = format!("{:.1} MB", m.package_bytes as f64 / 1e6);
        vec![printable(&m.name), short(&m.root), m.parameters.to_string(), m.context.to_string(), size, here.into()]
    };
    table(
        &["model", "root", ">parameters", ">context", ">package", "where"],
        &models.iter().map(row).collect::<Vec<_>>(),
    )
}
