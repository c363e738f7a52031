//! What every engine must keep: one piece, odd pieces, step by step, alone or among strangers, the same bits.

use super::import::{RandomShape, random_model};
use super::package::{Layout, NormKind};
use super::sampling::MILLION;
use super::*;
use crate::units::TokenId;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::{ControlFlow, Range};
use proptest::prelude::*;
use std::sync::LazyLock;

pub(crate) static PACKAGES: LazyLock<Vec<Arc<Package>>> = LazyLock::new(|| {
    let wide = RandomShape { dim: 48, heads: 6, kv_heads: 1, head_dim: 10, ..RandomShape::llama() };
    let shapes = [RandomShape::llama(), RandomShape::qwen2(), RandomShape::gpt2(), wide];
    shapes.iter().zip(1..).map(|(shape, seed)| parse(random_model(seed, shape).unwrap())).collect()
});

pub(crate) fn parse(bytes: Vec<u8>) -> Arc<Package> {
    Arc::new(Package::parse(bytes).unwrap())
}

pub(crate) fn tokens(n: usize, seed: u64) -> Vec<TokenId> {
    (0..n as u32).map(|i| TokenId((sampling::random(seed, i) % 320) as u32)).collect()
}

/// All logits of `tokens`, fed in pieces of the given sizes (the last size repeats).
fn logits(package: &Arc<Package>, tokens: &[TokenId], pieces: &[usize]) -> Vec<i32> {
    let mut engine = Reference::new(package.clone());
    let sequence = engine.open().unwrap();
    let (mut out, mut fed) = (Vec::new(), 0);
    let mut sizes = pieces.iter().copied().chain(core::iter::repeat(*pieces.last().unwrap()));
    while fed < tokens.len() {
        let end = (fed + sizes.next().unwrap().max(1)).min(tokens.len());
        let got = engine.forward(&[Feed { sequence, tokens: &tokens[fed..end], want: Want::All }]).unwrap();
        assert_eq!(got[0].rows().len(), end - fed);
        out.extend_from_slice(got[0].values());
        fed = end;
    }
    out
}

/// The package with some of its bytes changed.
pub(super) fn patched(package: &Package, change: impl Fn(&Layout, &mut [u8])) -> Arc<Package> {
    let mut bytes = package.bytes().to_vec();
    change(package.layout(), &mut bytes);
    parse(bytes)
}

pub(super) fn fill<const N: usize>(bytes: &mut [u8], place: &Range<u64>, value: impl Fn(usize) -> [u8; N]) {
    for (i, b) in bytes[place.start as usize..place.end as usize].chunks_exact_mut(N).enumerate() {
        b.copy_from_slice(&value(i));
    }
}

