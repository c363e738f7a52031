//! The check: which positions, one pass, the verdict.

use super::verdict::{Fault, Position, Verdict};
use crate::model::{
    Engine, EngineError, Feed, JobLimitError, ModelInfo, Sampling, SequenceId, Want, sample, valid_job, valid_prompt,
};
use crate::units::TokenId;
use alloc::vec::Vec;

/// Tokens fed at a time where none gets logits.
const PREFILL: usize = 512;

/// Tokens fed at a time where each gets logits: bounds their memory.
const CHECKED: usize = 64;

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

/// Checks an answer in one teacher-forced pass.
///
/// A wrong answer is a verdict, not an error. Where it is too long or has an id outside the vocabulary, the
/// positions up to there are checked.
pub fn check(
    engine: &mut dyn Engine,
    claim: &Claim<'_>,
    plan: Plan,
    progress: &mut dyn FnMut(Progress),
) -> Result<Verdict, RasticError> {
    valid_job(engine.info(), claim.prompt.len() as u64, claim.limit, &claim.sampling)?;
    valid_prompt(engine.info(), claim.prompt)?;
    let faults = faults(engine.info(), claim);
    let wanted = positions(claim.answer.len(), plan);
    let reach = checkable(engine.info(), claim);
    let wanted: Vec<usize> = wanted.into_iter().filter(|p| *p < reach).collect();
    let mut positions = Vec::with_capacity(wanted.len());
    if let Some(last) = wanted.last() {
        let given: Vec<TokenId> = claim.prompt.iter().chain(claim.answer.iter().take(*last)).copied().collect();
        let sequence = engine.open()?;
        let result = pass(engine, sequence, &given, claim, &wanted, &mut positions, progress);
        engine.close(sequence);
        result?;
    }
    Ok(Verdict { length: claim.answer.len() as u64, positions, faults })
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

fn pass(
    engine: &mut dyn Engine,
    sequence: SequenceId,
    given: &[TokenId],
    claim: &Claim<'_>,
    wanted: &[usize],
    positions: &mut Vec<Position>,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), EngineError> {
    let before_answer = claim.prompt.len() - 1;
    let (mut fed, mut rest) = (0, wanted);
    while fed < given.len() {
        // The token before a wanted position is the one whose logits are wanted.
        let next = rest.first().map_or(given.len(), |p| before_answer + p);
        let run = rest.iter().zip(next..).take_while(|(p, at)| before_answer + **p == *at).count();
        let (end, want) = if fed == next {
            (fed + run.min(CHECKED), Want::All)
        } else if next - fed < PREFILL {
            (next, Want::Nothing)
        } else {
            (fed + PREFILL, Want::Nothing)
        };
        let Some(tokens) = given.get(fed..end) else { break };
        let logits = engine.forward(&[Feed { sequence, tokens, want }])?;
        for row in logits.iter().flat_map(|l| l.rows()) {
            let Some((&index, tail)) = rest.split_first() else { break };
            rest = tail;
            // "F(R[0:A]) = R[A+1]" for the first position, continuity; "F(R[X]) = R[X+1]" inside, integrity; and the same at the
            // end, truncation (paper 2.5.2).
            let expected = sample(row, &claim.sampling, claim.seed, (claim.prompt.len() + index) as u32);
            let found = claim.answer.get(index).copied().unwrap_or_default();
            positions.push(Position { index: index as u32, expected, found });
        }
        fed = end;
        progress(Progress { done: fed as u64, total: given.len() as u64 });
    }
    Ok(())
}
