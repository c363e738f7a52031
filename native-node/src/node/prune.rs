//! Pruning, as the node does it: a little at a time, never what an open deal or a loose payment of ours still needs; and what
//! the wallet finds without the bodies.

use super::journal::Shelf;
use super::{Node, NodeError, OpenWallet, WalletError};
use camelid_core::chain::Store;
use camelid_core::filter::key_after;
use camelid_core::hash::{BlockHash, KeyHash};
use camelid_core::script::templates;
use camelid_core::units::Height;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Blocks that go in one commit.
const STEP: usize = 16;
/// How long the node's other work may wait for it.
const SLICE: Duration = Duration::from_millis(50);

impl Node {
    /// Deletes bodies that `--prune` lets go.
    pub(super) fn prune(&mut self) -> Result<(), NodeError> {
        let Some(keep) = self.config.prune else { return Ok(()) };
        let below = Height(self.chain.height().0.saturating_sub(keep)).min(self.first_needed());
        if self.chain.first_body()? >= below {
            return Ok(());
        }
        let own: BTreeSet<Vec<u8>> =
            self.journal.all(Shelf::OwnTransactions)?.into_iter().map(|(txid, _)| txid).collect();
        let begun = Instant::now();
        loop {
            let mut forgotten = Ok(());
            let journal = &self.journal;
            let gone = self.chain.prune(below, STEP, |block| {
                // Buried far deeper than any fork: nobody has to hear of it again. Its place will not be known any more.
                for txid in block.transactions.iter().map(|tx| tx.txid()).filter(|id| own.contains(id.0.as_slice())) {
                    if forgotten.is_ok() {
                        forgotten = journal.remove(Shelf::OwnTransactions, &txid.0);
                    }
                }
            })?;
            forgotten?;
            if gone < STEP || begun.elapsed() >= SLICE {
                return Ok(());
            }
        }
    }

    /// The lowest height whose body an open deal may want to see after a restart.
    fn first_needed(&self) -> Height {
        let clients = self.clients.values().filter(|d| !d.is_over()).map(|d| d.created_at);
        let computes = self.computes.values().filter(|d| !d.is_over()).map(|d| d.created_at);
        clients.chain(computes).map(|at| self.first_tracked(at)).min().unwrap_or(Height(u32::MAX))
    }

    /// The lowest height at which a deal may have been settled: after a reorganisation lower than the chain was when it began.
    pub(super) fn first_tracked(&self, created_at: Height) -> Height {
        Height(created_at.0.saturating_sub(self.rules.dead_depth))
    }

    /// Says, once, what a wallet does not see.
    pub(super) fn warn_of_pruned(&self) -> Result<(), NodeError> {
        let first = self.chain.first_body()?;
        if first > Height(0) && self.wallet.is_some() {
            let what = "earlier blocks are pruned: the wallet's coins are all here, its history begins at this height";
            tracing::warn!(from = %first, "{what}");
        }
        Ok(())
    }

    /// Tells a wallet what is known of blocks whose bodies are gone: the addresses that they used, from their filters, and the
    /// coins that they made, from the unspent ones and from what later blocks spent. What they did to the wallet is not known.
    /// Gives the height from which on bodies are here.
    pub(super) fn scan_pruned(&self, wallet: &mut OpenWallet) -> Result<Height, NodeError> {
        let first = self.chain.first_body()?;
        if first == Height(0) {
            return Ok(first);
        }
        let mut asked = BTreeSet::new();
        loop {
            // An address that is used widens what is watched.
            let new: Vec<KeyHash> = wallet.keyring.unused().filter(|hash| asked.insert(**hash)).copied().collect();
            if new.is_empty() {
                break;
            }
            for hash in self.used_below(first, &new)? {
                wallet.keyring.note_used(&hash).map_err(WalletError::from)?;
            }
        }
        let mut coins = Vec::new();
        self.chain.store().for_each_coin(&mut |outpoint, coin| {
            if coin.height < first && wallet.keyring.owner(&coin.output.script_pubkey).is_some() {
                coins.push((outpoint, coin));
            }
        })?;
        for height in (first.0..=self.chain.height().0).map(Height) {
            let Some(block) = self.chain.block_at(height)? else { break };
            let spent = self.chain.store().undo(&block.hash)?.unwrap_or_default().spent;
            let inputs = block.block.transactions.iter().skip(1).flat_map(|tx| &tx.inputs);
            let ours = inputs
                .zip(spent)
                .filter(|(_, coin)| coin.height < first && wallet.keyring.owner(&coin.output.script_pubkey).is_some());
            coins.extend(ours.map(|(input, coin)| (input.previous, coin)));
        }
        wallet.begin_with(coins);
        Ok(first)
    }

    /// Which of these keys' scripts the filters below `first` hold. One in 784,931 is named wrongly, which does no harm.
    fn used_below(&self, first: Height, keys: &[KeyHash]) -> Result<BTreeSet<KeyHash>, NodeError> {
        let (mut used, mut before) = (BTreeSet::new(), BlockHash::ZERO);
        let scripts: Vec<_> = keys.iter().map(|key| templates::p2pkh(*key)).collect();
        for height in (0..first.0).map(Height) {
            let Some(filter) = self.chain.filter_at(height)? else { break };
            let key = key_after(&before);
            // A filter of ours that is none is damage, which `camelid chain verify` names.
            if filter.matches_any(&key, scripts.iter().map(|s| s.as_bytes())).unwrap_or(false) {
                let holds = |script: &[u8]| filter.matches_any(&key, [script]).unwrap_or(false);
                used.extend(keys.iter().zip(&scripts).filter(|(_, s)| holds(s.as_bytes())).map(|(key, _)| *key));
            }
            before = self.chain.hash_at(height)?.unwrap_or_default();
        }
        Ok(used)
    }
}
