//! The light client: a state machine without I/O over header chain, filters and ledger.
//!
//! Whoever runs it tells it what happens ([`LightClient::connected`], [`LightClient::on_answer`], ...), sends what
//! [`LightClient::next`] wants to ask, and looks at [`LightClient::take_events`] after each. Time is an argument. What
//! a peer is asked has a number; answers to questions that are not open say nothing. Headers come from one peer while
//! filters come from others.

mod ask;
mod blocks;
mod event;
mod filters;
mod headers;
mod meter;
mod peer;
mod silence;
mod submit;

pub use ask::{Ask, Failure, Limits, Question};
pub use event::{ContractBlock, Event, Fault, Progress, Silence};

use super::filters::{Cache, FilterChain, Pass, Round};
use super::headers::{Anchor, HeaderChain};
use super::ledger::{Holdings, Ledger};
use crate::block::NetworkParams;
use crate::chain::Checkpoints;
use crate::hash::{KeyHash, Txid};
use crate::message::{LightResponse, Request, Response};
use crate::sorted::{Map, Set};
use crate::sync::Now;
use crate::units::{Amount, Height};
use crate::wallet::Keyring;
use alloc::boxed::Box;
use alloc::vec::Vec;
use headers::Ahead;
use meter::Meter;
use peer::{Kind, Open, Peer};
use silence::Hearing;
use submit::Submission;

/// Keys that more blocks are looked through for, and the way through those.
#[derive(Clone, Debug)]
pub(super) struct Again {
    pub(super) keys: Set<KeyHash>,
    pub(super) pass: Pass,
}

/// A light client, for peers named by `P`.
#[derive(Clone, Debug)]
pub struct LightClient<P> {
    pub(super) params: &'static NetworkParams,
    limits: Limits,
    pub(super) keyring: Keyring,
    /// The keys that every block from now on is looked through for.
    pub(super) watched: Set<KeyHash>,
    /// Those of them that earlier blocks have not been looked through for.
    pub(super) fresh: Set<KeyHash>,
    pub(super) headers: HeaderChain<P>,
    pub(super) filters: FilterChain,
    cache: Cache,
    /// The way through all blocks.
    pub(super) forward: Pass,
    /// The way through earlier blocks, for keys that were fresh.
    pub(super) again: Option<Again>,
    pub(super) ledger: Ledger,
    peers: Map<P, Peer>,
    open: Map<u64, Open<P>>,
    next_id: u64,
    round: Option<Round<P>>,
    submissions: Map<Txid, Submission<P>>,
    events: Vec<Event<P>>,
    hearing: Hearing,
    meter: Meter,
    ahead: Option<Ahead<P>>,
    /// What was told last.
    told: Option<Height>,
    /// Whether what is saved as a whole has changed.
    pub(super) unsaved: bool,
}

impl<P: Copy + Ord> LightClient<P> {
    /// A client that knows the anchor alone. Blocks below `birthday` have nothing to do with the wallet.
    pub fn new(
        params: &'static NetworkParams,
        anchor: Anchor,
        birthday: Height,
        keyring: Keyring,
        limits: Limits,
    ) -> Self {
        let filters = FilterChain::new(&anchor, birthday);
        let headers = HeaderChain::new(params, anchor, limits.useless_headers);
        Self::with_parts(params, headers, filters, keyring, Ledger::default(), limits)
    }

    /// A client that goes on from headers that are here. Blocks below `birthday` have nothing to do with the wallet.
    pub fn with_headers(headers: HeaderChain<P>, birthday: Height, keyring: Keyring, limits: Limits) -> Self {
        let filters = FilterChain::new(headers.anchor(), birthday);
        Self::with_parts(headers.params(), headers, filters, keyring, Ledger::default(), limits)
    }

    /// The headers, without the wallet.
    pub fn into_headers(self) -> HeaderChain<P> {
        self.headers
    }

    pub(super) fn with_parts(
        params: &'static NetworkParams,
        headers: HeaderChain<P>,
        filters: FilterChain,
        keyring: Keyring,
        ledger: Ledger,
        limits: Limits,
    ) -> Self {
        LightClient {
            params,
            limits,
            watched: keyring.watched().copied().collect(),
            fresh: Set::new(),
            forward: Pass::new(keyring.watched(), filters.first(), None),
            keyring,
            headers,
            filters,
            cache: Cache::new(limits.filter_bytes),
            again: None,
            ledger,
            peers: Map::new(),
            open: Map::new(),
            next_id: 0,
            round: None,
            submissions: Map::new(),
            events: Vec::new(),
            hearing: Hearing::default(),
            meter: Meter::default(),
            ahead: None,
            told: None,
            unsaved: true,
        }
    }

    /// The same client, held to these blocks at these heights.
    pub fn with_checkpoints(self, checkpoints: Checkpoints) -> Self {
        LightClient { headers: self.headers.with_checkpoints(checkpoints), ..self }
    }

    /// A peer is here.
    pub fn connected(&mut self, peer: P) {
        self.peers.insert(peer, Peer::default());
    }

