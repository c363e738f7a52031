//! The jobs of a light client: answers bought from nodes. A state machine without I/O, beside [`LightClient`].
//!
//! The chain, the money and the keys are the client's: every call that needs them is given it. Whoever runs both
//!
//! - hands each of the client's events to [`Jobs::on_event`], and each message that was forwarded to this peer to
//!   [`Jobs::on_message`];
//! - calls [`Jobs::next`] after everything that was told and every second or so, sends what it asks (the numbers are
//!   from the client's row: [`Jobs::asked`] says whose one is), and tells [`Jobs::on_answer`];
//! - stores what [`Jobs::take_unsaved`] gives and then says [`Jobs::saved`]. *What a deal asks for waits until the deal
//!   is stored*: a payment that is out and forgotten is money lost. Where storing fails nothing goes out, and the next
//!   `take_unsaved` gives everything again. The client's own state may be stored before, after, or in the same step;
//! - looks at [`Jobs::take_events`], checks the answers that [`JobEvent::Verify`] brings, and tells
//!   [`Jobs::on_verified`].
//!
//! # What is trusted
//!
//! Accepts and testaments come from peers' reports and are checked by signature; a stake coin by its Merkle proof (that
//! nobody spent it is the peers' word: a settlement of a spent coin is never mined, and nobody is paid). Where the
//! settlement is, the client's own books say, and a deal that does not agree waits until it has the blocks. An
//! offer's signature is checked, the worth of its stake coin is its peer's word, as fee rates are: they are bounded.
//!
//! # Money
//!
//! The coins that pay a job are put aside from its creation to its end. Nothing is signed that spends them before the
//! sealed answer is here, so whoever gives up before loses nothing. After that the chain decides: the answer, or the
//! money.

mod answer;
mod ask;
mod error;
mod found;
mod market;
mod order;
mod record;
mod restore;
mod state;
mod step;
mod view;

pub use error::{CancelError, ForgetError, JobProblem, RestoreJobError};
pub use market::MarketModel;
pub use order::{Estimate, EstimateRequest, JobReader, JobRequest};
pub use restore::UnsavedJobs;
pub use state::{JobState, StateEntry};
pub use view::{Bound, JobNode, JobPayment, JobView};

use super::client::{Event, LightClient};
use crate::block::NetworkParams;
use crate::contract::WalletRules;
use crate::deal::{Action, DealVerdict, Facts, VerifyMode};
use crate::hash::{BlockHash, JobId, ModelRoot, Txid};
use crate::job::PeerAddress;
use crate::message::Payload;
use crate::model::Sampling;
use crate::sorted::Map;
use crate::sync::Now;
use crate::transaction::OutPoint;
use crate::units::{Height, TokenId};
use alloc::boxed::Box;
use alloc::string::ToString;
use alloc::vec::Vec;
use ask::{Errand, Open, WantedBlock};
use core::time::Duration;
use found::Moves;
use market::Market;
use record::Job;
use step::with_keys;

/// How long after a failed check the answer is checked again.
const VERIFY_PAUSE: Duration = Duration::from_secs(10);
/// How long after a refusal a job's transaction is put into the client's books again.
const PUBLISH_PAUSE: Duration = Duration::from_secs(20);

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobEvent {
    /// A job is new or shows something else.
    Changed(JobId),
    /// Models, offers or fee rates have changed.
    Market,
    /// Check this answer, and tell [`Jobs::on_verified`] or [`Jobs::on_verify_failed`].
    Verify(Box<VerifyRequest>),
}

/// An answer that is to be checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyRequest {
    /// The job.
    pub job: JobId,
    /// The model.
    pub model: ModelRoot,
    /// The prompt's tokens.
    pub prompt: Vec<TokenId>,
    /// The answer's tokens.
    pub answer: Vec<TokenId>,
    /// How tokens were drawn.
    pub sampling: Sampling,
    /// The seed.
    pub seed: u64,
    /// The most tokens of the answer.
    pub limit: u32,
    /// How much is checked: everything or a sample.
    pub mode: VerifyMode,
}

/// What waits until a job is saved.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Deed {
    /// What its deal asks for.
    Act(Action),
    /// It is over: its coins are free, and its settlement will not be mined any more, if there is one.
    Release(Vec<OutPoint>, Option<Txid>),
}

