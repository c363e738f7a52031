//! One answer on every engine: chosen and random models and texts, every kernel of this machine, odd pieces, batches with
//! strangers, several threads; every logit is compared with the reference engine's. `make test-bits` runs it long
//! (CAMELID_BITS_TOKENS tokens for each kernel), `make test` short. The browser's engines are compared by digest on
//! what the same generator makes: `make test-browser`.
#![cfg(all(feature = "cpu", feature = "import"))]

use camelid_core::model::Cpu;
use camelid_core::model::cpu::Kernel;
use camelid_test_vectors::{Stream, named_cases, random_case, reference, replay, strangers};

/// Tokens for each kernel where the environment names no number.
const SHORT: usize = 2_000;

#[test]
fn every_kernel_gives_the_same_bits() {
    let goal = std::env::var("CAMELID_BITS_TOKENS").ok().map_or(SHORT, |n| n.parse().expect("a number of tokens"));
    let kernels = Kernel::available();
    let (mut tokens, mut random) = (0, 0);
    let named = named_cases();
    let chosen = named.len();
    for case in named.into_iter().chain((0..).map(random_case)) {
        // Chosen models always; random ones until there are enough tokens.
        if random >= 1 && tokens >= goal {
            break;
        }
        let mut s = Stream::new(tokens as u64);
        let expected: Vec<_> = case.texts.iter().map(|text| reference(&case.package, text)).collect();
        for kernel in &kernels {
            let mut engine = Cpu::with(case.package.clone(), *kernel, 1 + s.below(3));
            let got = replay(&mut engine, &case.texts, &strangers(&case.texts, &mut s)).unwrap();
            assert!(got == expected, "kernel {} differs on model {}", kernel.name(), case.name);
        }
        tokens += case.tokens();
        random += usize::from(case.name.starts_with("random"));
    }
    let names: Vec<_> = kernels.iter().map(|k| k.name()).collect();
    let names = names.join(", ");
    println!("same bits: {tokens} tokens of {chosen} chosen and {random} random models on each of: {names}, reference");
}
