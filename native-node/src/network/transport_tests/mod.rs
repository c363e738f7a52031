//! Two real nodes on loopback over each transport: what a connection must do, whatever carries it.

use super::tests::{Node, PATIENCE, config, node_with};
use super::*;
use futures::StreamExt;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// Runs each test once a transport.
macro_rules! over_every_transport {
    ($($test:ident),* $(,)?) => {
        over_every_transport!(@ tcp Tcp: $($test)*);
        over_every_transport!(@ quic Quic: $($test)*);
        over_every_transport!(@ websocket WebSocket: $($test)*);
        over_every_transport!(@ secure_websocket SecureWebSocket: $($test)*);
        over_every_transport!(@ webrtc_direct WebRtc: $($test)*);
    };
    (@ $transport:ident $kind:ident: $($test:ident)*) => {
        mod $transport {
            $(
                #[tokio::test]
                async fn $test() {
                    super::$test(super::TransportKind::$kind).await;
                }
            )*
        }
    };
}

// After the macro that they use.
mod faults;
mod link;
mod webrtc;

over_every_transport!(
    nodes_meet_gossip_and_ask,
    a_hundred_requests_at_once_wait_their_turn,
    megabytes_come_as_they_were_sent,
    an_address_survives_a_restart,
);

/// A certificate for this machine, self-made, and its key.
fn tls(folder: &Path) -> TlsFiles {
    let made = rcgen::generate_simple_self_signed(["localhost".to_string(), "127.0.0.1".to_string()]).unwrap();
    let files = TlsFiles { certificate: folder.join("cert.pem"), key: folder.join("key.pem") };
    std::fs::write(&files.certificate, made.cert.pem()).unwrap();
    std::fs::write(&files.key, made.key_pair.serialize_pem()).unwrap();
    files
}

/// Listens on one transport alone, at a free port.
fn only(kind: TransportKind, config: &mut NetworkConfig) {
    config.listen = vec![kind.on(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))];
    if kind == TransportKind::SecureWebSocket {
        config.transports.tls = Some(tls(config.identity_file.parent().unwrap()));
    }
    // The tests ask more often than a peer may.
    (config.limits.requests_per_second, config.limits.request_burst) = (1_000_000, 1_000_000);
}

/// A node that listens on one transport alone.
async fn listener(kind: TransportKind) -> Node {
    node_with(&[], |config| only(kind, config)).await
}

/// A node that listens nowhere and dials another at an address, by whatever transport that is.
async fn dialer(to: &Node, address: &Multiaddr) -> Node {
    node_with(&[], |config| {
        config.listen = Vec::new();
        config.peers = vec![address.clone()];
        // A self-made certificate is its own authority.
        let files = to._dir.as_ref().map(|dir| dir.path().join("cert.pem"));
        config.transports.tls_trust = files.into_iter().filter(|file| file.exists()).collect();
    })
    .await
}

/// Two nodes that are connected over one transport, the listener first.
async fn pair(kind: TransportKind) -> (Node, Node) {
    let mut a = listener(kind).await;
    let address = a.handle.full_addresses().remove(0);
    assert_eq!(TransportKind::of(&address), Some(kind), "{address}");
    let mut b = dialer(&a, &address).await;
    let seen = b.connected_to(&a).await;
    assert_eq!((seen.direction, &seen.address), (Direction::Outbound, &address));
    assert_eq!(a.connected_to(&b).await.direction, Direction::Inbound);
    (a, b)
}

/// Answers a node's requests by a function of the question, until the network stops.
fn serve(mut node: Node, answer: impl Fn(&[u8]) -> Vec<u8> + Send + 'static) -> NetworkHandle {
    let handle = node.handle.clone();
    tokio::spawn(async move {
        while let Some(event) = node.events.recv().await {
            if let NetworkEvent::Request { data, respond, .. } = event {
                let _ = respond.send(answer(&data)).await;
            }
        }
    });
    handle
}

/// Bytes that depend on a number and on their place.
fn pattern(number: u32, len: usize) -> Vec<u8> {
    (0..len as u32).flat_map(|at| (number ^ at.wrapping_mul(0x9e37_79b9)).to_le_bytes()).take(len).collect()
}

