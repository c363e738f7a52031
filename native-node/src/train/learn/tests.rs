//! Tiny trainings, from texts to a package.

use super::draws::Draws;
use super::*;
use burn::tensor::Device;
use camelid_core::model::eval::{FloatModel, compare};
use camelid_core::model::import::{Field, RandomShape, random_model};
use camelid_core::model::package::Head;
use camelid_core::model::tokenizer::TokenizerSpec;
use camelid_core::model::{Package, Reference};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Makes a plan another.
type Change<'a> = &'a dyn Fn(&mut Plan);

/// Made-up texts with a little structure to learn.
pub(super) fn texts(number: usize, seed: u64) -> Vec<String> {
    let mut draws = Draws::new(seed);
    let mut one = |words: &[&str]| words[draws.below(words.len())].to_string();
    let mut text = || {
        let name = one(&["Tom", "Lily", "Ben", "Sara"]);
        let thing = one(&["ball", "cake", "kite", "dog", "book"]);
        let place = one(&["park", "garden", "house"]);
        let first = format!("One day, {name} went to the {place} with a {thing}.");
        let second = format!("\"I like my {thing}!\" said {name}.");
        format!("{first} {second}\nThe {place} was {}.", one(&["big", "warm", "far away"]))
    };
    (0..number).map(|_| text()).collect()
}

const TEXT: &str = "texts";

fn spec(vocabulary: usize) -> TokenizerSpec {
    learn_tokenizer(&texts(200, 1), vocabulary, Path::new(TEXT)).unwrap()
}

fn plan(steps: u64) -> Plan {
    Plan {
        shape: ModelShape { dim: 24, layers: 2, heads: 4, kv_heads: 2, hidden: 40, vocabulary: 320, context: 72 },
        corpus: String::new(),
        tokens: 0,
        from: None,
        seed: 7,
        steps,
        batch: 6,
        part: 4,
        optimiser: Optimiser { rate: 1e-2, warm_up: 5, ..Optimiser::default() },
        measure_every: 4,
    }
}

struct World {
    spec: TokenizerSpec,
    package: Package,
    learned_from: Corpus,
    held_out: Corpus,
}

fn world() -> World {
    let spec = spec(320);
    let shape = plan(1).shape;
    let package = package(&shape, &vec![0.5; shape.parameters()], &spec, "first", "none").unwrap();
    let package = Package::parse(package).unwrap();
    let corpus = |number, seed| Corpus::new(&texts(number, seed), package.tokenizer(), &|_| ()).unwrap();
    let (learned_from, held_out) = (corpus(200, 1), corpus(20, 2));
    World { spec, package, learned_from, held_out }
}

impl World {
    fn plan(&self, steps: u64) -> Plan {
        let tokens = self.learned_from.tokens();
        Plan { corpus: self.learned_from.fingerprint(tokens), tokens, ..plan(steps) }
    }

    fn begin(&self, steps: u64) -> Run<'_> {
        Run::begin(self.plan(steps), None, &self.learned_from, &self.held_out, Device::flex()).unwrap()
    }
}

fn train(run: &mut Run<'_>, until: u64, dir: &Path) {
    run.train(until, &Files::at(dir), Duration::MAX, &|| false, &mut |_| ()).unwrap();
}

