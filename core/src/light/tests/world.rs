//! Chains, wallets, peers of all kinds, and the client between them.

use crate::block::{Block, NetworkParams, PowMidstate};
use crate::chain::{Chain, MemoryStore};
use crate::encode::Encode;
use crate::filter::Filter;
use crate::hash::{FilterHash, KeyHash};
use crate::keys::Mnemonic;
use crate::light::*;
use crate::message::{
    ChainStatus, ClientResponse, FilterHeaders, FilterRange, LightRequest, LightResponse, Payload, Refusal, Request,
    Response,
};
use crate::script::templates::p2pkh;
use crate::sync::{Now, serve};
use crate::transaction::{Coin, OutPoint, Script, Transaction, TransactionBuilder};
use crate::units::{Amount, Height, Network, Timestamp};
use crate::wallet::{Branch, KeyPath, Keyring};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;
use std::sync::OnceLock;

pub(super) type TestChain = Chain<MemoryStore>;

/// A clock that no test's block is ahead of.
pub(super) const LATE: Timestamp = Timestamp(u32::MAX);

pub(super) fn dev() -> &'static NetworkParams {
    NetworkParams::of(Network::Dev)
}

pub(super) fn empty() -> TestChain {
    Chain::open(MemoryStore::new(), dev()).unwrap()
}

/// The wallet of these tests.
pub(super) fn keyring() -> Keyring {
    static RING: OnceLock<Keyring> = OnceLock::new();
    RING.get_or_init(|| Keyring::new(Network::Dev, &Mnemonic::from_entropy(&[7; 16]).unwrap()).unwrap()).clone()
}

/// A script that is none of ours.
pub(super) fn stranger(n: u8) -> Script {
    p2pkh(KeyHash([n; 20]))
}

/// Our key hash at a place.
pub(super) fn our_hash(branch: Branch, index: u32) -> KeyHash {
    keyring().secret(KeyPath { branch, index }).unwrap().public_key().hash()
}

/// Our receiving address at an index, as a script.
pub(super) fn ours(index: u32) -> Script {
    p2pkh(our_hash(Branch::Receive, index))
}

/// The next block, which is not taken yet.
pub(super) fn block_on(chain: &TestChain, to: Script, txs: Vec<Transaction>, seconds: u32) -> Block {
    let time = Timestamp(chain.tip().header.time.0 + seconds);
    let mut block = chain.build_template(to, txs, time).unwrap().block;
    block.header.merkle_root = block.merkle_root();
    let target = block.header.bits.target().unwrap();
    block.header.nonce = PowMidstate::new(&block.header).try_nonces(0..=u32::MAX, &target).unwrap();
    block
}

/// Mines a block with what of `txs` is valid.
pub(super) fn mine(chain: &mut TestChain, to: Script, txs: Vec<Transaction>) -> Block {
    let block = block_on(chain, to, txs, 2);
    chain.accept_block(block.clone(), LATE).unwrap();
    block
}

pub(super) fn grow(chain: &mut TestChain, blocks: u32, payee: u8) {
    (0..blocks).for_each(|_| drop(mine(chain, stranger(payee), Vec::new())));
}

/// The chain's first blocks alone, up to a height.
pub(super) fn up_to(chain: &TestChain, height: u32) -> TestChain {
    let mut part = empty();
    for height in 1..=height {
        part.accept_block(chain.block_at(Height(height)).unwrap().unwrap().block, LATE).unwrap();
    }
    part
}

/// The coinbase's coin at a height.
pub(super) fn reward(chain: &TestChain, height: u32) -> (OutPoint, Coin) {
    let block = chain.block_at(Height(height)).unwrap().unwrap().block;
    let output = block.transactions[0].outputs[0].clone();
    (block.transactions[0].outpoint(0), Coin { output, height: Height(height), coinbase: true })
}

