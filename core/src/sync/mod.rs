//! Following other nodes' chains, as a state machine without I/O: headers first, then the blocks that are missing, from
//! several peers at once (`docs/protocol.md`, "Following the chain").
//!
//! Whoever runs it tells it what happens ([`Sync::connected`], [`Sync::on_answer`], ...) and sends what [`Sync::next`]
//! wants to ask. Time is an argument, so one code runs in the node, in the simulator and in a browser. What a peer is
//! asked has a number; answers to questions that are not open say nothing.

mod ask;
mod blame;
mod download;
mod path;
mod progress;
pub mod serve;

pub use ask::{Ask, Event, Fault, Limits, Now};
pub use blame::Given;
pub use progress::Progress;

use crate::chain::{Chain, ChainError, HeaderError, Store};
use crate::hash::BlockHash;
use crate::message::{ChainStatus, MAX_HEADERS_PER_RESPONSE, MAX_LOCATOR, Response};
use crate::units::Height;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;
use download::Download;
use path::Path;
use progress::Meter;

/// What was asked.
#[derive(Clone, Debug)]
enum Kind {
    Status,
    Headers,
    /// Blocks on the way to the first hash.
    Blocks(BlockHash, Vec<BlockHash>),
    Pools,
}

#[derive(Clone, Debug)]
struct Open<P> {
    peer: P,
    since: Duration,
    kind: Kind,
}

/// What is known about a peer.
#[derive(Clone, Debug, Default)]
struct Peer {
    /// Where its chain stands, as it says.
    status: Option<ChainStatus>,
    /// The last block of its chain, as it says; newer than the status where it announced one since.
    tip: Option<BlockHash>,
    polled: Option<Duration>,
    pools_asked: bool,
    /// It is not asked for headers before.
    headers_at: Duration,
    /// Headers of it that led to nothing better than what is known.
    useless: usize,
    /// It says that it has blocks, and gave no headers that lead there.
    unproven: bool,
    /// The last header of those that it is giving, its height, and when it came.
    given: Option<(BlockHash, Height, Duration)>,
    /// The ends of chains whose next blocks it did not have.
    lacks: BTreeSet<BlockHash>,
    /// Questions in a row that it did not answer.
    silent: u32,
}

/// The state of following others, for peers named by `P`.
#[derive(Clone, Debug)]
pub struct Sync<P> {
    limits: Limits,
    peers: BTreeMap<P, Peer>,
    open: BTreeMap<u64, Open<P>>,
    next_id: u64,
    paths: Vec<Path>,
    download: Download<P>,
    meter: Meter,
}

type ResultOf<T, S> = Result<T, ChainError<<S as Store>::Error>>;

impl<P: Copy + Ord> Sync<P> {
    /// Nobody is known yet.
    pub fn new(limits: Limits) -> Self {
        let download = Download::default();
        let (peers, open) = (BTreeMap::new(), BTreeMap::new());
        Sync { limits, peers, open, next_id: 0, paths: Vec::new(), download, meter: Meter::default() }
    }

    /// A peer is here.
    pub fn connected(&mut self, peer: P) {
        self.peers.insert(peer, Peer::default());
    }

    /// A peer has gone; what it was asked is asked elsewhere.
    pub fn disconnected(&mut self, peer: &P) {
        self.peers.remove(peer);
        self.open.retain(|_, open| open.peer != *peer);
    }