#[test]
fn teacher_forced_equals_step_by_step_for_every_prefix_length() {
    for (package, seed) in PACKAGES.iter().zip(10..) {
        let prompt = tokens(7, seed);
        for sampling in [Sampling::GREEDY, Sampling { temperature: 1200, top_k: 40, top_p: 990_000 }] {
            let mut engine = Reference::new(package.clone());
            let go = &mut |_| ControlFlow::Continue(());
            let answer = generate(&mut engine, &prompt, &sampling, seed, 60, go).unwrap().tokens;
            let all: Vec<TokenId> = prompt.iter().chain(&answer).copied().collect();
            let stepwise = logits(package, &all, &[1]);
            let vocabulary = package.manifest().vocabulary as usize;
            for length in 1..=all.len() {
                let whole = logits(package, &all[..length], &[length]);
                assert_eq!(whole, stepwise[..length * vocabulary], "prefix of {length}");
            }
            for (i, token) in answer.iter().enumerate() {
                let at = prompt.len() + i;
                let row = &stepwise[(at - 1) * vocabulary..at * vocabulary];
                assert_eq!(sample(row, &sampling, seed, at as u32), *token);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn odd_pieces_equal_one_piece(which in 0usize..4, n in 1usize..128, seed: u64, pieces in prop::collection::vec(1usize..70, 1..9)) {
        let package = &PACKAGES[which];
        let tokens = tokens(n, seed);
        prop_assert_eq!(logits(package, &tokens, &pieces), logits(package, &tokens, &[n]));
    }

    #[test]
    fn a_batch_with_strangers_equals_alone(
        which in 0usize..4, seed: u64, joins in prop::collection::vec((0usize..6, 1usize..30), 1..6),
    ) {
        let package = &PACKAGES[which];
        let mut engine = Reference::new(package.clone());
        let texts: Vec<Vec<TokenId>> = joins.iter().zip(seed..).map(|((_, n), s)| tokens(*n, s)).collect();
        let mut open: Vec<(usize, SequenceId, usize)> = Vec::new();
        let mut got = vec![Vec::new(); texts.len()];
        for step in 0.. {
            // Sequences join at their own step and leave when they are done; pieces grow with the step.
            for (i, (join, _)) in joins.iter().enumerate() {
                if *join == step {
                    open.push((i, engine.open().unwrap(), 0));
                }
            }
            if step > 6 && open.is_empty() {
                break;
            }
            let feeds: Vec<Feed> = open.iter().map(|(i, sequence, fed)| {
                let end = (fed + 1 + (step + i) % 3).min(texts[*i].len());
                Feed { sequence: *sequence, tokens: &texts[*i][*fed..end], want: Want::All }
            }).collect();
            let rows = engine.forward(&feeds).unwrap();
            for ((i, _, fed), (feed, row)) in open.iter_mut().zip(feeds.iter().zip(&rows)) {
                got[*i].extend_from_slice(row.values());
                *fed += feed.tokens.len();
            }
            open.retain(|(i, sequence, fed)| {
                let more = *fed < texts[*i].len();
                if !more {
                    engine.close(*sequence);
                }
                more
            });
        }
        for (text, got) in texts.iter().zip(&got) {
            prop_assert_eq!(got, &logits(package, text, &[text.len()]));
        }
    }
}

/// The package with weights, scales, biases, gains and tables at their ranges' ends, in several ways.
pub(crate) fn saturated(package: &Package) -> Vec<Arc<Package>> {
    camelid_test_vectors::saturated(package.bytes()).map(parse).into()
}

#[test]
fn extremes_neither_panic_nor_depend_on_the_pieces() {
    for package in PACKAGES.iter() {
        for saturated in saturated(package) {
            let context = package.manifest().context as usize;
            let text = tokens(context, 3);
            let whole = logits(&saturated, &text, &[context]);
            assert_eq!(whole, logits(&saturated, &text, &[1, 5, 33]));
        }
    }
}

#[test]
fn all_equal_logits_give_the_lowest_id() {
    for package in PACKAGES.iter().filter(|p| p.manifest().norm == NormKind::Rms) {
        let flat = patched(package, |layout, bytes| {
            let head = layout.head.as_ref().unwrap_or(&layout.embedding);
            fill(bytes, &head.weights, |_| [0]);
        });
        let row = logits(&flat, &tokens(3, 1), &[3]);
        assert!(row.iter().all(|l| *l == row[0]));
        assert_eq!(sampling::argmax(&row), TokenId(0));
        let flat_draw = Sampling { temperature: 1000, top_k: 0, top_p: MILLION };
        assert!(sample(&row[..320], &flat_draw, 1, 1).0 < 320);
    }
}

#[test]
fn a_refused_batch_changes_nothing() {
    let package = &PACKAGES[0];
    let mut engine = Reference::new(package.clone());
    let (a, b) = (engine.open().unwrap(), engine.open().unwrap());
    let text = tokens(128, 5);
    let feed = |sequence, tokens| Feed { sequence, tokens, want: Want::All };
    let first = engine.forward(&[feed(a, &text[..9])]).unwrap();
    let outside = [TokenId(3), TokenId(320)];
    let bad: [(&[Feed], EngineError); 5] = [
        (&[feed(a, &text[..1]), feed(b, &outside)], EngineError::Vocabulary { expected: 320, found: 320, index: 1 }),
        (&[feed(a, &text[..1]), feed(a, &text[..1])], EngineError::RepeatedSequence(a)),
        (&[feed(a, &text[..1]), feed(SequenceId(99), &text)], EngineError::UnknownSequence(SequenceId(99))),
        (&[feed(b, &text), feed(a, &text[..120])], EngineError::ContextLength { expected: 128, found: 129 }),
        (&[feed(b, &text), feed(a, &[])], EngineError::NoTokens(a)),
    ];
    for (batch, error) in bad {
        assert_eq!(engine.forward(batch), Err(error));
    }
    let rest = engine.forward(&[feed(a, &text[9..])]).unwrap();
    assert_eq!([first[0].values(), rest[0].values()].concat(), logits(package, &text, &[128]));
    engine.close(a);
    engine.close(a);
    assert_eq!(engine.forward(&[feed(a, &text[..1])]), Err(EngineError::UnknownSequence(a)));
}

#[test]
fn generation_ends_where_it_must() {
    let package = &PACKAGES[0];
    let mut engine = Reference::new(package.clone());
    let prompt = tokens(4, 1);
    let mut seen = Vec::new();
    let all = &mut |t| {
        seen.push(t);
        ControlFlow::Continue(())
    };
    let whole = generate(&mut engine, &prompt, &Sampling::GREEDY, 0, 20, all).unwrap();
    assert_eq!((whole.reason, whole.tokens.len()), (EndReason::Limit, 20));
    assert_eq!(seen, whole.tokens);
    let mut left = 3;
    let stop = &mut |_| {
        left -= 1;
        if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let short = generate(&mut engine, &prompt, &Sampling::GREEDY, 0, 20, stop).unwrap();
    assert_eq!((short.reason, &short.tokens[..]), (EndReason::Stopped, &whole.tokens[..3]));
    // The end token's row twice as strong as all others: it comes first, and is part of the answer.
    let ends = patched(package, |layout, bytes| {
        let head = layout.head.as_ref().unwrap();
        fill(bytes, &head.weights, |i| if i / 32 == 1 { [127] } else { [0] });
        fill(bytes, &layout.final_norm.gain, |_| (1i32 << 22).to_le_bytes());
        let embedding = &layout.embedding;
        fill(bytes, &embedding.weights, |_| [127]);
        fill(bytes, &embedding.shifts, |_| [8]);
    });
    let go = &mut |_| ControlFlow::Continue(());
    let ended = generate(&mut Reference::new(ends), &prompt, &Sampling::GREEDY, 0, 20, go).unwrap();
    assert_eq!(ended, Generation { tokens: vec![TokenId(1)], reason: EndReason::EndToken });
    let go = &mut |_| ControlFlow::Continue(());
    for (prompt, limit) in [(&[][..], 5), (&prompt[..], 0), (&prompt, 125), (&[TokenId(320)], 5)] {
        assert!(matches!(generate(&mut engine, prompt, &Sampling::GREEDY, 0, limit, go), Err(GenerateError::Limit(_))));
    }
}

#[test]
fn limits_are_a_total_predicate() {
    let info = PACKAGES[0].info();
    assert_eq!(valid_job(&info, 100, 28, &Sampling::GREEDY), Ok(()));
    assert_eq!(valid_job(&info, 0, 1, &Sampling::GREEDY), Err(JobLimitError::EmptyPrompt));
    assert_eq!(valid_job(&info, 1, 0, &Sampling::GREEDY), Err(JobLimitError::ZeroLimit));
    let over = valid_job(&info, u64::MAX, u32::MAX, &Sampling::GREEDY);
    assert!(matches!(over, Err(JobLimitError::Context { context: 128, .. })));
    let odd = Sampling { temperature: u32::MAX, top_k: 0, top_p: 1 };
    assert!(matches!(valid_job(&info, 1, 1, &odd), Err(JobLimitError::Sampling(_))));
    assert!(valid_prompt(&info, &[TokenId(319), TokenId(320)]).is_err());
}
