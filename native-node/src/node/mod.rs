//! The node: one task owns chain, pools, wallet and deals; everything that happens is told to it, one thing after
//! another, so nothing is ever half done. Long work (mining, models, network waits) runs elsewhere and reports back.

mod accept;
mod blocks;
mod chunks;
mod clients;
mod deals;
mod journal;
pub mod light;
mod messages;
mod mining;
mod models;
mod payments;
mod peer_views;
mod peers;
mod pool_file;
mod pools;
mod prune;
mod reach;
mod route;
mod submit;
mod sync;
mod views;
mod wallet;

pub use journal::{Journal, JournalError, Shelf};
pub use models::{ModelShelf, ShelfError};
pub use reach::Reachable;
pub use submit::{JobRequest, SubmitError};
pub use wallet::{HistoryItem, OpenWallet};

use crate::compute::{ComputeThread, Done, Limits as ComputeLimits, Memory};
use crate::config::{Cheat, NodeConfig};
use crate::engines::CpuOptions;
use crate::models::{ModelError, ModelStore};
use crate::network::{self, Limits, NetworkConfig, NetworkError, NetworkEvent, NetworkHandle, PeerId, TransportFiles};
use crate::parallel::on_all_cores;
use crate::store::{RedbStore, StoreError};
use crate::system::{random, unix_time};
use crate::wallet::{KeyFileError, Keyring, PaymentError};
use camelid_core::block::NetworkParams;
use camelid_core::chain::{Chain, ChainError};
use camelid_core::contract::WalletRules;
use camelid_core::deal::{ClientDeal, ComputeDeal, Facts};
use camelid_core::encode::DecodeError;
use camelid_core::hash::{Hash32, JobId, Txid};
use camelid_core::job::PeerAddress;
use camelid_core::keys::{DerivationError, Mnemonic};
use camelid_core::message::{ChainStatus, ReachResult, peer_address};
use camelid_core::model::{EngineError, Package};
use camelid_core::pool::{JobPool, PoolLimits, ServiceBook, TransactionPool};
use camelid_core::sync::{Limits as SyncLimits, Sync};
use camelid_core::units::{Height, Timestamp};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// Why the node cannot start, or had to stop.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// The chain's store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The chain.
    #[error("chain: {0}")]
    Chain(#[from] ChainError<StoreError>),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A saved deal.
    #[error("the journal holds a damaged record ({0}); restore the data directory from a backup")]
    Record(#[from] DecodeError),
    /// The network.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// A model.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The engine that was asked for.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The wallet's file.
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
    /// The wallet.
    #[error(transparent)]
    Wallet(#[from] WalletError),
    /// A file or folder.
    #[error("{what} {}: {source}", .path.display())]
    File {
        /// What was tried.
        what: &'static str,
        /// Where.
        path: std::path::PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The node was asked for what it cannot do as it runs.
    #[error("{0}")]
    Config(String),
}

/// Why the wallet cannot do something.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WalletError {
    /// There is no wallet, or it is closed.
    #[error(
        "this node runs without a wallet: make one with `camelid wallet new`, then start the node with --password-file or CAMELID_PASSWORD"
    )]
    Closed,
    /// A key cannot be derived.
    #[error("wallet key: {0}")]
    Derivation(#[from] DerivationError),
    /// The payment cannot be made.
    #[error(transparent)]
    Payment(#[from] PaymentError),
    /// The payment was refused by our own pool.
    #[error("the payment was refused: {0}")]
    Refused(String),
    /// The journal failed.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// What is reported to the node's task by what runs elsewhere.
enum Internal {
    /// The miner found a block.
    Mined(Box<camelid_core::block::Block>),
    /// The compute thread finished something.
    Done(Done),
    /// It is time to try again what the compute thread could not do.
    RetryModel(JobId),
    /// A neighbour answered, or did not.
    Answer { peer: PeerId, id: u64, answer: Result<Vec<u8>, String> },
    /// A message of ours found no way.
    Unroutable { message: Hash32 },
    /// A neighbour dialled us, or did not answer.
    Reach { peer: PeerId, results: Vec<ReachResult> },
}

/// How often deals are asked what to do next; what arrives asks them at once.
const STEP_EVERY: Duration = Duration::from_millis(500);

/// A node that could not hold a sequence of so many tokens serves nobody.
const SHORTEST: u64 = 128;

type Call = Box<dyn FnOnce(&mut Node) + Send>;

/// A running node, for everybody else. Cheap to clone.
#[derive(Clone)]
pub struct NodeHandle {
    calls: mpsc::Sender<Call>,
    stop: mpsc::Sender<()>,
    network: NetworkHandle,
}

/// The node has stopped.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the node has stopped")]
pub struct Stopped;

impl NodeHandle {
    /// Runs `f` on the node's task, between two other things.
    pub async fn call<T: Send + 'static>(&self, f: impl FnOnce(&mut Node) -> T + Send + 'static) -> Result<T, Stopped> {
        let (done, answer) = oneshot::channel();
        let call: Call = Box::new(move |node| {
            let _ = done.send(f(node));
        });
        self.calls.send(call).await.map_err(|_| Stopped)?;
        answer.await.map_err(|_| Stopped)
    }

    /// Asks the node to stop; what is being written is finished first.
    pub fn stop(&self) {
        let _ = self.stop.try_send(());
    }

    /// The network.
    pub fn network(&self) -> &NetworkHandle {
        &self.network
    }
}

/// The node. Its methods run on its own task only.
pub struct Node {
    config: NodeConfig,
    params: &'static NetworkParams,
    rules: WalletRules,
    chain: Chain<RedbStore>,
    pool: TransactionPool,
    jobs: JobPool,
    services: ServiceBook,
    wallet: Option<OpenWallet>,
    journal: Journal,
    clients: BTreeMap<JobId, ClientDeal>,
    computes: BTreeMap<JobId, ComputeDeal>,
    /// What each deal's saved form hashes to.
    saved: BTreeMap<JobId, Hash32>,
    /// Jobs in which this node cheats, on network `dev`.
    cheating: BTreeMap<JobId, Cheat>,
    /// Since which height a coin of an unsettled deal is gone.
    coins_gone: BTreeMap<JobId, Height>,
    models: ModelShelf,
    compute_thread: ComputeThread,
    network: NetworkHandle,
    address: PeerAddress,
    sync: Sync<PeerId>,
    last_progress: Option<Instant>,
    exchange: peers::Exchange,
    reach: reach::Reach,
    forwards: route::Forwards,
    chunks: chunks::Chunks,
    asked_by_clients: clients::Clients,
    /// Addressed messages seen lately, oldest first: none is handled or forwarded twice.
    seen: (BTreeSet<Hash32>, VecDeque<Hash32>),
    /// The messages behind what the pools hold, to be given to neighbours that join later.
    pool_messages: BTreeMap<messages::About, messages::Kept>,
    pool_keeper: pools::Keeper,
    miner: mining::Miner,
    internal: mpsc::UnboundedSender<Internal>,
    sequence: u64,
    last_offer: Timestamp,
    last_step: Instant,
    warned: BTreeSet<Txid>,
    started: Instant,
}

impl Node {
    /// The time.
    fn now(&self) -> Timestamp {
        unix_now()
    }

    /// What is known now.
    fn facts<'a>(&self, rules: &'a WalletRules) -> Facts<'a> {
        Facts {
            network: self.params,
            rules,
            tip: self.chain.height(),
            tip_hash: self.chain.tip_hash(),
            now: self.now(),
        }
    }

    fn status(&self) -> ChainStatus {
        ChainStatus {
            genesis: self.params.genesis().hash(),
            tip: self.chain.tip_hash(),
            height: self.chain.height(),
            time: self.now(),
        }
    }

    fn wallet(&self) -> Result<&OpenWallet, WalletError> {
        self.wallet.as_ref().ok_or(WalletError::Closed)
    }
}

