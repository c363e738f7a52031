//! Connections to full nodes: WebRTC first, WebSocket soon after, again after every end.

use crate::error::{Failure, Result};
use crate::webrtc::WebRtc;
use camelid_core::p2p::{LightBehaviour, LightEvent, yamux_config};
use camelid_core::units::Network;
use core::str::FromStr;
use core::time::Duration;
use libp2p::core::Transport;
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::Boxed;
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{Config, ConnectionId, Swarm, SwarmEvent};
use libp2p::{Multiaddr, PeerId, noise, websocket_websys};
use std::collections::BTreeMap;

/// As many full nodes are wanted at once.
const WANTED: usize = 4;
/// As many are known at most.
const MOST_KNOWN: usize = 64;
/// As many addresses of one.
const MOST_ADDRESSES: usize = 8;
/// If WebRTC has not connected by then, WebSocket is tried beside it.
const WEBRTC_ALONE: Duration = Duration::from_millis(1500);
/// An attempt that takes longer has failed.
const ATTEMPT: Duration = Duration::from_secs(12);
/// Between two rounds of attempts: doubles from the one to the other.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// Connections are kept without streams too. Browsers' timers end at 24 days, and longer ones fire at once.
const IDLE: Duration = Duration::from_secs(20 * 86_400);
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
#[derive(Clone, Debug)]
pub struct Link {
    id: ConnectionId,
    /// Where to.
    pub address: Multiaddr,
    /// Over what.
    pub kind: Kind,
}

/// A full node that is known.
#[derive(Default)]
struct Known {
    addresses: Vec<Multiaddr>,
    /// The embedder or the user named it: it is never forgotten.
    named: bool,
    link: Option<Link>,
    /// Attempts that run, and when they began.
    attempts: BTreeMap<ConnectionId, (Kind, Duration)>,
    /// The round of attempts: since when, and which kinds were tried in it.
    round: Option<(Duration, Vec<Kind>)>,
    next_round: Duration,
    pause: Duration,
    /// When the last connection began.
    since: Duration,
    /// When it was asked for its peers.
    asked_for_peers: Option<Duration>,
    /// It broke the protocol, or is of another network.
    banned: bool,
    /// What its last attempt failed with.
    error: Option<String>,
}

/// What happened to connections.
pub enum Happened {
    /// A full node is here.
    Connected(PeerId),
    /// It has gone.
    Gone(PeerId),
}

/// The connections.
pub struct Net {
    swarm: Swarm<LightBehaviour>,
    known: BTreeMap<PeerId, Known>,
}

/// Both transports as one: each carries Yamux, as on the native side.
fn transport(keypair: &Keypair) -> Result<Boxed<(PeerId, StreamMuxerBox)>> {
    let webrtc = WebRtc::new(keypair).map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)));
    let noise = noise::Config::new(keypair).map_err(Failure::internal)?;
    let websocket = websocket_websys::Transport::default()
        .upgrade(Version::V1Lazy)
        .authenticate(noise)
        .multiplex(yamux_config())
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)));
    Ok(webrtc.boxed().or_transport(websocket.boxed()).map(|either, _| either.into_inner()).boxed())
}

impl Net {
    /// No connection yet.
    pub fn new(keypair: Keypair, network: Network, agent: &str) -> Result<Net> {
        let behaviour = LightBehaviour::new(&keypair, network, agent).map_err(Failure::internal)?;
        let config = Config::with_wasm_executor().with_idle_connection_timeout(IDLE);
        let swarm = Swarm::new(transport(&keypair)?, behaviour, keypair.public().to_peer_id(), config);
        Ok(Net { swarm, known: BTreeMap::new() })
    }

    /// libp2p's side.
    pub fn swarm(&mut self) -> &mut Swarm<LightBehaviour> {
        &mut self.swarm
    }

    /// Reads an address that somebody typed or configured: it must name the peer, and be of a kind that browsers dial.
    pub fn parse(text: &str) -> Result<Multiaddr> {
        let address = Multiaddr::from_str(text.trim()).map_err(|e| {
            Failure::bad_address(format_args!(
                "{text:?} is no address of a node ({e}): expected one like /ip4/…/tcp/…/ws/p2p/…"
            ))
        })?;
        if Kind::of(&address).is_none() {
            return Err(Failure::bad_address(format_args!(
                "{address} is not for browsers: WebRTC-direct or WebSocket is expected"
            )));
        }
        match address.iter().last() {
            Some(Protocol::P2p(_)) => Ok(address),
            _ => Err(Failure::bad_address(format_args!("{address} names no peer: expected /p2p/… at its end"))),
        }
    }

