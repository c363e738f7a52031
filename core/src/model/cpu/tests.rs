//! Every kernel and number of threads against the reference engine: every logit the same.

use super::*;
use crate::model::import::{RandomShape, random_model};
use crate::model::sampling;
use crate::model::tests::{PACKAGES, parse, saturated, tokens};
use crate::model::{Generation, Reference, Sampling, Want, generate};
use crate::units::TokenId;
use core::ops::ControlFlow;
use proptest::prelude::*;
use std::sync::LazyLock;

/// Odd widths; a hidden vector longer than any kernel's run; a head wider and a context longer than a lane bears.
static ODD: LazyLock<Vec<Arc<Package>>> = LazyLock::new(|| {
    let small = RandomShape { dim: 10, layers: 1, heads: 1, kv_heads: 1, head_dim: 2, ..RandomShape::llama() };
    let shapes = [
        RandomShape { dim: 77, heads: 3, kv_heads: 3, head_dim: 22, hidden: 131, ..RandomShape::qwen2() },
        RandomShape { hidden: 70_001, ..small.clone() },
        RandomShape { hidden: 4_111, ..RandomShape::gpt2() },
        RandomShape { head_dim: 266, context: 300, ..small.clone() },
        RandomShape { context: 700, heads: 2, ..small },
    ];
    shapes.iter().zip(50..).map(|(shape, seed)| parse(random_model(seed, shape).unwrap())).collect()
});

/// All ways to compute.
fn ways() -> Vec<(Kernel, usize)> {
    Kernel::available().into_iter().flat_map(|kernel| [1, 2, 3].map(|threads| (kernel, threads))).collect()
}

/// An engine that uses all its threads however small the work is.
fn engine(package: &Arc<Package>, (kernel, threads): (Kernel, usize)) -> Cpu {
    let mut engine = Cpu::with(package.clone(), kernel, threads);
    engine.info.parameters = u64::MAX;
    engine
}

