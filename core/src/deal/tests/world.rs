//! One chain, one pool, one client, one compute node, and time: everything real but the sockets and the model.

use super::plays::{Bribe, ClientPlay, Fill, Game, NodePlay, Party, Random};
use crate::block::{Block, NetworkParams, PowMidstate};
use crate::chain::{Accepted, Chain, MemoryStore};
use crate::contract::{WalletRules, settled_in_block};
use crate::deal::{Action, ClientDeal, ClientKeys, ComputeDeal, DealVerdict, Facts, Position, VerifyMode, WrongToken};
use crate::encode::{Decode, Encode};
use crate::hash::{JobId, Txid};
use crate::job::fixtures::*;
use crate::job::{JobAccept, JobCreate, JobParams, JobStatus, Signed};
use crate::keys::SecretKey;
use crate::message::{Ciphertext, Payload};
use crate::pool::{AddError, PoolError, PoolLimits, TransactionPool};
use crate::script::{sign_p2pkh_inputs, templates};
use crate::transaction::{OutPoint, Transaction, TransactionBuilder, TxOut};
use crate::units::{Amount, Height, Network, Timestamp, TokenId};
use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;
use std::sync::OnceLock;

pub(super) type TestChain = Chain<MemoryStore>;

/// What the model says to the prompt of the fixtures.
pub(super) const ANSWER: [TokenId; 4] = [TokenId(11), TokenId(12), TokenId(13), TokenId(2)];
/// How far ahead the games' valid-until height lies: short, so that dead settlements are soon dead.
const LIFETIME: u32 = 32;
/// No game lasts longer, in blocks.
const MOST_BLOCKS: u32 = 110;

pub(super) struct Keys {
    pub client: SecretKey,
    pub job: SecretKey,
    pub coins: [SecretKey; 1],
    pub node: SecretKey,
}

/// What waits to arrive.
enum Mail {
    ToClient(Payload),
    ToNode(Payload),
    Verified(DealVerdict),
    Computed,
}

pub(super) struct World {
    pub chain: TestChain,
    /// The best chain's blocks since the start, the oldest first.
    past: Vec<Block>,
    pub pool: TransactionPool,
    pub rules: WalletRules,
    pub now: Timestamp,
    pub keys: Keys,
    pub game: Game,
    pub client: ClientDeal,
    pub node: Option<ComputeDeal>,
    mail: Vec<Mail>,
    random: Random,
    blocks: u32,
    /// Who first published a waiting transaction, and after how many blocks.
    published: BTreeMap<Txid, (Party, u32)>,
    /// Transactions that the miner puts into the next block although the pool does not have them.
    pub bribes: Vec<Transaction>,
    /// Where a coin of the deal was spent by another transaction than its settlement.
    spent_elsewhere: Option<Height>,
    /// What both had at the start.
    pub had: (Amount, Amount),
    pub stake_coin: OutPoint,
    pub paying_coin: OutPoint,
}

fn solve(mut block: Block) -> Block {
    let target = block.header.bits.target().unwrap();
    block.header.nonce = PowMidstate::new(&block.header).try_nonces(0..=u32::MAX, &target).unwrap();
    block
}

pub(super) fn mine(chain: &mut TestChain, to: &str, txs: Vec<Transaction>, now: Timestamp) -> (Block, Accepted) {
    let template = chain.build_template(templates::p2pkh(hash_of(to)), txs, now).unwrap();
    let block = solve(template.block);
    let accepted = chain.accept_block(block.clone(), now).unwrap();
    (block, accepted)
}

