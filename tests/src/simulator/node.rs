//! A node: `core`'s chain, pool and sync, and between them what `native-node` does around its sockets.

use super::hostile::Character;
use super::network::Packet;
use super::{Id, check, known};
use camelid_core::block::{Block, NetworkParams, PowMidstate};
use camelid_core::chain::{Chain, MemoryStore, Outcome, TransactionError};
use camelid_core::contract::WalletRules;
use camelid_core::encode::{Decode, Encode};
use camelid_core::hash::{Hash32, Txid};
use camelid_core::keys::SecretKey;
use camelid_core::message::{ChainStatus, Envelope, Payload, Request, Response, peer_address};
use camelid_core::pool::{AddError, PoolError, PoolLimits, TransactionPool};
use camelid_core::script::{sign_p2pkh_inputs, templates};
use camelid_core::sync::{Event, Given, Limits, Now, Sync, serve};
use camelid_core::transaction::{OutPoint, Script, Transaction, TransactionBuilder, TxOut};
use camelid_core::units::{Amount, Network, Timestamp};
use ed25519_dalek::{Signer, SigningKey};
use rand::RngExt;
use rand::rngs::Xoshiro256PlusPlus as Random;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What a node wants done.
#[derive(Clone, Debug)]
pub enum Out {
    /// Send this.
    Send(Id, Packet),
    /// Cut the connection and never make it again.
    Ban(Id, String),
    /// Its best chain changed.
    NewTip,
}

/// Seconds after the genesis block at which the simulation's clock starts.
const START: u32 = 1000;

/// A node in the simulation.
pub struct Node {
    /// Its chain.
    pub chain: Chain<MemoryStore>,
    /// Its pool.
    pub pool: TransactionPool,
    /// Its sync.
    pub sync: Sync<Id>,
    /// What it is like.
    pub character: Character,
    /// Seconds that its clock is ahead.
    skew: i32,
    key: SecretKey,
    signer: SigningKey,
    sequence: u64,
    seen: BTreeSet<Hash32>,
    messages: BTreeMap<Txid, Envelope>,
    out: Vec<Out>,
}

fn params() -> &'static NetworkParams {
    NetworkParams::of(Network::Dev)
}

impl Node {
    /// A node that starts with this store.
    pub fn start(number: Id, store: MemoryStore, character: Character, skew: i32, sequence: u64) -> Self {
        let rules = WalletRules::for_network(params());
        let mut secret = [7; 32];
        secret[..8].copy_from_slice(&(number as u64).to_le_bytes());
        Node {
            chain: Chain::open(store, params()).expect("a store of this network").with_script_runner(known::run_new),
            pool: TransactionPool::new(PoolLimits::default(), rules),
            sync: Sync::new(Limits::default()),
            character,
            skew,
            key: SecretKey::from_bytes(secret).expect("a key"),
            signer: SigningKey::from_bytes(&secret),
            sequence,
            seen: BTreeSet::new(),
            messages: BTreeMap::new(),
            out: Vec::new(),
        }
    }

    /// What is left of it when it stops.
    pub fn stop(self) -> (MemoryStore, u64) {
        (self.chain.into_store(), self.sequence)
    }

    fn now(&self, elapsed: Duration) -> Now {
        let time = params().genesis_time.0 + START + elapsed.as_secs() as u32;
        Now { elapsed, time: Timestamp(time.saturating_add_signed(self.skew)) }
    }

    /// Where its coins are.
    pub fn payee(&self) -> Script {
        templates::p2pkh(self.key.public_key().hash())
    }

    /// What it wants done since it was last asked.
    pub fn take(&mut self) -> Vec<Out> {
        std::mem::take(&mut self.out)
    }

    /// A peer is connected.
    pub fn connected(&mut self, peer: Id, elapsed: Duration) {
        self.sync.connected(peer);
        self.tick(elapsed);
    }

    /// A peer has gone.
    pub fn disconnected(&mut self, peer: Id, elapsed: Duration) {
        self.sync.disconnected(&peer);
        self.tick(elapsed);
    }

    /// Asks what there is to ask.
    pub fn tick(&mut self, elapsed: Duration) {
        let now = self.now(elapsed);
        for (id, peer, ask) in self.sync.next(&self.chain, now).expect("memory") {
            self.out.push(Out::Send(peer, Packet::Request(id, Request::from(ask).to_bytes())));
        }
        let silent: Vec<Id> = self.sync.silent().collect();
        for peer in silent {
            self.ban(peer, "silent".into());
        }
    }

    fn ban(&mut self, peer: Id, reason: String) {
        self.sync.disconnected(&peer);
        self.out.push(Out::Ban(peer, reason));
    }

