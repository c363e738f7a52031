//! Running deals: saves what changed, then does what was asked for.

use super::journal::Shelf;
use super::{Internal, Node, NodeError};
use crate::compute::{AnswerCheck, Done, Work};
use crate::config::Cheat;
use camelid_core::contract::{ReleaseFacts, Witness, release_allowed};
use camelid_core::deal::{Action, ClientDeal, ClientKeys, ComputeDeal};
use camelid_core::encode::{Decode, Encode};
use camelid_core::hash::{JobId, sha256};
use camelid_core::keys::{JobKey, SecretKey};
use camelid_core::message::Payload;
use camelid_core::pool::AddError;
use camelid_core::transaction::Transaction;
use camelid_core::units::{Amount, TokenId};
use std::time::{Duration, Instant};

/// Seconds without a conflict after a settlement was seen, before its key may be handed over unburied (d).
const QUIET_SECONDS: u32 = 2;
/// Deals that are over and kept at hand.
const ENDED_DEALS: usize = 1_000;
/// How long to wait before the model is tried again after it failed.
const MODEL_RETRY: Duration = Duration::from_secs(10);

impl Node {
    /// Reads the deals of before the restart.
    pub(super) fn load_deals(&mut self) -> Result<(), NodeError> {
        for (_, bytes) in self.journal.all(Shelf::ClientDeals)? {
            let mut deal = ClientDeal::from_bytes(&bytes)?;
            deal.resume();
            if let Some(wallet) = &mut self.wallet {
                wallet.keyring.note_job(deal.key_index).map_err(super::WalletError::from)?;
            }
            self.clients.insert(deal.create.id(self.params.network), deal);
        }
        for (_, bytes) in self.journal.all(Shelf::ComputeDeals)? {
            let mut deal = ComputeDeal::from_bytes(&bytes)?;
            deal.resume();
            self.computes.insert(deal.id(), deal);
        }
        self.retrack()?;
        self.put_away();
        Ok(())
    }

    /// The secret of a compute deal's stake coin, from the wallet.
    pub(super) fn node_key(&self, job: &JobId) -> Option<SecretKey> {
        let key = self.computes.get(job)?.accept.body.node_key;
        self.wallet.as_ref()?.keyring.secret_for(&key.hash())
    }

