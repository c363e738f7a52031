//! Following other chains: headers first, then the blocks that are missing.

use super::{Internal, Node, NodeError};
use crate::network::{PeerId, Verdict};
use camelid_core::chain::ChainError;
use camelid_core::encode::{Decode, Encode};
use camelid_core::hash::BlockHash;
use camelid_core::message::{ChainStatus, MAX_BLOCKS_PER_REQUEST, MAX_HEADERS_PER_RESPONSE, Request, Response};
use camelid_core::units::Height;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

const TIMEOUT: Duration = Duration::from_secs(30);
/// How often neighbours are asked where they stand, should a gossip message be lost.
const POLL: Duration = Duration::from_secs(5);

/// How many missing blocks are looked up at once: the way from the newest header down to them is walked each time.
const WANTED: usize = 32_768;

/// What a neighbour was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Status,
    Headers,
    Blocks,
    Pools,
}

/// What is known about a neighbour.
#[derive(Clone, Debug, Default)]
pub(super) struct PeerState {
    pub(super) height: Option<Height>,
    /// The last block of its chain, as it says.
    tip: Option<BlockHash>,
    /// The next blocks to ask it for, oldest first.
    wanted: VecDeque<BlockHash>,
    /// A question about its chain that it has not answered yet.
    busy: bool,
    pools_asked: bool,
}

impl Node {
    fn ask(&mut self, peer: PeerId, asked: Asked, request: &Request) {
        let (network, internal, bytes) = (self.network.clone(), self.internal.clone(), request.to_bytes());
        tokio::spawn(async move {
            let answer = network.request(peer, bytes, TIMEOUT).await.map_err(|e| e.to_string());
            let _ = internal.send(Internal::Answer { peer, asked, answer });
        });
    }

    /// A new neighbour: asks where it stands.
    pub(super) fn greet(&mut self, peer: PeerId) {
        self.peers.insert(peer, PeerState::default());
        let status = Request::Status(self.status());
        self.ask(peer, Asked::Status, &status);
    }

    pub(super) fn poll_peers(&mut self) {
        if self.last_poll.elapsed() < POLL {
            return;
        }
        self.last_poll = Instant::now();
        let status = Request::Status(self.status());
        for peer in self.peers.keys().copied().collect::<Vec<_>>() {
            self.ask(peer, Asked::Status, &status);
        }
    }

    /// A neighbour says where it stands.
    pub(super) fn on_status(&mut self, peer: PeerId, theirs: ChainStatus) {
        if theirs.genesis != self.params.genesis().hash() {
            let network = self.network.clone();
            let reason = format!("its first block is {}, ours {}", theirs.genesis, self.params.genesis().hash());
            tokio::spawn(async move { network.penalise(peer, crate::network::BAN_AT, reason).await });
            return;
        }
        let known = matches!(self.chain.header(&theirs.tip), Ok(Some(entry)) if entry.has_body());
        let Some(state) = self.peers.get_mut(&peer) else { return };
        (state.height, state.tip) = (Some(theirs.height), Some(theirs.tip));
        if !state.pools_asked && known {
            state.pools_asked = true;
            self.ask(peer, Asked::Pools, &Request::Pools);
        }
        if !known {
            self.ask_headers(peer);
        }
    }

    /// Asks for the headers after our chain, unless an answer is under way.
    pub(super) fn ask_headers(&mut self, peer: PeerId) {
        let Some(state) = self.peers.get_mut(&peer) else { return };
        if state.busy {
            return;
        }
        if let Ok(locator) = self.chain.locator() {
            state.busy = true;
            self.ask(peer, Asked::Headers, &Request::Headers(locator));
        }
    }

