use super::*;
use crate::model::import::{RandomShape, random_model};
use crate::model::sampling::MILLION;
use crate::model::{Engine, EngineError, Feed, Logits, ModelInfo, Package, Reference, Sampling, SequenceId, generate};
use crate::units::TokenId;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::ControlFlow;
use proptest::prelude::*;
use std::sync::LazyLock;

static PACKAGE: LazyLock<Arc<Package>> =
    LazyLock::new(|| Arc::new(Package::parse(random_model(1, &RandomShape::llama()).unwrap()).unwrap()));

const WARM: Sampling = Sampling { temperature: 1500, top_k: 50, top_p: 950_000 };
const END: TokenId = TokenId(1);

fn engine() -> Reference {
    Reference::new(PACKAGE.clone())
}

fn prompt(n: u32) -> Vec<TokenId> {
    (0..n).map(|i| TokenId(2 + i * 37 % 300)).collect()
}

fn answer(prompt: &[TokenId], limit: u32, sampling: Sampling, seed: u64) -> Vec<TokenId> {
    generate(&mut engine(), prompt, &sampling, seed, limit, &mut |_| ControlFlow::Continue(())).unwrap().tokens
}

fn verdict(prompt: &[TokenId], answer: &[TokenId], limit: u32, sampling: Sampling, seed: u64, plan: Plan) -> Verdict {
    check(&mut engine(), &Claim { prompt, answer, limit, sampling, seed }, plan, &mut |_| {}).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn an_honest_answer_passes_and_any_altered_token_is_found(
        n in 1u32..20, limit in 1u32..70, seed: u64, warm: bool, random: u64, at: usize, by in 1u32..319,
    ) {
        let (prompt, sampling) = (prompt(n), if warm { WARM } else { Sampling::GREEDY });
        let honest = answer(&prompt, limit, sampling, seed);
        let full = verdict(&prompt, &honest, limit, sampling, seed, Plan::Full);
        prop_assert!(full.is_valid() && full.is_complete(), "{:?}", full);
        let spot = verdict(&prompt, &honest, limit, sampling, seed, Plan::Spot { random });
        prop_assert!(spot.is_valid());
        prop_assert_eq!(spot.positions.len(), honest.len().min(3));

        let at = at % honest.len();
        let mut altered = honest.clone();
        altered[at].0 = (altered[at].0 + by) % 320;
        let full = verdict(&prompt, &altered, limit, sampling, seed, Plan::Full);
        let wrong = full.first_wrong().unwrap();
        prop_assert_eq!((wrong.index as usize, wrong.expected, wrong.found), (at, honest[at], altered[at]));
        // Spot says the same about the positions that it looks at.
        let spot = verdict(&prompt, &altered, limit, sampling, seed, Plan::Spot { random });
        for p in &spot.positions {
            prop_assert_eq!(p, &full.positions[p.index as usize]);
        }
    }
}

#[test]
fn the_end_of_an_answer_is_checked_by_reason() {
    let prompt = prompt(4);
    let honest = answer(&prompt, 12, Sampling::GREEDY, 0);
    let faults = |answer: &[TokenId], limit| verdict(&prompt, answer, limit, Sampling::GREEDY, 0, Plan::None).faults;
    assert_eq!(honest.len(), 12);
    assert_eq!(faults(&honest, 12), []);
    assert_eq!(faults(&honest, 13), [Fault::StoppedEarly { length: 12, limit: 13 }]);
    assert_eq!(faults(&honest, 11), [Fault::TooLong { length: 12, limit: 11 }]);
    assert_eq!(faults(&[], 5), [Fault::StoppedEarly { length: 0, limit: 5 }]);
    assert_eq!(faults(&[TokenId(9), END], 5), []);
    assert_eq!(faults(&[END, TokenId(9)], 2), [Fault::WentOn { index: 0, id: END }]);
    let outside = [TokenId(9), TokenId(320), TokenId(u32::MAX)];
    assert_eq!(faults(&outside, 3), [Fault::Vocabulary { index: 1, id: TokenId(320), vocabulary: 320 }]);
    let full = verdict(&prompt, &outside, 3, Sampling::GREEDY, 0, Plan::Full);
    assert_eq!(full.positions.len(), 2);
    assert_eq!(full.outcome(Assertion::Truncation), Outcome::Fails);
    // A very long answer costs no more than the limit.
    let long = vec![TokenId(5); 10_000];
    assert_eq!(verdict(&prompt, &long, 3, Sampling::GREEDY, 0, Plan::Full).positions.len(), 3);
}

