//! What goes wrong on a transport: silence, nobody there, handshakes that never end, certificates.

use super::link::Link;
use super::*;
use crate::network::tests::until;
use camelid_core::p2p::{PING_EVERY, PING_TIMEOUT};
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

over_every_transport!(
    a_peer_that_goes_silent_is_noticed,
    a_dead_port_is_one_clear_line,
    another_peer_than_the_address_names_is_refused,
    a_handshake_that_never_ends_is_dropped,
);

#[test]
fn silence_is_noticed_within_25_seconds() {
    // libp2p's time for agreeing on a protocol, after the first ping that was not answered.
    let negotiation = Duration::from_secs(10);
    let sum = PING_EVERY + PING_TIMEOUT + PING_EVERY + negotiation + close_within::CLOSE_WITHIN;
    assert!(sum < Duration::from_secs(25), "{sum:?}");
}

async fn a_peer_that_goes_silent_is_noticed(kind: TransportKind) {
    let mut a = listener(kind).await;
    let link = Link::to(&a.handle.full_addresses()[0]).await;
    let mut b = dialer(&a, &link.address).await;
    b.connected_to(&a).await;
    a.connected_to(&b).await;
    // The answer is on its way when the line goes dead: nobody takes what the connection still has to write.
    let (handle, id) = (b.handle.clone(), a.id());
    let asked = tokio::spawn(async move { handle.request(id, vec![1], 2 * PATIENCE).await });
    let (_, _, respond) = a.request().await;
    link.cut();
    let begun = Instant::now();
    respond.send(vec![2; RESPONSE_MAX]).await.unwrap();
    let (a_id, b_id) = (a.id(), b.id());
    tokio::join!(a.disconnected_from(b_id), b.disconnected_from(a_id));
    println!("{kind:?}: both sides noticed after {:.1} s", begun.elapsed().as_secs_f64());
    assert!(asked.await.unwrap().is_err(), "no answer came through");
}

/// A port of this machine at which nobody listens.
async fn dead(kind: TransportKind) -> SocketAddr {
    let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    match kind {
        TransportKind::Quic | TransportKind::WebRtc => {
            tokio::net::UdpSocket::bind(loopback).await.unwrap().local_addr().unwrap()
        }
        _ => tokio::net::TcpListener::bind(loopback).await.unwrap().local_addr().unwrap(),
    }
}

/// The hash of some certificate.
const SOME_HASH: &str = "/certhash/uEiDikp5KVUgkLta1EjUN-IKbHk-dUBg8VzKgf5nXxLK46w";

async fn a_dead_port_is_one_clear_line(kind: TransportKind) {
    let b = dialer(&listener(kind).await, &kind.on(dead(kind).await)).await;
    let mut address = kind.on(dead(kind).await).to_string();
    if kind == TransportKind::WebRtc {
        address += SOME_HASH;
    }
    let dial = b.handle.dial(parse_address(&address).unwrap());
    let failed = tokio::time::timeout(PATIENCE, dial).await.expect("the attempt ends").unwrap_err();
    let said = match kind {
        TransportKind::Quic | TransportKind::WebRtc => "no answer in time",
        _ => "nobody listens there",
    };
    assert!(failed.reason.contains(said), "{failed}");
}

async fn another_peer_than_the_address_names_is_refused(kind: TransportKind) {
    let a = listener(kind).await;
    let b = dialer(&a, &kind.on(dead(kind).await)).await;
    let address = a.handle.listen_addresses().remove(0);
    let wrong = address.clone().with_p2p(PeerId::random()).unwrap();
    let failed = b.handle.dial(wrong).await.unwrap_err();
    assert!(failed.reason.contains(&a.id().to_string()), "{failed}");
    assert_eq!(b.handle.dial(address).await.unwrap(), a.id());
}

/// A STUN binding request as a libp2p dialer begins with.
fn stun(name: &str) -> Vec<u8> {
    let user = format!("libp2p+webrtc+v1/{name}:libp2p+webrtc+v1/{name}");
    let padded = user.len().next_multiple_of(4);
    let mut message = vec![0, 1];
    message.extend(u16::try_from(4 + padded).unwrap().to_be_bytes());
    message.extend(0x2112_a442_u32.to_be_bytes());
    message.extend([7; 12]);
    message.extend([0, 6]);
    message.extend(u16::try_from(user.len()).unwrap().to_be_bytes());
    message.extend(user.bytes().chain(std::iter::repeat(0)).take(padded));
    message
}

async fn a_handshake_that_never_ends_is_dropped(kind: TransportKind) {
    let mut a = listener(kind).await;
    let socket = socket_address(&a.handle.listen_addresses()[0]).unwrap();
    let failed = || a.handle.counters().failed_handshakes;
    match kind {
        TransportKind::WebRtc => {
            // Each from a port of its own: more than may be under way at once.
            for i in 0..100 {
                let stranger = tokio::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
                stranger.send_to(&stun(&i.to_string()), socket).await.unwrap();
            }
            until("it is dropped", || failed() > 0).await;
        }
        // Something like a first packet, which is none.
        TransportKind::Quic => {
            let stranger = tokio::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            stranger.send_to(&[0xc0; 1200], socket).await.unwrap();
        }
        _ => {
            let mut stranger = tokio::net::TcpStream::connect(socket).await.unwrap();
            stranger.write_all(b"\x13/multi").await.unwrap();
            let mut end = Vec::new();
            let closed = tokio::time::timeout(PATIENCE, stranger.read_to_end(&mut end)).await;
            closed.expect("the listener closes it").ok();
            until("it is counted", || failed() > 0).await;
        }
    }
    // Others are served.
    let mut b = dialer(&a, &a.handle.full_addresses()[0]).await;
    b.connected_to(&a).await;
    a.connected_to(&b).await;
}

