//! What is asked, and of whom.

use super::Jobs;
use super::market::Topic;
use super::record::Proving;
use crate::hash::{BlockHash, JobId};
use crate::light::LightClient;
use crate::light::client::{Ask, Question};
use crate::message::{ClientRequest, LightRequest, Payload, Request};
use crate::sorted::Set;
use crate::sync::Now;
use crate::units::Height;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

/// Open questions about jobs at one peer.
const MAX_OPEN: usize = 6;
/// Messages of one job that wait to be sent.
const MAX_ERRANDS: usize = 8;
/// From one report to the next while a job waits for a node or its statement.
const POLL: Duration = Duration::from_secs(1);
/// A stake coin that nobody proves is asked for again after so long.
const PROVE_PAUSE: Duration = Duration::from_secs(2);

/// A message that is to be given to some peer.
#[derive(Clone, Debug)]
pub(super) struct Errand<P> {
    pub(super) job: JobId,
    pub(super) question: Question,
    /// Who could not, or would not, take it.
    pub(super) tried: Set<P>,
    /// Who is asked, and since when.
    pub(super) open: Option<(P, Duration)>,
}

/// A block that is to be looked at.
#[derive(Clone, Debug)]
pub(super) struct WantedBlock<P> {
    pub(super) height: Height,
    pub(super) tried: Set<P>,
    pub(super) open: bool,
}

/// What was asked.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// How does the job stand?
    Report(JobId),
    /// The stake coin of the accept that is to be proved for it.
    Coin(JobId),
    /// Take this.
    Errand(JobId, Question),
    Block(BlockHash),
    Market(Topic),
}

/// An open question.
#[derive(Clone, Debug)]
pub(super) struct Open<P> {
    pub(super) peer: P,
    pub(super) since: Duration,
    pub(super) kind: Kind,
}

impl<P: Copy + Ord> Jobs<P> {
    /// Lets deals take their steps, and says what to ask now, of whom. To be called after everything that was told, and
    /// every second or so.
    pub fn next(&mut self, client: &mut LightClient<P>, now: Now) -> Vec<Ask<P>> {
        self.give_up_waiting(client, now);
        self.step_all(client, now);
        self.step_found(client, now);
        self.act(client, now);
        let mut asks = Vec::new();
        self.ask_errands(&mut asks, client, now);
        self.ask_reports(&mut asks, client, now);
        self.ask_coins(&mut asks, client, now);
        self.ask_blocks(&mut asks, client, now);
        self.ask_market(&mut asks, client, now);
        asks
    }

    /// Whether the open question with this number is one of these jobs' (else it is the client's).
    pub fn asked(&self, id: u64) -> bool {
        self.open.contains_key(&id)
    }

    /// Should the owner have forgotten, or have closed a connection: what was asked is asked elsewhere.
    fn give_up_waiting(&mut self, client: &mut LightClient<P>, now: Now) {
        let timeout = 2 * client.limits().timeout;
        let late = |open: &Open<P>| now.elapsed > open.since + timeout || !client.trusts(&open.peer);
        let late: Vec<u64> = self.open.iter().filter(|(_, open)| late(open)).map(|(id, _)| *id).collect();
        for id in late {
            self.on_answer(client, id, Err(crate::light::client::Failure::TimedOut), now);
        }
        self.last_asked.retain(|peer, _| client.trusts(peer));
        let tip = client.headers().height();
        self.known.retain(|_, until| *until >= tip);
    }

    /// Whom to ask: of those that may be asked and were not, who answers; of those, the least busy; of them, who was not
    /// asked for longest.
    pub(super) fn choose(&self, client: &LightClient<P>, tried: &Set<P>, now: Now) -> Option<P> {
        let load = |peer: &P| self.open.values().filter(|open| open.peer == *peer).count();
        let peers = client.talking_peers(now).filter(|(peer, _)| !tried.contains(peer));
        let free = peers.map(|(peer, silent)| (silent, load(&peer), self.last_asked.get(&peer).copied(), peer));
        free.filter(|(_, load, ..)| *load < MAX_OPEN).min().map(|(.., peer)| peer)
    }

    pub(super) fn ask(
        &mut self,
        asks: &mut Vec<Ask<P>>,
        client: &mut LightClient<P>,
        peer: P,
        kind: Kind,
        question: Question,
        now: Now,
    ) {
        let id = client.next_number();
        self.open.insert(id, Open { peer, since: now.elapsed, kind });
        self.last_asked.insert(peer, id);
        asks.push(Ask { id, peer, question, timeout: client.limits().timeout });
    }

    /// A message is to be sent; one that waits already is not sent twice.
    pub(super) fn errand(&mut self, job: JobId, question: Question) {
        let of_it = |errand: &&Errand<P>| errand.job == job;
        if self.errands.iter().filter(of_it).any(|errand| errand.question == question) {
            return;
        }
        if self.errands.iter().filter(of_it).count() >= MAX_ERRANDS
            && let Some(oldest) = self.errands.iter().position(|errand| errand.job == job && errand.open.is_none())
        {
            self.errands.remove(oldest);
        }
        self.errands.push(Errand { job, question, tried: Set::new(), open: None });
    }

