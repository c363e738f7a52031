//! A chain, pools, a compute node and peers around a light client with jobs: everything real but sockets and model.

use super::node::Node;
use super::peers::Lie;
use crate::chain::Accepted;
use crate::contract::{WalletRules, settled_in_block};
use crate::deal::{ComputeDeal, DealVerdict, Facts, VerifyMode, WrongToken};
use crate::hash::{JobId, ModelRoot};
use crate::job::fixtures::{hash_of, peer};
use crate::light::tests::save::Disk;
use crate::light::tests::world::*;
use crate::light::{JobEvent, JobRequest, JobState, JobView, Jobs, LightClient, Question, VerifyRequest};
use crate::message::Payload;
use crate::model::Sampling;
use crate::pool::{JobPool, PoolLimits, TransactionPool};
use crate::script::templates;
use crate::transaction::Transaction;
use crate::units::{Amount, COIN, Height, TokenId};
use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;
use std::sync::OnceLock;

/// What the model says.
pub(super) const ANSWER: [TokenId; 4] = [TokenId(11), TokenId(12), TokenId(13), TokenId(2)];
pub(super) const MODEL: ModelRoot = ModelRoot([9; 32]);
/// What the node asks for 1,000 tokens.
pub(super) const PRICE: Amount = Amount(COIN);

pub(super) struct Town {
    pub world: World,
    pub jobs: Jobs<usize>,
    pub chain: TestChain,
    pub pool: TransactionPool,
    pub job_pool: JobPool,
    pub deals: BTreeMap<JobId, ComputeDeal>,
    pub node: Node,
    pub lies: BTreeMap<usize, Lie>,
    /// Nothing can be stored.
    pub disk_full: bool,
    pub disk: Disk,
    pub store: BTreeMap<JobId, Vec<u8>>,
    /// What the client's jobs said to peers.
    pub said: Vec<Question>,
    pub told: Vec<JobEvent>,
    /// Whether the answer is checked when that is asked for.
    pub checks: bool,
    pub verified: usize,
    pub to_client: Vec<Payload>,
    pub to_node: Vec<Payload>,
    pub rules: WalletRules,
    seen: usize,
    /// Blocks are mined.
    pub mining: bool,
}

/// A chain with three coins of the node and three of ours, all mature.
fn funded() -> TestChain {
    static CHAIN: OnceLock<TestChain> = OnceLock::new();
    let make = || {
        let mut chain = empty();
        for _ in 0..3 {
            mine(&mut chain, templates::p2pkh(hash_of("node")), vec![]);
            mine(&mut chain, ours(0), vec![]);
        }
        grow(&mut chain, 7, 1);
        chain
    };
    CHAIN.get_or_init(make).clone()
}

pub(super) fn request() -> JobRequest {
    JobRequest {
        model: MODEL,
        prompt: "Once upon".into(),
        token_ids: [1, 5, 9].map(TokenId).to_vec(),
        max_tokens: 8,
        seed: 7,
        sampling: Sampling::GREEDY,
        verify: VerifyMode::Full,
        reward: Some(Amount(2 * COIN)),
    }
}

/// Compares with what the model says.
pub(super) fn check(request: &VerifyRequest) -> DealVerdict {
    assert_eq!((&request.prompt[..], request.model), (&[1, 5, 9].map(TokenId)[..], MODEL));
    let differs = (0..).zip(ANSWER.iter().zip(&request.answer)).filter(|(_, (expected, found))| expected != found);
    let wrong = differs.map(|(position, (e, f))| WrongToken { position, found: *f, expected: *e }).collect();
    DealVerdict { checked: request.answer.len() as u32, wrong, engine: "test".into(), ..DealVerdict::default() }
}

fn new_jobs() -> Jobs<usize> {
    Jobs::new(dev(), peer("client"))
}

