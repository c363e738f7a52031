//! The compute side's decisions: what to offer, and which jobs to take.

use super::{Node, NodeError};
use crate::wallet::FeeRate;
use camelid_core::block::subsidy;
use camelid_core::deal::ComputeDeal;
use camelid_core::hash::JobId;
use camelid_core::job::{JobAccept, JobStatus, ModelPrice, ServiceOffer, Signed, turn_order};
use camelid_core::model::valid_job;
use camelid_core::pool::PoolLimits;
use camelid_core::script::templates;
use camelid_core::transaction::{Coin, OutPoint};
use camelid_core::wallet::settlement_bytes;
use std::collections::BTreeSet;

/// Seconds between two offers of ours.
const OFFER_SECONDS: u32 = 60;

impl Node {
    /// Whether this node takes jobs at all.
    pub(super) fn computes_for_others(&self) -> bool {
        self.models.served().next().is_some()
    }

    /// Coins of ours that are bound to open deals.
    pub(super) fn bound_coins(&self) -> BTreeSet<OutPoint> {
        let clients = self.clients.values().filter(|d| !d.is_over() && d.track.settled_at().is_none());
        let computes = self.computes.values().filter(|d| !d.is_over() && d.track.settled_at().is_none());
        clients
            .flat_map(|d| d.paying_coins().into_iter().map(|c| c.0))
            .chain(computes.map(|d| d.accept.body.stake_coin))
            .collect()
    }

    /// Coins of ours that are old enough to be at stake and free, the smallest first: a large one stays for a large job.
    fn stake_coins(&self) -> Vec<(OutPoint, Coin)> {
        let Some(wallet) = &self.wallet else { return Vec::new() };
        let (bound, next) = (self.bound_coins(), self.chain.height().next());
        let old = |c: &Coin| {
            let age = next.since(c.height);
            age >= self.rules.stake_age && (!c.coinbase || age >= self.params.coinbase_maturity)
        };
        let free = |o: &OutPoint| !bound.contains(o) && self.pool.spender(o).is_none();
        let mut coins: Vec<_> =
            wallet.coins().filter(|(o, c)| free(o) && old(c)).map(|(o, c)| (*o, c.clone())).collect();
        coins.sort_by_key(|(o, c)| (c.output.value, *o));
        coins
    }

    /// Says, once a minute, what this node serves.
    pub(super) fn offer_service(&mut self) {
        let now = self.now();
        if !self.computes_for_others() || now.0 < self.last_offer.0.saturating_add(OFFER_SECONDS) {
            return;
        }
        let Some((stake_coin, coin)) = self.stake_coins().pop() else { return };
        let key = templates::p2pkh_key_hash(&coin.output.script_pubkey)
            .and_then(|hash| self.wallet.as_ref()?.keyring.secret_for(&hash));
        let Some(key) = key else { return };
        let per_thousand_tokens = self.config.price;
        let models = self.models.served().map(|model| ModelPrice { model, per_thousand_tokens }).collect();
        let body = ServiceOffer {
            node_peer: self.address.clone(),
            node_key: key.public_key(),
            stake_coin,
            timestamp: now,
            models,
        };
        self.last_offer = now;
        let payload = Signed::sign(body, &key, self.params.network).into();
        if let Err(error) = self.take_job_message(&payload) {
            tracing::debug!(%error, "our own offer");
        }
        self.broadcast(payload);
    }

    /// Accepts the jobs that this node can do and whose turn is its own.
    pub(super) fn take_jobs(&mut self) -> Result<(), NodeError> {
        if !self.computes_for_others() || self.wallet.is_none() {
            return Ok(());
        }
        // A deal that lapsed before anything was signed binds nobody: the job may be taken again, with another coin.
        let lapsed = |d: &ComputeDeal| d.is_over() && d.testament.is_none();
        let open = |id: &JobId| self.computes.get(id).is_none_or(lapsed) && !self.clients.contains_key(id);
        let ids: Vec<JobId> =
            self.jobs.jobs().filter(|(id, r)| r.status == JobStatus::Created && open(id)).map(|(id, _)| *id).collect();
        for id in ids {
            self.consider(&id);
        }
        Ok(())
    }

