//! A chain, pools, a compute node and peers around a light client with jobs: everything real but sockets and model.

use crate::chain::Accepted;
use crate::contract::{WalletRules, settled_in_block};
use crate::deal::{Action, ComputeDeal, DealVerdict, Facts, VerifyMode, WrongToken};
use crate::encode::{Decode, Encode};
use crate::hash::{JobId, ModelRoot};
use crate::job::fixtures::{hash_of, key, peer};
use crate::job::{JobAccept, JobStatus, ModelPrice, ServiceOffer, Signed};
use crate::light::tests::save::Disk;
use crate::light::tests::world::*;
use crate::light::{Ask, Failure, JobEvent, JobRequest, JobState, JobView, Jobs, LightClient, Question, VerifyRequest};
use crate::message::{
    Ciphertext, ClientRequest, ClientResponse, FeeRates, JobReport, LightRequest, LightResponse, ModelRequest,
    ModelResponse, Payload, Refusal, Request, Response, StakedOffer,
};
use crate::model::Sampling;
use crate::pool::{AddError, JobPool, PoolError, PoolLimits, TransactionPool};
use crate::script::templates;
use crate::sync::serve;
use crate::transaction::{OutPoint, Transaction};
use crate::units::{Amount, COIN, Height, TokenId};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;
use std::sync::OnceLock;

/// What the model says.
pub(super) const ANSWER: [TokenId; 4] = [TokenId(11), TokenId(12), TokenId(13), TokenId(2)];
pub(super) const MODEL: ModelRoot = ModelRoot([9; 32]);
/// What the node asks for 1,000 tokens.
pub(super) const PRICE: Amount = Amount(COIN);

/// How the node behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Node {
    Honest,
    /// It accepts nothing.
    Away,
    /// It accepts and is never heard of again.
    SilentAfterAccept,
    /// Another token than the model's.
    WrongToken,
    /// That, and it never reveals on chain.
    WrongTokenThenSilent,
    /// It is never heard of again once it is paid.
    SilentAfterPayment,
}

