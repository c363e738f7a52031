//! Models: what nodes offer, what is kept here, fetching chunk by chunk.

use crate::error::{Failure, Result};
use crate::object::{Builder, list};
use crate::outside;
use crate::state::State;
use crate::store::{Change, Shelf, Store};
use camelid_core::encode::{Decode, DecodeError, Encode, Reader};
use camelid_core::hash::ModelRoot;
use camelid_core::light::MarketModel;
use camelid_core::message::{ChunkRange, ModelRequest, ModelResponse, Request, Response};
use camelid_core::model::Manifest;
use camelid_core::model::package::{CHUNK_LEN, MAX_CHUNKS_AT_ONCE, ModelDownload, PREFIX_LEN, ProvedChunk, Taken};
use camelid_core::units::Amount;
use core::time::Duration;
use futures::channel::oneshot;
use futures::future::{Either, join_all, select};
use js_sys::{Array, Function, Uint8Array};
use libp2p::PeerId;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use wasm_bindgen::JsValue;
use web_sys::AbortSignal;

/// Questions under way at each source.
const AT_ONCE: usize = 2;
/// Sources that a model is fetched from at once.
const SOURCES: usize = 4;
/// A megabyte takes at most so long.
const PATIENCE: Duration = Duration::from_secs(45);
/// Answers in a row without a chunk that is right, from one source, before it is left.
const MOST_FAILURES: u32 = 3;
/// Chunks that are read from the store at once: those whose keys begin with the same six digits.
const DIGITS: usize = 6;

/// What was proved of a model: how many chunks it has, and its manifest.
#[derive(Clone)]
pub struct Proved {
    /// Its chunks.
    pub count: u64,
    /// Its manifest, as the first chunk gives it.
    pub manifest: Manifest,
}

impl Proved {
    fn of(chunk: &ProvedChunk) -> Result<Self> {
        let bad = |error: DecodeError| Failure::refused(format_args!("the model's manifest does not decode: {error}"));
        let manifest = chunk.bytes.get(PREFIX_LEN..).unwrap_or_default();
        let manifest = Manifest::decode(&mut Reader::new(manifest)).map_err(bad)?;
        Ok(Proved { count: chunk.branch.count, manifest })
    }
}

impl Encode for Proved {
    fn encode(&self, out: &mut Vec<u8>) {
        self.count.encode(out);
        self.manifest.encode(out);
    }
}

impl Decode for Proved {
    fn decode(r: &mut Reader<'_>) -> core::result::Result<Self, DecodeError> {
        Ok(Proved { count: Decode::decode(r)?, manifest: Decode::decode(r)? })
    }
}

fn chunk_key(root: &ModelRoot, index: u64) -> String {
    format!("{root}/{index:08}")
}

/// The indices of the chunks that are kept, in order.
async fn kept(store: &Store, root: &ModelRoot) -> Result<Vec<u64>> {
    let keys = store.keys(Shelf::Chunks, &format!("{root}/")).await?;
    Ok(keys.iter().filter_map(|key| key.rsplit('/').next()?.parse().ok()).collect())
}

/// Reads what is kept of models.
pub async fn read_stored(store: &Store, state: &mut State) -> Result<()> {
    for key in store.keys(Shelf::Models, "").await? {
        let Ok(root) = key.parse::<ModelRoot>() else { continue };
        if let Some(bytes) = store.get(Shelf::Models, &key).await?
            && let Ok(proved) = Proved::from_bytes(&bytes)
        {
            state.models.insert(root, proved);
        }
        let chunks = kept(store, &root).await?.len() as u64;
        state.stored.insert(root, chunks * CHUNK_LEN as u64);
    }
    Ok(())
}