impl Town {
    /// A town with so many peers, in which the client knows the chain.
    pub fn new(node: Node, peers: usize) -> Self {
        let chain = funded();
        let rules = WalletRules::for_network(dev());
        let mut town = Town {
            world: World::new(vec![(Play::Honest, chain.clone()); peers]),
            jobs: new_jobs(),
            chain,
            pool: TransactionPool::new(PoolLimits::default(), rules),
            job_pool: JobPool::default(),
            deals: BTreeMap::new(),
            node,
            lies: BTreeMap::new(),
            disk_full: false,
            disk: Disk::default(),
            store: BTreeMap::new(),
            said: Vec::new(),
            told: Vec::new(),
            checks: true,
            verified: 0,
            to_client: Vec::new(),
            to_node: Vec::new(),
            rules,
            seen: 0,
            mining: true,
        };
        town.world.run(5);
        town.world.assert_at(&town.chain);
        // Who serves what.
        town.jobs.models(town.world.now());
        town.estimate(None);
        town.run(3);
        town
    }

    pub fn estimate(&mut self, reward: Option<Amount>) -> crate::light::Estimate {
        let request = crate::light::EstimateRequest { model: MODEL, prompt_tokens: 3, max_tokens: 8, reward };
        self.jobs.estimate(&self.world.light, &request, self.world.now())
    }

    pub fn create(&mut self) -> JobId {
        let now = self.world.now();
        self.jobs.create(&mut self.world.light, request(), now).unwrap()
    }

    pub fn view(&self, job: &JobId) -> JobView {
        self.jobs.view(&self.world.light, job).unwrap()
    }

    pub fn state(&self, job: &JobId) -> JobState {
        self.view(job).state
    }

    /// The states that a job went through.
    pub fn states(&self, job: &JobId) -> Vec<JobState> {
        self.view(job).states.iter().map(|entry| entry.state).collect()
    }

