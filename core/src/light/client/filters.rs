//! Filter hashes from two peers, the proof that decides between them, and the filters.

use super::peer::{Kind, Range};
use super::{Again, Ask, Event, Fault, LightClient};
use crate::chain::TransactionProof;
use crate::filter::{Filter, committed_header, key_after};
use crate::hash::BlockHash;
use crate::light::filters::{Answer, Pass, Round};
use crate::message::{FilterHeaders, FilterRange, LightRequest, MAX_FILTER_HEADERS_PER_RESPONSE, Request};
use crate::sync::Now;
use crate::units::Height;
use alloc::vec::Vec;

/// So many peers are asked for filter hashes, where there are so many.
const WITNESSES: usize = 2;

impl<P: Copy + Ord> LightClient<P> {
    /// Asks for filter hashes and for the proof of what the last block commits to.
    pub(super) fn ask_filter_headers(&mut self, asks: &mut Vec<Ask<P>>, now: Now) {
        if self.round.is_none() {
            let (start, tip) = (self.filters.next(), self.headers.height());
            if start > tip {
                return;
            }
            let stop = tip.min(start.plus(MAX_FILTER_HEADERS_PER_RESPONSE as u32 - 1));
            self.round = self.headers.hash(stop).map(|hash| Round::new(start, stop, hash));
        }
        let Some(round) = &self.round else { return };
        let range = Range { start: round.start, stop: round.stop, hash: round.hash };
        let (proved, answers) = (round.is_proved(), round.answers());
        let asked = |kind: &Kind| matches!(kind, Kind::FilterHeaders(asked) if *asked == range);
        let open: Vec<P> = self.open.values().filter(|open| asked(&open.kind)).map(|open| open.peer).collect();
        let mut free = self.free_peers(range.stop, now);
        free.retain(|peer| !open.contains(peer) && !round.has_answer_of(peer));
        let filter_range = FilterRange { start: range.start, stop: range.hash };
        for peer in free.into_iter().take(WITNESSES.saturating_sub(open.len() + answers)) {
            let request = Request::Light(LightRequest::FilterHeaders(filter_range));
            self.request(asks, peer, Kind::FilterHeaders(range), request, now);
        }
        let proving = |kind: &Kind| matches!(kind, Kind::Proof(_, hash) if *hash == range.hash);
        if !proved
            && !self.open.values().any(|open| proving(&open.kind))
            && let Some(peer) = self.free_peers(range.stop, now).first().copied()
        {
            let request = Request::Light(LightRequest::CoinbaseProof(range.hash));
            self.request(asks, peer, Kind::Proof(range.stop, range.hash), request, now);
        }
    }

    /// Filter hashes came.
    pub(super) fn on_filter_headers(&mut self, peer: P, range: Range, found: &FilterHeaders) -> Result<(), Fault> {
        let (expected, found_count) = (range.count(), found.hashes.len());
        // "FilterHeaders: the filter header before start, then filter hashes from start on: at most 2,000."
        if found_count != expected {
            return Err(Fault::FilterCount { expected, found: found_count });
        }
        // The chain here has changed since.
        if self.headers.hash(range.stop) != Some(range.hash) {
            return Ok(());
        }
        let answer = Answer { before: found.previous, headers: found.headers() };
        let wrong = Fault::FilterHashes { height: range.stop };
        let before = Height(range.start.0.saturating_sub(1));
        if self.filters.header(before).is_some_and(|known| known != answer.before) {
            return Err(wrong);
        }
        // Known already: it is compared all the same.
        if let Some(known) = self.filters.header(range.stop) {
            return if answer.last() == Some(&known) { Ok(()) } else { Err(wrong) };
        }
        let Some(round) = self.round.as_mut().filter(|round| (round.start, round.hash) == (range.start, range.hash))
        else {
            return Ok(());
        };
        if let Some(other) = round.on_answer(peer, answer) {
            let (from, to) = (range.start, range.stop);
            self.events.push(Event::Disagreement { peers: [other, peer], from, to });
        }
        self.decide();
        Ok(())
    }

    /// A coinbase came, with its proof.
    pub(super) fn on_proof(&mut self, height: Height, hash: BlockHash, proof: &TransactionProof) -> Result<(), Fault> {
        proof.verify().map_err(Fault::Proof)?;
        // A coinbase names its height, so that of the proof is right.
        if proof.header.hash() != hash || !proof.transaction.is_coinbase() || proof.height != height {
            return Err(Fault::OtherProof { hash });
        }
        // "A coinbase's last output commits to the filter header of its block, but for the genesis block's."
        let committed = committed_header(&proof.transaction).ok_or(Fault::NoCommitment { hash })?;
        if let Some(round) = self.round.as_mut().filter(|round| round.hash == hash) {
            round.on_commitment(committed);
            self.decide();
        }
        Ok(())
    }

    /// "The client reckons the headers, and one commitment, proved with CoinbaseProof for the last of them, proves them
    /// all and with them every filter."
    fn decide(&mut self) {
        let Some(round) = &mut self.round else { return };
        let Some(verdict) = round.decide() else { return };
        let height = round.stop;
        if let Some(right) = verdict.right {
            self.filters.append(right.before, &right.headers);
            self.round = None;
            self.unsaved = true;
        }
        for liar in verdict.liars {
            self.blame(liar, Fault::FilterHashes { height });
        }
    }

