//! Connections to full nodes: WebRTC first, WebSocket soon after, again after every end.

use crate::error::{Failure, Result};
use crate::store::{Change, Shelf};
use crate::{address, outside, webrtc, websocket};
use camelid_core::p2p::{About, Asker, LightConnection, LightEvent};
use camelid_core::sorted::{Map, sort_by_key};
use camelid_core::units::Network;
use core::task::{Context, Poll};
use core::time::Duration;
use futures::FutureExt;
use futures::future::LocalBoxFuture;
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::identity::Keypair;
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};
use std::io;
use std::sync::Arc;

/// As many full nodes are wanted at once.
const WANTED: usize = 4;
/// As many are known at most.
const MOST_KNOWN: usize = 64;
/// Before the address of a node that the user named, in what is kept.
const BY_USER: &str = "user ";
/// As many addresses of one.
const MOST_ADDRESSES: usize = 8;
/// If WebRTC has not connected by then, WebSocket is tried beside it.
const WEBRTC_ALONE: Duration = Duration::from_millis(1500);
/// An attempt that takes longer has failed.
const ATTEMPT: Duration = Duration::from_secs(12);
/// Between two rounds of attempts: doubles from the one to the other.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// A connection that lasted so long was a good one.
const LASTING: Duration = Duration::from_secs(20);
/// "A peer asks for peers every ten minutes at most": with some slack.
const PEERS_EVERY: Duration = Duration::from_secs(660);

/// What the browser speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// WebRTC-direct.
    WebRtc,
    /// WebSocket, with TLS or without.
    WebSocket,
}

impl Kind {
    /// What an address is dialled with; none where a browser cannot.
    pub fn of(address: &Multiaddr) -> Option<Kind> {
        address.iter().find_map(|part| match part {
            Protocol::WebRTCDirect => Some(Kind::WebRtc),
            Protocol::Ws(_) | Protocol::Wss(_) => Some(Kind::WebSocket),
            _ => None,
        })
    }

    /// The word in index.d.ts.
    pub fn name(self) -> &'static str {
        match self {
            Kind::WebRtc => "webrtc",
            Kind::WebSocket => "websocket",
        }
    }
}

/// A connection.
pub struct Link {
    /// Where to.
    pub address: Multiaddr,
    /// Over what.
    pub kind: Kind,
    /// When it began.
    since: Duration,
    connection: LightConnection,
}

/// An attempt to connect.
struct Attempt {
    address: Multiaddr,
    kind: Kind,
    since: Duration,
    dial: LocalBoxFuture<'static, io::Result<StreamMuxerBox>>,
}

/// Who told of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The embedder: it tells again at every visit.
    Embedder,
    /// The user: it is kept for good.
    User,
    /// A visit before, on which it worked.
    Before,
    /// Another node.
    Stranger,
}

/// Why a node is not dialled any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ban {
    /// It broke the protocol.
    Cheat,
    /// It is of another network: until the user says that it is another node now.
    Elsewhere,
}

/// A full node that is known.
#[derive(Default)]
struct Known {
    addresses: Vec<Multiaddr>,
    /// The embedder or the user named it: it is never forgotten.
    named: bool,
    /// The user did, at this visit or before.
    by_user: bool,
    /// It worked, at this visit or before.
    worked: bool,
    /// The user waits for it: it is dialled however many are here.
    wanted: bool,
    link: Option<Link>,
    /// Attempts that run.
    attempts: Vec<Attempt>,
    /// The round of attempts: since when, and which kinds were tried in it.
    round: Option<(Duration, Vec<Kind>)>,
    next_round: Duration,
    pause: Duration,
    /// When it was asked for its peers.
    asked_for_peers: Option<Duration>,
    banned: Option<Ban>,
    /// What its last attempt failed with, or why it is of no use.
    error: Option<String>,
}

/// What happened.
pub enum Happened {
    /// A full node is here.
    Connected(PeerId),
    /// It has gone.
    Gone(PeerId),
    /// It says something.
    Said(PeerId, LightEvent),
    /// An attempt to connect failed.
    Failed,
    /// There is nobody to ask this.
    Unasked(u64),
}

