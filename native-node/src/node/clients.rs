//! What light clients ask beside the chain: to take their messages, how a job stands, who serves a model, fee rates.

use super::{Node, NodeError};
use crate::network::{PeerId, Quota, Rate};
use camelid_core::chain::TransactionError;
use camelid_core::hash::JobId;
use camelid_core::message::{
    ClientRequest, ClientResponse, Envelope, FeeRates, JobReport, JobTransaction, LightResponse,
    MAX_OFFERS_PER_RESPONSE, OfferQuery, Payload, Refusal, Response, StakedOffer,
};
use camelid_core::pool::{AddError, JobPoolError, PoolError};
use camelid_core::transaction::Transaction;
use camelid_core::units::Network;
use std::time::{Duration, Instant};

/// "A neighbour submits ten messages a second and 100 at once."
const SUBMISSIONS: Rate = Rate { per_second: 10.0, burst: 100.0 };
/// Points for a submitted message that is wrong on every chain: fewer than for the same in gossip, since its maker is told
/// and can mend it.
const WRONG: u32 = 20;
/// How long a fee rate holds: in a full pool it costs a look at everything that waits.
const FEE_RATE_AGE: Duration = Duration::from_secs(1);

/// What light clients asked for so far.
pub(super) struct Clients {
    submissions: Quota<PeerId>,
    next_block: Option<(Instant, u64)>,
}

impl Default for Clients {
    fn default() -> Self {
        Clients { submissions: Quota::new(SUBMISSIONS), next_block: None }
    }
}

/// Why a submitted message is not taken.
struct Refused {
    reason: String,
    /// Whether it is wrong on every chain, so that its maker should have known.
    wrong: bool,
}

impl Refused {
    fn here(reason: impl ToString) -> Self {
        Refused { reason: reason.to_string(), wrong: false }
    }

    fn everywhere(reason: impl ToString) -> Self {
        Refused { reason: reason.to_string(), wrong: true }
    }
}

fn not_found() -> Response {
    Response::Light(LightResponse::NotFound)
}

impl Node {
    /// A neighbour's question.
    pub(super) fn on_client_request(&mut self, peer: PeerId, request: ClientRequest) -> Result<Response, NodeError> {
        Ok(match request {
            ClientRequest::Submit(envelope) => self.on_submission(peer, &envelope)?,
            ClientRequest::Job(id) => match self.job_report(&id)? {
                Some(report) => Response::Client(ClientResponse::Job(Box::new(report))),
                None => not_found(),
            },
            ClientRequest::Offers(query) => Response::Client(ClientResponse::Offers(self.offers(&query))),
            ClientRequest::FeeRates => Response::Client(ClientResponse::FeeRates(self.fee_rates())),
        })
    }

    fn on_submission(&mut self, peer: PeerId, envelope: &Envelope) -> Result<Response, NodeError> {
        if !self.asked_by_clients.submissions.take(&peer, 1.0, Instant::now()) {
            return Ok(Response::Busy);
        }
        Ok(Response::Client(match self.take_submission(envelope)? {
            Ok(()) => ClientResponse::Accepted,
            Err(Refused { reason, wrong }) => {
                tracing::debug!(%peer, kind = envelope.kind, reason, "submitted message refused");
                if wrong {
                    self.penalise(peer, WRONG, format!("submitted message refused: {reason}"));
                }
                ClientResponse::Refused(Refusal::new(&reason))
            }
        }))
    }

    /// A message for everybody, of a client that wants to know what becomes of it: into our own pools, and on its way.
    fn take_submission(&mut self, envelope: &Envelope) -> Result<Result<(), Refused>, NodeError> {
        let network = self.params.network;
        let payload = match envelope.open(network) {
            Ok(payload) => payload,
            Err(error) => return Ok(Err(Refused::everywhere(error))),
        };
        let new = match &payload {
            _ if envelope.receiver.is_some() || payload.topic().is_none() => {
                let reason = "the message is for one peer, expected one for everybody: have it forwarded";
                return Ok(Err(Refused::here(reason)));
            }
            Payload::Block(_) => {
                let reason = "the message is a block, expected a transaction or a job message: gossip it";
                return Ok(Err(Refused::here(reason)));
            }
            Payload::Transaction(tx) => self.take_submitted_transaction(tx, envelope, &payload)?,
            _ => self.take_submitted_job_message(&payload, network),
        };
        Ok(new.map(|new| {
            if new {
                self.remember(envelope.id());
                self.keep_for_pools(envelope, &payload);
                self.gossip(envelope, &payload);
            }
        }))
    }