#[test]
fn assertions_are_reported_by_name() {
    let prompt = prompt(4);
    let honest = answer(&prompt, 9, Sampling::GREEDY, 0);
    let outcomes = |answer: &[TokenId], plan| {
        let v = verdict(&prompt, answer, answer.len() as u32, Sampling::GREEDY, 0, plan);
        [Assertion::Continuity, Assertion::Integrity, Assertion::Truncation].map(|a| v.outcome(a))
    };
    use Outcome::{Fails, Holds, NotChecked};
    assert_eq!(outcomes(&honest, Plan::Full), [Holds; 3]);
    assert_eq!(outcomes(&honest, Plan::None), [NotChecked; 3]);
    assert_eq!(outcomes(&honest[..1], Plan::Spot { random: 3 }), [Holds, NotChecked, Holds]);
    let altered = |at: usize| {
        let mut a = honest.clone();
        a[at].0 = if a[at].0 == 7 { 8 } else { 7 };
        a
    };
    assert_eq!(outcomes(&altered(0), Plan::Full)[0], Fails);
    assert_eq!(outcomes(&altered(8), Plan::Full), [Holds, Holds, Fails]);
    // Interior positions 1 to 7; random 3 means position 4.
    assert_eq!(outcomes(&altered(4), Plan::Spot { random: 3 })[..2], [Holds, Fails]);
    assert_eq!(outcomes(&altered(8), Plan::Spot { random: 3 }), [Holds, Holds, Fails]);
}

#[test]
fn every_interior_position_can_be_drawn() {
    let prompt = prompt(2);
    let honest = answer(&prompt, 7, Sampling::GREEDY, 0);
    let mut drawn: Vec<u32> = (0..5)
        .map(|random| verdict(&prompt, &honest, 7, Sampling::GREEDY, 0, Plan::Spot { random }).positions[1].index)
        .collect();
    drawn.sort();
    assert_eq!(drawn, [1, 2, 3, 4, 5]);
}

#[test]
fn progress_ends_at_its_total_and_a_bad_claim_is_an_error() {
    let prompt = prompt(100);
    let honest = answer(&prompt, 20, Sampling::GREEDY, 0);
    let mut seen = Vec::new();
    let mut claim = Claim { prompt: &prompt, answer: &honest, limit: 20, sampling: Sampling::GREEDY, seed: 0 };
    check(&mut engine(), &claim, Plan::Full, &mut |p| seen.push((p.done, p.total))).unwrap();
    assert_eq!(seen.last(), Some(&(119, 119)));
    assert!(seen.is_sorted());
    claim.sampling = Sampling { temperature: 1, top_k: 0, top_p: MILLION + 1 };
    assert!(matches!(check(&mut engine(), &claim, Plan::Full, &mut |_| {}), Err(RasticError::Job(_))));
    claim.sampling = Sampling::GREEDY;
    claim.prompt = &[];
    assert!(check(&mut engine(), &claim, Plan::Full, &mut |_| {}).is_err());
    assert_eq!(engine().info().end, [END]);
}

/// An engine that gives no logits.
struct Mute(Reference);

impl Engine for Mute {
    fn info(&self) -> &ModelInfo {
        self.0.info()
    }
    fn name(&self) -> String {
        "mute".into()
    }
    fn open(&mut self) -> Result<SequenceId, EngineError> {
        self.0.open()
    }
    fn forward(&mut self, batch: &[Feed<'_>]) -> Result<Vec<Logits>, EngineError> {
        Ok(vec![Logits::default(); batch.len()])
    }
    fn close(&mut self, sequence: SequenceId) {
        self.0.close(sequence);
    }
}

#[test]
fn an_engine_that_says_nothing_proves_nothing() {
    let (prompt, answer) = (prompt(3), [TokenId(5); 4]);
    let claim = Claim { prompt: &prompt, answer: &answer, limit: 4, sampling: Sampling::GREEDY, seed: 0 };
    for plan in [Plan::Full, Plan::Spot { random: 1 }] {
        let result = check(&mut Mute(engine()), &claim, plan, &mut |_| {});
        assert!(matches!(result, Err(RasticError::Engine(EngineError::Device(_)))), "{result:?}");
    }
}
