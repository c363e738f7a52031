//! Why a transaction breaks the rules of contracts: one variant a rule.

use super::{Move, State};
use crate::encode::DecodeError;
use crate::hash::{Hash32, JobId};
use crate::job::JobError;
use crate::units::{Amount, Height};

/// Why a transaction breaks the rules of contracts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ContractError {
    /// An output starts like a contract and is none.
    #[error("output {index} starts with OP_CONTRACT but holds no canonical terms: {reason}")]
    MalformedTerms {
        /// The output.
        index: usize,
        /// What is wrong with its terms.
        reason: DecodeError,
    },
    /// The witness of a contract input does not decode.
    #[error("malformed witness of a contract input: {0}")]
    MalformedWitness(DecodeError),
    /// The terms have an unknown version.
    #[error("terms have version {found}, expected {expected}")]
    Version {
        /// The version known.
        expected: u8,
        /// The version found.
        found: u8,
    },
    /// Client and node are the same key.
    #[error("client key and node key are the same")]
    SameKeys,
    /// Amounts or periods out of their limits.
    #[error("terms out of limits: {0}")]
    Limits(#[from] JobError),
    /// A length is zero or over its limit.
    #[error("{what} is {found}, expected 1 to {max}")]
    Length {
        /// Which length.
        what: &'static str,
        /// What was found.
        found: u32,
        /// The limit.
        max: u32,
    },
    /// The re-run weight is not the model's.
    #[error("re-run weight is {found}, expected {expected}")]
    Weight {
        /// By the formula.
        expected: u64,
        /// What was found.
        found: u64,
    },
    /// Stake or bond do not cover what a re-run burns.
    #[error("{what} is {found} coins, a re-run burns {min}")]
    BelowBurnPrice {
        /// Which amount.
        what: &'static str,
        /// What was found.
        found: Amount,
        /// The least.
        min: Amount,
    },
    /// The transaction's Job ID is not the contract's, or is set without one.
    #[error("transaction has job id {found}, expected {expected}")]
    JobIdMismatch {
        /// The contract's, or zero.
        expected: JobId,
        /// The transaction's.
        found: JobId,
    },
    /// More than one contract is spent.
    #[error("{0} contracts are spent, at most one may be")]
    ManyInputs(usize),
    /// A contract output stands at another place than output 0, or there are several.
    #[error("output {0} is a contract, only output 0 may be one")]
    OutputPlace(usize),
    /// A coinbase touches a contract or names a job.
    #[error("a coinbase makes no contract and names no job")]
    Coinbase,
    /// A contract output made from plain coins is not in the first state.
    #[error("a contract made from plain coins is in state {0:?}, expected Settlement")]
    FirstState(State),
    /// The settlement holds another amount than its terms say.
    #[error("settlement holds {found} coins, its terms lock {expected}")]
    Locked {
        /// W + S + R.
        expected: Amount,
        /// The output's value.
        found: Amount,
    },
    /// Input 0 of a settlement is not a coin of the node key.
    #[error("input 0 of a settlement is not a P2PKH coin of the node key")]
    StakeOwner,
    /// Input 0 of a settlement is below the stake.
    #[error("input 0 of a settlement holds {found} coins, the stake is {expected}")]
    StakeValue {
        /// S.
        expected: Amount,
        /// The coin's value.
        found: Amount,
    },
    /// The settlement came after its valid-until height.
    #[error("settlement at height {found}, valid until {last}")]
    Expired {
        /// The last height allowed.
        last: Height,
        /// The height of the block.
        found: Height,
    },
    /// The state has no such move.
    #[error("no move {contract_move:?} from state {state:?}")]
    NoSuchMove {
        /// The state that is spent.
        state: State,
        /// The move.
        contract_move: Move,
    },
    /// The move comes too early.
    #[error("{contract_move:?} at height {found}, valid from {first}")]
    TooEarly {
        /// The move.
        contract_move: Move,
        /// The first height allowed.
        first: Height,
        /// The height of the block.
        found: Height,
    },
    /// The move comes too late.
    #[error("{contract_move:?} at height {found}, valid below {end}")]
    TooLate {
        /// The move.
        contract_move: Move,
        /// The first height not allowed any more.
        end: Height,
        /// The height of the block.
        found: Height,
    },
    /// A signature is not by the key that must sign.
    #[error("the {signer} signature of {contract_move:?} does not verify")]
    Signature {
        /// The move.
        contract_move: Move,
        /// Whose signature.
        signer: &'static str,
    },
    /// The revealed key has another hash.
    #[error("revealed key has hash {found}, the terms promise {expected}")]
    Key {
        /// In the terms.
        expected: Hash32,
        /// Of the key in the witness.
        found: Hash32,
    },
    /// Output 0 does not carry the contract on.
    #[error("output 0 does not carry the contract on in state {0:?} with otherwise the same terms")]
    NotCarriedOn(State),
    /// An output's value lies outside what the move allows.
    #[error("output {index} holds {found} coins, expected {min} to {max}")]
    OutputValue {
        /// The output.
        index: usize,
        /// What was found.
        found: Amount,
        /// The least.
        min: Amount,
        /// The most.
        max: Amount,
    },
    /// An output pays somebody else than the move says.
    #[error("output {index} does not pay the {payee}")]
    Payee {
        /// The output.
        index: usize,
        /// Who should be paid.
        payee: &'static str,
    },
    /// Free outputs take from the contract.
    #[error("free outputs hold {outputs} coins, free inputs {inputs}")]
    FreeOutputs {
        /// Sum of the free inputs.
        inputs: Amount,
        /// Sum of the free outputs.
        outputs: Amount,
    },
    /// Amounts add up to more than there is.
    #[error("the amounts add up to more than all coins")]
    Overflow,
}