/// Seconds since 1970.
pub(crate) fn unix_now() -> Timestamp {
    Timestamp(unix_time().as_secs().min(u32::MAX as u64) as u32)
}

/// Starts a node. It runs until it is told to stop; the join handle ends then.
/// `mnemonic` opens the wallet; without it the node has none.
pub async fn start(
    config: NodeConfig,
    mnemonic: Option<&Mnemonic>,
) -> Result<(NodeHandle, tokio::task::JoinHandle<Result<(), NodeError>>), NodeError> {
    let params = NetworkParams::of(config.network);
    let rules = WalletRules::for_network(params);
    let store = RedbStore::open(config.data_dir.path(), config.network)?;
    let chain =
        Chain::open(store, params)?.with_script_runner(on_all_cores).with_checkpoints(config.checkpoints.clone());
    let journal = Journal::open(&config.data_dir.journal())?;
    let models = ModelShelf::load(&ModelStore::at(config.data_dir.models()), &config.compute)?;
    if mnemonic.is_none() && !config.compute.is_empty() {
        return Err(NodeError::Config(format!("--compute needs a wallet: {}", WalletError::Closed)));
    }
    if mnemonic.is_none() && config.mine && config.mine_to.is_none() {
        return Err(NodeError::Config(format!("--mine needs a wallet or --mine-to ADDRESS: {}", WalletError::Closed)));
    }
    if mnemonic.is_none() && config.faucet.is_some() {
        return Err(NodeError::Config(format!("--faucet needs a wallet: {}", WalletError::Closed)));
    }
    let wallet = match mnemonic {
        Some(mnemonic) => {
            let keyring = Keyring::new(config.network, mnemonic).map_err(WalletError::from)?;
            Some(OpenWallet::new(keyring))
        }
        None => None,
    };
    let (network, events) = network::start(NetworkConfig {
        identity_file: config.data_dir.identity(),
        listen: config.listen.clone(),
        peers: config.peers.clone(),
        seeds: config.seeds.clone(),
        book_file: Some(config.data_dir.address_book()),
        bans_file: Some(config.data_dir.bans()),
        network: config.network,
        limits: Limits { max_peers: config.max_peers, outbound: config.outbound, ..Limits::of(config.network) },
        transports: TransportFiles {
            webrtc_certificate: config.data_dir.webrtc_certificate(),
            tls: config.tls.clone(),
            tls_trust: config.tls_trust.clone(),
        },
    })
    .await?;
    let key = network.keypair().public().try_into_ed25519().map_err(|e| NodeError::Config(e.to_string()))?;
    let (internal, reports) = mpsc::unbounded_channel();
    let done = internal.clone();
    config.engine.check()?;
    let engine = config.engine.clone();
    let open = move |package: &_| engine.open(Arc::clone(package), CpuOptions::default());
    let compute_limits = ComputeLimits { memory: config.memory.unwrap_or_else(Memory::usual), ..Default::default() };
    for package in models.served().filter_map(|root| models.get(&root)) {
        check_memory(package, &compute_limits)?;
    }
    let compute_thread = ComputeThread::start(Box::new(open), compute_limits, move |d| {
        let _ = done.send(Internal::Done(d));
    });
    let miner = mining::Miner::new(config.mine.then_some(config.mining_threads.unwrap_or(0)), internal.clone());
    let mut node = Node {
        params,
        rules,
        chain,
        pool: TransactionPool::new(PoolLimits::default(), rules),
        jobs: JobPool::default(),
        services: ServiceBook::default(),
        wallet,
        journal,
        clients: BTreeMap::new(),
        computes: BTreeMap::new(),
        saved: BTreeMap::new(),
        cheating: BTreeMap::new(),
        coins_gone: BTreeMap::new(),
        models,
        compute_thread,
        network: network.clone(),
        address: peer_address(&key.to_bytes()),
        sync: Sync::new(SyncLimits::default()),
        last_progress: None,
        exchange: Default::default(),
        reach: Default::default(),
        forwards: Default::default(),
        chunks: Default::default(),
        asked_by_clients: Default::default(),
        seen: Default::default(),
        pool_messages: BTreeMap::new(),
        pool_keeper: pools::Keeper::new(),
        miner,
        internal,
        // Microseconds: higher after every restart.
        sequence: unix_time().as_micros() as u64,
        last_offer: Timestamp::default(),
        last_step: Instant::now(),
        warned: BTreeSet::new(),
        started: Instant::now(),
        config,
    };
    node.load_deals()?;
    node.scan_wallet()?;
    node.warn_of_pruned()?;
    node.load_pools()?;
    node.load_own_transactions()?;
    let (calls, call_queue) = mpsc::channel(64);
    let (stop, stop_asked) = mpsc::channel(1);
    let handle = NodeHandle { calls, stop, network };
    let task = tokio::spawn(node.run(events, reports, call_queue, stop_asked));
    Ok((handle, task))
}