/// A deed, the job, and the change that has to be saved before.
#[derive(Clone, Debug)]
struct Waiting {
    job: JobId,
    change: u64,
    deed: Deed,
}

/// The jobs of a light client, for peers named by `P`.
#[derive(Clone, Debug)]
pub struct Jobs<P> {
    params: &'static NetworkParams,
    rules: WalletRules,
    /// Where nodes reach this client.
    address: PeerAddress,
    jobs: Map<JobId, Job<P>>,
    /// Forgotten ones, with the change that took them away.
    removed: Map<JobId, u64>,
    /// How many changes there were, and up to which they are saved.
    changes: u64,
    saved: u64,
    waiting: Vec<Waiting>,
    errands: Vec<Errand<P>>,
    /// Blocks that hold transactions of ours which the deals were not told of.
    blocks: Map<BlockHash, WantedBlock<P>>,
    open: Map<u64, Open<P>>,
    /// Which question each peer was asked last.
    last_asked: Map<P, u64>,
    market: Market<P>,
    /// Coins that were offered for jobs which came to nothing, and until which height pools bind them to those.
    known: Map<OutPoint, Height>,
    moves: Moves,
    events: Vec<JobEvent>,
}

impl<P: Copy + Ord> Jobs<P> {
    /// No jobs. `address` is this peer's own id: nodes send answers there, so the key behind it outlives restarts.
    pub fn new(params: &'static NetworkParams, address: PeerAddress) -> Self {
        Jobs {
            params,
            rules: WalletRules::for_network(params),
            address,
            jobs: Map::new(),
            removed: Map::new(),
            changes: 0,
            saved: 0,
            waiting: Vec::new(),
            errands: Vec::new(),
            blocks: Map::new(),
            open: Map::new(),
            last_asked: Map::new(),
            market: Market::default(),
            known: Map::new(),
            moves: Moves::default(),
            events: Vec::new(),
        }
    }

    /// Whether no job is under way.
    pub fn is_idle(&self) -> bool {
        self.jobs.values().all(|job| job.record.deal.is_over())
    }

    /// What happened since this was asked last, in order.
    pub fn take_events(&mut self) -> Vec<JobEvent> {
        core::mem::take(&mut self.events)
    }

    /// An event of the client's. All of them are to be told, in order.
    pub fn on_event(&mut self, event: &Event<P>, now: Now) {
        match event {
            Event::Contracts(block) => {
                for tx in &block.transactions {
                    let Some(job) = self.jobs.get_mut(&tx.job_id) else { continue };
                    let deal = &mut job.record.deal;
                    if let (Some(settlement), false) = (deal.settlement_id(), deal.is_over()) {
                        deal.track.connected(&settlement, tx, block.height, block.settled);
                        job.due = true;
                    }
                }
            }
            Event::Reorganised { common, .. } => {
                for job in self.jobs.values_mut().filter(|job| !job.record.deal.is_over()) {
                    job.record.deal.track.disconnected_from(common.next());
                    job.due = true;
                }
            }
            Event::Submitted { txid, .. } => {
                for job in self.jobs.values_mut().filter(|job| job.published == Some(*txid)) {
                    job.record.note = None;
                    job.due = true;
                }
            }
            Event::Tip { .. } | Event::Scanned { .. } => {
                self.jobs.values_mut().for_each(|job| job.due = true);
            }
            Event::Refused { txid, reason } => {
                let ours = |job: &&mut Job<P>| job.published == Some(*txid);
                for job in self.jobs.values_mut().filter(|job| !job.record.deal.is_over()).filter(ours) {
                    job.record.note = Some(reason.to_string());
                    job.publish_at = now.elapsed + PUBLISH_PAUSE;
                    job.due = true;
                }
            }
            _ => {}
        }
    }

