//! What a script asks about the transaction that spends.

use crate::keys::{Signature, VerifyingKey};
use crate::transaction::{RelativeLock, Sequence, SignatureHasher, Transaction};

/// Answers a script's questions about the spending transaction.
pub trait Checker {
    /// Whether the signature is the key's for this input.
    fn check_signature(&self, signature: &Signature, key: &VerifyingKey) -> bool;
    /// Whether the transaction cannot be valid before this lock time (BIP65).
    fn check_lock_time(&self, lock_time: i64) -> bool;
    /// Whether the input cannot be valid before this relative lock (BIP112).
    fn check_sequence(&self, sequence: i64) -> bool;
}

/// The answers for one input of a transaction.
#[derive(Clone, Copy, Debug)]
pub struct SpendChecker<'a> {
    tx: &'a Transaction,
    index: usize,
    hasher: &'a SignatureHasher,
}

impl<'a> SpendChecker<'a> {
    /// For the input `index` of `tx`; `hasher` is made for the same transaction. Of an input that is not there
    /// nothing is true.
    pub fn new(tx: &'a Transaction, index: usize, hasher: &'a SignatureHasher) -> Self {
        SpendChecker { tx, index, hasher }
    }

    fn sequence(&self) -> Option<Sequence> {
        self.tx.inputs.get(self.index).map(|input| input.sequence)
    }
}

impl Checker for SpendChecker<'_> {
    fn check_signature(&self, signature: &Signature, key: &VerifyingKey) -> bool {
        // Beyond u32 no input is there.
        match (u32::try_from(self.index), self.sequence()) {
            (Ok(index), Some(_)) => key.verify(&self.hasher.input(index), signature),
            _ => false,
        }
    }

    fn check_lock_time(&self, lock_time: i64) -> bool {
        let is_time = |n: i64| n >= i64::from(Transaction::LOCK_TIME_THRESHOLD);
        let of_tx = i64::from(self.tx.lock_time);
        // BIP65: "the lock-time type (height vs. timestamp) of the top stack item and the nLockTime field are
        // not the same", "the top stack item is greater than the transaction's nLockTime field", "the
        // nSequence field of the txin is 0xffffffff": each of these fails.
        is_time(lock_time) == is_time(of_tx)
            && lock_time <= of_tx
            && self.sequence().is_some_and(|s| s != Sequence::FINAL)
    }

    fn check_sequence(&self, sequence: i64) -> bool {
        // The interpreter passes numbers without bit 31 alone; BIP112 looks at the low 32 bits.
        let required = Sequence(sequence as u32).relative_lock();
        match (required, self.sequence().and_then(Sequence::relative_lock)) {
            (Some(RelativeLock::Blocks(required)), Some(RelativeLock::Blocks(found))) => required <= found,
            (Some(RelativeLock::Time(required)), Some(RelativeLock::Time(found))) => required <= found,
            _ => false,
        }
    }
}
