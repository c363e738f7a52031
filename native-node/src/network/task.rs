//! The task that owns the swarm.

use super::address::plain;
use super::bans::Bans;
use super::book::AddressBook;
use super::close_within::CLOSE_WITHIN;
use super::dialer::Dialer;
use super::failure::{clean, clean_to, io_kind};
use super::files::Saver;
use super::gate::Gate;
use super::handle::{Snapshot, lock};
use super::netaddr::{ip_of, multiaddr_of, peer_id};
use super::outbound::{Failure, Outbound};
use super::probe::{self, Probes};
use super::requests::Requests;
use super::standing::{BAN_AT, Bucket, Rate, Standing};
use super::*;
use camelid_core::message::{NetAddress, Reached, Services};
use camelid_core::p2p::{self, REQUEST_TIMEOUT, Request, Speaks, topic_of, topic_on};
use futures::{FutureExt, StreamExt};
use libp2p::core::ConnectedPoint;
use libp2p::request_response::{self, InboundFailure, OutboundFailure, ResponseChannel};
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{self, ConnectionId, DialError, ListenError, NetworkBehaviour, Swarm, SwarmEvent};
use libp2p::{allow_block_list, connection_limits, gossipsub, identify, ping};
use std::collections::{HashMap, HashSet, VecDeque};
use std::error::Error;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::{Semaphore, oneshot};
use tracing::{debug, info, warn};

/// Points for passing on an invalid message.
pub(super) const REJECT_POINTS: u32 = 20;

/// Points for each request over the rate.
const RATE_POINTS: u32 = 2;

/// A connection that has not said who it is after this time is closed.
const IDENTIFY_WITHIN: Duration = Duration::from_secs(15);

/// A peer of another network is dropped after this time.
const FAREWELL: Duration = Duration::from_secs(1);

/// Listening must begin in this time.
const LISTEN_WITHIN: Duration = Duration::from_secs(10);

/// What changed in the address book is on the disk after this time.
const SAVE_BOOK_WITHIN: Duration = Duration::from_secs(5);

/// Lines in the log about dropped events or failed handshakes: at most one in this time.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// What handles ask of the task.
#[derive(Debug)]
pub(super) enum Command {
    Publish { topic: Topic, data: Vec<u8>, done: oneshot::Sender<Result<(), PublishError>> },
    Request { peer: PeerId, data: Vec<u8>, done: oneshot::Sender<Result<Vec<u8>, RequestError>> },
    Respond { channel: ResponseChannel<Vec<u8>>, response: Vec<u8> },
    Validate { id: MessageId, from: PeerId, verdict: Verdict },
    Penalise { peer: PeerId, points: u32, reason: String },
    Dial { address: Multiaddr, done: oneshot::Sender<Result<PeerId, DialFailed>> },
    Ban { who: Banned, length: Duration },
    Unban { who: Banned, done: oneshot::Sender<bool> },
    Probe { peer: PeerId, addresses: Vec<NetAddress>, done: probe::Done },
    Shutdown { done: oneshot::Sender<()> },
}

/// What the native side adds to the common behaviour.
#[derive(NetworkBehaviour)]
struct NodeBehaviour {
    common: p2p::Behaviour,
    bans: allow_block_list::Behaviour<allow_block_list::BlockedPeers>,
    limits: connection_limits::Behaviour,
    gate: Gate,
}

/// A peer with at least one connection.
struct Peer {
    info: PeerInfo,
    announced: bool,
    /// When to close the connection unless it is announced before.
    drop_at: Instant,
    requests: Bucket,
}

