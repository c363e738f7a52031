//! What arrives: gossip, addressed messages, neighbours' requests.

use super::{Node, NodeError};
use crate::network::{MessageId, NetworkEvent, PeerId, Responder, Verdict};
use camelid_core::block::Block;
use camelid_core::chain::{ChainError, Outcome, TransactionError};
use camelid_core::deal::Facts;
use camelid_core::encode::{Decode, Encode};
use camelid_core::hash::{JobId, Txid};
use camelid_core::job::{JobStatus, PeerAddress};
use camelid_core::message::{Ciphertext, Envelope, Payload, Request, Response};
use camelid_core::pool::{AddError, JobPoolError, PoolError};
use camelid_core::sync::{Given, serve};
use camelid_core::transaction::{Coin, OutPoint, Transaction};
use camelid_core::units::Timestamp;

/// Points for a message that is invalid in any chain.
const INVALID: u32 = 50;
/// Points for bytes that are no message.
pub(super) const GARBAGE: u32 = 100;
/// The most messages kept for neighbours that join later, and given to one.
const POOL_MESSAGES: usize = 4_000;
/// The most bytes of them in one answer.
const POOL_BYTES: usize = 4_000_000;

/// What a message in the pools is about: it is kept as long as that is open, and only the last of its kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum About {
    /// A loose transaction.
    Transaction(Txid),
    /// A job, and the kind of message.
    Job(JobId, u8),
    /// What this peer serves.
    Service(PeerAddress),
}

/// The message behind something in the pools.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) envelope: Envelope,
    /// When it came.
    pub(super) arrived: Timestamp,
}

impl Node {
    pub(super) fn on_network(&mut self, event: NetworkEvent) -> Result<(), NodeError> {
        match event {
            NetworkEvent::PeerConnected(info) => {
                self.greet(info.peer)?;
                self.meet(&info);
            }
            NetworkEvent::PeerDisconnected { peer } => {
                self.part(&peer);
                self.sync.disconnected(&peer);
                self.ask_peers()?;
            }
            NetworkEvent::Gossip { id, from, data, .. } => self.on_gossip(id, from, &data)?,
            NetworkEvent::Request { peer, data, respond } => self.on_request(peer, &data, respond)?,
            NetworkEvent::WrongNetwork { peer, address, speaks } => {
                let own = self.params.network;
                tracing::warn!(%peer, %address, "peer speaks network {speaks}, this node {own}: dropped");
            }
        }
        Ok(())
    }

    pub(super) fn penalise(&self, peer: PeerId, points: u32, reason: String) {
        let network = self.network.clone();
        tokio::spawn(async move { network.penalise(peer, points, reason).await });
    }

    fn on_gossip(&mut self, id: MessageId, from: PeerId, data: &[u8]) -> Result<(), NodeError> {
        let opened = Envelope::from_bytes(data)
            .map_err(|e| e.to_string())
            .and_then(|e| e.open(self.params.network).map(|p| (e, p)).map_err(|e| e.to_string()));
        let verdict = match opened {
            Err(reason) => {
                self.penalise(from, GARBAGE, format!("gossip that is no message: {reason}"));
                Verdict::Reject
            }
            Ok((envelope, payload)) => {
                if self.remember(envelope.id()) {
                    let verdict = self.on_broadcast(from, &payload)?;
                    if verdict == Verdict::Accept {
                        self.keep_for_pools(&envelope, &payload);
                    }
                    verdict
                } else {
                    Verdict::Ignore
                }
            }
        };
        let network = self.network.clone();
        tokio::spawn(async move { network.validate(id, from, verdict).await });
        Ok(())
    }

    /// A broadcast message, passed on by `from`.
    fn on_broadcast(&mut self, from: PeerId, payload: &Payload) -> Result<Verdict, NodeError> {
        Ok(match payload {
            Payload::Block(block) => self.on_block(from, (**block).clone(), Given::Unasked)?,
            Payload::Transaction(tx) => self.on_transaction(from, tx)?,
            other => self.on_job_message(from, other),
        })
    }