/// The connections.
pub struct Net {
    keypair: Keypair,
    about: Arc<About>,
    known: Map<PeerId, Known>,
    /// To be told: whom the connection was closed to, what could not be asked.
    gone: Vec<PeerId>,
    unasked: Vec<u64>,
}

/// Connects to a node, which has to be the one that is meant.
async fn connect(address: Multiaddr, kind: Kind, meant: PeerId, keypair: Keypair) -> io::Result<StreamMuxerBox> {
    let (peer, muxer) = match kind {
        Kind::WebRtc => webrtc::dial(&address, keypair).await?,
        Kind::WebSocket => websocket::dial(&address, keypair).await?,
    };
    if peer != meant {
        return Err(io::Error::other(format!("node {peer} is there, not {meant}")));
    }
    Ok(muxer)
}

impl Net {
    /// No connection yet.
    pub fn new(keypair: Keypair, network: Network, agent: &str) -> Net {
        let about = Arc::new(About::new(&keypair.public(), network, agent));
        Net { keypair, about, known: Map::new(), gone: Vec::new(), unasked: Vec::new() }
    }

    /// Reads an address that somebody typed or configured: it must name the peer, and be of a kind that browsers dial.
    pub fn parse(text: &str) -> Result<Multiaddr> {
        let address = address::read(text.trim()).map_err(|e| {
            Failure::bad_address(format_args!(
                "{text:?} is no address of a node ({e}): expected one like /ip4/…/tcp/…/ws/p2p/…"
            ))
        })?;
        if Kind::of(&address).is_none() {
            return Err(Failure::bad_address(format_args!(
                "{text} is not for browsers: WebRTC-direct or WebSocket is expected"
            )));
        }
        match address.iter().last() {
            Some(Protocol::P2p(_)) => Ok(address),
            _ => Err(Failure::bad_address(format_args!("{text} names no peer: expected /p2p/… at its end"))),
        }
    }

    /// Learns of an address.
    pub fn learn(&mut self, mut address: Multiaddr, source: Source) {
        // One that does not come back from text as it is has parts that are nothing to a browser, or a name that is none.
        if address::read(&address::write(&address)).ok().as_ref() != Some(&address) {
            return;
        }
        let Some(kind) = Kind::of(&address) else { return };
        let Some(Protocol::P2p(peer)) = address.pop() else { return };
        let named = matches!(source, Source::Embedder | Source::User);
        // A page that came over https may open secure sockets alone.
        if kind == Kind::WebSocket && !named && is_secure_page() && !is_secure(&address) {
            return;
        }
        if self.known.len() >= MOST_KNOWN && !self.known.contains_key(&peer) {
            // For what a stranger says nothing goes that is worth more.
            let worth = |known: &Known| (known.worked, known.banned.is_some());
            let free = |known: &Known| {
                let idle = !known.named && !known.by_user && known.link.is_none() && known.attempts.is_empty();
                idle && (source != Source::Stranger || worth(known) == (false, false))
            };
            let least = self.known.iter().filter(|(_, known)| free(known)).min_by_key(|(_, known)| worth(known));
            let Some(other) = least.map(|(peer, _)| *peer) else { return };
            self.known.remove(&other);
        }
        let known = self.known.entry(peer).or_default();
        known.named |= named;
        known.worked |= source == Source::Before;
        if source == Source::User {
            (known.by_user, known.wanted) = (true, known.link.is_none());
            if known.banned == Some(Ban::Elsewhere) {
                (known.banned, known.error) = (None, None);
            }
        }
        if known.addresses.contains(&address) {
            return;
        }
        if known.addresses.len() >= MOST_ADDRESSES {
            if !named {
                return;
            }
            known.addresses.pop();
        }
        known.addresses.push(address);
        sort_by_key(&mut known.addresses, Kind::of);
    }

    /// Learns again what [`kept`](Net::kept) was, at a visit before.
    pub fn learn_kept(&mut self, lines: &[u8]) {
        for line in String::from_utf8_lossy(lines).lines() {
            let (source, text) = match line.strip_prefix(BY_USER) {
                Some(text) => (Source::User, text),
                None => (Source::Before, line),
            };
            if let Ok(address) = Net::parse(text) {
                self.learn(address, source);
            }
        }
        self.known.values_mut().for_each(|known| known.wanted = false);
    }

