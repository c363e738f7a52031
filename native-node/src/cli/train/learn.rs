//! `camelid train tokenizer`, `run` and `export`.

use super::args::{ExportArgs, TokenizerArgs, TrainRunArgs};
use super::{CliError, Context, bar, bits_report, pairs, printable};
use crate::engines::{CpuOptions, EngineChoice};
use crate::train::learn::{
    Checkpoint, Corpus, Files, ModelShape, Optimiser, Plan, Progress, Run, float_model, grown, learn_tokenizer,
    of_package, package, read_tokenizer, vocabulary, write_tokenizer,
};
use crate::train::{BitsReport, TrainError, bits, read_texts, write_whole};
use burn::tensor::Device;
use camelid_core::model::eval::compare;
use camelid_core::model::package::Head;
use camelid_core::model::tokenizer::TokenizerSpec;
use camelid_core::model::{Package, PackageError};
use serde::Serialize;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

pub(super) fn tokenizer(context: &Context, args: &TokenizerArgs) -> Result<(), CliError> {
    let texts = read_texts(&args.text)?;
    let spec = learn_tokenizer(&texts, args.vocabulary, &args.text)?;
    write_tokenizer(&spec, &args.out)?;
    #[derive(Serialize)]
    struct Report {
        vocabulary: usize,
        file: String,
    }
    let report = Report { vocabulary: vocabulary(&spec), file: args.out.display().to_string() };
    context
        .out
        .value(&report, |r| pairs(&[("vocabulary", format!("{} tokens", r.vocabulary)), ("file", r.file.clone())]));
    Ok(())
}

/// A corpus of a file's texts.
fn corpus(file: &Path, package: &Package, length: usize) -> Result<Corpus, TrainError> {
    let texts = read_texts(file)?;
    let bar = bar(texts.len() as u64, "reading {wide_bar} {pos} of {len} texts, {eta} left");
    let corpus = Corpus::new(&texts, package.tokenizer(), &|done| bar.set_position(done));
    bar.finish_and_clear();
    let corpus = corpus?;
    corpus.check(length, file)?;
    Ok(corpus)
}

/// The package of a run's first weights: its tokenizer, and proof before the training that it can be exported after.
fn first_package(shape: &ModelShape, spec: &TokenizerSpec) -> Result<Package, TrainError> {
    shape.check()?;
    let package = package(shape, &vec![0.5; shape.parameters()], spec, "first", "none")?;
    Ok(Package::parse(package)?)
}

