//! One answer on the GPU too: models and texts of the one generator, odd pieces, batches with strangers; every logit is
//! compared with the reference engine's. `make test-gpu` runs it long (CAMELID_GPU_TOKENS tokens), `make test` short.
#![cfg(all(feature = "burn", feature = "import"))]

use camelid_core::engine::{Gpu, OpenError, Wgpu, wait};
use camelid_core::model::import::{RandomShape, random_model};
use camelid_core::model::{Engine, Feed, Package, Want};
use camelid_core::units::TokenId;
use camelid_test_vectors::{Stream, named_cases, random_case, reference, replay, strangers};
use std::sync::Arc;

/// Tokens where the environment names no number.
const SHORT: usize = 300;

/// The device, or a skipped test.
fn device(test: &str) -> Option<Gpu> {
    let wanted = std::env::var("CAMELID_GPU").unwrap_or_default();
    match wait(Gpu::open(&wanted)) {
        Ok(gpu) => Some(gpu),
        Err(OpenError::None) => {
            camelid_test_support::skipped(test, "no graphics adapter: scripts/setup.sh installs lavapipe");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_gpu_gives_the_same_bits() {
    let Some(gpu) = device("a_gpu_gives_the_same_bits") else { return };
    let goal = std::env::var("CAMELID_GPU_TOKENS").ok().map_or(SHORT, |n| n.parse().expect("a number of tokens"));
    // The short run leaves the chosen models out: a software GPU takes minutes for them.
    let chosen = if goal > SHORT { named_cases() } else { Vec::new() };
    let (mut tokens, mut models) = (0, 0);
    for case in (0..).map(random_case).take(1).chain(chosen).chain((1..).map(random_case)) {
        if tokens >= goal {
            break;
        }
        let mut s = Stream::new(tokens as u64);
        let expected: Vec<_> = case.texts.iter().map(|text| reference(&case.package, text)).collect();
        let mut engine = Wgpu::new(gpu.clone(), case.package.clone()).unwrap();
        let got = replay(&mut engine, &case.texts, &strangers(&case.texts, &mut s)).unwrap();
        assert!(got == expected, "{} differs on model {}", gpu.adapter(), case.name);
        tokens += case.tokens();
        models += 1;
    }
    println!("same bits: {tokens} tokens of {models} models on {}, reference", gpu.adapter());
}

#[test]
fn a_layer_takes_at_most_eight_dispatches() {
    let Some(gpu) = device("a_layer_takes_at_most_eight_dispatches") else { return };
    for family in [RandomShape::llama(), RandomShape::qwen2(), RandomShape::gpt2()] {
        let count = |layers: usize| {
            let package = Package::parse(random_model(1, &RandomShape { layers, ..family.clone() }).unwrap()).unwrap();
            let mut engine = Wgpu::new(gpu.clone(), Arc::new(package)).unwrap();
            let sequence = engine.open().unwrap();
            engine.forward(&[Feed { sequence, tokens: &[TokenId(3)], want: Want::Last }]).unwrap();
            engine.dispatches()
        };
        let (one, three) = (count(1), count(3));
        let layer = (three - one) / 2;
        println!("{:?}: {layer} dispatches a layer, {} beside", family.architecture, one - layer);
        assert!(layer <= 8, "{layer} dispatches a layer");
        assert!(one - layer <= 2);
    }
}
