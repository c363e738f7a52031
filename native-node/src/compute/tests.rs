use super::*;
use camelid_core::deal::VerifyMode;
use camelid_core::model::import::{RandomShape, random_model};
use camelid_core::model::{
    Cpu, Engine, EngineError, Feed, Logits, ModelInfo, Reference, Sampling, SequenceId, generate,
};
use camelid_core::units::TokenId;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Arc, LazyLock, mpsc};
use std::time::Duration;

static MODELS: LazyLock<[Arc<Package>; 2]> = LazyLock::new(|| {
    [1, 2].map(|seed| Arc::new(Package::parse(random_model(seed, &RandomShape::llama()).unwrap()).unwrap()))
});
const WARM: Sampling = Sampling { temperature: 1500, top_k: 50, top_p: 950_000 };
const PLENTY: Limits = Limits { jobs: 32, memory: Memory(1 << 30), step: 64, wide_step: 256 };
/// At this token the engine of [`Faulty`] fails.
const TRAP: TokenId = TokenId(317);

fn model() -> Arc<Package> {
    MODELS[0].clone()
}

fn job(n: u32) -> JobId {
    JobId([n as u8; 32])
}

fn prompt(n: u32, seed: u32) -> Vec<TokenId> {
    (0..n).map(|i| TokenId(2 + (i * 37 + seed * 101) % 300)).collect()
}

/// The work of job `n`: a prompt of `length`, an answer of up to `limit`.
fn generation(n: u32, package: Arc<Package>, length: u32, limit: u32) -> Work {
    let sampling = if n.is_multiple_of(2) { WARM } else { Sampling::GREEDY };
    Work::Generate { job: job(n), package, prompt: prompt(length, n), sampling, seed: n as u64, limit }
}

/// The answer as the reference gives it, alone.
fn alone(work: &Work) -> Vec<TokenId> {
    let Work::Generate { package, prompt, sampling, seed, limit, .. } = work else { panic!("an answer") };
    let mut engine = Reference::new(package.clone());
    generate(&mut engine, prompt, sampling, *seed, *limit, &mut |_| ControlFlow::Continue(())).unwrap().tokens
}

/// The check of work's own answer, with token `at` altered if there is such.
fn check(n: u32, work: &Work, at: Option<usize>, mode: VerifyMode) -> Work {
    let Work::Generate { package, prompt, sampling, seed, limit, .. } = work.clone() else { panic!("an answer") };
    let mut answer = alone(work);
    if let Some(id) = at.and_then(|at| answer.get_mut(at)) {
        id.0 ^= 1;
    }
    Work::Check(AnswerCheck { job: job(n), package, prompt, answer, sampling, seed, limit, mode, random: 3 })
}

fn cpu() -> Opener {
    Box::new(|package| Ok(Box::new(Cpu::new(package.clone()))))
}

/// Steps until nothing is left.
fn finish(scheduler: &mut Scheduler) -> Vec<Done> {
    let mut done = Vec::new();
    while !scheduler.is_idle() {
        done.extend(scheduler.step());
    }
    done
}

fn answer(done: &[Done], n: u32) -> Result<Vec<TokenId>, String> {
    let fits = |d: &&Done| matches!(d, Done::Generated(id, _) if *id == job(n));
    match done.iter().filter(fits).collect::<Vec<_>>()[..] {
        [Done::Generated(_, result)] => result.clone().map(|(tokens, _)| tokens),
        ref other => panic!("job {n} ended {} times", other.len()),
    }
}