    /// Something arrived.
    pub fn on_packet(&mut self, from: Id, packet: Packet, elapsed: Duration) {
        match packet {
            Packet::Gossip(bytes) => self.on_gossip(from, &bytes, elapsed),
            Packet::Request(id, bytes) => {
                let Ok(request) = Request::from_bytes(&bytes) else { return self.ban(from, "no request".into()) };
                if let Some(response) = self.answer(from, &request, elapsed) {
                    self.out.push(Out::Send(from, Packet::Response(id, response.to_bytes())));
                }
            }
            Packet::Response(id, bytes) => {
                let Ok(response) = Response::from_bytes(&bytes) else { return self.ban(from, "no answer".into()) };
                let now = self.now(elapsed);
                for event in self.sync.on_answer(id, response, &mut self.chain, now).expect("memory") {
                    self.on_event(event, elapsed);
                }
            }
        }
        self.tick(elapsed);
    }

    fn on_event(&mut self, event: Event<Id>, elapsed: Duration) {
        match event {
            Event::Fault(peer, fault) => self.ban(peer, fault.to_string()),
            Event::Blocks(blocks) => {
                for (peer, block) in blocks {
                    self.on_block(peer, block, Given::Asked, elapsed);
                }
            }
            Event::Pools(peer, envelopes) => {
                for envelope in envelopes {
                    self.on_envelope(peer, envelope, elapsed);
                }
            }
        }
    }

    fn answer(&mut self, from: Id, request: &Request, elapsed: Duration) -> Option<Response> {
        let honest = match request {
            Request::Status(theirs) => {
                if let Some(fault) = self.sync.on_status(from, *theirs, &self.chain) {
                    self.ban(from, fault.to_string());
                }
                Response::Status(ChainStatus {
                    genesis: params().genesis().hash(),
                    tip: self.chain.tip_hash(),
                    height: self.chain.height(),
                    time: self.now(elapsed).time,
                })
            }
            Request::Headers(locator) => serve::headers(&self.chain, locator).expect("memory"),
            Request::Blocks(hashes) => serve::blocks(&self.chain, hashes).expect("memory"),
            Request::Pools => {
                let open = self.messages.iter().filter(|(txid, _)| self.pool.get(txid).is_some());
                Response::Pools(open.map(|(_, envelope)| envelope.clone()).collect())
            }
            _ => Response::Busy,
        };
        self.character.answer(request, honest, params())
    }

    fn on_gossip(&mut self, from: Id, bytes: &[u8], elapsed: Duration) {
        match Envelope::from_bytes(bytes) {
            Ok(envelope) => self.on_envelope(from, envelope, elapsed),
            Err(_) => self.ban(from, "gossip that is no message".into()),
        }
    }

    fn on_envelope(&mut self, from: Id, envelope: Envelope, elapsed: Duration) {
        let id = envelope.id();
        if self.seen.contains(&id) {
            return;
        }
        let Ok(payload) = known::open(&envelope, id) else {
            return self.ban(from, "gossip that is no message".into());
        };
        self.seen.insert(id);
        let good = match payload {
            Payload::Block(block) => self.on_block(from, *block, Given::Unasked, elapsed),
            Payload::Transaction(tx) => self.on_transaction(from, *tx, &envelope, elapsed),
            _ => false,
        };
        if good {
            self.relay(Some(from), &envelope);
        }
    }

    fn relay(&mut self, from: Option<Id>, envelope: &Envelope) {
        let packet = Packet::Gossip(envelope.to_bytes());
        let peers: Vec<Id> = self.sync.peers().filter(|peer| Some(*peer) != from).collect();
        self.out.extend(peers.into_iter().map(|peer| Out::Send(peer, packet.clone())));
    }

    /// Takes a block; says whether to pass it on.
    fn on_block(&mut self, from: Id, block: Block, given: Given, elapsed: Duration) -> bool {
        let (hash, now) = (block.hash(), self.now(elapsed));
        match self.chain.accept_block(block, now.time) {
            Ok(accepted) => {
                if accepted.outcome == Outcome::NewTip {
                    let changed =
                        self.pool.chain_changed(&accepted.disconnected, &accepted.connected, &self.chain, now.time);
                    changed.expect("memory");
                    self.out.push(Out::NewTip);
                }
                if let Outcome::Orphan { .. } = accepted.outcome {
                    self.sync.on_announced(from, hash);
                }
                matches!(accepted.outcome, Outcome::NewTip | Outcome::SideChain)
            }
            Err(error) if given.is_fault(&error) => {
                self.ban(from, format!("block refused: {error}"));
                false
            }
            Err(_) => false,
        }
    }

    fn on_transaction(&mut self, from: Id, tx: Transaction, envelope: &Envelope, elapsed: Duration) -> bool {
        let (txid, time) = (tx.txid(), self.now(elapsed).time);
        match self.pool.add(tx, &self.chain, time) {
            Ok(_) => {
                self.messages.insert(txid, envelope.clone());
                true
            }
            Err(AddError::Refused(PoolError::Invalid(TransactionError::Script { .. }))) => {
                self.ban(from, "a transaction that nobody signed".into());
                false
            }
            Err(_) => false,
        }
    }

