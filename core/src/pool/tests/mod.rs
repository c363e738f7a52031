//! What the pools take, keep, order and forget.

mod abuse;
mod jobs;
mod limits;
mod offers;
mod properties;
mod transactions;

use super::*;
use crate::block::PowMidstate;
use crate::chain::{Accepted, Chain, ChainBlock, MemoryStore};
use crate::contract::{
    Commitments, SettlementParts, Terms, WalletRules, build_settlement, half_sign, settlement_terms,
};
use crate::job::{AnswerKeys, JobParams, SealedAnswer, fixtures::*};
use crate::script::{sign_p2pkh_inputs, templates};
use crate::transaction::{OutPoint, Transaction, TransactionBuilder, TxOut};
use crate::units::{Amount, Height, Network, Timestamp, TokenId};
use alloc::vec::Vec;

/// A coin of `key("owner")`.
pub(super) type Owned = (OutPoint, Amount);

/// The key `k` of the contracts here.
pub(super) const K: [u8; 32] = [0x42; 32];

/// A chain and a pool that follows it.
pub(super) struct Lab {
    pub chain: Chain<MemoryStore>,
    pub pool: TransactionPool,
    pub now: Timestamp,
    pub blocks: Vec<crate::block::Block>,
}

impl Lab {
    pub fn new(limits: PoolLimits) -> Self {
        let pool = TransactionPool::new(limits, WalletRules::for_network(network()));
        let chain = Chain::open(MemoryStore::new(), network()).unwrap();
        let now = Timestamp(network().genesis_time.0 + 1000);
        let mut lab = Lab { chain, pool, now, blocks: Vec::new() };
        (0..12).for_each(|_| drop(lab.mine([])));
        lab
    }

    pub fn rules(&self) -> WalletRules {
        WalletRules::for_network(network())
    }

    /// The coinbase output of a block.
    pub fn coin(&self, height: u32) -> Owned {
        let coinbase = &self.chain.block_at(Height(height)).unwrap().unwrap().block.transactions[0];
        (coinbase.outpoint(0), coinbase.outputs[0].value)
    }

    pub fn add(&mut self, tx: &Transaction) -> Result<Added, PoolError> {
        self.pool.add(tx.clone(), &self.chain, self.now).map_err(|e| match e {
            AddError::Refused(refused) => refused,
            AddError::Chain(error) => panic!("{error}"),
        })
    }

    /// A block with these transactions; gives what the pool dropped.
    pub fn mine(&mut self, txs: impl IntoIterator<Item = Transaction>) -> Vec<Transaction> {
        self.now.0 += 2;
        let accepted = mine_on(&mut self.chain, txs, self.now);
        self.blocks.push(accepted.connected[0].block.clone());
        self.follow(&accepted)
    }

    /// A longer chain from `depth` blocks below the tip; `txs` are in its first block. Gives what the pool dropped.
    pub fn fork(&mut self, depth: usize, txs: impl IntoIterator<Item = Transaction>) -> Vec<Transaction> {
        self.now.0 += 2;
        self.blocks.truncate(self.blocks.len() - depth);
        let mut side = Chain::open(MemoryStore::new(), network()).unwrap();
        for block in &self.blocks {
            side.accept_block(block.clone(), self.now).unwrap();
        }
        let mut txs: Vec<_> = txs.into_iter().collect();
        let mut dropped = Vec::new();
        for _ in 0..=depth {
            let block = mine_on(&mut side, core::mem::take(&mut txs), self.now).connected[0].block.clone();
            self.blocks.push(block.clone());
            let accepted = self.chain.accept_block(block, self.now).unwrap();
            dropped.extend(self.follow(&accepted));
        }
        assert_eq!(self.chain.tip_hash(), side.tip_hash());
        dropped
    }

    fn follow(&mut self, accepted: &Accepted) -> Vec<Transaction> {
        let (gone, come): (&[ChainBlock], &[ChainBlock]) = (&accepted.disconnected, &accepted.connected);
        self.pool.chain_changed(gone, come, &self.chain, self.now).unwrap()
    }

    /// A settlement of the fixtures' job from these two coins, signed by both, and its terms.
    pub fn settlement(&self, stake: Owned, paying: Owned, valid_until: Height) -> (Transaction, Terms) {
        let params = JobParams { valid_until, client_key: key("client").public_key(), ..params() };
        let keys = AnswerKeys { salt: [1; 32], ephemeral: key("ephemeral"), key: K };
        let sealed = SealedAnswer::new(&[TokenId(4)], &keys, &params.job_key);
        let node = key("owner").public_key();
        let terms = settlement_terms(&params, node, hash_of("reward"), 1, Commitments::from(&sealed), network());
        let parts = SettlementParts {
            terms: &terms,
            stake_coin: stake,
            client_coins: &[paying],
            client_change: hash_of("owner"),
            fee: params.fee,
        };
        let mut tx = build_settlement(&parts, network()).unwrap();
        let spent = [stake, paying].map(|c| output(c.1));
        (0..2).for_each(|i| half_sign(&mut tx, i, &spent, &key("owner"), network()));
        (tx, terms)
    }
}

fn mine_on(chain: &mut Chain<MemoryStore>, txs: impl IntoIterator<Item = Transaction>, now: Timestamp) -> Accepted {
    let template = chain.build_template(templates::p2pkh(hash_of("owner")), txs, now).unwrap();
    assert!(template.left_out.is_empty(), "a block leaves transactions out");
    let mut block = template.block;
    block.header.nonce = PowMidstate::new(&block.header).try_nonces(0..=u32::MAX, &template.target).unwrap();
    chain.accept_block(block, now).unwrap()
}

fn output(value: Amount) -> TxOut {
    TxOut { value, script_pubkey: templates::p2pkh(hash_of("owner")) }
}

/// Spends `coins` into `outputs` equal parts, less `fee`.
pub(super) fn spend(coins: &[Owned], outputs: u64, fee: u64) -> Transaction {
    let all = coins.iter().map(|c| c.1.0).sum::<u64>() - fee;
    let builder = coins.iter().fold(TransactionBuilder::new(), |b, c| b.input(c.0));
    let value = |n: u64| Amount(if n == 0 { all - (outputs - 1) * (all / outputs) } else { all / outputs });
    let builder = (0..outputs).fold(builder, |b, n| b.output(value(n), templates::p2pkh(hash_of("owner"))));
    let mut tx = builder.build();
    let spent: Vec<_> = coins.iter().map(|c| output(c.1)).collect();
    sign_p2pkh_inputs(&mut tx, &spent, [&key("owner")], Network::Dev).unwrap();
    tx
}

/// An output of a transaction, to spend.
pub(super) fn of(tx: &Transaction, index: u32) -> Owned {
    (tx.outpoint(index), tx.outputs[index as usize].value)
}
