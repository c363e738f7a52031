//! New blocks, and everything that follows from them.

use super::{Node, NodeError};
use camelid_core::block::Block;
use camelid_core::chain::{Accepted, ChainBlock, ChainError, Outcome};
use camelid_core::contract::settled_in_block;
use camelid_core::hash::JobId;
use camelid_core::transaction::Transaction;
use camelid_core::units::Height;

use crate::store::StoreError;

impl Node {
    /// Takes a block. An error is the block's fault, except for a failing store.
    pub(super) fn accept_block(&mut self, block: Block) -> Result<Accepted, ChainError<StoreError>> {
        let accepted = self.chain.accept_block(block, self.now())?;
        self.follow(&accepted)?;
        Ok(accepted)
    }

    /// Tells everybody what a block changed.
    fn follow(&mut self, accepted: &Accepted) -> Result<(), ChainError<StoreError>> {
        if accepted.outcome != Outcome::NewTip {
            return Ok(());
        }
        if let Some(last) = accepted.disconnected.last() {
            tracing::warn!(blocks = accepted.disconnected.len(), from = %last.height, "reorganisation");
        }
        for block in &accepted.disconnected {
            self.disconnected(block);
        }
        for block in &accepted.connected {
            self.connected(block);
        }
        let now = self.now();
        let dropped = self.pool.chain_changed(&accepted.disconnected, &accepted.connected, &self.chain, now)?;
        for tx in &dropped {
            tracing::debug!(txid = %tx.txid(), "transaction dropped from the pool");
        }
        if let Some(last) = accepted.connected.last() {
            tracing::info!(height = %last.height, hash = %last.hash, transactions = last.block.transactions.len(), "new tip");
        }
        self.watch_deal_coins();
        self.step_deals();
        self.miner.restart();
        Ok(())
    }

    fn disconnected(&mut self, block: &ChainBlock) {
        if let Some(wallet) = &mut self.wallet {
            wallet.disconnected(&block.block, block.hash, block.height);
        }
        for deal in self.clients.values_mut() {
            deal.track.disconnected_from(block.height);
        }
        for deal in self.computes.values_mut() {
            deal.track.disconnected_from(block.height);
        }
    }

    fn connected(&mut self, block: &ChainBlock) {
        let settled = settled_in_block(&block.block);
        let rules = self.rules;
        for tx in block.block.transactions.iter().filter(|tx| !tx.job_id.is_zero()) {
            let facts = self.facts(&rules);
            self.jobs.on_transaction(tx, &facts);
            self.track(tx.job_id, tx, block.height, settled);
            if let Some(deal) = self.computes.get_mut(&tx.job_id) {
                deal.on_transaction(tx, &facts);
            }
        }
        if let Some(wallet) = &mut self.wallet
            && let Err(error) = wallet.connected(&block.block, block.hash, block.height)
        {
            tracing::error!(%error, "the wallet missed a block");
        }
        if self.wallet.as_ref().is_some_and(|w| w.has_grown())
            && let Err(error) = self.scan_wallet()
        {
            tracing::error!(%error, "the wallet could not look through the chain");
        }
    }

    fn track(&mut self, job: JobId, tx: &Transaction, height: Height, settled: camelid_core::units::Amount) {
        if let Some(deal) = self.clients.get_mut(&job)
            && let Some(settlement) = deal.settlement_id()
        {
            deal.track.connected(&settlement, tx, height, settled);
        }
        if let Some(deal) = self.computes.get_mut(&job)
            && let Some(settlement) = deal.settlement_id()
        {
            deal.track.connected(&settlement, tx, height, settled);
        }
    }

