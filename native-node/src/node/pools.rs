//! The pools across restarts: what waits is saved at intervals and at the end, and comes back through the checks that it
//! would have if it came from the network. Transactions that this node made itself are in the journal, each before its sender
//! is told of it, and are offered again until they are mined.

use super::journal::Shelf;
use super::messages::About;
use super::pool_file::{self, Item, Waiting};
use super::{Node, NodeError};
use crate::durable;
use camelid_core::encode::{Decode, Encode};
use camelid_core::hash::{Hash32, sha256};
use camelid_core::message::{Envelope, Payload};
use camelid_core::pool::{AddError, PoolError};
use camelid_core::transaction::Transaction;
use camelid_core::units::Timestamp;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// How often the pools are saved: what a crash may cost of what others sent.
const SAVE_EVERY: Duration = Duration::from_secs(60);
/// How often our own transactions are said again while they are not mined.
const OFFER_EVERY: Duration = Duration::from_secs(600);
/// Bytes of job messages that are saved at most.
const JOB_BYTES: usize = 8_000_000;
/// Blocks on top of one of our own transactions before we stop keeping it for ourselves.
const FORGET_DEPTH: u32 = 100;

/// When the pools were saved, and what.
#[derive(Debug)]
pub(super) struct Keeper {
    last: Instant,
    offered: Instant,
    /// The hash of what is on disk.
    saved: Option<Hash32>,
    writing: Option<JoinHandle<()>>,
}

impl Keeper {
    pub(super) fn new() -> Self {
        Keeper { last: Instant::now(), offered: Instant::now(), saved: None, writing: None }
    }
}

impl Node {
    /// Does what is due. The disk is waited for elsewhere.
    pub(super) fn keep_pools(&mut self) -> Result<(), NodeError> {
        if self.pool_keeper.offered.elapsed() >= OFFER_EVERY {
            self.pool_keeper.offered = Instant::now();
            self.load_own_transactions()?;
        }
        let busy = self.pool_keeper.writing.as_ref().is_some_and(|task| !task.is_finished());
        if self.pool_keeper.last.elapsed() < SAVE_EVERY || busy {
            return Ok(());
        }
        self.pool_keeper.last = Instant::now();
        if let Some(bytes) = self.unsaved_pools() {
            let path = self.config.data_dir.pools();
            self.pool_keeper.writing = Some(tokio::task::spawn_blocking(move || write(&path, &bytes)));
        }
        Ok(())
    }

    /// Saves the pools, to the end.
    pub(super) async fn save_pools_for_good(&mut self) {
        if let Some(writing) = self.pool_keeper.writing.take() {
            let _ = writing.await;
        }
        if let Some(bytes) = self.unsaved_pools() {
            let path = self.config.data_dir.pools();
            let _ = tokio::task::spawn_blocking(move || write(&path, &bytes)).await;
        }
    }

    /// The pools' file as it should be, unless it is so already.
    fn unsaved_pools(&mut self) -> Option<Vec<u8>> {
        let bytes = pool_file::to_bytes(self.params.network, &self.waiting());
        let hash = sha256(&bytes);
        (self.pool_keeper.saved.replace(hash) != Some(hash)).then_some(bytes)
    }

    /// What waits, in the order in which it can be taken again: offers of service, jobs and what follows from them, then
    /// transactions as they came.
    fn waiting(&self) -> Vec<Item> {
        let of_jobs = |about: &About| match about {
            About::Transaction(_) => false,
            // A job whose coins are spent in the chain could not come again.
            About::Job(id, _) => self.jobs.get(id).is_some_and(|record| {
                record.create.coins.iter().all(|c| matches!(self.chain.coin(&c.outpoint), Ok(Some(_))))
            }),
            About::Service(peer) => self.services.all().any(|o| o.body.node_peer == *peer),
        };
        let mut messages: Vec<_> =
            self.pool_messages.iter().filter(|(about, _)| of_jobs(about)).map(|(_, kept)| kept).collect();
        messages.sort_by_key(|kept| (kept.envelope.kind, kept.arrived, kept.envelope.sequence));
        let mut room = JOB_BYTES;
        let mut items = Vec::new();
        for kept in messages {
            let Some(left) = room.checked_sub(kept.envelope.payload.len() + 256) else { break };
            room = left;
            items.push(Item { arrived: kept.arrived, what: Waiting::Message(kept.envelope.clone()) });
        }
        for entry in self.pool.by_arrival() {
            let tx = &entry.transaction;
            let kept = self.pool_messages.get(&About::Transaction(tx.txid()));
            // Another witness may have come under the same id.
            let what = match kept.filter(|kept| kept.envelope.payload == tx.to_bytes()) {
                Some(kept) => Waiting::Message(kept.envelope.clone()),
                None => Waiting::Transaction(tx.clone()),
            };
            items.push(Item { arrived: entry.added, what });
        }
        items
    }

