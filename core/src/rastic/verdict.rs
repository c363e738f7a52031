//! What a check found.

use crate::units::TokenId;
use alloc::vec::Vec;

/// The paper's three assertions (2.5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assertion {
    /// The first token of the answer follows from the input.
    Continuity,
    /// A token inside the answer follows from what is before it.
    Integrity,
    /// The last token follows from what is before it, and the answer ends where it must.
    Truncation,
}

impl core::fmt::Display for Assertion {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Assertion::Continuity => "continuity",
            Assertion::Integrity => "integrity",
            Assertion::Truncation => "truncation",
        })
    }
}

/// How an assertion came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It holds wherever it was checked.
    Holds,
    /// It fails somewhere.
    Fails,
    /// The plan did not check it, or the answer is too short to have such a position.
    NotChecked,
}

/// A position of the answer that was computed again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Index in the answer.
    pub index: u32,
    /// What the model says.
    pub expected: TokenId,
    /// What the answer says.
    pub found: TokenId,
}

impl Position {
    /// Whether model and answer agree.
    pub fn is_right(&self) -> bool {
        self.expected == self.found
    }
}

/// Why an answer's end or shape is wrong, whatever the model says. None of these needs a re-run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Neither an end token nor the limit was reached.
    #[error("stopped early: {length} tokens, expected an end token or {limit}")]
    StoppedEarly {
        /// Tokens in the answer.
        length: u64,
        /// The token limit.
        limit: u32,
    },
    /// Tokens follow an end token.
    #[error("went on after end token {id} at {index}")]
    WentOn {
        /// Index of the first end token in the answer.
        index: u32,
        /// That token.
        id: TokenId,
    },
    /// More tokens than were asked for.
    #[error("too long: {length} tokens, at most {limit} expected")]
    TooLong {
        /// Tokens in the answer.
        length: u64,
        /// The token limit.
        limit: u32,
    },
    /// An id that the vocabulary does not have.
    #[error("token {id} at {index} is outside the vocabulary of {vocabulary}")]
    Vocabulary {
        /// Index in the answer.
        index: u32,
        /// The id.
        id: TokenId,
        /// Size of the vocabulary.
        vocabulary: u32,
    },
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Tokens in the answer.
    pub length: u64,
    /// Positions that were computed again, ascending.
    pub positions: Vec<Position>,
    /// What is wrong with the answer's end or shape.
    pub faults: Vec<Fault>,
}

impl Verdict {
    /// Whether nothing wrong was found.
    pub fn is_valid(&self) -> bool {
        self.faults.is_empty() && self.first_wrong().is_none()
    }

    /// The first position where the model says something else.
    pub fn first_wrong(&self) -> Option<&Position> {
        self.positions.iter().find(|p| !p.is_right())
    }

    /// Whether every position was computed again: a wrong token cannot have been missed.
    pub fn is_complete(&self) -> bool {
        self.positions.len() as u64 == self.length
    }

    /// How an assertion came out. In an answer of one token that token is first and last.
    pub fn outcome(&self, assertion: Assertion) -> Outcome {
        let last = self.length.saturating_sub(1);
        let belongs = |p: &&Position| match assertion {
            Assertion::Continuity => p.index == 0,
            Assertion::Integrity => p.index > 0 && (p.index as u64) < last,
            Assertion::Truncation => p.index as u64 == last,
        };
        let mut checked = self.positions.iter().filter(belongs).peekable();
        if assertion == Assertion::Truncation && !self.faults.is_empty() {
            return Outcome::Fails;
        }
        if checked.peek().is_none() {
            return Outcome::NotChecked;
        }
        if checked.all(Position::is_right) { Outcome::Holds } else { Outcome::Fails }
    }
}
