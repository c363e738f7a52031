//! A second interpreter: "Script" of `docs/protocol.md`, read once more. Sentences of it stand above what follows from them.
//! Only the verdict counts, so whatever fails is `None`.

use crate::world::signed_hash;
use camelid_core::hash::{hash160, sha256, sha256d};
use camelid_core::keys::{PublicKey, Signature};
use camelid_core::script::opcode::Opcode;
use camelid_core::transaction::{Transaction, TxOut};

pub(super) fn satisfied(
    script_sig: &[u8],
    script_pubkey: &[u8],
    tx: &Transaction,
    spent: &[TxOut],
    index: usize,
) -> bool {
    let mut run = Run { stack: Vec::new(), branches: Vec::new(), tx, spent, index, keys: 0 };
    run.both(script_sig, script_pubkey).is_some()
}

enum Step {
    Push(Vec<u8>),
    Op(Opcode),
}

/// "What holds for a script as it stands, also for the parts that a condition leaves out."
fn steps(script: &[u8]) -> Option<Vec<Step>> {
    // "A script has at most 10,000 bytes."
    if script.len() > 10_000 {
        return None;
    }
    let (mut steps, mut at) = (Vec::new(), 0);
    let get = |from: usize, n: usize| script.get(from..from + n);
    while let Some(code) = script.get(at).copied() {
        at += 1;
        let (digits, longest_shorter_form) = match code {
            0x00..=0x4b => (0, 0),
            0x4c => (1, 0x4b),
            0x4d => (2, 0xff),
            // OP_1 to OP_16
            0x51..=0x60 => {
                steps.push(Step::Push(vec![code - 0x50]));
                continue;
            }
            // "OP_CONTRACT stands at the head of the contract template and nowhere else."
            0xc0 => return None,
            // "Bitcoin's script with these opcodes and no others."
            other => {
                steps.push(Step::Op(*Opcode::ALL.iter().find(|op| **op as u8 == other)?));
                continue;
            }
        };
        let length = match digits {
            0 => usize::from(code),
            n => get(at, n)?.iter().rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte)),
        };
        at += digits;
        let data = get(at, length)?;
        at += length;
        // "A push has at most 520 bytes." "Every push is in its shortest form."
        let small = matches!(data, [1..=16]);
        if length > 520 || small || (digits > 0 && length <= longest_shorter_form) {
            return None;
        }
        steps.push(Step::Push(data.to_vec()));
    }
    // "A script has at most 201 opcodes that are not pushes."
    (operations(&steps) <= 201).then_some(steps)
}

fn operations(steps: &[Step]) -> usize {
    steps.iter().filter(|s| matches!(s, Step::Op(_))).count()
}

struct Run<'a> {
    stack: Vec<Vec<u8>>,
    branches: Vec<bool>,
    tx: &'a Transaction,
    spent: &'a [TxOut],
    index: usize,
    /// Keys of multisigs so far.
    keys: usize,
}

/// Any bit is set but the sign.
fn truth(element: &[u8]) -> bool {
    let last = element.len().saturating_sub(1);
    element.iter().enumerate().any(|(i, byte)| if i == last { byte & 0x7f != 0 } else { *byte != 0 })
}

/// "Numbers are in their shortest form, of at most … bytes."
fn number(element: &[u8], most: usize) -> Option<i64> {
    let Some(last) = element.last() else { return Some(0) };
    if element.len() > most {
        return None;
    }
    // The last byte is needed for a digit, or for the sign beside a digit that fills its byte.
    let beside = element.len().checked_sub(2).map(|at| element[at]);
    if last & 0x7f == 0 && beside.is_none_or(|byte| byte < 0x80) {
        return None;
    }
    let size = element.iter().enumerate().fold(0i64, |sum, (i, byte)| {
        let digit = if i + 1 == element.len() { byte & 0x7f } else { *byte };
        sum + (i64::from(digit) << (8 * i))
    });
    Some(if *last >= 0x80 { -size } else { size })
}

