//! Deals take their steps; what they ask for is done once they are saved.

use super::record::Job;
use super::state::state_of;
use super::{Deed, JobEvent, Jobs, VerifyRequest, Waiting, facts};
use crate::block::NetworkParams;
use crate::deal::{Action, ClientDeal, ClientKeys, Facts};
use crate::encode::Encode;
use crate::hash::{JobId, sha256};
use crate::job::JobStatus;
use crate::keys::{JobKey, SecretKey};
use crate::light::LightClient;
use crate::light::client::Question;
use crate::light::ledger::Ledger;
use crate::message::Payload;
use crate::sync::Now;
use crate::transaction::{OutPoint, Transaction};
use crate::units::Height;
use crate::wallet::Keyring;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

/// From one step to the next where nothing arrives.
const STEP: Duration = Duration::from_secs(1);
/// Blocks of a reorganisation, at most, that bring a settlement in earlier than its job was made.
const MOST_LEFT: u32 = 1_000;
/// Seconds.
const DAY: u32 = 24 * 3600;
/// Deeds that wait for one job at most. A deal that cannot be saved for long asks for the same again and again.
const MAX_WAITING: usize = 16;

/// Runs `f` on a deal with the keys that it needs. None where they cannot be derived.
pub(super) fn with_keys<T>(
    keyring: &Keyring,
    deal: &mut ClientDeal,
    f: impl FnOnce(&mut ClientDeal, &ClientKeys<'_>) -> T,
) -> Option<T> {
    let keys = keyring.keys();
    let client = keys.job(deal.key_index, JobKey::Client).ok()?;
    let job = keys.job(deal.key_index, JobKey::Encryption).ok()?;
    // What is paid signs no coin any more.
    let paying = if deal.settlement.is_none() { &deal.create.coins[..] } else { &[] };
    let coins: Vec<SecretKey> =
        paying.iter().map(|coin| keyring.secret_for(&coin.key.hash())).collect::<Option<_>>()?;
    Some(f(deal, &ClientKeys { client: &client, job: &job, coins: &coins }))
}

/// From where on a deal's transactions are looked for in the books: a reorganisation may bring them in earlier.
fn looked_from(deal: &ClientDeal) -> Height {
    Height(deal.created_at.0.saturating_sub(MOST_LEFT))
}

/// Makes a deal's track say what the books say. An error is the height of a block that it was not told of.
fn follow_books(deal: &mut ClientDeal, ledger: &Ledger) -> Result<(), Height> {
    let Some(settlement) = deal.settlement_id() else { return Ok(()) };
    let booked = ledger.moves_of(settlement, looked_from(deal));
    let tracked: Vec<_> = deal.track.transactions().map(|(tx, height)| (tx.txid(), height)).collect();
    let same = tracked.iter().zip(&booked).take_while(|(tracked, booked)| tracked == booked).count();
    if let Some((_, height)) = tracked.get(same) {
        deal.track.disconnected_from(*height);
    }
    match booked.get(deal.track.transactions().count()) {
        Some((_, height)) => Err(*height),
        None => Ok(()),
    }
}

/// Whether something else than its settlement spent a coin that pays for a deal, for good.
fn is_spent_elsewhere(deal: &ClientDeal, ledger: &Ledger, scanned: Height, depth: u32) -> bool {
    let settlement = deal.settlement_id();
    let mut spenders = deal.create.coins.iter().filter_map(|coin| ledger.spender(coin.outpoint, looked_from(deal)));
    spenders.any(|(txid, height)| Some(txid) != settlement && scanned.since(height) > depth)
}

/// The coins of a job that came to nothing, and until which height pools bind them to it: "its coins … belong to no
/// other live job".
pub(super) fn known_until<P>(job: &Job<P>, params: &NetworkParams) -> Vec<(OutPoint, Height)> {
    let deal = &job.record.deal;
    let until = deal.create.params.valid_until;
    let until = match deal.status() {
        JobStatus::Expired if job.spread => until,
        // What was paid and is in no block is kept in mind for a day.
        JobStatus::Refunded => until.plus(DAY / params.block_interval.max(1)),
        _ => return Vec::new(),
    };
    deal.create.coins.iter().map(|coin| (coin.outpoint, until)).collect()
}

impl<P: Copy + Ord> Jobs<P> {
    pub(super) fn step_all(&mut self, client: &LightClient<P>, now: Now) {
        for id in self.live() {
            let due = |job: &Job<P>| job.due || job.stepped.is_none_or(|at| now.elapsed >= at + STEP);
            if self.jobs.get(&id).is_some_and(due) {
                self.step(client, id, now);
            }
        }
    }

    /// Lets a deal take a step. What it asks for waits until it is saved.
    fn step(&mut self, client: &LightClient<P>, id: JobId, now: Now) {
        let rules = self.rules;
        let Some(job) = self.jobs.get_mut(&id) else { return };
        let deal = &mut job.record.deal;
        if deal.settlement.is_some() {
            // Told in a moment, or not at all: a step without it could be wrong.
            if client.owes_contracts() {
                return;
            }
            if let Err(height) = follow_books(deal, client.ledger()) {
                return self.want_block(client, height);
            }
        }
        (job.due, job.stepped) = (false, Some(now.elapsed));
        if is_spent_elsewhere(deal, client.ledger(), client.scanned(), rules.release_depth) {
            deal.on_coin_spent_elsewhere();
        }
        if job.verify_at.is_some_and(|at| now.elapsed >= at) {
            job.verify_at = None;
            deal.on_verify_failed();
        }
        let facts = facts(self.params, &rules, client, deal.settlement.is_some(), now);
        let step = |deal: &mut ClientDeal, keys: &ClientKeys<'_>| deal.step(keys, &facts);
        let Some(actions) = with_keys(client.keyring(), deal, step) else { return };
        if deal.is_over() {
            return self.end(client, id, now);
        }
        self.note(client, id, now);
        for action in actions {
            self.wait(id, Deed::Act(action));
        }
    }

    /// A deal has just ended: its coins are free once that is saved.
    pub(super) fn end(&mut self, client: &LightClient<P>, id: JobId, now: Now) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        let deal = &job.record.deal;
        let coins = deal.create.coins.iter().map(|coin| coin.outpoint).collect();
        let dead = matches!(deal.status(), JobStatus::Expired | JobStatus::Refunded);
        let settlement = if dead { deal.settlement_id() } else { None };
        job.proving = None;
        job.spread |= self.errands.iter().any(|errand| errand.job == id && errand.open.is_some());
        self.known.extend(known_until(job, self.params));
        self.errands.retain(|errand| errand.job != id || errand.open.is_some());
        self.waiting.retain(|waiting| waiting.job != id);
        self.note(client, id, now);
        self.wait(id, Deed::Release(coins, settlement));
    }

    /// Notes where a job stands, and whether that is to be saved.
    pub(super) fn note(&mut self, client: &LightClient<P>, id: JobId, now: Now) {
        let rules = self.rules;
        let Some(job) = self.jobs.get_mut(&id) else { return };
        let deal = &job.record.deal;
        let facts: Facts<'_> = facts(self.params, &rules, client, deal.settlement.is_some(), now);
        let state = state_of(deal, client.ledger(), &facts);
        job.record.reach(state, facts.now, facts.tip);
        let hash = sha256(&job.record.to_bytes());
        if hash != job.hash {
            job.hash = hash;
            self.changes += 1;
            job.changed = self.changes;
            self.events.push(JobEvent::Changed(id));
        }
    }

    fn wait(&mut self, job: JobId, deed: Deed) {
        let Some(change) = self.jobs.get(&job).map(|job| job.changed) else { return };
        if let Some(same) = self.waiting.iter_mut().find(|waiting| waiting.job == job && waiting.deed == deed) {
            same.change = change;
            return;
        }
        let of_it = |waiting: &Waiting| waiting.job == job;
        if self.waiting.iter().filter(|waiting| of_it(waiting)).count() >= MAX_WAITING
            && let Some(oldest) = self.waiting.iter().position(of_it)
        {
            self.waiting.remove(oldest);
        }
        self.waiting.push(Waiting { job, change, deed });
    }

    /// Does what waited for jobs that are saved now.
    pub(super) fn act(&mut self, client: &mut LightClient<P>, now: Now) {
        let saved = self.saved;
        let (ready, waiting): (Vec<_>, Vec<_>) =
            core::mem::take(&mut self.waiting).into_iter().partition(|waiting| waiting.change <= saved);
        self.waiting = waiting;
        for Waiting { job, deed, .. } in ready {
            match deed {
                Deed::Act(Action::Broadcast(payload)) => self.errand(job, Question::Submit(payload)),
                Deed::Act(Action::Send(to, payload)) => self.errand(job, Question::Forward(to, payload)),
                Deed::Act(Action::Publish(tx)) => self.publish(client, job, *tx, now),
                Deed::Act(Action::Verify { prompt, answer }) => {
                    let Some(known) = self.jobs.get(&job) else { continue };
                    let deal = &known.record.deal;
                    let params = &deal.create.params;
                    self.events.push(JobEvent::Verify(Box::new(VerifyRequest {
                        job,
                        model: params.model,
                        prompt,
                        answer,
                        sampling: params.sampling,
                        seed: deal.private.seed,
                        limit: params.max_tokens,
                        mode: deal.verify,
                    })));
                }
                // A client computes nothing for others.
                Deed::Act(Action::Compute) => {}
                Deed::Release(coins, dead) => {
                    let ledger = client.ledger_mut();
                    ledger.release(&coins);
                    dead.iter().for_each(|txid| ledger.forget(txid));
                }
            }
        }
    }

    /// Gets a transaction of a job to those who mine, and into the client's books.
    fn publish(&mut self, client: &mut LightClient<P>, id: JobId, tx: Transaction, now: Now) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        let txid = tx.txid();
        job.published = Some(txid);
        if now.elapsed >= job.publish_at && client.ledger().is_taken(&txid).is_none() {
            // What does not spend what is ours in the books has no place there.
            let _ = client.submit(tx.clone(), now);
        }
        // Two peers that refuse end it there. A deal says it as long as it counts, to each peer in turn.
        self.errand(id, Question::Submit(Payload::Transaction(Box::new(tx))));
    }
}