pub(super) fn run(context: &Context, args: &TrainRunArgs) -> Result<(), CliError> {
    let files = Files::at(&args.out);
    let old = match (args.resume, files.checkpoint().exists()) {
        (true, _) => Some(Checkpoint::read(&files.checkpoint())?),
        (false, false) => None,
        (false, true) => {
            let reason = "a run is there: give --resume to go on with it, or name another --out".to_string();
            return Err(TrainError::Checkpoint { file: files.checkpoint(), reason }.into());
        }
    };
    let mut from = args.from.as_deref().map(first_model).transpose()?;
    let spec = match &from {
        Some(from) => from.tokenizer.clone(),
        None => read_tokenizer(args.tokenizer.as_ref().unwrap_or(&files.tokenizer()))?,
    };
    let mut plan = plan(args, old.as_ref().map(|c| &c.plan), &spec);
    if let Some(from) = &mut from {
        plan.shape = ModelShape {
            layers: args.layers.unwrap_or(from.shape.layers),
            hidden: args.hidden.unwrap_or(from.shape.hidden),
            ..from.shape.clone()
        };
        from.weights = grown(&from.shape, &from.weights, &plan.shape, plan.seed)?;
        plan.from = Some(from.root.clone());
    }
    let package = first_package(&plan.shape, &spec)?;
    let length = plan.shape.context;
    let (texts, held_out) = (corpus(&args.text, &package, length)?, corpus(&args.held_out, &package, length)?);
    plan.tokens = texts.tokens();
    plan.corpus = texts.fingerprint(plan.tokens);
    let device = device(&args.device)?;
    std::fs::create_dir_all(files.dir()).map_err(TrainError::io(files.dir()))?;
    let mut run = match old {
        Some(state) => Run::resume(state, plan, &texts, &held_out, device, &files.checkpoint())?,
        None => Run::begin(plan, from.map(|f| f.weights), &texts, &held_out, device)?,
    };
    write_tokenizer(&spec, &files.tokenizer())?;
    let course = &run.state.course;
    context.out.line(&pairs(&[
        ("parameters", run.state.plan.shape.parameters().to_string()),
        ("text", format!("{} tokens, {:.2} bytes a token", texts.tokens(), texts.bytes_per_token())),
        ("steps", format!("{} of {} done", course.step, run.state.plan.steps)),
    ]));
    let until = args.steps_now.map_or(u64::MAX, |n| course.step.saturating_add(n));
    let bar = bar(run.state.plan.steps, "{wide_bar} {pos} of {len} steps, {msg}");
    let mut points = course.points.len();
    let mut last = None;
    let mut told_points = |p: &Progress, at: usize| {
        if at > points {
            points = at;
            // For whoever reads a log: on a terminal the bar shows it.
            let held_out = p.held_out.unwrap_or(f64::NAN);
            context.out.line(&format!(
                "step {}: loss {:.4}, held out {held_out:.4}, {:.0} tokens/s, {} left",
                p.step,
                p.loss,
                p.tokens_per_second,
                time(p.seconds_left)
            ));
        }
    };
    let stop = interrupted();
    let measure_every = run.state.plan.measure_every.max(1);
    let result =
        run.train(until, &files, Duration::from_secs(args.save_every), &|| stop.load(Ordering::Relaxed), &mut |p| {
            bar.set_position(p.step);
            let held_out = p.held_out.map(|h| format!(", held out {h:.4}")).unwrap_or_default();
            bar.set_message(format!(
                "loss {:.4}{held_out}, {:.0} tokens/s, {} left",
                p.loss,
                p.tokens_per_second,
                time(p.seconds_left)
            ));
            if bar.is_hidden() {
                told_points(p, (p.step / measure_every) as usize);
            }
            last = Some(*p);
        });
    bar.finish_and_clear();
    result?;
    #[derive(Serialize)]
    struct Report {
        step: u64,
        steps: u64,
        held_out: Option<f64>,
        held_out_bits_per_byte: Option<f64>,
        tokens_per_second: Option<f64>,
        checkpoint: String,
    }
    let course = &run.state.course;
    let nats = course.points.last().map(|p| p.held_out);
    let report = Report {
        step: course.step,
        steps: run.state.plan.steps,
        held_out: nats,
        held_out_bits_per_byte: nats.map(|n| n / std::f64::consts::LN_2 / held_out.bytes_per_token()),
        tokens_per_second: last.map(|p| p.tokens_per_second),
        checkpoint: files.checkpoint().display().to_string(),
    };
    context.out.value(&report, |r| {
        let number = |v: Option<f64>, digits| v.map_or("not measured".into(), |v| format!("{v:.digits$}"));
        pairs(&[
            ("steps", format!("{} of {} done", r.step, r.steps)),
            ("held out", format!("{} nats a token", number(r.held_out, 4))),
            ("", format!("{} bits per byte, in floats", number(r.held_out_bits_per_byte, 4))),
            ("speed", format!("{} tokens a second", number(r.tokens_per_second, 0))),
            ("checkpoint", r.checkpoint.clone()),
        ])
    });
    Ok(())
}

/// The package that a run begins with.
struct FirstModel {
    root: String,
    shape: ModelShape,
    tokenizer: TokenizerSpec,
    weights: Vec<f32>,
}

fn first_model(file: &Path) -> Result<FirstModel, TrainError> {
    let unreadable = |e: PackageError| {
        let reason = format!("{e}; give a package that `camelid train export` wrote");
        TrainError::Model { name: file.display().to_string(), reason }
    };
    let bytes = std::fs::read(file).map_err(TrainError::io(file))?;
    let tokenizer = Head::parse(&bytes).map_err(unreadable)?.tokenizer;
    let package = Package::parse(bytes).map_err(unreadable)?;
    let (shape, weights) = of_package(&package, &tokenizer)?;
    Ok(FirstModel { root: package.root().to_string(), shape, tokenizer, weights })
}

/// What the options say; where they say nothing, as the run was, or as runs are.
fn plan(args: &TrainRunArgs, old: Option<&Plan>, spec: &TokenizerSpec) -> Plan {
    let shape = old.map(|p| &p.shape);
    let optimiser = old.map_or_else(Optimiser::default, |p| p.optimiser.clone());
    Plan {
        shape: ModelShape {
            dim: args.dim.or(shape.map(|s| s.dim)).unwrap_or(128),
            layers: args.layers.or(shape.map(|s| s.layers)).unwrap_or(5),
            heads: args.heads.or(shape.map(|s| s.heads)).unwrap_or(4),
            kv_heads: args.kv_heads.or(shape.map(|s| s.kv_heads)).unwrap_or(2),
            hidden: args.hidden.or(shape.map(|s| s.hidden)).unwrap_or(384),
            vocabulary: vocabulary(spec),
            context: args.context.or(shape.map(|s| s.context)).unwrap_or(320),
        },
        corpus: String::new(),
        tokens: 0,
        from: old.and_then(|p| p.from.clone()),
        seed: args.seed.or(old.map(|p| p.seed)).unwrap_or(1),
        steps: args.steps.or(old.map(|p| p.steps)).unwrap_or(16_000),
        batch: args.batch.or(old.map(|p| p.batch)).unwrap_or(8),
        part: args.part.or(old.map(|p| p.part)).unwrap_or(4),
        optimiser: Optimiser {
            rate: args.rate.unwrap_or(optimiser.rate),
            warm_up: args.warm_up.unwrap_or(optimiser.warm_up),
            decay: args.decay.unwrap_or(optimiser.decay),
            clip: args.clip.unwrap_or(optimiser.clip),
            ..optimiser
        },
        measure_every: args.measure_every.or(old.map(|p| p.measure_every)).unwrap_or(100),
    }
}

