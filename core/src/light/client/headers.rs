//! Following headers.

use super::peer::{Kind, Open, Peer};
use super::{Ask, Event, Fault, LightClient};
use crate::block::Header;
use crate::hash::BlockHash;
use crate::light::headers::{Change, HeadersError, Taken};
use crate::message::{ChainStatus, MAX_HEADERS_PER_RESPONSE, Request};
use crate::sync::Now;
use crate::units::{Height, Timestamp};
use alloc::vec::Vec;

/// As many headers as one answer has, not checked yet: the next are asked for first, and are on their way meanwhile.
#[derive(Clone, Debug)]
pub(super) struct Ahead<P> {
    pub(super) peer: P,
    locator: Vec<BlockHash>,
    headers: Vec<Header>,
    /// The question for the next.
    asked: Option<u64>,
}

impl<P: Copy + Ord> LightClient<P> {
    /// Whether headers are here that are not checked yet; [`next`](LightClient::next) does that.
    pub fn is_checking(&self) -> bool {
        self.ahead.is_some()
    }

    /// A peer says where its chain stands.
    pub(super) fn on_status(&mut self, peer: P, status: ChainStatus) -> Result<(), Fault> {
        let expected = self.params.genesis().hash();
        if status.genesis != expected {
            return Err(Fault::OtherGenesis { expected, found: status.genesis });
        }
        if let Some(state) = self.peers.get_mut(&peer) {
            state.announced = status.height;
            state.status = Some(status);
            state.tip = Some(status.tip);
        }
        Ok(())
    }

    /// A peer has a new block.
    pub fn on_block_announced(&mut self, peer: P, header: &Header, now: Now) {
        let Some(state) = self.peers.get_mut(&peer).filter(|state| !state.bad) else { return };
        self.hearing.heard(now.elapsed);
        let hash = header.hash();
        state.tip = Some(hash);
        let taken = self.headers.accept(peer, core::slice::from_ref(header), now.time);
        let last = taken.last;
        if taken.change.is_some() {
            self.hearing.changed(now.elapsed);
        }
        match self.follow(taken) {
            Some(error) if error.is_fault() => self.blame(peer, Fault::Headers(error)),
            // Its parent is not here: the peer is asked for what leads to it.
            Some(_) => {}
            None => {
                if let (Some(state), Some(height)) = (self.peers.get_mut(&peer), last) {
                    state.announced = state.announced.max(height);
                }
            }
        }
        self.work();
    }

    /// Headers came. Where many more are to come, they are put aside until those are asked for.
    pub(super) fn take_headers(
        &mut self,
        peer: P,
        locator: &[BlockHash],
        headers: Vec<Header>,
        now: Now,
    ) -> Result<(), Fault> {
        // These may follow headers that were not taken.
        if self.check_ahead(now) == Some(peer) {
            return Ok(());
        }
        let more = MAX_HEADERS_PER_RESPONSE as u32;
        let told = self.peers.get(&peer).and_then(Peer::height).unwrap_or_default();
        if headers.len() >= MAX_HEADERS_PER_RESPONSE && told > self.headers.height().plus(more) {
            self.ahead = Some(Ahead { peer, locator: locator.to_vec(), headers, asked: None });
            return Ok(());
        }
        self.on_headers(peer, locator, &headers, now).map(|_| ())
    }

    /// Asks for the headers after those that are put aside; whether that was still to be done.
    pub(super) fn ask_ahead(&mut self, asks: &mut Vec<Ask<P>>, now: Now) -> bool {
        let Some(mut ahead) = self.ahead.take_if(|ahead| ahead.asked.is_none()) else { return false };
        let mut locator: Vec<BlockHash> = ahead.headers.last().map(Header::hash).into_iter().collect();
        // Should its chain have changed since, the answer follows another of these.
        locator.extend(self.headers.locator(&ahead.peer));
        let request = Request::Headers(locator.clone());
        ahead.asked = Some(self.request(asks, ahead.peer, Kind::Headers(locator), request, now));
        self.ahead = Some(ahead);
        true
    }

    /// Checks the headers that were put aside; gives their sender if not all were taken.
    pub(super) fn check_ahead(&mut self, now: Now) -> Option<P> {
        let Ahead { peer, locator, headers, asked } = self.ahead.take()?;
        let followed = self.on_headers(peer, &locator, &headers, now);
        if followed == Ok(true) {
            return None;
        }
        // What it gives next follows headers that were not taken.
        if let Some(id) = asked {
            self.open.remove(&id);
        }
        if let Err(fault) = followed {
            self.blame(peer, fault);
        }
        Some(peer)
    }