    /// Learns of an address.
    pub fn learn(&mut self, mut address: Multiaddr, named: bool) {
        let Some(kind) = Kind::of(&address) else { return };
        let Some(Protocol::P2p(peer)) = address.pop() else { return };
        // A page that came over https may open secure sockets alone.
        if kind == Kind::WebSocket && !named && is_secure_page() && !is_secure(&address) {
            return;
        }
        if self.known.len() >= MOST_KNOWN && !self.known.contains_key(&peer) {
            let idle =
                |known: &Known| !known.named && known.link.is_none() && known.attempts.is_empty() && !known.banned;
            let Some(other) = self.known.iter().find(|(_, known)| idle(known)).map(|(peer, _)| *peer) else { return };
            self.known.remove(&other);
        }
        let known = self.known.entry(peer).or_default();
        known.named |= named;
        if !known.addresses.contains(&address) && known.addresses.len() < MOST_ADDRESSES {
            known.addresses.push(address);
            known.addresses.sort_by_key(Kind::of);
        }
    }

    /// The connected full nodes.
    pub fn links(&self) -> impl Iterator<Item = (PeerId, &Link)> {
        self.known.iter().filter_map(|(peer, known)| Some((*peer, known.link.as_ref()?)))
    }

    /// The addresses that somebody named or that worked, to be kept.
    pub fn addresses(&self) -> Vec<String> {
        let good = self.known.iter().filter(|(_, known)| (known.link.is_some() || known.named) && !known.banned);
        good.flat_map(|(peer, known)| known.addresses.iter().map(move |a| format!("{a}/p2p/{peer}"))).collect()
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

    /// Closes the connection to a peer that broke the protocol, and dials it no more.
    pub fn ban(&mut self, peer: PeerId) {
        self.known.entry(peer).or_default().banned = true;
        let _ = self.swarm.disconnect_peer_id(peer);
    }

    /// The network or the page is back: tries at once.
    pub fn nudge(&mut self) {
        for known in self.known.values_mut() {
            (known.next_round, known.pause) = (Duration::ZERO, Duration::ZERO);
        }
    }

    /// Ends all connections.
    pub fn close(&mut self) {
        for peer in self.swarm.connected_peers().copied().collect::<Vec<_>>() {
            let _ = self.swarm.disconnect_peer_id(peer);
        }
    }

    /// Dials whom it is time for.
    pub fn dial(&mut self, now: Duration) {
        let mut here = self.known.values().filter(|known| known.link.is_some()).count();
        let Net { swarm, known } = self;
        for (peer, known) in known.iter_mut() {
            known.attempts.retain(|_, (_, since)| now < *since + ATTEMPT);
            if known.link.is_some() || known.banned {
                continue;
            }
            let due = now >= known.next_round && here < WANTED;
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
                    let addresses: Vec<_> =
                        known.addresses.iter().filter(|a| Kind::of(a) == Some(kind)).cloned().collect();
                    let dial = DialOpts::peer_id(*peer).condition(PeerCondition::Always).addresses(addresses).build();
                    let id = dial.connection_id();
                    match swarm.dial(dial) {
                        Ok(()) => drop(known.attempts.insert(id, (kind, now))),
                        Err(error) => known.error = Some(error.to_string()),
                    }
                }
                None if known.attempts.is_empty() => {
                    known.round = None;
                    known.pause = (known.pause * 2).clamp(PAUSE.0, PAUSE.1);
                    known.next_round = now + known.pause;
                }
                None => {}
            }
        }
    }

    /// What libp2p says of connections.
    pub fn on_event(&mut self, event: &SwarmEvent<LightEvent>, now: Duration) -> Option<Happened> {
        match event {
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                let known = self.known.entry(*peer_id).or_default();
                known.attempts.remove(connection_id);
                let address = endpoint.get_remote_address().clone();
                let kind = Kind::of(&address)?;
                // One connection is enough, and a banned peer gets none.
                if known.link.is_some() || known.banned {
                    self.swarm.close_connection(*connection_id);
                    return None;
                }
                known.link = Some(Link { id: *connection_id, address, kind });
                (known.round, known.error, known.since) = (None, None, now);
                Some(Happened::Connected(*peer_id))
            }
            SwarmEvent::ConnectionClosed { peer_id, connection_id, cause, .. } => {
                let known = self.known.get_mut(peer_id)?;
                if known.link.as_ref().is_none_or(|link| link.id != *connection_id) {
                    return None;
                }
                known.link = None;
                known.error = cause.as_ref().map(ToString::to_string);
                // One that ends soon after it began is not tried again at once.
                if now < known.since + LASTING {
                    known.pause = (known.pause * 2).clamp(PAUSE.0, PAUSE.1);
                    known.next_round = now + known.pause;
                } else {
                    (known.next_round, known.pause) = (now, Duration::ZERO);
                }
                Some(Happened::Gone(*peer_id))
            }
            SwarmEvent::OutgoingConnectionError { peer_id: Some(peer), connection_id, error } => {
                let known = self.known.get_mut(peer)?;
                known.attempts.remove(connection_id);
                known.error = Some(error.to_string());
                None
            }
            _ => None,
        }
    }
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
