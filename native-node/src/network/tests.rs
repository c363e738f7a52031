//! Real sockets on loopback: two and three nodes, strangers, and peers that break the protocol.

use super::*;
use camelid_core::p2p;
use futures::{AsyncReadExt as _, AsyncWriteExt as _, StreamExt};
use libp2p::request_response::{self, Codec, ProtocolSupport};
use libp2p::swarm::{NetworkBehaviour, Swarm, SwarmEvent};
use libp2p::{StreamProtocol, identify, noise, tcp, yamux};
use std::io;
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Far longer than anything here takes: a test that waits so long has failed.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

pub(super) struct Node {
    pub(super) handle: NetworkHandle,
    pub(super) events: mpsc::Receiver<NetworkEvent>,
    pub(super) _dir: Option<tempfile::TempDir>,
}

pub(super) fn config(dir: &Path, peers: &[&Node]) -> NetworkConfig {
    NetworkConfig {
        identity_file: dir.join("peer.key"),
        listen: vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()],
        peers: peers.iter().map(|p| p.address()).collect(),
        seeds: Vec::new(),
        book_file: Some(dir.join("peers.book")),
        bans_file: Some(dir.join("peers.bans")),
        network: Network::Dev,
        limits: Limits::default(),
        transports: TransportFiles::in_folder(dir),
    }
}

pub(super) async fn node_with(peers: &[&Node], change: impl FnOnce(&mut NetworkConfig)) -> Node {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path(), peers);
    change(&mut config);
    let (handle, events) = start(config).await.unwrap();
    Node { handle, events, _dir: Some(dir) }
}

pub(super) async fn node(peers: &[&Node]) -> Node {
    node_with(peers, |_| ()).await
}

impl Node {
    pub(super) fn address(&self) -> Multiaddr {
        self.handle.listen_addresses().remove(0)
    }

    pub(super) fn id(&self) -> PeerId {
        self.handle.local_peer_id()
    }

    /// The first thing that `wanted` picks from the events; others are passed over.
    pub(super) async fn wait_for<T>(&mut self, mut wanted: impl FnMut(NetworkEvent) -> Option<T>) -> T {
        let search = async {
            loop {
                if let Some(found) = wanted(self.events.recv().await.expect("the network is running")) {
                    return found;
                }
            }
        };
        tokio::time::timeout(PATIENCE, search).await.expect("the event comes")
    }

    pub(super) async fn connected_to(&mut self, other: &Node) -> PeerInfo {
        let id = other.id();
        self.wait_for(|e| match e {
            NetworkEvent::PeerConnected(info) if info.peer == id => Some(info),
            _ => None,
        })
        .await
    }

    pub(super) async fn disconnected_from(&mut self, id: PeerId) {
        self.wait_for(|e| matches!(e, NetworkEvent::PeerDisconnected { peer } if peer == id).then_some(())).await;
    }

    pub(super) async fn gossip(&mut self) -> (Topic, MessageId, PeerId, Vec<u8>) {
        self.wait_for(|e| match e {
            NetworkEvent::Gossip { topic, id, from, data } => Some((topic, id, from, data.into_vec())),
            _ => None,
        })
        .await
    }

    pub(super) async fn request(&mut self) -> (PeerId, Vec<u8>, Responder) {
        self.wait_for(|e| match e {
            NetworkEvent::Request { peer, data, respond } => Some((peer, data.into_vec(), respond)),
            _ => None,
        })
        .await
    }

    /// Publishes until the peers' subscriptions have arrived and `at` has got it.
    pub(super) async fn publish_until_heard(
        &self,
        topic: Topic,
        data: &[u8],
        at: &mut Node,
    ) -> (Topic, MessageId, PeerId, Vec<u8>) {
        for count in 0u32.. {
            // Every attempt is a message of its own: the same one would be a duplicate.
            self.handle.publish(topic, [data, &count.to_le_bytes()].concat()).await.unwrap();
            if let Ok(heard) = tokio::time::timeout(Duration::from_millis(300), at.gossip()).await {
                return heard;
            }
            assert!(count < 200, "gossip arrives");
        }
        unreachable!()
    }
}

pub(super) async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let wait = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("{what}"));
}

