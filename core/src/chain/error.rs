//! What can be wrong: one variant a rule, with the values.

use crate::block::{CompactTarget, TargetError};
use crate::contract::ContractError;
use crate::hash::{BlockHash, FilterHeader, Hash32, Txid};
use crate::script::ScriptError;
use crate::transaction::OutPoint;
use crate::units::{Amount, Height, Timestamp};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;

/// Why a header is not valid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// The version's highest three bits.
    #[error("header version is 0x{found:08x}, expected its highest three bits to be 001")]
    Version {
        /// The version.
        found: u32,
    },
    /// The bits stand for no target.
    #[error(transparent)]
    Bits(#[from] TargetError),
    /// The target is easier than the network allows.
    #[error("target {found} is easier than the network's limit, {limit}")]
    OverLimit {
        /// The network's limit.
        limit: CompactTarget,
        /// What was found.
        found: CompactTarget,
    },
    /// The hash does not reach the target.
    #[error("block hash {hash} does not reach target {bits}")]
    ProofOfWork {
        /// The block's hash.
        hash: BlockHash,
        /// The target.
        bits: CompactTarget,
    },
    /// The target is not what the difficulty rule asks for.
    #[error("target is {found}, expected {expected}")]
    WrongBits {
        /// What the rule asks for.
        expected: CompactTarget,
        /// What was found.
        found: CompactTarget,
    },
    /// The time is not above the median of the blocks before.
    #[error("block time {found} is not after the median time past, {median}")]
    TimeTooOld {
        /// The median time past of the parent.
        median: Timestamp,
        /// The block's time.
        found: Timestamp,
    },
    /// The time lies too far ahead. The block may become valid later.
    #[error("block time {found} is too far ahead, at most {limit} allowed")]
    TimeTooNew {
        /// The latest time allowed.
        limit: Timestamp,
        /// The block's time.
        found: Timestamp,
    },
}

/// Why a transaction is not valid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransactionError {
    /// The version is unknown.
    #[error("transaction version is {found}, expected {expected}")]
    Version {
        /// The version there is.
        expected: u32,
        /// What was found.
        found: u32,
    },
    /// The encoding is too large.
    #[error("transaction has {found} bytes, at most {max} allowed")]
    Size {
        /// The limit.
        max: usize,
        /// What was found.
        found: usize,
    },
    /// Nothing is spent.
    #[error("transaction has no inputs")]
    NoInputs,
    /// Nothing is made.
    #[error("transaction has no outputs")]
    NoOutputs,
    /// An input of a transaction that is not a coinbase names nothing.
    #[error("input {input} names no output")]
    NullInput {
        /// The input's index.
        input: usize,
    },
    /// Two inputs spend the same output.
    #[error("output {0} is spent twice in one transaction")]
    DuplicateInput(OutPoint),
    /// More signature checks than a block may have.
    #[error("transaction has {found} signature checks, a block at most {max}")]
    Sigops {
        /// The limit.
        max: u32,
        /// What was found.
        found: u32,
    },
    /// The outputs exceed all the money there can be.
    #[error("outputs add up to more than all the money there can be")]
    OutputsTooLarge,
    /// The inputs exceed all the money there can be.
    #[error("inputs add up to more than all the money there can be")]
    InputsTooLarge,
    /// An output that is spent does not exist or was spent before.
    #[error("output {0} does not exist or is spent")]
    MissingInput(OutPoint),
    /// A coinbase's output is spent too early.
    #[error("coinbase output {outpoint} can be spent from height {from} on, the block's height is {height}")]
    ImmatureCoinbase {
        /// The output.
        outpoint: OutPoint,
        /// The first height at which it can be spent.
        from: Height,
        /// The height of the block that would spend it.
        height: Height,
    },
    /// More goes out than comes in.
    #[error("outputs make {outputs}, inputs only {inputs}")]
    ValueCreated {
        /// The sum of the inputs.
        inputs: Amount,
        /// The sum of the outputs.
        outputs: Amount,
    },
    /// The lock time is a height not yet reached.
    #[error("transaction is locked up to height {lock}, the block's height is {height}")]
    LockedUntilHeight {
        /// The lock time.
        lock: Height,
        /// The height of the block.
        height: Height,
    },
    /// The lock time is a time not yet reached.
    #[error("transaction is locked up to time {lock}, the median time past is {median}")]
    LockedUntilTime {
        /// The lock time.
        lock: Timestamp,
        /// The median time past of the block's parent.
        median: Timestamp,
    },
    /// An input's relative lock counts blocks that have not come.
    #[error("input {input} can be spent from height {from} on, the block's height is {height}")]
    RelativeHeight {
        /// The input's index.
        input: usize,
        /// The first height allowed.
        from: Height,
        /// The height of the block.
        height: Height,
    },
    /// An input's relative lock counts time that has not passed.
    #[error("input {input} can be spent from median time past {from} on, which is {median}")]
    RelativeTime {
        /// The input's index.
        input: usize,
        /// The first median time past allowed.
        from: Timestamp,
        /// The median time past of the block's parent.
        median: Timestamp,
    },
    /// An input's script does not hold.
    #[error("input {input}: {error}")]
    Script {
        /// The input's index.
        input: usize,
        /// What is wrong.
        error: ScriptError,
    },
    /// A contract's rule is broken.
    #[error(transparent)]
    Contract(#[from] ContractError),
}