struct Task {
    swarm: Swarm<NodeBehaviour>,
    network: Network,
    limits: Limits,
    /// Weak, so that the network stops when the last handle is gone.
    own_commands: mpsc::WeakSender<Command>,
    events: mpsc::Sender<NetworkEvent>,
    /// Announcements that the node has not taken yet: at most two a peer that it knows.
    backlog: VecDeque<NetworkEvent>,
    room: Arc<Semaphore>,
    shared: Arc<Mutex<Snapshot>>,
    requests: Requests,
    dials: HashMap<ConnectionId, (Multiaddr, oneshot::Sender<Result<PeerId, DialFailed>>)>,
    dialer: Dialer,
    outbound: Outbound,
    probes: Probes,
    standing: Standing,
    bans: Bans,
    book: AddressBook,
    book_saver: Saver,
    peers: HashMap<PeerId, Peer>,
    other_networks: HashSet<PeerId>,
    busy_logged: Option<Instant>,
    handshake_logged: Option<Instant>,
}

/// Fails when another program listens on the port. libp2p shares TCP ports between sockets (`SO_REUSEPORT`) and would
/// not notice.
fn check_free(address: &Multiaddr) -> Result<(), NetworkError> {
    use TransportKind::{Quic, SecureWebSocket, Tcp, WebRtc, WebSocket};
    let free = match (TransportKind::of(address), socket_address(address)) {
        (Some(Tcp | WebSocket | SecureWebSocket), Some(socket)) => std::net::TcpListener::bind(socket).map(drop),
        (Some(Quic | WebRtc), Some(socket)) => std::net::UdpSocket::bind(socket).map(drop),
        _ => Err(io::Error::other("no transport listens on such an address")),
    };
    free.map_err(|e| listen_error(address, &e))
}