/// A chunk that proves a model's manifest, from whoever has it.
async fn prove(state: &Rc<RefCell<State>>, root: ModelRoot, sources: &[PeerId]) -> Result<Proved> {
    let request = Request::Model(ModelRequest::Chunks(ChunkRange { root, first: 0, count: 1 }));
    for source in sources {
        let answer = state.borrow_mut().ask(*source, &request, PATIENCE);
        let Ok(Ok(Response::Model(ModelResponse::Chunks(chunks)))) = answer.await else { continue };
        let first = chunks.first().filter(|chunk| chunk.branch.index == 0 && chunk.verify(&root).is_ok());
        if let Some(first) = first {
            return Proved::of(first);
        }
    }
    Err(Failure::not_found(format_args!("no connected node gives model {root}")))
}

/// The models that are offered or kept here.
pub async fn models(state: &Rc<RefCell<State>>) -> Result<Array> {
    let offered: Vec<MarketModel<PeerId>> = {
        let mut state = state.borrow_mut();
        let offered = state.jobs.models(outside::now());
        state.wake();
        offered
    };
    let unknown = |model: &&MarketModel<PeerId>| !state.borrow().models.contains_key(&model.root);
    let unknown: Vec<_> = offered.iter().filter(unknown).take(16).collect();
    let proofs = join_all(unknown.iter().map(|model| prove(state, model.root, &model.sources))).await;
    for (model, proof) in unknown.iter().zip(proofs) {
        if let Ok(proved) = proof {
            // What nobody keeps here need not be remembered.
            state.borrow_mut().models.insert(model.root, proved);
        }
    }
    let state = state.borrow();
    let mut roots: Vec<ModelRoot> = offered.iter().map(|model| model.root).collect();
    roots.extend(state.stored.keys().filter(|root| !offered.iter().any(|model| model.root == **root)));
    Ok(list(roots.into_iter().map(|root| {
        let offer = offered.iter().find(|model| model.root == root);
        let proved = state.models.get(&root);
        let length = offer.map(|o| o.length).or(proved.map(|p| p.count * CHUNK_LEN as u64)).unwrap_or_default();
        let stored = state.stored.get(&root).copied().unwrap_or_default().min(length);
        let manifest = proved.map(|p| &p.manifest);
        let price = offer.and_then(|o| o.per_thousand_tokens);
        // Prices are for a thousand tokens; a token costs at least a unit of it, rounded up.
        let price = price.map(|Amount(units)| units.div_ceil(1000));
        Builder::default()
            .set("root", root.to_string())
            .set("name", manifest.map(|m| m.name.clone()).or(offer.map(|o| o.name.clone())).unwrap_or_default())
            .set("licence", manifest.map(|m| m.licence.clone()).unwrap_or_default())
            .set("parameters", manifest.map(|m| m.parameters() as f64).unwrap_or_default())
            .set("packageLength", length as f64)
            .set("context", manifest.map(|m| m.context).unwrap_or_default())
            .set("nodes", offer.map(|o| o.nodes as u32).unwrap_or_default())
            .set("pricePerToken", price)
            .set("stored", stored as f64)
            .done()
    })))
}

/// A download under way, shared by those who ask.
struct Fetch<'a> {
    state: &'a Rc<RefCell<State>>,
    store: &'a Store,
    root: ModelRoot,
    download: RefCell<ModelDownload>,
    /// Where the next question begins.
    next: Cell<u64>,
    begun: f64,
    before: u64,
    sources: Cell<u32>,
    progress: &'a Function,
    signal: Option<&'a AbortSignal>,
    /// Writes that have not ended.
    writing: Cell<u32>,
    /// Told once all is there.
    complete: Cell<Option<oneshot::Sender<()>>>,
}