    /// Takes what waited before the restart, as far as it still holds.
    pub(super) fn load_pools(&mut self) -> Result<(), NodeError> {
        let (now, network) = (self.now(), self.params.network);
        let (mut kept, mut dropped) = (0u32, 0u32);
        for item in pool_file::read(&self.config.data_dir.pools(), network) {
            let arrived = item.arrived.min(now);
            let taken = match item.what {
                Waiting::Transaction(tx) => self.restore_transaction(&tx, arrived)?,
                Waiting::Message(envelope) => match envelope.open(network) {
                    Ok(payload) => self.restore_message(&envelope, &payload, arrived)?,
                    Err(_) => false,
                },
            };
            if taken { kept += 1 } else { dropped += 1 }
        }
        // What should have happened meanwhile.
        let rules = self.rules;
        let facts = self.facts(&rules);
        self.jobs.expire(&facts);
        self.services.expire(now);
        if kept + dropped > 0 {
            let (transactions, jobs) = (self.pool.len(), self.jobs.len());
            tracing::info!(kept, dropped, transactions, jobs, "pools of before the restart");
        }
        Ok(())
    }

    fn restore_message(
        &mut self,
        envelope: &Envelope,
        payload: &Payload,
        arrived: Timestamp,
    ) -> Result<bool, NodeError> {
        let taken = match payload {
            Payload::Transaction(tx) => self.restore_transaction(tx, arrived)?,
            other => self.take_job_message_of(other, arrived).unwrap_or(false),
        };
        // One that is refused now may come again from a neighbour, on a longer chain.
        if taken {
            self.remember(envelope.id());
            self.keep_for_pools_since(envelope, payload, arrived);
        }
        Ok(taken)
    }

    fn restore_transaction(&mut self, tx: &Transaction, arrived: Timestamp) -> Result<bool, NodeError> {
        let now = self.now();
        match self.pool.restore(tx.clone(), arrived, &self.chain, now) {
            Ok(_) => {
                self.transaction_added(tx);
                Ok(true)
            }
            Err(AddError::Refused(error)) => {
                tracing::debug!(%error, txid = %tx.txid(), "a waiting transaction does not hold any more");
                Ok(false)
            }
            Err(AddError::Chain(error)) => Err(error.into()),
        }
    }

    /// Puts the transactions that this node made and that are not mined into the pool, if they are not there, and tells
    /// everybody of them.
    pub(super) fn load_own_transactions(&mut self) -> Result<(), NodeError> {
        let mut loose = Vec::new();
        for (key, bytes) in self.journal.all(Shelf::OwnTransactions)? {
            let tx = Transaction::from_bytes(&bytes)?;
            match self.chain.transaction(&tx.txid())? {
                Some((_, at)) if self.chain.height().since(at.height) >= FORGET_DEPTH => {
                    self.journal.remove(Shelf::OwnTransactions, &key)?;
                }
                Some(_) => {}
                None => loose.push(tx),
            }
        }
        // One may stand on another, and ids say nothing about the order: as long as one finds its place, others may.
        loop {
            let (mut refused, before) = (Vec::new(), loose.len());
            for tx in loose {
                match self.add_transaction(&tx) {
                    Ok(()) | Err(AddError::Refused(PoolError::AlreadyKnown)) => self.broadcast(tx.into()),
                    Err(AddError::Refused(error)) => refused.push((tx, error)),
                    Err(AddError::Chain(error)) => return Err(error.into()),
                }
            }
            if refused.is_empty() || refused.len() == before {
                for (tx, error) in refused {
                    tracing::warn!(%error, txid = %tx.txid(), "a payment of this wallet has no place in the pool at present");
                }
                return Ok(());
            }
            loose = refused.into_iter().map(|(tx, _)| tx).collect();
        }
    }

    /// Keeps a transaction that this node made until it is mined.
    pub(super) fn keep_own(&self, tx: &Transaction) -> Result<(), super::JournalError> {
        self.journal.put(Shelf::OwnTransactions, &tx.txid().0, &tx.to_bytes())
    }
}

fn write(path: &std::path::Path, bytes: &[u8]) {
    if let Err(error) = durable::replace(path, bytes) {
        tracing::warn!(file = %path.display(), %error, "the pools could not be saved: is the disk full?");
    }
}