impl Run<'_> {
    fn both(&mut self, script_sig: &[u8], script_pubkey: &[u8]) -> Option<()> {
        // "A ScriptSig consists of pushes alone."
        for step in steps(script_sig)? {
            let Step::Push(data) = step else { return None };
            self.push(data)?;
        }
        let steps = steps(script_pubkey)?;
        let operations = operations(&steps);
        for step in steps {
            let runs = !self.branches.contains(&false);
            match step {
                Step::Op(op @ (Opcode::If | Opcode::NotIf)) => {
                    // "The condition is empty or the number 1."
                    let taken = match runs.then(|| self.stack.pop()) {
                        None => false,
                        Some(None) => return None,
                        Some(Some(condition)) if condition.is_empty() => op == Opcode::NotIf,
                        Some(Some(condition)) if condition == [1] => op == Opcode::If,
                        Some(Some(_)) => return None,
                    };
                    self.branches.push(taken);
                }
                Step::Op(Opcode::Else) => {
                    let branch = self.branches.last_mut()?;
                    *branch = !*branch;
                }
                Step::Op(Opcode::EndIf) => drop(self.branches.pop()?),
                _ if !runs => {}
                Step::Push(data) => self.push(data)?,
                Step::Op(op) => self.operation(op, operations)?,
            }
        }
        // "Every OP_IF and OP_NOTIF has its OP_ENDIF." "At the end the stack holds one element, and it is true."
        let [only] = &self.stack[..] else { return None };
        (self.branches.is_empty() && truth(only)).then_some(())
    }

    /// "The stack holds at most 1000 elements."
    fn push(&mut self, element: Vec<u8>) -> Option<()> {
        self.stack.push(element);
        (self.stack.len() <= 1000).then_some(())
    }

    fn truth(&mut self, of: bool) -> Option<()> {
        self.push(if of { vec![1] } else { Vec::new() })
    }

    fn operation(&mut self, op: Opcode, operations: usize) -> Option<()> {
        use Opcode::*;
        match op {
            Verify => truth(&self.stack.pop()?).then_some(()),
            Drop => self.stack.pop().map(|_| ()),
            Dup => self.push(self.stack.last()?.clone()),
            Over => self.push(self.stack.iter().rev().nth(1)?.clone()),
            Swap => {
                let n = self.stack.len();
                self.stack.swap(n.checked_sub(2)?, n - 1);
                Some(())
            }
            Size => {
                let n = self.stack.last()?.len();
                // At most 520: two bytes, and none that is a sign.
                let digits = if n < 0x80 { vec![n as u8] } else { vec![n as u8, (n >> 8) as u8] };
                self.push(if n == 0 { Vec::new() } else { digits })
            }
            Equal => {
                let same = self.stack.pop()? == self.stack.pop()?;
                self.truth(same)
            }
            EqualVerify => (self.stack.pop()? == self.stack.pop()?).then_some(()),
            Sha256 => {
                let top = self.stack.pop()?;
                self.push(sha256(&top).0.to_vec())
            }
            Hash160 => {
                let top = self.stack.pop()?;
                self.push(hash160(&top).0.to_vec())
            }
            Hash256 => {
                let top = self.stack.pop()?;
                self.push(sha256d(&top).0.to_vec())
            }
            CheckSig => {
                let fits = self.check_sig()?;
                self.truth(fits)
            }
            CheckSigVerify => self.check_sig()?.then_some(()),
            CheckMultisig => {
                let fit = self.check_multisig(operations)?;
                self.truth(fit)
            }
            CheckMultisigVerify => self.check_multisig(operations)?.then_some(()),
            CheckLockTimeVerify => self.lock_time().then_some(()),
            CheckSequenceVerify => self.sequence().then_some(()),
            Return | Contract | If | NotIf | Else | EndIf => None,
        }
    }

    /// Whether a signature is a key's, by the reference library.
    fn is_signature(&self, signature: &Signature, key: &PublicKey) -> bool {
        key.verify_by_reference(&signed_hash(self.tx, self.spent, self.index, &[]), signature)
    }

    /// "A signature that does not fit is empty."
    fn check_sig(&mut self) -> Option<bool> {
        let (key, signature) = (self.stack.pop()?, self.stack.pop()?);
        let key = PublicKey::from_bytes(&key).ok()?;
        if signature.is_empty() {
            return Some(false);
        }
        self.is_signature(&Signature::from_der(&signature).ok()?, &key).then_some(true)
    }

    fn count(&mut self, most: usize) -> Option<usize> {
        usize::try_from(number(&self.stack.pop()?, 4)?).ok().filter(|n| *n <= most)
    }

    fn several(&mut self, n: usize) -> Option<Vec<Vec<u8>>> {
        let mut all: Vec<_> = (0..n).map(|_| self.stack.pop()).collect::<Option<_>>()?;
        all.reverse();
        Some(all)
    }

    fn check_multisig(&mut self, operations: usize) -> Option<bool> {
        // "OP_CHECKMULTISIG takes at most 20 keys; each counts as an operation."
        let n = self.count(20)?;
        self.keys += n;
        if operations + self.keys > 201 {
            return None;
        }
        let keys = self.several(n)?;
        let m = self.count(n)?;
        let signatures = self.several(m)?;
        // "The extra element that it takes is empty."
        if !self.stack.pop()?.is_empty() {
            return None;
        }
        let keys: Vec<PublicKey> = keys.iter().map(|k| PublicKey::from_bytes(k).ok()).collect::<Option<_>>()?;
        // "Where it fails all signatures are empty."
        if m > 0 && signatures.iter().all(Vec::is_empty) {
            return Some(false);
        }
        // Signatures stand in the order of their keys: each has a key after that of the one before.
        let mut from = 0;
        for signature in &signatures {
            let signature = Signature::from_der(signature).ok()?;
            let found = keys.iter().skip(from).position(|key| self.is_signature(&signature, key))?;
            from += found + 1;
        }
        Some(true)
    }

    /// BIP65: fails where the operand is negative, where it and the lock time are of different kinds, where it is larger, and
    /// where the input is final.
    fn lock_time(&self) -> bool {
        let Some(wanted) = self.stack.last().and_then(|top| number(top, 5)) else { return false };
        let (found, sequence) = (i64::from(self.tx.lock_time), self.tx.inputs[self.index].sequence.0);
        let both_heights = wanted < 500_000_000 && found < 500_000_000;
        let both_times = wanted >= 500_000_000 && found >= 500_000_000;
        wanted >= 0 && (both_heights || both_times) && wanted <= found && sequence != u32::MAX
    }

    /// BIP112: nothing where bit 31 of the operand is set; else as BIP68 compares, bit 22 and the lowest 16.
    fn sequence(&self) -> bool {
        let Some(wanted) = self.stack.last().and_then(|top| number(top, 5)) else { return false };
        if wanted < 0 {
            return false;
        }
        let (wanted, found) = (wanted as u64, u64::from(self.tx.inputs[self.index].sequence.0));
        if wanted >> 31 & 1 == 1 {
            return true;
        }
        let kind = |n: u64| n >> 22 & 1;
        found >> 31 & 1 == 0 && kind(wanted) == kind(found) && wanted & 0xffff <= found & 0xffff
    }
}
