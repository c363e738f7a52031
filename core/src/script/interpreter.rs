//! Runs scripts.

use super::opcode::Opcode;
use super::{Checker, Instruction, MAX_MULTISIG_KEYS, MAX_OPERATIONS, MAX_STACK, ScriptError, number, parse};
use crate::hash::{hash160, sha256, sha256d};
use crate::keys::{Signature, VerifyingKey};
use crate::transaction::Script;
use alloc::vec;
use alloc::vec::Vec;

/// BIP112: "if bit (1 << 31) of the top stack item is set", the opcode does nothing.
const SEQUENCE_OFF: i64 = 1 << 31;
/// BIP65 and BIP112 read numbers of up to five bytes.
const LOCK_NUMBER_BYTES: usize = 5;
/// Other numbers have four.
const NUMBER_BYTES: usize = 4;

/// Fails unless `script_sig` satisfies `script_pubkey`. A contract is never satisfied here.
pub fn verify(script_sig: &Script, script_pubkey: &Script, checker: &impl Checker) -> Result<(), ScriptError> {
    let mut machine = Machine { stack: Vec::new(), running: Vec::new(), operations: 0, checker };
    // "A ScriptSig consists of pushes alone."
    for instruction in parse(script_sig)? {
        if let Instruction::Op(found) = instruction {
            return Err(ScriptError::NotPushOnly { found });
        }
        machine.step(instruction)?;
    }
    let instructions = parse(script_pubkey)?;
    machine.operations = instructions.iter().filter(|i| matches!(i, Instruction::Op(_))).count();
    for instruction in instructions {
        machine.step(instruction)?;
    }
    // "Every OP_IF and OP_NOTIF has its OP_ENDIF."
    if !machine.running.is_empty() {
        return Err(ScriptError::UnbalancedConditional);
    }
    // "At the end the stack holds one element, and it is true."
    match &machine.stack[..] {
        [only] if number::is_true(only) => Ok(()),
        [_] => Err(ScriptError::False),
        stack => Err(ScriptError::UncleanStack { found: stack.len() }),
    }
}

struct Machine<'c, C> {
    stack: Vec<Vec<u8>>,
    /// For each open conditional, whether its present branch runs.
    running: Vec<bool>,
    /// Opcodes of the ScriptPubKey and keys of its multisigs so far.
    operations: usize,
    checker: &'c C,
}

