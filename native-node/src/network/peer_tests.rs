//! Finding, limiting and banning peers, with real sockets on loopback.

use super::tests::{Node, PATIENCE, config, node, node_with, until};
use super::*;
use camelid_core::message::{NetAddress, PeerRecord, Reached, Services, SignedPeerRecord};
use netaddr::{net_address, peer_address};
use std::time::Duration;

/// What a node says about itself.
fn record(node: &Node) -> SignedPeerRecord {
    let body = PeerRecord {
        peer: peer_address(&node.id()).unwrap(),
        addresses: vec![net_address(&node.address()).unwrap()],
        services: Services::BLOCKS.with(Services::RELAY),
        time: book::now(),
    };
    let signature = node.handle.keypair().sign(&body.signing_bytes(Network::Dev).0).unwrap().try_into().unwrap();
    body.with_signature(signature)
}

#[tokio::test]
async fn a_peer_that_a_neighbour_tells_of_is_dialled_and_kept_for_the_next_start() {
    let mut far = node(&[]).await;
    let mut seed = node(&[&far]).await;
    seed.connected_to(&far).await;
    let dir = tempfile::tempdir().unwrap();
    let mut by_seed = config(dir.path(), &[]);
    by_seed.seeds = vec![seed.address()];
    let (handle, events) = start(by_seed).await.unwrap();
    let mut new = Node { handle, events, _dir: None };
    let info = new.connected_to(&seed).await;
    assert_eq!(info.direction, Direction::Outbound);
    // What the seed node knows first hand, it tells.
    seed.connected_to(&new).await;
    seed.handle.learn(far.id(), Some(record(&far)), Vec::new()).await;
    let known = seed.handle.known_peers(&new.id());
    assert_eq!(known.len(), 1);
    new.handle.learn(seed.id(), Some(record(&seed)), known).await;
    new.connected_to(&far).await;
    far.connected_to(&new).await;
    let services = new.handle.peers().into_iter().find(|p| p.peer == seed.id()).unwrap().services;
    assert!(services.has(Services::RELAY) && !services.has(Services::COMPUTE), "as it says itself");
    until("both are met", || new.handle.book_size() == BookSize { met: 2, heard: 0 }).await;
    new.handle.shutdown().await;

    let (handle, events) = start(config(dir.path(), &[])).await.unwrap();
    let mut again = Node { handle, events, _dir: None };
    assert_eq!(again.handle.book_size().met, 2);
    // It needs nobody named any more. One after the other: waiting for one peer passes over the other's event.
    let (mut left, ids) = (vec![far.id(), seed.id()], [far.id(), seed.id()]);
    while !left.is_empty() {
        let id = again.wait_for(|e| if let NetworkEvent::PeerConnected(i) = e { Some(i.peer) } else { None }).await;
        assert!(ids.contains(&id));
        left.retain(|l| *l != id);
    }
}

#[tokio::test]
async fn a_damaged_book_is_kept_aside_and_nothing_else_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let a = node(&[]).await;
    let (handle, events) = start(config(dir.path(), &[&a])).await.unwrap();
    let mut b = Node { handle, events, _dir: None };
    b.connected_to(&a).await;
    let (id, banned) = (b.id(), PeerId::random());
    b.handle.ban(Banned::Peer(banned), Duration::from_secs(3600)).await;
    b.handle.shutdown().await;
    let book = dir.path().join("peers.book");
    std::fs::write(&book, b"camelid address book 1\nnonsense").unwrap();
    let (handle, _events) = start(config(dir.path(), &[])).await.unwrap();
    assert_eq!((handle.local_peer_id(), handle.book_size()), (id, BookSize::default()));
    assert_eq!(handle.bans()[0].who, Banned::Peer(banned));
    assert!(dir.path().join("peers.book.damaged-1").exists());
    handle.shutdown().await;
    assert!(book.exists(), "a new one is begun");
}

#[tokio::test]
async fn a_ban_survives_a_restart_and_can_be_ended() {
    let dir = tempfile::tempdir().unwrap();
    let (handle, events) = start(config(dir.path(), &[])).await.unwrap();
    let mut a = Node { handle, events, _dir: None };
    let mut b = node(&[&a]).await;
    a.connected_to(&b).await;
    b.connected_to(&a).await;
    let address = a.address();
    a.handle.penalise(b.id(), BAN_AT, "a test").await;
    a.disconnected_from(b.id()).await;
    b.disconnected_from(a.id()).await;
    assert_eq!(a.handle.bans().iter().map(|b| b.who).collect::<Vec<_>>(), [Banned::Peer(b.id())], "not this machine");
    a.handle.shutdown().await;

    let mut again = config(dir.path(), &[]);
    again.listen = vec![address];
    let (handle, events) = start(again).await.unwrap();
    a = Node { handle, events, _dir: None };
    let bans = a.handle.bans();
    assert_eq!((bans.len(), bans[0].who, bans[0].reason.as_str()), (1, Banned::Peer(b.id()), "a test"));
    // It comes, and is turned away, before it is let in again.
    let refused = b.handle.dial(a.address()).await;
    if refused.is_ok() {
        until("it is turned away", || b.handle.peers().is_empty()).await;
    }
    assert!(a.handle.peers().is_empty());
    assert!(!a.handle.unban(Banned::Peer(PeerId::random())).await, "who is not banned");
    assert!(a.handle.unban(Banned::Peer(b.id())).await);
    a.connected_to(&b).await;
}

