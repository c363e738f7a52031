//! Puts a transaction together; its inputs are signed afterwards (room `script`).

use super::{OutPoint, Script, Sequence, Transaction, TxIn, TxOut};
use crate::hash::JobId;
use crate::units::Amount;
use alloc::vec::Vec;

/// Collects inputs and outputs of a transaction.
#[derive(Clone, Debug, Default)]
pub struct TransactionBuilder {
    inputs: Vec<TxIn>,
    outputs: Vec<TxOut>,
    lock_time: u32,
    job_id: JobId,
}

impl TransactionBuilder {
    /// Without inputs, outputs, lock time and job.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an input without a relative lock.
    pub fn input(mut self, previous: OutPoint) -> Self {
        self.inputs.push(TxIn::unsigned(previous));
        self
    }

    /// Adds an input with a relative lock.
    pub fn input_after(mut self, previous: OutPoint, sequence: Sequence) -> Self {
        self.inputs.push(TxIn { previous, script_sig: Script::empty(), sequence });
        self
    }

    /// Adds an output.
    pub fn output(mut self, value: Amount, script_pubkey: Script) -> Self {
        self.outputs.push(TxOut { value, script_pubkey });
        self
    }

    /// Sets the lock time.
    pub fn lock_time(mut self, lock_time: u32) -> Self {
        self.lock_time = lock_time;
        self
    }

    /// Sets the job that the transaction belongs to.
    pub fn job(mut self, job_id: JobId) -> Self {
        self.job_id = job_id;
        self
    }

    /// The transaction, unsigned.
    pub fn build(self) -> Transaction {
        Transaction {
            version: Transaction::VERSION,
            inputs: self.inputs,
            outputs: self.outputs,
            lock_time: self.lock_time,
            job_id: self.job_id,
        }
    }
}