    pub(super) fn on_block(&mut self, from: PeerId, block: Block, given: Given) -> Result<Verdict, NodeError> {
        let hash = block.hash();
        match self.accept_block(block) {
            Ok(accepted) => Ok(match accepted.outcome {
                Outcome::NewTip | Outcome::SideChain => Verdict::Accept,
                Outcome::AlreadyKnown => Verdict::Ignore,
                Outcome::Orphan { .. } => {
                    self.on_announced(from, hash)?;
                    Verdict::Ignore
                }
            }),
            Err(error @ (ChainError::Store(_) | ChainError::Damaged { .. })) => Err(error.into()),
            Err(error) if given.is_fault(&error) => {
                self.penalise(from, INVALID, format!("block refused: {error}"));
                Ok(Verdict::Reject)
            }
            Err(error) => {
                tracing::debug!(%error, %from, "block not taken");
                Ok(Verdict::Ignore)
            }
        }
    }

    /// A loose transaction, of a peer.
    fn on_transaction(&mut self, from: PeerId, tx: &Transaction) -> Result<Verdict, NodeError> {
        match self.add_transaction(tx) {
            Ok(()) => Ok(Verdict::Accept),
            Err(AddError::Chain(error)) => Err(error.into()),
            Err(AddError::Refused(error)) => {
                tracing::debug!(%error, txid = %tx.txid(), %from, "transaction refused");
                Ok(match error {
                    // "Pools relay the first conflict to a coin as an alert."
                    PoolError::Conflict { .. } if self.warned.insert(tx.txid()) => Verdict::Accept,
                    // Wrong on every chain, and dear to check.
                    PoolError::Invalid(TransactionError::Script { .. }) => Verdict::Reject,
                    // What is invalid here may be valid on a chain that we have not seen yet.
                    _ => Verdict::Ignore,
                })
            }
        }
    }

    /// Puts a transaction into the pool and tells jobs and deals.
    pub(super) fn add_transaction(&mut self, tx: &Transaction) -> Result<(), AddError<crate::store::StoreError>> {
        let now = self.now();
        self.pool.add(tx.clone(), &self.chain, now)?;
        self.transaction_added(tx);
        Ok(())
    }

    /// Tells jobs and deals that a transaction is in the pool.
    pub(super) fn transaction_added(&mut self, tx: &Transaction) {
        let rules = self.rules;
        let facts = self.facts(&rules);
        self.jobs.on_transaction(tx, &facts);
        if let Some(deal) = self.computes.get_mut(&tx.job_id) {
            deal.on_transaction(tx, &facts);
            self.keep_compute(&tx.job_id);
        }
        self.miner.transactions_changed();
    }

    /// Unspent outputs of the chain that no loose transaction spends.
    pub(super) fn free_coin(&self, outpoint: &OutPoint) -> Option<Coin> {
        if self.pool.spender(outpoint).is_some() {
            return None;
        }
        self.chain.coin(outpoint).ok().flatten()
    }

    fn on_job_message(&mut self, from: PeerId, payload: &Payload) -> Verdict {
        match self.take_job_message(payload) {
            Ok(true) => Verdict::Accept,
            Ok(false) => Verdict::Ignore,
            Err(error) => {
                tracing::debug!(%error, %from, kind = payload.kind(), "job message refused");
                match error {
                    JobPoolError::Job(_) => {
                        self.penalise(from, INVALID, format!("job message refused: {error}"));
                        Verdict::Reject
                    }
                    _ => Verdict::Ignore,
                }
            }
        }
    }

    /// A job message for everybody, a peer's or our own. Says whether it is new.
    pub(super) fn take_job_message(&mut self, payload: &Payload) -> Result<bool, JobPoolError> {
        self.take_job_message_of(payload, self.now())
    }

