//! Reads scripts into instructions, structure checked.

use super::opcode::{MAX_DIRECT_PUSH, OP_0, OP_1, OP_16, OP_PUSHDATA1, OP_PUSHDATA2, Opcode};
use super::{MAX_MULTISIG_KEYS, MAX_OPERATIONS, MAX_PUSH_BYTES, MAX_SCRIPT_BYTES, ScriptError, templates};
use crate::transaction::Script;
use alloc::vec::Vec;

/// One step of a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instruction<'a> {
    /// Puts bytes on the stack.
    Push(&'a [u8]),
    /// Puts a number from 1 to 16 on the stack.
    Small(u8),
    /// Anything else.
    Op(Opcode),
}

/// The signatures that a move of a contract checks at most: the client's and the node's.
const CONTRACT_SIGNATURES: u32 = 2;

/// Reads a plain script (of a contract, [`templates::contract_terms`] reads the terms). What is checked here holds for the parts too that a condition leaves out.
pub fn parse(script: &Script) -> Result<Vec<Instruction<'_>>, ScriptError> {
    // "A script has at most 10,000 bytes."
    if script.0.len() > MAX_SCRIPT_BYTES {
        return Err(ScriptError::TooLong { found: script.0.len() });
    }
    let mut out = Vec::new();
    let (mut rest, mut operations) = (script.as_bytes(), 0);
    while let Some(instruction) = next(&mut rest)? {
        if matches!(instruction, Instruction::Op(_)) {
            operations += 1;
        }
        // "A script has at most 201 opcodes that are not pushes."
        if operations > MAX_OPERATIONS {
            return Err(ScriptError::TooManyOperations);
        }
        out.push(instruction);
    }
    Ok(out)
}

/// Takes the next instruction off `rest`; `None` at the end.
fn next<'a>(rest: &mut &'a [u8]) -> Result<Option<Instruction<'a>>, ScriptError> {
    let Some((&first, tail)) = rest.split_first() else { return Ok(None) };
    *rest = tail;
    let len = match first {
        OP_0..=MAX_DIRECT_PUSH => first as usize,
        OP_PUSHDATA1 => take(rest, 1)?[0] as usize,
        OP_PUSHDATA2 => {
            let len = take(rest, 2)?;
            u16::from_le_bytes([len[0], len[1]]) as usize
        }
        OP_1..=OP_16 => return Ok(Some(Instruction::Small(first - OP_1 + 1))),
        _ => {
            let opcode = Opcode::from_byte(first).ok_or(ScriptError::InvalidOpcode { found: first })?;
            // "OP_CONTRACT stands at the head of the contract template and nowhere else."
            if opcode == Opcode::Contract {
                return Err(ScriptError::Contract);
            }
            return Ok(Some(Instruction::Op(opcode)));
        }
    };
    // "A push has at most 520 bytes."
    if len > MAX_PUSH_BYTES {
        return Err(ScriptError::PushTooLong { found: len });
    }
    let data = take(rest, len)?;
    // "Every push is in its shortest form."
    let shortest = match data {
        [] => OP_0,
        [n @ 1..=16] => OP_1 + n - 1,
        _ if len <= MAX_DIRECT_PUSH as usize => len as u8,
        _ if len <= 0xff => OP_PUSHDATA1,
        _ => OP_PUSHDATA2,
    };
    if first != shortest {
        return Err(ScriptError::PushNotMinimal { len });
    }
    Ok(Some(Instruction::Push(data)))
}

fn take<'a>(rest: &mut &'a [u8], len: usize) -> Result<&'a [u8], ScriptError> {
    let (data, tail) =
        rest.split_at_checked(len).ok_or(ScriptError::TruncatedPush { expected: len, found: rest.len() })?;
    *rest = tail;
    Ok(data)
}

/// The most signature checks that spending an output with this script can cost: what a block's limit counts.
/// Zero where the script cannot be spent at all.
pub fn signature_operations(script_pubkey: &Script) -> u32 {
    if templates::contract_terms(script_pubkey).is_some() {
        return CONTRACT_SIGNATURES;
    }
    let Ok(instructions) = parse(script_pubkey) else { return 0 };
    let (mut count, mut before) = (0, None);
    for instruction in instructions {
        count += match instruction {
            Instruction::Op(Opcode::CheckSig | Opcode::CheckSigVerify) => 1,
            Instruction::Op(Opcode::CheckMultisig | Opcode::CheckMultisigVerify) => match before {
                Some(Instruction::Small(keys)) => keys as u32,
                _ => MAX_MULTISIG_KEYS as u32,
            },
            _ => 0,
        };
        before = Some(instruction);
    }
    count
}