/// Spends coins of ours to these outputs.
pub(super) fn spend(coins: &[(OutPoint, Coin)], outputs: &[(u64, Script)], ring: &Keyring) -> Transaction {
    let mut builder = TransactionBuilder::new();
    for (outpoint, _) in coins {
        builder = builder.input(*outpoint);
    }
    for (value, script) in outputs {
        builder = builder.output(Amount(*value), script.clone());
    }
    let mut tx = builder.build();
    let spent: Vec<_> = coins.iter().map(|(_, coin)| coin.output.clone()).collect();
    let keys: Vec<_> = spent
        .iter()
        .filter_map(|o| ring.secret_for(&crate::script::templates::p2pkh_key_hash(&o.script_pubkey)?))
        .collect();
    crate::script::sign_p2pkh_inputs(&mut tx, &spent, &keys, Network::Dev).unwrap();
    tx
}

/// What a peer is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Play {
    Honest,
    /// Answers nothing.
    Silent,
    /// Proves nothing: it has pruned.
    NoProofs,
    /// Gives one filter, and one block, a question.
    Slow,
    /// The last header does not reach its target.
    Work,
    /// A filter hash is of a filter that shows nothing.
    Hashes,
    /// One filter hash too few.
    FewHashes,
    /// The filter shows nothing.
    Filters,
    /// Another block.
    OtherBlock,
    /// The right header with another body.
    Body,
    /// A proof of another commitment.
    Proof,
    /// A proof of another block's coinbase.
    OtherProof,
    /// Headers from nowhere.
    Unasked,
    /// Another kind of answer.
    Confused,
    /// Says that it is high, and has nothing.
    Boaster,
    /// Refuses every transaction.
    Refuser,
}

fn status(chain: &TestChain) -> ChainStatus {
    let genesis = dev().genesis().hash();
    ChainStatus { genesis, tip: chain.tip_hash(), height: chain.height(), time: LATE }
}

fn filters(chain: &TestChain, range: &FilterRange) -> Option<Vec<Filter>> {
    let heights = chain.range_to(range.start, &range.stop).unwrap()?;
    Some(heights.take(1000).map(|h| chain.filter_at(Height(h)).unwrap().unwrap()).collect())
}

fn hashes(chain: &TestChain, range: &FilterRange) -> Option<FilterHeaders> {
    let heights = chain.range_to(range.start, &range.stop).unwrap()?;
    let previous = chain.filter_header_before(range.start).unwrap()?;
    let hashes = heights.take(2000).map(|h| chain.filter_entry_at(Height(h)).unwrap().unwrap().hash).collect();
    Some(FilterHeaders { previous, hashes })
}

fn light(play: Play, chain: &TestChain, request: &LightRequest) -> LightResponse {
    let found = match request {
        LightRequest::FilterHeaders(range) => hashes(chain, range).map(|mut found| {
            match play {
                Play::Hashes => found.hashes[0] = FilterHash([9; 32]),
                Play::FewHashes => drop(found.hashes.pop()),
                _ => {}
            }
            LightResponse::FilterHeaders(found)
        }),
        LightRequest::Filters(range) => filters(chain, range).map(|mut found| {
            match play {
                Play::Filters => found[0] = Filter::from_raw(alloc::vec![0]),
                Play::Slow => found.truncate(1),
                _ => {}
            }
            LightResponse::Filters(found)
        }),
        LightRequest::CoinbaseProof(hash) if play != Play::NoProofs => {
            let asked = if play == Play::OtherProof { chain.hash_at(Height(1)).unwrap().unwrap() } else { *hash };
            chain.coinbase_proof(&asked).unwrap().map(|mut proof| {
                if play == Play::Proof {
                    proof.transaction.outputs.last_mut().unwrap().script_pubkey.0[20] ^= 1;
                }
                LightResponse::Proof(Box::new(proof))
            })
        }
        _ => None,
    };
    found.unwrap_or(LightResponse::NotFound)
}

fn blocks(play: Play, chain: &TestChain, hashes: &[crate::hash::BlockHash]) -> Response {
    let Response::Blocks(mut blocks) = serve::blocks(chain, hashes).unwrap() else { panic!("no blocks") };
    match play {
        Play::OtherBlock => blocks[0] = dev().genesis(),
        Play::Body => blocks[0].transactions[0].outputs[0].value.0 -= 1,
        Play::Slow => blocks.truncate(1),
        _ => {}
    }
    Response::Blocks(blocks)
}

