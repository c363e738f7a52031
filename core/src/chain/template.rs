//! Blocks to mine, and transactions checked for the next block.

use super::connect::InBlock;
use super::overlay::Overlay;
use super::scripts::check_scripts;
use super::transaction_rules::{ChainView, CheckedTransaction, check_inputs, check_money};
use super::{Chain, ChainError, CheckError, Store, TransactionError};
use crate::block::{Block, Header, Target, subsidy};
use crate::encode::put_varint;
use crate::filter::{FilterEntry, block_filter, commitment_script};
use crate::hash::{FilterHeader, Hash32, JobId};
use crate::transaction::{Coin, OutPoint, Script, Sequence, Transaction, TxIn, TxOut};
use crate::units::{Amount, Height, Timestamp};
use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

/// Room for the transaction count, and for a ScriptSig that miners fill in the coinbase.
const RESERVED_BYTES: usize = 9 + super::block_rules::MAX_COINBASE_SCRIPT;

/// A block that lacks its proof of work alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// The block.
    pub block: Block,
    /// Its height.
    pub height: Height,
    /// What its hash has to reach.
    pub target: Target,
    /// The fees in its coinbase.
    pub fees: Amount,
    /// Transactions that were left out: they do not fit, or are not valid in this block.
    pub left_out: Vec<Transaction>,
}

/// Coins of the chain, and others that stand before them.
struct WithExtra<'a, V> {
    base: &'a V,
    extra: &'a BTreeMap<OutPoint, Coin>,
}

impl<V: ChainView> ChainView for WithExtra<'_, V> {
    type Error = V::Error;

    fn coin(&self, outpoint: &OutPoint) -> Result<Option<Coin>, V::Error> {
        match self.extra.get(outpoint) {
            Some(coin) => Ok(Some(coin.clone())),
            None => self.base.coin(outpoint),
        }
    }

    fn median_time_past(&self, height: Height) -> Result<Timestamp, V::Error> {
        self.base.median_time_past(height)
    }
}

impl<S: Store> Chain<S> {
    /// Checks everything about a transaction for the next block. `extra` are outputs of unconfirmed transactions that it may
    /// spend too: coins whose height is the next block's. Which of them are already spent is for the caller to know.
    pub fn check_transaction_for_next_block(
        &self,
        tx: &Transaction,
        extra: &BTreeMap<OutPoint, Coin>,
    ) -> Result<CheckedTransaction, CheckError<TransactionError, ChainError<S::Error>>> {
        let base = Overlay::new(&self.store);
        check_inputs(tx, &self.next_block(), &WithExtra { base: &base, extra })
    }

    /// Checks everything but scripts and contracts: what costs little. [`Chain::check_scripts_for_next_block`] is the rest.
    pub fn check_money_for_next_block(
        &self,
        tx: &Transaction,
        extra: &BTreeMap<OutPoint, Coin>,
    ) -> Result<CheckedTransaction, CheckError<TransactionError, ChainError<S::Error>>> {
        let base = Overlay::new(&self.store);
        check_money(tx, &self.next_block(), &WithExtra { base: &base, extra })
    }

    /// Checks scripts and contracts alone; `spent` are the coins of the inputs, in order.
    pub fn check_scripts_for_next_block(&self, tx: &Transaction, spent: &[Coin]) -> Result<(), TransactionError> {
        check_scripts(tx, spent, &self.next_block())
    }

    /// A block after the tip that pays subsidy and fees to `script_pubkey`, with as many of `transactions` as fit and
    /// are valid, in their order: what one spends must stand before it. Its time is `now`, or what the rules need.
    pub fn build_template(
        &self,
        script_pubkey: Script,
        transactions: impl IntoIterator<Item = Transaction>,
        now: Timestamp,
    ) -> Result<Template, ChainError<S::Error>> {
        let (next, base) = (self.next_block(), Overlay::new(&self.store));
        let mut coins = InBlock::new(&base);
        let mut coinbase = coinbase(next.height, script_pubkey);
        let mut size = crate::block::HEADER_BYTES + RESERVED_BYTES + coinbase.size();
        let (mut fees, mut sigops, mut included, mut left_out) = (Amount::ZERO, 0u32, vec![], Vec::new());
        let mut spent = Vec::new();
        for tx in transactions {
            let checked = match check_inputs(&tx, &next, &coins) {
                Ok(checked) => checked,
                Err(CheckError::Rule(_)) => {
                    left_out.push(tx);
                    continue;
                }
                Err(CheckError::Store(error)) => return Err(error),
            };
            let (new_size, new_sigops) = (size + tx.size(), sigops.saturating_add(checked.sigops));
            match fees.checked_add(checked.fee) {
                Some(sum) if new_size <= next.params.max_block_bytes && new_sigops <= next.params.max_block_sigops => {
                    (fees, size, sigops) = (sum, new_size, new_sigops);
                    coins.apply(&tx, tx.txid(), next.height);
                    spent.extend(checked.spent);
                    included.push(tx);
                }
                _ => left_out.push(tx),
            }
        }
        if let Some(output) = coinbase.outputs.first_mut() {
            output.value = Amount(subsidy(next.params, next.height).0.saturating_add(fees.0));
        }
        included.insert(0, coinbase);
        let bits = self.next_work_required();
        let header = Header {
            version: Header::VERSION,
            previous: self.tip.hash(),
            merkle_root: Hash32::ZERO,
            time: Timestamp(now.0.max(next.median_time_past.0.saturating_add(1))),
            bits,
            nonce: 0,
        };
        let mut block = Block { header, transactions: included };
        let filter = block_filter(&block, spent.iter().map(|coin| &coin.output));
        let entry = FilterEntry::new(&filter, &base.filter_entry(&self.tip.hash())?.header);
        // What commits to the filter is in no filter: no second pass.
        if let Some(output) = block.transactions.first_mut().and_then(|coinbase| coinbase.outputs.last_mut()) {
            output.script_pubkey = commitment_script(&entry.header);
        }
        block.header.merkle_root = block.merkle_root();
        // The difficulty rule gives targets alone.
        let target = bits.target().unwrap_or(Target(crypto_bigint::U256::ZERO));
        Ok(Template { block, height: next.height, target, fees, left_out })
    }
}

/// A coinbase that pays to `script_pubkey`, and has room for what it commits to.
fn coinbase(height: Height, script_pubkey: Script) -> Transaction {
    let mut script_sig = Vec::new();
    put_varint(height.0 as u64, &mut script_sig);
    Transaction {
        version: Transaction::VERSION,
        inputs: vec![TxIn { previous: OutPoint::NULL, script_sig: Script(script_sig), sequence: Sequence::FINAL }],
        outputs: [script_pubkey, commitment_script(&FilterHeader::ZERO)]
            .map(|script_pubkey| TxOut { value: Amount::ZERO, script_pubkey })
            .to_vec(),
        lock_time: height.0,
        job_id: JobId::ZERO,
    }
}
