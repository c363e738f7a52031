//! One answer on the GPU too: random models and texts, odd pieces, batches with strangers; every logit is compared with
//! the reference engine's. `make test-gpu` runs it long (CAMELID_GPU_TOKENS tokens), `make test` short.
#![cfg(all(feature = "burn", feature = "import"))]

use camelid_core::engine::{Gpu, OpenError, Wgpu, wait};
use camelid_core::model::import::{RandomShape, random_model};
use camelid_core::model::sampling::random;
use camelid_core::model::{Engine, Feed, Package, Reference, SequenceId, Want};
use camelid_core::units::TokenId;
use std::sync::Arc;

/// Tokens where the environment names no number.
const SHORT: usize = 300;

/// A stream of random numbers.
struct Stream(u64, u32);

impl Stream {
    fn below(&mut self, n: usize) -> usize {
        self.1 += 1;
        (random(self.0, self.1) % n as u64) as usize
    }
}

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

/// A model of any family, with widths that are no multiples of anything.
fn shape(s: &mut Stream, model: u64) -> RandomShape {
    let family = [RandomShape::llama(), RandomShape::qwen2(), RandomShape::gpt2()][model as usize % 3].clone();
    let kv_heads = 1 + s.below(4);
    let group = if family == RandomShape::gpt2() { 1 } else { 1 + s.below(3) };
    RandomShape {
        dim: 8 + s.below(150),
        layers: 1 + s.below(3),
        heads: kv_heads * group,
        kv_heads,
        head_dim: 2 + 2 * s.below(40),
        hidden: 1 + s.below(400),
        vocabulary: 258 + s.below(300),
        context: 400,
        ..family
    }
}

/// All logits of each text, all texts in one engine, each in pieces and joining at its own time.
fn logits(engine: &mut dyn Engine, texts: &[Vec<TokenId>], s: &mut Stream) -> Vec<Vec<i32>> {
    let mut out = vec![Vec::new(); texts.len()];
    let mut open: Vec<(SequenceId, usize)> = texts.iter().map(|_| (engine.open().unwrap(), 0)).collect();
    while open.iter().zip(texts).any(|((_, fed), text)| *fed < text.len()) {
        let longest = [1, 1, 3, 20, 150][s.below(5)];
        let mut feeds = Vec::new();
        let mut whose = Vec::new();
        for (i, ((sequence, fed), text)) in open.iter_mut().zip(texts).enumerate() {
            if *fed < text.len() && s.below(4) > 0 {
                let end = text.len().min(*fed + 1 + s.below(longest));
                feeds.push(Feed { sequence: *sequence, tokens: &text[*fed..end], want: Want::All });
                whose.push(i);
                *fed = end;
            }
        }
        for (i, rows) in whose.into_iter().zip(engine.forward(&feeds).unwrap()) {
            out[i].extend_from_slice(rows.values());
        }
    }
    open.into_iter().for_each(|(sequence, _)| engine.close(sequence));
    out
}

#[test]
fn a_gpu_gives_the_same_bits() {
    let Some(gpu) = device("a_gpu_gives_the_same_bits") else { return };
    let goal = std::env::var("CAMELID_GPU_TOKENS").ok().map_or(SHORT, |n| n.parse().expect("a number of tokens"));
    let (mut tokens, mut models) = (0, 0);
    while tokens < goal {
        let mut s = Stream(0x96b1, models << 16);
        let shape = shape(&mut s, models as u64);
        let package = Arc::new(Package::parse(random_model(models as u64, &shape).unwrap()).unwrap());
        let mut text = |n: usize| (0..n).map(|_| TokenId(s.below(shape.vocabulary) as u32)).collect::<Vec<_>>();
        let lengths = if goal > SHORT { [380, 97, 16, 1] } else { [70, 21, 8, 1] };
        let texts: Vec<Vec<TokenId>> = lengths.map(&mut text).into();
        let mut reference = Reference::new(package.clone());
        let expected: Vec<Vec<i32>> = texts
            .iter()
            .map(|tokens| {
                let sequence = reference.open().unwrap();
                reference.forward(&[Feed { sequence, tokens, want: Want::All }]).unwrap()[0].values().to_vec()
            })
            .collect();
        let mut engine = Wgpu::new(gpu.clone(), package).unwrap();
        let got = logits(&mut engine, &texts, &mut s);
        assert!(got == expected, "{} differs on model {models}: {shape:?}", gpu.adapter());
        tokens += texts.iter().map(Vec::len).sum::<usize>();
        models += 1;
    }
    println!("same bits: {tokens} tokens of {models} random models on {}, reference", gpu.adapter());
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
