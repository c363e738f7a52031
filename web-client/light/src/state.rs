//! Everything that the module knows while it runs, and the steps it takes: what nodes say goes to the light client and
//! the jobs, what they ask goes out, what they want kept goes to the store, what changed is told to the page.

use crate::error::{Failure, Result};
use crate::models::Proved;
use crate::net::{Ban, Happened, Net, Source};
use crate::object::Builder;
use crate::outside;
use crate::store::{Change, Shelf};
use crate::vault::Vault;
use camelid_core::block::NetworkParams;
use camelid_core::chain::Checkpoints;
use camelid_core::encode::{Decode, Encode};
use camelid_core::hash::{JobId, ModelRoot};
use camelid_core::job::PeerAddress;
use camelid_core::keys::Mnemonic;
use camelid_core::light::{
    Ask, Event, Failure as NoAnswer, HeaderChain, JobEvent, Jobs, LightClient, Limits, Progress, Question, Silence,
};
use camelid_core::message::{
    ChainStatus, ClientRequest, Envelope, LightResponse, Payload, PeersRequest, PeersResponse, ReachResponse, Request,
    Response, peer_address,
};
use camelid_core::p2p::{Hello, LightEvent, Speaks, speaks};
use camelid_core::sorted::{Map, Set};
use camelid_core::sync::Now;
use camelid_core::units::{Height, Network};
use camelid_core::wallet::Keyring;
use core::task::Waker;
use core::time::Duration;
use futures::channel::oneshot;
use js_sys::Uint32Array;
use libp2p::identity::Keypair;
use libp2p::{Multiaddr, PeerId};
use std::collections::VecDeque;
use std::io::ErrorKind;
use wasm_bindgen::JsValue;

/// Headers and filter headers are kept in pieces of so many.
const PIECE: u32 = 1000;
/// What changed is written once in this time, unless a job waits for it.
const SAVE_EVERY: Duration = Duration::from_secs(1);
/// After a failure the store is tried again in this time.
const SAVE_AGAIN: Duration = Duration::from_secs(5);
/// Warnings that are shown.
const MOST_WARNINGS: usize = 50;
/// Text that others sent is cut off here.
const MOST_TEXT: usize = 100;

/// The keys.
pub enum Wallet {
    /// Not made yet.
    None,
    /// Sealed.
    Locked(Vault),
    /// At hand.
    Open(Vault),
}

/// Who asked, and until when there is an answer.
struct Asked {
    peer: PeerId,
    by: By,
    until: Duration,
}

enum By {
    /// The light client or the jobs.
    Machine(u64),
    /// Somebody who waits.
    Waiting(oneshot::Sender<Result<Response>>),
    /// Nobody: the answer is for the address book.
    Addresses,
}

/// What is to be written.
pub struct Batch {
    /// The changes, of which all or none are made.
    pub changes: Vec<Change>,
    /// What the jobs are told once they are.
    pub ticket: Option<u64>,
}

/// What is known of a neighbour beside the chain.
#[derive(Default)]
pub struct Neighbour {
    /// Its program and version, as it says.
    pub agent: String,
    /// How long a ping takes.
    pub round_trip: Option<Duration>,
    /// It said that it is of this network.
    pub ours: bool,
}

/// Everything.
pub struct State {
    pub network: Network,
    pub params: &'static NetworkParams,
    /// Blocks that headers are held to.
    pub checkpoints: Checkpoints,
    keypair: Keypair,
    me: PeerAddress,
    sequence: u64,
    pub net: Net,
    pub client: LightClient<PeerId>,
    pub jobs: Jobs<PeerId>,
    /// Jobs whose answers could not be checked when that was tried last.
    pub failed_checks: Set<JobId>,
    pub wallet: Wallet,
    asked: Map<u64, Asked>,
    asks: u64,
    pub neighbours: Map<PeerId, Neighbour>,
    pub progress: Option<Progress>,
    pub silent: Set<Silence>,
    pub warnings: VecDeque<(u32, String)>,
    /// What was proved of models.
    pub models: Map<ModelRoot, Proved>,
    /// Bytes of models that are kept, by root.
    pub stored: Map<ModelRoot, u64>,
    /// For the page, in order.
    outbox: Vec<JsValue>,
    changed: Set<&'static str>,
    /// Somebody is connected of whom nothing is kept yet.
    new_peers: bool,
    /// A batch that could not be written.
    failed: Option<Batch>,
    saving: bool,
    save_at: Duration,
    waker: Option<Waker>,
    pub ended: bool,
}