    /// Says whether it is new: one that waits or is mined already was accepted, whoever asks again.
    fn take_submitted_transaction(
        &mut self,
        tx: &Transaction,
        envelope: &Envelope,
        payload: &Payload,
    ) -> Result<Result<bool, Refused>, NodeError> {
        Ok(match self.add_transaction(tx) {
            Ok(()) => Ok(true),
            Err(AddError::Chain(error)) => return Err(error.into()),
            Err(AddError::Refused(PoolError::AlreadyKnown)) => Ok(false),
            Err(AddError::Refused(_)) if self.chain.transaction_height(&tx.txid())?.is_some() => Ok(false),
            Err(AddError::Refused(error)) => {
                // "Pools relay the first conflict to a coin as an alert."
                if matches!(error, PoolError::Conflict { .. }) && self.warned.insert(tx.txid()) {
                    self.gossip(envelope, payload);
                }
                let wrong = matches!(error, PoolError::Invalid(TransactionError::Script { .. }));
                Err(Refused { reason: error.to_string(), wrong })
            }
        })
    }

    fn take_submitted_job_message(&mut self, payload: &Payload, network: Network) -> Result<bool, Refused> {
        match self.take_job_message(payload) {
            Ok(true) => Ok(true),
            Ok(false) if self.has_job_message(payload, network) => Ok(false),
            Ok(false) => Err(match payload {
                Payload::ServiceOffer(_) => Refused::here(
                    "the offer's stake coin is unknown, spent or not its key's, or its time is not within ten minutes of \
                     this node's and 20 seconds after that of the offer before",
                ),
                _ => Refused::here("another such message of this job came before"),
            }),
            Err(error @ JobPoolError::Job(_)) => Err(Refused::everywhere(error)),
            Err(error) => Err(Refused::here(error)),
        }
    }

    /// Whether just this message is in the pools.
    fn has_job_message(&self, payload: &Payload, network: Network) -> bool {
        match payload {
            Payload::ServiceOffer(offer) => self.services.all().any(|known| *known == **offer),
            Payload::JobCreate(create) => {
                self.jobs.get(&create.id(network)).is_some_and(|record| record.create == **create)
            }
            Payload::JobAccept(accept) => {
                let known = self.jobs.get(&accept.body.job_id).and_then(|record| record.accept.as_ref());
                known.is_some_and(|(known, _)| *known == **accept)
            }
            Payload::Testament(testament) => {
                let known = self.jobs.get(&testament.job_id).and_then(|record| record.testament.as_ref());
                known.is_some_and(|known| *known == **testament)
            }
            _ => false,
        }
    }

    fn job_report(&self, id: &JobId) -> Result<Option<JobReport>, NodeError> {
        let Some(record) = self.jobs.get(id) else { return Ok(None) };
        let mut transactions = Vec::new();
        for &txid in record.transactions() {
            let height = self.chain.transaction_height(&txid)?;
            // What is in neither was replaced, or left the chain.
            if height.is_some() || self.pool.get(&txid).is_some() {
                transactions.push(JobTransaction { txid, height });
            }
        }
        Ok(Some(JobReport {
            status: record.status,
            accept: record.accept.as_ref().map(|(accept, _)| accept.clone()),
            testament: record.testament.clone(),
            transactions,
        }))
    }

    fn offers(&self, query: &OfferQuery) -> Vec<StakedOffer> {
        let cheapest = self.services.cheapest(query.model, query.least_stake, MAX_OFFERS_PER_RESPONSE);
        cheapest.map(|(offer, stake)| StakedOffer { offer: offer.clone(), stake }).collect()
    }

    fn fee_rates(&mut self) -> FeeRates {
        let now = Instant::now();
        let known = self.asked_by_clients.next_block.filter(|(at, _)| now.duration_since(*at) < FEE_RATE_AGE);
        let rate = || (now, self.pool.next_block_fee_rate(self.params.max_block_bytes));
        let (at, next_block) = known.unwrap_or_else(rate);
        self.asked_by_clients.next_block = Some((at, next_block));
        FeeRates { next_block, least: self.pool.limits().min_fee_rate }
    }
}