#[tokio::test]
async fn a_name_is_dialled_and_its_certificate_checked() {
    let mut a = listener(TransportKind::SecureWebSocket).await;
    let port = socket_address(&a.handle.listen_addresses()[0]).unwrap().port();
    let by_name = parse_address(&format!("/dns4/localhost/tcp/{port}/tls/ws/p2p/{}", a.id())).unwrap();
    let mut b = dialer(&a, &by_name).await;
    b.connected_to(&a).await;
    a.connected_to(&b).await;
    // Who does not trust the certificate does not connect, and says why.
    let stranger = node_with(&[], |config| config.listen = Vec::new()).await;
    let failed = stranger.handle.dial(by_name).await.unwrap_err();
    assert!(failed.reason.contains("certificate"), "{failed}");
    // The old form of the address is the same.
    let old = parse_address(&format!("/ip4/127.0.0.1/tcp/{port}/wss")).unwrap();
    let mut c = dialer(&a, &old).await;
    c.connected_to(&a).await;
}

#[tokio::test]
async fn tcp_is_dialled_by_name() {
    let mut a = listener(TransportKind::Tcp).await;
    let port = socket_address(&a.handle.listen_addresses()[0]).unwrap().port();
    let mut b = dialer(&a, &parse_address(&format!("/dns/localhost/tcp/{port}")).unwrap()).await;
    b.connected_to(&a).await;
    a.connected_to(&b).await;
    let nowhere = parse_address(&format!("/dns/no-such-name.invalid/tcp/{port}")).unwrap();
    assert!(b.handle.dial(nowhere).await.is_err());
}

#[tokio::test]
async fn unusable_certificates_say_so() {
    let dir = tempfile::tempdir().unwrap();
    let good = tls(dir.path());
    let garbage = dir.path().join("garbage.pem");
    std::fs::write(&garbage, "garbage").unwrap();
    let other = tempfile::tempdir().unwrap();
    let other = tls(other.path()).key;
    std::fs::copy(&other, dir.path().join("other.pem")).unwrap();
    let other = dir.path().join("other.pem");
    let damaged = dir.path().join("damaged.pem");
    std::fs::write(&damaged, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n").unwrap();
    let missing = dir.path().join("missing.pem");
    let with = |certificate: &PathBuf, key: &PathBuf, trust: &[PathBuf], webrtc: Option<&PathBuf>| {
        let mut config = config(dir.path(), &[]);
        let files = TlsFiles { certificate: certificate.clone(), key: key.clone() };
        (config.transports.tls, config.transports.tls_trust) = (Some(files), trust.to_vec());
        if let Some(file) = webrtc {
            config.transports.webrtc_certificate = file.clone();
        }
        config
    };
    for (config, named, said) in [
        (with(&garbage, &good.key, &[], None), &garbage, "holds no certificate"),
        (with(&missing, &good.key, &[], None), &missing, "No such file"),
        (with(&good.certificate, &garbage, &[], None), &garbage, "holds no private key"),
        (with(&good.certificate, &other, &[], None), &good.certificate, "key"),
        (with(&good.certificate, &damaged, &[], None), &damaged, "is damaged"),
        (with(&good.certificate, &good.key, std::slice::from_ref(&garbage), None), &garbage, "holds no certificate"),
        (with(&good.certificate, &good.key, &[], Some(&garbage)), &garbage, "delete it"),
    ] {
        let error = start(config).await.unwrap_err().to_string();
        let named = named.display().to_string();
        assert!(error.contains(&named) && error.contains(said) && !error.contains('\n'), "{error}");
    }
    assert_eq!(std::fs::read(&garbage).unwrap(), b"garbage", "nothing is overwritten");
    let mut config = config(dir.path(), &[]);
    config.listen = vec!["/ip4/127.0.0.1/tcp/0/tls/ws".parse().unwrap()];
    assert!(start(config).await.unwrap_err().to_string().contains("tls_certificate"), "a certificate is missing");
}

#[tokio::test]
async fn what_is_switched_off_does_not_listen() {
    let a = listener(TransportKind::Tcp).await;
    let addresses = a.handle.listen_addresses();
    assert_eq!(addresses.iter().map(TransportKind::of).collect::<Vec<_>>(), [Some(TransportKind::Tcp)]);
    let nowhere = node_with(&[], |config| config.listen = Vec::new()).await;
    assert!(nowhere.handle.listen_addresses().is_empty());
    // At its port the node speaks this transport and no other.
    let b = dialer(&a, &addresses[0]).await;
    let port = socket_address(&addresses[0]).unwrap().port();
    for form in ["tcp/{}/ws", "udp/{}/quic-v1"] {
        let address = format!("/ip4/127.0.0.1/{}", form.replace("{}", &port.to_string()));
        assert!(b.handle.dial(parse_address(&address).unwrap()).await.is_err(), "{address}");
    }
}

#[tokio::test]
async fn every_transport_at_once() {
    let a = node_with(&[], |config| {
        only(TransportKind::SecureWebSocket, config);
        config.listen = TransportKind::ALL.map(|kind| kind.on(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))).to_vec();
    })
    .await;
    let mut addresses = a.handle.full_addresses();
    addresses
        .sort_by_key(|address| TransportKind::ALL.iter().position(|kind| TransportKind::of(address) == Some(*kind)));
    assert_eq!(addresses.iter().filter_map(TransportKind::of).collect::<Vec<_>>(), TransportKind::ALL);
    for address in addresses {
        let b = dialer(&a, &address).await;
        until("it is connected", || b.handle.peers().len() == 1).await;
    }
}