/// A client that follows the headers, for nobody.
fn headers_alone(headers: HeaderChain<PeerId>) -> Result<LightClient<PeerId>> {
    let words = Mnemonic::from_entropy(&outside::random::<16>()).map_err(Failure::internal)?;
    let keyring = Keyring::new(headers.params().network, &words).map_err(Failure::internal)?;
    Ok(LightClient::with_headers(headers, Height(u32::MAX), keyring, Limits::default()))
}

impl State {
    /// A client that knows these headers, and no peer.
    pub fn new(
        network: Network,
        agent: &str,
        keypair: Keypair,
        headers: HeaderChain<PeerId>,
        wallet: Wallet,
    ) -> Result<State> {
        let params = NetworkParams::of(network);
        let key = keypair.clone().try_into_ed25519().map_err(Failure::internal)?.public().to_bytes();
        let me = peer_address(&key);
        Ok(State {
            network,
            params,
            checkpoints: Checkpoints::new(),
            net: Net::new(keypair.clone(), network, agent),
            keypair,
            jobs: Jobs::new(params, me.clone()),
            me,
            failed_checks: Set::new(),
            // Above those of all earlier runs.
            sequence: js_sys::Date::now() as u64 * 1000,
            client: headers_alone(headers)?,
            wallet,
            asked: Map::new(),
            asks: 0,
            neighbours: Map::new(),
            progress: None,
            silent: Set::new(),
            warnings: VecDeque::new(),
            models: Map::new(),
            stored: Map::new(),
            outbox: Vec::new(),
            changed: Set::new(),
            new_peers: false,
            failed: None,
            saving: false,
            save_at: Duration::ZERO,
            waker: None,
            ended: false,
        })
    }

    /// Whether the keys are at hand.
    pub fn is_open(&self) -> bool {
        matches!(self.wallet, Wallet::Open(_))
    }

    /// Goes on with another client: a wallet was opened.
    pub fn follow(&mut self, client: LightClient<PeerId>, wallet: Wallet) {
        // Answers to what the other one asked are answers to nobody.
        self.asked.retain(|_, asked| !matches!(asked.by, By::Machine(_)));
        self.client = client;
        self.jobs = Jobs::new(self.params, self.me.clone());
        self.wallet = wallet;
        (self.progress, self.failed) = (None, None);
        self.silent.clear();
        let here: Vec<PeerId> = self.net.links().map(|(peer, _)| peer).collect();
        here.into_iter().for_each(|peer| self.client.connected(peer));
        for what in ["wallet", "balance", "history", "jobs", "status"] {
            self.tell_changed(what);
        }
        self.wake();
    }

    /// Forgets the keys; headers are followed on.
    pub fn lock(&mut self, wallet: Wallet) -> Result<()> {
        let spare = headers_alone(HeaderChain::new(self.params, self.client.headers().anchor().clone(), 0))?;
        let headers = core::mem::replace(&mut self.client, spare).into_headers();
        let client = headers_alone(headers)?;
        self.follow(client, wallet);
        Ok(())
    }

    /// The page is told of a change, soon.
    pub fn tell_changed(&mut self, what: &'static str) {
        self.changed.insert(what);
        self.wake();
    }

    /// Something is to be done.
    pub fn wake(&mut self) {
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
    }

    /// Who is woken when something is to be done.
    pub fn set_waker(&mut self, waker: &Waker) {
        self.waker = Some(waker.clone());
    }

    /// What the page is to be told.
    pub fn take_outbox(&mut self) -> Vec<JsValue> {
        let changed = core::mem::take(&mut self.changed).into_iter();
        let changed = changed.map(|what| Builder::default().set("type", "changed").set("what", what).done().into());
        let out = core::mem::take(&mut self.outbox);
        changed.chain(out).collect()
    }

