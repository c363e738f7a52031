//! The engine on graphics processors, with the CPU engine behind it: opened, tried against the CPU engine's bits, and
//! given up when its device is lost.

use super::CpuOptions;
use camelid_core::engine::{self, Fallback, Gpu};
use camelid_core::model::{Engine, EngineError, Feed, Package, Want};
use camelid_core::units::TokenId;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Tokens of the trial: a prefill of most, the rest one by one.
const TRIAL: usize = 40;
/// Those one by one.
const STEPS: usize = 8;

/// The engine on the adapter that `wanted` names (the first, where it is empty), with at most `memory` bytes there.
/// Its first tokens are compared with the CPU engine's: a driver that computes other bits is refused.
pub(super) fn open(
    package: &Arc<Package>,
    cpu: CpuOptions,
    wanted: &str,
    memory: Option<u64>,
) -> Result<Box<dyn Engine>, EngineError> {
    let mut engine = alone(package, wanted, memory)?;
    let (expected, _) = trial(&mut cpu.open(package.clone()))?;
    let (found, _) = trial(&mut *engine)?;
    compare(&*engine, &expected, &found)?;
    Ok(guarded(engine, package, cpu))
}

/// The fastest engine of this machine: the CPU's, unless a hardware adapter decodes faster. What is amiss with an adapter
/// is told and costs nothing but speed.
pub(super) fn fastest(package: &Arc<Package>, cpu: CpuOptions) -> Box<dyn Engine> {
    let mut own = cpu.open(package.clone());
    // An adapter that is a program on the same processor cannot be faster.
    if engine::wait(engine::adapters()).first().is_none_or(|adapter| adapter.software) {
        return Box::new(own);
    }
    let mut measured = || -> Result<Option<Box<dyn Engine>>, EngineError> {
        let mut engine = alone(package, "", None)?;
        let better = faster(&mut *engine, &mut own)?;
        Ok(better.then(|| guarded(engine, package, cpu)))
    };
    match measured() {
        Ok(Some(engine)) => engine,
        Ok(None) => Box::new(own),
        Err(error) => {
            tracing::warn!(%error, "the graphics adapter is not used");
            Box::new(cpu.open(package.clone()))
        }
    }
}

fn alone(package: &Arc<Package>, wanted: &str, memory: Option<u64>) -> Result<Box<dyn Engine>, EngineError> {
    let gpu = engine::wait(Gpu::open(wanted))?;
    engine::open(gpu, package.clone(), memory)
}

/// The CPU engine goes on when the device is lost.
fn guarded(engine: Box<dyn Engine>, package: &Arc<Package>, cpu: CpuOptions) -> Box<dyn Engine> {
    let package = package.clone();
    let spare = move |error: &EngineError| {
        tracing::warn!(%error, "the CPU engine goes on");
        Ok(Box::new(cpu.open(package.clone())) as Box<dyn Engine>)
    };
    Box::new(Fallback::new(engine, Box::new(spare)))
}

/// The logits of some tokens, and how long they took: the prefill and each step.
fn trial(engine: &mut dyn Engine) -> Result<(Vec<i32>, Duration), EngineError> {
    let info = engine.info();
    let n = TRIAL.min(info.context as usize);
    let (first, steps) = (n.saturating_sub(STEPS).max(1), n);
    let vocabulary = info.vocabulary;
    let tokens: Vec<_> = (0..n as u32).map(|i| TokenId(i.wrapping_mul(2_654_435_761) % vocabulary)).collect();
    let sequence = engine.open()?;
    let start = Instant::now();
    let mut logits = Vec::new();
    let pieces = [&tokens[..first]].into_iter().chain(tokens[first..steps].chunks(1));
    for tokens in pieces {
        let got = engine.forward(&[Feed { sequence, tokens, want: Want::Last }])?;
        logits.extend(got.iter().flat_map(|l| l.values().to_vec()));
    }
    let took = start.elapsed();
    engine.close(sequence);
    Ok((logits, took))
}