    /// Asks for filters whose hashes are known.
    pub(super) fn ask_filters(&mut self, asks: &mut Vec<Ask<P>>, now: Now) {
        let (tip, most) = (self.filters.last(), self.limits.pieces);
        for back in [false, true] {
            loop {
                let cache = &self.cache;
                let pass = match &mut self.again {
                    Some(again) if back => &mut again.pass,
                    None if back => break,
                    _ => &mut self.forward,
                };
                pass.cut(tip, most, |height| cache.get(height).is_some());
                let Some(piece) = pass.free_piece() else { break };
                let Some(hash) = self.headers.hash(piece.stop) else { break };
                let Some(peer) = self.free_peers(piece.stop, now).first().copied() else { break };
                let range = Range { start: piece.start, stop: piece.stop, hash };
                let request = LightRequest::Filters(FilterRange { start: piece.start, stop: hash });
                let id = self.request(asks, peer, Kind::Filters(range), Request::Light(request), now);
                self.passes().for_each(|pass| pass.ask_piece(range.start, range.stop, id));
            }
        }
    }

    /// Filters came.
    pub(super) fn on_filters(
        &mut self,
        peer: P,
        id: u64,
        range: Range,
        filters: Vec<Filter>,
        now: Now,
    ) -> Result<(), Fault> {
        let (expected, found) = (range.count(), filters.len());
        if found > expected {
            return Err(Fault::FilterNumber { expected, found });
        }
        // The chain here has changed since.
        if self.headers.hash(range.stop) != Some(range.hash) || self.filters.header(range.stop).is_none() {
            return Ok(());
        }
        if filters.is_empty() {
            self.rest(peer, now);
            return Ok(());
        }
        let (mut good, mut fault) = (0, None);
        for (place, filter) in (0..).zip(filters) {
            let height = range.start.plus(place);
            if !self.filters.is_right(height, &filter) {
                fault = Some(Fault::Filter { height });
                break;
            }
            self.matched(id, height, &filter);
            self.cache.insert(height, filter);
            good += 1;
        }
        self.passes().for_each(|pass| pass.on_piece(id, good));
        fault.map_or(Ok(()), Err)
    }

    /// Looks at a filter that question `id` asked for.
    fn matched(&mut self, id: u64, height: Height, filter: &Filter) {
        let (Some(header), Some(hash)) = (self.headers.header(height), self.headers.hash(height)) else { return };
        let previous = header.previous;
        for pass in self.passes() {
            if pass.piece(id).is_some() && is_match(pass, filter, &previous) {
                pass.want(height, hash);
            }
        }
    }

    /// Does what can be done without asking: looks at filters that are at hand, takes blocks whose turn it is, begins
    /// to look back.
    pub(super) fn work(&mut self) {
        loop {
            self.match_cached();
            let ready = self.passes().find_map(Pass::ready);
            if let Some((height, hash, block)) = ready {
                self.take_block(height, hash, &block);
                continue;
            }
            if self.again.as_ref().is_some_and(|again| again.pass.is_over()) {
                self.again = None;
                self.unsaved = true;
            }
            if !self.begin_again() {
                break;
            }
        }
        self.tell_scanned();
    }

    fn match_cached(&mut self) {
        let (cache, headers, tip) = (&self.cache, &self.headers, self.filters.last());
        let passes = core::iter::once(&mut self.forward).chain(self.again.as_mut().map(|again| &mut again.pass));
        for pass in passes {
            while let Some(height) = pass.next_unasked(tip)
                && let Some(filter) = cache.get(height)
                && let (Some(header), Some(hash)) = (headers.header(height), headers.hash(height))
            {
                let matches = is_match(pass, filter, &header.previous);
                pass.on_matched(matches, hash);
            }
        }
    }

    /// Once all blocks are looked through, those are looked through once more for the keys that came on the way.
    /// Whether that begins now.
    fn begin_again(&mut self) -> bool {
        let undone = self.forward.undone();
        if self.again.is_some() || self.fresh.is_empty() || undone <= self.headers.height() {
            return false;
        }
        let keys = core::mem::take(&mut self.fresh);
        let pass = Pass::new(&keys, self.filters.first(), Some(Height(undone.0.saturating_sub(1))));
        self.again = Some(Again { keys, pass });
        self.unsaved = true;
        true
    }

    fn tell_scanned(&mut self) {
        let (to, of) = (self.scanned(), self.headers.height());
        if self.told != Some(to) && to >= self.filters.first() {
            self.told = Some(to);
            self.hearing.came_on();
            self.unsaved = true;
            self.events.push(Event::Scanned { to, of });
        }
    }

    /// More keys are watched than before: blocks that come are looked through for all of them, earlier ones for those
    /// that are new.
    pub(super) fn watch_more(&mut self) {
        let new: Vec<_> = self.keyring.watched().filter(|key| !self.watched.contains(*key)).copied().collect();
        if new.is_empty() {
            return;
        }
        self.fresh.extend(new.iter().copied());
        self.watched.extend(new);
        let undone = self.forward.undone();
        self.forward.watch(&self.watched, undone);
        self.unsaved = true;
    }
}

/// Whether a block that follows `previous` may have to do with what a pass looks for. A filter that cannot be read
/// tells nothing.
fn is_match(pass: &Pass, filter: &Filter, previous: &BlockHash) -> bool {
    let scripts = pass.scripts().iter().map(|script| script.as_bytes());
    filter.matches_any(&key_after(previous), scripts).unwrap_or(true)
}