    /// Asks for the next blocks that are missing here, of the peer's own chain where it is known: another chain with
    /// more work may be one whose blocks nobody gives.
    fn ask_blocks(&mut self, peer: PeerId) -> Result<(), NodeError> {
        let Some(state) = self.peers.get_mut(&peer) else { return Ok(()) };
        let here = |hash: &BlockHash| Ok::<_, NodeError>(self.chain.header(hash)?.is_some_and(|e| e.has_body()));
        while let Some(next) = state.wanted.front()
            && here(next)?
        {
            state.wanted.pop_front();
        }
        if state.wanted.is_empty() {
            let known = match state.tip {
                Some(tip) => self.chain.header(&tip)?.filter(|e| e.work >= self.chain.tip().work).map(|e| e.hash()),
                None => None,
            };
            let last = known.map_or_else(|| self.chain.best_header(), Ok)?;
            state.wanted = self.chain.missing_blocks_to(&last, WANTED)?.into();
        }
        let missing: Vec<_> = state.wanted.iter().take(MAX_BLOCKS_PER_REQUEST).copied().collect();
        state.busy = !missing.is_empty();
        if !missing.is_empty() {
            self.ask(peer, Asked::Blocks, &Request::Blocks(missing));
        } else if !state.pools_asked {
            state.pools_asked = true;
            self.ask(peer, Asked::Pools, &Request::Pools);
        }
        Ok(())
    }

    /// A neighbour answered, or did not.
    pub(super) fn on_answer(
        &mut self,
        peer: PeerId,
        asked: Asked,
        answer: Result<Vec<u8>, String>,
    ) -> Result<(), NodeError> {
        if let (Some(state), Asked::Headers | Asked::Blocks) = (self.peers.get_mut(&peer), asked) {
            state.busy = false;
        }
        let response = match answer.map(|bytes| Response::from_bytes(&bytes)) {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return self.dropped(peer, format!("an answer that is none: {error}")),
            Err(error) => {
                tracing::debug!(%peer, ?asked, %error, "no answer");
                return Ok(());
            }
        };
        match (asked, response) {
            (Asked::Status, Response::Status(status)) => self.on_status(peer, status),
            (Asked::Headers, Response::Headers(headers)) => {
                let more = headers.len() == MAX_HEADERS_PER_RESPONSE;
                let now = self.now();
                match self.chain.accept_headers(&headers, now) {
                    Ok(new) if more && new > 0 => self.ask_headers_after(peer, &headers)?,
                    Ok(_) => self.ask_blocks(peer)?,
                    Err(error @ (ChainError::Store(_) | ChainError::Damaged { .. })) => return Err(error.into()),
                    Err(error) => return self.dropped(peer, format!("headers refused: {error}")),
                }
            }
            (Asked::Blocks, Response::Blocks(blocks)) => {
                // Blocks that come together wait for the disk together. What a crash takes is asked for again.
                self.chain.store().begin_bundle();
                let taken: Result<Vec<Verdict>, _> =
                    blocks.into_iter().map(|block| self.on_block(peer, block)).collect();
                self.chain.store().end_bundle()?;
                let new = taken?.contains(&Verdict::Accept);
                // Whoever gives nothing new is asked again with the next poll, not at once.
                if new {
                    self.ask_blocks(peer)?;
                } else if let Some(state) = self.peers.get_mut(&peer) {
                    state.wanted.clear();
                }
            }
            (Asked::Pools, Response::Pools(messages)) => self.on_pools(peer, &messages)?,
            (_, Response::Busy) => {}
            (asked, _) => return self.dropped(peer, format!("an answer of another kind than {asked:?}")),
        }
        Ok(())
    }

    /// The next headers after those that just came.
    fn ask_headers_after(&mut self, peer: PeerId, headers: &[camelid_core::block::Header]) -> Result<(), NodeError> {
        if let (Some(last), Some(state)) = (headers.last(), self.peers.get_mut(&peer)) {
            state.busy = true;
            let locator = vec![last.hash()];
            tracing::info!(headers = headers.len(), "headers arrive");
            self.ask(peer, Asked::Headers, &Request::Headers(locator));
        }
        Ok(())
    }

    fn dropped(&mut self, peer: PeerId, reason: String) -> Result<(), NodeError> {
        let network = self.network.clone();
        tokio::spawn(async move { network.penalise(peer, crate::network::BAN_AT, reason).await });
        Ok(())
    }
}