#[tokio::test]
async fn two_nodes_meet_gossip_and_ask() {
    let mut a = node(&[]).await;
    let mut b = node(&[&a]).await;
    let seen = a.connected_to(&b).await;
    assert_eq!((seen.direction, seen.agent.as_str()), (Direction::Inbound, AGENT));
    let seen = b.connected_to(&a).await;
    assert_eq!((seen.direction, seen.address), (Direction::Outbound, a.address()));
    assert_eq!(b.handle.peers().len(), 1);

    let (topic, _, from, data) = b.publish_until_heard(Topic::Blocks, b"block", &mut a).await;
    assert_eq!((topic, from, &data[..5]), (Topic::Blocks, b.id(), &b"block"[..]));

    let handle = b.handle.clone();
    let (a_id, long) = (a.id(), vec![7; REQUEST_MAX]);
    let asked = tokio::spawn(async move { handle.request(a_id, long, PATIENCE).await });
    let (peer, data, respond) = a.request().await;
    assert_eq!((peer, data.len()), (b.id(), REQUEST_MAX));
    respond.send(vec![9; RESPONSE_MAX]).await.unwrap();
    assert_eq!(asked.await.unwrap().unwrap(), vec![9; RESPONSE_MAX]);

    let handle = b.handle.clone();
    let asked = tokio::spawn(async move { handle.request(a_id, b"?".to_vec(), PATIENCE).await });
    drop(a.request().await);
    assert!(matches!(asked.await.unwrap(), Err(RequestError::Refused(_))), "an answer that is not given is refused");
}

#[tokio::test]
async fn three_nodes_in_a_row_pass_on_only_what_was_validated() {
    let a = node(&[]).await;
    let mut b = node(&[&a]).await;
    // One after the other: waiting for one peer passes over the other's event.
    b.connected_to(&a).await;
    let mut c = node(&[&b]).await;
    b.connected_to(&c).await;
    c.connected_to(&b).await;
    // Nothing that B has not accepted reaches C, however often A says it.
    let (_, id, from, _) = a.publish_until_heard(Topic::Jobs, b"bad", &mut b).await;
    assert_eq!(from, a.id());
    b.handle.validate(id, from, Verdict::Ignore).await;
    for count in 0u32..200 {
        a.handle.publish(Topic::Jobs, [&b"good"[..], &count.to_le_bytes()].concat()).await.unwrap();
        let (_, id, from, data) = b.gossip().await;
        let verdict = if data.starts_with(b"good") { Verdict::Accept } else { Verdict::Ignore };
        b.handle.validate(id, from, verdict).await;
        if let Ok((topic, _, from, data)) = tokio::time::timeout(Duration::from_millis(200), c.gossip()).await {
            assert_eq!((topic, from, &data[..4]), (Topic::Jobs, b.id(), &b"good"[..]));
            return;
        }
    }
    panic!("the accepted message reaches C");
}

#[tokio::test]
async fn what_is_too_long_is_refused_before_it_is_sent() {
    let mut a = node(&[]).await;
    let mut b = node(&[&a]).await;
    a.connected_to(&b).await;
    b.connected_to(&a).await;
    let refused = b.handle.request(a.id(), vec![0; REQUEST_MAX + 1], PATIENCE).await;
    assert_eq!(refused, Err(RequestError::TooLong { len: REQUEST_MAX + 1, max: REQUEST_MAX }));
    let refused = b.handle.publish(Topic::Blocks, vec![0; GOSSIP_MAX]).await;
    assert!(matches!(refused, Err(PublishError::TooLong { .. })));
    let (handle, id) = (b.handle.clone(), a.id());
    let asked = tokio::spawn(async move { handle.request(id, vec![1], PATIENCE).await });
    let (_, _, respond) = a.request().await;
    assert!(matches!(respond.send(vec![0; RESPONSE_MAX + 1]).await, Err(RequestError::TooLong { .. })));
    assert!(matches!(asked.await.unwrap(), Err(RequestError::Refused(_))));
    let stranger = b.handle.request(PeerId::random(), vec![1], PATIENCE).await;
    assert_eq!(stranger, Err(RequestError::NotConnected));
    let silent = b.handle.request(a.id(), vec![1], Duration::from_millis(50)).await;
    assert_eq!(silent, Err(RequestError::Timeout));
}

#[tokio::test]
async fn a_node_that_restarts_is_found_again() {
    let dir = tempfile::tempdir().unwrap();
    let (handle, events) = start(config(dir.path(), &[])).await.unwrap();
    let mut a = Node { handle, events, _dir: None };
    let mut b = node(&[&a]).await;
    a.connected_to(&b).await;
    b.connected_to(&a).await;
    let (id, address) = (a.id(), a.address());
    a.handle.shutdown().await;
    b.disconnected_from(id).await;
    assert!(b.handle.peers().is_empty());
    assert_eq!(a.handle.publish(Topic::Blocks, vec![1]).await, Err(PublishError::Stopped));

    let mut again = config(dir.path(), &[]);
    again.listen = vec![address.clone()];
    let (handle, events) = start(again).await.unwrap();
    a = Node { handle, events, _dir: None };
    assert_eq!((a.id(), a.address()), (id, address), "the identity is kept on disk");
    b.connected_to(&a).await;
    a.connected_to(&b).await;
}