    fn envelope(&mut self, payload: &Payload) -> Envelope {
        self.sequence += 1;
        let sender = peer_address(self.signer.verifying_key().as_bytes());
        let mut envelope = Envelope::unsigned(Network::Dev, sender, None, self.sequence, payload);
        envelope.signature = self.signer.sign(&envelope.signing_bytes().0).to_bytes();
        envelope
    }

    fn solve(mut block: Block) -> Block {
        block.header.merkle_root = block.merkle_root();
        let target = block.header.bits.target().expect("the chain's target");
        let nonce = PowMidstate::new(&block.header).try_nonces(0..=u32::MAX, &target);
        block.header.nonce = nonce.expect("a nonce: the network's target is easy");
        block
    }

    /// Finds a block and tells everybody.
    pub fn mine(&mut self, elapsed: Duration) {
        let time = self.now(elapsed).time;
        let template = self.chain.build_template(self.payee(), self.pool.by_fee_rate(), time).expect("memory");
        let mut block = template.block;
        if self.character == Character::Forger {
            block.transactions[0].outputs[0].value = Amount(u64::MAX / 4);
        }
        let block = Self::solve(block);
        let envelope = self.envelope(&Payload::from(block.clone()));
        self.seen.insert(envelope.id());
        // A forger does not believe itself.
        if self.character != Character::Forger {
            self.on_block(usize::MAX, block, Given::Unasked, elapsed);
        }
        self.relay(None, &envelope);
        self.tick(elapsed);
    }

    /// Pays somebody; sometimes twice with the same coin.
    pub fn pay(&mut self, to: &Script, random: &mut Random, elapsed: Duration) {
        let Some((outpoint, spent)) = self.coin(random) else { return };
        let mut pay = |fee: u64, to: &Script| {
            let value = spent.value.0;
            let part = random.random_range(value / 4..value / 2);
            let builder = TransactionBuilder::new().input(outpoint).output(Amount(part), to.clone());
            let mut tx = builder.output(Amount(value - part - fee), self.payee()).build();
            sign_p2pkh_inputs(&mut tx, std::slice::from_ref(&spent), [&self.key], Network::Dev).expect("own coin");
            tx
        };
        let (first, second) = (pay(20_000, to), pay(20_000, &self.payee()));
        let twice = random.random_bool(0.15);
        let envelope = self.envelope(&Payload::from(first.clone()));
        if self.on_transaction(usize::MAX, first, &envelope, elapsed) {
            self.seen.insert(envelope.id());
            self.relay(None, &envelope);
        }
        // The other one to a single neighbour, which relays it on.
        let first = self.sync.peers().next();
        if let Some(peer) = first.filter(|_| twice) {
            let other = self.envelope(&Payload::from(second));
            self.out.push(Out::Send(peer, Packet::Gossip(other.to_bytes())));
        }
    }

    fn coin(&self, random: &mut Random) -> Option<(OutPoint, TxOut)> {
        let (payee, next) = (self.payee(), self.chain.height().next());
        let ripe = |height: u32| height + params().coinbase_maturity <= next.0;
        let coins = self.chain.store().coins().iter().filter(|(outpoint, coin)| {
            coin.output.script_pubkey == payee
                && coin.output.value.0 > 10_000_000
                && (!coin.coinbase || ripe(coin.height.0))
                && self.pool.spender(outpoint).is_none()
        });
        let coins: Vec<_> = coins.take(16).map(|(outpoint, coin)| (*outpoint, coin.output.clone())).collect();
        if coins.is_empty() { None } else { Some(coins[random.random_range(0..coins.len())].clone()) }
    }

    /// What a flooder sends.
    pub fn flood(&mut self, random: &mut Random) {
        let Some((outpoint, coin)) = check::any_coin(&self.chain) else { return };
        let mut stolen =
            TransactionBuilder::new().input(outpoint).output(Amount(coin.value.0 / 2), self.payee()).build();
        let _ = sign_p2pkh_inputs(&mut stolen, std::slice::from_ref(&coin), [&self.key], Network::Dev);
        stolen.inputs[0].script_sig = Script(vec![1, random.random(), 1, random.random()]);
        let mut orphan = params().genesis();
        orphan.header.previous.0 = random.random();
        orphan.header.time = Timestamp(params().genesis_time.0 + START);
        let payload = match random.random_range(0..3) {
            0 => Payload::from(stolen),
            1 => Payload::from(Self::solve(orphan)),
            _ => {
                let noise: Vec<u8> = (0..random.random_range(1..400)).map(|_| random.random()).collect();
                let peers: Vec<Id> = self.sync.peers().collect();
                self.out.extend(peers.into_iter().map(|peer| Out::Send(peer, Packet::Gossip(noise.clone()))));
                return;
            }
        };
        let envelope = self.envelope(&payload);
        self.relay(None, &envelope);
    }
}