/// What a peer answers.
fn answer(play: Play, chain: &TestChain, request: &Request) -> Option<Response> {
    Some(match (play, request) {
        (Play::Silent, _) => return None,
        (Play::Boaster, Request::Status(_)) => {
            let tip = crate::hash::BlockHash([7; 32]);
            Response::Status(ChainStatus { tip, height: Height(1_000_000), ..status(chain) })
        }
        (Play::Boaster, Request::Headers(_)) => Response::Headers(Vec::new()),
        (_, Request::Status(_)) => Response::Status(status(chain)),
        (Play::Confused, _) => Response::Forwarded,
        (_, Request::Headers(locator)) => {
            let Response::Headers(mut headers) = serve::headers(chain, locator).unwrap() else { panic!("no headers") };
            match (play, headers.last_mut()) {
                (Play::Work, Some(last)) => {
                    let target = last.bits.target().unwrap();
                    let missed =
                        |nonce: &u32| !target.is_met_by(&crate::block::Header { nonce: *nonce, ..*last }.hash());
                    last.nonce = (0..).find(missed).unwrap();
                }
                (Play::Unasked, Some(_)) => drop(headers.remove(0)),
                _ => {}
            }
            Response::Headers(headers)
        }
        (_, Request::Light(request)) => Response::Light(light(play, chain, request)),
        (_, Request::Blocks(hashes)) => blocks(play, chain, hashes),
        other => panic!("not asked by a light client: {other:?}"),
    })
}

pub(super) struct World {
    pub light: LightClient<usize>,
    pub peers: Vec<(Play, TestChain)>,
    pub elapsed: Duration,
    /// The clock at the beginning.
    pub start: Timestamp,
    pub events: Vec<Event<usize>>,
    pub blamed: BTreeMap<usize, Fault>,
    /// What peers took.
    pub submitted: Vec<Transaction>,
    /// How many questions of each kind were asked.
    pub asked: BTreeMap<&'static str, usize>,
    random: u64,
}

impl World {
    pub(super) fn new(peers: Vec<(Play, TestChain)>) -> Self {
        World::with(LightClient::new(dev(), Anchor::genesis(dev()), Height(0), keyring(), Limits::default()), peers)
    }

    pub(super) fn with(mut light: LightClient<usize>, peers: Vec<(Play, TestChain)>) -> Self {
        (0..peers.len()).for_each(|peer| light.connected(peer));
        let start = peers.iter().map(|(_, chain)| chain.tip().header.time).max().unwrap_or(dev().genesis_time);
        World {
            light,
            peers,
            elapsed: Duration::ZERO,
            start,
            events: Vec::new(),
            blamed: BTreeMap::new(),
            submitted: Vec::new(),
            asked: BTreeMap::new(),
            random: 1,
        }
    }

    pub(super) fn seeded(mut self, seed: u64) -> Self {
        self.random = seed;
        self
    }

    pub(super) fn now(&self) -> Now {
        let seconds = self.elapsed.as_secs() as u32;
        Now { elapsed: self.elapsed, time: Timestamp(self.start.0 + seconds) }
    }

