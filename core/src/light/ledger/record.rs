//! What a block says about the wallet's money, and no more: everything else follows from these.

use crate::contract::{Move, Terms, Witness, contract_output};
use crate::encode::{Decode, DecodeError, Encode, Reader, put_vec};
use crate::encode_struct;
use crate::hash::{BlockHash, JobId, Txid};
use crate::transaction::{OutPoint, Transaction, TxOut};
use crate::units::{Amount, Timestamp};
use crate::wallet::Keyring;
use alloc::vec::Vec;

/// The most of anything in one record that is read.
const MAX_ITEMS: usize = 1 << 20;

/// A block that has to do with the wallet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BlockRecord {
    /// Its hash.
    pub(super) hash: BlockHash,
    /// Its time.
    pub(super) time: Timestamp,
    /// Its transactions that have to do with the wallet, in order.
    pub(super) transactions: Vec<TxRecord>,
}

/// A transaction that has to do with the wallet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TxRecord {
    pub(super) txid: Txid,
    pub(super) job: JobId,
    pub(super) coinbase: bool,
    /// The coins and contracts of ours that it spends.
    pub(super) spends: Vec<OutPoint>,
    /// Whether it spends others' too.
    pub(super) shared: bool,
    /// The sum of its outputs.
    pub(super) made: Amount,
    /// Its plain outputs to us.
    pub(super) ours: Vec<Output>,
    /// The contract that it makes in which we hold the client key, at output 0.
    pub(super) contract: Option<Contract>,
    /// How it moves the contract that it makes or spends, one of ours.
    pub(super) moved: Option<Move>,
}

/// An output to us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Output {
    pub(super) index: u32,
    pub(super) output: TxOut,
}
encode_struct!(Output { index, output });

/// A contract in which we hold the client key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contract {
    /// What it holds.
    pub value: Amount,
    /// Its terms, with its state.
    pub terms: Terms,
}
encode_struct!(Contract { value, terms });

impl TxRecord {
    /// What a transaction has to do with the wallet; none where it has not. `is_ours` knows the coins and contracts.
    pub(super) fn of(
        tx: &Transaction,
        keyring: &Keyring,
        is_ours: impl Fn(&OutPoint) -> bool,
        is_contract: impl Fn(&OutPoint) -> bool,
    ) -> Option<Self> {
        let previous = || tx.inputs.iter().map(|input| input.previous);
        let spends: Vec<OutPoint> = previous().filter(|o| is_ours(o) || is_contract(o)).collect();
        let ours: Vec<Output> = (0..)
            .zip(&tx.outputs)
            .filter(|(_, output)| keyring.owner(&output.script_pubkey).is_some())
            .map(|(index, output)| Output { index, output: output.clone() })
            .collect();
        // "… makes at most one contract output, at output 0."
        let terms = tx.outputs.first().and_then(|output| Some((output.value, contract_output(output, 0).ok()??)));
        let client = |terms: &Terms| keyring.find(&terms.client_key.hash()).is_some();
        let contract = terms.filter(|(_, terms)| client(terms)).map(|(value, terms)| Contract { value, terms });
        if spends.is_empty() && ours.is_empty() && contract.is_none() {
            return None;
        }
        let moved = match tx.inputs.iter().find(|input| is_contract(&input.previous)) {
            Some(input) => Witness::from_bytes(input.script_sig.as_bytes()).ok().map(|w| w.contract_move()),
            None => contract.is_some().then_some(Move::Settle),
        };
        Some(TxRecord {
            txid: tx.txid(),
            job: tx.job_id,
            coinbase: tx.is_coinbase(),
            shared: spends.len() < tx.inputs.len(),
            spends,
            made: tx.output_value().unwrap_or_default(),
            ours,
            contract,
            moved,
        })
    }
}

impl Encode for TxRecord {
    fn encode(&self, out: &mut Vec<u8>) {
        self.txid.encode(out);
        self.job.encode(out);
        self.coinbase.encode(out);
        put_vec(&self.spends, out);
        self.shared.encode(out);
        self.made.encode(out);
        put_vec(&self.ours, out);
        self.contract.encode(out);
        self.moved.encode(out);
    }
}

impl Decode for TxRecord {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(TxRecord {
            txid: Decode::decode(r)?,
            job: Decode::decode(r)?,
            coinbase: Decode::decode(r)?,
            spends: r.vec("coins spent", MAX_ITEMS)?,
            shared: Decode::decode(r)?,
            made: Decode::decode(r)?,
            ours: r.vec("outputs", MAX_ITEMS)?,
            contract: Decode::decode(r)?,
            moved: Decode::decode(r)?,
        })
    }
}

impl Encode for BlockRecord {
    fn encode(&self, out: &mut Vec<u8>) {
        self.hash.encode(out);
        self.time.encode(out);
        put_vec(&self.transactions, out);
    }
}

impl Decode for BlockRecord {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(BlockRecord {
            hash: Decode::decode(r)?,
            time: Decode::decode(r)?,
            transactions: r.vec("transactions", MAX_ITEMS)?,
        })
    }
}