    /// A message for this peer alone, opened: what a full node passed on. Whether it fits a job here; what comes twice
    /// or late does not, and changes nothing.
    pub fn on_message(&mut self, client: &LightClient<P>, payload: &Payload, now: Now) -> bool {
        let id = match payload {
            Payload::Testament(testament) => testament.job_id,
            Payload::Ciphertext(ciphertext) => ciphertext.job_id,
            Payload::JobDelivery(delivery) => delivery.body.job_id,
            _ => return false,
        };
        let rules = self.rules;
        let Some(job) = self.jobs.get_mut(&id).filter(|job| !job.record.deal.is_over()) else { return false };
        let deal = &mut job.record.deal;
        let facts = facts(self.params, &rules, client, deal.settlement.is_some(), now);
        let taken = match payload {
            Payload::Testament(testament) => deal.on_testament(testament, &facts).is_ok(),
            Payload::Ciphertext(ciphertext) => deal.on_ciphertext(&ciphertext.bytes).is_ok(),
            Payload::JobDelivery(delivery) => {
                with_keys(client.keyring(), deal, |deal, keys| deal.on_delivery(delivery, keys, &facts).is_ok())
                    .unwrap_or(false)
            }
            _ => false,
        };
        job.due |= taken;
        taken
    }

    /// The answer was checked. The first verdict decides; what checking it again gives is shown beside it.
    pub fn on_verified(&mut self, client: &LightClient<P>, job: &JobId, verdict: DealVerdict, now: Now) {
        let rules = self.rules;
        let Some(known) = self.jobs.get_mut(job).filter(|known| known.record.deal.answer.is_some()) else { return };
        let record = &mut known.record;
        if record.deal.verdict.is_some() || record.deal.verify == VerifyMode::None {
            record.checked_again = Some(verdict);
        } else {
            let facts = facts(self.params, &rules, client, true, now);
            record.deal.on_verified(verdict, &facts);
        }
        known.due = true;
        // One that is over takes no step that would notice.
        self.note(client, *job, now);
    }

    /// The answer could not be checked; that is asked for again in a while.
    pub fn on_verify_failed(&mut self, job: &JobId, now: Now) {
        if let Some(job) = self.jobs.get_mut(job) {
            job.verify_at = Some(now.elapsed + VERIFY_PAUSE);
        }
    }

    /// Gives a job up, where it is not paid: nothing is signed for it any more, and its coins are free as soon as that
    /// is saved.
    pub fn cancel(&mut self, client: &LightClient<P>, job: &JobId, now: Now) -> Result<(), CancelError> {
        let rules = self.rules;
        let known = self.jobs.get_mut(job).ok_or(CancelError::Unknown { job: *job })?;
        let facts = facts(self.params, &rules, client, false, now);
        if known.record.deal.give_up(&facts) {
            self.end(client, *job, now);
            return Ok(());
        }
        let until = self.view(client, job).and_then(|view| view.bound).map(|bound| bound.until);
        Err(until.map_or(CancelError::Over, |until| CancelError::Paid { until }))
    }

    /// Forgets a job that is over, with prompt and answer: [`UnsavedJobs::remove`] names it from now on.
    pub fn forget(&mut self, job: &JobId) -> Result<(), ForgetError> {
        let known = self.jobs.get(job).ok_or(ForgetError::Unknown { job: *job })?;
        if !known.record.deal.is_over() {
            return Err(ForgetError::UnderWay);
        }
        self.jobs.remove(job);
        self.changes += 1;
        self.removed.insert(*job, self.changes);
        self.events.push(JobEvent::Changed(*job));
        Ok(())
    }

    /// The jobs that are not over.
    fn live(&self) -> Vec<JobId> {
        self.jobs.iter().filter(|(_, job)| !job.record.deal.is_over()).map(|(id, _)| *id).collect()
    }
}

/// What is known when a deal takes a step. One that is paid sees the chain as far as the client's books go: what lies
/// above might hold its settlement.
fn facts<'a, P: Copy + Ord>(
    params: &'static NetworkParams,
    rules: &'a WalletRules,
    client: &LightClient<P>,
    paid: bool,
    now: Now,
) -> Facts<'a> {
    let headers = client.headers();
    let tip = if paid { client.scanned().min(headers.height()) } else { headers.height() };
    let tip_hash = headers.hash(tip).unwrap_or(headers.tip_hash());
    Facts { network: params, rules, tip, tip_hash, now: now.time }
}

#[cfg(test)]
impl<P: Copy + Ord> Jobs<P> {
    pub(super) fn tell_offers(
        &mut self,
        peer: P,
        model: ModelRoot,
        offers: Vec<crate::message::StakedOffer>,
    ) -> Result<bool, super::Fault> {
        self.market.on_offers(peer, model, offers, self.params)
    }

    pub(super) fn tell_rates(&mut self, peer: P, rates: crate::message::FeeRates) {
        self.market.on_rates(peer, rates);
    }
}