    /// A peer has gone; what it was asked is asked elsewhere.
    pub fn disconnected(&mut self, peer: &P) {
        self.peers.remove(peer);
        self.headers.forget(peer);
        self.ahead.take_if(|ahead| ahead.peer == *peer);
        let gone: Vec<u64> = self.open.iter().filter(|(_, open)| open.peer == *peer).map(|(id, _)| *id).collect();
        for id in gone {
            if let Some(open) = self.open.remove(&id) {
                self.free(id, &open.kind);
            }
        }
    }

    /// The peers that are here.
    pub fn peers(&self) -> impl ExactSizeIterator<Item = P> + '_ {
        self.peers.keys().copied()
    }

    /// How high a peer's chain is, as it says.
    pub fn height_of(&self, peer: &P) -> Option<Height> {
        self.peers.get(peer).and_then(Peer::height)
    }

    /// The best chain of headers.
    pub fn headers(&self) -> &HeaderChain<P> {
        &self.headers
    }

    /// The filter headers.
    pub fn filters(&self) -> &FilterChain {
        &self.filters
    }

    /// The last block that was looked through for the wallet's keys.
    pub fn scanned(&self) -> Height {
        Height(self.forward.undone().0.saturating_sub(1))
    }

    /// Whether earlier blocks are still to be looked through for keys that were not watched at first.
    pub fn is_looking_back(&self) -> bool {
        self.again.is_some() || !self.fresh.is_empty()
    }

    /// The wallet's books.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The wallet's books, to put coins aside and to release them.
    pub fn ledger_mut(&mut self) -> &mut Ledger {
        self.unsaved = true;
        &mut self.ledger
    }

    /// The wallet's keys.
    pub fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    /// What the wallet owns, for the next block.
    pub fn holdings(&self) -> Holdings {
        self.ledger.holdings(self.headers.height().next(), self.params)
    }

    /// What a payment could use now: coins on the chain, and change of our own payments that a peer took.
    pub fn spendable(&self) -> Amount {
        let coins = self.ledger.spendable(self.headers.height().next(), self.params);
        Amount(coins.iter().map(|(_, coin)| coin.output.value.0).fold(0, u64::saturating_add))
    }

    /// What happened since this was asked last, in order.
    pub fn take_events(&mut self) -> Vec<Event<P>> {
        core::mem::take(&mut self.events)
    }

    /// An answer, or that there is none.
    pub fn on_answer(&mut self, id: u64, answer: Result<Response, Failure>, now: Now) {
        let Some(open) = self.open.remove(&id) else { return };
        let peer = open.peer;
        if !self.peers.contains_key(&peer) {
            return;
        }
        match answer {
            Ok(response) => {
                self.heard(peer, now);
                if let Err(fault) = self.on_response(id, &open, response, now) {
                    self.blame(peer, fault);
                }
            }
            Err(failure) => self.missed(peer, failure, now),
        }
        self.free(id, &open.kind);
        self.work();
    }

    fn on_response(&mut self, id: u64, open: &Open<P>, response: Response, now: Now) -> Result<(), Fault> {
        let peer = open.peer;
        match (&open.kind, response) {
            (Kind::Status, Response::Status(status)) => self.on_status(peer, status),
            (Kind::Headers(locator), Response::Headers(headers)) => self.take_headers(peer, locator, headers, now),
            (Kind::FilterHeaders(range), Response::Light(LightResponse::FilterHeaders(answer))) => {
                self.on_filter_headers(peer, *range, &answer)
            }
            (Kind::Proof(height, hash), Response::Light(LightResponse::Proof(proof))) => {
                self.on_proof(*height, *hash, &proof)
            }
            (Kind::Filters(range), Response::Light(LightResponse::Filters(filters))) => {
                self.on_filters(peer, id, *range, filters, now)
            }
            (Kind::Blocks(hashes), Response::Blocks(blocks)) => self.on_blocks(peer, hashes, blocks, now),
            (Kind::Submit(txid), Response::Client(response)) => self.on_submitted(peer, *txid, response, now),
            (Kind::FilterHeaders(_) | Kind::Proof(..) | Kind::Filters(_), Response::Light(LightResponse::NotFound))
            | (_, Response::Busy) => {
                self.rest(peer, now);
                Ok(())
            }
            _ => Err(Fault::OtherKind),
        }
    }

    /// A peer answered.
    pub(in crate::light) fn heard(&mut self, peer: P, now: Now) {
        if let Some(state) = self.peers.get_mut(&peer) {
            state.silent = 0;
            self.hearing.heard(now.elapsed);
        }
    }

    /// A peer did not.
    pub(in crate::light) fn missed(&mut self, peer: P, failure: Failure, now: Now) {
        if failure == Failure::Malformed {
            return self.blame(peer, Fault::Malformed);
        }
        let Some(state) = self.peers.get_mut(&peer) else { return };
        state.silent = state.silent.saturating_add(1);
        let questions = state.silent;
        self.rest(peer, now);
        if questions >= self.limits.silent {
            self.blame(peer, Fault::Silent { questions });
        }
    }

    /// A peer has nothing to say for now.
    pub(in crate::light) fn rest(&mut self, peer: P, now: Now) {
        if let Some(state) = self.peers.get_mut(&peer) {
            state.rest_at = now.elapsed + self.limits.pause;
            state.headers_at = state.headers_at.max(state.rest_at);
        }
    }

    pub(in crate::light) fn blame(&mut self, peer: P, fault: Fault) {
        if let Some(state) = self.peers.get_mut(&peer)
            && !state.bad
        {
            state.bad = true;
            self.events.push(Event::Blame { peer, fault });
        }
    }

    /// A question is over: what it asked for and did not come may be asked again.
    fn free(&mut self, id: u64, kind: &Kind) {
        match kind {
            Kind::Filters(_) | Kind::Blocks(_) => self.passes().for_each(|pass| pass.free(id)),
            Kind::Submit(txid) => self.free_submission(txid),
            _ => {}
        }
    }

    fn passes(&mut self) -> impl Iterator<Item = &mut Pass> {
        core::iter::once(&mut self.forward).chain(self.again.as_mut().map(|again| &mut again.pass))
    }

    /// What to ask now, of whom. To be called after everything that was told, and from time to time; at once again while
    /// something [waits to be checked](LightClient::is_checking).
    pub fn next(&mut self, now: Now) -> Vec<Ask<P>> {
        // Should the owner have forgotten: a while after its own time-out.
        let timeout = 2 * self.limits.timeout;
        let late = |open: &Open<P>| now.elapsed > open.since + timeout;
        let late: Vec<u64> = self.open.iter().filter(|(_, open)| late(open)).map(|(id, _)| *id).collect();
        for id in late {
            self.on_answer(id, Err(Failure::TimedOut), now);
        }
        let mut asks = Vec::new();
        if self.ask_ahead(&mut asks, now) {
            return asks;
        }
        self.check_ahead(now);
        self.work();
        self.ask_status(&mut asks, now);
        self.ask_headers(&mut asks, now);
        self.ask_filter_headers(&mut asks, now);
        self.ask_blocks(&mut asks, now);
        self.ask_filters(&mut asks, now);
        self.ask_submissions(&mut asks, now);
        self.listen(now);
        asks
    }

    fn ask(&mut self, asks: &mut Vec<Ask<P>>, peer: P, kind: Kind, question: Question, now: Now) -> u64 {
        let id = self.next_number();
        self.open.insert(id, Open { peer, since: now.elapsed, kind });
        asks.push(Ask { id, peer, question, timeout: self.limits.timeout });
        id
    }

    /// The number of the next question.
    pub(in crate::light) fn next_number(&mut self) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        id
    }

    fn request(&mut self, asks: &mut Vec<Ask<P>>, peer: P, kind: Kind, request: Request, now: Now) -> u64 {
        self.ask(asks, peer, kind, Question::Request(Box::new(request)), now)
    }

    /// Open questions at a peer, those about its status aside.
    fn load(&self, peer: &P) -> usize {
        self.open.values().filter(|open| open.peer == *peer && !matches!(open.kind, Kind::Status)).count()
    }

    /// Peers that may be asked at all, which say that their chain reaches a height.
    fn able_peers(&self, height: Height, now: Now) -> impl Iterator<Item = (&P, &Peer)> {
        let able = move |peer: &Peer| {
            !peer.bad && peer.rest_at <= now.elapsed && peer.height().is_some_and(|told| told >= height)
        };
        self.peers.iter().filter(move |(_, state)| able(state))
    }

    /// Peers of this network that may be asked about something else than the chain, with how many questions in a row
    /// they did not answer.
    pub(in crate::light) fn talking_peers(&self, now: Now) -> impl Iterator<Item = (P, u32)> {
        self.able_peers(Height(0), now).map(|(peer, state)| (*peer, state.silent))
    }

    /// Whether a peer is here and broke no rule.
    pub(in crate::light) fn trusts(&self, peer: &P) -> bool {
        self.peers.get(peer).is_some_and(|state| !state.bad)
    }

    /// Whether something that moves contracts was not told to the owner yet.
    pub(in crate::light) fn owes_contracts(&self) -> bool {
        self.events.iter().any(|event| matches!(event, Event::Contracts(_) | Event::Reorganised { .. }))
    }

    /// How much at once, and how long.
    pub(in crate::light) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Peers that may be asked for more, the least busy first, which say that their chain reaches a height.
    fn free_peers(&self, height: Height, now: Now) -> Vec<P> {
        let able = self.able_peers(height, now);
        let mut free: Vec<_> = able.map(|(peer, state)| (state.silent, self.load(peer), *peer)).collect();
        free.retain(|(_, load, _)| *load < self.limits.requests);
        crate::sorted::sort(&mut free);
        free.into_iter().map(|(.., peer)| peer).collect()
    }
}