#[tokio::test]
async fn a_port_in_use_is_one_clear_line() {
    let a = node(&[]).await;
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path(), &[]);
    config.listen = vec![a.address()];
    let error = start(config).await.unwrap_err();
    assert!(matches!(error, NetworkError::PortInUse { .. }));
    let (text, port) = (error.to_string(), socket_address(&a.address()).unwrap());
    assert!(text.contains(&port.to_string()) && text.contains("--listen") && !text.contains('\n'), "{text}");
}

#[tokio::test]
async fn networks_do_not_mix() {
    let mut a = node(&[]).await;
    let mut other = node_with(&[&a], |c| c.network = Network::Test).await;
    let told = |e| match e {
        NetworkEvent::WrongNetwork { peer, speaks, .. } => Some((peer, speaks)),
        NetworkEvent::PeerConnected(_) => panic!("a peer of another network was announced"),
        _ => None,
    };
    assert_eq!(a.wait_for(told).await, (other.id(), "network test/1".to_string()));
    assert_eq!(other.wait_for(told).await, (a.id(), "network dev/1".to_string()));
    assert!(a.handle.peers().is_empty() && other.handle.peers().is_empty());
}

#[tokio::test]
async fn a_ban_holds_for_its_time() {
    let mut a = node_with(&[], |c| c.limits.ban = Duration::from_secs(3)).await;
    let mut b = node(&[&a]).await;
    a.connected_to(&b).await;
    b.connected_to(&a).await;
    a.handle.penalise(b.id(), BAN_AT / 2, "a test").await;
    // Commands are taken in their order: when this one is done, so is the one before it.
    a.handle.publish(Topic::Jobs, vec![1]).await.unwrap();
    assert_eq!(a.handle.peers().len(), 1, "half of the points bans nobody");
    a.handle.penalise(b.id(), BAN_AT / 2, "a test").await;
    a.disconnected_from(b.id()).await;
    b.disconnected_from(a.id()).await;
    assert_eq!((a.handle.counters().banned, a.handle.peers().len()), (1, 0));
    // The ban ends, and the configured peer comes back by itself.
    a.connected_to(&b).await;
}

#[tokio::test]
async fn invalid_gossip_bans_who_passes_it_on() {
    let mut a = node(&[]).await;
    let mut b = node(&[&a]).await;
    a.connected_to(&b).await;
    b.connected_to(&a).await;
    for count in 0u32..400 {
        b.handle.publish(Topic::Transactions, count.to_le_bytes().to_vec()).await.unwrap();
        if let Ok((_, id, from, _)) = tokio::time::timeout(Duration::from_millis(100), a.gossip()).await {
            a.handle.validate(id, from, Verdict::Reject).await;
        }
        if a.handle.counters().banned == 1 {
            return;
        }
    }
    panic!("the peer is banned");
}

#[tokio::test]
async fn a_slow_node_loses_messages_but_no_announcement() {
    let mut a = node_with(&[], |c| c.limits.event_queue = 4).await;
    let mut b = node(&[&a]).await;
    b.connected_to(&a).await;
    a.connected_to(&b).await;
    b.publish_until_heard(Topic::Jobs, b"first", &mut a).await;
    for i in 0u32..50 {
        b.handle.publish(Topic::Jobs, i.to_le_bytes().to_vec()).await.unwrap();
    }
    until("messages are dropped", || a.handle.counters().dropped_gossip > 0).await;
    let refused = b.handle.request(a.id(), vec![1], PATIENCE).await;
    assert!(matches!(refused, Err(RequestError::Refused(_))), "{refused:?}");
    let (id, peers) = (b.id(), a.handle.clone());
    b.handle.shutdown().await;
    until("the peer is gone", || peers.peers().is_empty()).await;
    a.disconnected_from(id).await;
}

#[tokio::test]
async fn who_asks_too_often_is_banned() {
    let limits = Limits { requests_per_second: 1, request_burst: 5, ..Limits::default() };
    let mut a = node_with(&[], |c| c.limits = limits).await;
    let mut b = node(&[&a]).await;
    b.connected_to(&a).await;
    let (handle, id) = (b.handle.clone(), a.id());
    let flood = tokio::spawn(async move {
        let mut answered = 0;
        for _ in 0..200 {
            match handle.request(id, vec![1], PATIENCE).await {
                Ok(_) => answered += 1,
                Err(RequestError::NotConnected) => break,
                Err(_) => {}
            }
        }
        answered
    });
    let id = b.id();
    loop {
        match tokio::time::timeout(PATIENCE, a.events.recv()).await.unwrap().unwrap() {
            NetworkEvent::Request { respond, .. } => respond.send(vec![2]).await.unwrap(),
            NetworkEvent::PeerDisconnected { peer } if peer == id => break,
            _ => {}
        }
    }
    let answered = flood.await.unwrap();
    assert!((5..50).contains(&answered), "{answered} answers");
    assert_eq!(a.handle.counters().banned, 1);
}

