//! What the owner is told.

use crate::chain::ProofError;
use crate::deal::DealError;
use crate::hash::{BlockHash, JobId, Txid};
use crate::job::JobError;
use crate::light::headers::HeadersError;
use crate::message::Refusal;
use crate::transaction::Transaction;
use crate::units::{Amount, Height, Timestamp};
use alloc::vec::Vec;
use core::time::Duration;

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<P> {
    /// Headers came, and there are more.
    HeadersProgress(Progress),
    /// The wallet knows the chain up to here.
    Scanned {
        /// The last block that was looked through.
        to: Height,
        /// The last block of the best chain of headers.
        of: Height,
    },
    /// The best chain of headers ends here now.
    Tip {
        /// The height.
        height: Height,
        /// The block.
        hash: BlockHash,
        /// Its time.
        time: Timestamp,
    },
    /// Blocks left the best chain: what was told of blocks above `common` does not count any more. It comes before what
    /// is told of those that joined.
    Reorganised {
        /// The last block that old and new chain share.
        common: Height,
        /// How many left.
        left: u32,
    },
    /// Coins, history or pending transactions have changed.
    WalletChanged,
    /// A block of the best chain moves money of our jobs.
    Contracts(ContractBlock),
    /// Two peers say different things about the filters of these blocks; the proof decides which of them is to blame.
    Disagreement {
        /// The two.
        peers: [P; 2],
        /// The first block.
        from: Height,
        /// The last block.
        to: Height,
    },
    /// Nobody says what should be heard: what is shown may be old.
    Silent(Silence),
    /// That is over.
    Heard(Silence),
    /// A peer broke the protocol. It is not asked any more; the owner closes the connection.
    Blame {
        /// The peer.
        peer: P,
        /// What it did.
        fault: Fault,
    },
    /// A peer took a transaction of ours.
    Submitted {
        /// The transaction.
        txid: Txid,
        /// The peer.
        peer: P,
    },
    /// A transaction of ours was refused for good, and is forgotten with those that stood on it: its coins are free.
    Refused {
        /// The transaction.
        txid: Txid,
        /// Why, as the last peer says.
        reason: Refusal,
    },
}

/// How far the headers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The last header here.
    pub have: Height,
    /// The highest that a peer says there is.
    pub total: Height,
    /// Headers a second, lately; none before there is a rate.
    pub per_second: Option<u32>,
    /// How long the rest takes at that rate.
    pub left: Option<Duration>,
}

/// Transactions of a block that make or spend contracts in which we hold the client key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContractBlock {
    /// The block.
    pub hash: BlockHash,
    /// Its height.
    pub height: Height,
    /// Its time.
    pub time: Timestamp,
    /// W + S of all settlements in the block: it says how deep it must lie to count as buried.
    pub settled: Amount,
    /// They, in order.
    pub transactions: Vec<Transaction>,
}

/// What should be heard, and is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Silence {
    /// No peer answers.
    Peers,
    /// The last block is old, and no newer one has come for a while.
    Tip,
    /// Filters or blocks that the wallet needs do not come.
    Filters,
}

/// How a peer broke the protocol.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// It follows another chain from the start.
    #[error("its first block is {found}, expected {expected}: it belongs to another network")]
    OtherGenesis {
        /// Ours.
        expected: BlockHash,
        /// Its.
        found: BlockHash,
    },
    /// It gave headers that break a rule.
    #[error("headers refused: {0}")]
    Headers(HeadersError),
    /// Its headers follow none of the blocks that it was asked about.
    #[error("its headers follow {found}, none of the blocks that it was asked about")]
    OtherHeaders {
        /// What the first one follows.
        found: BlockHash,
    },
    /// It gave another number of filter hashes than it was asked for.
    #[error("it gave {found} filter hashes, expected {expected}")]
    FilterCount {
        /// What it was asked for.
        expected: usize,
        /// What came.
        found: usize,
    },
    /// Its filter hashes are not those that the chain commits to.
    #[error("its filter hashes up to height {height} are not those that the chain commits to")]
    FilterHashes {
        /// The last one's height.
        height: Height,
    },
    /// Its filter is not the block's.
    #[error("its filter for height {height} is not the one that the chain commits to")]
    Filter {
        /// The block's height.
        height: Height,
    },
    /// It gave more filters than it was asked for.
    #[error("it gave {found} filters, expected at most {expected}")]
    FilterNumber {
        /// What it was asked for.
        expected: usize,
        /// What came.
        found: usize,
    },
    /// Its proof proves nothing.
    #[error("its proof of a transaction is wrong: {0}")]
    Proof(ProofError),
    /// It proves another transaction than it was asked for.
    #[error("it proves another transaction than the coinbase of block {hash}")]
    OtherProof {
        /// The block that it was asked about.
        hash: BlockHash,
    },
    /// It proves another transaction than it was asked for, or at another height than its block's.
    #[error("it proves transaction {found} at height {height}, expected {expected} at the height of its block")]
    OtherTransaction {
        /// The one that it was asked about.
        expected: Txid,
        /// The one that it proves.
        found: Txid,
        /// The height that it says.
        height: Height,
    },
    /// What it reports about a job cannot be.
    #[error("its report of job {job} is wrong: {reason}")]
    Report {
        /// The job.
        job: JobId,
        /// What is wrong.
        reason: DealError,
    },
    /// It tells of an accept or a statement that is another job's.
    #[error("it reports what belongs to job {found}, asked about job {expected}")]
    OtherJob {
        /// The one that it was asked about.
        expected: JobId,
        /// The one that it speaks of.
        found: JobId,
    },
    /// It passes on an offer of service that nobody signed.
    #[error("its offer of service is wrong: {0}")]
    Offer(JobError),
    /// It passes on an offer of service for other models than it was asked about.
    #[error("its offer of service is for other models than it was asked about")]
    OtherOffer,
    /// The block that it follows breaks a rule: it commits to no filter header.
    #[error("the coinbase of block {hash}, which it follows, commits to no filter header")]
    NoCommitment {
        /// The block.
        hash: BlockHash,
    },
    /// It gave other blocks than it was asked for.
    #[error("it gave other blocks than it was asked for")]
    OtherBlocks,
    /// It gave a block with another body than its header says.
    #[error("block {hash} came with other transactions than its header says")]
    Body {
        /// The block.
        hash: BlockHash,
    },
    /// Its answer is of another kind than the question.
    #[error("its answer is of another kind than the question")]
    OtherKind,
    /// Its answer is no response.
    #[error("its answer is no response")]
    Malformed,
    /// It does not answer.
    #[error("it left {questions} questions in a row unanswered")]
    Silent {
        /// How many.
        questions: u32,
    },
}
