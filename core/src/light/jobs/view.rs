//! What is shown of a job.

use super::record::Job;
use super::state::state_of;
use super::{JobState, Jobs, StateEntry};
use crate::contract::{State, Terms};
use crate::deal::{ClientDeal, DealVerdict, Facts, Position, VerifyMode};
use crate::hash::{JobId, ModelRoot, Txid};
use crate::job::PeerAddress;
use crate::keys::PublicKey;
use crate::light::LightClient;
use crate::model::Sampling;
use crate::units::{Amount, Height, Timestamp, TokenId};
use alloc::string::String;
use alloc::vec::Vec;

/// A job, to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobView {
    /// Its id.
    pub id: JobId,
    /// The model.
    pub model: ModelRoot,
    /// The prompt as its user wrote it.
    pub prompt: String,
    /// The prompt's tokens.
    pub prompt_tokens: Vec<TokenId>,
    /// The most tokens of the answer.
    pub limit: u32,
    /// How tokens are drawn.
    pub sampling: Sampling,
    /// The seed.
    pub seed: u64,
    /// How much of the answer is checked.
    pub verify: VerifyMode,
    /// What the node gets.
    pub reward: Amount,
    /// When it was made.
    pub created: Timestamp,
    /// Where it stands.
    pub state: JobState,
    /// The states in the order in which they were reached.
    pub states: Vec<StateEntry>,
    /// What a peer said last when it refused something of it.
    pub note: Option<String>,
    /// The node that has it and the prompt.
    pub node: Option<JobNode>,
    /// What was paid, once it is.
    pub payment: Option<JobPayment>,
    /// The answer, once it is open.
    pub answer: Option<Vec<TokenId>>,
    /// What checking it gave.
    pub verdict: Option<DealVerdict>,
    /// What checking it again gave.
    pub checked_again: Option<DealVerdict>,
    /// Money that is bound in it.
    pub bound: Option<Bound>,
    /// Whether nothing can happen any more: only then it can be forgotten.
    pub over: bool,
}

/// A node that took a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobNode {
    /// The key of its stake coin.
    pub node_key: PublicKey,
    /// Where it is reached.
    pub peer: PeerAddress,
}

/// A job's payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobPayment {
    /// The settlement.
    pub txid: Txid,
    /// The height of its block; none while it waits for one.
    pub height: Option<Height>,
    /// What the node gets.
    pub reward: Amount,
    /// What the network took.
    pub fee: Amount,
    /// What is held back until the end.
    pub reserve: Amount,
}

/// Money that is bound in a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// How much.
    pub amount: Amount,
    /// The height at which it is back at the latest, should nobody answer and nobody reorganise.
    pub until: Height,
}

impl<P: Copy + Ord> Jobs<P> {
    /// All jobs, the newest first.
    pub fn views(&self, client: &LightClient<P>) -> Vec<JobView> {
        let mut views: Vec<JobView> = self.jobs.iter().map(|(id, job)| self.show(client, *id, job)).collect();
        crate::sorted::sort_by_key(&mut views, |view| (core::cmp::Reverse(view.created), view.id));
        views
    }

    /// One job.
    pub fn view(&self, client: &LightClient<P>, job: &JobId) -> Option<JobView> {
        self.jobs.get(job).map(|known| self.show(client, *job, known))
    }

    fn show(&self, client: &LightClient<P>, id: JobId, job: &Job<P>) -> JobView {
        let (record, deal, params) = (&job.record, &job.record.deal, &job.record.deal.create.params);
        // The time says nothing about where a job stands.
        let now = crate::sync::Now { elapsed: core::time::Duration::ZERO, time: Timestamp::default() };
        let facts = super::facts(self.params, &self.rules, client, deal.settlement.is_some(), now);
        let accept = deal.accept.as_ref().map(|accept| &accept.body);
        JobView {
            id,
            model: params.model,
            prompt: deal.private.prompt.clone(),
            prompt_tokens: deal.private.token_ids.clone(),
            limit: params.max_tokens,
            sampling: params.sampling,
            seed: deal.private.seed,
            verify: deal.verify,
            reward: params.reward,
            created: params.timestamp,
            state: record.states.last().map_or(state_of(deal, client.ledger(), &facts), |last| last.state),
            states: record.states.clone(),
            note: record.note.clone(),
            node: accept.map(|accept| JobNode { node_key: accept.node_key, peer: accept.node_peer.clone() }),
            payment: deal.settlement_id().map(|txid| JobPayment {
                txid,
                height: deal.track.settled_at(),
                reward: params.reward,
                fee: params.fee,
                reserve: params.reserve,
            }),
            answer: deal.answer.clone(),
            verdict: deal.verdict.clone(),
            checked_again: record.checked_again.clone(),
            bound: bound(deal, &facts),
            over: deal.is_over(),
        }
    }
}

/// What is bound in a deal, and until when.
fn bound(deal: &ClientDeal, facts: &Facts<'_>) -> Option<Bound> {
    let params = &deal.create.params;
    if deal.is_over() {
        return None;
    }
    if deal.settlement.is_none() {
        let until = Height(params.valid_until.0.saturating_sub(facts.rules.settlement_least_left));
        return Some(Bound { amount: deal.coin_values.iter().copied().sum(), until });
    }
    match deal.track.position(facts.tip, facts.rules, facts.network) {
        Position::Nowhere => {
            let amount = params.client_pays().unwrap_or_default();
            Some(Bound { amount, until: params.valid_until.plus(facts.rules.dead_depth) })
        }
        Position::In { terms, since, .. } => {
            Some(bound_in(&terms, since, deal.answer.is_some() || deal.verdict.is_some()))
        }
        Position::Ended(_) => None,
    }
}

/// What is bound in a contract that is in its state since a height. Who may have the key waits longer before it is demanded.
pub(super) fn bound_in(terms: &Terms, since: Height, may_have_key: bool) -> Bound {
    let paid = terms.reward.checked_add(terms.reserve).unwrap_or_default();
    let [reveal, grace, contest] = [terms.periods.reveal, terms.periods.grace, terms.periods.contest].map(u32::from);
    let reveal = if may_have_key { 2 * reveal } else { reveal };
    match terms.state {
        // A demand, and then a claim.
        State::Settlement => Bound { amount: paid, until: since.plus(reveal).plus(grace) },
        State::Demanded => Bound { amount: paid, until: since.plus(grace) },
        _ => Bound { amount: terms.reserve, until: since.plus(contest) },
    }
}