#[tokio::test]
async fn a_stranger_on_the_port_is_dropped() {
    let mut a = node(&[]).await;
    let address = socket_address(&a.address()).unwrap();
    for greeting in
        [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0xff; 4096], b"\x13/multistream/1.0.0\n\x07/noise\n\xff\xff\xff\xff"]
    {
        let before = a.handle.counters().failed_handshakes;
        let mut stranger = tokio::net::TcpStream::connect(address).await.unwrap();
        stranger.write_all(greeting).await.unwrap();
        // Shut for writing, so that a handshake that waits for more cannot.
        let _ = stranger.shutdown().await;
        let end = async {
            let mut buffer = [0; 1024];
            while !matches!(stranger.read(&mut buffer).await, Ok(0) | Err(_)) {}
        };
        tokio::time::timeout(PATIENCE, end).await.expect("the stranger is dropped");
        until("it is counted", || a.handle.counters().failed_handshakes > before).await;
    }
    // Honest peers are served as before.
    let b = node(&[&a]).await;
    a.connected_to(&b).await;
}

/// Writes bytes as they are, so that a test can break the protocol.
#[derive(Clone, Default)]
struct Raw;

impl Codec for Raw {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Vec<u8>;

    async fn read_request<T: futures::AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<Vec<u8>> {
        let mut start = vec![0; 4];
        io.read_exact(&mut start).await?;
        Ok(start)
    }

    async fn read_response<T: futures::AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        io.take(1000).read_to_end(&mut all).await?;
        Ok(all)
    }

    async fn write_request<T: futures::AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        bytes: Vec<u8>,
    ) -> io::Result<()> {
        io.write_all(&bytes).await
    }

    async fn write_response<T: futures::AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        bytes: Vec<u8>,
    ) -> io::Result<()> {
        io.write_all(&bytes).await
    }
}

#[derive(NetworkBehaviour)]
struct Rogue {
    request: request_response::Behaviour<Raw>,
    identify: identify::Behaviour,
}

/// A peer that speaks the protocols' names, and then sends `bytes` as request or as response to whoever asks.
fn rogue() -> Swarm<Rogue> {
    let keypair = Keypair::generate_ed25519();
    let base = p2p::protocol_version(Network::Dev);
    let name = StreamProtocol::try_from_owned(format!("{base}/request")).unwrap();
    let behaviour = Rogue {
        request: request_response::Behaviour::new([(name, ProtocolSupport::Full)], Default::default()),
        identify: identify::Behaviour::new(identify::Config::new(base, keypair.public())),
    };
    libp2p::SwarmBuilder::with_existing_identity(keypair)
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
        .unwrap()
        .with_behaviour(|_| behaviour)
        .unwrap()
        .with_swarm_config(|c| c.with_idle_connection_timeout(PATIENCE))
        .build()
}

#[tokio::test]
async fn a_peer_that_declares_a_giant_request_is_banned() {
    let mut a = node(&[]).await;
    let (mut rogue, id) = (rogue(), a.id());
    let rogue_id = *rogue.local_peer_id();
    rogue.dial(a.address()).unwrap();
    let attack = tokio::spawn(async move {
        loop {
            match rogue.select_next_some().await {
                SwarmEvent::ConnectionEstablished { .. } => {
                    rogue.behaviour_mut().request.send_request(&id, u32::MAX.to_le_bytes().to_vec());
                }
                SwarmEvent::ConnectionClosed { .. } => return,
                _ => {}
            }
        }
    });
    tokio::time::timeout(PATIENCE, attack).await.expect("the rogue is dropped").unwrap();
    a.disconnected_from(rogue_id).await;
    assert_eq!(a.handle.counters().banned, 1);
}

#[tokio::test]
async fn a_peer_that_answers_with_garbage_is_banned() {
    let mut a = node(&[]).await;
    let mut rogue = rogue();
    let rogue_id = *rogue.local_peer_id();
    rogue.dial(a.address()).unwrap();
    tokio::spawn(async move {
        loop {
            let event = rogue.select_next_some().await;
            if let SwarmEvent::Behaviour(RogueEvent::Request(request_response::Event::Message {
                message: request_response::Message::Request { channel, .. },
                ..
            })) = event
            {
                let _ = rogue.behaviour_mut().request.send_response(channel, vec![0xff; 100]);
            }
        }
    });
    a.wait_for(|e| matches!(e, NetworkEvent::PeerConnected(_)).then_some(())).await;
    let answer = a.handle.request(rogue_id, vec![1, 2, 3], PATIENCE).await;
    assert!(matches!(answer, Err(RequestError::Garbage(_))), "{answer:?}");
    a.disconnected_from(rogue_id).await;
    assert_eq!(a.handle.counters().banned, 1);
}