/// A chain on which client and node have a coin each, old enough, made of so many coinbases.
fn funded(coinbases: usize) -> (TestChain, Timestamp) {
    let mut chain = Chain::open(MemoryStore::new(), network()).unwrap();
    let mut now = Timestamp(network().genesis_time.0 + 1000);
    let owners = [COIN_KEY, NODE_KEY].map(|k| vec![k; coinbases]).concat();
    for to in owners.into_iter().chain([MINER; 8]) {
        now.0 += network().block_interval;
        mine(&mut chain, to, Vec::new(), now);
    }
    let together = |of: &str, first: usize| {
        let coins = (first..first + coinbases).map(|h| coinbase_at(&chain, h as u32)).collect::<Vec<_>>();
        let value = coins.iter().map(|c| c.1).sum::<Amount>().saturating_sub(Amount(10_000));
        let script = templates::p2pkh(hash_of(of));
        let spent: Vec<_> = coins.iter().map(|c| TxOut { value: c.1, script_pubkey: script.clone() }).collect();
        let builder = TransactionBuilder::new().output(value, script);
        let mut tx = coins.iter().fold(builder, |b, c| b.input(c.0)).build();
        sign_p2pkh_inputs(&mut tx, &spent, [&key(of)], Network::Dev).unwrap();
        tx
    };
    let txs = vec![together(COIN_KEY, 1), together(NODE_KEY, 1 + coinbases)];
    for txs in [txs, Vec::new(), Vec::new()] {
        now.0 += network().block_interval;
        mine(&mut chain, MINER, txs, now);
    }
    (chain, now)
}

fn start(rich: bool) -> (TestChain, Timestamp) {
    static USUAL: OnceLock<(TestChain, Timestamp)> = OnceLock::new();
    static RICH: OnceLock<(TestChain, Timestamp)> = OnceLock::new();
    if rich { RICH.get_or_init(|| funded(4)).clone() } else { USUAL.get_or_init(|| funded(1)).clone() }
}

const COIN_KEY: &str = "coin";
const NODE_KEY: &str = "node";
const MINER: &str = "miner";

fn first_output(chain: &TestChain, height: u32, index: usize) -> (OutPoint, Amount) {
    let tx = &chain.block_at(Height(height)).unwrap().unwrap().block.transactions[index];
    (tx.outpoint(0), tx.outputs[0].value)
}

fn coinbase_at(chain: &TestChain, height: u32) -> (OutPoint, Amount) {
    first_output(chain, height, 0)
}

impl World {
    pub fn new(game: Game) -> Self {
        let (chain, now) = start(game.rich);
        let rules = WalletRules::for_network(network());
        let keys = Keys { client: key("client"), job: key("job"), coins: [key("coin")], node: key("node") };
        let last = chain.height().0 - 2;
        let [(paying_coin, paying), (stake_coin, staked)] = [1, 2].map(|index| first_output(&chain, last, index));
        let mut params = JobParams { valid_until: chain.height().plus(LIFETIME), timestamp: now, ..params() };
        if game.rich {
            (params.reward, params.stake) = (Amount::from_coins(70), Amount::from_coins(80));
        }
        let settled = params.reward.checked_add(params.stake).unwrap();
        params.periods = rules.periods_for(settled, network().subsidy);
        let create =
            JobCreate::sign(params, hash_of("change"), &[(paying_coin, &keys.coins[0])], &keys.client, Network::Dev);
        create.check(network()).unwrap();
        let facts = Facts { network: network(), rules: &rules, tip: chain.height(), tip_hash: chain.tip_hash(), now };
        let client = ClientDeal::new(create, private(), vec![paying], 0, VerifyMode::Full, &facts);
        World {
            pool: TransactionPool::new(PoolLimits::default(), rules),
            random: Random::new(game.seed),
            past: Vec::new(),
            node: None,
            mail: Vec::new(),
            blocks: 0,
            published: BTreeMap::new(),
            bribes: Vec::new(),
            spent_elsewhere: None,
            had: (paying, staked),
            chain,
            rules,
            now,
            keys,
            game,
            client,
            stake_coin,
            paying_coin,
        }
    }