    /// Runs `f` on a client's deal with the keys that it needs.
    pub(super) fn with_client<T>(
        &mut self,
        job: &JobId,
        f: impl FnOnce(&mut ClientDeal, &ClientKeys<'_>) -> T,
    ) -> Option<T> {
        let keyring = &self.wallet.as_ref()?.keyring;
        let deal = self.clients.get_mut(job)?;
        let client = keyring.keys().job(deal.key_index, JobKey::Client).ok()?;
        let job_key = keyring.keys().job(deal.key_index, JobKey::Encryption).ok()?;
        let coins: Option<Vec<_>> = deal.create.coins.iter().map(|c| keyring.secret_for(&c.key.hash())).collect();
        Some(f(deal, &ClientKeys { client: &client, job: &job_key, coins: &coins? }))
    }

    /// Lets every deal take a step.
    pub(super) fn step_deals(&mut self) {
        self.last_step = Instant::now();
        let ids: Vec<_> = self.clients.iter().filter(|(_, d)| !d.is_over()).map(|(id, _)| *id).collect();
        for id in ids {
            self.step_client(&id);
        }
        let ids: Vec<_> = self.computes.iter().filter(|(_, d)| !d.is_over()).map(|(id, _)| *id).collect();
        for id in ids {
            self.check_release(&id);
            self.step_compute(&id);
        }
        self.put_away();
    }

    /// Keeps only the newest of the deals that are over at hand; the journal keeps them all.
    fn put_away(&mut self) {
        if self.clients.len() + self.computes.len() <= 2 * ENDED_DEALS {
            return;
        }
        let clients = self.clients.iter().filter(|(_, d)| d.is_over()).map(|(id, d)| (d.create.params.timestamp, *id));
        let computes =
            self.computes.iter().filter(|(_, d)| d.is_over()).map(|(id, d)| (d.create.params.timestamp, *id));
        let mut ended: Vec<_> = clients.chain(computes).collect();
        ended.sort_unstable();
        let surplus = ended.len().saturating_sub(ENDED_DEALS);
        for (_, id) in ended.into_iter().take(surplus) {
            self.clients.remove(&id);
            self.computes.remove(&id);
            self.saved.remove(&id);
            self.cheating.remove(&id);
        }
    }

    /// Brings a deal that was put away back to be shown.
    pub(super) fn recall(&mut self, job: &JobId) -> Result<(), NodeError> {
        if self.clients.contains_key(job) || self.computes.contains_key(job) {
            return Ok(());
        }
        if let Some(bytes) = self.journal.get(Shelf::ClientDeals, &job.0)? {
            self.clients.insert(*job, ClientDeal::from_bytes(&bytes)?);
        } else if let Some(bytes) = self.journal.get(Shelf::ComputeDeals, &job.0)? {
            self.computes.insert(*job, ComputeDeal::from_bytes(&bytes)?);
        }
        Ok(())
    }

    /// Lets a client's deal take a step, saves it, and does what it asks for.
    pub(super) fn step_client(&mut self, job: &JobId) {
        let rules = self.rules;
        let facts = self.facts(&rules);
        let Some(actions) = self.with_client(job, |deal, keys| deal.step(keys, &facts)) else { return };
        let Some(deal) = self.clients.get(job) else { return };
        let bytes = deal.to_bytes();
        if !self.save(Shelf::ClientDeals, job, bytes) {
            return;
        }
        let silent = self.cheating.get(job) == Some(&Cheat::SilentAfterAnswer);
        for action in actions {
            match action {
                Action::Send(_, Payload::JobClose(_)) if silent => {}
                Action::Verify { prompt, answer } => self.check_answer(job, prompt, answer),
                other => self.act(job, other),
            }
        }
    }

    /// Saves what a compute deal learned between two steps: whoever asks the node is told of it from now on.
    pub(super) fn keep_compute(&mut self, job: &JobId) {
        let Some(deal) = self.computes.get(job) else { return };
        let bytes = deal.to_bytes();
        self.save(Shelf::ComputeDeals, job, bytes);
    }

    /// Lets a compute deal take a step, saves it, and does what it asks for.
    pub(super) fn step_compute(&mut self, job: &JobId) {
        let rules = self.rules;
        let facts = self.facts(&rules);
        let Some(key) = self.node_key(job) else { return };
        let Some(deal) = self.computes.get_mut(job) else { return };
        let actions = deal.step(&key, &facts);
        if deal.is_over() {
            self.compute_thread.cancel(*job);
        }
        let bytes = deal.to_bytes();
        if !self.save(Shelf::ComputeDeals, job, bytes) {
            return;
        }
        let silent = self.cheating.get(job) == Some(&Cheat::SilentAfterPayment);
        for action in actions {
            match action {
                Action::Send(_, Payload::JobDelivery(_)) if silent => {}
                Action::Publish(tx) if silent && is_reveal(&tx) => {}
                Action::Compute => self.compute(job),
                other => self.act(job, other),
            }
        }
    }

    /// Writes a deal down if it changed since it was written last. Where that fails, nothing that the deal asked for may be
    /// done: a payment or a key that is out and forgotten is money lost. The deal asks again.
    fn save(&mut self, shelf: Shelf, job: &JobId, bytes: Vec<u8>) -> bool {
        let hash = sha256(&bytes);
        if self.saved.get(job) == Some(&hash) {
            return true;
        }
        match self.journal.put(shelf, &job.0, &bytes) {
            Ok(()) => {
                self.saved.insert(*job, hash);
                true
            }
            Err(error) => {
                tracing::error!(%error, %job, "a deal could not be saved and waits: is the disk full?");
                self.retry_model(job);
                false
            }
        }
    }

    fn act(&mut self, job: &JobId, action: Action) {
        match action {
            Action::Broadcast(payload) => {
                if let Err(error) = self.take_job_message(&payload) {
                    tracing::debug!(%error, %job, "our own message");
                }
                if let (Payload::Testament(_), Some(deal)) = (&payload, self.computes.get(job)) {
                    self.send_to(deal.create.params.client_peer.clone(), payload.clone());
                }
                self.broadcast(payload);
            }
            Action::Send(peer, payload) => self.send_to(peer, payload),
            Action::Publish(tx) => self.publish(job, &tx),
            Action::Compute | Action::Verify { .. } => {}
        }
    }

    /// Puts a job's transaction into the pool and tells everybody.
    fn publish(&mut self, job: &JobId, tx: &Transaction) {
        match self.add_transaction(tx) {
            Ok(()) => {
                tracing::info!(%job, txid = %tx.txid(), "job transaction sent");
                self.broadcast(tx.clone().into());
            }
            // Said again, for neighbours that missed it.
            Err(AddError::Refused(camelid_core::pool::PoolError::AlreadyKnown)) => self.broadcast(tx.clone().into()),
            Err(error) => {
                tracing::debug!(%job, %error, txid = %tx.txid(), "job transaction not taken");
                if let Some(deal) = self.computes.get_mut(job) {
                    deal.on_close_refused();
                }
            }
        }
    }

    fn compute(&mut self, job: &JobId) {
        let Some(deal) = self.computes.get(job) else { return };
        let params = &deal.create.params;
        let (Some(private), Some(package)) = (&deal.private, self.models.get(&params.model)) else {
            tracing::error!(%job, "the model to compute this answer with is not here any more");
            self.retry_model(job);
            return;
        };
        self.compute_thread.send(Work::Generate {
            job: *job,
            package: package.clone(),
            prompt: private.token_ids.clone(),
            sampling: params.sampling,
            seed: private.seed,
            limit: params.max_tokens,
        });
    }

    fn check_answer(&mut self, job: &JobId, prompt: Vec<TokenId>, answer: Vec<TokenId>) {
        let Some(deal) = self.clients.get(job) else { return };
        let params = &deal.create.params;
        let Some(package) = self.models.get(&params.model) else {
            tracing::error!(%job, "the model to check this answer with is not here any more: import it again");
            self.retry_model(job);
            return;
        };
        self.compute_thread.send(Work::Check(AnswerCheck {
            job: *job,
            package: package.clone(),
            prompt,
            answer,
            sampling: params.sampling,
            seed: deal.private.seed,
            limit: params.max_tokens,
            mode: deal.verify,
            random: u64::from_le_bytes(super::random()),
        }));
    }

    /// What could not be computed or checked is tried again in a while: at once it would fail again.
    fn retry_model(&self, job: &JobId) {
        let (internal, job) = (self.internal.clone(), *job);
        tokio::spawn(async move {
            tokio::time::sleep(MODEL_RETRY).await;
            let _ = internal.send(Internal::RetryModel(job));
        });
    }

    /// It is time to try again; the next step does.
    pub(super) fn on_retry_model(&mut self, job: &JobId) {
        if let Some(deal) = self.computes.get_mut(job) {
            deal.on_compute_failed();
        }
        if let Some(deal) = self.clients.get_mut(job) {
            deal.on_verify_failed();
        }
    }

    /// The model thread finished something.
    pub(super) fn on_done(&mut self, done: Done) -> Result<(), NodeError> {
        let rules = self.rules;
        let facts = self.facts(&rules);
        match done {
            Done::Generated(job, result) => {
                let alter = self.cheating.get(&job) == Some(&Cheat::AlterToken);
                let key = self.node_key(&job);
                if let (Some(deal), Some(key)) = (self.computes.get_mut(&job), key) {
                    match result {
                        Ok((mut answer, ms)) => {
                            if alter {
                                alter_token(&mut answer);
                            }
                            if let Err(error) = deal.on_computed(answer, ms, &key, &facts) {
                                tracing::warn!(%job, %error, "the answer is of no use");
                            }
                        }
                        Err(error) => {
                            tracing::warn!(%job, %error, "the model could not be run");
                            self.retry_model(&job);
                        }
                    }
                }
                self.step_compute(&job);
            }
            Done::Checked(job, result) => {
                if let Some(deal) = self.clients.get_mut(&job) {
                    match result {
                        Ok(verdict) => deal.on_verified(verdict, &facts),
                        Err(error) => {
                            tracing::error!(%job, %error, "the answer could not be checked");
                            self.retry_model(&job);
                        }
                    }
                }
                self.step_client(&job);
            }
        }
        Ok(())
    }

    /// Whether the key may be handed over before the settlement is buried: the release rule.
    fn check_release(&mut self, job: &JobId) {
        let Some(deal) = self.computes.get(job) else { return };
        let (Some(settlement), false) = (&deal.settlement, deal.released) else { return };
        let Some(entry) = self.pool.get(&settlement.txid()) else { return };
        let tip = self.chain.height();
        let depth = |o: &camelid_core::transaction::OutPoint| match self.chain.coin(o) {
            Ok(Some(coin)) => tip.since(coin.height) + 1,
            _ => 0,
        };
        let facts = ReleaseFacts {
            least_input_depth: settlement.inputs.iter().map(|i| depth(&i.previous)).min().unwrap_or(0),
            fee_rate: entry.fee_rate(),
            next_block_fee_rate: self.pool.next_block_fee_rate(self.params.max_block_bytes),
            blocks_left: deal.create.params.valid_until.since(tip.next()),
            quiet: self.pool.conflict_seen(settlement).is_none()
                && self.now().0.saturating_sub(entry.added.0) >= QUIET_SECONDS,
            exposed: self.exposed(job).checked_add(deal.create.params.reward),
            exposure_limit: self.config.exposure_limit,
        };
        if release_allowed(&facts, &self.rules)
            && let Some(deal) = self.computes.get_mut(job)
        {
            deal.released = true;
        }
    }

    /// The rewards for keys that were handed over and whose settlements are not buried.
    fn exposed(&self, but: &JobId) -> Amount {
        let released = self.computes.iter().filter(|(id, d)| *id != but && d.released && !d.is_over());
        let tip = self.chain.height();
        let unburied = released
            .filter(|(_, d)| d.track.settled_at().is_none_or(|at| tip.since(at) + 1 < self.rules.release_depth));
        unburied.map(|(_, d)| d.create.params.reward).sum()
    }
}

fn is_reveal(tx: &Transaction) -> bool {
    tx.inputs.iter().any(|i| matches!(Witness::from_bytes(i.script_sig.as_bytes()), Ok(Witness::Reveal { .. })))
}

/// What a node that cheats does: another token, in the middle of the answer.
fn alter_token(answer: &mut [TokenId]) {
    let middle = answer.len() / 2;
    if let Some(id) = answer.get_mut(middle) {
        id.0 ^= 1;
    }
}
