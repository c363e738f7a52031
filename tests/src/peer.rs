//! A peer that tests hold by hand: it says what it is told to, true or not.

use anyhow::{Context, Result};
use camelid_core::block::{Block, NetworkParams, PowMidstate};
use camelid_core::chain::{Chain, MemoryStore};
use camelid_core::encode::{Decode, Encode};
use camelid_core::hash::BlockHash;
use camelid_core::job::PeerAddress;
use camelid_core::message::{
    ChainStatus, Envelope, LightResponse, MAX_HEADERS_PER_RESPONSE, Payload, PeersResponse, ReachResponse, ReachResult,
    Reached, Request, Response, peer_address,
};
use camelid_core::transaction::Script;
use camelid_core::units::{Network, Timestamp};
use camelid_node::network::{
    self, Limits, Multiaddr, NetworkConfig, NetworkEvent, NetworkHandle, PeerId, TransportFiles, Verdict, parse_address,
};
use camelid_node::node::light;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tempfile::TempDir;

/// A chain of network `dev` in memory, which a test grows as it likes.
pub type TestChain = Chain<MemoryStore>;

/// What a peer answers to a request; `None` refuses.
pub type Answers = dyn Fn(&TestChain, Request) -> Option<Vec<u8>> + Send + Sync;

/// A chain that holds the first block alone.
pub fn new_chain() -> Result<TestChain> {
    Chain::open(MemoryStore::new(), NetworkParams::of(Network::Dev)).context("a new chain")
}

/// Finds the proof of work of a block as it stands.
pub fn solve(block: &mut Block) -> Result<()> {
    let target = block.header.bits.target()?;
    let found = PowMidstate::new(&block.header).try_nonces(0..=u32::MAX, &target);
    block.header.nonce = found.context("no nonce")?;
    Ok(())
}

/// The next block of a chain, changed by `change`, with its proof of work.
pub fn next_block(chain: &TestChain, change: impl FnOnce(&mut Block)) -> Result<Block> {
    // Anybody's coin.
    next_block_to(chain, Script(vec![0x51]), change)
}

/// The same, paid to `payee`.
pub fn next_block_to(chain: &TestChain, payee: Script, change: impl FnOnce(&mut Block)) -> Result<Block> {
    let tip = chain.tip().header.time;
    let template = chain.build_template(payee, [], Timestamp(tip.0 + 2)).context("a template")?;
    let mut block = template.block;
    change(&mut block);
    solve(&mut block)?;
    Ok(block)
}

/// Adds the next block.
pub fn grow(chain: &mut TestChain) -> Result<Block> {
    let block = next_block(chain, |_| ())?;
    chain.accept_block(block.clone(), block.header.time).context("our own block")?;
    Ok(block)
}

/// What an honest node with this chain answers.
pub fn honest(chain: &TestChain, request: Request) -> Option<Vec<u8>> {
    let response = match request {
        Request::Status(_) => Response::Status(ChainStatus {
            genesis: chain.params().genesis().hash(),
            tip: chain.tip_hash(),
            height: chain.height(),
            time: chain.tip().header.time,
        }),
        Request::Headers(locator) => Response::Headers(chain.headers_after(&locator, MAX_HEADERS_PER_RESPONSE).ok()?),
        Request::Blocks(hashes) => {
            let body = |hash: &BlockHash| chain.block(hash).ok().flatten();
            Response::Blocks(hashes.iter().map_while(body).collect())
        }
        Request::Pools => Response::Pools(Vec::new()),
        Request::Forward(envelope) => Response::NoRoute(envelope.id()),
        Request::Light(request) => Response::Light(light::answer(chain, &request).ok()?),
        // It has no models and no pools.
        Request::Model(_) | Request::Client(_) => Response::Light(LightResponse::NotFound),
        Request::Peers(_) => Response::Peers(Box::new(PeersResponse { own: None, known: Vec::new() })),
        Request::Reach(request) => {
            let tried = |address| ReachResult { address, reached: Reached::NotTried };
            Response::Reach(ReachResponse { results: request.addresses.into_iter().map(tried).collect() })
        }
    };
    Some(response.to_bytes())
}

