//! What JavaScript sees: `Light`, and the loop that runs behind it.

mod jobs;
mod money;
mod network;
mod wallet;

use crate::error::{Failure, Result};
use crate::net::{Net, Source};
use crate::outside::{self, Ticker};
use crate::state::{State, Wallet};
use crate::store::{Shelf, Store};
use crate::vault::Vault;
use camelid_core::block::NetworkParams;
use camelid_core::chain::Checkpoints;
use camelid_core::light::{Anchor, HeaderChain, Limits};
use camelid_core::message::{Request, Response};
use camelid_core::units::{Height, Network};
use core::future::poll_fn;
use core::task::Poll;
use core::time::Duration;
use js_sys::{Array, Function, Reflect};
use libp2p::PeerId;
use libp2p::identity::Keypair;
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;

/// How often time passes for the module.
const TICK: u32 = 250;
/// How long a question on the page's behalf may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// The light client.
#[wasm_bindgen]
pub struct Light {
    state: Rc<RefCell<State>>,
    store: Rc<Store>,
    _ticker: Ticker,
}

/// Called once, before anything else: a panic, which would be a fault of ours, then says where.
#[wasm_bindgen(start)]
pub fn start() {
    std::panic::set_hook(Box::new(|info| outside::report(&info.to_string())));
}

fn property(options: &JsValue, name: &str) -> JsValue {
    Reflect::get(options, &name.into()).unwrap_or_default()
}

fn text_property(options: &JsValue, name: &str) -> Result<String> {
    let value = property(options, name).as_string();
    value.ok_or_else(|| Failure::bad_input(format_args!("the option {name} is no text")))
}

/// The key that names this browser to its peers, made at the first visit.
async fn peer_key(store: &Store) -> Result<Keypair> {
    use crate::store::Change;
    if let Some(mut bytes) = store.get(Shelf::Small, "peer-key").await?
        && let Ok(key) = Keypair::ed25519_from_bytes(&mut bytes)
    {
        return Ok(key);
    }
    let secret: [u8; 32] = outside::random();
    store.write(&[Change::Put(Shelf::Small, "peer-key".into(), secret.to_vec())]).await?;
    Keypair::ed25519_from_bytes(secret).map_err(Failure::internal)
}

/// The headers that were kept, or the genesis block alone: what is damaged, or contradicts a checkpoint, is fetched again.
fn restore_headers(params: &'static NetworkParams, bytes: &[u8], checkpoints: &Checkpoints) -> HeaderChain<PeerId> {
    let most = Limits::default().useless_headers;
    let kept = HeaderChain::restore(params, Anchor::genesis(params), most, bytes);
    let headers = match kept {
        Ok(headers) if fits(&headers, checkpoints) => headers,
        kept => {
            let why = kept.err().map_or("headers contradict a checkpoint".into(), |error| error.to_string());
            outside::note(&format!("{why}: they are fetched again"));
            HeaderChain::new(params, Anchor::genesis(params), most)
        }
    };
    headers.with_checkpoints(checkpoints.clone())
}

/// Whether headers are those of the checkpoints, as far as they go.
fn fits(headers: &HeaderChain<PeerId>, checkpoints: &Checkpoints) -> bool {
    checkpoints.iter().all(|(height, hash)| headers.hash(*height).is_none_or(|found| found == *hash))
}

/// The checkpoints that the embedder names.
fn checkpoints(options: &JsValue) -> Result<Checkpoints> {
    let given = Array::from(&property(options, "checkpoints"));
    let parse = |text: Option<String>| {
        let (height, hash) = text.as_ref()?.split_once(':')?;
        Some((Height(height.parse().ok()?), hash.parse().ok()?))
    };
    let read = |given: JsValue| {
        parse(given.as_string()).ok_or_else(|| {
            Failure::bad_input("a checkpoint is not HEIGHT:HASH, such as 1000:00ab… with 64 hexadecimal digits")
        })
    };
    given.iter().map(read).collect()
}

#[wasm_bindgen]
impl Light {
    /// Opens what the browser keeps under the name and begins to find peers and to follow the chain. `emit` is called
    /// with what changes, never from within a call of this module.
    pub async fn open(options: JsValue, emit: Function) -> core::result::Result<Light, JsValue> {
        let network: Network = text_property(&options, "network")?.parse().map_err(Failure::bad_input)?;
        let agent = text_property(&options, "agent")?;
        let name = format!("{}-{network}", text_property(&options, "storage")?);
        let store = Rc::new(Store::open(&name).await);
        let keypair = peer_key(&store).await?;
        let wallet = match store.get(Shelf::Small, "wallet").await? {
            Some(bytes) => Wallet::Locked(Vault::read(&bytes)?),
            None => Wallet::None,
        };
        let (checkpoints, kept) = (checkpoints(&options)?, store.all(Shelf::Headers, "").await?.concat());
        let headers = restore_headers(NetworkParams::of(network), &kept, &checkpoints);
        let mut state = State::new(network, &agent, keypair, headers, wallet)?;
        state.checkpoints = checkpoints;
        for seed in Array::from(&property(&options, "seeds")).iter() {
            let seed = seed.as_string().ok_or_else(|| Failure::bad_input("a seed is no text"))?;
            state.net.learn(Net::parse(&seed)?, Source::Embedder);
        }
        if let Some(bytes) = store.get(Shelf::Small, "peers").await? {
            state.net.learn_kept(&bytes);
        }
        crate::models::read_stored(&store, &mut state).await?;
        let state = Rc::new(RefCell::new(state));
        let woken = Rc::downgrade(&state);
        let ticker = Ticker::new(TICK, move || {
            if let Some(state) = woken.upgrade() {
                state.borrow_mut().wake();
            }
        });
        spawn_local(run(state.clone(), store.clone(), emit));
        Ok(Light { state, store, _ticker: ticker })
    }