    /// Accepts a job if it is worth it and our turn.
    fn consider(&mut self, id: &JobId) {
        let Some(record) = self.jobs.get(id) else { return };
        let params = &record.create.params;
        let Some(package) = self.models.get_served(&params.model) else { return };
        let tokens = params.prompt_tokens as u64 + params.max_tokens as u64;
        let price = ModelPrice { model: params.model, per_thousand_tokens: self.config.price }.for_tokens(tokens);
        let fits = valid_job(&package.info(), params.prompt_tokens as u64, params.max_tokens, &params.sampling).is_ok()
            && self.compute_thread.fits(package, tokens).is_ok();
        // Long enough to release the key early, and not so long that a client who never pays binds the stake for days.
        let left = params.valid_until.since(self.chain.height().next());
        let lives = (self.rules.release_least_left..=2 * self.rules.job_lifetime).contains(&left);
        // "Reveal at least release depth + 2·buried + 2": shorter periods leave a node no time.
        let subsidy = subsidy(self.params, self.chain.height().next());
        let sum = params.reward.checked_add(params.stake);
        let safe = sum.is_some_and(|sum| self.rules.are_enough(&params.periods, sum, subsidy));
        // A settlement that no pool takes pays nobody.
        let bytes = settlement_bytes(record.create.coins.len());
        let minable = params.fee >= FeeRate(PoolLimits::default().min_fee_rate).fee(bytes);
        if params.reward < price || !fits || !lives || !safe || !minable {
            return;
        }
        let fitting = |o: &OutPoint, c: &Coin| c.output.value >= params.stake && !record.is_passed_over(o);
        let Some((stake_coin, coin)) = self.stake_coins().into_iter().find(|(o, c)| fitting(o, c)) else {
            return;
        };
        let own = (stake_coin, coin.output.value);
        let candidates = self.services.candidates(params.model, params.stake, params.reward, tokens);
        let others = candidates.filter(|(o, _)| self.wallet.as_ref().is_none_or(|w| w.coin(o).is_none()));
        let rank = turn_order(id, &self.chain.tip_hash(), own, others) as u32;
        let waited = self.now().0.saturating_sub(record.seen.0);
        if waited < rank * self.rules.turn_seconds {
            return;
        }
        self.accept(id, stake_coin, &coin);
    }

    fn accept(&mut self, id: &JobId, stake_coin: OutPoint, coin: &Coin) {
        let (Some(record), Some(wallet)) = (self.jobs.get(id), &self.wallet) else { return };
        let hash = templates::p2pkh_key_hash(&coin.output.script_pubkey);
        let Some(key) = hash.and_then(|h| wallet.keyring.secret_for(&h)) else { return };
        let body = JobAccept {
            job_id: *id,
            node_peer: self.address.clone(),
            node_key: key.public_key(),
            stake_coin,
            block: self.chain.tip_hash(),
        };
        let accept = Signed::sign(body, &key, self.params.network);
        let rules = self.rules;
        let deal = ComputeDeal::new(
            record.create.clone(),
            record.coin_values.clone(),
            accept.clone(),
            coin.output.value,
            wallet.keyring.receive_address().hash,
            &self.facts(&rules),
        );
        let payload = accept.into();
        // The pool's rules are everybody's: what it refuses here, others would refuse too.
        match self.take_job_message(&payload) {
            Ok(_) => {
                tracing::info!(job = %id, stake = %deal.create.params.stake, reward = %deal.create.params.reward, "job accepted");
                self.computes.insert(*id, deal);
                self.cheating.extend(self.config.cheat.map(|cheat| (*id, cheat)));
                self.step_compute(id);
            }
            Err(error) => tracing::debug!(%error, job = %id, "job not accepted"),
        }
    }
}
