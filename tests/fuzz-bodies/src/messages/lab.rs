//! A node's chain and pools, and what it does with what arrives: as `native-node/src/node/messages.rs`, without a network.

use crate::Choices;
use crate::world::{BASE, LATE, PEOPLE, TestChain, grown, next_block, params};
use camelid_core::block::Block;
use camelid_core::chain::{Accepted, ChainBlock, ChainError};
use camelid_core::contract::WalletRules;
use camelid_core::deal::Facts;
use camelid_core::job::JobStatus;
use camelid_core::message::Payload;
use camelid_core::pool::{AddError, JobPool, PoolLimits, ServiceBook, TransactionPool};
use camelid_core::transaction::{Coin, OutPoint, Transaction};
use camelid_core::units::{Height, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// Small enough to be reached.
const LIMITS: PoolLimits = PoolLimits {
    max_bytes: 6_000,
    max_transaction_bytes: 2_000,
    min_fee_rate: 1_000,
    expiry_seconds: 3_600,
    max_ancestors: 5,
    max_descendants: 5,
    max_replaced: 8,
};

pub(super) struct Lab {
    pub chain: TestChain,
    pub pool: TransactionPool,
    pub jobs: JobPool,
    pub book: ServiceBook,
    pub rules: WalletRules,
    pub now: Timestamp,
    /// Messages so far.
    pub said: Vec<Payload>,
    /// Transactions that were in the pool at some time: settlements and contracts are found here.
    pub seen: Vec<Transaction>,
}

impl Lab {
    pub fn new() -> Self {
        let rules = WalletRules::for_network(params());
        let chain = grown()[BASE as usize].clone();
        let now = Timestamp(chain.tip().header.time.0 + 1);
        let pool = TransactionPool::new(LIMITS, rules);
        let (jobs, book) = (JobPool::default(), ServiceBook::default());
        Lab { chain, pool, jobs, book, rules, now, said: Vec::new(), seen: Vec::new() }
    }

    pub fn facts<'a>(&self, rules: &'a WalletRules) -> Facts<'a> {
        Facts { network: params(), rules, tip: self.chain.height(), tip_hash: self.chain.tip_hash(), now: self.now }
    }

    /// An unspent output of the chain that no loose transaction spends.
    pub fn free_coin(&self, outpoint: &OutPoint) -> Option<Coin> {
        let coin = self.chain.coin(outpoint).expect("memory does not fail")?;
        self.pool.spender(outpoint).is_none().then_some(coin)
    }

    /// What arrives.
    pub fn take(&mut self, payload: &Option<Payload>) {
        let Some(payload) = payload else { return };
        if self.said.len() < 100 {
            self.said.push(payload.clone());
        }
        let rules = self.rules;
        let facts = self.facts(&rules);
        match payload {
            Payload::Block(block) => self.accept((**block).clone()),
            Payload::Transaction(tx) => self.add(tx),
            Payload::ServiceOffer(offer) => {
                let coin = self.free_coin(&offer.body.stake_coin);
                let _ = self.book.add((**offer).clone(), coin.as_ref(), params().network, self.now);
            }
            Payload::JobCreate(create) => {
                let (chain, pool) = (&self.chain, &self.pool);
                let coin = |o: &OutPoint| chain.coin(o).ok().flatten().filter(|_| pool.spender(o).is_none());
                let _ = self.jobs.add_create((**create).clone(), &coin, &facts);
            }
            Payload::JobAccept(accept) => {
                let coin = self.free_coin(&accept.body.stake_coin);
                let _ = self.jobs.add_accept((**accept).clone(), coin.as_ref(), &facts);
            }
            Payload::Testament(testament) => {
                let _ = self.jobs.add_testament((**testament).clone(), &facts);
            }
            _ => {}
        }
    }

    fn add(&mut self, tx: &Transaction) {
        let before: BTreeSet<_> = self.pool.entries().map(|(t, _)| *t).collect();
        match self.pool.add(tx.clone(), &self.chain, self.now) {
            Ok(added) => {
                let after: BTreeSet<_> = self.pool.entries().map(|(t, _)| *t).collect();
                let gone: BTreeSet<_> = added.replaced.iter().map(Transaction::txid).collect();
                assert!(gone.iter().all(|t| before.contains(t) && !after.contains(t)));
                assert_eq!(after.len(), before.len() + 1 - gone.len());
                assert!(after.contains(&tx.txid()));
                self.seen.push(tx.clone());
                let rules = self.rules;
                self.jobs.on_transaction(tx, &self.facts(&rules));
            }
            Err(AddError::Chain(error)) => panic!("{error}"),
            Err(AddError::Refused(_)) => {
                let after: BTreeSet<_> = self.pool.entries().map(|(t, _)| *t).collect();
                assert_eq!(after, before, "a refused transaction changes nothing");
            }
        }
    }

    pub fn accept(&mut self, block: Block) {
        match self.chain.accept_block(block, self.now) {
            Ok(accepted) => self.follow(&accepted),
            Err(error @ (ChainError::Store(_) | ChainError::Damaged { .. })) => panic!("{error}"),
            Err(_) => {}
        }
    }

    fn follow(&mut self, accepted: &Accepted) {
        let rules = self.rules;
        let facts = self.facts(&rules);
        let (gone, come): (&[ChainBlock], &[ChainBlock]) = (&accepted.disconnected, &accepted.connected);
        for tx in come.iter().flat_map(|b| &b.block.transactions) {
            self.jobs.on_transaction(tx, &facts);
        }
        self.pool.chain_changed(gone, come, &self.chain, self.now).expect("memory does not fail");
    }

    /// A block of all that waits.
    pub fn mine(&mut self, choices: &mut Choices<'_>) {
        self.now.0 += params().block_interval;
        let waiting = self.pool.by_fee_rate();
        assert_eq!(waiting.len(), self.pool.len());
        let (block, left_out) = next_block(&self.chain, choices.below(PEOPLE), waiting, self.now);
        assert!(left_out.is_empty(), "the pool holds what the next block cannot take: {left_out:?}");
        let height = self.chain.height();
        self.accept(block);
        assert_eq!(self.chain.height(), height.next(), "our own block is valid");
        assert!(self.pool.is_empty());
    }

    /// A chain that is longer by one, from some blocks below the tip; with some of what those blocks held.
    pub fn fork(&mut self, choices: &mut Choices<'_>) {
        let depth = choices.below(3) as u32 + 1;
        let from = self.chain.height().0.saturating_sub(depth);
        let block_at =
            |height| self.chain.block_at(Height(height)).expect("memory does not fail").expect("below the tip").block;
        let mut side = grown()[from.min(BASE) as usize].clone();
        for height in BASE + 1..=from {
            side.accept_block(block_at(height), LATE).expect("it was valid here");
        }
        let mut txs: Vec<Transaction> = (from + 1..=from + depth)
            .flat_map(|height| block_at(height).transactions)
            .filter(|tx| !tx.is_coinbase() && choices.below(2) == 0)
            .collect();
        let mut blocks = Vec::new();
        for _ in 0..=depth {
            self.now.0 += 1;
            let (block, _) = next_block(&side, choices.below(PEOPLE), core::mem::take(&mut txs), self.now);
            side.accept_block(block.clone(), LATE).expect("a template makes a valid block");
            blocks.push(block);
        }
        for block in blocks {
            self.accept(block);
        }
    }

    pub fn wait(&mut self, choices: &mut Choices<'_>) {
        self.now.0 += [1, 20, 61, 120, 601, 4_000][choices.below(6)];
        let rules = self.rules;
        self.jobs.expire(&self.facts(&rules));
        self.book.expire(self.now);
    }

    pub fn check(&self) {
        self.check_pool();
        self.check_jobs();
        let keys: BTreeSet<_> = self.book.all().map(|o| o.body.node_key).collect();
        assert_eq!(keys.len(), self.book.all().count(), "one offer a key");
    }

    fn check_pool(&self) {
        let entries: Vec<_> = self.pool.entries().collect();
        assert!(entries.iter().map(|(_, e)| e.size).sum::<usize>() <= LIMITS.max_bytes, "the pool is too large");
        let mut spent = BTreeSet::new();
        for (txid, entry) in &entries {
            assert_eq!((**txid, entry.size), (entry.transaction.txid(), entry.transaction.size()));
            assert!(entry.fee_rate() >= LIMITS.min_fee_rate);
            for input in &entry.transaction.inputs {
                assert!(spent.insert(input.previous), "two of the pool spend {}", input.previous);
                assert_eq!(self.pool.spender(&input.previous), Some(*txid));
                let in_pool = self.pool.get(&input.previous.txid).is_some();
                let in_chain = self.chain.coin(&input.previous).expect("memory does not fail").is_some();
                assert!(in_pool != in_chain, "what it spends is there, once");
            }
        }
        // Each after those that it stands on, and all of them valid.
        let order = self.pool.by_fee_rate();
        assert_eq!(order.len(), entries.len());
        let (_, left_out) = next_block(&self.chain, 0, order, self.now);
        assert!(left_out.is_empty(), "the pool holds what the next block cannot take: {left_out:?}");
    }

    fn check_jobs(&self) {
        let mut bound: BTreeMap<OutPoint, _> = BTreeMap::new();
        for (id, record) in self.jobs.jobs() {
            assert_eq!(record.create.id(params().network), *id);
            assert!(record.create.check(params()).is_ok());
            let (accepted, stated) = (record.accept.is_some(), record.testament.is_some());
            match record.status {
                JobStatus::Created => assert!(!accepted && !stated),
                JobStatus::Accepted => assert!(accepted && !stated),
                JobStatus::Completed => assert!(accepted && stated),
                _ => assert!(!stated || accepted),
            }
            if !record.status.is_final() {
                let coins = record.create.coins.iter().map(|c| c.outpoint);
                let stake = record.accept.as_ref().map(|(a, _)| a.body.stake_coin);
                for coin in coins.chain(stake) {
                    assert_eq!(bound.insert(coin, id), None, "two live jobs share coin {coin}");
                }
            }
        }
    }
}