    /// The connected full nodes.
    pub fn links(&self) -> impl Iterator<Item = (PeerId, &Link)> {
        self.known.iter().filter_map(|(peer, known)| Some((*peer, known.link.as_ref()?)))
    }

    /// The nodes that the user named and those that work, an address a line, as the browser keeps them for the next visit.
    /// One that worked once and failed at this visit is not kept.
    pub fn kept(&self) -> Change {
        let good = self.known.iter().filter(|(_, known)| {
            known.by_user || known.banned.is_none() && known.worked && (known.link.is_some() || known.error.is_none())
        });
        let lines = good.flat_map(|(peer, known)| {
            let mark = if known.by_user { BY_USER } else { "" };
            known.addresses.iter().map(move |address| format!("{mark}{}/p2p/{peer}\n", address::write(address)))
        });
        Change::Put(Shelf::Small, "peers".into(), lines.collect::<String>().into_bytes())
    }

    /// Whether a node may be asked for its peers now; then it counts as asked.
    pub fn may_ask_for_peers(&mut self, peer: &PeerId, now: Duration) -> bool {
        let Some(known) = self.known.get_mut(peer) else { return false };
        let due = known.asked_for_peers.is_none_or(|asked| now > asked + PEERS_EVERY);
        if due {
            known.asked_for_peers = Some(now);
        }
        due
    }

    /// Why there is no connection: the last failure of a named node.
    pub fn trouble(&self) -> Option<&str> {
        self.known.values().filter(|known| known.named && known.link.is_none()).find_map(|known| known.error.as_deref())
    }

    /// What came of a node: the last failure.
    pub fn trouble_of(&self, peer: &PeerId) -> Option<&str> {
        self.known.get(peer)?.error.as_deref()
    }

    /// Asks a node. The answer comes with the same number, within this time.
    pub fn ask(&mut self, peer: &PeerId, id: u64, request: Vec<u8>, within: Duration, now: Duration) {
        match self.connection(peer) {
            Some(connection) => connection.ask(id, request, within, now),
            None => self.unasked.push(id),
        }
    }

    /// Answers a node, if it is still there.
    pub fn answer(&mut self, peer: &PeerId, asker: Asker, response: Vec<u8>, now: Duration) {
        if let Some(connection) = self.connection(peer) {
            connection.answer(asker, response, now);
        }
    }

    fn connection(&mut self, peer: &PeerId) -> Option<&mut LightConnection> {
        Some(&mut self.known.get_mut(peer)?.link.as_mut()?.connection)
    }

    /// Closes the connection to a peer that broke the protocol or is of another network, and dials it no more.
    pub fn ban(&mut self, peer: PeerId, ban: Ban, why: String) {
        let known = self.known.entry(peer).or_default();
        (known.banned, known.error) = (Some(ban), Some(why));
        known.attempts.clear();
        if known.link.take().is_some() {
            self.gone.push(peer);
        }
    }

    /// The network or the page is back: tries at once.
    pub fn nudge(&mut self) {
        for known in self.known.values_mut() {
            (known.next_round, known.pause) = (Duration::ZERO, Duration::ZERO);
        }
    }

    /// Ends all connections.
    pub fn close(&mut self) {
        for (peer, known) in self.known.iter_mut() {
            known.attempts.clear();
            if known.link.take().is_some() {
                self.gone.push(*peer);
            }
        }
    }

    /// Dials whom it is time for.
    pub fn dial(&mut self, now: Duration) {
        let mut here = self.known.values().filter(|known| known.link.is_some()).count();
        for (peer, known) in self.known.iter_mut() {
            known.attempts.retain(|attempt| {
                let on_time = now < attempt.since + ATTEMPT;
                if !on_time {
                    let late = io::Error::other("no answer in time");
                    known.error = Some(why(&attempt.address, attempt.kind, &late));
                }
                on_time
            });
            if known.link.is_some() || known.banned.is_some() {
                continue;
            }
            let due = now >= known.next_round && (here < WANTED || known.wanted);
            let (since, tried) = match &mut known.round {
                Some(round) => (round.0, &mut round.1),
                None if due => {
                    let round = known.round.insert((now, Vec::new()));
                    (round.0, &mut round.1)
                }
                None => continue,
            };
            here += 1;
            let next = [Kind::WebRtc, Kind::WebSocket]
                .into_iter()
                .find(|kind| !tried.contains(kind) && known.addresses.iter().any(|a| Kind::of(a) == Some(*kind)));
            match next {
                // The second kind waits until the first has failed, or takes long.
                Some(_) if !known.attempts.is_empty() && now < since + WEBRTC_ALONE => {}
                Some(kind) => {
                    tried.push(kind);
                    for address in known.addresses.iter().filter(|a| Kind::of(a) == Some(kind)) {
                        let dial = connect(address.clone(), kind, *peer, self.keypair.clone()).boxed_local();
                        known.attempts.push(Attempt { address: address.clone(), kind, since: now, dial });
                    }
                }
                None if known.attempts.is_empty() => {
                    (known.round, known.wanted) = (None, false);
                    known.pause = (known.pause * 2).clamp(PAUSE.0, PAUSE.1);
                    known.next_round = now + known.pause;
                }
                None => {}
            }
        }
    }