    pub(super) fn pick(&mut self, n: usize) -> usize {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) as usize % n
    }

    /// Asks, answers in some order, and lets a second pass; over and over.
    pub(super) fn run(&mut self, seconds: usize) {
        for _ in 0..seconds {
            let mut open = self.ask();
            while !open.is_empty() {
                let place = self.pick(open.len());
                let ask = open.swap_remove(place);
                self.answer(ask);
                self.note();
                open.extend(self.ask());
            }
            self.note();
            self.elapsed += Duration::from_secs(1);
        }
    }

    /// Answers so many questions and calls `after` after each.
    pub(super) fn steps(&mut self, questions: usize, mut after: impl FnMut(&mut LightClient<usize>, usize)) {
        let mut open = Vec::new();
        for asked in 0..questions {
            open.extend(self.ask());
            if open.is_empty() {
                self.elapsed += Duration::from_secs(1);
                continue;
            }
            let place = self.pick(open.len());
            self.answer(open.swap_remove(place));
            self.note();
            after(&mut self.light, asked);
        }
        // The rest is never answered.
        for ask in open {
            let now = self.now();
            self.light.on_answer(ask.id, Err(Failure::Gone), now);
        }
        self.note();
    }

    fn ask(&mut self) -> Vec<Ask<usize>> {
        let asks = self.light.next(self.now());
        assert!(asks.iter().all(|ask| !self.blamed.contains_key(&ask.peer)), "who broke the protocol is asked again");
        asks
    }

    fn answer(&mut self, ask: Ask<usize>) {
        let now = self.now();
        if self.blamed.contains_key(&ask.peer) {
            // The connection is closed.
            return self.light.on_answer(ask.id, Err(Failure::Gone), now);
        }
        let (play, chain) = &self.peers[ask.peer];
        let response = match ask.question {
            Question::Request(request) => {
                let kind = match &*request {
                    Request::Status(_) => "status",
                    Request::Headers(_) => "headers",
                    Request::Blocks(_) => "blocks",
                    Request::Light(LightRequest::Filters(_)) => "filters",
                    _ => "other",
                };
                *self.asked.entry(kind).or_default() += 1;
                answer(*play, chain, &request)
            }
            Question::Submit(_) if *play == Play::Silent => None,
            Question::Submit(_) if *play == Play::Refuser => {
                Some(Response::Client(ClientResponse::Refused(Refusal::new("no"))))
            }
            Question::Submit(Payload::Transaction(tx)) => {
                self.submitted.push(*tx);
                Some(Response::Client(ClientResponse::Accepted))
            }
            other => panic!("not asked by a light client: {other:?}"),
        };
        // What travels is bytes.
        let response = response.map(|r| crate::encode::Decode::from_bytes(&r.to_bytes()).unwrap());
        self.light.on_answer(ask.id, response.ok_or(Failure::TimedOut), now);
    }

    pub(super) fn note(&mut self) {
        for event in self.light.take_events() {
            if let Event::Blame { peer, fault } = &event {
                assert_eq!(self.blamed.insert(*peer, fault.clone()), None);
            }
            self.events.push(event);
        }
    }

    /// All peers follow this chain from now on.
    pub(super) fn follow(&mut self, chain: &TestChain) {
        self.peers.iter_mut().for_each(|(_, theirs)| *theirs = chain.clone());
        self.start = self.start.max(chain.tip().header.time);
    }

    /// The whole chain is known and looked through.
    pub(super) fn assert_at(&self, chain: &TestChain) {
        assert_eq!(self.light.headers().tip_hash(), chain.tip_hash());
        assert_eq!(self.light.scanned(), chain.height());
        assert!(!self.light.is_looking_back());
        let last = chain.filter_entry_at(chain.height()).unwrap().unwrap();
        assert_eq!(self.light.filters().header(chain.height()), Some(last.header));
        assert_books(self.light.ledger(), chain, self.light.keyring());
    }
}

/// The books say what a look through all blocks says.
pub(super) fn assert_books(ledger: &Ledger, chain: &TestChain, ring: &Keyring) {
    let (mut coins, mut history) = (BTreeMap::new(), Vec::new());
    for height in 0..=chain.height().0 {
        let block = chain.block_at(Height(height)).unwrap().unwrap().block;
        for tx in &block.transactions {
            let (mut spent, mut received) = (0, 0);
            for input in &tx.inputs {
                spent += coins.remove(&input.previous).map_or(0, |coin: Coin| coin.output.value.0);
            }
            for (index, output) in (0..).zip(&tx.outputs) {
                if ring.owner(&output.script_pubkey).is_some() {
                    received += output.value.0;
                    let coin = Coin { output: output.clone(), height: Height(height), coinbase: tx.is_coinbase() };
                    coins.insert(tx.outpoint(index), coin);
                }
            }
            if spent + received > 0 {
                history.push((tx.txid(), Some(Height(height)), block.header.time, received, spent));
            }
        }
    }
    let found: BTreeMap<OutPoint, Coin> = ledger.coins().map(|(o, c)| (*o, c.clone())).collect();
    assert_eq!(found, coins);
    history.reverse();
    let found = ledger.history().into_iter().filter(|e| e.height.is_some() && (e.spent.0 + e.received.0) > 0);
    let found: Vec<_> = found.map(|e| (e.txid, e.height, e.time, e.received.0, e.spent.0)).collect();
    assert_eq!(found, history);
}
