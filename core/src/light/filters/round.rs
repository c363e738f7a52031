//! One question about filter hashes, put to two peers, and what decides between their answers.

use crate::hash::{BlockHash, FilterHeader};
use crate::sorted::Map;
use crate::units::Height;
use alloc::vec::Vec;

/// A peer's answer: the filter header before the first block, and those of the blocks.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The one before the first.
    pub before: FilterHeader,
    /// One a block.
    pub headers: Vec<FilterHeader>,
}

impl Answer {
    /// The last block's.
    pub fn last(&self) -> Option<&FilterHeader> {
        self.headers.last()
    }
}

/// What the commitment said about the answers.
#[derive(Clone, Debug)]
pub struct Verdict<P> {
    /// The right answer, if there was one.
    pub right: Option<Answer>,
    /// Who gave another.
    pub liars: Vec<P>,
}

/// The blocks that are asked about, and what came so far.
#[derive(Clone, Debug)]
pub struct Round<P> {
    /// The first block's height.
    pub start: Height,
    /// The last block's height.
    pub stop: Height,
    /// The last block.
    pub hash: BlockHash,
    answers: Map<P, Answer>,
    /// What the last block's coinbase commits to, once it is proved.
    committed: Option<FilterHeader>,
}

impl<P: Copy + Ord> Round<P> {
    /// Nothing has come yet.
    pub fn new(start: Height, stop: Height, hash: BlockHash) -> Self {
        Round { start, stop, hash, answers: Map::new(), committed: None }
    }

    /// Whether a peer's answer is here.
    pub fn has_answer_of(&self, peer: &P) -> bool {
        self.answers.contains_key(peer)
    }

    /// How many answers are here.
    pub fn answers(&self) -> usize {
        self.answers.len()
    }

    /// Whether the commitment is known.
    pub fn is_proved(&self) -> bool {
        self.committed.is_some()
    }

    /// An answer came. Gives a peer that said something else.
    pub fn on_answer(&mut self, peer: P, answer: Answer) -> Option<P> {
        let other = self.answers.iter().find(|(_, other)| other.last() != answer.last()).map(|(other, _)| *other);
        self.answers.insert(peer, answer);
        other
    }

    /// The last block's commitment was proved.
    pub fn on_commitment(&mut self, committed: FilterHeader) {
        self.committed = Some(committed);
    }

    /// Sorts the answers by the commitment, once it is known: a filter header fixes all those before it.
    pub fn decide(&mut self) -> Option<Verdict<P>> {
        let committed = self.committed?;
        let mut verdict = Verdict { right: None, liars: Vec::new() };
        for (peer, answer) in core::mem::take(&mut self.answers) {
            if answer.last() == Some(&committed) {
                verdict.right = Some(answer);
            } else {
                verdict.liars.push(peer);
            }
        }
        Some(verdict)
    }
}