    /// Looks through the whole chain for the wallet's coins and history.
    pub(super) fn scan_wallet(&mut self) -> Result<(), NodeError> {
        let Some(mut wallet) = self.wallet.take() else { return Ok(()) };
        let result = loop {
            wallet.clear();
            let mut height = match self.scan_pruned(&mut wallet) {
                Ok(first) => first,
                Err(error) => break Err(error),
            };
            let scanned = loop {
                match self.chain.block_at(height) {
                    Ok(Some(block)) => {
                        if let Err(error) = wallet.connected(&block.block, block.hash, block.height) {
                            break Err(NodeError::from(error));
                        }
                    }
                    Ok(None) => break Ok(()),
                    Err(error) => break Err(error.into()),
                }
                height = height.next();
            };
            // Addresses used for the first time widen what is watched: look again.
            if scanned.is_err() || !wallet.has_grown() {
                break scanned;
            }
        };
        self.wallet = Some(wallet);
        result
    }

    /// Tells deals where their transactions are, from the chain alone: after a start.
    pub(super) fn retrack(&mut self) -> Result<(), NodeError> {
        let live = self.clients.values().filter(|d| !d.is_over()).map(|d| d.created_at);
        let Some(from) = live.chain(self.computes.values().filter(|d| !d.is_over()).map(|d| d.created_at)).min() else {
            return Ok(());
        };
        for deal in self.clients.values_mut().filter(|d| !d.is_over()) {
            deal.track.clear();
        }
        for deal in self.computes.values_mut().filter(|d| !d.is_over()) {
            deal.track.clear();
        }
        let (mut height, first) = (self.first_tracked(from), self.chain.first_body()?);
        if height < first {
            tracing::warn!(wanted = %height, from = %first, "earlier blocks are pruned: open deals are followed from here on");
            height = first;
        }
        let rules = self.rules;
        while let Some(block) = self.chain.block_at(height)? {
            let settled = settled_in_block(&block.block);
            for tx in block.block.transactions.iter().filter(|tx| !tx.job_id.is_zero()) {
                let over = |job: &JobId| {
                    self.clients.get(job).is_some_and(|d| d.is_over())
                        || self.computes.get(job).is_some_and(|d| d.is_over())
                };
                if !over(&tx.job_id) {
                    let facts = self.facts(&rules);
                    if let Some(deal) = self.computes.get_mut(&tx.job_id) {
                        deal.on_transaction(tx, &facts);
                    }
                    self.track(tx.job_id, tx, height, settled);
                }
            }
            height = height.next();
        }
        Ok(())
    }

    /// Notices deals whose coins were spent by something else than their settlement, for good.
    fn watch_deal_coins(&mut self) {
        let tip = self.chain.height();
        let mut unsettled: Vec<(JobId, Vec<_>)> = Vec::new();
        for (id, deal) in self.clients.iter().filter(|(_, d)| !d.is_over() && d.track.settled_at().is_none()) {
            let mut coins: Vec<_> = deal.paying_coins().into_iter().map(|c| c.0).collect();
            coins.extend(deal.settlement.iter().flat_map(|tx| tx.inputs.iter().map(|i| i.previous)));
            unsettled.push((*id, coins));
        }
        for (id, deal) in self.computes.iter().filter(|(_, d)| !d.is_over() && d.track.settled_at().is_none()) {
            let mut coins = vec![deal.accept.body.stake_coin];
            coins.extend(deal.create.coins.iter().map(|c| c.outpoint));
            unsettled.push((*id, coins));
        }
        self.coins_gone.retain(|id, _| unsettled.iter().any(|(u, _)| u == id));
        for (id, coins) in unsettled {
            let gone = coins.iter().any(|c| matches!(self.chain.coin(c), Ok(None)));
            if !gone {
                self.coins_gone.remove(&id);
                continue;
            }
            let since = *self.coins_gone.entry(id).or_insert(tip);
            // As deep as a settlement must lie at least to count as buried, and one more.
            if tip.since(since) > self.rules.release_depth {
                if let Some(deal) = self.clients.get_mut(&id) {
                    deal.on_coin_spent_elsewhere();
                }
                if let Some(deal) = self.computes.get_mut(&id) {
                    deal.on_coin_spent_elsewhere();
                }
            }
        }
    }
}