    /// What happened to the connections.
    pub fn poll(&mut self, cx: &mut Context<'_>, now: Duration) -> Poll<Happened> {
        if let Some(peer) = self.gone.pop() {
            return Poll::Ready(Happened::Gone(peer));
        }
        if let Some(id) = self.unasked.pop() {
            return Poll::Ready(Happened::Unasked(id));
        }
        for (peer, known) in self.known.iter_mut() {
            match known.attempt(&self.about, cx, now) {
                Poll::Ready(true) => return Poll::Ready(Happened::Connected(*peer)),
                Poll::Ready(false) => return Poll::Ready(Happened::Failed),
                Poll::Pending => {}
            }
            let Some(link) = &mut known.link else { continue };
            match link.connection.poll(cx, now) {
                Poll::Ready(LightEvent::Ended(error)) => {
                    known.ended(&error, now);
                    return Poll::Ready(Happened::Gone(*peer));
                }
                Poll::Ready(event) => return Poll::Ready(Happened::Said(*peer, event)),
                Poll::Pending => {}
            }
        }
        Poll::Pending
    }
}

impl Known {
    /// Polls the attempts: whether one has led to a connection, which is enough, or has failed.
    fn attempt(&mut self, about: &Arc<About>, cx: &mut Context<'_>, now: Duration) -> Poll<bool> {
        for at in 0..self.attempts.len() {
            let Poll::Ready(result) = self.attempts[at].dial.as_mut().poll(cx) else { continue };
            let Attempt { address, kind, .. } = self.attempts.remove(at);
            match result {
                Ok(muxer) => {
                    let seed = u64::from_le_bytes(outside::random());
                    let connection = LightConnection::new(muxer, about.clone(), seed, now);
                    self.link = Some(Link { address, kind, since: now, connection });
                    self.attempts.clear();
                    (self.round, self.error) = (None, None);
                    (self.worked, self.wanted) = (true, false);
                }
                Err(error) => self.error = Some(why(&address, kind, &error)),
            }
            return Poll::Ready(self.link.is_some());
        }
        Poll::Pending
    }

    fn ended(&mut self, error: &io::Error, now: Duration) {
        let since = self.link.take().map_or(now, |link| link.since);
        self.error = Some(error.to_string());
        // One that ends soon after it began is not tried again at once.
        if now < since + LASTING {
            self.pause = (self.pause * 2).clamp(PAUSE.0, PAUSE.1);
            self.next_round = now + self.pause;
        } else {
            (self.next_round, self.pause) = (now, Duration::ZERO);
        }
    }
}

/// Why a node is not reached.
fn why(address: &Multiaddr, kind: Kind, error: &io::Error) -> String {
    let address_text = address::write(address);
    if is_secure_page() && kind == Kind::WebSocket && !is_secure(address) {
        return format!("{address_text}: a page that came over https may open no plain WebSocket there ({error})");
    }
    format!("{address_text}: {error}")
}

/// Whether an address is of a secure socket.
fn is_secure(address: &Multiaddr) -> bool {
    address.iter().any(|part| matches!(part, Protocol::Wss(_) | Protocol::Tls))
}

/// Whether the page itself came over TLS.
fn is_secure_page() -> bool {
    let location = web_sys::window().map(|window| window.location());
    location.and_then(|location| location.protocol().ok()).is_some_and(|protocol| protocol == "https:")
}
