//! Following other chains: what [`camelid_core::sync`] wants to ask goes out here, and what came back goes in.

use super::{Internal, Node, NodeError};
use crate::network::{BAN_AT, PeerId};
use camelid_core::encode::{Decode, Encode};
use camelid_core::hash::BlockHash;
use camelid_core::message::{ChainStatus, MAX_HEADERS_PER_RESPONSE, Request, Response};
use camelid_core::sync::{Ask, Event, Fault, Given, Now, Progress};
use std::time::{Duration, Instant};

/// How long the network waits for an answer; `core::sync` gives up a little later.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How often a sync that goes on is told of in the log.
const TELL_EVERY: Duration = Duration::from_secs(10);
/// Blocks that are missing before the log says how far it is.
const WORTH_TELLING: u32 = 100;

impl Node {
    fn sync_now(&self) -> Now {
        Now { elapsed: self.started.elapsed(), time: self.now() }
    }

    /// A new neighbour.
    pub(super) fn greet(&mut self, peer: PeerId) -> Result<(), NodeError> {
        self.sync.connected(peer);
        self.ask_peers()
    }

    /// Asks neighbours what there is to ask.
    pub(super) fn ask_peers(&mut self) -> Result<(), NodeError> {
        let now = self.sync_now();
        for (id, peer, ask) in self.sync.next(&self.chain, now)? {
            self.ask(id, peer, ask);
        }
        let silent: Vec<PeerId> = self.sync.silent().collect();
        for peer in silent {
            self.sync.disconnected(&peer);
            self.faulty(peer, &Fault::Silent { questions: camelid_core::sync::Limits::default().silent });
        }
        self.tell_progress()
    }

    fn ask(&self, id: u64, peer: PeerId, ask: Ask) {
        let (network, internal, bytes) = (self.network.clone(), self.internal.clone(), Request::from(ask).to_bytes());
        tokio::spawn(async move {
            let answer = network.request(peer, bytes, TIMEOUT).await.map_err(|e| e.to_string());
            let _ = internal.send(Internal::Answer { peer, id, answer });
        });
    }

    /// A neighbour says where it stands.
    pub(super) fn on_status(&mut self, peer: PeerId, theirs: ChainStatus) -> Result<(), NodeError> {
        if let Some(fault) = self.sync.on_status(peer, theirs, &self.chain) {
            self.faulty(peer, &fault);
        }
        self.ask_peers()
    }

    /// A neighbour has a block whose ancestors are not all here.
    pub(super) fn on_announced(&mut self, peer: PeerId, block: BlockHash) -> Result<(), NodeError> {
        self.sync.on_announced(peer, block);
        self.ask_peers()
    }

    /// A neighbour answered, or did not.
    pub(super) fn on_answer(
        &mut self,
        peer: PeerId,
        id: u64,
        answer: Result<Vec<u8>, String>,
    ) -> Result<(), NodeError> {
        let response = match answer.map(|bytes| Response::from_bytes(&bytes)) {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => {
                self.sync.on_failed(id);
                self.drop_peer(peer, format!("an answer that is none: {error}"));
                return Ok(());
            }
            Err(error) => {
                tracing::debug!(%peer, %error, "no answer");
                self.sync.on_failed(id);
                return self.ask_peers();
            }
        };
        if let Response::Headers(headers) = &response
            && headers.len() == MAX_HEADERS_PER_RESPONSE
        {
            tracing::info!(headers = headers.len(), "headers arrive");
        }
        let now = self.sync_now();
        for event in self.sync.on_answer(id, response, &mut self.chain, now)? {
            match event {
                Event::Fault(peer, fault) => self.faulty(peer, &fault),
                Event::Pools(peer, messages) => self.on_pools(peer, &messages)?,
                Event::Blocks(blocks) => {
                    // Blocks that come together wait for the disk together. What a crash takes is asked for again.
                    self.chain.store().begin_bundle();
                    let mut blocks = blocks.into_iter();
                    let taken = blocks.try_for_each(|(peer, block)| self.on_block(peer, block, Given::Asked).map(drop));
                    self.chain.store().end_bundle()?;
                    taken?;
                }
            }
        }
        self.ask_peers()
    }

    /// How far it is, where neighbours' chain is longer.
    pub(super) fn sync_progress(&self) -> Option<Progress> {
        self.sync.progress(&self.chain).ok().flatten()
    }

    fn tell_progress(&mut self) -> Result<(), NodeError> {
        if self.last_progress.is_some_and(|at| at.elapsed() < TELL_EVERY) {
            return Ok(());
        }
        let Some(p) = self.sync.progress(&self.chain)?.filter(|p| p.target.since(p.height) >= WORTH_TELLING) else {
            return Ok(());
        };
        self.last_progress = Some(Instant::now());
        let left = p.seconds_left.map_or_else(|| "?".into(), |s| format!("{s:.0}"));
        tracing::info!(
            "synchronising: block {} of {}, headers up to {}, {:.0} blocks/s, {left} s left",
            p.height,
            p.target,
            p.headers,
            p.blocks_per_second
        );
        Ok(())
    }

    fn faulty(&self, peer: PeerId, fault: &Fault) {
        self.drop_peer(peer, fault.to_string());
    }

    fn drop_peer(&self, peer: PeerId, reason: String) {
        let network = self.network.clone();
        tokio::spawn(async move { network.penalise(peer, BAN_AT, reason).await });
    }
}