#[test]
fn the_loss_falls_and_the_integers_follow_the_floats() {
    let world = world();
    let dir = tempfile::tempdir().unwrap();
    let mut run = world.begin(120);
    train(&mut run, u64::MAX, dir.path());
    let points = &run.state.course.points;
    let (first, last) = (points[0], points[points.len() - 1]);
    // Even odds are 5.77 nats a token.
    assert!(first.held_out > 4.0 && last.held_out < 1.2, "{points:?}");
    assert!(std::fs::read_to_string(dir.path().join("loss.svg")).unwrap().contains("<svg"));

    let state = &run.state;
    let bytes = package(&state.plan.shape, &state.weights, &world.spec, "tiny", "CC0-1.0").unwrap();
    let integers = Arc::new(Package::parse(bytes).unwrap());
    crate::train::sample::tests::cut_off_and_gone_on(integers.clone());
    let float = FloatModel::new(&weights::source(&state.plan.shape, &state.weights, "tiny", "CC0-1.0")).unwrap();
    let sequences: Vec<_> = texts(20, 3).iter().map(|text| integers.tokenizer().prompt(text).unwrap()).collect();
    let c = compare(&float, &mut Reference::new(integers.clone()), &sequences).unwrap();
    assert!(c.same_top >= 0.97 && c.excess().abs() <= 0.01, "{c:?}");
    // Burn's float pass is the same model as the importers' float pass.
    let batch = world.held_out.first(1, 72);
    let mut passed = float.start();
    let mut loss = 0.0;
    for (input, target) in batch.inputs.iter().zip(&batch.targets) {
        let logits = float.forward(&mut passed, *input as usize);
        let total: f64 = logits.iter().map(|l| (*l as f64).exp()).sum();
        loss += total.ln() - logits[*target as usize] as f64;
    }
    let network = Network::new(&state.plan.shape, Device::flex());
    assert!((network.measure(&state.weights, &batch) - loss / 72.0).abs() < 1e-4);
}

#[test]
fn a_run_begins_with_a_packages_weights() {
    let world = world();
    let dir = tempfile::tempdir().unwrap();
    let mut run = world.begin(60);
    train(&mut run, u64::MAX, dir.path());
    let (shape, trained) = (run.state.plan.shape.clone(), &run.state.weights);
    let packed = |weights: &[f32]| {
        let bytes = package(&shape, weights, &world.spec, "tiny", "CC0-1.0").unwrap();
        Package::parse(bytes).unwrap()
    };
    let model = packed(trained);
    let (found, weights) = of_package(&model, &world.spec).unwrap();
    assert_eq!((&found, weights.len()), (&shape, trained.len()));
    // No weight is further from what was trained than half a step of its row.
    for place in shape.places() {
        for (row, was) in trained[place.range()].chunks(place.columns).enumerate() {
            let now = &weights[place.start + row * place.columns..][..place.columns];
            let half = was.iter().fold(0.0f32, |m, w| m.max(w.abs())) / 127.0 * 0.5001;
            assert!(was.iter().zip(now).all(|(a, b)| (a - b).abs() <= half), "{:?} {row}", place.tensor);
        }
    }
    // Packed again they are the same model, but for queries' scales in their last bit.
    let again = packed(&weights);
    assert_eq!(again.embedding().weights, model.embedding().weights);
    for (a, b) in again.layers().zip(model.layers()) {
        assert_eq!((a.qkv.weights, a.up.weights, a.down.mantissas), (b.qkv.weights, b.up.weights, b.down.mantissas));
        assert_eq!((a.attention_norm, a.output.weights), (b.attention_norm, b.output.weights));
    }

    let plan = Plan { from: Some(model.root().to_string()), ..world.plan(4) };
    let mut next = Run::begin(plan, Some(weights), &world.learned_from, &world.held_out, Device::flex()).unwrap();
    train(&mut next, u64::MAX, dir.path());
    let (before, after) = (run.state.course.points.last().unwrap(), next.state.course.points.last().unwrap());
    assert!(after.held_out < before.held_out + 0.5, "{before:?} {after:?}");

    // Larger, it says the same at first, and learns.
    let larger = ModelShape { layers: shape.layers + 1, hidden: shape.hidden + 24, ..shape.clone() };
    let weights = grown(&shape, trained, &larger, 3).unwrap();
    assert_eq!(weights.len(), larger.parameters());
    let batch = world.held_out.first(4, shape.context);
    let measured = |shape: &ModelShape, weights: &[f32]| Network::new(shape, Device::flex()).measure(weights, &batch);
    let (was, is) = (measured(&shape, trained), measured(&larger, &weights));
    assert!((was - is).abs() < 1e-5, "{was} {is}");
    let mut gradient = vec![0.0; weights.len()];
    Network::new(&larger, Device::flex()).learn(&weights, &batch, 1.0, &mut gradient);
    let place = larger.places().into_iter().rfind(|p| p.tensor.field == Field::Down).unwrap();
    assert!(gradient[place.range()].iter().any(|g| *g != 0.0));
    for smaller in [ModelShape { layers: 0, ..shape.clone() }, ModelShape { hidden: 8, ..shape.clone() }] {
        let error = grown(&shape, trained, &smaller, 3).unwrap_err().to_string();
        assert!(error.contains("at least the"), "{error}");
    }

    // Models of other kinds are refused: one with a head of its own, one with layer norms.
    for other in [RandomShape::llama(), RandomShape::gpt2()] {
        let bytes = random_model(1, &other).unwrap();
        let tokenizer = Head::parse(&bytes).unwrap().tokenizer;
        let error = of_package(&Package::parse(bytes).unwrap(), &tokenizer).unwrap_err().to_string();
        assert!(error.contains("model random-1") && error.contains("another kind"), "{error}");
    }
}

