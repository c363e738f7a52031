//! `browser-bench models FOLDER` writes the benchmark's models; `browser-bench measure PACKAGE DECODE PREFILL` measures the
//! native engine on one thread with its fastest kernel, as the browser's module measures itself, and prints JSON.

use anyhow::{Context, bail};
use camelid_browser_tests::{stories, write};
use camelid_core::model::cpu::Kernel;
use camelid_core::model::import::{RandomShape, random_model};
use camelid_core::model::{Cpu, Package};
use camelid_web_worker::bench::measure;
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["models", folder] => models(Path::new(folder)),
        ["measure", package, decode, prefill] => native(package, decode.parse()?, prefill.parse()?),
        _ => bail!("expected: models FOLDER, or measure PACKAGE DECODE PREFILL"),
    }
}

/// Writes the packages that are not there yet.
fn models(folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let large = folder.join("smollm2-135m-shape.camelid");
    if !large.exists() {
        write(&large, &random_model(1, &RandomShape::smollm2_135m())?)?;
    }
    if let Some(package) = stories("bench-wasm: stories260K")? {
        write(&folder.join("stories260k.camelid"), &package)?;
    }
    Ok(())
}

fn native(package: &str, decode: usize, prefill: usize) -> anyhow::Result<()> {
    let bytes = std::fs::read(package).with_context(|| package.to_string())?;
    let mut engine = Cpu::with(Arc::new(Package::parse(bytes)?), Kernel::best(), 1);
    let start = Instant::now();
    let speed = measure(&mut engine, decode, prefill, &|| start.elapsed().as_secs_f64() * 1000.0)?;
    let kernel = engine.kernel().name();
    println!("{}", json!({ "kernel": kernel, "decode": speed.decode, "prefill": speed.prefill }));
    Ok(())
}