impl Fetch<'_> {
    /// Asks one source, until nothing is missing or it is of no use.
    async fn from(&self, peer: PeerId) -> Result<()> {
        let mut failures = 0;
        while failures < MOST_FAILURES {
            if self.signal.is_some_and(AbortSignal::aborted) {
                return Err(Failure::aborted("the download was stopped; what came is kept"));
            }
            let Some(range) = self.claim() else { return Ok(()) };
            let count = (range.end - range.start) as u32;
            let request = ModelRequest::Chunks(ChunkRange { root: self.root, first: range.start, count });
            let answer = self.state.borrow_mut().ask(peer, &Request::Model(request), PATIENCE);
            let chunks = match answer.await {
                Ok(Ok(Response::Model(ModelResponse::Chunks(chunks)))) => chunks,
                _ => Vec::new(),
            };
            let new = self.take(peer, &chunks).await?;
            failures = if new == 0 { failures + 1 } else { 0 };
            if new == 0 {
                self.next.set(range.start.min(self.next.get()));
                outside::sleep(200).await;
            }
        }
        Ok(())
    }

    fn claim(&self) -> Option<core::ops::Range<u64>> {
        let download = self.download.borrow();
        let most = MAX_CHUNKS_AT_ONCE as u64;
        let range = download.next_missing(self.next.get(), most);
        // Once around: what others asked for and did not get is asked for again.
        let range = range.or_else(|| download.next_missing(0, most))?;
        self.next.set(range.end);
        Some(range)
    }

    /// Keeps what is right of an answer. How much that is.
    async fn take(&self, peer: PeerId, chunks: &[ProvedChunk]) -> Result<u64> {
        let mut changes = Vec::new();
        for chunk in chunks {
            let taken = self.download.borrow_mut().take(chunk);
            match taken {
                Ok(Taken::New { .. }) => {
                    let index = chunk.branch.index;
                    if index == 0 {
                        let proved = Proved::of(chunk)?;
                        changes.push(Change::Put(Shelf::Models, self.root.to_string(), proved.to_bytes()));
                        self.state.borrow_mut().models.insert(self.root, proved);
                    }
                    changes.push(Change::Put(Shelf::Chunks, chunk_key(&self.root, index), chunk.bytes.clone()));
                }
                Ok(Taken::Known) => {}
                Err(error) if error.is_senders_fault() => {
                    self.state.borrow_mut().blame(peer, &error.to_string());
                    break;
                }
                Err(error) => return Err(Failure::refused(error)),
            }
        }
        let new = changes.iter().filter(|change| matches!(change, Change::Put(Shelf::Chunks, ..))).count() as u64;
        self.writing.set(self.writing.get() + 1);
        let written = self.store.write(&changes).await;
        self.writing.set(self.writing.get() - 1);
        if let Err(failure) = written {
            for chunk in chunks {
                self.download.borrow_mut().forget(chunk.branch.index);
            }
            return Err(failure);
        }
        // A piece that comes twice may come after the model was removed.
        if new > 0 {
            self.tell();
        }
        if self.download.borrow().is_complete()
            && self.writing.get() == 0
            && let Some(complete) = self.complete.take()
        {
            // Nobody waits if the download was stopped.
            let _ = complete.send(());
        }
        Ok(new)
    }

    fn tell(&self) {
        let download = self.download.borrow();
        let there = download.there() * CHUNK_LEN as u64;
        let total = download.count().unwrap_or_default() * CHUNK_LEN as u64;
        let seconds = (js_sys::Date::now() - self.begun) / 1000.0;
        let rate = (there.saturating_sub(self.before)) as f64 / seconds.max(0.001);
        let left = (rate > 0.0).then(|| total.saturating_sub(there) as f64 / rate);
        let progress = Builder::default()
            .set("done", there as f64)
            .set("total", total as f64)
            .set("perSecond", rate)
            .set("secondsLeft", left)
            .set("sources", self.sources.get());
        // What the page makes of it is its own.
        let _ = self.progress.call1(&JsValue::NULL, &progress.done());
        let mut state = self.state.borrow_mut();
        state.stored.insert(self.root, there);
        state.tell_changed("models");
    }
}