/// Whether a served model can be computed in the memory that it may have.
fn check_memory(package: &Package, limits: &ComputeLimits) -> Result<(), NodeError> {
    let info = package.info();
    let (name, context) = (&info.name, info.context as u64);
    limits
        .fits(package, context.min(SHORTEST))
        .map_err(|e| NodeError::Config(format!("cannot compute {name}: {e}, or leave out --compute {name}")))?;
    if let Err(error) = limits.fits(package, context) {
        tracing::warn!(model = %name, %error, "longer jobs than memory allows are not taken");
    }
    Ok(())
}

impl Node {
    async fn run(
        mut self,
        mut events: mpsc::Receiver<NetworkEvent>,
        mut reports: mpsc::UnboundedReceiver<Internal>,
        mut calls: mpsc::Receiver<Call>,
        mut stop: mpsc::Receiver<()>,
    ) -> Result<(), NodeError> {
        let mut tick = tokio::time::interval(Duration::from_millis(200));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut go_on = Ok(());
        while go_on.is_ok() {
            go_on = tokio::select! {
                biased;
                _ = stop.recv() => break,
                Some(report) = reports.recv() => self.on_internal(report),
                Some(call) = calls.recv() => {
                    call(&mut self);
                    Ok(())
                }
                Some(event) = events.recv() => self.on_network(event),
                _ = tick.tick() => self.on_tick(),
            };
        }
        self.miner.stop();
        self.save_pools_for_good().await;
        self.network.shutdown().await;
        go_on
    }

    fn on_internal(&mut self, report: Internal) -> Result<(), NodeError> {
        match report {
            Internal::Mined(block) => self.on_mined(*block),
            Internal::Done(done) => self.on_done(done),
            Internal::RetryModel(job) => {
                self.on_retry_model(&job);
                Ok(())
            }
            Internal::Answer { peer, id, answer } => self.on_answer(peer, id, answer),
            Internal::Unroutable { message } => {
                tracing::debug!(%message, "a message of ours found no way; it will be sent again");
                Ok(())
            }
            Internal::Reach { peer, results } => {
                self.on_reach(&peer, &results);
                Ok(())
            }
        }
    }

    fn on_tick(&mut self) -> Result<(), NodeError> {
        let rules = self.rules;
        let facts = self.facts(&rules);
        self.jobs.expire(&facts);
        self.services.expire(facts.now);
        self.ask_peers()?;
        self.exchange_peers();
        self.check_reach();
        self.offer_service();
        self.take_jobs()?;
        self.keep_pools()?;
        self.prune()?;
        if self.last_step.elapsed() >= STEP_EVERY {
            self.step_deals();
        }
        self.mine()
    }
}