/// A peer on the network, in this process.
pub struct TestPeer {
    /// Its end of the network.
    pub network: NetworkHandle,
    /// Its chain.
    pub chain: Arc<Mutex<TestChain>>,
    sequence: AtomicU64,
    _dir: TempDir,
}

impl TestPeer {
    /// Connects to a node, and listens nowhere; answers its requests as `answers` says.
    pub async fn connect(to: &str, chain: TestChain, answers: Box<Answers>) -> Result<TestPeer> {
        Self::start(vec![parse_address(to)?], Vec::new(), chain, answers).await
    }

    /// Waits for others on loopback, and connects to nobody.
    pub async fn listen(chain: TestChain, answers: Box<Answers>) -> Result<TestPeer> {
        Self::listen_on("127.0.0.1:0", chain, answers).await
    }

    /// The same at an address.
    pub async fn listen_on(address: &str, chain: TestChain, answers: Box<Answers>) -> Result<TestPeer> {
        Self::start(Vec::new(), vec![parse_address(address)?], chain, answers).await
    }

    async fn start(
        peers: Vec<Multiaddr>,
        listen: Vec<Multiaddr>,
        chain: TestChain,
        answers: Box<Answers>,
    ) -> Result<TestPeer> {
        let dir = tempfile::tempdir()?;
        let (network, mut events) = network::start(NetworkConfig {
            identity_file: dir.path().join("peer.key"),
            listen,
            peers,
            seeds: Vec::new(),
            book_file: None,
            bans_file: None,
            network: Network::Dev,
            limits: Limits::default(),
            transports: TransportFiles::in_folder(dir.path()),
        })
        .await?;
        let chain = Arc::new(Mutex::new(chain));
        let (own, seen) = (network.clone(), chain.clone());
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                match event {
                    NetworkEvent::Request { data, respond, .. } => {
                        let Ok(request) = Request::from_bytes(&data) else { continue };
                        let answer = answers(&seen.lock().unwrap_or_else(PoisonError::into_inner), request);
                        if let Some(answer) = answer {
                            let _ = respond.send(answer).await;
                        }
                    }
                    NetworkEvent::Gossip { id, from, .. } => own.validate(id, from, Verdict::Ignore).await,
                    _ => {}
                }
            }
        });
        Ok(TestPeer { network, chain, sequence: AtomicU64::new(1), _dir: dir })
    }

    /// Its id.
    pub fn id(&self) -> PeerId {
        self.network.local_peer_id()
    }

    /// Where it listens.
    pub fn listens_on(&self) -> Result<String> {
        Ok(self.network.listen_addresses().first().context("it listens nowhere")?.to_string())
    }

    /// Its id in messages.
    pub fn address(&self) -> Result<PeerAddress> {
        Ok(peer_address(&self.network.keypair().public().try_into_ed25519()?.to_bytes()))
    }

    /// A message of its own for everybody, signed; the same payload again is another message.
    pub fn envelope(&self, payload: &Payload) -> Result<Envelope> {
        self.envelope_to(None, payload)
    }

    /// A message of its own for one peer, or for everybody.
    pub fn envelope_to(&self, receiver: Option<PeerAddress>, payload: &Payload) -> Result<Envelope> {
        let sequence = self.sequence.fetch_add(1, Ordering::Relaxed);
        let mut envelope = Envelope::unsigned(Network::Dev, self.address()?, receiver, sequence, payload);
        let signature = self.network.keypair().sign(&envelope.signing_bytes().0)?;
        envelope.signature = signature.try_into().ok().context("an Ed25519 signature has 64 bytes")?;
        Ok(envelope)
    }
}