#[test]
fn eight_jobs_at_once_get_the_answers_that_each_gets_alone() {
    let (sender, done) = mpsc::channel();
    let thread = ComputeThread::start(cpu(), PLENTY, move |d| sender.send(d).unwrap());
    let work: Vec<_> = (0..8).map(|n| generation(n, model(), 3 + n * 11, 40)).collect();
    work.iter().for_each(|w| thread.send(w.clone()));
    let done: Vec<_> = (0..8).map(|_| done.recv_timeout(Duration::from_secs(120)).unwrap()).collect();
    for (n, work) in (0..8).zip(&work) {
        assert_eq!(answer(&done, n).unwrap(), alone(work), "job {n}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Jobs of two models, answers and checks, come and are cancelled at any time; few places, little memory.
    #[test]
    fn any_schedule_gives_the_same_answers(
        arrivals in prop::collection::vec((0usize..6, 1u32..60, 1u32..40, 0u8..5, any::<bool>()), 1..10),
        jobs in 1usize..5, room in 96u64..400, step in 1usize..70, wide_step in 1usize..90,
    ) {
        let memory = sequence_bytes(&MODELS[0], room);
        let mut scheduler = Scheduler::new(cpu(), Limits { jobs, memory, step, wide_step });
        let (mut done, mut expected, mut cancelled) = (Vec::new(), BTreeMap::new(), Vec::new());
        for (n, (wait, length, limit, kind, second)) in (0..).zip(arrivals) {
            let work = generation(n, MODELS[second as usize].clone(), length, limit);
            let middle = limit as usize / 2;
            match kind {
                0 => scheduler.add(check(n, &work, None, VerifyMode::Full)),
                1 => scheduler.add(check(n, &work, Some(middle), VerifyMode::Full)),
                2 => scheduler.add(check(n, &work, Some(0), VerifyMode::Spot)),
                _ => scheduler.add(work.clone()),
            }
            for _ in 0..wait {
                done.extend(scheduler.step());
                prop_assert!(scheduler.load().0 <= jobs);
            }
            // Some of the answers are not wanted any more.
            if kind == 4 && !done.iter().any(|d| matches!(d, Done::Generated(id, _) if *id == job(n))) {
                scheduler.cancel(&job(n));
                cancelled.push(job(n));
            } else {
                let answer = alone(&work);
                // An end token may have cut the answer short of the place that was to be altered.
                let altered = [None, Some(middle), Some(0)].get(kind as usize).copied().flatten();
                expected.insert(job(n), (altered.filter(|at| *at < answer.len()), answer));
            }
        }
        done.extend(finish(&mut scheduler));
        prop_assert_eq!(done.len(), expected.len());
        for d in &done {
            match d {
                Done::Generated(id, result) => {
                    prop_assert!(!cancelled.contains(id));
                    prop_assert_eq!(&result.as_ref().unwrap().0, &expected[id].1);
                }
                Done::Checked(id, result) => {
                    let (verdict, (altered, answer)) = (result.as_ref().unwrap(), &expected[id]);
                    let wrong = verdict.wrong.iter().find(|w| w.expected == answer[w.position as usize]);
                    prop_assert_eq!(wrong.is_some(), altered.is_some(), "{:?}", verdict);
                    prop_assert!(verdict.engine.starts_with("cpu"));
                }
            }
        }
    }
}

#[test]
fn jobs_wait_for_memory_and_one_that_never_fits_is_refused() {
    let memory = sequence_bytes(&model(), 128);
    let limits = Limits { memory, ..PLENTY };
    let mut scheduler = Scheduler::new(cpu(), limits);
    for n in 0..3 {
        scheduler.add(generation(n, model(), 50, 10));
    }
    scheduler.add(generation(3, model(), 100, 60));
    scheduler.step();
    assert_eq!(scheduler.load(), (2, 2));
    let done = finish(&mut scheduler);
    for n in 0..3 {
        assert_eq!(answer(&done, n).unwrap(), alone(&generation(n, model(), 50, 10)));
    }
    let error = answer(&done, 3).unwrap_err();
    assert!(error.contains("too little memory: 160 tokens") && error.contains("--memory"), "{error}");
    assert_eq!(limits.fits(&model(), 160).unwrap_err().to_string(), error);
    assert!(limits.fits(&model(), 128).is_ok() && limits.fits(&model(), u64::MAX).is_err());
}

#[test]
fn what_a_model_cannot_be_asked_fails_by_itself() {
    let mut scheduler = Scheduler::new(cpu(), PLENTY);
    let context = model().info().context;
    scheduler.add(generation(0, model(), 5, 20));
    scheduler.add(generation(1, model(), 5, context));
    scheduler.add(Work::Generate {
        job: job(2),
        package: model(),
        prompt: vec![TokenId(u32::MAX)],
        sampling: Sampling::GREEDY,
        seed: 0,
        limit: 5,
    });
    scheduler.add(check(3, &generation(3, model(), 5, 9), None, VerifyMode::None));
    let done = finish(&mut scheduler);
    assert_eq!(answer(&done, 0).unwrap(), alone(&generation(0, model(), 5, 20)));
    assert!(answer(&done, 1).unwrap_err().contains("exceed the model's context"));
    assert!(answer(&done, 2).unwrap_err().contains("outside the vocabulary"));
    assert!(done.iter().any(|d| matches!(d, Done::Checked(id, Ok(v)) if *id == job(3) && v.checked == 0)));
}

/// The reference, with a fault at one token.
struct Faulty {
    inner: Reference,
    panics: bool,
}

impl Engine for Faulty {
    fn info(&self) -> &ModelInfo {
        self.inner.info()
    }
    fn name(&self) -> String {
        "faulty".into()
    }
    fn open(&mut self) -> Result<SequenceId, EngineError> {
        self.inner.open()
    }
    fn forward(&mut self, batch: &[Feed<'_>]) -> Result<Vec<Logits>, EngineError> {
        if batch.iter().any(|feed| feed.tokens.contains(&TRAP)) {
            assert!(!self.panics, "the trap");
            return Err(EngineError::Device("out of order".into()));
        }
        self.inner.forward(batch)
    }
    fn close(&mut self, sequence: SequenceId) {
        self.inner.close(sequence);
    }
}

#[test]
fn an_engine_that_fails_harms_only_the_job_that_it_fails_at() {
    for panics in [false, true] {
        let (sender, done) = mpsc::channel();
        let open: Opener =
            Box::new(move |package| Ok(Box::new(Faulty { inner: Reference::new(package.clone()), panics })));
        let thread = ComputeThread::start(open, PLENTY, move |d| sender.send(d).unwrap());
        let honest: Vec<_> = (0..4).map(|n| generation(n, model(), 30 + n, 20)).collect();
        let mut trapped = honest[1].clone();
        if let Work::Generate { job: id, prompt, .. } = &mut trapped {
            *id = job(9);
            prompt.push(TRAP);
        }
        // The others are under way when the bad one comes, and one comes after it.
        honest[..3].iter().for_each(|w| thread.send(w.clone()));
        thread.send(trapped);
        thread.send(honest[3].clone());
        let done: Vec<_> = (0..5).map(|_| done.recv_timeout(Duration::from_secs(120)).unwrap()).collect();
        let reason = if panics { "the engine panicked: the trap" } else { "engine failed: out of order" };
        assert_eq!(answer(&done, 9).unwrap_err(), reason);
        for (n, work) in (0..4).zip(&honest) {
            assert!(!alone(work).contains(&TRAP), "another seed is needed");
            assert_eq!(answer(&done, n).unwrap(), alone(work), "job {n}");
        }
    }
}

#[test]
fn an_engine_that_cannot_be_had_is_an_error_of_each_job() {
    for panics in [false, true] {
        let open: Opener = Box::new(move |_| {
            assert!(!panics, "no driver");
            Err(EngineError::Device("no driver".into()))
        });
        let mut scheduler = Scheduler::new(open, PLENTY);
        scheduler.add(generation(0, model(), 5, 5));
        scheduler.add(generation(1, model(), 5, 5));
        let done = finish(&mut scheduler);
        assert!(answer(&done, 0).unwrap_err().contains("no driver"));
        assert!(answer(&done, 1).unwrap_err().contains("no driver"));
    }
}