    /// A line for the list of warnings.
    pub fn warn(&mut self, text: String) {
        self.warnings.push_front((outside::now().time.0, text));
        self.warnings.truncate(MOST_WARNINGS);
        self.tell_changed("status");
    }

    /// Asks a peer on somebody's behalf.
    pub fn ask(&mut self, peer: PeerId, request: &Request, within: Duration) -> oneshot::Receiver<Result<Response>> {
        let (sender, receiver) = oneshot::channel();
        self.send(peer, request, By::Waiting(sender), within);
        receiver
    }

    fn send(&mut self, peer: PeerId, request: &Request, by: By, within: Duration) {
        let now = outside::now().elapsed;
        self.asks += 1;
        self.net.ask(&peer, self.asks, request.to_bytes(), within, now);
        self.asked.insert(self.asks, Asked { peer, by, until: now + within });
        self.wake();
    }

    /// Makes and signs a message of ours.
    pub fn envelope(&mut self, receiver: Option<PeerAddress>, payload: &Payload) -> Result<Envelope> {
        self.sequence += 1;
        let mut envelope = Envelope::unsigned(self.network, self.me.clone(), receiver, self.sequence, payload);
        let signature = self.keypair.sign(&envelope.signing_bytes().0).map_err(Failure::internal)?;
        envelope.signature =
            signature.try_into().map_err(|_| Failure::internal("a signature has another length than 64 bytes"))?;
        Ok(envelope)
    }

    fn put(&mut self, ask: Ask<PeerId>) {
        let request = match ask.question {
            Question::Request(request) => Ok(*request),
            Question::Submit(payload) => {
                self.envelope(None, &payload).map(|e| Request::Client(ClientRequest::Submit(Box::new(e))))
            }
            Question::Forward(to, payload) => self.envelope(Some(to), &payload).map(|e| Request::Forward(Box::new(e))),
        };
        match request {
            Ok(request) => self.send(ask.peer, &request, By::Machine(ask.id), ask.timeout),
            Err(failure) => self.warn(failure.to_string()),
        }
    }

    fn answered(&mut self, by: By, answer: core::result::Result<Response, NoAnswer>, now: Now) {
        match by {
            By::Machine(id) if self.jobs.asked(id) => self.jobs.on_answer(&mut self.client, id, answer, now),
            By::Machine(id) => self.client.on_answer(id, answer, now),
            // Whoever waited may have given up.
            By::Waiting(sender) => drop(sender.send(answer.map_err(Failure::no_peers))),
            By::Addresses => {
                if let Ok(Response::Peers(peers)) = answer {
                    self.learn(*peers);
                }
            }
        }
    }

    /// Addresses that a neighbour knows. They are tried at most; what they lead to has to prove itself.
    fn learn(&mut self, peers: PeersResponse) {
        let known = peers.known.into_iter().map(|known| known.record);
        for record in peers.own.into_iter().chain(known) {
            let Ok(verified) = record.verify(self.network) else { continue };
            let Ok(peer) = PeerId::from_bytes(verified.body().peer.as_bytes()) else { continue };
            for address in &verified.body().addresses {
                if let Ok(address) = Multiaddr::try_from(address.as_bytes().to_vec()) {
                    self.net.learn(address.with_p2p(peer).unwrap_or_else(|address| address), Source::Stranger);
                }
            }
        }
    }

    /// Something happened to the connections.
    pub fn on_net(&mut self, happened: Happened) {
        let now = outside::now();
        match happened {
            Happened::Connected(peer) => {
                self.client.connected(peer);
                self.neighbours.insert(peer, Neighbour::default());
                self.new_peers = true;
                if self.net.may_ask_for_peers(&peer, now.elapsed) {
                    let request = Request::Peers(Box::new(PeersRequest { own: None }));
                    self.send(peer, &request, By::Addresses, Duration::from_secs(30));
                }
                self.tell_changed("status");
            }
            Happened::Gone(peer) => {
                self.client.disconnected(&peer);
                self.neighbours.remove(&peer);
                let asked: Vec<u64> =
                    self.asked.iter().filter(|(_, asked)| asked.peer == peer).map(|(id, _)| *id).collect();
                for id in asked {
                    self.on_answer(id, Err(NoAnswer::Gone), now);
                }
                self.tell_changed("status");
            }
            Happened::Failed => self.tell_changed("status"),
            Happened::Unasked(id) => self.on_answer(id, Err(NoAnswer::Gone), now),
            Happened::Said(peer, event) => self.on_said(peer, event, now),
        }
    }