    /// The same for one that came at `arrived`.
    pub(super) fn take_job_message_of(&mut self, payload: &Payload, arrived: Timestamp) -> Result<bool, JobPoolError> {
        let rules = self.rules;
        let facts = Facts { now: arrived, ..self.facts(&rules) };
        match payload {
            Payload::ServiceOffer(offer) => {
                let coin = self.free_coin(&offer.body.stake_coin);
                Ok(self.services.add((**offer).clone(), coin.as_ref(), self.params.network, facts.now)?)
            }
            Payload::JobCreate(create) => {
                let (chain, pool) = (&self.chain, &self.pool);
                let coin = |o: &OutPoint| match pool.spender(o) {
                    Some(_) => None,
                    None => chain.coin(o).ok().flatten(),
                };
                self.jobs.add_create((**create).clone(), &coin, &facts)
            }
            Payload::JobAccept(accept) => {
                let coin = self.free_coin(&accept.body.stake_coin);
                let new = self.jobs.add_accept((**accept).clone(), coin.as_ref(), &facts);
                if let Some(deal) = self.clients.get_mut(&accept.body.job_id)
                    && let Err(error) = deal.on_accept(accept, coin.as_ref(), &facts)
                {
                    tracing::debug!(%error, job = %accept.body.job_id, "accept not taken");
                }
                self.step_client(&accept.body.job_id);
                new
            }
            Payload::Testament(testament) => {
                let new = self.jobs.add_testament((**testament).clone(), &facts);
                if let Some(deal) = self.clients.get_mut(&testament.job_id)
                    && let Err(error) = deal.on_testament(testament, &facts)
                {
                    tracing::debug!(%error, job = %testament.job_id, "testament not taken");
                }
                self.step_client(&testament.job_id);
                new
            }
            _ => Ok(false),
        }
    }

    /// Keeps the message behind what a pool holds, for neighbours that join later.
    pub(super) fn keep_for_pools(&mut self, envelope: &Envelope, payload: &Payload) {
        self.keep_for_pools_since(envelope, payload, self.now());
    }

    /// The same for one that came at `arrived`.
    pub(super) fn keep_for_pools_since(&mut self, envelope: &Envelope, payload: &Payload, arrived: Timestamp) {
        let about = match payload {
            Payload::Transaction(tx) => About::Transaction(tx.txid()),
            Payload::JobCreate(create) => About::Job(create.id(self.params.network), envelope.kind),
            Payload::JobAccept(accept) => About::Job(accept.body.job_id, envelope.kind),
            Payload::Testament(testament) => About::Job(testament.job_id, envelope.kind),
            Payload::ServiceOffer(_) => About::Service(envelope.sender.clone()),
            _ => return,
        };
        if self.pool_messages.len() >= POOL_MESSAGES {
            let mut messages = std::mem::take(&mut self.pool_messages);
            messages.retain(|about, _| self.is_open(about));
            self.pool_messages = messages;
        }
        if self.pool_messages.len() < POOL_MESSAGES {
            // Said again, it is no newer.
            let before = self.pool_messages.get(&about).filter(|kept| kept.envelope.payload == envelope.payload);
            let arrived = before.map_or(arrived, |kept| kept.arrived);
            self.pool_messages.insert(about, Kept { envelope: envelope.clone(), arrived });
        }
    }

    /// Whether a neighbour that joins now needs to hear of it.
    fn is_open(&self, about: &About) -> bool {
        match about {
            About::Transaction(txid) => self.pool.get(txid).is_some(),
            About::Job(id, _) => self.jobs.get(id).is_some_and(|r| r.status < JobStatus::Paid),
            About::Service(peer) => self.services.all().any(|o| o.body.node_peer == *peer),
        }
    }

    /// What the pools hold, in messages: offers of service and jobs before what follows from them.
    fn pool_contents(&self) -> Vec<Envelope> {
        let open = self.pool_messages.iter().filter(|(about, _)| self.is_open(about));
        let mut messages: Vec<_> = open.map(|(_, kept)| kept.envelope.clone()).collect();
        messages.sort_by_key(|e| (e.kind, e.sequence));
        let mut room = POOL_BYTES;
        messages.retain(|e| {
            let size = e.payload.len() + 256;
            let fits = size <= room;
            room -= if fits { size } else { 0 };
            fits
        });
        messages
    }