/// How a peer lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lie {
    /// A proof with another value in the transaction.
    ForgedProof,
    /// The proof of another transaction.
    OtherProof,
    /// An accept that nobody signed.
    ForgedAccept,
    /// An accept whose coin is somebody else's.
    ForeignCoin,
    /// An accept of another job.
    OtherJob,
    /// A testament with other terms.
    ForgedTestament,
    /// An offer that nobody signed.
    ForgedOffer,
    /// Another kind of answer.
    Confused,
    /// Refuses every message.
    Refuser,
    /// Says nothing about jobs.
    Silent,
}

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
    to_client: Vec<Payload>,
    to_node: Vec<Payload>,
    rules: WalletRules,
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

    /// What a peer answers to a question of the jobs.
    fn answer(&mut self, ask: &Ask<usize>) -> Result<Response, Failure> {
        if self.world.blamed.contains_key(&ask.peer) {
            return Err(Failure::Gone);
        }
        let lie = self.lies.get(&ask.peer).copied();
        let response = match &ask.question {
            Question::Request(request) => self.answer_request(lie, request)?,
            _ if lie == Some(Lie::Silent) => return Err(Failure::TimedOut),
            _ if lie == Some(Lie::Refuser) => Response::Client(ClientResponse::Refused(Refusal::new("no"))),
            Question::Submit(payload) => {
                self.said.push(ask.question.clone());
                Response::Client(match self.take(payload) {
                    Ok(()) => ClientResponse::Accepted,
                    Err(reason) => ClientResponse::Refused(Refusal::new(&reason)),
                })
            }
            Question::Forward(to, payload) => {
                self.said.push(ask.question.clone());
                if *to == peer("node") {
                    self.to_node.push(payload.clone());
                    Response::Forwarded
                } else {
                    Response::NoRoute(crate::hash::Hash32::default())
                }
            }
        };
        // What travels is bytes.
        Ok(Decode::from_bytes(&response.to_bytes()).unwrap())
    }

    fn answer_request(&self, lie: Option<Lie>, request: &Request) -> Result<Response, Failure> {
        Ok(match (lie, request) {
            (Some(Lie::Silent), _) => return Err(Failure::TimedOut),
            (Some(Lie::Confused), _) => Response::Forwarded,
            (_, Request::Client(ClientRequest::Job(job))) => match self.report(job) {
                Some(report) => Response::Client(ClientResponse::Job(Box::new(self.lie_about(lie, *job, report)))),
                None => Response::Light(LightResponse::NotFound),
            },
            (_, Request::Client(ClientRequest::Offers(query))) => {
                let offers = if query.model == MODEL { vec![self.offer(lie)] } else { vec![] };
                Response::Client(ClientResponse::Offers(offers))
            }
            (_, Request::Client(ClientRequest::FeeRates)) => {
                Response::Client(ClientResponse::FeeRates(FeeRates { next_block: 1_000, least: 1_000 }))
            }
            (_, Request::Model(ModelRequest::List(_))) => Response::Model(ModelResponse::List(vec![])),
            (_, Request::Light(LightRequest::Proof(txid))) => {
                let txid = if lie == Some(Lie::OtherProof) { reward(&self.chain, 2).0.txid } else { *txid };
                match self.chain.transaction_proof(&txid).unwrap() {
                    Some(mut proof) => {
                        if lie == Some(Lie::ForgedProof) {
                            proof.transaction.outputs[0].value.0 *= 2;
                        }
                        Response::Light(LightResponse::Proof(Box::new(proof)))
                    }
                    None => Response::Light(LightResponse::NotFound),
                }
            }
            (_, Request::Blocks(hashes)) => serve::blocks(&self.chain, hashes).unwrap(),
            other => panic!("not asked about jobs: {other:?}"),
        })
    }

    fn offer(&self, lie: Option<Lie>) -> StakedOffer {
        let (stake_coin, coin) = reward(&self.chain, 1);
        let body = ServiceOffer {
            node_peer: peer("node"),
            node_key: key("node").public_key(),
            stake_coin,
            timestamp: self.world.now().time,
            models: [ModelPrice { model: MODEL, per_thousand_tokens: PRICE }].into(),
        };
        let mut offer = Signed::sign(body, &key("node"), dev().network);
        if lie == Some(Lie::ForgedOffer) {
            offer.body.models[0].per_thousand_tokens = Amount(1);
        }
        StakedOffer { offer, stake: coin.output.value }
    }

    fn report(&self, job: &JobId) -> Option<JobReport> {
        let record = self.job_pool.get(job)?;
        Some(JobReport {
            status: record.status,
            accept: record.accept.as_ref().map(|(accept, _)| accept.clone()),
            testament: record.testament.clone(),
            transactions: vec![],
        })
    }

    fn lie_about(&self, lie: Option<Lie>, job: JobId, mut report: JobReport) -> JobReport {
        let accept = |job_id, stake_coin| {
            let (node_peer, node_key) = (peer("thief"), key("thief").public_key());
            let body = JobAccept { job_id, node_peer, node_key, stake_coin, block: self.chain.tip_hash() };
            Some(Signed::sign(body, &key("thief"), dev().network))
        };
        let coin = reward(&self.chain, 1).0;
        match lie {
            Some(Lie::ForgedAccept) => {
                report.accept = accept(job, coin);
                report.accept.as_mut().unwrap().body.node_key = key("node").public_key();
            }
            Some(Lie::ForeignCoin) => report.accept = accept(job, coin),
            Some(Lie::OtherJob) => report.accept = accept(JobId([3; 32]), coin),
            Some(Lie::ForgedTestament) => {
                if let Some(testament) = &mut report.testament {
                    testament.settlement.outputs.last_mut().unwrap().value.0 -= 1;
                }
            }
            _ => {}
        }
        report
    }

    /// A message for everybody.
    fn take(&mut self, payload: &Payload) -> Result<(), alloc::string::String> {
        let rules = self.rules;
        let facts = self.facts(&rules);
        match payload {
            Payload::Transaction(tx) => self.publish(tx),
            Payload::JobCreate(create) => {
                let coin = |outpoint: &OutPoint| self.chain.coin(outpoint).unwrap();
                self.job_pool.add_create((**create).clone(), &coin, &facts).map(drop).map_err(|e| e.to_string())
            }
            other => panic!("a client says {other:?}"),
        }
    }

    /// A transaction goes into the pool, and everybody sees it.
    pub fn publish(&mut self, tx: &Transaction) -> Result<(), alloc::string::String> {
        let rules = self.rules;
        let facts = self.facts(&rules);
        match self.pool.add(tx.clone(), &self.chain, facts.now) {
            Ok(_) => {
                self.job_pool.on_transaction(tx, &facts);
                if let Some(deal) = self.deals.get_mut(&tx.job_id) {
                    deal.on_transaction(tx, &facts);
                }
                Ok(())
            }
            Err(AddError::Refused(PoolError::AlreadyKnown)) => Ok(()),
            Err(AddError::Refused(_)) if self.chain.transaction_height(&tx.txid()).unwrap().is_some() => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn step_node(&mut self) {
        let rules = self.rules;
        let facts = self.facts(&rules);
        self.job_pool.expire(&facts);
        for payload in core::mem::take(&mut self.to_node) {
            self.hear_client(payload, &facts);
        }
        self.take_jobs(&facts);
        let ids: Vec<JobId> = self.deals.keys().copied().collect();
        for id in ids {
            let Some(deal) = self.deals.get_mut(&id) else { continue };
            let paid = deal.settlement.is_some();
            for action in deal.step(&key("node"), &facts) {
                if self.node == Node::SilentAfterAccept || (self.node == Node::SilentAfterPayment && paid) {
                    continue;
                }
                self.act(&id, action, &facts);
            }
        }
    }

    fn act(&mut self, id: &JobId, action: Action, facts: &Facts<'_>) {
        match action {
            Action::Broadcast(Payload::Testament(testament)) => {
                // It may have lapsed.
                let _ = self.job_pool.add_testament(*testament, facts);
            }
            Action::Broadcast(_) => {}
            Action::Send(to, payload) => {
                assert_eq!(to, peer("client"));
                self.to_client.push(payload);
            }
            Action::Publish(_) if self.node == Node::WrongTokenThenSilent => {}
            Action::Publish(tx) => {
                if self.publish(&tx).is_err() {
                    self.deals.get_mut(id).unwrap().on_close_refused();
                }
            }
            Action::Compute => {
                let mut answer = ANSWER.to_vec();
                if matches!(self.node, Node::WrongToken | Node::WrongTokenThenSilent) {
                    answer[1].0 += 1;
                }
                self.deals.get_mut(id).unwrap().on_computed(answer, 1, &key("node"), facts).unwrap();
            }
            Action::Verify { .. } => panic!("a node does not verify"),
        }
    }

    fn hear_client(&mut self, payload: Payload, facts: &Facts<'_>) {
        // What does not fit is refused and changes nothing.
        match payload {
            Payload::JobAssign(m) => {
                let deal = self.deals.get_mut(&m.body.job_id);
                let _ = deal.map(|deal| deal.on_assign(&m, &key("node"), facts));
            }
            Payload::JobClose(m) => {
                let deal = self.deals.get_mut(&m.job_id);
                let _ = deal.map(|deal| deal.on_close(&m, &key("node"), facts));
            }
            Payload::CiphertextRequest(m) => {
                let bytes = self.deals.get(&m.job_id).and_then(|deal| deal.ciphertext()).map(<[u8]>::to_vec);
                self.to_client.extend(bytes.map(|bytes| Ciphertext { job_id: m.job_id, bytes }.into()));
            }
            other => panic!("a client sends {other:?}"),
        }
    }

    fn take_jobs(&mut self, facts: &Facts<'_>) {
        let bound: BTreeSet<OutPoint> =
            self.deals.values().filter(|d| !d.is_over()).map(|deal| deal.accept.body.stake_coin).collect();
        let open = self.job_pool.jobs().filter(|(id, r)| {
            r.status == JobStatus::Created && self.deals.get(id).is_none_or(|d| d.is_over() && d.testament.is_none())
        });
        let open: Vec<JobId> = open.map(|(id, _)| *id).collect();
        let mut free: Vec<_> = [1, 3, 5].map(|height| reward(&self.chain, height)).into();
        free.retain(|(outpoint, _)| !bound.contains(outpoint) && self.chain.coin(outpoint).unwrap().is_some());
        for id in open {
            let record = self.job_pool.get(&id).unwrap();
            let fits = |(outpoint, _): &&(OutPoint, _)| !record.is_passed_over(outpoint);
            let Some((stake_coin, coin)) = free.iter().find(fits).filter(|_| self.node != Node::Away).cloned() else {
                continue;
            };
            free.retain(|(outpoint, _)| *outpoint != stake_coin);
            let body = JobAccept {
                job_id: id,
                node_peer: peer("node"),
                node_key: key("node").public_key(),
                stake_coin,
                block: facts.tip_hash,
            };
            let accept = Signed::sign(body, &key("node"), dev().network);
            let (create, values) = (record.create.clone(), record.coin_values.clone());
            let deal = ComputeDeal::new(create, values, accept.clone(), coin.output.value, hash_of("reward"), facts);
            if self.job_pool.add_accept(accept, Some(&coin), facts).is_ok() {
                self.deals.insert(id, deal);
            }
        }
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
