//! The wallet of a running node: its keys, its coins on the chain, its history.

use super::WalletError;
use crate::wallet::Keyring;
use camelid_core::block::Block;
use camelid_core::hash::{BlockHash, JobId, Txid};
use camelid_core::transaction::{Coin, OutPoint, Transaction};
use camelid_core::units::{Amount, Height, Timestamp};
use std::collections::BTreeMap;

/// What one transaction did to the wallet.
#[derive(Clone, Debug)]
pub struct HistoryItem {
    /// The transaction.
    pub txid: Txid,
    /// Its block's height.
    pub height: Height,
    /// Its block's time.
    pub time: Timestamp,
    /// What came in, in plain coins of ours.
    pub received: Amount,
    /// What went out, in plain coins of ours.
    pub spent: Amount,
    /// Whether it is a coinbase.
    pub coinbase: bool,
    /// The job that it belongs to, if any.
    pub job: Option<JobId>,
}

/// The wallet of a running node.
#[derive(Debug)]
pub struct OpenWallet {
    /// The keys.
    pub keyring: Keyring,
    coins: BTreeMap<OutPoint, Coin>,
    history: Vec<HistoryItem>,
    /// For each block that touched the wallet: the coins it spent, to give them back when it is disconnected.
    undo: BTreeMap<BlockHash, Vec<(OutPoint, Coin)>>,
    /// Whether more addresses are watched than when the chain was last looked through.
    grown: bool,
}

impl OpenWallet {
    /// A wallet that has seen nothing of the chain yet.
    pub fn new(keyring: Keyring) -> Self {
        OpenWallet { keyring, coins: BTreeMap::new(), history: Vec::new(), undo: BTreeMap::new(), grown: false }
    }

    /// Forgets what it saw of the chain, to be told again.
    pub fn clear(&mut self) {
        self.coins.clear();
        self.history.clear();
        self.undo.clear();
        self.grown = false;
    }

    /// Takes coins that blocks made which it cannot be told of.
    pub fn begin_with(&mut self, coins: Vec<(OutPoint, Coin)>) {
        self.coins.extend(coins);
    }

    /// Whether addresses have been added since the chain was looked through: earlier blocks may hold coins of theirs.
    pub fn has_grown(&self) -> bool {
        self.grown
    }

    /// A block joined the chain.
    pub fn connected(&mut self, block: &Block, hash: BlockHash, height: Height) -> Result<(), WalletError> {
        let mut spent_here = Vec::new();
        for tx in &block.transactions {
            let (mut spent, mut received) = (Amount::ZERO, Amount::ZERO);
            for input in &tx.inputs {
                if let Some(coin) = self.coins.remove(&input.previous) {
                    spent.0 += coin.output.value.0;
                    spent_here.push((input.previous, coin));
                }
            }
            let txid = tx.txid();
            for (index, output) in tx.outputs.iter().enumerate() {
                let Some(path) = self.keyring.owner(&output.script_pubkey) else { continue };
                received.0 += output.value.0;
                let coin = Coin { output: output.clone(), height, coinbase: tx.is_coinbase() };
                self.coins.insert(OutPoint { txid, index: index as u32 }, coin);
                let key_hash = self.keyring.secret(path)?.public_key().hash();
                self.grown |= self.keyring.note_used(&key_hash)?;
            }
            if spent > Amount::ZERO || received > Amount::ZERO {
                let job = (!tx.job_id.is_zero()).then_some(tx.job_id);
                let (coinbase, time) = (tx.is_coinbase(), block.header.time);
                self.history.push(HistoryItem { txid, height, time, received, spent, coinbase, job });
            }
        }
        if !spent_here.is_empty() {
            self.undo.insert(hash, spent_here);
        }
        Ok(())
    }

    /// A block left the chain.
    pub fn disconnected(&mut self, block: &Block, hash: BlockHash, height: Height) {
        for tx in &block.transactions {
            let txid = tx.txid();
            for index in 0..tx.outputs.len() as u32 {
                self.coins.remove(&OutPoint { txid, index });
            }
        }
        // A coin made and spent in this block is not given back: its transaction is gone too.
        let made: Vec<Txid> = block.transactions.iter().map(Transaction::txid).collect();
        let spent = self.undo.remove(&hash).unwrap_or_default();
        self.coins.extend(spent.into_iter().filter(|(o, _)| !made.contains(&o.txid)));
        self.history.retain(|h| h.height < height);
    }

    /// All coins on the chain.
    pub fn coins(&self) -> impl Iterator<Item = (&OutPoint, &Coin)> {
        self.coins.iter()
    }

    /// A coin of ours.
    pub fn coin(&self, outpoint: &OutPoint) -> Option<&Coin> {
        self.coins.get(outpoint)
    }

    /// What happened, the oldest first.
    pub fn history(&self) -> &[HistoryItem] {
        &self.history
    }
}
