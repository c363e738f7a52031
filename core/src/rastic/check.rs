//! The check: which positions, one pass, the verdict.

use super::verdict::{Fault, Position, Verdict};
use crate::model::{
    Engine, EngineError, Feed, JobLimitError, Logits, ModelInfo, Sampling, SequenceId, Want, sample, valid_job,
    valid_prompt,
};
use crate::units::TokenId;
use alloc::vec::Vec;

/// Tokens fed at a time where none gets logits.
const PREFILL: usize = 512;

/// Tokens fed at a time where each gets logits: bounds their memory.
const CHECKED: usize = 128;

/// Which positions are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// First, last, and one inside.
    Spot {
        /// The client's own randomness, drawn when it holds the answer.
        random: u64,
    },
    /// Every position.
    Full,
    /// None: only what needs no model.
    None,
}

/// What is claimed: that `answer` is the model's answer to `prompt`.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// Token ids of the prompt.
    pub prompt: &'a [TokenId],
    /// Token ids of the answer; an end token is part of it.
    pub answer: &'a [TokenId],
    /// The most tokens that the answer may have.
    pub limit: u32,
    /// How tokens are drawn.
    pub sampling: Sampling,
    /// Seed of the draw.
    pub seed: u64,
}

/// How far a check is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Tokens that went through the model.
    pub done: u64,
    /// Tokens that will have.
    pub total: u64,
}