/// Fetches what is missing of a model from all connected nodes that have it.
pub async fn download(
    state: &Rc<RefCell<State>>,
    store: &Store,
    root: ModelRoot,
    progress: &Function,
    signal: Option<&AbortSignal>,
) -> Result<()> {
    let sources: Vec<PeerId> = state.borrow().net.links().map(|(peer, _)| peer).take(SOURCES).collect();
    if sources.is_empty() {
        return Err(Failure::no_peers("no node is connected: wait, or add one under Network"));
    }
    let there = kept(store, &root).await?;
    let proved = state.borrow().models.get(&root).cloned();
    let download = match proved.filter(|_| !there.is_empty()) {
        Some(proved) => ModelDownload::resume(root, proved.count, there.iter().map(|index| *index..*index + 1)),
        None => Ok(ModelDownload::new(root)),
    };
    let download = download.unwrap_or_else(|_| ModelDownload::new(root));
    if download.is_complete() {
        return Ok(());
    }
    let before = download.there() * CHUNK_LEN as u64;
    let (next, count) = (Cell::new(0), Cell::new(sources.len() as u32));
    let begun = js_sys::Date::now();
    let (sender, complete) = oneshot::channel();
    let fetch = Fetch {
        state,
        store,
        root,
        download: RefCell::new(download),
        next,
        begun,
        before,
        sources: count,
        progress,
        signal,
        writing: Cell::new(0),
        complete: Cell::new(Some(sender)),
    };
    // The first chunks prove how many there are; then all sources are asked.
    let asking = sources.iter().flat_map(|peer| (0..AT_ONCE).map(|_| fetch.from(*peer)));
    // What was asked for twice is not waited for.
    let ends = match select(join_all(asking), complete).await {
        Either::Left((ends, _)) if !fetch.download.borrow().is_complete() => ends,
        _ => return Ok(()),
    };
    ends.into_iter().collect::<Result<()>>()?;
    let (there, of) = (fetch.download.borrow().there(), fetch.download.borrow().count());
    Err(Failure::no_peers(match of {
        Some(of) => format!(
            "{there} of {of} pieces of the model came, then no node gave more: try again, it goes on from there"
        ),
        None => "no connected node gives this model".into(),
    }))
}

/// The whole package, where all of it is kept.
pub async fn package(state: &Rc<RefCell<State>>, store: &Store, root: ModelRoot) -> Result<Option<Uint8Array>> {
    let Some(count) = state.borrow().models.get(&root).map(|proved| proved.count) else { return Ok(None) };
    if kept(store, &root).await?.len() as u64 != count {
        return Ok(None);
    }
    // In the page's memory, not in the module's: packages can have a hundred megabytes and more.
    let last = store.get(Shelf::Chunks, &chunk_key(&root, count - 1)).await?.map_or(0, |bytes| bytes.len());
    let length = (count - 1) * CHUNK_LEN as u64 + last as u64;
    let length =
        u32::try_from(length).map_err(|_| Failure::bad_input("the model is larger than a browser can hold"))?;
    let (package, mut at) = (Uint8Array::new_with_length(length), 0);
    let group = 10u64.pow(8 - DIGITS as u32);
    for first in (0..count).step_by(group as usize) {
        let key = chunk_key(&root, first);
        for bytes in store.all(Shelf::Chunks, &key[..key.len() - (8 - DIGITS)]).await? {
            let end = at + bytes.len() as u32;
            if end > length {
                return Err(Failure::storage("the model that is kept here is damaged: remove it, and fetch it again"));
            }
            package.subarray(at, end).copy_from(&bytes);
            at = end;
        }
    }
    Ok(Some(package))
}

/// Forgets a model.
pub async fn remove(state: &Rc<RefCell<State>>, store: &Store, root: ModelRoot) -> Result<()> {
    let gone = [Change::RemoveAll(Shelf::Chunks, format!("{root}/")), Change::Remove(Shelf::Models, root.to_string())];
    store.write(&gone).await?;
    let mut state = state.borrow_mut();
    state.stored.remove(&root);
    state.tell_changed("models");
    Ok(())
}
