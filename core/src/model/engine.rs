//! What every engine does, in the same bits.

use super::arithmetic::linear;
use super::package::{ModelInfo, Package};
use crate::units::TokenId;
use alloc::string::String;
use alloc::vec::Vec;

/// A sequence that an engine holds: the keys and values of its tokens so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SequenceId(pub u64);

/// Which of the tokens fed get logits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// None: prefill.
    Nothing,
    /// The last one.
    Last,
    /// The last so many: a prompt and what is checked after it in one feed.
    Tail(usize),
    /// Each.
    All,
}

impl Want {
    /// Whether token `index` of a feed of `length` gets logits.
    pub fn wants(self, index: usize, length: usize) -> bool {
        match self {
            Want::Nothing => false,
            Want::Last => index + 1 == length,
            Want::Tail(n) => length.saturating_sub(index) <= n,
            Want::All => true,
        }
    }
}

/// Tokens for one sequence.
#[derive(Clone, Copy, Debug)]
pub struct Feed<'a> {
    /// Where they go.
    pub sequence: SequenceId,
    /// They follow what the sequence holds already; at least one.
    pub tokens: &'a [TokenId],
    /// Which get logits.
    pub want: Want,
}

/// Logits: one row a token that was asked for, one number an id of the vocabulary, fraction 16.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Logits {
    vocabulary: usize,
    values: Vec<i32>,
}

impl Logits {
    /// `values` holds rows of `vocabulary` numbers.
    pub fn new(vocabulary: usize, values: Vec<i32>) -> Self {
        Logits { vocabulary: vocabulary.max(1), values }
    }

    /// The rows in the order of the tokens.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[i32]> {
        self.values.chunks_exact(self.vocabulary.max(1))
    }

    /// The last row.
    pub fn last(&self) -> Option<&[i32]> {
        self.rows().last()
    }

    /// All rows, one after another.
    pub fn values(&self) -> &[i32] {
        &self.values
    }
}

/// Why an engine did not compute. Nothing has changed then: every sequence is as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// A sequence would get longer than the model's context.
    #[error("sequence of {found} tokens is too long: the model takes at most {expected}; shorten prompt or limit")]
    ContextLength {
        /// The model's context.
        expected: u32,
        /// The length asked for.
        found: u64,
    },
    /// An id that the vocabulary does not have.
    #[error("token id {found} at index {index} is outside the vocabulary of {expected}")]
    Vocabulary {
        /// Size of the vocabulary.
        expected: u32,
        /// The id.
        found: u32,
        /// Its index in the tokens fed.
        index: usize,
    },
    /// No such sequence is open.
    #[error("sequence {} is not open", .0.0)]
    UnknownSequence(SequenceId),
    /// A sequence stands twice in one batch.
    #[error("sequence {} stands twice in one batch", .0.0)]
    RepeatedSequence(SequenceId),
    /// A sequence was given no tokens.
    #[error("no tokens for sequence {}: at least one expected", .0.0)]
    NoTokens(SequenceId),
    /// The device or its memory gave out.
    #[error("engine failed: {0}")]
    Device(String),
}

/// An engine: one model, several sequences.
///
/// Tokens may come in one piece, in odd pieces or one by one, alone or in a batch with other sequences: the
/// logits are the same bits.
pub trait Engine: Send {
    /// The model that it computes.
    fn info(&self) -> &ModelInfo;

    /// What verdicts call it, such as `cpu (avx512)`.
    fn name(&self) -> String;

    /// Opens an empty sequence.
    fn open(&mut self) -> Result<SequenceId, EngineError>;

    /// Feeds tokens to sequences, each sequence at most once. Gives the logits of each feed, in their order.
    fn forward(&mut self, batch: &[Feed<'_>]) -> Result<Vec<Logits>, EngineError>;

    /// Forgets a sequence; an unknown one is no error.
    fn close(&mut self, sequence: SequenceId);
}

/// Checks a batch against the model and the open sequences' lengths: what every engine does first.
///
/// `length` gives an open sequence's length, `None` for one that is not open.
pub fn check_batch(
    info: &ModelInfo,
    batch: &[Feed<'_>],
    length: impl Fn(SequenceId) -> Option<usize>,
) -> Result<(), EngineError> {
    let mut seen = alloc::collections::BTreeSet::new();
    for feed in batch {
        let held = length(feed.sequence).ok_or(EngineError::UnknownSequence(feed.sequence))?;
        if !seen.insert(feed.sequence) {
            return Err(EngineError::RepeatedSequence(feed.sequence));
        }
        if feed.tokens.is_empty() {
            return Err(EngineError::NoTokens(feed.sequence));
        }
        let found = held as u64 + feed.tokens.len() as u64;
        if found > info.context as u64 {
            return Err(EngineError::ContextLength { expected: info.context, found });
        }
        if let Some((index, id)) = feed.tokens.iter().enumerate().find(|(_, id)| id.0 >= info.vocabulary) {
            return Err(EngineError::Vocabulary { expected: info.vocabulary, found: id.0, index });
        }
    }
    Ok(())
}

/// One token of a batch on its way through the layers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FedToken {
    /// Its id.
    pub id: usize,
    /// Its sequence.
    pub sequence: SequenceId,
    /// Its place there.
    pub position: usize,
    /// Which of the batch's feeds it stands in.
    pub feed: usize,
    /// Whether it gets logits.
    pub wants_logits: bool,
}

/// The tokens of a batch one after another. `grow` adds so many tokens to a sequence's length and gives its length before.
pub(crate) fn fed_tokens(
    batch: &[Feed<'_>],
    mut grow: impl FnMut(SequenceId, usize) -> Option<usize>,
) -> Vec<FedToken> {
    let mut tokens = Vec::new();
    for (feed, f) in batch.iter().enumerate() {
        let Some(held) = grow(f.sequence, f.tokens.len()) else { continue };
        tokens.extend(f.tokens.iter().enumerate().map(|(i, id)| FedToken {
            id: id.0 as usize,
            sequence: f.sequence,
            position: held + i,
            feed,
            wants_logits: f.want.wants(i, f.tokens.len()),
        }));
    }
    tokens
}

/// A token's row of the embedding, with its learned position where the model has those: where its residual stream
/// starts. `x` has the model's width.
pub(crate) fn embed(package: &Package, token: &FedToken, x: &mut [i32]) {
    linear::embed(&package.embedding(), token.id, package.manifest().residual_fraction as i32, x);
    let learned = package.position(token.position).as_chunks::<4>().0;
    for (x, p) in x.iter_mut().zip(learned) {
        *x = x.saturating_add(i32::from_le_bytes(*p));
    }
}
