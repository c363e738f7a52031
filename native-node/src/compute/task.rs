//! One job's work, and how it goes on token by token.

use camelid_core::deal::{DealVerdict, VerifyMode, WrongToken};
use camelid_core::hash::JobId;
use camelid_core::model::{Generator, JobLimitError, Logits, ModelInfo, Package, Sampling, Want};
use camelid_core::rastic::{Check, Claim, Plan};
use camelid_core::units::TokenId;
use std::sync::Arc;
use std::time::Instant;

/// Work for the compute thread.
#[derive(Clone, Debug)]
pub enum Work {
    /// Generate an answer.
    Generate {
        /// For this job.
        job: JobId,
        /// With this model.
        package: Arc<Package>,
        /// The prompt's tokens.
        prompt: Vec<TokenId>,
        /// How tokens are drawn.
        sampling: Sampling,
        /// The seed.
        seed: u64,
        /// The most tokens.
        limit: u32,
    },
    /// Check an answer.
    Check(AnswerCheck),
}

/// An answer to check.
#[derive(Clone, Debug)]
pub struct AnswerCheck {
    /// For this job.
    pub job: JobId,
    /// With this model.
    pub package: Arc<Package>,
    /// The prompt's tokens.
    pub prompt: Vec<TokenId>,
    /// The answer's tokens.
    pub answer: Vec<TokenId>,
    /// How tokens are drawn.
    pub sampling: Sampling,
    /// The seed.
    pub seed: u64,
    /// The most tokens.
    pub limit: u32,
    /// How much.
    pub mode: VerifyMode,
    /// The client's own randomness, for a spot check.
    pub random: u64,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Done {
    /// An answer, and the milliseconds that it took.
    Generated(JobId, Result<(Vec<TokenId>, u32), String>),
    /// A verdict.
    Checked(JobId, Result<DealVerdict, String>),
}

impl Work {
    /// Whose it is.
    pub fn job(&self) -> &JobId {
        match self {
            Work::Generate { job, .. } => job,
            Work::Check(check) => &check.job,
        }
    }

    /// The model that it needs.
    pub fn package(&self) -> &Arc<Package> {
        match self {
            Work::Generate { package, .. } => package,
            Work::Check(check) => &check.package,
        }
    }

    /// Tokens that its sequence holds at most.
    pub fn tokens(&self) -> u64 {
        match self {
            Work::Generate { prompt, limit, .. } => prompt.len() as u64 + *limit as u64,
            Work::Check(check) if check.mode == VerifyMode::None => 0,
            Work::Check(check) => check.prompt.len() as u64 + (check.limit as u64).min(check.answer.len() as u64),
        }
    }

    /// It did not come to an end.
    pub(super) fn failed(self, reason: String) -> Done {
        match self {
            Work::Generate { job, .. } => Done::Generated(job, Err(reason)),
            Work::Check(check) => Done::Checked(check.job, Err(reason)),
        }
    }
}

/// Work that is being done.
#[derive(Debug)]
pub(super) struct Task {
    pub work: Work,
    state: State,
    started: Instant,
}

/// How far it is.
#[derive(Debug)]
pub(super) enum State {
    /// `fed`: tokens of the generator's next input that the sequence holds already.
    Generate {
        generator: Generator,
        fed: usize,
    },
    Check(Box<Check>),
}

impl State {
    /// The work's beginning, or why the model cannot be asked this.
    pub fn new(work: &Work, info: &ModelInfo) -> Result<State, JobLimitError> {
        Ok(match work {
            Work::Generate { prompt, sampling, seed, limit, .. } => {
                State::Generate { generator: Generator::new(info, prompt, sampling, *seed, *limit)?, fed: 0 }
            }
            Work::Check(c) => State::Check(Box::new(Check::new(info, &c.claim(), c.plan())?)),
        })
    }
}

impl Task {
    /// Work that begins now.
    pub fn new(work: Work, state: State) -> Task {
        Task { work, state, started: Instant::now() }
    }

    /// Whether it waits for one token's logits, to draw the next: it should not be kept waiting by longer pieces.
    pub fn is_decoding(&self) -> bool {
        matches!(&self.state, State::Generate { generator, .. } if !generator.tokens().is_empty())
    }

    /// What to feed next, at most so many tokens; `None` when there is nothing left to feed.
    pub fn piece(&self, most: usize) -> Option<(&[TokenId], Want)> {
        match &self.state {
            State::Generate { generator, fed } => {
                let left = generator.input().get(*fed..).filter(|left| !left.is_empty())?;
                let piece = &left[..left.len().min(most)];
                Some((piece, if piece.len() == left.len() { Want::Last } else { Want::Nothing }))
            }
            State::Check(check) => {
                let (tokens, want) = check.input()?;
                let piece = &tokens[..tokens.len().min(most)];
                let wanted = (0..piece.len()).filter(|index| want.wants(*index, tokens.len())).count();
                Some((piece, if wanted == 0 { Want::Nothing } else { Want::Tail(wanted) }))
            }
        }
    }

    /// Takes the logits of a piece of so many tokens, and says whether that was the last.
    pub fn advance(&mut self, fed: usize, logits: &Logits) -> Result<bool, String> {
        match &mut self.state {
            State::Generate { generator, fed: held } => {
                *held += fed;
                if *held < generator.input().len() {
                    return Ok(false);
                }
                let row = logits.last().ok_or("the engine gave no logits")?;
                *held = 0;
                Ok(generator.advance(row).1.is_some())
            }
            State::Check(check) => {
                check.advance_by(fed, logits);
                Ok(check.input().is_none())
            }
        }
    }

    /// What came of it, when the last piece was taken. `engine` is what verdicts call the engine.
    pub fn finish(self, engine: String) -> Done {
        let ms = self.started.elapsed().as_millis() as u32;
        let job = *self.work.job();
        match self.state {
            State::Generate { generator, .. } => Done::Generated(job, Ok((generator.into_tokens(), ms))),
            State::Check(check) => {
                let Some(verdict) = check.into_verdict() else {
                    return Done::Checked(job, Err("the engine gave fewer logits than asked for".into()));
                };
                let wrong = verdict.positions.iter().filter(|p| !p.is_right());
                let wrong = wrong.map(|p| WrongToken { position: p.index, found: p.found, expected: p.expected });
                Done::Checked(
                    job,
                    Ok(DealVerdict {
                        checked: verdict.positions.len() as u32,
                        wrong: wrong.collect(),
                        problem: verdict.faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
                        verify_ms: ms,
                        engine,
                    }),
                )
            }
        }
    }
}

impl AnswerCheck {
    fn claim(&self) -> Claim<'_> {
        Claim {
            prompt: &self.prompt,
            answer: &self.answer,
            limit: self.limit,
            sampling: self.sampling,
            seed: self.seed,
        }
    }

    fn plan(&self) -> Plan {
        match self.mode {
            VerifyMode::Full => Plan::Full,
            VerifyMode::Spot => Plan::Spot { random: self.random },
            VerifyMode::None => Plan::None,
        }
    }
}