    /// Peers that leave questions unanswered, one after another.
    pub fn silent(&self) -> impl Iterator<Item = P> + '_ {
        self.peers.iter().filter(|(_, p)| p.silent >= self.limits.silent).map(|(peer, _)| *peer)
    }

    /// The peers that are here.
    pub fn peers(&self) -> impl ExactSizeIterator<Item = P> + '_ {
        self.peers.keys().copied()
    }

    /// The height of a peer's chain, as it says.
    pub fn height_of(&self, peer: &P) -> Option<Height> {
        self.peers.get(peer)?.status.map(|s| s.height)
    }

    /// Whether a peer is here.
    pub fn has(&self, peer: &P) -> bool {
        self.peers.contains_key(peer)
    }

    /// How far it is, where the chain that it follows is longer than the one here.
    pub fn progress<S: Store>(&self, chain: &Chain<S>) -> ResultOf<Option<Progress>, S> {
        let best = chain.best_header()?;
        let headers = chain.header(&best)?.map_or(chain.height(), |entry| entry.height);
        let told = self.peers.values().filter(|p| !p.unproven).filter_map(|p| p.status);
        let told = told.map(|s| s.height).max().unwrap_or_default();
        Ok(self.meter.progress(chain.height(), headers, told))
    }

    /// A peer says where its chain stands.
    pub fn on_status<S: Store>(&mut self, peer: P, status: ChainStatus, chain: &Chain<S>) -> Option<Fault> {
        let expected = chain.params().genesis().hash();
        if status.genesis != expected {
            return Some(Fault::OtherGenesis { expected, found: status.genesis });
        }
        let state = self.peers.get_mut(&peer)?;
        state.status = Some(status);
        if state.tip != Some(status.tip) {
            state.tip = Some(status.tip);
            state.lacks.clear();
        }
        None
    }

    /// A peer has a block whose ancestors are not all here.
    pub fn on_announced(&mut self, peer: P, block: BlockHash) {
        if let Some(state) = self.peers.get_mut(&peer) {
            state.tip = Some(block);
            state.lacks.clear();
        }
    }

    /// A question was not answered: the peer went, was too slow, or what came was no answer.
    pub fn on_failed(&mut self, id: u64) {
        let Some(open) = self.open.remove(&id) else { return };
        let Some(state) = self.peers.get_mut(&open.peer) else { return };
        state.silent = state.silent.saturating_add(1);
        if let Kind::Pools = open.kind {
            state.pools_asked = false;
        }
    }

    /// An answer. Headers go into the chain here; blocks are given back in their order, for the chain and all that
    /// follows from it are the caller's.
    pub fn on_answer<S: Store>(
        &mut self,
        id: u64,
        response: Response,
        chain: &mut Chain<S>,
        now: Now,
    ) -> ResultOf<Vec<Event<P>>, S> {
        let Some(open) = self.open.remove(&id) else { return Ok(Vec::new()) };
        let peer = open.peer;
        let Some(state) = self.peers.get_mut(&peer) else { return Ok(Vec::new()) };
        state.silent = 0;
        let fault = match (open.kind, response) {
            (Kind::Status, Response::Status(status)) => self.on_status(peer, status, chain),
            (Kind::Headers, Response::Headers(headers)) => self.on_headers(peer, &headers, chain, now)?,
            (Kind::Blocks(target, asked), Response::Blocks(blocks)) => {
                if blocks.len() > asked.len() || blocks.iter().zip(&asked).any(|(b, hash)| b.hash() != *hash) {
                    Some(Fault::OtherBlocks)
                } else {
                    if blocks.is_empty() {
                        state.lacks.insert(target);
                    }
                    self.download.arrived(peer, asked.into_iter().zip(blocks));
                    return Ok(self.ready(now));
                }
            }
            (Kind::Pools, Response::Pools(messages)) => return Ok(alloc::vec![Event::Pools(peer, messages)]),
            (kind, Response::Busy) => {
                match kind {
                    Kind::Pools => state.pools_asked = false,
                    Kind::Blocks(target, _) => drop(state.lacks.insert(target)),
                    Kind::Headers => state.headers_at = now.elapsed + self.limits.pause,
                    Kind::Status => {}
                }
                None
            }
            _ => Some(Fault::OtherKind),
        };
        let mut events: Vec<_> = fault.map(|fault| Event::Fault(peer, fault)).into_iter().collect();
        // A block that came twice may be next once more, after the first of the two was refused; nobody is asked for it.
        events.extend(self.ready(now));
        Ok(events)
    }

    fn on_headers<S: Store>(
        &mut self,
        peer: P,
        headers: &[crate::block::Header],
        chain: &mut Chain<S>,
        now: Now,
    ) -> ResultOf<Option<Fault>, S> {
        let before = chain.best_header()?;
        let result = chain.accept_headers(headers, now.time);
        let better = chain.best_header()? != before;
        let Some(state) = self.peers.get_mut(&peer) else { return Ok(None) };
        let later = now.elapsed + self.limits.pause;
        match result {
            Ok(new) => {
                state.useless = if better { 0 } else { state.useless + new };
                let Some(last) = headers.last().map(|h| h.hash()) else {
                    state.headers_at = later;
                    state.unproven = match &state.tip {
                        Some(tip) => chain.header(tip)?.is_none(),
                        None => false,
                    };
                    return Ok(None);
                };
                if new > 0 {
                    state.unproven = false;
                }
                let height = chain.header(&last)?.map_or(Height(0), |e| e.height);
                let further = state.given.is_none_or(|(_, before, _)| height > before);
                state.given = Some((last, height, now.elapsed));
                // "Headers that lead to no better chain are taken up to a number": they cost their sender little.
                if state.useless > self.limits.useless_headers {
                    state.headers_at = now.elapsed + 20 * self.limits.pause;
                    state.useless = 0;
                } else if headers.len() < MAX_HEADERS_PER_RESPONSE || !further {
                    state.headers_at = later;
                    state.given = None;
                }
                Ok(None)
            }
            Err(error @ (ChainError::Store(_) | ChainError::Damaged { .. })) => Err(error),
            // Its clock or that of a miner is ahead: later the same headers are good.
            Err(ChainError::Header { error: HeaderError::TimeTooNew { .. }, .. }) => {
                state.headers_at = later;
                Ok(None)
            }
            // It was cut off for long: it follows its rules as this node does.
            Err(ChainError::ForkTooDeep { .. }) => {
                state.headers_at = now.elapsed + 20 * self.limits.pause;
                Ok(None)
            }
            Err(error) => Ok(Some(Fault::Headers(alloc::format!("{error}")))),
        }
    }

    /// The blocks whose turn it is.
    fn ready(&mut self, now: Now) -> Vec<Event<P>> {
        let mut blocks = Vec::new();
        for path in &mut self.paths {
            while let Some(next) = path.wanted.front()
                && let Some(block) = self.download.take(next)
            {
                path.wanted.pop_front();
                blocks.push(block);
            }
        }
        if blocks.is_empty() {
            return Vec::new();
        }
        self.meter.came(blocks.len(), now.elapsed);
        alloc::vec![Event::Blocks(blocks)]
    }

    /// What to ask now, of whom. To be called after everything that was told, and from time to time.
    pub fn next<S: Store>(&mut self, chain: &Chain<S>, now: Now) -> ResultOf<Vec<(u64, P, Ask)>, S> {
        let late: Vec<u64> =
            self.open.iter().filter(|(_, o)| now.elapsed > o.since + self.limits.timeout).map(|(id, _)| *id).collect();
        for id in late {
            self.on_failed(id);
        }
        let mut asks = Vec::new();
        self.ask_status(&mut asks, chain, now);
        self.ask_headers(&mut asks, chain, now)?;
        self.ask_blocks(&mut asks, chain, now)?;
        self.ask_pools(&mut asks, chain, now)?;
        Ok(asks)
    }

    fn ask(&mut self, asks: &mut Vec<(u64, P, Ask)>, peer: P, kind: Kind, ask: Ask, now: Now) {
        self.open.insert(self.next_id, Open { peer, since: now.elapsed, kind });
        asks.push((self.next_id, peer, ask));
        self.next_id += 1;
    }

    fn is_open(&self, peer: &P, kind: impl Fn(&Kind) -> bool) -> bool {
        self.open.values().any(|open| open.peer == *peer && kind(&open.kind))
    }

    /// Where do you stand? At first, and then from time to time, should an announcement be lost.
    fn ask_status<S: Store>(&mut self, asks: &mut Vec<(u64, P, Ask)>, chain: &Chain<S>, now: Now) {
        let poll = self.limits.poll;
        let due = |p: &Peer| p.polled.is_none_or(|at| now.elapsed >= at + poll);
        let due: Vec<P> = self.peers.iter().filter(|(_, p)| due(p)).map(|(peer, _)| *peer).collect();
        for peer in due {
            if let Some(state) = self.peers.get_mut(&peer) {
                state.polled = Some(now.elapsed);
            }
            if !self.is_open(&peer, |k| matches!(k, Kind::Status)) {
                let status = ChainStatus {
                    genesis: chain.params().genesis().hash(),
                    tip: chain.tip_hash(),
                    height: chain.height(),
                    time: now.time,
                };
                self.ask(asks, peer, Kind::Status, Ask::Status(status), now);
            }
        }
    }

    /// Headers, of peers whose chain's end is not known here. While one gives a long chain, the others wait: theirs is most
    /// likely the same.
    fn ask_headers<S: Store>(&mut self, asks: &mut Vec<(u64, P, Ask)>, chain: &Chain<S>, now: Now) -> ResultOf<(), S> {
        let best = chain.best_header()?;
        let height = chain.header(&best)?.map_or(Height(0), |entry| entry.height);
        let far = |p: &Peer| p.status.is_some_and(|s| s.height.since(height) as usize > MAX_HEADERS_PER_RESPONSE);
        let busy = |open: &Open<P>| matches!(open.kind, Kind::Headers) && self.peers.get(&open.peer).is_some_and(far);
        let mut bulk = self.open.values().any(busy);
        let mut wanting = Vec::new();
        for (peer, state) in &self.peers {
            let Some(tip) = state.tip else { continue };
            let asked = self.is_open(peer, |k| matches!(k, Kind::Headers));
            if !asked && now.elapsed >= state.headers_at && chain.header(&tip)?.is_none() {
                wanting.push((state.silent, *peer, far(state)));
            }
        }
        wanting.sort_unstable_by_key(|(silent, peer, _)| (*silent, *peer));
        for (_, peer, far) in wanting {
            if far && bulk {
                continue;
            }
            bulk |= far;
            // Where it left off; else the end of the best headers; else what both have.
            let given = self.peers.get(&peer).and_then(|p| p.given).map(|(hash, ..)| hash);
            let mut locator: Vec<BlockHash> = given.into_iter().collect();
            for hash in core::iter::once(best).chain(chain.locator()?) {
                if !locator.contains(&hash) {
                    locator.push(hash);
                }
            }
            locator.truncate(MAX_LOCATOR);
            self.ask(asks, peer, Kind::Headers, Ask::Headers(locator), now);
        }
        Ok(())
    }

    /// The blocks that are missing on the way to the best header, and to the ends of peers' chains where nobody has those.
    fn ask_blocks<S: Store>(&mut self, asks: &mut Vec<(u64, P, Ask)>, chain: &Chain<S>, now: Now) -> ResultOf<(), S> {
        // Headers first: a better chain may be on its way.
        let coming = |p: &Peer| p.given.is_some_and(|(.., at)| now.elapsed < at + self.limits.stall);
        if self.peers.values().any(coming) {
            return Ok(());
        }
        self.update_paths(chain)?;
        let mut under_way: BTreeMap<BlockHash, Duration> = BTreeMap::new();
        let mut load: BTreeMap<P, usize> = BTreeMap::new();
        for open in self.open.values() {
            if let Kind::Blocks(_, hashes) = &open.kind {
                *load.entry(open.peer).or_default() += 1;
                for hash in hashes {
                    let since = under_way.entry(*hash).or_insert(open.since);
                    *since = open.since.max(*since);
                }
            }
        }
        let mut peers: Vec<(u32, P)> = self.peers.iter().map(|(peer, state)| (state.silent, *peer)).collect();
        peers.sort_unstable();
        // One round after another, so that each peer gets a part of the next blocks.
        for round in 0..self.limits.requests {
            for (_, peer) in &peers {
                if load.get(peer).copied().unwrap_or(0) > round {
                    continue;
                }
                let Some(state) = self.peers.get(peer).filter(|p| p.status.is_some()) else { continue };
                let paths = self.paths.iter().filter(|path| !state.lacks.contains(&path.last));
                let batch = paths
                    .map(|path| (path.last, self.download.batch(path, &under_way, &self.limits, now.elapsed)))
                    .find(|(_, batch)| !batch.is_empty());
                let Some((target, batch)) = batch else { continue };
                under_way.extend(batch.iter().map(|hash| (*hash, now.elapsed)));
                *load.entry(*peer).or_default() += 1;
                self.ask(asks, *peer, Kind::Blocks(target, batch.clone()), Ask::Blocks(batch), now);
            }
        }
        Ok(())
    }

    /// The ways to go: to the best header, then to the ends of peers' chains that are better than the chain here.
    fn update_paths<S: Store>(&mut self, chain: &Chain<S>) -> ResultOf<(), S> {
        let best = chain.best_header()?;
        let mut ends = alloc::vec![best];
        if best != chain.tip_hash() {
            for tip in self.peers.values().filter_map(|p| p.tip) {
                if ends.len() < self.limits.paths
                    && !ends.contains(&tip)
                    && chain.header(&tip)?.is_some_and(|e| e.work > chain.tip().work)
                {
                    ends.push(tip);
                }
            }
        }
        let changed = !ends.iter().eq(self.paths.iter().map(|p| &p.last));
        let mut old = core::mem::take(&mut self.paths);
        for end in ends {
            let path = match old.iter_mut().find(|p| p.last == end) {
                Some(path) => core::mem::replace(path, Path::empty(end)).checked(chain)?,
                None => Path::to(end, &old, chain)?,
            };
            if !path.wanted.is_empty() {
                self.paths.push(path);
            }
        }
        if changed {
            let near = |p: &Path| p.wanted.iter().take(2 * self.limits.window).copied().collect::<Vec<_>>();
            let wanted: BTreeSet<BlockHash> = self.paths.iter().flat_map(near).collect();
            self.download.retain(|hash| wanted.contains(hash));
        }
        Ok(())
    }

    /// What is in the pools, once of each peer whose chain is here.
    fn ask_pools<S: Store>(&mut self, asks: &mut Vec<(u64, P, Ask)>, chain: &Chain<S>, now: Now) -> ResultOf<(), S> {
        let mut due = Vec::new();
        for (peer, state) in self.peers.iter().filter(|(_, p)| !p.pools_asked && p.silent == 0) {
            let Some(status) = state.status else { continue };
            if chain.header(&status.tip)?.is_some_and(|entry| entry.has_body()) {
                due.push(*peer);
            }
        }
        for peer in due {
            if let Some(state) = self.peers.get_mut(&peer) {
                state.pools_asked = true;
            }
            self.ask(asks, peer, Kind::Pools, Ask::Pools, now);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