    fn on_answer(&mut self, id: u64, answer: core::result::Result<Response, NoAnswer>, now: Now) {
        // One that comes too late is an answer to nobody.
        if let Some(asked) = self.asked.remove(&id) {
            self.answered(asked.by, answer, now);
        }
    }

    fn on_said(&mut self, peer: PeerId, event: LightEvent, now: Now) {
        match event {
            LightEvent::Answer { id, answer } => {
                let answer = match answer {
                    Ok(bytes) => Response::from_bytes(&bytes).map_err(|_| NoAnswer::Malformed),
                    Err(error) if error.kind() == ErrorKind::TimedOut => Err(NoAnswer::TimedOut),
                    Err(_) => Err(NoAnswer::Gone),
                };
                self.on_answer(id, answer, now);
            }
            LightEvent::Asked { request, asker } => {
                let response = match request.map(|bytes| Request::from_bytes(&bytes)) {
                    Ok(Ok(request)) => self.on_request(request, now),
                    _ => {
                        self.blame(peer, "what it asked is no request");
                        Response::Busy
                    }
                };
                self.net.answer(&peer, asker, response.to_bytes(), now.elapsed);
            }
            LightEvent::Told(hello) => self.on_told(peer, &hello),
            LightEvent::Alive(round_trip) => {
                if let Some(neighbour) = self.neighbours.get_mut(&peer) {
                    neighbour.round_trip = Some(round_trip);
                }
            }
            // That it has gone is said by the connections.
            LightEvent::Ended(_) => {}
        }
    }

    /// A neighbour says what it is. One of another network is no cheat, and of no use.
    fn on_told(&mut self, peer: PeerId, hello: &Hello) {
        let speaks = match speaks(&hello.protocol_version, self.network) {
            Speaks::Ours => {
                if let Some(neighbour) = self.neighbours.get_mut(&peer) {
                    neighbour.agent = hello.agent.chars().filter(|c| !c.is_control()).take(MOST_TEXT).collect();
                    neighbour.ours = true;
                }
                return self.tell_changed("status");
            }
            Speaks::Other(name) => format!("is of network {name}"),
            Speaks::Stranger => "is no node of CamelidCoin".into(),
        };
        self.net.ban(peer, Ban::Elsewhere, format!("node {peer} {speaks}, this page is for network {}", self.network));
        self.wake();
    }

    /// A neighbour asks. It is told that there is nothing here but a mailbox.
    fn on_request(&mut self, request: Request, now: Now) -> Response {
        match request {
            Request::Status(_) => {
                let genesis = self.params.genesis();
                Response::Status(ChainStatus {
                    genesis: genesis.hash(),
                    tip: genesis.hash(),
                    height: Height(0),
                    time: now.time,
                })
            }
            Request::Forward(envelope) if envelope.receiver.as_ref() == Some(&self.me) => {
                if let Ok(payload) = envelope.open(self.network) {
                    self.jobs.on_message(&self.client, &payload, now);
                    self.wake();
                }
                Response::Forwarded
            }
            Request::Forward(envelope) => Response::NoRoute(envelope.id()),
            Request::Headers(_) => Response::Headers(Vec::new()),
            Request::Blocks(_) => Response::Blocks(Vec::new()),
            Request::Pools => Response::Pools(Vec::new()),
            Request::Peers(_) => Response::Peers(Box::new(PeersResponse { own: None, known: Vec::new() })),
            Request::Reach(_) => Response::Reach(ReachResponse { results: Vec::new() }),
            Request::Light(_) | Request::Model(_) | Request::Client(_) => Response::Light(LightResponse::NotFound),
        }
    }