    fn ask_errands(&mut self, asks: &mut Vec<Ask<P>>, client: &mut LightClient<P>, now: Now) {
        let stall = client.limits().stall;
        for errand in &mut self.errands {
            if let Some((peer, _)) = errand.open.take_if(|(_, since)| now.elapsed > *since + stall) {
                errand.tried.insert(peer);
            }
        }
        for place in 0..self.errands.len() {
            let Some(errand) = self.errands.get(place).filter(|errand| errand.open.is_none()) else { continue };
            let Some(peer) = self.choose(client, &errand.tried, now) else { continue };
            let (job, question) = (errand.job, errand.question.clone());
            if let Some(errand) = self.errands.get_mut(place) {
                errand.open = Some((peer, now.elapsed));
            }
            self.ask(asks, client, peer, Kind::Errand(job, question.clone()), question, now);
        }
        // Everybody was asked: the deal says it again.
        let able: Vec<P> = client.talking_peers(now).map(|(peer, _)| peer).collect();
        let all = |tried: &Set<P>| !able.is_empty() && able.iter().all(|peer| tried.contains(peer));
        let over = |errand: &Errand<P>| errand.open.is_none() && all(&errand.tried);
        self.errands.retain(|errand| !over(errand));
    }

    fn ask_reports(&mut self, asks: &mut Vec<Ask<P>>, client: &mut LightClient<P>, now: Now) {
        for id in self.live() {
            let Some(job) = self.jobs.get(&id) else { continue };
            let deal = &job.record.deal;
            let lacks = deal.accept.is_none() || deal.testament.is_none();
            let known = job.offered || deal.accept.is_some();
            let pause = if job.polling { client.limits().stall } else { POLL };
            let due = job.polled.is_none_or(|at| now.elapsed >= at + pause);
            if !(job.is_unpaid() && lacks && known && due && job.proving.is_none()) {
                continue;
            }
            let Some(peer) = self.choose(client, &Set::new(), now) else { continue };
            if let Some(job) = self.jobs.get_mut(&id) {
                (job.polled, job.polling) = (Some(now.elapsed), true);
            }
            let request = Question::Request(Box::new(Request::Client(ClientRequest::Job(id))));
            self.ask(asks, client, peer, Kind::Report(id), request, now);
        }
    }

    fn ask_coins(&mut self, asks: &mut Vec<Ask<P>>, client: &mut LightClient<P>, now: Now) {
        for id in self.live() {
            let stall = client.limits().stall;
            let Some(job) = self.jobs.get_mut(&id).filter(|job| now.elapsed >= job.prove_at) else { continue };
            let Some(proving) = &mut job.proving else { continue };
            if let Some((peer, _)) = proving.open.take_if(|(_, since)| now.elapsed > *since + stall) {
                proving.tried.insert(peer);
            }
            let Some(proving) = self.jobs.get(&id).and_then(|job| job.proving.as_ref()) else { continue };
            if proving.open.is_some() {
                continue;
            }
            let txid = proving.accept.body.stake_coin.txid;
            let peer = self.choose(client, &proving.tried, now);
            let Some(job) = self.jobs.get_mut(&id) else { continue };
            match (peer, &mut job.proving) {
                (Some(peer), Some(Proving { open, .. })) => {
                    *open = Some((peer, now.elapsed));
                    let request = Question::Request(Box::new(Request::Light(LightRequest::Proof(txid))));
                    self.ask(asks, client, peer, Kind::Coin(id), request, now);
                }
                // Nobody proves it: the next report brings it, or another one.
                _ => {
                    job.proving = None;
                    job.prove_at = now.elapsed + PROVE_PAUSE;
                }
            }
        }
    }

    /// A block of the best chain that holds a transaction of ours is to be looked at.
    pub(super) fn want_block(&mut self, client: &LightClient<P>, height: Height) {
        let Some(hash) = client.headers().hash(height) else { return };
        self.blocks.entry(hash).or_insert(WantedBlock { height, tried: Set::new(), open: false });
    }

    fn ask_blocks(&mut self, asks: &mut Vec<Ask<P>>, client: &mut LightClient<P>, now: Now) {
        self.blocks.retain(|hash, block| client.headers().hash(block.height) == Some(*hash));
        let wanted: Vec<BlockHash> = self.blocks.iter().filter(|(_, b)| !b.open).map(|(hash, _)| *hash).collect();
        for hash in wanted {
            let Some(block) = self.blocks.get(&hash) else { continue };
            let Some(peer) = self.choose(client, &block.tried, now) else {
                if let Some(block) = self.blocks.get_mut(&hash) {
                    block.tried.clear();
                }
                continue;
            };
            if let Some(block) = self.blocks.get_mut(&hash) {
                block.open = true;
            }
            let request = Question::Request(Box::new(Request::Blocks(Vec::from([hash]))));
            self.ask(asks, client, peer, Kind::Block(hash), request, now);
        }
    }

    fn ask_market(&mut self, asks: &mut Vec<Ask<P>>, client: &mut LightClient<P>, now: Now) {
        let able: Vec<P> = client.talking_peers(now).map(|(peer, _)| peer).collect();
        self.market.keep(|peer| client.trusts(peer), now);
        for peer in able {
            for topic in self.market.due(&peer, now) {
                let open = |open: &Open<P>| {
                    open.peer == peer && matches!(&open.kind, Kind::Market(asked) if asked.is_like(&topic))
                };
                let load = self.open.values().filter(|open| open.peer == peer).count();
                if load >= MAX_OPEN || self.open.values().any(open) {
                    continue;
                }
                self.market.asked(peer, &topic, now);
                let request = Question::Request(Box::new(topic.request()));
                self.ask(asks, client, peer, Kind::Market(topic), request, now);
            }
        }
    }
}

/// Whether a question offers a job.
pub(super) fn is_offer(question: &Question) -> bool {
    matches!(question, Question::Submit(Payload::JobCreate(_)))
}