    pub fn facts<'a>(&self, rules: &'a WalletRules) -> Facts<'a> {
        let (tip, tip_hash) = (self.chain.height(), self.chain.tip_hash());
        Facts { network: network(), rules, tip, tip_hash, now: self.now }
    }

    pub fn job_id(&self) -> JobId {
        self.client.create.id(Network::Dev)
    }

    /// Plays until both deals are over. Fails if that takes too long.
    pub fn play(mut self) -> Self {
        while !(self.client.is_over() && self.node.as_ref().is_none_or(ComputeDeal::is_over)) {
            assert!(self.blocks < MOST_BLOCKS, "no end after {MOST_BLOCKS} blocks");
            self.tick();
        }
        self
    }

    /// A second passes.
    fn tick(&mut self) {
        self.now.0 += 1;
        for mail in core::mem::take(&mut self.mail) {
            if self.random.one_in(self.game.lost_mail) && matches!(mail, Mail::ToClient(_) | Mail::ToNode(_)) {
                continue;
            }
            self.arrive(mail);
        }
        self.step();
        if self.now.0.is_multiple_of(network().block_interval) {
            self.next_block();
            self.step();
        }
    }

    fn arrive(&mut self, mail: Mail) {
        let rules = self.rules;
        let facts = self.facts(&rules);
        let keys = ClientKeys { client: &self.keys.client, job: &self.keys.job, coins: &self.keys.coins };
        // What does not fit is refused and changes nothing: the deals say so by an error.
        let _ = match mail {
            Mail::ToClient(Payload::JobAccept(m)) => {
                let coin = self.chain.coin(&m.body.stake_coin).unwrap();
                self.client.on_accept(&m, coin.as_ref(), &facts)
            }
            Mail::ToClient(Payload::Testament(m)) => self.client.on_testament(&m, &facts),
            Mail::ToClient(Payload::Ciphertext(m)) => self.client.on_ciphertext(&m.bytes),
            Mail::ToClient(Payload::JobDelivery(m)) => self.client.on_delivery(&m, &keys, &facts),
            Mail::ToNode(Payload::JobCreate(m)) if self.node.is_none() => {
                self.accept(*m, &facts);
                Ok(())
            }
            Mail::ToNode(payload) => {
                let Some(node) = &mut self.node else { return };
                match payload {
                    Payload::JobAssign(m) => node.on_assign(&m, &self.keys.node, &facts),
                    Payload::JobClose(m) => node.on_close(&m, &self.keys.node, &facts),
                    Payload::CiphertextRequest(m) => {
                        if let (Some(bytes), true) = (node.ciphertext(), self.game.node.serves_ciphertext()) {
                            let answer = Ciphertext { job_id: m.job_id, bytes: bytes.to_vec() };
                            self.mail.push(Mail::ToClient(answer.into()));
                        }
                        Ok(())
                    }
                    _ => Ok(()),
                }
            }
            Mail::Verified(verdict) => {
                self.client.on_verified(verdict, &facts);
                Ok(())
            }
            Mail::Computed => {
                let Some(node) = &mut self.node else { return };
                self.game.node.compute(node, &self.keys.node, &facts)
            }
            Mail::ToClient(_) => Ok(()),
        };
    }

    /// The node binds its stake coin to the job.
    fn accept(&mut self, create: JobCreate, facts: &Facts<'_>) {
        let settled = create.params.reward.checked_add(create.params.stake).unwrap();
        assert!(self.rules.are_enough(&create.params.periods, settled, network().subsidy));
        let accept = JobAccept {
            job_id: create.id(Network::Dev),
            node_peer: peer("node"),
            node_key: self.keys.node.public_key(),
            stake_coin: self.stake_coin,
            block: facts.tip_hash,
        };
        let accept = Signed::sign(accept, &self.keys.node, Network::Dev);
        let deal = ComputeDeal::new(create, vec![self.had.0], accept, self.had.1, hash_of("reward"), facts);
        self.node = Some(deal);
    }

    /// Both deals say what they do next, and do it as far as their play lets them.
    fn step(&mut self) {
        let rules = self.rules;
        let facts = self.facts(&rules);
        if self.spent_elsewhere.is_some_and(|at| facts.tip.since(at) > rules.release_depth) {
            self.client.on_coin_spent_elsewhere();
            self.node.iter_mut().for_each(ComputeDeal::on_coin_spent_elsewhere);
        }
        let keys = ClientKeys { client: &self.keys.client, job: &self.keys.job, coins: &self.keys.coins };
        let actions = self.client.step(&keys, &facts);
        // "The wallet for its part sends neither close nor challenge nor any sign of its verdict before burial."
        if actions.iter().any(|a| matches!(a, Action::Send(_, Payload::JobClose(_)))) {
            let position = self.client.track.position(facts.tip, &rules, facts.network);
            assert!(matches!(position, Position::In { buried: true, .. }), "close sent from {position:?}");
        }
        if self.game.restarts {
            self.client = restart(&self.client);
            self.client.resume();
        }
        for action in actions.into_iter().chain(ClientPlay::extra(self, &facts)) {
            let Some(action) = ClientPlay::filter(self, action, &facts) else { continue };
            match action {
                Action::Broadcast(p) | Action::Send(_, p) => self.mail.push(Mail::ToNode(p)),
                Action::Publish(tx) => self.publish(*tx, Party::Client),
                Action::Verify { prompt, answer } => {
                    assert_eq!(prompt, private().token_ids);
                    self.mail.push(Mail::Verified(check(&answer)));
                }
                Action::Compute => panic!("a client does not compute"),
            }
        }
        let Some(mut node) = self.node.take() else { return };
        let actions = node.step(&self.keys.node, &facts);
        if self.game.restarts {
            node = restart(&node);
            node.resume();
        }
        self.node = Some(node);
        for action in actions {
            let Some(action) = NodePlay::filter(self, action, &facts) else { continue };
            match action {
                Action::Broadcast(p) | Action::Send(_, p) => self.mail.push(Mail::ToClient(p)),
                Action::Publish(tx) => self.publish(*tx, Party::Node),
                Action::Compute => self.mail.push(Mail::Computed),
                Action::Verify { .. } => panic!("a node does not verify"),
            }
        }
    }

    /// Puts a transaction into the pool; both owners see what is there.
    pub fn publish(&mut self, tx: Transaction, by: Party) {
        let rules = self.rules;
        let facts = self.facts(&rules);
        match self.pool.add(tx.clone(), &self.chain, self.now) {
            Ok(_) => {
                self.published.entry(tx.txid()).or_insert((by, self.blocks));
                if let Some(node) = &mut self.node {
                    node.on_transaction(&tx, &facts);
                    node.released = self.game.releases_early && node.settlement.is_some();
                }
            }
            Err(AddError::Refused(PoolError::AlreadyKnown)) => {}
            Err(AddError::Refused(_)) => {
                let closes = self.node.as_mut().filter(|n| n.close.as_ref().is_some_and(|c| c.txid() == tx.txid()));
                closes.into_iter().for_each(ComputeDeal::on_close_refused);
            }
            Err(AddError::Chain(error)) => panic!("{error}"),
        }
    }

    /// Time for a block: the next one, or a longer fork.
    fn next_block(&mut self) {
        self.blocks += 1;
        let fork = match ClientPlay::fork(self) {
            Some(fork) => Some(fork),
            None => self.game.forks.iter().find(|f| f.0 == self.blocks).map(|f| (f.1, f.2)),
        };
        match fork {
            Some((depth, fill)) if self.past.len() >= depth => self.fork(depth, fill),
            _ => {
                let (block, accepted) = self.mine_on_tip();
                self.past.push(block);
                self.follow(&accepted);
            }
        }
    }

    fn mine_on_tip(&mut self) -> (Block, Accepted) {
        let mut txs = Bribe::take(self);
        let bribed = !txs.is_empty();
        let kept_back: Vec<_> = self
            .pool
            .by_fee_rate()
            .iter()
            .map(Transaction::txid)
            .filter(|t| {
                let (party, since) = self.published.get(t).copied().unwrap_or((Party::Client, 0));
                self.game.censored == Some(party) && self.blocks - since <= 2
            })
            .collect();
        txs.extend(self.pool.by_fee_rate().into_iter().filter(|tx| !kept_back.contains(&tx.txid())));
        let script = templates::p2pkh(hash_of(MINER));
        let template = self.chain.build_template(script, txs, self.now).unwrap();
        let clean = !bribed && kept_back.is_empty();
        assert!(!clean || template.left_out.is_empty(), "the pool holds what the next block cannot take");
        let block = solve(template.block);
        let accepted = self.chain.accept_block(block.clone(), self.now).unwrap();
        (block, accepted)
    }

    /// Another miner found a longer chain that starts `depth` blocks below the tip.
    fn fork(&mut self, depth: usize, fill: Fill) {
        let keep = self.past.len() - depth;
        self.past.truncate(keep);
        let mut side = start(self.game.rich).0;
        for block in &self.past {
            side.accept_block(block.clone(), self.now).unwrap();
        }
        let mut blocks = Vec::new();
        for n in 0..=depth {
            let mut txs = Vec::new();
            if n == 0 && fill == Fill::Conflict {
                txs.push(ClientPlay::double_spend(self));
            }
            if fill == Fill::Same {
                for height in side.height().0 + 1..=self.chain.height().0 {
                    txs.extend(self.chain.block_at(Height(height)).unwrap().unwrap().block.transactions.split_off(1));
                }
                txs.extend(self.pool.by_fee_rate());
            }
            blocks.push(mine(&mut side, MINER, txs, self.now).0);
        }
        self.past.extend(blocks.iter().cloned());
        for block in blocks {
            let accepted = self.chain.accept_block(block, self.now).unwrap();
            self.follow(&accepted);
        }
        assert_eq!(self.chain.tip_hash(), side.tip_hash(), "the longer chain counts");
    }

    /// Tells deals and pool what the chain did.
    fn follow(&mut self, accepted: &Accepted) {
        let rules = self.rules;
        let facts = self.facts(&rules);
        if let Some(lowest) = accepted.disconnected.last() {
            self.client.track.disconnected_from(lowest.height);
            self.node.iter_mut().for_each(|n| n.track.disconnected_from(lowest.height));
            self.spent_elsewhere = self.spent_elsewhere.filter(|at| *at < lowest.height);
        }
        let id = self.job_id();
        for block in &accepted.connected {
            let settled = settled_in_block(&block.block);
            for tx in &block.block.transactions {
                let coins = [self.paying_coin, self.stake_coin];
                if tx.job_id == id {
                    if let Some(settlement) = self.client.settlement_id() {
                        self.client.track.connected(&settlement, tx, block.height, settled);
                    }
                    if let Some(node) = &mut self.node {
                        node.on_transaction(tx, &facts);
                        if let Some(settlement) = node.settlement_id() {
                            node.track.connected(&settlement, tx, block.height, settled);
                        }
                    }
                } else if tx.inputs.iter().any(|i| coins.contains(&i.previous)) {
                    self.spent_elsewhere = Some(block.height);
                }
            }
        }
        self.pool.chain_changed(&accepted.disconnected, &accepted.connected, &self.chain, self.now).unwrap();
    }

    /// The money that pays to some keys.
    pub fn owned(&self, names: &[&str]) -> Amount {
        let scripts: Vec<_> = names.iter().map(|n| templates::p2pkh(hash_of(n))).collect();
        let coins = self.chain.store().coins().values();
        coins.filter(|c| scripts.contains(&c.output.script_pubkey)).map(|c| c.output.value).sum()
    }

    /// Where the client's deal sees the money.
    pub fn position(&self) -> Position {
        self.client.track.position(self.chain.height(), &self.rules, network())
    }

    /// The client's statuses, in order.
    pub fn statuses(&self) -> Vec<JobStatus> {
        self.client.timeline.entries().iter().map(|e| e.status).collect()
    }

    pub fn network(&self) -> &'static NetworkParams {
        network()
    }
}

/// What a process that stops and starts again knows: what it saved.
fn restart<T: Encode + Decode>(deal: &T) -> T {
    let bytes = deal.to_bytes();
    let back = T::from_bytes(&bytes).unwrap();
    assert_eq!(back.to_bytes(), bytes);
    back
}

/// Compares with what the model says.
fn check(answer: &[TokenId]) -> DealVerdict {
    let differs = (0..).zip(ANSWER.iter().zip(answer)).filter(|(_, (expected, found))| expected != found);
    let wrong = differs.map(|(position, (e, f))| WrongToken { position, found: *f, expected: *e }).collect();
    let problem = if answer.len() == ANSWER.len() { "" } else { "stopped early" };
    DealVerdict { checked: answer.len() as u32, wrong, problem: problem.into(), verify_ms: 1, engine: "test".into() }
}
