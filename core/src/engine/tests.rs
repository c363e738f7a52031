//! The GPU engine against the reference where random models do not go, and what happens when a device gives out.

use super::*;
use crate::model::Want;
use crate::model::cpu::Kernel;
use crate::model::import::{RandomShape, random_model};
use crate::model::tests::{PACKAGES, parse, saturated, tokens};
use crate::model::{Cpu, Reference};
use crate::units::TokenId;
use alloc::boxed::Box;
use alloc::string::ToString;

/// The device, or a skipped test.
fn device(test: &str) -> Option<Gpu> {
    match wait(Gpu::open(&std::env::var("CAMELID_GPU").unwrap_or_default())) {
        Ok(gpu) => Some(gpu),
        Err(OpenError::None) => {
            camelid_test_support::skipped(test, "no graphics adapter: scripts/setup.sh installs lavapipe");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// All logits of `tokens`, fed in pieces of the given sizes (the last size repeats).
fn logits(engine: &mut dyn Engine, tokens: &[TokenId], pieces: &[usize]) -> Vec<i32> {
    let sequence = engine.open().unwrap();
    let (mut out, mut fed) = (Vec::new(), 0);
    let mut sizes = pieces.iter().copied().chain(core::iter::repeat(*pieces.last().unwrap()));
    while fed < tokens.len() {
        let end = (fed + sizes.next().unwrap()).min(tokens.len());
        let got = engine.forward(&[Feed { sequence, tokens: &tokens[fed..end], want: Want::All }]).unwrap();
        out.extend_from_slice(got[0].values());
        fed = end;
    }
    engine.close(sequence);
    out
}

fn reference(package: &Arc<Package>, tokens: &[TokenId]) -> Vec<i32> {
    logits(&mut Reference::new(package.clone()), tokens, &[tokens.len()])
}

/// The model's logits for a text, in pieces, are the reference's.
fn same(gpu: &Gpu, package: &Arc<Package>, text: &[TokenId], pieces: &[usize]) {
    let got = logits(&mut Wgpu::new(gpu.clone(), package.clone()).unwrap(), text, pieces);
    assert!(got == reference(package, text), "{:?}, {} tokens", package.manifest(), text.len());
}

#[test]
fn tables_at_the_ends_of_their_ranges() {
    let Some(gpu) = device("tables_at_the_ends_of_their_ranges") else { return };
    for package in PACKAGES.iter().take(3).flat_map(|p| saturated(p)) {
        same(&gpu, &package, &tokens(40, 9), &[1, 2, 30]);
    }
}

#[test]
fn wide_rows_wide_heads_and_long_contexts() {
    let Some(gpu) = device("wide_rows_wide_heads_and_long_contexts") else { return };
    let small = RandomShape { dim: 10, layers: 1, heads: 1, kv_heads: 1, head_dim: 2, ..RandomShape::llama() };
    // Rows longer than a lane's run; a head wider than a workgroup; more positions than have their scores held.
    let shapes = [
        (RandomShape { hidden: 70_001, ..small.clone() }, 5),
        (RandomShape { head_dim: 266, context: 300, ..small.clone() }, 150),
        (RandomShape { head_dim: 1024, ..small.clone() }, 9),
        (RandomShape { context: 1_300, heads: 2, ..small }, 1_300),
    ];
    for ((shape, length), seed) in shapes.iter().zip(60..) {
        let package = parse(random_model(seed, shape).unwrap());
        for package in
            [vec![package.clone()], saturated(&package)].concat().into_iter().take(if *length > 200 { 2 } else { 9 })
        {
            same(&gpu, &package, &tokens(*length, seed), &[1, 3, 600]);
        }
    }
}

#[test]
fn a_matrix_in_parts_and_one_too_wide() {
    let Some(gpu) = device("a_matrix_in_parts_and_one_too_wide") else { return };
    let package = parse(random_model(3, &RandomShape { dim: 90, ..RandomShape::llama() }).unwrap());
    let with = |binding: u64| {
        let mut gpu = gpu.clone();
        gpu.binding = binding;
        gpu
    };
    let weights = |binding| Weights::new(&with(binding), &package, 2).map(|w| w.layers[0].qkv.parts.len());
    assert_eq!(weights(1 << 20), Ok(1));
    let error = weights(100).unwrap_err().to_string();
    assert!(error.contains("too wide for this device: 100 bytes in a binding"), "{error}");
    let error = weights(12_000).unwrap_err().to_string();
    assert!(error.contains("the model's tables of"), "{error}");
    for package in PACKAGES.iter().take(3) {
        // The tables are the largest tensor of so small a model.
        let tables = Weights::new(&gpu, package, 2).unwrap().tables.dims()[0] as u64 * 4;
        let mut engine = Wgpu::new(with(tables), package.clone()).unwrap();
        let text = tokens(20, 4);
        assert!(logits(&mut engine, &text, &[1, 9]) == reference(package, &text));
    }
}

#[test]
fn layers_that_do_not_fit_run_on_the_processor() {
    let Some(gpu) = device("layers_that_do_not_fit_run_on_the_processor") else { return };
    for family in [RandomShape::llama(), RandomShape::gpt2()] {
        let package = parse(random_model(5, &RandomShape { layers: 4, ..family }).unwrap());
        let text = tokens(128, 6);
        let expected = reference(&package, &text);
        for layers in 1..4 {
            let mut engine = Offload::new(gpu.clone(), package.clone(), layers).unwrap();
            assert_eq!(engine.layers(), layers);
            assert!(logits(&mut engine, &text, &[1, 70, 3]) == expected);
        }
        let memory = offload::needed(&package, 3);
        assert_eq!([memory - 1, memory].map(|m| offload::fitting(&package, m)), [2, 3]);
        let mut engine = open(gpu.clone(), package.clone(), Some(memory)).unwrap();
        assert!(logits(&mut *engine, &text, &[100, 1]) == expected);
        let error = open(gpu.clone(), package, Some(9)).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("9 bytes of memory hold no layer of this model"), "{error}");
    }
}

#[test]
fn an_answer_goes_on_when_the_device_is_lost() {
    let Some(gpu) = device("an_answer_goes_on_when_the_device_is_lost") else { return };
    for package in PACKAGES.iter().take(2) {
        let text = tokens(60, 8);
        let (a, b) = text.split_at(25);
        let lost = wait(Gpu::open("")).unwrap();
        let engine = Wgpu::new(lost.clone(), package.clone()).unwrap();
        let cpu = package.clone();
        let spare = move |_: &EngineError| Ok(Box::new(Cpu::with(cpu.clone(), Kernel::best(), 1)) as Box<dyn Engine>);
        let mut engine = Fallback::new(Box::new(engine), Box::new(spare));
        let (first, other) = (engine.open().unwrap(), engine.open().unwrap());
        let feed = |sequence, tokens| Feed { sequence, tokens, want: Want::All };
        let mut got = engine.forward(&[feed(first, a), feed(other, b)]).unwrap().remove(0).values().to_vec();
        assert_eq!(engine.lost(), None);
        lost.destroy();
        let after = engine.forward(&[feed(first, b), feed(other, a)]).unwrap();
        assert!(matches!(engine.lost(), Some(EngineError::Device(_))), "{:?}", engine.lost());
        got.extend_from_slice(after[0].values());
        assert!(got == reference(package, &text));
        let swapped = [b, a].concat();
        assert!(after[1].values() == &reference(package, &swapped)[b.len() * 320..]);
        engine.close(first);
        assert_eq!(engine.forward(&[feed(first, a)]), Err(EngineError::UnknownSequence(first)));
    }
    // Without another engine it is an error, again and again.
    let lost = wait(Gpu::open("")).unwrap();
    let mut engine = Wgpu::new(lost.clone(), PACKAGES[0].clone()).unwrap();
    let sequence = engine.open().unwrap();
    lost.destroy();
    for _ in 0..3 {
        let got = engine.forward(&[Feed { sequence, tokens: &[TokenId(1)], want: Want::Last }]);
        assert!(matches!(got, Err(EngineError::Device(_))), "{got:?}");
    }
    // Other devices do not care.
    same(&gpu, &PACKAGES[0], &tokens(9, 1), &[9]);
}

#[test]
fn an_adapter_that_is_not_there() {
    let Some(gpu) = device("an_adapter_that_is_not_there") else { return };
    for wanted in ["abacus", "99"] {
        let error = wait(Gpu::open(wanted)).unwrap_err().to_string();
        assert!(error.starts_with(&alloc::format!("no graphics adapter `{wanted}`: expected a number or a part")));
        assert!(error.contains(&gpu.adapter().name), "{error}");
    }
    let found = wait(adapters());
    assert!(found.contains(gpu.adapter()));
}

#[test]
fn a_refused_batch_changes_nothing() {
    let Some(gpu) = device("a_refused_batch_changes_nothing") else { return };
    let package = &PACKAGES[0];
    let mut engine = Wgpu::new(gpu, package.clone()).unwrap();
    let (a, b) = (engine.open().unwrap(), engine.open().unwrap());
    let text = tokens(128, 5);
    let feed = |sequence, tokens| Feed { sequence, tokens, want: Want::All };
    let first = engine.forward(&[feed(a, &text[..9])]).unwrap();
    let error = engine.forward(&[feed(b, &text[..3]), feed(a, &text[..120])]);
    assert_eq!(error, Err(EngineError::ContextLength { expected: 128, found: 129 }));
    assert!(engine.forward(&[feed(b, &[TokenId(320)])]).is_err());
    let rest = engine.forward(&[feed(a, &text[9..])]).unwrap();
    assert_eq!([first[0].values(), rest[0].values()].concat(), reference(package, &text));
    // Pages come back, and go to another.
    engine.close(a);
    let c = engine.open().unwrap();
    let got = engine.forward(&[feed(c, &text[..70])]).unwrap();
    assert_eq!(got[0].values(), reference(package, &text[..70]));
    assert_eq!(engine.forward(&[feed(a, &text[..1])]), Err(EngineError::UnknownSequence(a)));
}