    /// A neighbour's pools.
    pub(super) fn on_pools(&mut self, from: PeerId, messages: &[Envelope]) -> Result<(), NodeError> {
        for envelope in messages {
            match envelope.open(self.params.network) {
                Ok(payload) if self.remember(envelope.id()) => {
                    if self.on_broadcast(from, &payload)? == Verdict::Accept {
                        self.keep_for_pools(envelope, &payload);
                    }
                }
                Ok(_) => {}
                Err(error) => self.penalise(from, GARBAGE, format!("pool message refused: {error}")),
            }
        }
        Ok(())
    }

    fn on_request(&mut self, peer: PeerId, data: &[u8], respond: Responder) -> Result<(), NodeError> {
        let request = match Request::from_bytes(data) {
            Ok(request) => request,
            Err(error) => {
                self.penalise(peer, GARBAGE, format!("request that is none: {error}"));
                return Ok(());
            }
        };
        let response = match request {
            Request::Status(theirs) => {
                self.on_status(peer, theirs)?;
                Response::Status(self.status())
            }
            Request::Headers(locator) => serve::headers(&self.chain, &locator)?,
            Request::Blocks(hashes) => serve::blocks(&self.chain, &hashes)?,
            Request::Pools => Response::Pools(self.pool_contents()),
            Request::Forward(envelope) => {
                self.on_forward(peer, *envelope, respond);
                return Ok(());
            }
            Request::Peers(request) => {
                self.on_peers_request(peer, *request, respond);
                return Ok(());
            }
            Request::Reach(request) => {
                self.on_reach_request(peer, request, respond);
                return Ok(());
            }
            Request::Light(request) => Response::Light(super::light::answer(&self.chain, &request)?),
            Request::Model(request) => {
                self.on_model_request(peer, request, respond);
                return Ok(());
            }
            Request::Client(request) => self.on_client_request(peer, request)?,
        };
        tokio::spawn(async move {
            let _ = respond.send(response.to_bytes()).await;
        });
        Ok(())
    }

    /// A message for us.
    pub(super) fn on_addressed(&mut self, envelope: &Envelope, payload: Payload) {
        let rules = self.rules;
        let facts = self.facts(&rules);
        let note = |job: &JobId, result: Result<(), camelid_core::deal::DealError>| {
            if let Err(error) = result {
                tracing::debug!(%error, %job, kind = envelope.kind, "message not taken");
            }
        };
        match payload {
            Payload::JobAssign(assign) => {
                let id = assign.body.job_id;
                let key = self.node_key(&id);
                if let (Some(deal), Some(key)) = (self.computes.get_mut(&id), key) {
                    note(&id, deal.on_assign(&assign, &key, &facts));
                }
                self.step_compute(&id);
            }
            Payload::CiphertextRequest(request) => {
                let bytes = self.computes.get(&request.job_id).and_then(|d| d.ciphertext()).map(<[u8]>::to_vec);
                if let Some(bytes) = bytes {
                    let answer = Ciphertext { job_id: request.job_id, bytes };
                    self.send_to(envelope.sender.clone(), answer.into());
                }
            }
            Payload::Ciphertext(ciphertext) => {
                if let Some(deal) = self.clients.get_mut(&ciphertext.job_id) {
                    note(&ciphertext.job_id, deal.on_ciphertext(&ciphertext.bytes));
                }
                self.step_client(&ciphertext.job_id);
            }
            Payload::JobDelivery(delivery) => {
                let id = delivery.body.job_id;
                self.with_client(&id, |deal, keys| {
                    note(&id, deal.on_delivery(&delivery, keys, &facts));
                });
                self.step_client(&id);
            }
            Payload::JobClose(close) => {
                let key = self.node_key(&close.job_id);
                if let (Some(deal), Some(key)) = (self.computes.get_mut(&close.job_id), key) {
                    note(&close.job_id, deal.on_close(&close, &key, &facts));
                }
                self.step_compute(&close.job_id);
            }
            // Sent to its client too: pools that took another node's accept for this job do not pass it on.
            Payload::Testament(_) => {
                if let Err(error) = self.take_job_message(&payload) {
                    tracing::debug!(%error, "testament for our pool");
                }
            }
            _ => tracing::debug!(kind = envelope.kind, "addressed message of a kind that is broadcast"),
        }
    }
}