#[test]
fn a_run_that_goes_on_gives_the_same_bits() {
    let world = world();
    let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut run = world.begin(12);
    train(&mut run, u64::MAX, whole.path());
    for until in [3, 7, 12] {
        let file = Files::at(parts.path()).checkpoint();
        let mut part = match file.exists() {
            false => world.begin(12),
            true => {
                let state = Checkpoint::read(&file).unwrap();
                Run::resume(state, world.plan(12), &world.learned_from, &world.held_out, Device::flex(), &file).unwrap()
            }
        };
        train(&mut part, until, parts.path());
    }
    let read = |dir: &tempfile::TempDir| Checkpoint::read(&Files::at(dir.path()).checkpoint()).unwrap();
    let (a, b) = (read(&whole), read(&parts));
    let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&a.weights), bits(&b.weights));
    assert_eq!(bits(&a.moments.first), bits(&b.moments.first));
    assert_eq!(bits(&a.moments.second), bits(&b.moments.second));
    assert_eq!((a.course.step, &a.course.points), (12, &b.course.points));
    assert_eq!(a.course.points.len(), 3);
}

#[test]
fn the_gradient_is_the_losses_slope() {
    let world = world();
    let plan = plan(1);
    let batch = world.learned_from.draw(3, 56, 1, 0);
    let network = Network::new(&plan.shape, Device::flex());
    let mut weights = weights::first(&plan.shape, 3);
    let mut gradient = vec![0.0; weights.len()];
    let loss = network.learn(&weights, &batch, 1.0, &mut gradient);
    assert!((loss - network.measure(&weights, &batch)).abs() < 1e-5);
    // By parts it is the same sum.
    let mut by_parts = vec![0.0; weights.len()];
    for part in batch.parts(2) {
        network.learn(&weights, &part, part.rows as f32 / 3.0, &mut by_parts);
    }
    let apart = gradient.iter().zip(&by_parts).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(apart < 1e-5, "{apart}");
    for place in plan.shape.places() {
        // Along the gradient of each tensor the slope is the gradient's length.
        let own = &gradient[place.range()];
        let length = own.iter().map(|g| g * g).sum::<f32>().sqrt();
        assert!(length > 0.0, "{:?}", place.tensor);
        let start = weights.clone();
        let mut at = |distance: f32| {
            for (w, (s, g)) in weights[place.range()].iter_mut().zip(start[place.range()].iter().zip(own)) {
                *w = s + distance * g / length;
            }
            network.measure(&weights, &batch)
        };
        let slope = (at(0.01) - at(-0.01)) / 0.02;
        at(0.0);
        assert!((slope / length as f64 - 1.0).abs() < 0.02, "{:?}: {slope} {length}", place.tensor);
        weights = start;
    }
}