#[tokio::test]
async fn one_address_gets_only_so_many_connections() {
    let a = node_with(&[], |c| {
        c.limits = Limits { per_address: 2, per_subnet: 10, local: Local::Limited, ..Limits::default() };
    })
    .await;
    let first = node(&[&a]).await;
    let second = node(&[&a]).await;
    until("two are connected", || a.handle.peers().len() == 2).await;
    let third = node(&[]).await;
    let refused = third.handle.dial(a.address()).await;
    assert!(refused.is_err(), "{refused:?}");
    assert_eq!(a.handle.peers().len(), 2);
    // A place that is free again is given.
    let gone = first.id();
    first.handle.shutdown().await;
    until("the first is gone", || a.handle.peers().iter().all(|p| p.peer != gone)).await;
    let come = async {
        while third.handle.dial(a.address()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, come).await.expect("the third is let in");
    until("it is connected", || a.handle.peers().iter().any(|p| p.peer == third.id())).await;
    assert!(a.handle.peers().iter().any(|p| p.peer == second.id()), "the second has stayed");
}

#[tokio::test]
async fn a_quarter_of_the_places_is_kept_for_peers_that_were_chosen() {
    let a = node_with(&[], |c| c.limits = Limits { max_peers: 4, ..Limits::default() }).await;
    let _come = [node(&[&a]).await, node(&[&a]).await, node(&[&a]).await];
    until("three are connected", || a.handle.peers().len() == 3).await;
    let fourth = node(&[]).await;
    // It is told so while it dials, or right after.
    let _ = fourth.handle.dial(a.address()).await;
    until("it is turned away", || fourth.handle.peers().is_empty()).await;
    assert_eq!(a.handle.peers().len(), 3);
    a.handle.dial(fourth.address()).await.unwrap();
    until("the chosen one is connected", || a.handle.peers().iter().any(|p| p.peer == fourth.id())).await;
}

#[tokio::test]
async fn whoever_asks_is_dialled_back_at_its_own_address_alone() {
    let mut a = node(&[]).await;
    let mut b = node(&[&a]).await;
    a.connected_to(&b).await;
    b.connected_to(&a).await;
    let open = net_address(&b.address()).unwrap();
    let elsewhere = open.at("127.0.0.7".parse().unwrap()).unwrap();
    // Nobody listens there: the port is that of a listener that is gone.
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let closed = NetAddress::tcp(closed.ip(), closed.port());
    let other = net_address(&a.address()).unwrap();
    let asked = vec![elsewhere, closed, other, NetAddress::tcp("::1".parse().unwrap(), 5)];
    let results = a.handle.probe(b.id(), asked.clone()).await.unwrap();
    let reached: Vec<_> = results.iter().map(|r| r.reached).collect();
    // The port of another peer is none of its own, whoever answers there.
    assert_eq!(reached, [Reached::Yes, Reached::No, Reached::No, Reached::NotTried]);
    assert_eq!(results[0].address, open, "dialled where it is seen");
    assert_eq!((a.handle.peers().len(), b.handle.peers().len()), (1, 1), "nothing is left of it");
    a.handle.probe(b.id(), asked.clone()).await.unwrap();
    assert_eq!(a.handle.probe(b.id(), asked).await, None, "it asks too often");
}

#[tokio::test]
async fn a_peer_that_was_only_heard_of_is_felt_for() {
    let far = node(&[]).await;
    let near = node(&[]).await;
    let mut new = node_with(&[&near], |c| {
        // No other places than for the configured peer, but feelers.
        c.limits = Limits { outbound: 1, feeler: Duration::from_millis(100), ..Limits::default() };
    })
    .await;
    new.connected_to(&near).await;
    new.handle
        .learn(near.id(), None, vec![camelid_core::message::KnownPeer { record: record(&far), last_seen: book::now() }])
        .await;
    until("it is met", || new.handle.book_size().met == 2).await;
    until("and left again", || far.handle.peers().is_empty()).await;
    assert_eq!(new.handle.peers().len(), 1);
}

#[tokio::test]
async fn what_nobody_may_tell_bans_its_teller() {
    let mut a = node(&[]).await;
    let mut b = node(&[&a]).await;
    a.connected_to(&b).await;
    b.connected_to(&a).await;
    let mut forged = record(&a);
    forged.body.addresses = vec![NetAddress::tcp("127.0.0.1".parse().unwrap(), 80)];
    let known = vec![camelid_core::message::KnownPeer { record: forged, last_seen: book::now() }];
    b.handle.learn(a.id(), None, known).await;
    b.disconnected_from(a.id()).await;
    assert!(b.handle.bans()[0].reason.contains("signature"));
}