    /// A peer broke the protocol.
    pub fn blame(&mut self, peer: PeerId, why: &str) {
        self.net.ban(peer, Ban::Cheat, why.into());
        self.warn(format!("node {peer} is not used any more: {why}"));
    }

    /// Does what there is to do.
    pub fn step(&mut self) {
        let now = outside::now();
        let late: Vec<_> =
            self.asked.iter().filter(|(_, asked)| now.elapsed > asked.until).map(|(id, _)| *id).collect();
        for id in late {
            self.on_answer(id, Err(NoAnswer::TimedOut), now);
        }
        let mut asks = Vec::new();
        if self.is_open() {
            asks.extend(self.jobs.next(&mut self.client, now));
        }
        asks.extend(self.client.next(now));
        for event in self.client.take_events() {
            if self.is_open() {
                self.jobs.on_event(&event, now);
            }
            self.on_light(event);
        }
        for event in self.jobs.take_events() {
            self.on_job(event);
        }
        asks.into_iter().for_each(|ask| self.put(ask));
        self.net.dial(now.elapsed);
        // What was asked goes out before that.
        if self.client.is_checking() {
            self.wake();
        }
    }

    fn on_light(&mut self, event: Event<PeerId>) {
        match event {
            Event::HeadersProgress(progress) => self.progress = Some(progress),
            Event::Scanned { .. } | Event::Contracts(_) | Event::Submitted { .. } => {}
            Event::Tip { .. } => self.progress = self.progress.filter(|p| p.total > self.client.headers().height()),
            Event::Reorganised { common, left } => {
                self.warn(format!("{left} blocks above height {common} gave way to a chain of more work"));
            }
            Event::WalletChanged => {
                self.tell_changed("balance");
                self.tell_changed("history");
            }
            Event::Disagreement { peers: [one, other], from, to } => {
                self.warn(format!(
                    "nodes {one} and {other} disagree about blocks {from} to {to}: the chain's own proof decides"
                ));
            }
            Event::Silent(what) => drop(self.silent.insert(what)),
            Event::Heard(what) => drop(self.silent.remove(&what)),
            Event::Blame { peer, fault } => self.blame(peer, &fault.to_string()),
            Event::Refused { txid, reason } => {
                self.warn(format!("transaction {txid} was refused: {reason}"));
                self.tell_changed("balance");
                self.tell_changed("history");
            }
        }
        self.tell_changed("status");
    }

    fn on_job(&mut self, event: JobEvent) {
        match event {
            JobEvent::Changed(_) => {
                self.tell_changed("jobs");
                self.tell_changed("balance");
            }
            JobEvent::Market => self.tell_changed("models"),
            JobEvent::Verify(request) => {
                let ids = |tokens: &[camelid_core::units::TokenId]| {
                    Uint32Array::from(&tokens.iter().map(|t| t.0).collect::<Vec<_>>()[..])
                };
                let random = u64::from_le_bytes(outside::random());
                let verify = Builder::default()
                    .set("type", "verify")
                    .set("job", request.job.to_string())
                    .set("model", request.model.to_string())
                    .set("prompt", ids(&request.prompt))
                    .set("answer", ids(&request.answer))
                    .set("temperature", request.sampling.temperature)
                    .set("topK", request.sampling.top_k)
                    .set("topP", request.sampling.top_p)
                    .set("seed", request.seed)
                    .set("limit", request.limit)
                    .set("mode", request.mode.name())
                    .set("random", random);
                self.outbox.push(verify.done().into());
            }
        }
    }

