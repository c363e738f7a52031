//! The node's own requests: as many at once as a peer takes, the others wait their turn.

use super::{PeerId, RequestError};
use camelid_core::p2p::{BytesCodec, REQUESTS_AT_ONCE};
use libp2p::request_response::{Behaviour, OutboundRequestId};
use std::collections::{HashMap, VecDeque};
use tokio::sync::oneshot;

/// Requests under way or waiting at once, to all peers; their answers are the memory that they may cost.
const REQUESTS_UNDER_WAY: usize = 64;

/// Where an answer goes.
pub(super) type Done = oneshot::Sender<Result<Vec<u8>, RequestError>>;

#[derive(Default)]
struct OfPeer {
    under_way: usize,
    waiting: VecDeque<(Vec<u8>, Done)>,
}

/// Requests that have no answer yet.
#[derive(Default)]
pub(super) struct Requests {
    under_way: HashMap<OutboundRequestId, (PeerId, Done)>,
    peers: HashMap<PeerId, OfPeer>,
}

impl Requests {
    /// Asks a peer: now, or when it has answered others.
    pub(super) fn ask(&mut self, behaviour: &mut Behaviour<BytesCodec>, peer: PeerId, data: Vec<u8>, done: Done) {
        for of_peer in self.peers.values_mut() {
            of_peer.waiting.retain(|(_, done)| !done.is_closed());
        }
        if self.wanted() >= REQUESTS_UNDER_WAY {
            let _ = done.send(Err(RequestError::Busy));
            return;
        }
        self.peers.entry(peer).or_default().waiting.push_back((data, done));
        self.send(behaviour, peer);
    }

    /// A request has an answer, or never will: where that goes. The next one of its peer is sent.
    pub(super) fn over(&mut self, behaviour: &mut Behaviour<BytesCodec>, id: OutboundRequestId) -> Option<Done> {
        let (peer, done) = self.under_way.remove(&id)?;
        if let Some(of_peer) = self.peers.get_mut(&peer) {
            of_peer.under_way -= 1;
        }
        self.send(behaviour, peer);
        Some(done)
    }

    /// The last connection to a peer is gone. What is under way is told by libp2p, one by one.
    pub(super) fn disconnected(&mut self, peer: &PeerId) {
        let Some(of_peer) = self.peers.get_mut(peer) else { return };
        for (_, done) in of_peer.waiting.drain(..) {
            let _ = done.send(Err(RequestError::NotConnected));
        }
    }

    /// Those whose answer somebody waits for. An abandoned one counts with its peer alone, which still works on it.
    fn wanted(&self) -> usize {
        let under_way = self.under_way.values().filter(|(_, done)| !done.is_closed()).count();
        under_way + self.peers.values().map(|p| p.waiting.len()).sum::<usize>()
    }

    fn send(&mut self, behaviour: &mut Behaviour<BytesCodec>, peer: PeerId) {
        let Some(of_peer) = self.peers.get_mut(&peer) else { return };
        // "A node has at most 32 requests under way on a connection."
        while of_peer.under_way < REQUESTS_AT_ONCE
            && let Some((data, done)) = of_peer.waiting.pop_front()
        {
            if !done.is_closed() {
                of_peer.under_way += 1;
                self.under_way.insert(behaviour.send_request(&peer, Ok(data)), (peer, done));
            }
        }
        if of_peer.under_way == 0 {
            self.peers.remove(&peer);
        }
    }
}