/// Why nothing could be checked. Says nothing about the answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RasticError {
    /// The model cannot be asked this in the first place.
    #[error(transparent)]
    Job(#[from] JobLimitError),
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// A check in the making, without an engine: says what to feed, takes the logits. One sequence, from its start.
#[derive(Clone, Debug)]
pub struct Check {
    /// Prompt and answer up to the last token that needs feeding.
    given: Vec<TokenId>,
    answer: Vec<TokenId>,
    prompt: usize,
    sampling: Sampling,
    seed: u64,
    /// Positions of the answer still to be checked, descending.
    wanted: Vec<usize>,
    fed: usize,
    verdict: Verdict,
}

impl Check {
    /// Plans the check of an answer. A wrong answer is a verdict, not an error: where it is too long or has an id
    /// outside the vocabulary, the positions up to there are checked.
    pub fn new(info: &ModelInfo, claim: &Claim<'_>, plan: Plan) -> Result<Check, JobLimitError> {
        valid_job(info, claim.prompt.len() as u64, claim.limit, &claim.sampling)?;
        valid_prompt(info, claim.prompt)?;
        let reach = checkable(info, claim);
        let mut wanted: Vec<usize> = positions(claim.answer.len(), plan).into_iter().filter(|p| *p < reach).collect();
        wanted.reverse();
        let given = match wanted.first() {
            Some(last) => claim.prompt.iter().chain(claim.answer.iter().take(*last)).copied().collect(),
            None => Vec::new(),
        };
        let length = claim.answer.len() as u64;
        Ok(Check {
            given,
            answer: claim.answer.iter().take(reach).copied().collect(),
            prompt: claim.prompt.len(),
            sampling: claim.sampling,
            seed: claim.seed,
            verdict: Verdict { length, positions: Vec::with_capacity(wanted.len()), faults: faults(info, claim) },
            wanted,
            fed: 0,
        })
    }

    /// What to feed next and which of it gets logits; `None` when the verdict is there.
    pub fn input(&self) -> Option<(&[TokenId], Want)> {
        // The token before a wanted position is the one whose logits are wanted.
        let before = |position: usize| self.prompt + position - 1;
        let next = before(*self.wanted.last()?);
        // An engine that gave fewer logits than asked for leaves positions behind it: there is no way back to them.
        let ahead = next.checked_sub(self.fed)?;
        let (end, want) = if ahead > PREFILL {
            (self.fed + PREFILL, Want::Nothing)
        } else {
            // What comes before goes with it: the weights are then read once for both. Together they make pieces of nearly
            // the same size.
            let run = self.wanted.iter().rev().zip(next..).take_while(|(p, at)| before(**p) == *at).count();
            let piece = (ahead + run).div_ceil((ahead + run).div_ceil(CHECKED)).max(1);
            let run = run.min(piece - ahead % piece);
            (next + run, Want::Tail(run))
        };
        self.given.get(self.fed..end).map(|tokens| (tokens, want))
    }

    /// Takes the logits of the tokens that [`Check::input`] gave.
    pub fn advance(&mut self, logits: &Logits) -> Progress {
        self.advance_by(self.input().map_or(0, |(tokens, _)| tokens.len()), logits)
    }

    /// Takes the logits of the first `fed` of the tokens that [`Check::input`] gave: they may go in smaller pieces.
    pub fn advance_by(&mut self, fed: usize, logits: &Logits) -> Progress {
        for row in logits.rows() {
            let Some(index) = self.wanted.pop() else { break };
            // "F(R[0:A]) = R[A+1]" for the first position, continuity; "F(R[X]) = R[X+1]" inside, integrity; and the
            // same at the end, truncation (paper 2.5.2).
            let expected = sample(row, &self.sampling, self.seed, (self.prompt + index) as u32);
            let found = self.answer.get(index).copied().unwrap_or_default();
            self.verdict.positions.push(Position { index: index as u32, expected, found });
        }
        self.fed += fed;
        Progress { done: self.fed as u64, total: self.given.len() as u64 }
    }

    /// What was found; `None` while positions are missing, as after an engine that gave fewer logits than asked for.
    pub fn into_verdict(self) -> Option<Verdict> {
        self.wanted.is_empty().then_some(self.verdict)
    }
}

/// Checks an answer in one teacher-forced pass.
pub fn check(
    engine: &mut dyn Engine,
    claim: &Claim<'_>,
    plan: Plan,
    progress: &mut dyn FnMut(Progress),
) -> Result<Verdict, RasticError> {
    let mut check = Check::new(engine.info(), claim, plan)?;
    if check.input().is_some() {
        let sequence = engine.open()?;
        let result = run(engine, sequence, &mut check, progress);
        engine.close(sequence);
        result?;
    }
    let missing = EngineError::Device("it gave fewer logits than asked for".into());
    Ok(check.into_verdict().ok_or(missing)?)
}

fn run(
    engine: &mut dyn Engine,
    sequence: SequenceId,
    check: &mut Check,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), EngineError> {
    while let Some((tokens, want)) = check.input() {
        let logits = engine.forward(&[Feed { sequence, tokens, want }])?;
        let Some(logits) = logits.first() else { break };
        progress(check.advance(logits));
    }
    Ok(())
}

/// What is wrong with the answer's end or shape.
fn faults(info: &ModelInfo, claim: &Claim<'_>) -> Vec<Fault> {
    let (length, limit) = (claim.answer.len() as u64, claim.limit);
    let mut faults = Vec::new();
    let first = |is: &dyn Fn(TokenId) -> bool| (0u32..).zip(claim.answer).find(|(_, id)| is(**id));
    if let Some((index, id)) = first(&|id| id.0 >= info.vocabulary) {
        faults.push(Fault::Vocabulary { index, id: *id, vocabulary: info.vocabulary });
    }
    if length > limit as u64 {
        faults.push(Fault::TooLong { length, limit });
    }
    // "F(R[A+B-1]) = E if R[A+B-1] is E; F(R[A+B-1]) = F(R[A+B]) if R has length T" (paper 2.5.2): an answer ends
    // with the end token, which is part of it, or at the limit, and nowhere else.
    match first(&|id| info.is_end(id)) {
        Some((index, id)) if index as u64 + 1 < length => faults.push(Fault::WentOn { index, id: *id }),
        None if length < limit as u64 => faults.push(Fault::StoppedEarly { length, limit }),
        _ => {}
    }
    faults
}

/// The positions that a plan asks for, ascending.
fn positions(length: usize, plan: Plan) -> Vec<usize> {
    match (plan, length) {
        (Plan::None, _) | (_, 0) => Vec::new(),
        (Plan::Full, _) | (_, 1 | 2) => (0..length).collect(),
        (Plan::Spot { random }, _) => {
            // "Let X be a random integer between 2 and (A + B) - 2" (paper 2.5.2); here X lies inside the answer: the input
            // was not generated.
            let inside = 1 + (random % (length as u64 - 2)) as usize;
            [0, inside, length - 1].into()
        }
    }
}

/// Positions below this one can be computed: the limit's, and up to the first id that cannot be fed.
fn checkable(info: &ModelInfo, claim: &Claim<'_>) -> usize {
    let known = claim.answer.iter().take_while(|id| id.0 < info.vocabulary).count();
    (known + 1).min(claim.answer.len()).min(claim.limit as usize)
}