fn listen_error(address: &Multiaddr, error: &(dyn Error + 'static)) -> NetworkError {
    let address = plain(address);
    match io_kind(error) {
        Some(io::ErrorKind::AddrInUse) => NetworkError::PortInUse { address },
        _ => NetworkError::Listen { address, reason: error.to_string() },
    }
}

pub(super) async fn start(
    config: NetworkConfig,
) -> Result<(NetworkHandle, mpsc::Receiver<NetworkEvent>), NetworkError> {
    let keypair = identity::load_or_create(&config.identity_file)?;
    let setup = |e: &dyn ToString| NetworkError::Setup(e.to_string());
    let max = u32::try_from(config.limits.max_peers).unwrap_or(u32::MAX);
    let limits = connection_limits::ConnectionLimits::default()
        .with_max_pending_incoming(Some(64))
        .with_max_pending_outgoing(Some(64))
        .with_max_established_incoming(u32::try_from(config.limits.inbound()).ok())
        .with_max_established(Some(max))
        // One each way, and one that asks whether the other can be reached.
        .with_max_established_per_peer(Some(3));
    let behaviour = NodeBehaviour {
        common: p2p::Behaviour::new(&keypair, config.network, AGENT).map_err(|e| setup(&e))?,
        bans: allow_block_list::Behaviour::default(),
        limits: connection_limits::Behaviour::new(limits),
        gate: Gate::new(config.limits),
    };
    let transports = transport::build(&keypair, &config)?;
    // Connections live until somebody goes: dead ones are found by ping, useless ones by identify.
    let forever = Duration::from_secs(365 * 24 * 3600);
    let swarm_config = swarm::Config::with_tokio_executor().with_idle_connection_timeout(forever);
    let mut swarm = Swarm::new(transports.all, behaviour, keypair.public().to_peer_id(), swarm_config);
    listen(&mut swarm, &config.listen).await?;

    let now = Instant::now();
    let (commands, command_queue) = mpsc::channel(32);
    let (events, event_queue) = mpsc::channel(config.limits.event_queue.max(1));
    let shared = Arc::new(Mutex::new(Snapshot {
        listen: swarm.listeners().cloned().collect(),
        data_channels: transports.data_channels,
        ..Snapshot::default()
    }));
    let (network, peer) = (config.network, keypair.public().to_peer_id());
    let book = AddressBook::open(config.book_file.as_deref(), &peer);
    let handle = NetworkHandle { network, book: book.clone(), peer, keypair, commands, shared: shared.clone() };
    let seeds = [seeds::look_up(seeds(network)), config.seeds].concat();
    info!(peer = %handle.peer, network = %config.network, "network started");
    let mut task = Task {
        swarm,
        network: config.network,
        limits: config.limits,
        own_commands: handle.commands.downgrade(),
        events,
        backlog: VecDeque::new(),
        room: Arc::new(Semaphore::new(QUEUED_BYTES)),
        shared,
        requests: Requests::default(),
        dials: HashMap::new(),
        dialer: Dialer::new(config.peers, now),
        outbound: Outbound::new(book.clone(), config.limits, seeds, now),
        probes: Probes::new(config.limits.local),
        standing: Standing::default(),
        bans: Bans::open(config.bans_file),
        book,
        book_saver: Saver::new(config.book_file, super::book::WHAT),
        peers: HashMap::new(),
        other_networks: HashSet::new(),
        busy_logged: None,
        handshake_logged: None,
    };
    let banned: Vec<Ban> = task.bans.iter().collect();
    banned.iter().for_each(|ban| task.shut_out(&ban.who));
    task.show_bans();
    tokio::spawn(task.run(command_queue));
    Ok((handle, event_queue))
}

/// Listens on every address; returns when all of them work.
async fn listen(swarm: &mut Swarm<NodeBehaviour>, addresses: &[Multiaddr]) -> Result<(), NetworkError> {
    let mut waiting = HashMap::new();
    for address in addresses {
        check_free(address)?;
        let id = swarm.listen_on(address.clone()).map_err(|e| listen_error(address, &e))?;
        waiting.insert(id, address.clone());
    }
    let begun = tokio::time::timeout(LISTEN_WITHIN, async {
        while !waiting.is_empty() {
            match swarm.select_next_some().await {
                SwarmEvent::NewListenAddr { listener_id, address } => {
                    waiting.remove(&listener_id);
                    info!(address = %plain(&address), "listening");
                }
                SwarmEvent::ListenerClosed { listener_id, reason: Err(e), .. } => {
                    if let Some(address) = waiting.get(&listener_id) {
                        return Err(listen_error(address, &e));
                    }
                }
                _ => {}
            }
        }
        Ok(())
    });
    begun.await.unwrap_or_else(|_| {
        let address = addresses.iter().map(plain).collect::<Vec<_>>().join(", ");
        Err(NetworkError::Listen { address, reason: "the system gives no such address".into() })
    })
}

impl Task {
    async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut tick = tokio::time::interval(Duration::from_millis(200));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let stopped = loop {
            tokio::select! {
                event = self.swarm.select_next_some() => self.on_swarm(event),
                command = commands.recv() => match command {
                    Some(Command::Shutdown { done }) => break Some(done),
                    Some(command) => self.on_command(command),
                    None => break None,
                },
                open = self.events.reserve().map(|p| p.is_ok()), if !self.backlog.is_empty() => {
                    if !open {
                        self.backlog.clear();
                    }
                    self.flush();
                }
                _ = tick.tick() => self.on_tick(Instant::now()),
            }
        };
        // Peers are told, as far as they listen; sockets are closed as their owner goes.
        let _ = tokio::time::timeout(2 * CLOSE_WITHIN, self.say_goodbye()).await;
        let listened: Vec<Multiaddr> = self.swarm.listeners().cloned().collect();
        drop(self.swarm);
        // Sockets of UDP are closed by tasks of their own.
        let free = async {
            while listened.iter().any(|address| matches!(check_free(address), Err(NetworkError::PortInUse { .. }))) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let _ = tokio::time::timeout(2 * CLOSE_WITHIN, free).await;
        self.bans.save().await;
        self.book_saver.changed(Instant::now(), Duration::ZERO);
        self.book_saver.finish(|| self.book.read().to_bytes()).await;
        info!("network stopped");
        if let Some(done) = stopped {
            let _ = done.send(());
        }
    }

    /// Closes every connection that there is.
    async fn say_goodbye(&mut self) {
        let mut open = self.swarm.network_info().connection_counters().num_established();
        for peer in self.swarm.connected_peers().copied().collect::<Vec<_>>() {
            let _ = self.swarm.disconnect_peer_id(peer);
        }
        while open > 0 {
            if let SwarmEvent::ConnectionClosed { .. } = self.swarm.select_next_some().await {
                open -= 1;
            }
        }
    }

    fn common(&mut self) -> &mut p2p::Behaviour {
        &mut self.swarm.behaviour_mut().common
    }

    fn on_tick(&mut self, now: Instant) {
        self.standing.expire(now);
        for who in self.bans.expire() {
            self.let_back(&who);
        }
        self.keep(now);
        let of_no_use = |p: &&Peer| !p.announced && p.drop_at <= now;
        for peer in self.peers.values().filter(of_no_use).map(|p| p.info.peer).collect::<Vec<_>>() {
            debug!(%peer, "dropped: it does not speak this network");
            let _ = self.swarm.disconnect_peer_id(peer);
        }
        for (key, address) in self.dialer.due(now) {
            let options = DialOpts::unknown_peer_id().address(address).build();
            let attempt = options.connection_id();
            self.dialer.dialling(key, attempt);
            if let Err(error) = self.swarm.dial(options) {
                self.on_dial_error(attempt, &error);
            }
        }
        let bans = &self.bans;
        let banned = |peer: &_, address: &_| {
            let ip = multiaddr_of(address).as_ref().and_then(ip_of);
            peer_id(peer).is_none_or(|p| bans.has_peer(&p)) || ip.is_none_or(|ip| bans.has_machine(ip))
        };
        if let Some(plan) = self.outbound.due(now, banned) {
            let options = DialOpts::unknown_peer_id().address(plan.address.clone()).build();
            let attempt = options.connection_id();
            self.outbound.dialling(attempt, plan);
            if let Err(error) = self.swarm.dial(options) {
                self.on_dial_error(attempt, &error);
            }
        }
        if let Some(connection) = self.outbound.superfluous() {
            self.swarm.close_connection(connection);
        }
    }

    /// Shows the peers' points, and saves what changed.
    fn keep(&mut self, now: Instant) {
        for (peer, info) in &mut lock(&self.shared).peers {
            info.score = self.standing.points(peer, now);
        }
        self.outbound.tick(now);
        if self.book.has_changed() {
            self.book_saver.changed(now, SAVE_BOOK_WITHIN);
        }
        self.book_saver.tick(now, || self.book.read().to_bytes());
        self.bans.tick(now);
    }

    fn on_command(&mut self, command: Command) {
        match command {
            Command::Publish { topic, data, done } => {
                let _ = done.send(self.publish(topic, data));
            }
            Command::Request { peer, data, done } => {
                if self.swarm.is_connected(&peer) {
                    self.requests.ask(&mut self.swarm.behaviour_mut().common.request, peer, data, done);
                } else {
                    let _ = done.send(Err(RequestError::NotConnected));
                }
            }
            Command::Respond { channel, response } => {
                // Fails when the peer has gone or waited too long: it asks again, or does not care.
                let _ = self.common().request.send_response(channel, response);
            }
            Command::Validate { id, from, verdict } => {
                self.common().gossip.report_message_validation_result(&id, &from, verdict.into());
                if verdict == Verdict::Reject {
                    self.penalise(from, REJECT_POINTS, "it passed on an invalid message");
                }
            }
            Command::Penalise { peer, points, reason } => self.penalise(peer, points, &reason),
            Command::Dial { address, done } => {
                let options = DialOpts::unknown_peer_id().address(address.clone()).build();
                let attempt = options.connection_id();
                self.dials.insert(attempt, (address, done));
                if let Err(error) = self.swarm.dial(options) {
                    self.on_dial_error(attempt, &error);
                }
            }
            Command::Ban { who, length } => {
                warn!(%who, minutes = length.as_secs().div_ceil(60), "banned by the user");
                self.ban(who, length, "by the user");
            }
            Command::Unban { who, done } => {
                let was = self.bans.remove(&who, Instant::now());
                self.let_back(&who);
                let _ = done.send(was);
            }
            Command::Probe { peer, addresses, done } => self.probe(peer, &addresses, done),
            // Ends the loop before it comes here.
            Command::Shutdown { .. } => {}
        }
    }

    fn publish(&mut self, topic: Topic, data: Vec<u8>) -> Result<(), PublishError> {
        use gossipsub::PublishError as E;
        let len = data.len();
        // Room for the signature and the other fields of the envelope.
        let max = GOSSIP_MAX - 1024;
        if len > max {
            return Err(PublishError::TooLong { len, max });
        }
        let topic = topic_on(topic, self.network);
        match self.common().gossip.publish(topic, data) {
            Ok(_) | Err(E::NoPeersSubscribedToTopic | E::Duplicate) => Ok(()),
            Err(E::AllQueuesFull(_)) => Err(PublishError::PeersBusy),
            Err(other) => Err(PublishError::Other(other.to_string())),
        }
    }

    fn penalise(&mut self, peer: PeerId, points: u32, reason: &str) {
        if self.bans.has_peer(&peer) {
            return;
        }
        // Room for a block's hash and what is wrong with it.
        let reason = clean_to(240, reason);
        if self.standing.penalise(peer, points, Instant::now()) {
            warn!(%peer, minutes = self.limits.ban.as_secs().div_ceil(60), "dropped and banned: {reason}");
            // An id costs nothing: the machine behind it is banned too.
            let ip = self.peers.get(&peer).and_then(|p| ip_of(&p.info.address));
            let machine = ip.and_then(Banned::machine);
            for who in [Some(Banned::Peer(peer)), machine].into_iter().flatten() {
                self.ban(who, self.limits.ban, &reason);
            }
            lock(&self.shared).counters.banned += 1;
        } else {
            debug!(%peer, points, "{reason}");
        }
    }

    fn ban(&mut self, who: Banned, length: Duration, reason: &str) {
        let ended = self.bans.add(who, length, reason, Instant::now());
        self.shut_out(&who);
        ended.iter().for_each(|ended| self.let_back(ended));
        self.show_bans();
    }

    fn shut_out(&mut self, who: &Banned) {
        match who {
            Banned::Peer(peer) => drop(self.swarm.behaviour_mut().bans.block_peer(*peer)),
            Banned::Address(ip) => self.swarm.behaviour_mut().gate.ban(*ip),
        }
    }

    fn let_back(&mut self, who: &Banned) {
        match who {
            Banned::Peer(peer) => drop(self.swarm.behaviour_mut().bans.unblock_peer(*peer)),
            Banned::Address(ip) => self.swarm.behaviour_mut().gate.unban(ip),
        }
        self.show_bans();
    }

    fn show_bans(&self) {
        lock(&self.shared).bans = self.bans.iter().collect();
    }

    /// Dials a peer that asks whether it can be reached.
    fn probe(&mut self, peer: PeerId, addresses: &[NetAddress], done: probe::Done) {
        let Some(ip) = self.peers.get(&peer).and_then(|p| ip_of(&p.info.address)) else { return };
        let dials = match self.probes.ask(peer, ip, addresses, done, Instant::now()) {
            Ok(dials) => dials,
            Err(probe::TooOften) => return self.penalise(peer, RATE_POINTS, "it asks too often to be dialled"),
        };
        for dial in dials {
            // From a port of its own: one that a router has seen before would let the answer in.
            let options = DialOpts::peer_id(peer).addresses(vec![dial.address.clone()]);
            let options = options.condition(PeerCondition::Always).allocate_new_port().build();
            let attempt = options.connection_id();
            self.probes.dialling(&dial, attempt);
            if let Err(error) = self.swarm.dial(options) {
                self.on_dial_error(attempt, &error);
            }
        }
    }

    fn on_swarm(&mut self, event: SwarmEvent<NodeBehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(NodeBehaviourEvent::Common(event)) => match event {
                p2p::Event::Gossip(event) => self.on_gossip(*event),
                p2p::Event::Request(event) => self.on_request(event),
                p2p::Event::Identify(event) => self.on_identify(*event),
                p2p::Event::Ping(event) => match event.result {
                    Err(ping::Failure::Timeout | ping::Failure::Other { .. }) => {
                        debug!(peer = %event.peer, "closed: it does not answer");
                        self.swarm.close_connection(event.connection);
                    }
                    Ok(time) => {
                        if let Some(known) = self.peers.get_mut(&event.peer) {
                            known.info.ping = Some(time);
                        }
                        if let Some(info) = lock(&self.shared).peers.get_mut(&event.peer) {
                            info.ping = Some(time);
                        }
                    }
                    Err(ping::Failure::Unsupported) => {}
                },
            },
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                self.on_connected(peer_id, connection_id, &endpoint);
            }
            SwarmEvent::ConnectionClosed { peer_id, num_established: 0, .. } => self.on_closed(peer_id),
            SwarmEvent::OutgoingConnectionError { connection_id, error, .. } => {
                self.on_dial_error(connection_id, &error);
            }
            SwarmEvent::IncomingConnectionError { send_back_addr, error, .. } => {
                self.on_failed_handshake(&send_back_addr, &error);
            }
            SwarmEvent::NewListenAddr { address, .. } => {
                info!(address = %plain(&address), "listening");
                lock(&self.shared).listen = self.swarm.listeners().cloned().collect();
            }
            SwarmEvent::ExpiredListenAddr { .. } | SwarmEvent::ListenerClosed { .. } => {
                lock(&self.shared).listen = self.swarm.listeners().cloned().collect();
            }
            _ => {}
        }
    }

    fn on_connected(&mut self, peer: PeerId, connection: ConnectionId, endpoint: &ConnectedPoint) {
        if self.probes.ended(connection, Reached::Yes) {
            self.swarm.close_connection(connection);
            return;
        }
        let now = Instant::now();
        let direction = if endpoint.is_dialer() { Direction::Outbound } else { Direction::Inbound };
        match direction {
            Direction::Outbound => self.outbound.opened(peer, connection, endpoint.get_remote_address(), now),
            Direction::Inbound => self.outbound.came(peer),
        }
        let limits = self.limits;
        self.peers.entry(peer).or_insert_with(|| Peer {
            info: PeerInfo {
                peer,
                address: endpoint.get_remote_address().clone(),
                direction,
                agent: String::new(),
                services: Services::NONE,
                ping: None,
                score: 0,
                connected_since: SystemTime::now(),
            },
            announced: false,
            drop_at: now + IDENTIFY_WITHIN,
            requests: Bucket::full(Rate::of_requests(&limits), now),
        });
        self.dialer.connected(peer, connection, now);
        if let Some((_, done)) = self.dials.remove(&connection) {
            let _ = done.send(Ok(peer));
        }
    }

    fn on_closed(&mut self, peer: PeerId) {
        self.dialer.disconnected(peer, Instant::now());
        self.outbound.closed(&peer, Instant::now());
        self.requests.disconnected(&peer);
        let Some(gone) = self.peers.remove(&peer) else { return };
        if gone.announced {
            info!(%peer, address = %plain(&gone.info.address), "peer disconnected");
            lock(&self.shared).peers.remove(&peer);
            self.tell(NetworkEvent::PeerDisconnected { peer });
        }
    }

    fn on_dial_error(&mut self, attempt: ConnectionId, error: &DialError) {
        let refused_here = matches!(error, DialError::Denied { .. } | DialError::Aborted);
        if self.probes.ended(attempt, if refused_here { Reached::NotTried } else { Reached::No }) {
            return;
        }
        let ourselves = matches!(error, DialError::LocalPeerId { .. });
        self.outbound.failed(attempt, if ourselves { Failure::Ourselves } else { Failure::NoAnswer });
        let reason = failure::of_dial(error);
        if let Some((address, done)) = self.dials.remove(&attempt) {
            let _ = done.send(Err(DialFailed { address: plain(&address), reason: reason.clone() }));
        }
        if ourselves {
            self.dialer.give_up(attempt);
        }
        if let Some(address) = self.dialer.failed(attempt, Instant::now()) {
            warn!("cannot reach {}: {reason}; will keep trying", plain(&address));
        }
    }

    fn on_failed_handshake(&mut self, address: &Multiaddr, error: &ListenError) {
        if let ListenError::Denied { .. } = error {
            debug!(address = %plain(address), "connection refused: banned, or enough connections");
            return;
        }
        lock(&self.shared).counters.failed_handshakes += 1;
        if due(&mut self.handshake_logged) {
            warn!("dropped {}: it does not speak the peer protocol ({})", plain(address), clean(&error.to_string()));
        }
    }

    fn on_identify(&mut self, event: identify::Event) {
        let (peer, info) = match event {
            identify::Event::Received { peer_id, info, .. } => (peer_id, info),
            identify::Event::Error { peer_id, error, .. } => {
                debug!(peer = %peer_id, "identify failed: {}", clean(&error.to_string()));
                return;
            }
            _ => return,
        };
        let speaks = match p2p::speaks(&info.protocol_version, self.network) {
            Speaks::Ours => {
                if let Some(known) = self.peers.get_mut(&peer) {
                    known.info.agent = clean(&info.agent_version);
                }
                self.announce(peer);
                return;
            }
            Speaks::Other(name) => format!("network {name}"),
            Speaks::Stranger => format!("`{}`, not CamelidCoin", clean(&info.protocol_version)),
        };
        self.dialer.slow_down(peer);
        // The list is of peers already told about; it starts anew rather than grow.
        if self.other_networks.len() >= 1024 {
            self.other_networks.clear();
        }
        let Some(known) = self.peers.get_mut(&peer) else { return };
        // The other side is given the time to find out for itself, and to tell its user.
        known.drop_at = Instant::now() + FAREWELL;
        if self.other_networks.insert(peer) {
            let address = known.info.address.clone();
            let ours = self.network;
            warn!("peer {peer} at {} speaks {speaks}, this node network {ours}/1: dropped", plain(&address));
            // Not an announcement: dropped with the rest when the node is slow.
            let _ = self.events.try_send(NetworkEvent::WrongNetwork { peer, address, speaks });
        }
    }

    /// Tells the node about a peer that has shown that it speaks this network; once. False for one of no further use.
    fn announce(&mut self, peer: PeerId) -> bool {
        let Some(known) = self.peers.get_mut(&peer) else { return false };
        if let Some(connection) = self.outbound.announced(&peer) {
            debug!(%peer, "it is there, which is all that was asked");
            self.swarm.close_connection(connection);
            if !known.announced {
                return false;
            }
        }
        let first = !known.announced;
        known.announced = true;
        let info = known.info.clone();
        let mut snapshot = lock(&self.shared);
        let services = snapshot.peers.get(&peer).map_or(Services::NONE, |known| known.services);
        snapshot.peers.insert(peer, PeerInfo { services, ..info.clone() });
        drop(snapshot);
        if first {
            info!(%peer, address = %plain(&info.address), agent = %info.agent, "peer connected");
            self.tell(NetworkEvent::PeerConnected(info));
        }
        true
    }

    fn on_gossip(&mut self, event: gossipsub::Event) {
        let gossipsub::Event::Message { propagation_source: from, message_id: id, message } = event else { return };
        let wanted = self.announce(from);
        let topic = topic_of(&message.topic, self.network);
        let data = Payload::new(message.data, &self.room);
        let taken = match (topic, data) {
            (Some(topic), Some(data)) if wanted => {
                self.pass_on(NetworkEvent::Gossip { topic, id: id.clone(), from, data })
            }
            _ => false,
        };
        if !taken {
            lock(&self.shared).counters.dropped_gossip += 1;
            self.common().gossip.report_message_validation_result(&id, &from, gossipsub::MessageAcceptance::Ignore);
        }
    }

    fn on_request(&mut self, event: request_response::Event<Request, Vec<u8>>) {
        use request_response::{Event, Message};
        match event {
            Event::Message { peer, message: Message::Request { request, channel, .. }, .. } => {
                self.on_question(peer, request, channel);
            }
            Event::Message { message: Message::Response { request_id, response }, .. } => {
                if let Some(done) = self.requests.over(&mut self.swarm.behaviour_mut().common.request, request_id) {
                    let _ = done.send(Ok(response));
                }
            }
            Event::OutboundFailure { peer, request_id, error, .. } => {
                let error = match error {
                    OutboundFailure::Timeout => RequestError::Timeout,
                    OutboundFailure::DialFailure => RequestError::NotConnected,
                    OutboundFailure::Io(e) if e.kind() == io::ErrorKind::InvalidData => {
                        self.penalise(peer, BAN_AT, &format!("it sent a {e}"));
                        RequestError::Garbage(e.to_string())
                    }
                    other => RequestError::Refused(clean(&other.to_string())),
                };
                if let Some(done) = self.requests.over(&mut self.swarm.behaviour_mut().common.request, request_id) {
                    let _ = done.send(Err(error));
                }
            }
            Event::InboundFailure { peer, error: InboundFailure::Timeout, .. } => {
                debug!(%peer, seconds = REQUEST_TIMEOUT.as_secs(), "a request was not answered in time");
            }
            Event::InboundFailure { .. } | Event::ResponseSent { .. } => {}
        }
    }

    fn on_question(&mut self, peer: PeerId, request: Request, channel: ResponseChannel<Vec<u8>>) {
        // The protocol's name has the network's in it: whoever asks speaks it.
        if !self.announce(peer) {
            return;
        }
        let data = match request {
            Ok(data) => data,
            Err(too_long) => return self.penalise(peer, BAN_AT, &format!("it sent a {too_long}")),
        };
        let limits = self.limits;
        let Some(known) = self.peers.get_mut(&peer) else { return };
        if !known.requests.take(Rate::of_requests(&limits), 1.0, Instant::now()) {
            lock(&self.shared).counters.dropped_requests += 1;
            return self.penalise(peer, RATE_POINTS, "it asks too often");
        }
        // No handle is left: the network is about to stop.
        let Some(commands) = self.own_commands.upgrade() else { return };
        let respond = Responder { channel, commands };
        let data = Payload::new(data, &self.room);
        if !data.is_some_and(|data| self.pass_on(NetworkEvent::Request { peer, data, respond })) {
            lock(&self.shared).counters.dropped_requests += 1;
        }
    }

    /// Gives the node an event that may be dropped; false when it was, because the node is slow.
    fn pass_on(&mut self, event: NetworkEvent) -> bool {
        let taken = self.backlog.is_empty() && self.events.try_send(event).is_ok();
        if !taken && due(&mut self.busy_logged) {
            warn!("the node is slow to take messages from the network: some are dropped");
        }
        taken
    }

    /// Gives the node an announcement: at once, or as soon as it takes events again.
    fn tell(&mut self, event: NetworkEvent) {
        if let NetworkEvent::PeerDisconnected { peer } = event {
            // Came and went before the node heard of it: nothing to tell.
            let came = |e: &NetworkEvent| matches!(e, NetworkEvent::PeerConnected(info) if info.peer == peer);
            if let Some(at) = self.backlog.iter().position(came) {
                self.backlog.remove(at);
                return;
            }
        }
        self.backlog.push_back(event);
        self.flush();
    }

    fn flush(&mut self) {
        while let Some(event) = self.backlog.pop_front() {
            match self.events.try_send(event) {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Full(event)) => return self.backlog.push_front(event),
                Err(mpsc::error::TrySendError::Closed(_)) => {}
            }
        }
    }
}

/// Whether it is time for another line in the log; notes that there was one.
fn due(last: &mut Option<Instant>) -> bool {
    let now = Instant::now();
    let due = last.is_none_or(|at| now.saturating_duration_since(at) >= LOG_EVERY);
    if due {
        *last = Some(now);
    }
    due
}