    /// Checks headers; whether all were taken.
    fn on_headers(&mut self, peer: P, locator: &[BlockHash], headers: &[Header], now: Now) -> Result<bool, Fault> {
        // "The answer to it is the headers after the first of its blocks that is on the answering node's best chain."
        if let Some(first) = headers.first()
            && !locator.contains(&first.previous)
        {
            return Err(Fault::OtherHeaders { found: first.previous });
        }
        let taken = self.headers.accept(peer, headers, now.time);
        let (new, changed) = (taken.new, taken.change.is_some());
        if let Some(change) = taken.change {
            self.meter.came(change.new, now.elapsed);
            self.hearing.changed(now.elapsed);
        }
        let error = self.follow(taken);
        let tip = self.peers.get(&peer).and_then(|state| state.tip);
        let proven = tip.is_none_or(|tip| self.headers.knows(&peer, &tip));
        let Some(state) = self.peers.get_mut(&peer) else { return Ok(false) };
        let (pause, taken) = (self.limits.pause, error.is_none());
        match error {
            Some(error) if error.is_fault() => return Err(Fault::Headers(error)),
            // "Then their sender is left alone for a while." So is who was cut off for long.
            Some(HeadersError::TooMany { .. } | HeadersError::ForkTooDeep { .. }) => {
                state.headers_at = now.elapsed + 20 * pause;
            }
            // Its clock or that of a miner is ahead, or the chain here has just changed.
            Some(_) => state.headers_at = now.elapsed + pause,
            None => {
                state.unproven = !proven && new == 0;
                if headers.len() < MAX_HEADERS_PER_RESPONSE || new == 0 {
                    state.headers_at = now.elapsed + pause;
                }
            }
        }
        let (have, total) = (self.headers.height(), self.told_height());
        if changed && total > have {
            self.events.push(Event::HeadersProgress(self.meter.progress(have, total)));
        }
        Ok(taken)
    }

    /// The highest that a peer says there is, or that is here.
    pub(in crate::light) fn told_height(&self) -> Height {
        let told = self.peers.values().filter(|peer| !peer.unproven && !peer.bad).filter_map(Peer::height);
        told.fold(self.headers.height(), Height::max)
    }

    /// Does what follows from a change of the best chain; gives the error, if there was one.
    fn follow(&mut self, taken: Taken) -> Option<HeadersError> {
        if let Some(Change { common, left, .. }) = taken.change {
            if left > 0 {
                self.filters.disconnect(common, common.plus(left));
                self.cache.disconnect(common);
                let first = self.filters.first();
                self.passes().for_each(|pass| pass.disconnect(common, first));
                self.round = self.round.take().filter(|round| round.stop <= common);
                self.events.push(Event::Reorganised { common, left });
                if self.ledger.disconnected(common) {
                    self.events.push(Event::WalletChanged);
                }
                self.told = None;
            }
            let tip = self.headers.tip();
            let (height, time): (Height, Timestamp) = (tip.height, tip.header.time);
            self.events.push(Event::Tip { height, hash: self.headers.tip_hash(), time });
            self.ledger.tidy(height);
            self.unsaved = true;
        }
        taken.error
    }

    /// Where do you stand? At first, and then from time to time, should an announcement be lost. A light client has no
    /// blocks: it says that it stands at the first.
    pub(super) fn ask_status(&mut self, asks: &mut Vec<Ask<P>>, now: Now) {
        let due = |peer: &Peer| !peer.bad && peer.polled.is_none_or(|at| now.elapsed >= at + self.limits.poll);
        let due: Vec<P> = self.peers.iter().filter(|(_, peer)| due(peer)).map(|(peer, _)| *peer).collect();
        let genesis = self.params.genesis().hash();
        for peer in due {
            if self.open.values().any(|open| open.peer == peer && matches!(open.kind, Kind::Status)) {
                continue;
            }
            if let Some(state) = self.peers.get_mut(&peer) {
                state.polled = Some(now.elapsed);
            }
            let status = ChainStatus { genesis, tip: genesis, height: Height(0), time: now.time };
            self.request(asks, peer, Kind::Status, Request::Status(status), now);
        }
    }

    /// Headers, of peers whose chain's end is not known here. While one gives a long chain, the others wait: theirs is
    /// most likely the same.
    pub(super) fn ask_headers(&mut self, asks: &mut Vec<Ask<P>>, now: Now) {
        let have = self.headers.height();
        let far = |peer: &Peer| peer.height().is_some_and(|h| h.since(have) as usize > MAX_HEADERS_PER_RESPONSE);
        let asked = |open: &&Open<P>| matches!(open.kind, Kind::Headers(_));
        let quick = |open: &Open<P>| now.elapsed <= open.since + self.limits.stall;
        let mut bulk =
            self.open.values().filter(asked).any(|open| quick(open) && self.peers.get(&open.peer).is_some_and(far));
        let mut wanting = Vec::new();
        for (peer, state) in self.peers.iter().filter(|(_, state)| !state.bad && now.elapsed >= state.headers_at) {
            let Some(tip) = state.tip else { continue };
            let open = self.open.values().filter(asked).any(|open| open.peer == *peer);
            if !open && !self.headers.knows(peer, &tip) && self.load(peer) < self.limits.requests {
                wanting.push((state.silent, *peer, far(state)));
            }
        }
        crate::sorted::sort_by_key(&mut wanting, |(silent, peer, _)| (*silent, *peer));
        for (_, peer, far) in wanting {
            if far && bulk {
                continue;
            }
            bulk |= far;
            let locator = self.headers.locator(&peer);
            self.request(asks, peer, Kind::Headers(locator.clone()), Request::Headers(locator), now);
        }
    }
}
