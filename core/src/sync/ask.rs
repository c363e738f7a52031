//! What is asked, what comes of answers, and the numbers of following a chain.

use crate::block::Block;
use crate::hash::BlockHash;
use crate::message::{ChainStatus, Envelope, Request};
use crate::units::Timestamp;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

/// The time, twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Since any moment before the first use; it never goes back.
    pub elapsed: Duration,
    /// The clock that blocks' times are checked with.
    pub time: Timestamp,
}

/// How much at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests for blocks under way at one peer: a second one hides the way there and back.
    pub requests: usize,
    /// How far ahead of the next block others are asked for.
    pub window: usize,
    /// Bytes of blocks that wait for their turn. Over it, the next blocks alone are asked for.
    pub waiting_bytes: usize,
    /// Ends of chains that are followed at once.
    pub paths: usize,
    /// A block that others wait for so long is asked of another peer too.
    pub stall: Duration,
    /// A question that is not answered in this time is not answered.
    pub timeout: Duration,
    /// From one status to the next.
    pub poll: Duration,
    /// A peer whose headers led nowhere is not asked again before.
    pub pause: Duration,
    /// New headers of a peer that may lead to nothing better in a row.
    pub useless_headers: usize,
    /// So many questions in a row that are not answered are a fault.
    pub silent: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            requests: 2,
            window: 1024,
            waiting_bytes: 64 << 20,
            paths: 4,
            stall: Duration::from_secs(5),
            timeout: Duration::from_secs(60),
            poll: Duration::from_secs(5),
            pause: Duration::from_secs(5),
            useless_headers: 20_000,
            silent: 5,
        }
    }
}

/// A question to a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Where it stands, with where we do.
    Status(ChainStatus),
    /// The headers after the first of these blocks that it knows.
    Headers(Vec<BlockHash>),
    /// These blocks.
    Blocks(Vec<BlockHash>),
    /// What is in its pools.
    Pools,
}

impl From<Ask> for Request {
    fn from(ask: Ask) -> Self {
        match ask {
            Ask::Status(status) => Request::Status(status),
            Ask::Headers(locator) => Request::Headers(locator),
            Ask::Blocks(hashes) => Request::Blocks(hashes),
            Ask::Pools => Request::Pools,
        }
    }
}

/// What comes of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<P> {
    /// The peer broke the protocol.
    Fault(P, Fault),
    /// Blocks for the chain, in its order, and who gave them.
    Blocks(Vec<(P, Block)>),
    /// What is in a peer's pools.
    Pools(P, Vec<Envelope>),
}

/// How a peer broke the protocol.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// It follows another chain from the start.
    #[error("its first block is {found}, {expected} expected: it belongs to another network")]
    OtherGenesis {
        /// Ours.
        expected: BlockHash,
        /// Its.
        found: BlockHash,
    },
    /// It gave headers that break a rule.
    #[error("headers refused: {0}")]
    Headers(String),
    /// It gave other blocks than it was asked for.
    #[error("it gave other blocks than it was asked for")]
    OtherBlocks,
    /// Its answer is of another kind than the question.
    #[error("its answer is of another kind than the question")]
    OtherKind,
    /// It does not answer.
    #[error("it left {questions} questions in a row unanswered")]
    Silent {
        /// How many.
        questions: u32,
    },
}
