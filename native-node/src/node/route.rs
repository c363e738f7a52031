//! Sending: broadcasts on a topic, addressed messages through neighbours.

use super::{Internal, Node};
use crate::network::PeerId;
use camelid_core::encode::{Decode, Encode};
use camelid_core::hash::Hash32;
use camelid_core::job::PeerAddress;
use camelid_core::message::{Envelope, MAX_HOPS, Payload, Request, Response, Undeliverable};
use std::time::Duration;

/// How long a neighbour may take to say that it took a message.
const FORWARD_TIMEOUT: Duration = Duration::from_secs(10);
/// Addressed messages remembered, so that none is handled or forwarded twice.
const SEEN: usize = 20_000;

/// The libp2p form of a peer id.
pub(super) fn peer_id(address: &PeerAddress) -> Option<PeerId> {
    PeerId::from_bytes(address.as_bytes()).ok()
}

impl Node {
    /// Makes and signs a message of ours.
    fn envelope(&mut self, receiver: Option<PeerAddress>, payload: &Payload) -> Option<Envelope> {
        self.sequence += 1;
        let (network, sender) = (self.params.network, self.address.clone());
        let mut envelope = Envelope::unsigned(network, sender, receiver, self.sequence, payload);
        let signature = self.network.keypair().sign(&envelope.signing_bytes().0).ok()?;
        envelope.signature = signature.try_into().ok()?;
        Some(envelope)
    }

    /// Tells everybody. Our own pools hear it too.
    pub(super) fn broadcast(&mut self, payload: Payload) {
        let Some(topic) = payload.topic() else { return };
        let Some(envelope) = self.envelope(None, &payload) else { return };
        self.remember(envelope.id());
        let bytes = envelope.to_bytes();
        self.keep_for_pools(&envelope, &payload);
        let network = self.network.clone();
        tokio::spawn(async move {
            if let Err(error) = network.publish(topic, bytes).await {
                tracing::debug!(%error, topic = topic.name(), "not published");
            }
        });
    }

    /// Tells one peer, near or far.
    pub(super) fn send_to(&mut self, receiver: PeerAddress, payload: Payload) {
        if let Some(envelope) = self.envelope(Some(receiver), &payload) {
            self.remember(envelope.id());
            self.forward(envelope, None);
        }
    }

    /// Whether a message is new; it is remembered.
    pub(super) fn remember(&mut self, id: Hash32) -> bool {
        let new = self.seen.0.insert(id);
        if new {
            self.seen.1.push_back(id);
            if self.seen.1.len() > SEEN
                && let Some(old) = self.seen.1.pop_front()
            {
                self.seen.0.remove(&old);
            }
        }
        new
    }

    /// Whether there is anybody to pass a message on to.
    pub(super) fn has_route(&self, receiver: &PeerAddress, from: Option<PeerId>) -> bool {
        let target = peer_id(receiver);
        self.sync.peers().any(|p| Some(p) == target || Some(p) != from)
    }

    /// Passes an addressed message on: to its receiver if it is a neighbour, else to all neighbours but the one it came
    /// from. When nobody takes it, the node's task is told.
    pub(super) fn forward(&mut self, mut envelope: Envelope, from: Option<PeerId>) {
        let Some(receiver) = envelope.receiver.as_ref().and_then(peer_id) else { return };
        if from.is_some() {
            envelope.hops = envelope.hops.saturating_add(1);
        }
        let (message, sender) = (envelope.id(), envelope.sender.clone());
        let to: Vec<PeerId> = if self.sync.has(&receiver) {
            vec![receiver]
        } else if envelope.hops >= MAX_HOPS {
            Vec::new()
        } else {
            self.sync.peers().filter(|p| Some(*p) != from).collect()
        };
        let (network, internal) = (self.network.clone(), self.internal.clone());
        let request = Request::Forward(Box::new(envelope)).to_bytes();
        tokio::spawn(async move {
            let mut taken = false;
            for peer in to {
                let answer = network.request(peer, request.clone(), FORWARD_TIMEOUT).await;
                taken |= matches!(answer.map(|bytes| Response::from_bytes(&bytes)), Ok(Ok(Response::Forwarded)));
            }
            if !taken {
                let _ = internal.send(Internal::Unroutable { message, sender });
            }
        });
    }

    /// A message found no way: its sender is told, if it is somebody else.
    pub(super) fn on_unroutable(&mut self, message: Hash32, sender: PeerAddress) {
        if sender == self.address {
            tracing::debug!(%message, "a message of ours found no way; it will be sent again");
        } else {
            self.send_to(sender, Undeliverable { message }.into());
        }
    }
}