    /// Tries to connect at once: the page is visible again, or the network is back.
    pub fn nudge(&self) {
        let mut state = self.state.borrow_mut();
        state.net.nudge();
        state.wake();
    }

    /// Ends all connections, for a page that is about to be frozen; it finds new ones when it runs again.
    pub fn pause(&self) {
        self.state.borrow_mut().net.close();
    }

    /// Ends. What is unsaved is written first, unless another tab has the storage already: it would lose what it wrote.
    pub async fn close(&self, write: bool) -> core::result::Result<(), JsValue> {
        let written = if write { self.flush().await } else { Ok(()) };
        // From here on nothing is written.
        let mut state = self.state.borrow_mut();
        state.net.close();
        state.ended = true;
        state.wake();
        Ok(written?)
    }
}

impl Light {
    /// Waits until everything that changed is written.
    async fn flush(&self) -> Result<()> {
        for _ in 0..40 {
            let batch = {
                let mut state = self.state.borrow_mut();
                // Another tab may have the storage by now.
                if state.ended {
                    return Err(Failure::aborted("the wallet is closed in this tab"));
                }
                state.save_soon();
                if state.is_saving() { None } else { Some(state.take_batch()?) }
            };
            match batch {
                Some(Some(batch)) => {
                    let result = self.store.write(&batch.changes).await;
                    self.state.borrow_mut().wrote(batch, result.clone());
                    result?;
                }
                Some(None) => return Ok(()),
                None => outside::sleep(50).await,
            }
        }
        Err(Failure::storage(
            "the browser's storage does not answer: close other tabs of this page, or restart the browser",
        ))
    }

    /// Asks one connected peer after the other until one has an answer that is not "busy" or "not found".
    async fn ask(&self, request: &Request) -> Result<Response> {
        let peers: Vec<PeerId> = self.state.borrow().net.links().map(|(peer, _)| peer).collect();
        let mut last = Failure::no_peers("no node is connected: wait, or add one under Network");
        for peer in peers {
            let answer = self.state.borrow_mut().ask(peer, request, PATIENCE);
            match answer.await {
                Ok(Ok(Response::Busy)) => last = Failure::no_peers("the nodes are busy: try again in some seconds"),
                Ok(Ok(Response::Light(camelid_core::message::LightResponse::NotFound))) => {
                    last = Failure::not_found("no connected node knows it");
                }
                Ok(Ok(response)) => return Ok(response),
                Ok(Err(failure)) => last = failure,
                Err(_) => last = Failure::aborted("the client was closed"),
            }
        }
        Err(last)
    }
}

/// Runs until the client is closed: polls the connections, takes steps, writes, tells the page.
async fn run(state: Rc<RefCell<State>>, store: Rc<Store>, emit: Function) {
    let mut woken = true;
    loop {
        // Until a node has something to say, or somebody wakes the loop: the ticker, an answer, a call from the page.
        poll_fn(|cx| {
            let mut state = state.borrow_mut();
            state.set_waker(cx.waker());
            let mut due = core::mem::replace(&mut woken, true);
            while let Poll::Ready(happened) = state.net.poll(cx, outside::now().elapsed) {
                due = true;
                state.on_net(happened);
            }
            if due { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        woken = false;
        let (ended, batch, out) = {
            let mut state = state.borrow_mut();
            if !state.ended {
                state.step();
            }
            let batch = if state.ended { Ok(None) } else { state.take_batch() };
            let batch = batch.unwrap_or_else(|failure| {
                state.warn(failure.to_string());
                None
            });
            (state.ended, batch, state.take_outbox())
        };
        if let Some(batch) = batch {
            let (state, store) = (state.clone(), store.clone());
            spawn_local(async move {
                let result = store.write(&batch.changes).await;
                state.borrow_mut().wrote(batch, result);
            });
        }
        for event in out {
            // What the page makes of it is its own.
            let _ = emit.call1(&JsValue::NULL, &event);
        }
        if ended {
            return;
        }
    }
}
