//! Mining, as the node sees it: which block to work on, and when.

use super::{Internal, Node, NodeError};
use crate::miner::{self, Progress, mine, wait_before};
use camelid_core::block::Block;
use camelid_core::chain::ChainError;
use camelid_core::hash::KeyHash;
use camelid_core::message::Payload;
use camelid_core::script::templates;
use camelid_core::units::{Height, Network};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// How often the block that is worked on may change for new transactions.
const REFRESH: Duration = Duration::from_secs(1);
/// A development network's first blocks come without a pause, so that there are coins to try things with.
const FIRST_BLOCKS: Height = Height(12);

/// The miner's state.
pub(super) struct Miner {
    threads: Option<NonZeroUsize>,
    internal: mpsc::UnboundedSender<Internal>,
    search: Option<Arc<Progress>>,
    started: Instant,
    stale: bool,
    /// Hashes of searches that ended, and since when they are counted.
    hashes: u64,
    since: Instant,
}

impl Miner {
    /// Mines on `threads` cores, 0 for all; not at all without.
    pub(super) fn new(threads: Option<usize>, internal: mpsc::UnboundedSender<Internal>) -> Self {
        let threads = threads.map(|n| NonZeroUsize::new(n).unwrap_or_else(miner::all_cores));
        let now = Instant::now();
        Miner { threads, internal, search: None, started: now, stale: false, hashes: 0, since: now }
    }

    /// Whether it mines at all.
    pub(super) fn is_on(&self) -> bool {
        self.threads.is_some()
    }

    /// Hashes a second since the start.
    pub(super) fn rate(&self) -> u64 {
        let running = self.search.as_ref().map_or(0, |p| p.hashes());
        (self.hashes + running) * 1000 / (self.since.elapsed().as_millis() as u64).max(1)
    }

    /// Ends the search: its block is not wanted any more.
    pub(super) fn stop(&mut self) {
        if let Some(progress) = self.search.take() {
            progress.stop();
            self.hashes += progress.hashes();
        }
    }

    /// The tip changed.
    pub(super) fn restart(&mut self) {
        self.stop();
    }

    /// There are other transactions to put into the block.
    pub(super) fn transactions_changed(&mut self) {
        self.stale = true;
    }
}

impl Node {
    /// Where our own blocks pay.
    fn mining_address(&self) -> Option<KeyHash> {
        match (&self.config.mine_to, &self.wallet) {
            (Some(address), _) => Some(address.hash),
            (None, Some(wallet)) => Some(wallet.keyring.receive_address().hash),
            (None, None) => None,
        }
    }

    /// Starts a search if there should be one and is none.
    pub(super) fn mine(&mut self) -> Result<(), NodeError> {
        let (Some(threads), Some(payee)) = (self.miner.threads, self.mining_address()) else { return Ok(()) };
        if self.miner.search.is_some() {
            if !(self.miner.stale && self.miner.started.elapsed() >= REFRESH) {
                return Ok(());
            }
            self.miner.stop();
        }
        let now = self.now();
        let first = self.params.network == Network::Dev && self.chain.height() < FIRST_BLOCKS;
        if !first && wait_before(self.params, self.chain.tip().header.time, now) > 0 {
            return Ok(());
        }
        let template = self.chain.build_template(templates::p2pkh(payee), self.pool.by_fee_rate(), now)?;
        let progress = Arc::new(Progress::new());
        self.miner.search = Some(progress.clone());
        self.miner.started = Instant::now();
        self.miner.stale = false;
        let internal = self.miner.internal.clone();
        std::thread::spawn(move || {
            if let Some(block) = mine(&template, threads, &progress) {
                let _ = internal.send(Internal::Mined(Box::new(block)));
            }
        });
        Ok(())
    }

    /// The miner found a block.
    pub(super) fn on_mined(&mut self, block: Block) -> Result<(), NodeError> {
        self.miner.stop();
        match self.accept_block(block.clone()) {
            Ok(_) => {
                self.broadcast(Payload::from(block));
                self.mine()
            }
            Err(error @ (ChainError::Store(_) | ChainError::Damaged { .. })) => Err(error.into()),
            Err(error) => {
                tracing::warn!(%error, "our own block was refused");
                Ok(())
            }
        }
    }
}