impl<C: Checker> Machine<'_, C> {
    fn step(&mut self, instruction: Instruction<'_>) -> Result<(), ScriptError> {
        let runs = self.running.iter().all(|r| *r);
        match instruction {
            Instruction::Op(op @ (Opcode::If | Opcode::NotIf | Opcode::Else | Opcode::EndIf)) => {
                self.conditional(op, runs)?
            }
            _ if !runs => {}
            Instruction::Push(data) => self.stack.push(data.to_vec()),
            Instruction::Small(n) => self.stack.push(vec![n]),
            Instruction::Op(op) => self.execute(op)?,
        }
        // "The stack holds at most 1000 elements."
        if self.stack.len() > MAX_STACK { Err(ScriptError::StackOverflow) } else { Ok(()) }
    }

    fn conditional(&mut self, op: Opcode, runs: bool) -> Result<(), ScriptError> {
        match op {
            Opcode::Else => {
                let branch = self.running.last_mut().ok_or(ScriptError::UnbalancedConditional)?;
                *branch = !*branch;
            }
            Opcode::EndIf => {
                self.running.pop().ok_or(ScriptError::UnbalancedConditional)?;
            }
            _ if !runs => self.running.push(false),
            _ => {
                // "The condition is empty or the number 1" (Bitcoin's MINIMALIF).
                let condition = match &self.pop(op)?[..] {
                    [] => false,
                    [1] => true,
                    _ => return Err(ScriptError::ConditionNotMinimal),
                };
                self.running.push(condition == (op == Opcode::If));
            }
        }
        Ok(())
    }

    fn execute(&mut self, op: Opcode) -> Result<(), ScriptError> {
        match op {
            Opcode::Verify => self.pop(op).and_then(|top| require(number::is_true(&top), op))?,
            Opcode::Return => return Err(ScriptError::Return),
            Opcode::Drop => drop(self.pop(op)?),
            Opcode::Dup => self.stack.push(self.peek(op, 1)?.to_vec()),
            Opcode::Over => self.stack.push(self.peek(op, 2)?.to_vec()),
            Opcode::Swap => {
                let [below, top] = self.pop_two(op)?;
                self.stack.extend([top, below]);
            }
            Opcode::Size => self.stack.push(number::encode(self.peek(op, 1)?.len() as i64)),
            Opcode::Equal => {
                let [a, b] = self.pop_two(op)?;
                self.push_bool(a == b);
            }
            Opcode::EqualVerify => self.pop_two(op).and_then(|[a, b]| require(a == b, op))?,
            Opcode::Sha256 => {
                let hash = sha256(&self.pop(op)?);
                self.stack.push(hash.0.to_vec());
            }
            Opcode::Hash160 => {
                let hash = hash160(&self.pop(op)?);
                self.stack.push(hash.0.to_vec());
            }
            Opcode::Hash256 => {
                let hash = sha256d(&self.pop(op)?);
                self.stack.push(hash.0.to_vec());
            }
            Opcode::CheckSig => {
                let fits = self.check_sig(op)?;
                self.push_bool(fits);
            }
            Opcode::CheckSigVerify => self.check_sig(op).and_then(|fits| require(fits, op))?,
            Opcode::CheckMultisig => {
                let fit = self.check_multisig(op)?;
                self.push_bool(fit);
            }
            Opcode::CheckMultisigVerify => self.check_multisig(op).and_then(|fit| require(fit, op))?,
            Opcode::CheckLockTimeVerify => {
                let required = self.lock_operand(op)?;
                if !self.checker.check_lock_time(required) {
                    return Err(ScriptError::LockTime { required });
                }
            }
            Opcode::CheckSequenceVerify => {
                let required = self.lock_operand(op)?;
                if required & SEQUENCE_OFF == 0 && !self.checker.check_sequence(required) {
                    return Err(ScriptError::Sequence { required });
                }
            }
            Opcode::Contract => return Err(ScriptError::Contract),
            Opcode::If | Opcode::NotIf | Opcode::Else | Opcode::EndIf => self.conditional(op, true)?,
        }
        Ok(())
    }

    fn check_sig(&mut self, op: Opcode) -> Result<bool, ScriptError> {
        let [signature, key] = self.pop_two(op)?;
        let key = VerifyingKey::from_bytes(&key).map_err(ScriptError::BadPublicKey)?;
        // "A signature that does not fit is empty" (BIP146): whoever fails to sign cannot do so in many ways.
        if signature.is_empty() {
            return Ok(false);
        }
        let signature = Signature::from_der(&signature).map_err(ScriptError::BadSignature)?;
        if self.checker.check_signature(&signature, &key) { Ok(true) } else { Err(ScriptError::WrongSignature) }
    }

    /// The stack, from below: an empty element, m signatures, m, n keys, n. Signatures stand in the order of
    /// their keys.
    fn check_multisig(&mut self, op: Opcode) -> Result<bool, ScriptError> {
        // "OP_CHECKMULTISIG takes at most 20 keys; each counts as an operation."
        let key_count = self.pop_count(op, MAX_MULTISIG_KEYS)?;
        self.operations += key_count;
        if self.operations > MAX_OPERATIONS {
            return Err(ScriptError::TooManyOperations);
        }
        let keys = self.pop_many(op, key_count)?;
        let signature_count = self.pop_count(op, key_count)?;
        let signatures = self.pop_many(op, signature_count)?;
        // "The extra element that it takes is empty" (BIP147).
        if !self.pop(op)?.is_empty() {
            return Err(ScriptError::NullDummy);
        }
        let keys = keys.iter().map(|k| VerifyingKey::from_bytes(k)).collect::<Result<Vec<_>, _>>();
        let keys = keys.map_err(ScriptError::BadPublicKey)?;
        // "Where it fails all signatures are empty" (BIP146).
        if signature_count > 0 && signatures.iter().all(|s| s.is_empty()) {
            return Ok(false);
        }
        let mut keys = keys.iter();
        for signature in &signatures {
            let signature = Signature::from_der(signature).map_err(ScriptError::BadSignature)?;
            if !keys.any(|key| self.checker.check_signature(&signature, key)) {
                return Err(ScriptError::WrongSignature);
            }
        }
        Ok(true)
    }

    fn lock_operand(&self, op: Opcode) -> Result<i64, ScriptError> {
        let found = number::decode(self.peek(op, 1)?, LOCK_NUMBER_BYTES)?;
        if found < 0 {
            return Err(ScriptError::NumberOutOfRange { opcode: op, found, max: i64::from(u32::MAX) });
        }
        Ok(found)
    }

    fn underflow(&self, opcode: Opcode, expected: usize) -> ScriptError {
        ScriptError::StackUnderflow { opcode, expected, found: self.stack.len() }
    }

    /// The element `depth` from the top; 1 is the top.
    fn peek(&self, op: Opcode, depth: usize) -> Result<&[u8], ScriptError> {
        let at = self.stack.len().checked_sub(depth);
        at.and_then(|at| self.stack.get(at)).map(Vec::as_slice).ok_or_else(|| self.underflow(op, depth))
    }

    fn pop(&mut self, op: Opcode) -> Result<Vec<u8>, ScriptError> {
        self.stack.pop().ok_or_else(|| self.underflow(op, 1))
    }

    /// The two on top, the lower one first.
    fn pop_two(&mut self, op: Opcode) -> Result<[Vec<u8>; 2], ScriptError> {
        if self.stack.len() < 2 {
            return Err(self.underflow(op, 2));
        }
        let top = self.pop(op)?;
        Ok([self.pop(op)?, top])
    }

    /// The `count` on top, the lowest first.
    fn pop_many(&mut self, op: Opcode, count: usize) -> Result<Vec<Vec<u8>>, ScriptError> {
        let at = self.stack.len().checked_sub(count).ok_or_else(|| self.underflow(op, count))?;
        Ok(self.stack.split_off(at))
    }

    fn pop_count(&mut self, op: Opcode, max: usize) -> Result<usize, ScriptError> {
        let found = number::decode(&self.pop(op)?, NUMBER_BYTES)?;
        usize::try_from(found).ok().filter(|n| *n <= max).ok_or(ScriptError::NumberOutOfRange {
            opcode: op,
            found,
            max: max as i64,
        })
    }

    fn push_bool(&mut self, value: bool) {
        self.stack.push(if value { vec![1] } else { Vec::new() });
    }
}

fn require(condition: bool, opcode: Opcode) -> Result<(), ScriptError> {
    if condition { Ok(()) } else { Err(ScriptError::VerifyFailed { opcode }) }
}
