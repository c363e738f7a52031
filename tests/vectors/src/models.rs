//! The models, and texts for them.

use crate::{Stream, saturated};
use camelid_core::model::Package;
use camelid_core::model::import::{RandomShape, random_model};
use camelid_core::units::TokenId;
use std::sync::Arc;

/// A model with texts.
#[derive(Debug)]
pub struct Case {
    /// For messages.
    pub name: String,
    /// The model.
    pub package: Arc<Package>,
    /// Token ids.
    pub texts: Vec<Vec<TokenId>>,
}

impl Case {
    /// A model's package with texts of these lengths.
    pub fn new(name: String, package: Vec<u8>, stream: &mut Stream, lengths: &[usize]) -> Self {
        let package = Arc::new(Package::parse(package).expect("a package that was just made"));
        let (vocabulary, context) = (package.manifest().vocabulary as usize, package.manifest().context as usize);
        let texts = lengths.iter().map(|n| stream.text(vocabulary, (*n).min(context))).collect();
        Case { name, package, texts }
    }

    /// Tokens in its texts.
    pub fn tokens(&self) -> usize {
        self.texts.iter().map(Vec::len).sum()
    }
}

fn made(name: String, seed: u64, shape: &RandomShape, stream: &mut Stream, lengths: &[usize]) -> Case {
    let package = random_model(seed, shape).expect("a shape that is in range");
    Case::new(name, package, stream, lengths)
}

/// A model of any family, with widths that are no multiples of anything.
pub fn random_case(index: u32) -> Case {
    let mut s = Stream::new(0xb175 ^ (index as u64) << 16);
    let family = [RandomShape::llama(), RandomShape::qwen2(), RandomShape::gpt2()][s.below(3)].clone();
    let kv_heads = 1 + s.below(4);
    let group = if family == RandomShape::gpt2() { 1 } else { 1 + s.below(3) };
    let shape = RandomShape {
        dim: 8 + s.below(150),
        layers: 1 + s.below(3),
        heads: kv_heads * group,
        kv_heads,
        head_dim: 2 + 2 * s.below(40),
        hidden: 1 + s.below(400),
        vocabulary: 258 + s.below(300),
        context: 400,
        ..family
    };
    made(format!("random {index}: {shape:?}"), index as u64, &shape, &mut s, &[380, 97, 16, 1])
}

/// Models that were chosen: each family; odd widths; a hidden vector longer than any kernel's run; a head wider and a
/// context longer than a lane bears; weights, scales and tables at the ends of their ranges.
pub fn named_cases() -> Vec<Case> {
    let small = RandomShape { dim: 10, layers: 1, heads: 1, kv_heads: 1, head_dim: 2, ..RandomShape::llama() };
    let shapes = [
        ("llama", RandomShape::llama()),
        ("qwen2", RandomShape::qwen2()),
        ("gpt2", RandomShape::gpt2()),
        (
            "odd widths",
            RandomShape { dim: 77, heads: 3, kv_heads: 3, head_dim: 22, hidden: 131, ..RandomShape::qwen2() },
        ),
        ("hidden 70001", RandomShape { hidden: 70_001, ..small.clone() }),
        ("hidden 4111", RandomShape { hidden: 4_111, ..RandomShape::gpt2() }),
        ("head 266", RandomShape { head_dim: 266, context: 300, ..small.clone() }),
        ("context 700", RandomShape { context: 700, heads: 2, ..small }),
    ];
    let mut s = Stream::new(0x0dd);
    let mut cases: Vec<Case> = (50..)
        .zip(&shapes)
        .map(|(seed, (name, shape))| {
            // A long text where length is what matters; where width is, few tokens do.
            let lengths = if shape.hidden > 10_000 { [9, 3, 1] } else { [shape.context, 21, 1] };
            made((*name).into(), seed, shape, &mut s, &lengths)
        })
        .collect();
    let extremes: Vec<Case> = [0, 2]
        .into_iter()
        .flat_map(|which| saturated(cases[which].package.bytes()).into_iter().map(move |bytes| (which, bytes)))
        .zip(0..)
        .map(|((which, bytes), way)| {
            Case::new(format!("{}, saturated {}", shapes[which].0, way % 5), bytes, &mut s, &[48, 5])
        })
        .collect();
    cases.extend(extremes);
    cases
}
