//! Sending: broadcasts on a topic, addressed messages through neighbours.

use super::messages::GARBAGE;
use super::{Internal, Node};
use crate::network::netaddr::peer_id;
use crate::network::{PeerId, Quota, Rate, Responder};
use camelid_core::encode::{Decode, Encode};
use camelid_core::hash::Hash32;
use camelid_core::job::PeerAddress;
use camelid_core::message::{Envelope, MAX_HOPS, Payload, Request, Response};
use futures::StreamExt;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// How long a neighbour may take to say what came of a message; less by a hop's time for each hop behind it.
const FORWARD_TIMEOUT: Duration = Duration::from_secs(20);
const HOP_TIMEOUT: Duration = Duration::from_secs(2);
/// Neighbours asked at once to pass on one message.
const AT_ONCE: usize = 8;
/// Messages being passed on at once.
const UNDER_WAY: usize = 64;
/// "A sender's messages are passed on 20 times a second and 200 at once": more than jobs ever need.
const MESSAGES: Rate = Rate { per_second: 20.0, burst: 200.0 };
/// "And 1 MB a second, 16 MB at once": the longest answers.
const BYTES: Rate = Rate { per_second: 1e6, burst: 16e6 };
/// The same for all that one neighbour brings, whoever the senders are: their ids cost nothing.
const MESSAGES_OF_NEIGHBOUR: Rate = Rate { per_second: 50.0, burst: 400.0 };
const BYTES_OF_NEIGHBOUR: Rate = Rate { per_second: 4e6, burst: 64e6 };
/// Points for each message over that, for a sender who is a neighbour.
const TOO_MANY: u32 = 5;
/// Addressed messages remembered, so that none is handled or forwarded twice.
const SEEN: usize = 20_000;

/// What may be passed on for whom.
pub(super) struct Forwards {
    messages: Quota<PeerAddress>,
    bytes: Quota<PeerAddress>,
    neighbour_messages: Quota<PeerId>,
    neighbour_bytes: Quota<PeerId>,
    under_way: Arc<Semaphore>,
}

impl Default for Forwards {
    fn default() -> Self {
        Forwards {
            messages: Quota::new(MESSAGES),
            bytes: Quota::new(BYTES),
            neighbour_messages: Quota::new(MESSAGES_OF_NEIGHBOUR),
            neighbour_bytes: Quota::new(BYTES_OF_NEIGHBOUR),
            under_way: Arc::new(Semaphore::new(UNDER_WAY)),
        }
    }
}