    /// What is to be written now; the owner says what became of it.
    pub fn take_batch(&mut self) -> Result<Option<Batch>> {
        let now = outside::now().elapsed;
        if self.saving || matches!(self.wallet, Wallet::Locked(_)) {
            return Ok(None);
        }
        if let Some(batch) = self.failed.take_if(|_| now >= self.save_at) {
            self.saving = true;
            return Ok(Some(batch));
        }
        if self.failed.is_some() {
            return Ok(None);
        }
        let unsaved = if self.is_open() { self.jobs.take_unsaved() } else { None };
        if unsaved.is_none() && now < self.save_at {
            return Ok(None);
        }
        let mut changes = Vec::new();
        let saved = self.client.take_unsaved().map_err(Failure::internal)?;
        let anchor = self.client.headers().anchor().entry.height;
        if let Some(tail) = saved.headers {
            let (last, first) = (self.client.headers().height(), anchor.next());
            pieces(&mut changes, Shelf::Headers, tail.from.max(first), last, first, 80, |from| {
                self.client.headers().bytes_from(from)
            });
        }
        if self.is_open() {
            if let Some(tail) = saved.filters {
                let (last, first) = (self.client.filters().last(), self.client.filters().first());
                pieces(&mut changes, Shelf::Filters, tail.from.max(first), last, first, 32, |from| {
                    self.client.filters().bytes_from(from)
                });
            }
            changes.extend(saved.state.map(|state| Change::Put(Shelf::Small, "state".into(), state)));
        }
        if core::mem::take(&mut self.new_peers) {
            changes.push(self.net.kept());
        }
        let mut ticket = None;
        if let Some(unsaved) = unsaved {
            ticket = Some(unsaved.ticket);
            changes.extend(unsaved.put.into_iter().map(|(id, bytes)| Change::Put(Shelf::Jobs, id.to_string(), bytes)));
            changes.extend(unsaved.remove.into_iter().map(|id| Change::Remove(Shelf::Jobs, id.to_string())));
        }
        if changes.is_empty() && ticket.is_none() {
            return Ok(None);
        }
        self.saving = true;
        Ok(Some(Batch { changes, ticket }))
    }

    /// What became of a batch.
    pub fn wrote(&mut self, batch: Batch, result: Result<()>) {
        let now = outside::now().elapsed;
        self.saving = false;
        match result {
            Ok(()) => {
                self.save_at = now + SAVE_EVERY;
                if let Some(ticket) = batch.ticket {
                    self.jobs.saved(ticket);
                }
            }
            Err(failure) => {
                self.save_at = now + SAVE_AGAIN;
                self.failed = Some(batch);
                self.warn(failure.to_string());
            }
        }
        self.wake();
    }

    /// Takes back a job that was not offered, as if it had never been. Whether that was in time.
    pub fn take_back(&mut self, job: &JobId) -> bool {
        if self.jobs.cancel(&self.client, job, outside::now()).is_err() || self.jobs.forget(job).is_err() {
            return false;
        }
        // Nor is it written later.
        let (key, failed) = (job.to_string(), &mut self.failed);
        let its = |change: &Change| matches!(change, Change::Put(Shelf::Jobs, other, _) if *other == key);
        failed.iter_mut().for_each(|batch| batch.changes.retain(|change| !its(change)));
        self.wake();
        true
    }

    /// Whether something is being written, or could not be.
    pub fn is_saving(&self) -> bool {
        self.saving
    }

    /// The next batch is not waited for.
    pub fn save_soon(&mut self) {
        self.save_at = Duration::ZERO;
        self.wake();
    }
}

/// The pieces that hold the rows from `from` to `last`, of rows that begin at `first` and have `row` bytes each.
fn pieces(
    changes: &mut Vec<Change>,
    shelf: Shelf,
    from: Height,
    last: Height,
    first: Height,
    row: usize,
    bytes_from: impl Fn(Height) -> Vec<u8>,
) {
    let start = Height(from.0 / PIECE * PIECE).max(first);
    let bytes = bytes_from(start);
    let mut rest = &bytes[..];
    let mut height = start;
    while !rest.is_empty() && height <= last {
        let end = (height.0 / PIECE + 1) * PIECE;
        let length = ((end - height.0) as usize * row).min(rest.len());
        let (piece, others) = rest.split_at(length);
        changes.push(Change::Put(shelf, piece_key(height), piece.to_vec()));
        (rest, height) = (others, Height(end));
    }
    changes.push(Change::RemoveFrom(shelf, piece_key(height)));
}

fn piece_key(height: Height) -> String {
    format!("{:07}", height.0 / PIECE)
}
