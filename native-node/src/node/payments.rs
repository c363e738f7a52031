//! Paying from the wallet, and what it owns.

use super::{Node, WalletError};
use crate::wallet::{FeeRate, Paid, Payment, pay, spendable};
use camelid_core::hash::JobId;
use camelid_core::keys::Address;
use camelid_core::pool::PoolLimits;
use camelid_core::script::templates;
use camelid_core::transaction::{Coin, OutPoint, TxOut};
use camelid_core::units::Amount;

/// What the wallet owns, by what it can do with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holdings {
    /// On the chain and free.
    pub confirmed: Amount,
    /// On its way: made by loose transactions, less what they spend of ours.
    pub pending: Amount,
    /// Mined, and not mature.
    pub immature: Amount,
    /// Bound in open jobs: coins that will pay or are at stake, and our part of open contracts.
    pub in_jobs: Amount,
}

impl Node {
    /// Coins on the chain that nothing loose spends and no deal binds.
    fn free_coins(&self) -> Result<Vec<(OutPoint, Coin)>, WalletError> {
        let bound = self.bound_coins();
        let free = |o: &OutPoint| !bound.contains(o) && self.pool.spender(o).is_none();
        let coins: Vec<_> = self.wallet()?.coins().filter(|(o, _)| free(o)).map(|(o, c)| (*o, c.clone())).collect();
        Ok(spendable(&coins, self.chain.height().next(), self.params))
    }

    /// Pays an address. The payment is kept and sent again until it is mined.
    pub fn pay(&mut self, to: Address, amount: Amount, fee_rate: Option<u64>) -> Result<Paid, WalletError> {
        let (mut coins, next) = (self.free_coins()?, self.chain.height().next());
        // Our own change may be spent at once.
        let wallet = self.wallet()?;
        for (txid, entry) in self.pool.entries() {
            for (index, output) in entry.transaction.outputs.iter().enumerate() {
                let outpoint = OutPoint { txid: *txid, index: index as u32 };
                let ours = wallet.keyring.owner(&output.script_pubkey).is_some();
                let from_us = entry.transaction.inputs.iter().all(|i| wallet.coin(&i.previous).is_some());
                if ours && from_us {
                    coins.extend(self.pool.coin(&outpoint, next).map(|c| (outpoint, c)));
                }
            }
        }
        let least = PoolLimits::default().min_fee_rate;
        let usual = self.pool.next_block_fee_rate(self.params.max_block_bytes).max(least);
        let payment = Payment {
            outputs: vec![TxOut { value: amount, script_pubkey: templates::p2pkh(to.hash) }],
            fee_rate: FeeRate(fee_rate.unwrap_or(usual)),
            change: wallet.keyring.change_hash(),
            job_id: JobId::ZERO,
        };
        let paid = pay(&coins, &payment, self.params, |hash| wallet.keyring.secret_for(hash))?;
        self.add_transaction(&paid.tx).map_err(|e| WalletError::Refused(e.to_string()))?;
        self.keep_own(&paid.tx)?;
        self.broadcast(paid.tx.clone().into());
        Ok(paid)
    }

    /// What the wallet owns.
    pub fn holdings(&self) -> Result<Holdings, WalletError> {
        let (wallet, next) = (self.wallet()?, self.chain.height().next());
        let mut holdings = Holdings::default();
        let bound = self.bound_coins();
        for (outpoint, coin) in wallet.coins() {
            let part = if self.pool.spender(outpoint).is_some() {
                continue;
            } else if bound.contains(outpoint) {
                &mut holdings.in_jobs
            } else if coin.coinbase && next.since(coin.height) < self.params.coinbase_maturity {
                &mut holdings.immature
            } else {
                &mut holdings.confirmed
            };
            part.0 += coin.output.value.0;
        }
        for (txid, entry) in self.pool.entries() {
            for (index, output) in entry.transaction.outputs.iter().enumerate() {
                let outpoint = OutPoint { txid: *txid, index: index as u32 };
                let ours = wallet.keyring.owner(&output.script_pubkey).is_some();
                // Change that the next loose transaction spends counts there.
                if ours && self.pool.spender(&outpoint).is_none() {
                    holdings.pending.0 += output.value.0;
                }
            }
        }
        holdings.in_jobs.0 += self.in_contracts().0;
        Ok(holdings)
    }

    /// Our part of open contracts: what comes back to us when they close.
    fn in_contracts(&self) -> Amount {
        use camelid_core::deal::Position;
        let tip = self.chain.height();
        let open = |position: &Position| matches!(position, Position::In { .. });
        let loose = |txid: Option<camelid_core::hash::Txid>| txid.is_some_and(|t| self.pool.get(&t).is_some());
        let clients = self.clients.values().filter(|d| {
            open(&d.track.position(tip, &self.rules, self.params)) || loose(d.settlement.as_ref().map(|s| s.txid()))
        });
        let computes = self.computes.values().filter(|d| {
            open(&d.track.position(tip, &self.rules, self.params)) || loose(d.settlement.as_ref().map(|s| s.txid()))
        });
        let reserves = clients.map(|d| d.create.params.reserve);
        reserves.chain(computes.map(|d| d.create.params.stake)).sum()
    }
}