fn device(name: &str) -> Result<Device, TrainError> {
    match name {
        #[cfg(feature = "wgpu")]
        "wgpu" => Ok(Device::wgpu(burn::tensor::DeviceKind::DefaultDevice)),
        #[cfg(not(feature = "wgpu"))]
        "wgpu" => Err(TrainError::Setting {
            name: "--device",
            found: name.into(),
            expected: "cpu: this camelid is built without the feature `wgpu`".into(),
        }),
        _ => Ok(Device::flex()),
    }
}

/// Becomes true with Ctrl-C. A second one ends the program at once.
fn interrupted() -> Arc<AtomicBool> {
    let flag = Arc::new(AtomicBool::new(false));
    let set = flag.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            set.store(true, Ordering::Relaxed);
        }
        if tokio::signal::ctrl_c().await.is_ok() {
            std::process::exit(130);
        }
    });
    flag
}

fn time(seconds: f64) -> String {
    let minutes = (seconds / 60.0).round() as u64;
    format!("{} h {:02} min", minutes / 60, minutes % 60)
}

/// Held-out texts on which the integers are compared with the floats.
const COMPARED: usize = 50;

pub(super) fn export(context: &Context, args: &ExportArgs) -> Result<(), CliError> {
    let files = Files::at(&args.run);
    let state = Checkpoint::read(&files.checkpoint())?;
    let spec = read_tokenizer(&files.tokenizer())?;
    if vocabulary(&spec) != state.plan.shape.vocabulary {
        let found = format!("it has {} tokens, {} expected: ", vocabulary(&spec), state.plan.shape.vocabulary);
        let reason = found + "it is not the run's tokenizer";
        return Err(TrainError::Tokenizer { file: files.tokenizer(), reason }.into());
    }
    let texts = read_texts(&args.held_out)?;
    let bytes = package(&state.plan.shape, &state.weights, &spec, &args.name, &args.licence)?;
    let package = Arc::new(Package::parse(bytes).map_err(TrainError::from)?);
    let mut engine = EngineChoice::Cpu.open(package.clone(), CpuOptions::default()).map_err(TrainError::from)?;
    let bar = bar(texts.len() as u64, "measuring {wide_bar} {pos} of {len} texts, {eta} left");
    let measured = bits(&mut *engine, package.tokenizer(), &texts, &|done| bar.set_position(done));
    bar.finish_and_clear();
    let measured = measured?;
    let sequences: Result<Vec<_>, _> = texts.iter().take(COMPARED).map(|t| package.tokenizer().prompt(t)).collect();
    let sequences = sequences.map_err(TrainError::from)?;
    let float = float_model(&state.plan.shape, &state.weights)?;
    let compared = compare(&float, &mut *engine, &sequences).map_err(TrainError::from)?;
    write_whole(&args.out, package.bytes())?;
    #[derive(Serialize)]
    struct Report {
        root: String,
        package_bytes: u64,
        parameters: u64,
        steps: u64,
        file: String,
        /// Perplexity of the integers over the floats', less one.
        excess: f64,
        #[serde(flatten)]
        measured: BitsReport,
    }
    let info = package.info();
    let report = Report {
        root: info.root.to_string(),
        package_bytes: info.package_len,
        parameters: info.parameters,
        steps: state.course.step,
        file: args.out.display().to_string(),
        excess: compared.excess(),
        measured,
    };
    context.out.value(&report, |r| {
        let head = pairs(&[
            ("root", r.root.clone()),
            ("parameters", r.parameters.to_string()),
            ("package", format!("{} bytes", r.package_bytes)),
            ("trained", format!("{} steps", r.steps)),
            ("file", printable(&r.file)),
            ("integers", format!("{:+.3} % perplexity over the floats they are rounded from", r.excess * 100.0)),
        ]);
        head + &bits_report(&r.measured)
    });
    Ok(())
}