    pub fn facts<'a>(&self, rules: &'a WalletRules) -> Facts<'a> {
        let (tip, tip_hash) = (self.chain.height(), self.chain.tip_hash());
        Facts { network: dev(), rules, tip, tip_hash, now: self.world.now().time }
    }

    pub fn run(&mut self, seconds: usize) {
        (0..seconds).for_each(|_| self.tick());
    }

    /// Runs until something is so; fails if that takes too long.
    pub fn until(&mut self, what: &str, so: impl Fn(&Town) -> bool) {
        for _ in 0..900 {
            if so(self) {
                return;
            }
            self.tick();
        }
        let states: Vec<_> = self.jobs.views(&self.world.light).into_iter().map(|view| view.states).collect();
        panic!("never {what}: {states:?}, blamed {:?}", self.world.blamed);
    }

    pub fn until_state(&mut self, job: &JobId, state: JobState) {
        self.until(state.name(), |town| town.state(job) == state);
    }

    pub fn until_over(&mut self, job: &JobId) {
        self.until("over", |town| town.view(job).over);
        self.run(2);
    }

    /// A second passes.
    pub fn tick(&mut self) {
        self.world.run(1);
        for tx in core::mem::take(&mut self.world.submitted) {
            let _ = self.publish(&tx);
        }
        self.tell();
        let now = self.world.now();
        for payload in core::mem::take(&mut self.to_client) {
            self.jobs.on_message(&self.world.light, &payload, now);
        }
        self.talk();
        self.step_node();
        if self.mining && self.world.elapsed.as_secs().is_multiple_of(2) {
            self.next_block();
        }
    }

    /// Tells the jobs what happened to the client.
    pub fn tell(&mut self) {
        self.world.note();
        let now = self.world.now();
        for event in &self.world.events[self.seen..] {
            self.jobs.on_event(event, now);
        }
        self.seen = self.world.events.len();
    }

    /// Lets the jobs ask, and answers.
    pub fn talk(&mut self) {
        for round in 0.. {
            assert!(round < 100, "the jobs do not stop asking: {:?}", self.said.last());
            let now = self.world.now();
            let mut asks = self.jobs.next(&mut self.world.light, now);
            self.save();
            asks.extend(self.jobs.next(&mut self.world.light, now));
            let verified = self.hear();
            if asks.is_empty() && !verified {
                break;
            }
            while !asks.is_empty() {
                let ask = asks.swap_remove(self.world.pick(asks.len()));
                assert!(self.jobs.asked(ask.id));
                let answer = self.answer(&ask);
                self.jobs.on_answer(&mut self.world.light, ask.id, answer, now);
                assert!(!self.jobs.asked(ask.id));
                self.tell();
            }
        }
    }

    fn save(&mut self) {
        if self.disk_full {
            return;
        }
        if let Some(unsaved) = self.jobs.take_unsaved() {
            self.store.extend(unsaved.put);
            unsaved.remove.iter().for_each(|job| drop(self.store.remove(job)));
            self.jobs.saved(unsaved.ticket);
            assert_eq!(self.jobs.take_unsaved(), None);
        }
        self.disk.write(self.world.light.take_unsaved().unwrap());
    }

    /// Checks answers. Whether there was one.
    fn hear(&mut self) -> bool {
        let before = self.verified;
        let now = self.world.now();
        for event in self.jobs.take_events() {
            if let (JobEvent::Verify(request), true) = (&event, self.checks) {
                self.verified += 1;
                self.jobs.on_verified(&self.world.light, &request.job, check(request), now);
            }
            self.told.push(event);
        }
        self.verified > before
    }

    /// The client stops and starts again from what was stored.
    pub fn restart(&mut self) {
        self.start_with(self.disk.restore().unwrap());
    }

    pub fn start_with(&mut self, light: LightClient<usize>) {
        self.world.light = light;
        (0..self.world.peers.len()).for_each(|peer| self.world.light.connected(peer));
        self.jobs = new_jobs();
        let refused = self.jobs.restore(&mut self.world.light, self.store.values().map(|bytes| &bytes[..]));
        assert_eq!(refused, []);
    }

    pub fn next_block(&mut self) {
        let block = block_on(&self.chain, stranger(2), self.pool.by_fee_rate(), 2);
        let accepted = self.chain.accept_block(block, LATE).unwrap();
        self.follow(&accepted);
    }

    /// Another chain, one block longer, leaves behind all blocks above a height. It holds these transactions.
    pub fn fork(&mut self, above: Height, txs: Vec<Transaction>) {
        let mut side = up_to(&self.chain, above.0);
        let mut txs = Some(txs);
        let mut blocks = Vec::new();
        while side.height() <= self.chain.height() {
            blocks.push(mine(&mut side, stranger(3), txs.take().unwrap_or_default()));
        }
        for block in blocks {
            let accepted = self.chain.accept_block(block, LATE).unwrap();
            self.follow(&accepted);
        }
        assert_eq!(self.chain.tip_hash(), side.tip_hash());
    }

    fn follow(&mut self, accepted: &Accepted) {
        let rules = self.rules;
        let facts = self.facts(&rules);
        if let Some(lowest) = accepted.disconnected.last() {
            self.deals.values_mut().for_each(|deal| deal.track.disconnected_from(lowest.height));
        }
        for block in &accepted.connected {
            let settled = settled_in_block(&block.block);
            for tx in &block.block.transactions {
                self.job_pool.on_transaction(tx, &facts);
                if let Some(deal) = self.deals.get_mut(&tx.job_id) {
                    deal.on_transaction(tx, &facts);
                    if let Some(settlement) = deal.settlement_id() {
                        deal.track.connected(&settlement, tx, block.height, settled);
                    }
                }
            }
        }
        self.pool.chain_changed(&accepted.disconnected, &accepted.connected, &self.chain, facts.now).unwrap();
        self.world.follow(&self.chain);
    }

    /// Coins of ours that are put aside.
    pub fn held(&self) -> usize {
        self.world.light.ledger().held().count()
    }

    /// What is ours on the chain, in plain coins.
    pub fn money(&self) -> Amount {
        self.world.light.ledger().coins().map(|(_, coin)| coin.output.value).sum()
    }

    /// Messages of a kind that were said.
    pub fn count(&self, is: impl Fn(&Payload) -> bool) -> usize {
        let payload = |question: &Question| match question {
            Question::Submit(payload) | Question::Forward(_, payload) => is(payload),
            Question::Request(_) => false,
        };
        self.said.iter().filter(|question| payload(question)).count()
    }
}