async fn nodes_meet_gossip_and_ask(kind: TransportKind) {
    let (mut a, mut b) = pair(kind).await;
    let (_, _, from, data) = b.publish_until_heard(Topic::Blocks, b"block", &mut a).await;
    assert_eq!((from, &data[..5]), (b.id(), &b"block"[..]));
    let (_, _, from, data) = a.publish_until_heard(Topic::Jobs, b"job", &mut b).await;
    assert_eq!((from, &data[..3]), (a.id(), &b"job"[..]));
    // Both ways, and the longest that there is.
    for (asks, answers) in [(0, 1), (1, 0)] {
        let nodes = [&mut a, &mut b];
        let (handle, id) = (nodes[asks].handle.clone(), nodes[answers].id());
        let asked = tokio::spawn(async move { handle.request(id, vec![7; REQUEST_MAX], PATIENCE).await });
        let (_, data, respond) = nodes[answers].request().await;
        assert_eq!(data, vec![7; REQUEST_MAX]);
        respond.send(pattern(3, RESPONSE_MAX)).await.unwrap();
        assert_eq!(asked.await.unwrap().unwrap(), pattern(3, RESPONSE_MAX));
    }
    // An end is told at once, not found by a ping that nobody answers.
    let id = b.id();
    b.handle.shutdown().await;
    a.disconnected_from(id).await;
}

async fn a_hundred_requests_at_once_wait_their_turn(kind: TransportKind) {
    let (a, b) = pair(kind).await;
    let a = serve(a, |question| question.to_vec());
    let (id, handle) = (a.local_peer_id(), b.handle.clone());
    let ask = |i: u32| {
        let handle = handle.clone();
        async move { (i, handle.request(id, i.to_le_bytes().to_vec(), PATIENCE).await) }
    };
    let answers = futures::future::join_all((0..100).map(ask)).await;
    let mut answered = 0;
    for (i, answer) in answers {
        match answer {
            Ok(answer) => {
                assert_eq!(answer, i.to_le_bytes());
                answered += 1;
            }
            // Over the node's limit, and said at once.
            Err(RequestError::Busy) => {}
            Err(other) => panic!("request {i}: {other}"),
        }
    }
    // Twice as many as may be under way on a connection.
    assert!(answered >= 64, "{answered} answers");
    // Nothing is left of the rush.
    for i in 100..150 {
        assert_eq!(ask(i).await.1.unwrap(), i.to_le_bytes());
    }
}

async fn megabytes_come_as_they_were_sent(kind: TransportKind) {
    const CHUNK: usize = 64 * 1024;
    let (a, b) = pair(kind).await;
    let a = serve(a, |question| pattern(u32::from_le_bytes(question.try_into().unwrap()), CHUNK));
    let (id, handle) = (a.local_peer_id(), b.handle.clone());
    let chunks = futures::stream::iter(0..8 * 1024 * 1024 / CHUNK as u32).map(|number| {
        let handle = handle.clone();
        async move { (number, handle.request(id, number.to_le_bytes().to_vec(), PATIENCE).await.unwrap()) }
    });
    let mut chunks = chunks.buffer_unordered(8);
    let mut got = 0;
    while let Some((number, chunk)) = chunks.next().await {
        assert!(chunk == pattern(number, CHUNK), "chunk {number} is not what was sent");
        got += chunk.len();
    }
    assert_eq!(got, 8 * 1024 * 1024);
}

async fn an_address_survives_a_restart(kind: TransportKind) {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path(), &[]);
    only(kind, &mut config);
    let (handle, events) = start(config.clone()).await.unwrap();
    let mut a = Node { handle, events, _dir: Some(dir) };
    let addresses = a.handle.full_addresses();
    let mut b = dialer(&a, &addresses[0]).await;
    b.connected_to(&a).await;
    let id = a.id();
    a.handle.shutdown().await;
    b.disconnected_from(id).await;
    // An address as it was shown is one to listen on.
    config.listen = vec![parse_listen_address(&addresses[0].to_string()).unwrap()];
    let (handle, events) = start(config).await.unwrap();
    a = Node { handle, events, _dir: a._dir };
    assert_eq!(a.handle.full_addresses(), addresses, "identity, port and certificate are the same");
    b.connected_to(&a).await;
}