/// All logits of `tokens`, fed in pieces of the given sizes (the last size repeats).
fn logits(engine: &mut dyn Engine, tokens: &[TokenId], pieces: &[usize]) -> Vec<i32> {
    let sequence = engine.open().unwrap();
    let (mut out, mut fed) = (Vec::new(), 0);
    let mut sizes = pieces.iter().copied().chain(core::iter::repeat(*pieces.last().unwrap()));
    while fed < tokens.len() {
        let end = (fed + sizes.next().unwrap().max(1)).min(tokens.len());
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

#[test]
fn every_kernel_gives_the_reference_logits_in_every_piece() {
    for (package, seed) in PACKAGES.iter().chain(ODD.iter()).zip(1..) {
        let text = tokens((package.manifest().context as usize).min(70), seed);
        let expected = reference(package, &text);
        for way in ways() {
            let mut engine = engine(package, way);
            for pieces in [&[text.len()][..], &[1], &[7, 1, 30, 3]] {
                assert!(logits(&mut engine, &text, pieces) == expected, "{way:?}, pieces {pieces:?}, model {seed}");
            }
        }
    }
}

#[test]
fn the_longest_context_and_saturated_tables_too() {
    let long = ODD.iter().filter(|p| p.manifest().context > 128).cloned();
    for package in PACKAGES.iter().chain(ODD.iter().take(1)).flat_map(|p| saturated(p)).chain(long) {
        let text = tokens(package.manifest().context as usize, 9);
        let expected = reference(&package, &text);
        for kernel in Kernel::available() {
            let mut engine = engine(&package, (kernel, 2));
            assert!(logits(&mut engine, &text, &[3, 61]) == expected, "{kernel:?}");
        }
    }
}

#[test]
fn it_generates_the_reference_tokens() {
    for (package, seed) in PACKAGES.iter().zip(20..) {
        let prompt = tokens(5, seed);
        for sampling in [Sampling::GREEDY, Sampling { temperature: 900, top_k: 50, top_p: 980_000 }] {
            let run = |engine: &mut dyn Engine| -> Generation {
                generate(engine, &prompt, &sampling, seed, 100, &mut |_| ControlFlow::Continue(())).unwrap()
            };
            let expected = run(&mut Reference::new(package.clone()));
            for way in ways() {
                assert_eq!(run(&mut engine(package, way)), expected);
            }
        }
    }
}

#[test]
fn a_refused_batch_changes_nothing() {
    let package = &PACKAGES[0];
    let mut cpu = engine(package, (Kernel::best(), 2));
    let (a, b) = (cpu.open().unwrap(), cpu.open().unwrap());
    let text = tokens(128, 5);
    let feed = |sequence, tokens| Feed { sequence, tokens, want: Want::All };
    let first = cpu.forward(&[feed(a, &text[..9])]).unwrap();
    let error = cpu.forward(&[feed(b, &text[..3]), feed(a, &text[..120])]);
    assert_eq!(error, Err(EngineError::ContextLength { expected: 128, found: 129 }));
    assert!(cpu.forward(&[feed(b, &[TokenId(320)])]).is_err());
    let rest = cpu.forward(&[feed(a, &text[9..])]).unwrap();
    assert_eq!([first[0].values(), rest[0].values()].concat(), reference(package, &text));
    cpu.close(a);
    assert_eq!(cpu.forward(&[feed(a, &text[..1])]), Err(EngineError::UnknownSequence(a)));
}

#[test]
fn kernels_are_found_by_name() {
    for kernel in Kernel::available() {
        assert_eq!(Kernel::by_name(kernel.name()), Some(kernel));
    }
    assert_eq!(Kernel::by_name("abacus"), None);
    assert_eq!(Cpu::new(PACKAGES[0].clone()).kernel(), Kernel::best());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn a_batch_with_strangers_equals_the_reference_alone(
        which in 0usize..4,
        seed: u64,
        threads in 1usize..4,
        joins in prop::collection::vec((0usize..6, 1usize..40), 1..9),
        wants in prop::collection::vec(0usize..5, 9),
    ) {
        let package = &PACKAGES[which];
        let texts: Vec<Vec<TokenId>> = joins.iter().zip(0..).map(|((_, n), i)| tokens(*n, seed ^ i)).collect();
        let expected: Vec<Vec<i32>> = texts.iter().map(|t| reference(package, t)).collect();
        let vocabulary = package.manifest().vocabulary as usize;
        for kernel in Kernel::available() {
            let mut engine = engine(package, (kernel, threads));
            let mut open: Vec<(usize, SequenceId, usize)> = Vec::new();
            for step in 0.. {
                for (i, (join, _)) in joins.iter().enumerate() {
                    if *join == step {
                        open.push((i, engine.open().unwrap(), 0));
                    }
                }
                if step > 6 && open.is_empty() {
                    break;
                }
                let feeds: Vec<Feed> = open.iter().map(|(i, sequence, fed)| {
                    let end = (fed + 1 + (step * 7 + i) % 11).min(texts[*i].len());
                    let want = [Want::Nothing, Want::Last, Want::All, Want::Tail(3), Want::Tail(99)][wants[*i]];
                    Feed { sequence: *sequence, tokens: &texts[*i][*fed..end], want }
                }).collect();
                let got = engine.forward(&feeds).unwrap();
                for ((i, _, fed), (feed, got)) in open.iter_mut().zip(feeds.iter().zip(&got)) {
                    let end = *fed + feed.tokens.len();
                    let rows = match feed.want {
                        Want::Nothing => end..end,
                        Want::Last => end - 1..end,
                        Want::Tail(n) => (*fed).max(end.saturating_sub(n))..end,
                        Want::All => *fed..end,
                    };
                    prop_assert!(got.values() == &expected[*i][rows.start * vocabulary..rows.end * vocabulary]);
                    *fed = end;
                }
                open.retain(|(i, sequence, fed)| {
                    let more = *fed < texts[*i].len();
                    if !more {
                        engine.close(*sequence);
                    }
                    more
                });
            }
        }
    }
}

/// `camelid`'s own random numbers: a stream of them by seed.
fn random(seed: u64, i: usize) -> i32 {
    sampling::random(seed, i as u32) as i32
}

mod kernels {
    use super::super::cache::HeadCache;
    use super::super::kernels::{Product, QUERIES, Query, Scratch};
    use super::super::prepared::Beside;
    use super::*;
    use crate::model::arithmetic::{activation, attention, block_float, linear};
    use crate::model::import::activation_table;
    use crate::model::package::{ActivationKind, Matrix};

    /// Weights and inputs: random, or all at an end of their range.
    fn value(way: u64, i: usize, end: i32) -> i32 {
        match way {
            0 => end,
            1 => -end,
            2 => {
                if i.is_multiple_of(2) {
                    end
                } else {
                    -end
                }
            }
            _ => random(way, i) % (end + 1),
        }
    }

    #[test]
    fn products_are_exact_up_to_the_widest_matrix() {
        const ROWS: usize = 70;
        for cols in [1, 15, 16, 17, 63, 64, 65, 576, 4096, 4097, 65_536, 65_537, 131_072] {
            let rows = if cols > 5000 { 5 } else { ROWS };
            for (way_w, way_x) in [(0, 0), (0, 1), (1, 0), (1, 1), (2, 2), (0, 2), (5, 6)] {
                let weights: Vec<u8> = (0..rows * cols).map(|i| value(way_w, i, 127) as i8 as u8).collect();
                let mantissas: Vec<u16> = (0..rows).map(|i| 32_768 | random(1, i) as u16).collect();
                let shifts: Vec<u8> = (0..rows).map(|i| random(2, i) as u8 % 64).collect();
                let bias: Vec<i32> = (0..rows).map(|i| random(3, i)).collect();
                let matrix =
                    Matrix { rows, cols, weights: &weights, mantissas: &mantissas, shifts: &shifts, bias: &bias };
                let vectors: Vec<Vec<i32>> =
                    (0..43).map(|t| (0..cols).map(|i| value(way_x, i * (t + 1), 32_767)).collect()).collect();
                let expected: Vec<i32> = vectors
                    .iter()
                    .flat_map(|v| {
                        let mut x = vec![0; cols];
                        let fraction = block_float(v, 3, &mut x);
                        (1..rows).map(|row| linear::output(&matrix, row, &x, fraction, 9)).collect::<Vec<_>>()
                    })
                    .collect();
                for kernel in Kernel::available() {
                    let sums = (0..rows).map(|r| matrix.row(r).iter().map(|w| *w as i8 as i32).sum()).collect();
                    let beside = Beside { sums, shifts: shifts.iter().map(|s| *s as i32 - 9).collect() };
                    let inputs: Vec<_> = vectors.iter().map(|v| kernel.input(v, 3)).collect();
                    for n in if cols > 5000 { &[1, 6, 13, 41][..] } else { &[1, 2, 3, 4, 5, 6, 9, 12, 13, 14, 40, 43] }
                    {
                        let inputs = kernel.group(inputs.iter().take(*n).collect());
                        let mut out = vec![0; (rows - 1) * n];
                        let product = Product { matrix, beside: &beside, rows: 1..rows, inputs: &inputs };
                        kernel.multiply(&product, &mut out.chunks_exact_mut(rows - 1).collect::<Vec<_>>());
                        let same = out == expected[..out.len()];
                        assert!(same, "{kernel:?}, {cols} columns, ways {way_w} {way_x}, {n} inputs");
                    }
                }
            }
        }
    }

    #[test]
    fn gates_are_exact_within_the_table_and_beyond() {
        let mut table = activation_table(ActivationKind::Silu);
        // A last step that shows; the package holds the table, so any is possible.
        if let Some(last) = table.last_mut() {
            *last -= 1 << 19;
        }
        let end = 1 << 20;
        let mut values =
            vec![i32::MIN, i32::MIN + 1, i32::MAX, 0, 1, -1, end - 1, end, end + 1, 1023 - end, -end, -end - 1];
        // Of every size: few random words lie within the table.
        values.extend((0..600).map(|i| random(4, i) >> (i % 32)));
        let ups: Vec<i32> = (0..values.len()).map(|i| random(5, i) >> (i % 7 * 4)).collect();
        for kernel in Kernel::available() {
            for start in 0..9 {
                let (x, ups) = (&values[start..], &ups[start..]);
                let mut gated = x.to_vec();
                kernel.gate(&table, &mut gated, ups);
                let expected: Vec<i32> = x.iter().zip(ups).map(|(x, up)| activation::gated(&table, *x, *up)).collect();
                assert!(gated == expected, "{kernel:?}, from {start}");
                let mut plain = x.to_vec();
                kernel.activate(&table, &mut plain);
                let expected: Vec<i32> = x.iter().map(|x| activation::activate(&table, *x)).collect();
                assert!(plain == expected, "{kernel:?}, from {start}");
            }
        }
    }

    #[test]
    fn attention_is_exact_at_the_ends() {
        for (width, positions) in [(2, 1), (2, 700), (8, 17), (64, 257), (66, 64), (256, 33), (258, 300), (1024, 20)] {
            // Where sums may leave an i32, where they just cannot, and far from it.
            let ends = [
                [32_767, 32_767, 32_767],
                [1024, 32_767, 16_383],
                [1025, 32_767, 16_384],
                [90, 3000, 16_383],
                [500, 50, 300],
            ];
            let ways = [
                (0, 0, 30),
                (0, 1, 25),
                (1, 1, 40),
                (2, 2, 44),
                (7, 8, 14),
                (0, 2, 60),
                (9, 9, -20),
                (8, 7, 6),
                (7, 9, 20),
            ];
            for ([end_q, end_k, end_v], (way_q, way_k, shift)) in ends.into_iter().flat_map(|e| ways.map(|w| (e, w))) {
                let row = |way, p: usize, end| -> Vec<i16> {
                    (0..width).map(|i| value(way, i * 31 + p * 1009, end) as i16).collect()
                };
                let mut cache = HeadCache::new(width);
                // Later positions are there already: a token looks back only.
                for p in 0..positions + 3 {
                    cache.push(&row(way_k, p, end_k), &row(way_q + 1, p, end_v));
                }
                // Several queries, each with positions and a shift of its own.
                let heads: Vec<Vec<i16>> =
                    (0..QUERIES).map(|q| (0..width).map(|i| value(way_q, i + q, end_q) as i16).collect()).collect();
                let queries: Vec<Query<'_>> = (heads.iter().zip(0..))
                    .map(|(words, q)| Query {
                        words,
                        positions: positions.saturating_sub(q).max(1),
                        shift: shift + q as i32,
                    })
                    .collect();
                let expected: Vec<(u32, Vec<i64>)> = queries
                    .iter()
                    .map(|q| {
                        let score = |p| attention::score(q.words, &row(way_k, p, end_k), q.shift + 16, 0);
                        let scores: Vec<i32> = (0..q.positions).map(score).collect();
                        let mut weights = Vec::new();
                        let total = attention::softmax(&scores, &mut weights);
                        let mut sums = vec![0; width];
                        for (p, w) in weights.iter().enumerate() {
                            attention::accumulate(&mut sums, *w, &row(way_q + 1, p, end_v));
                        }
                        (total, sums)
                    })
                    .collect();
                for (kernel, n) in Kernel::available().into_iter().flat_map(|k| (1..=QUERIES).map(move |n| (k, n))) {
                    let mut scratch = Scratch::default();
                    kernel.attend(&queries[..n], &cache, &mut scratch);
                    for (q, (total, sums)) in expected.iter().take(n).enumerate() {
                        assert_eq!(scratch.totals[q], *total, "{kernel:?} {width} {positions} {q}");
                        let got = &scratch.sums[q * cache.padded..][..width];
                        assert_eq!(got, sums, "{kernel:?} {width} {positions} {way_q} {way_k} {q}");
                    }
                }
            }
        }
    }
}