#[test]
fn a_checkpoint_of_another_run_or_a_damaged_one_is_refused_and_stays() {
    let world = world();
    let dir = tempfile::tempdir().unwrap();
    let file = Files::at(dir.path()).checkpoint();
    train(&mut world.begin(9), 1, dir.path());
    let good = std::fs::read(&file).unwrap();
    let state = Checkpoint::read(&file).unwrap();
    let resume = |change: &dyn Fn(&mut Plan)| {
        let mut other = world.plan(9);
        change(&mut other);
        let run = Run::resume(state.clone(), other, &world.learned_from, &world.held_out, Device::flex(), &file);
        run.err().map(|e| e.to_string())
    };
    assert_eq!(resume(&|p| p.steps = 20), None);
    let cases: [(Change<'_>, &str); 3] = [
        (&|p| p.shape.layers = 3, "another shape"),
        (&|p| p.seed = 8, "another seed"),
        (&|p| p.part = 2, "another size"),
    ];
    for (change, word) in cases {
        let error = resume(change).unwrap();
        assert!(error.contains("checkpoint") && error.contains(word) && error.contains("--out"), "{error}");
    }
    // Texts may be added, not changed.
    let with = |corpus: &Corpus| {
        let plan = world.plan(9);
        Run::resume(state.clone(), plan, corpus, &world.held_out, Device::flex(), &file).err().map(|e| e.to_string())
    };
    let mut more = texts(200, 1);
    more.extend(texts(50, 4));
    assert_eq!(with(&Corpus::new(&more, world.package.tokenizer(), &|_| ()).unwrap()), None);
    more[7] = "Another day.".into();
    let error = with(&Corpus::new(&more, world.package.tokenizer(), &|_| ()).unwrap()).unwrap();
    assert!(error.contains("other texts"), "{error}");
    assert_eq!(std::fs::read(&file).unwrap(), good);

    let mut flipped = good.clone();
    flipped[good.len() / 2] ^= 1;
    for bad in [&good[..good.len() - 1], &good[..30], &good[..16], &b""[..], &b"text"[..], &flipped[..]] {
        std::fs::write(&file, bad).unwrap();
        let error = Checkpoint::read(&file).unwrap_err().to_string();
        assert!(error.contains("checkpoint") && !error.contains('\n'), "{error}");
        assert_eq!(std::fs::read(&file).unwrap(), bad);
    }
}

#[test]
fn a_plan_that_cannot_be_is_refused() {
    let world = world();
    let cases: [(Change<'_>, &str); 6] = [
        (&|p| p.shape.dim = 20, "--dim"),
        (&|p| p.shape.heads = 3, "--heads"),
        (&|p| p.shape.layers = 0, "--layers"),
        (&|p| p.part = 7, "--part"),
        (&|p| p.optimiser.rate = f64::NAN, "--rate"),
        (&|p| p.steps = 0, "--steps"),
    ];
    for (change, option) in cases {
        let mut plan = plan(1);
        change(&mut plan);
        let run = Run::begin(plan, None, &world.learned_from, &world.held_out, Device::flex());
        let error = run.err().unwrap().to_string();
        assert!(error.contains(option) && error.contains("expected"), "{error}");
    }
    let mut diverging = plan(50);
    diverging.optimiser = Optimiser { rate: 1.0, warm_up: 0, clip: f64::MAX, ..Optimiser::default() };
    let mut run = Run::begin(diverging, None, &world.learned_from, &world.held_out, Device::flex()).unwrap();
    run.state.weights.fill(f32::MAX);
    let dir = tempfile::tempdir().unwrap();
    let result = run.train(9, &Files::at(dir.path()), Duration::MAX, &|| false, &mut |_| ());
    assert!(result.unwrap_err().to_string().contains("--rate"));
    assert!(!Files::at(dir.path()).checkpoint().exists());
}
