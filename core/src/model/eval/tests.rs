use super::*;
use crate::model::import::llama2c::{Checkpoint, llama2c};
use crate::model::import::{
    Field, ImportError, RandomShape, Shape, Source, Tensor, quantise, random_model, random_source,
};
use crate::model::{Package, Reference};
use crate::units::TokenId;
use alloc::sync::Arc;
use std::eprintln;
use std::vec::Vec;

const BEGIN: TokenId = TokenId(1);

/// The text of `shared/data/stories260k/README.md`, with the model's own line breaks.
const STORY: &str = "Once upon a time, there was a little girl named Lily. She loved to play outside in the park. One day, \
she saw a big, red ball. She wanted to play with it, but it was too high.\n\
Lily's mom said, \"Lily, let's go to the park.\" Lily was sad and didn't know what to do. She said, \"I want to play with \
your ball, but I can't find it.\"\n\
Lily was sad and didn't know what to do. She said, \"I'm sorry, Lily. I didn't know what to do.\"\n\
Lily didn't want to help her mom, so she said, \"I'm sorry, mom. I didn't know what to do.\" Her mom said, \"Don't worry, \
Lily. We can help you.";

struct Stories {
    float: FloatModel,
    package: Arc<Package>,
}

fn stories(test: &str) -> Option<Stories> {
    let folder = camelid_test_support::shared_data(test, "stories260k")?;
    let checkpoint = std::fs::read(folder.join("stories260K.bin")).unwrap();
    let tokenizer = std::fs::read(folder.join("tok512.bin")).unwrap();
    let float = FloatModel::new(&Checkpoint::new(&checkpoint, "stories260k", "MIT").unwrap()).unwrap();
    let package = llama2c(&checkpoint, &tokenizer, "stories260k", "MIT").unwrap();
    Some(Stories { float, package: Arc::new(Package::parse(package).unwrap()) })
}

#[test]
fn the_float_pass_tells_the_published_story() {
    let Some(s) = stories("the_float_pass_tells_the_published_story") else { return };
    let tokens = float_greedy(&s.float, &[BEGIN], 257);
    assert_eq!(s.package.tokenizer().decode(&tokens).unwrap(), STORY);
}

#[test]
fn the_integer_model_is_as_good() {
    let Some(s) = stories("the_integer_model_is_as_good") else { return };
    let mut engine = Reference::new(s.package.clone());
    let float = float_greedy(&s.float, &[BEGIN], 201);
    let integer = integer_greedy(&mut engine, &[BEGIN], 201).unwrap();
    match float.iter().zip(&integer).position(|(a, b)| a != b) {
        Some(at) => eprintln!("greedy text first differs from f32 at token {at} of 200"),
        None => eprintln!("greedy text is the same as f32's for 200 tokens"),
    }
    let texts = float_samples(&s.float, BEGIN, 9, 500, 7);
    let c = compare(&s.float, &mut engine, &texts).unwrap();
    eprintln!("{c:?}, excess {:+.4} %", c.excess() * 100.0);
    assert!(c.tokens >= 4096);
    assert!(c.excess() <= 0.002, "{c:?}");
    assert!(c.same_top >= 0.97, "{c:?}");
}

/// A float model whose matrices hold what the package's int8 rows stand for: what is left between the two
/// is the error of activations, tables and cache alone.
pub(in crate::model) struct Rounded<S>(pub S);

impl<S: Source> Source for Rounded<S> {
    fn shape(&self) -> &Shape {
        self.0.shape()
    }

    fn row(&self, tensor: Tensor, row: usize, out: &mut [f32]) -> Result<(), ImportError> {
        self.0.row(tensor, row, out)?;
        if self.shape().size(tensor.field).0 > 1 && tensor.field != Field::Positions {
            let quantised = quantise(out, 1.0);
            out.iter_mut().zip(quantised.reals()).for_each(|(o, v)| *o = v);
        }
        Ok(())
    }
}

#[test]
fn every_shape_follows_its_float_model() {
    for shape in [RandomShape::llama(), RandomShape::qwen2(), RandomShape::gpt2()] {
        let float = FloatModel::new(&Rounded(random_source(5, &shape))).unwrap();
        let package = Package::parse(random_model(5, &shape).unwrap()).unwrap();
        let texts = float_samples(&float, TokenId(0), 4, 100, 3);
        let c = compare(&float, &mut Reference::new(Arc::new(package)), &texts).unwrap();
        eprintln!("{:?}: {c:?}, excess {:+.4} %", shape.architecture, c.excess() * 100.0);
        assert!(c.excess().abs() <= 0.01, "{:?}: {c:?}", shape.architecture);
        assert!(c.same_top >= 0.93, "{:?}: {c:?}", shape.architecture);
    }
}

#[test]
fn stories_tokenizer_reads_as_llama2c_does() {
    let Some(s) = stories("stories_tokenizer_reads_as_llama2c_does") else { return };
    let t = s.package.tokenizer();
    let text = "Once upon a time, Zoë said: \"\u{1F42B}\"\n";
    assert_eq!(t.decode(&t.prompt(text).unwrap()).unwrap(), text);
    let pieces: Vec<&[u8]> = t.encode("Once upon a time").unwrap().iter().map(|id| t.piece(*id)).collect();
    assert_eq!(pieces.concat(), b" Once upon a time");
    assert_eq!(float_greedy(&s.float, &t.prompt("Once upon").unwrap(), 60), float_greedy(&s.float, &[BEGIN], 60));
}

#[test]
fn tables_and_polynomials_are_close_to_the_real_functions() {
    use crate::model::arithmetic::{activation, attention, norm};
    use crate::model::package::ActivationKind;
    use crate::model::sampling::exp2_40;
    for d in 0..=0x10_0000 {
        let exact = (-(d as f64) / 65_536.0).exp2() * 32_768.0;
        assert!((attention::exp2_16(d) as f64 - exact).abs() <= 1.5, "{d}");
    }
    for i in 0..200_000u64 {
        let d = i * 0x1_4e5f_29d1 % (41 << 36);
        let exact = (-(d as f64) / (1u64 << 36) as f64).exp2() * (1u64 << 40) as f64;
        assert!((exp2_40(d) as f64 - exact).abs() <= 1.5 + exact * 2e-9, "{d}");
    }
    for kind in [ActivationKind::Silu, ActivationKind::Gelu, ActivationKind::GeluTanh] {
        let table = crate::model::import::activation_table(kind);
        activation::check_table(&table).unwrap();
        for i in -1_200_000..1_200_000 {
            let exact = float::activate(kind, i as f32 / 65_536.0) as f64;
            let found = activation::activate(&table, i) as f64 / 65_536.0;
            assert!((found - exact).abs() <= 2e-5 + exact.abs() * 1e-5, "{kind:?} {i}: {found} {exact}");
        }
    }
    for i in 1..100_000u64 {
        let s = i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (1 + i % 60);
        let (m, e) = norm::inverse_root(s.max(1));
        let found = m as f64 / 2f64.powi(e as i32);
        let exact = 1.0 / (s.max(1) as f64).sqrt();
        assert!((found / exact - 1.0).abs() < 2e-9, "{s}: {found} {exact}");
    }
}