fn compare(engine: &dyn Engine, expected: &[i32], found: &[i32]) -> Result<(), EngineError> {
    if expected == found {
        return Ok(());
    }
    let differ = expected.iter().zip(found).filter(|(a, b)| a != b).count();
    Err(EngineError::Device(format!(
        "{} computes other bits than the processor ({differ} of {} logits): its driver is at fault; use the engine `cpu`",
        engine.name(),
        expected.len()
    )))
}

/// Whether `engine` takes less time than `own` for a prefill and some steps; an error if it computes other bits.
fn faster(engine: &mut dyn Engine, own: &mut dyn Engine) -> Result<bool, EngineError> {
    // Once to compile the kernels and to warm up.
    let (expected, _) = trial(own)?;
    let (found, _) = trial(engine)?;
    compare(engine, &expected, &found)?;
    let ((_, mine), (_, its)) = (trial(own)?, trial(engine)?);
    tracing::info!(engine = engine.name(), ?its, own = own.name(), ?mine, "measured");
    Ok(its < mine)
}

/// Whether the adapter is there.
pub(super) fn check(wanted: &str) -> Result<(), EngineError> {
    engine::wait(Gpu::open(wanted))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use camelid_core::engine::{OpenError, Wgpu};
    use camelid_core::model::import::{RandomShape, random_model};
    use camelid_core::model::{Reference, Sampling, generate};
    use std::ops::ControlFlow;

    fn device(test: &str) -> Option<Gpu> {
        match engine::wait(Gpu::open(&std::env::var("CAMELID_GPU").unwrap_or_default())) {
            Ok(gpu) => Some(gpu),
            Err(OpenError::None) => {
                camelid_test_support::skipped(test, "no graphics adapter: scripts/setup.sh installs lavapipe");
                None
            }
            Err(error) => panic!("{error}"),
        }
    }

    fn package(seed: u64) -> Arc<Package> {
        Arc::new(Package::parse(random_model(seed, &RandomShape::llama()).unwrap()).unwrap())
    }

    #[test]
    fn an_answer_survives_the_loss_of_its_device() {
        let Some(gpu) = device("an_answer_survives_the_loss_of_its_device") else { return };
        let package = package(1);
        let prompt: Vec<_> = (2..12).map(TokenId).collect();
        let sampling = Sampling { temperature: 900, top_k: 50, top_p: 980_000 };
        let mut reference = Reference::new(package.clone());
        let mut long = |seed| {
            let whole = generate(&mut reference, &prompt, &sampling, seed, 40, &mut |_| ControlFlow::Continue(()));
            let whole = whole.unwrap();
            (whole.tokens.len() == 40).then_some((seed, whole))
        };
        // An answer that an end token cuts short would end before the device does.
        let (seed, expected) = (0..).find_map(&mut long).unwrap();
        let engine = Box::new(Wgpu::new(gpu.clone(), package.clone()).unwrap());
        let mut engine = guarded(engine, &package, CpuOptions::default());
        let mut drawn = 0;
        let mut lose = |_| {
            drawn += 1;
            if drawn == 15 {
                gpu.destroy();
            }
            ControlFlow::Continue(())
        };
        let answer = generate(&mut *engine, &prompt, &sampling, seed, 40, &mut lose).unwrap();
        assert_eq!(answer, expected);
        assert!(engine.name().starts_with("cpu"), "{}", engine.name());
    }

    #[test]
    fn engines_are_measured_and_other_bits_refused() {
        let Some(gpu) = device("engines_are_measured_and_other_bits_refused") else { return };
        let (one, other) = (package(1), package(2));
        let mut engine = Wgpu::new(gpu, one.clone()).unwrap();
        // Which is faster depends on the machine.
        assert!(faster(&mut engine, &mut Reference::new(one.clone())).is_ok());
        let error = faster(&mut engine, &mut Reference::new(other)).unwrap_err().to_string();
        assert!(error.contains("computes other bits than the processor"), "{error}");
        assert_eq!(fastest(&one, CpuOptions::default()).info(), engine.info());
        assert!(open(&one, CpuOptions::default(), "", None).is_ok());
        let error = check("abacus").unwrap_err().to_string();
        assert!(error.contains("no graphics adapter `abacus`"), "{error}");
    }
}
