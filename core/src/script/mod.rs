//! Bitcoin-style script: who may spend an output (`docs/protocol.md`, "Script").
//!
//! A subset of Bitcoin's opcodes with the strictest of its rules: pushes in their shortest form, a
//! ScriptSig of pushes alone, a clean stack, strict DER with a low s, conditions and the extra element of
//! `OP_CHECKMULTISIG` in one form, a failed signature empty. Signatures carry no hash type: they always
//! cover everything. One opcode is new: `OP_CONTRACT`, whose spending rules are the room `contract`'s.

mod builder;
mod checker;
mod instruction;
mod interpreter;
mod number;
pub mod opcode;
mod sign;
pub mod templates;

pub use builder::ScriptBuilder;
pub use checker::{Checker, SpendChecker};
pub use instruction::{Instruction, parse, signature_operations};
pub use interpreter::verify;
pub use sign::{SignError, sign_p2pkh_input, sign_p2pkh_inputs};
pub use templates::{ScriptKind, classify};

use crate::keys::KeyError;
use opcode::Opcode;

/// The longest script, in bytes.
pub const MAX_SCRIPT_BYTES: usize = 10_000;
/// The longest push, in bytes (the terms of a contract aside).
pub const MAX_PUSH_BYTES: usize = 520;
/// The most opcodes of a script that are not pushes; each key of a multisig counts too.
pub const MAX_OPERATIONS: usize = 201;
/// The most elements on the stack.
pub const MAX_STACK: usize = 1000;
/// The most keys of one `OP_CHECKMULTISIG`.
pub const MAX_MULTISIG_KEYS: usize = 20;
/// The longest terms of a contract, in bytes.
pub const MAX_CONTRACT_TERMS: usize = 2000;

/// Why an output may not be spent like this.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScriptError {
    /// A script is too long.
    #[error("script has {found} bytes, at most {max} allowed", max = MAX_SCRIPT_BYTES)]
    TooLong {
        /// Bytes found.
        found: usize,
    },
    /// A script ends inside a push.
    #[error("script ends inside a push of {expected} bytes, {found} are there")]
    TruncatedPush {
        /// Bytes the push announces.
        expected: usize,
        /// Bytes that are left.
        found: usize,
    },
    /// A push is too long.
    #[error("push has {found} bytes, at most {max} allowed", max = MAX_PUSH_BYTES)]
    PushTooLong {
        /// Bytes found.
        found: usize,
    },
    /// A push is not in its shortest form.
    #[error("push of {len} bytes is not in its shortest form")]
    PushNotMinimal {
        /// Length of the data.
        len: usize,
    },
    /// A byte is no opcode of ours.
    #[error("invalid opcode {found:#04x}")]
    InvalidOpcode {
        /// The byte.
        found: u8,
    },
    /// A script has too many opcodes.
    #[error("script has more than {max} operations", max = MAX_OPERATIONS)]
    TooManyOperations,
    /// The ScriptSig does more than push data.
    #[error("ScriptSig holds {found}, only pushes are allowed")]
    NotPushOnly {
        /// The first other opcode.
        found: Opcode,
    },
    /// The script holds `OP_CONTRACT`, which the `contract` room deals with.
    #[error("OP_CONTRACT is no plain script: a contract is spent by contract moves alone")]
    Contract,
    /// `OP_RETURN` is reached.
    #[error("the output is unspendable (OP_RETURN)")]
    Return,
    /// An opcode wants more elements than the stack has.
    #[error("{opcode} wants {expected} stack elements, {found} are there")]
    StackUnderflow {
        /// The opcode.
        opcode: Opcode,
        /// Elements it wants.
        expected: usize,
        /// Elements there are.
        found: usize,
    },
    /// The stack grows too large.
    #[error("stack holds more than {max} elements", max = MAX_STACK)]
    StackOverflow,
    /// `OP_IF` or `OP_NOTIF` meets something else than nothing and 1.
    #[error("condition is neither empty nor 1")]
    ConditionNotMinimal,
    /// `OP_ELSE`, `OP_ENDIF` or the end of the script does not fit to an `OP_IF`.
    #[error("OP_IF, OP_ELSE and OP_ENDIF do not match")]
    UnbalancedConditional,
    /// A verifying opcode met false.
    #[error("{opcode} failed")]
    VerifyFailed {
        /// The opcode.
        opcode: Opcode,
    },
    /// A number is too long or not in its shortest form.
    #[error("number of {len} bytes is too long or not in its shortest form")]
    BadNumber {
        /// Its length.
        len: usize,
    },
    /// A number is negative or too large for its use.
    #[error("{opcode} meets number {found}, expected 0 to {max}")]
    NumberOutOfRange {
        /// The opcode.
        opcode: Opcode,
        /// The number.
        found: i64,
        /// The largest allowed.
        max: i64,
    },
    /// The extra element of `OP_CHECKMULTISIG` is not empty.
    #[error("the extra element of OP_CHECKMULTISIG is not empty")]
    NullDummy,
    /// A signature is malformed.
    #[error("bad signature: {0}")]
    BadSignature(#[source] KeyError),
    /// A public key is malformed.
    #[error("bad public key: {0}")]
    BadPublicKey(#[source] KeyError),
    /// A check failed although its signature is not empty.
    #[error("signature does not fit: another key, or another transaction, was signed")]
    WrongSignature,
    /// The transaction's lock time does not satisfy `OP_CHECKLOCKTIMEVERIFY`.
    #[error("lock time {required} is not reached by the transaction's lock time")]
    LockTime {
        /// The operand.
        required: i64,
    },
    /// The input's sequence does not satisfy `OP_CHECKSEQUENCEVERIFY`.
    #[error("relative lock {required} is not satisfied by the input's sequence")]
    Sequence {
        /// The operand.
        required: i64,
    },
    /// The script ended without true on top.
    #[error("script ended with false")]
    False,
    /// The script left more or less than one element.
    #[error("script left {found} stack elements, expected 1")]
    UncleanStack {
        /// Elements left.
        found: usize,
    },
}

#[cfg(test)]
mod tests;