impl Forwards {
    /// Whether a sender may have one more message of so many bytes passed on, which this neighbour brings.
    fn allows(&mut self, sender: &PeerAddress, neighbour: PeerId, bytes: f64, now: Instant) -> bool {
        self.messages.take(sender, 1.0, now)
            && self.bytes.take(sender, bytes, now)
            && self.neighbour_messages.take(&neighbour, 1.0, now)
            && self.neighbour_bytes.take(&neighbour, bytes, now)
    }
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
        if payload.topic().is_none() {
            return;
        }
        let Some(envelope) = self.envelope(None, &payload) else { return };
        self.remember(envelope.id());
        self.keep_for_pools(&envelope, &payload);
        self.gossip(&envelope, &payload);
    }

    /// Gives a message for everybody, ours or another's, to the neighbours.
    pub(super) fn gossip(&self, envelope: &Envelope, payload: &Payload) {
        let Some(topic) = payload.topic() else { return };
        let (network, bytes) = (self.network.clone(), envelope.to_bytes());
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

    /// An addressed message: ours, or somebody's to pass on (paper 2.1.2: "if the message is not intended for the node,
    /// it forwards it to the appropriate recipient based on the message header").
    pub(super) fn on_forward(&mut self, peer: PeerId, envelope: Envelope, respond: Responder) {
        let payload = match envelope.open(self.params.network) {
            Ok(payload) => payload,
            Err(error) => {
                self.penalise(peer, GARBAGE, format!("message to forward refused: {error}"));
                return answer(respond, Response::Busy);
            }
        };
        let id = envelope.id();
        let Some(receiver) = envelope.receiver.clone() else { return answer(respond, Response::NoRoute(id)) };
        let new = self.remember(id);
        if receiver == self.address {
            if new {
                self.on_addressed(&envelope, payload);
            }
            return answer(respond, Response::Forwarded);
        }
        // "Who has seen the message before says that it knows no way": whoever brought it first gets the answer.
        if !new {
            return answer(respond, Response::NoRoute(id));
        }
        let size = envelope.payload.len() as f64;
        if !self.forwards.allows(&envelope.sender, peer, size, Instant::now()) {
            if peer_id(&envelope.sender) == Some(peer) {
                self.penalise(peer, TOO_MANY, "it has too many messages passed on".into());
            }
            return answer(respond, Response::Busy);
        }
        self.forward(envelope, Some((peer, respond)));
    }

    /// Passes an addressed message on: to its receiver if it is a neighbour, else to all neighbours but the one it came
    /// from, who is told what came of it.
    fn forward(&mut self, mut envelope: Envelope, from: Option<(PeerId, Responder)>) {
        let Some(receiver) = envelope.receiver.as_ref().and_then(peer_id) else { return };
        let (from, respond) = from.map_or((None, None), |(peer, respond)| (Some(peer), Some(respond)));
        if from.is_some() {
            envelope.hops = envelope.hops.saturating_add(1);
        }
        let message = envelope.id();
        let to: Vec<PeerId> = if self.sync.has(&receiver) {
            vec![receiver]
        } else if envelope.hops >= MAX_HOPS {
            Vec::new()
        } else {
            self.sync.peers().filter(|p| Some(*p) != from).collect()
        };
        // What others send must not keep our own messages back.
        let permit = match respond.as_ref().map(|_| self.forwards.under_way.clone().try_acquire_owned()) {
            Some(Err(_)) => return respond.into_iter().for_each(|respond| answer(respond, Response::Busy)),
            permit => permit,
        };
        // Who is nearer to the receiver gives up sooner, so that its answer still counts here.
        let patience = FORWARD_TIMEOUT - HOP_TIMEOUT * u32::from(envelope.hops.min(MAX_HOPS));
        let (network, internal) = (self.network.clone(), self.internal.clone());
        let request: Arc<[u8]> = Request::Forward(Box::new(envelope)).to_bytes().into();
        tokio::spawn(async move {
            let ask = |peer| {
                let (network, request) = (network.clone(), request.clone());
                async move {
                    let answer = network.request(peer, request.to_vec(), patience).await;
                    matches!(answer.map(|bytes| Response::from_bytes(&bytes)), Ok(Ok(Response::Forwarded)))
                }
            };
            // All are asked, whatever one of them says: it may lie.
            let answers = futures::stream::iter(to).map(ask).buffer_unordered(AT_ONCE);
            let reached = answers.fold(false, |any, reached| async move { any | reached }).await;
            drop(permit);
            match respond {
                Some(respond) if reached => answer(respond, Response::Forwarded),
                Some(respond) => answer(respond, Response::NoRoute(message)),
                None if !reached => drop(internal.send(Internal::Unroutable { message })),
                None => {}
            }
        });
    }
}

pub(super) fn answer(respond: Responder, response: Response) {
    tokio::spawn(async move {
        let _ = respond.send(response.to_bytes()).await;
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use camelid_core::message::peer_address;

    #[test]
    fn a_sender_and_a_neighbour_have_only_so_much_passed_on() {
        let (mut forwards, now) = (Forwards::default(), Instant::now());
        let sender = |n: u16| peer_address(&std::array::from_fn(|i| n.to_le_bytes()[i % 2]));
        let (near, far) = (PeerId::random(), PeerId::random());
        let allowed = (0..1000).filter(|_| forwards.allows(&sender(1), near, 100.0, now)).count();
        assert_eq!(allowed, 200);
        assert!(forwards.allows(&sender(2), near, 100.0, now), "others are not concerned");
        assert!(!forwards.allows(&sender(3), near, 17e6, now), "more bytes than one may at once");
        let allowed = (10..2000).filter(|n| forwards.allows(&sender(*n), near, 100.0, now)).count();
        assert_eq!(allowed, 199, "made-up senders do not help a neighbour");
        assert!(forwards.allows(&sender(5000), far, 100.0, now));
        assert!(forwards.allows(&sender(1), far, 100.0, now + Duration::from_secs(1)));
    }
}