/// Why a block is not valid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BlockError {
    /// The header breaks a rule.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// The header does not commit to these transactions.
    #[error("the header's merkle root is {expected}, the transactions have {found}")]
    MerkleRoot {
        /// What the header says.
        expected: Hash32,
        /// The root over the transactions.
        found: Hash32,
    },
    /// The encoding is too large.
    #[error("block has {found} bytes, at most {max} allowed")]
    Size {
        /// The limit.
        max: usize,
        /// What was found.
        found: usize,
    },
    /// The first transaction is not a coinbase.
    #[error("the first transaction is not a coinbase")]
    NoCoinbase,
    /// A later transaction is a coinbase.
    #[error("transaction {index} is a second coinbase")]
    SecondCoinbase {
        /// Its index.
        index: usize,
    },
    /// The coinbase's lock time is not its height.
    #[error("the coinbase's lock time is {found}, expected its height, {expected}")]
    CoinbaseHeight {
        /// The block's height.
        expected: Height,
        /// The coinbase's lock time.
        found: u32,
    },
    /// The coinbase's ScriptSig is too long.
    #[error("the coinbase's ScriptSig has {found} bytes, at most {max} allowed")]
    CoinbaseScript {
        /// The limit.
        max: usize,
        /// What was found.
        found: usize,
    },
    /// The coinbase makes too much.
    #[error("the coinbase makes {found}, at most {allowed} (subsidy and fees) allowed")]
    CoinbaseValue {
        /// Subsidy and fees.
        allowed: Amount,
        /// What the coinbase makes.
        found: Amount,
    },
    /// The coinbase's last output does not commit to the block's filter header.
    #[error("the coinbase's last output commits to {}, expected filter header {expected}", named(found))]
    FilterCommitment {
        /// The block's filter header.
        expected: FilterHeader,
        /// The one that the coinbase commits to; `None` where its last output is no commitment.
        found: Option<FilterHeader>,
    },
    /// The fees exceed all the money there can be.
    #[error("fees add up to more than all the money there can be")]
    FeesTooLarge,
    /// Too many signature checks.
    #[error("block has {found} signature checks, at most {max} allowed")]
    Sigops {
        /// The limit.
        max: u32,
        /// What was found, up to the transaction that went over the limit.
        found: u32,
    },
    /// A transaction breaks a rule.
    #[error("transaction {index} ({txid}): {error}")]
    Transaction {
        /// Its index.
        index: usize,
        /// Its id.
        txid: Txid,
        /// The rule.
        error: TransactionError,
    },
}

fn named(found: &Option<FilterHeader>) -> String {
    found.map_or_else(|| "none".into(), |header| format!("filter header {header}"))
}

/// A rule is broken, or the store failed before that could be said.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError<R, E> {
    /// A rule is broken.
    #[error("{0}")]
    Rule(R),
    /// The store failed.
    #[error("{0}")]
    Store(E),
}

impl<E> From<TransactionError> for CheckError<TransactionError, E> {
    fn from(error: TransactionError) -> Self {
        CheckError::Rule(error)
    }
}

impl<E> From<BlockError> for CheckError<BlockError, E> {
    fn from(error: BlockError) -> Self {
        CheckError::Rule(error)
    }
}

/// Undo data does not belong to its block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("undo data has {found} spent coins, the block spends {expected}")]
pub struct UndoError {
    /// Inputs in the block.
    pub expected: usize,
    /// Coins in the undo data.
    pub found: usize,
}

/// Why the chain did not take a block or a header.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChainError<E> {
    /// The store failed.
    #[error("{0}")]
    Store(E),
    /// A header breaks a rule.
    #[error("header {hash}: {error}")]
    Header {
        /// The header's hash.
        hash: BlockHash,
        /// The rule.
        error: HeaderError,
    },
    /// A block breaks a rule.
    #[error("block {hash}: {error}")]
    Block {
        /// The block's hash.
        hash: BlockHash,
        /// The rule.
        error: Box<BlockError>,
    },
    /// The header before is not known.
    #[error("header {hash} follows {previous}, which is not known")]
    UnknownParent {
        /// The header's hash.
        hash: BlockHash,
        /// The hash of the header before.
        previous: BlockHash,
    },
    /// The block was found invalid before, or follows one that was.
    #[error("block {hash} is invalid or follows an invalid block")]
    KnownInvalid {
        /// The block's hash.
        hash: BlockHash,
    },
    /// The header's chain leaves the best chain too far down.
    #[error(
        "header {hash} is of a chain that leaves ours below height {floor}: a node keeps blocks with {depth} others on them; where ours is the wrong one, delete the chain data and synchronise again"
    )]
    ForkTooDeep {
        /// The header's hash.
        hash: BlockHash,
        /// The lowest height at which another chain may leave ours.
        floor: Height,
        /// Blocks that make one final.
        depth: u32,
    },
    /// The header contradicts a checkpoint.
    #[error("header {hash} at height {height} contradicts the checkpoint {expected}")]
    Checkpoint {
        /// The header's hash.
        hash: BlockHash,
        /// The checkpoint's height.
        height: Height,
        /// The block that the checkpoint names.
        expected: BlockHash,
    },
    /// The store holds another network's chain.
    #[error("the store's genesis block is {found}, expected {expected}")]
    WrongGenesis {
        /// This network's genesis block.
        expected: BlockHash,
        /// The store's.
        found: BlockHash,
    },
    /// The body of a block is asked for that was pruned.
    #[error("block {hash} at height {height} was pruned: this node keeps bodies from height {first} on")]
    Pruned {
        /// The block.
        hash: BlockHash,
        /// Its height.
        height: Height,
        /// The lowest height whose body is here.
        first: Height,
    },
    /// The store lacks what it must have.
    #[error(
        "the store is damaged: {what} of block {hash} is missing or wrong; delete the chain data and synchronise again"
    )]
    Damaged {
        /// What is missing or wrong.
        what: &'static str,
        /// The block.
        hash: BlockHash,
    },
}
