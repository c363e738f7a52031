use super::*;
use camelid_core::message::{PeerRecord, Services};
use camelid_core::peers::Heard;
use libp2p::identity::Keypair;
use std::net::IpAddr;

/// A choice of peers, with the numbers of the connections that were opened.
struct World {
    outbound: Outbound,
    now: Instant,
    next: usize,
}

impl World {
    fn new(limits: Limits, seeds: &[&str]) -> Self {
        let book = AddressBook::open(None, &PeerId::random());
        let seeds = seeds.iter().map(|s| s.parse().unwrap()).collect();
        let now = Instant::now();
        World { outbound: Outbound::new(book, limits, seeds, now), now, next: 0 }
    }

    /// The book hears of a peer.
    fn hear(&mut self, ip: &str) -> PeerId {
        let key = Keypair::generate_ed25519();
        let (peer, ip): (_, IpAddr) = (key.public().to_peer_id(), ip.parse().unwrap());
        let addresses = vec![NetAddress::tcp(ip, 7460)];
        let body =
            PeerRecord { peer: peer_address(&peer).unwrap(), addresses, services: Services::BLOCKS, time: book::now() };
        let network = camelid_core::units::Network::Dev;
        let signature = key.sign(&body.signing_bytes(network).0).unwrap().try_into().unwrap();
        let record = body.with_signature(signature).verify(network).unwrap();
        let heard = Heard { from: "8.8.8.8".parse().unwrap(), first_hand: false, last_seen: book::now() };
        assert_eq!(self.outbound.book.add(&[(record, heard)]), 1);
        peer
    }

    /// What is dialled after a while, if anything, and the attempt.
    fn dial(&mut self) -> Option<(Plan, ConnectionId)> {
        self.now += NOBODY;
        let plan = self.outbound.due(self.now, |_, _| false)?;
        self.next += 1;
        let attempt = ConnectionId::new_unchecked(self.next);
        self.outbound.dialling(attempt, plan.clone());
        Some((plan, attempt))
    }

    /// The attempt leads to this peer, who speaks our protocol; the connection that is to be closed at once.
    fn meets(&mut self, (plan, attempt): &(Plan, ConnectionId), peer: PeerId) -> Option<ConnectionId> {
        self.outbound.opened(peer, *attempt, &plan.address, self.now);
        self.outbound.announced(&peer)
    }

    /// Whoever is meant.
    fn meant(plan: &Plan) -> PeerId {
        super::super::netaddr::peer_id(&plan.pick.as_ref().unwrap().peer).unwrap()
    }

    /// Dials until nobody is left to dial; who was met.
    fn meet_all(&mut self) -> Vec<PeerId> {
        let mut met = Vec::new();
        while let Some(attempt) = self.dial() {
            let peer = World::meant(&attempt.0);
            assert_eq!(self.meets(&attempt, peer), None);
            met.push(peer);
        }
        met
    }
}

fn limits(outbound: usize) -> Limits {
    Limits { outbound, feeler: Duration::from_secs(100_000), ..Limits::default() }
}

#[test]
fn no_two_of_one_network_and_no_more_than_enough() {
    let mut world = World::new(limits(3), &[]);
    assert!(world.dial().is_none());
    for ip in ["9.1.0.1", "9.1.0.2", "9.1.0.3", "9.2.0.1"] {
        world.hear(ip);
    }
    assert_eq!(world.meet_all().len(), 2, "one of 9.1 and one of 9.2");
    let more = ["9.3.0.1", "9.4.0.1"].map(|ip| world.hear(ip));
    let met = world.meet_all();
    assert!(met.len() == 1 && more.contains(&met[0]), "three are enough");
    // One goes: another takes its place.
    world.now += GOOD_AFTER;
    world.outbound.closed(&met[0], world.now);
    assert_eq!(world.meet_all().len(), 1);
    // On one machine all are each other's neighbours.
    let mut world = World::new(limits(3), &[]);
    for ip in ["10.0.0.1", "10.0.0.2"] {
        let address = NetAddress::tcp(ip.parse().unwrap(), 7460);
        world.outbound.book.change().connected(&peer_address(&PeerId::random()).unwrap(), &address, book::now());
    }
    assert_eq!(world.meet_all().len(), 2);
}

#[test]
fn whoever_is_connected_or_banned_or_just_failed_is_not_dialled() {
    let mut world = World::new(limits(8), &[]);
    let (here, banned, away) = (world.hear("9.1.0.1"), world.hear("9.2.0.1"), world.hear("9.3.0.1"));
    world.outbound.came(here);
    world.now += NOBODY;
    let of_banned = peer_address(&banned).unwrap();
    let plan = world.outbound.due(world.now, |peer, _| *peer == of_banned).unwrap();
    assert_eq!(World::meant(&plan), away);
    let attempt = ConnectionId::new_unchecked(1);
    world.outbound.dialling(attempt, plan);
    world.outbound.failed(attempt, Failure::NoAnswer);
    world.now += NOBODY;
    assert!(world.outbound.due(world.now, |peer, _| *peer == of_banned).is_none());
    // With nobody to find there is nobody to dial.
    let mut alone = World::new(limits(0), &["/ip4/9.9.9.9/tcp/1"]);
    alone.hear("9.1.0.1");
    assert!(alone.dial().is_none());
}

#[test]
fn another_who_answers_takes_the_place_of_who_was_meant() {
    let mut world = World::new(limits(8), &[]);
    world.hear("9.1.0.1");
    let (attempt, other) = (world.dial().unwrap(), PeerId::random());
    world.meets(&attempt, other);
    let book = world.outbound.book.read();
    assert!(book.len() == 1 && book.is_tried(&peer_address(&other).unwrap()));
    drop(book);
    // Ourselves: that address is nobody else's.
    world.hear("9.2.0.1");
    let (_, attempt) = world.dial().unwrap();
    world.outbound.failed(attempt, Failure::Ourselves);
    assert_eq!(world.outbound.book.read().len(), 1);
}

#[test]
fn seeds_are_asked_when_nobody_else_is_there_and_left_when_others_are() {
    let seeds = ["/ip4/9.9.9.1/tcp/1", "/ip4/9.9.9.2/tcp/1"];
    let mut world = World::new(limits(1), &seeds);
    let mut asked = Vec::new();
    let mut waits = Vec::new();
    let start = world.now;
    for _ in 0..6 {
        let (plan, attempt) = std::iter::from_fn(|| Some(world.dial())).flatten().next().unwrap();
        asked.push(plan.address.to_string());
        waits.push((world.now - start).as_secs());
        world.outbound.failed(attempt, Failure::NoAnswer);
    }
    assert_eq!(asked, [seeds, seeds, seeds].concat());
    assert!(waits[2] - waits[1] >= 5 && waits[4] - waits[3] >= 10, "{waits:?}");
    let attempt = std::iter::from_fn(|| Some(world.dial())).flatten().next().unwrap();
    let seed = PeerId::random();
    assert_eq!(world.meets(&attempt, seed), None);
    assert_eq!(world.outbound.superfluous(), None);
    let peer = world.hear("9.1.0.1");
    assert_eq!(world.meet_all(), [peer]);
    assert_eq!(world.outbound.superfluous(), Some(attempt.1));
    world.outbound.closed(&seed, world.now);
    assert_eq!(world.outbound.superfluous(), None);
}

#[test]
fn feelers_meet_one_peer_after_another_and_leave() {
    let mut world = World::new(Limits { feeler: Duration::from_secs(60), ..limits(1) }, &[]);
    let kept = world.hear("9.1.0.1");
    assert_eq!(world.meet_all(), [kept]);
    let mut left: BTreeSet<_> = ["9.1.0.2", "9.2.0.1", "9.3.0.1"].map(|ip| world.hear(ip)).into();
    while !left.is_empty() {
        world.now += Duration::from_secs(60);
        let attempt = world.dial().unwrap();
        let peer = World::meant(&attempt.0);
        assert!(left.remove(&peer));
        assert_eq!(world.meets(&attempt, peer), Some(attempt.1), "it is left at once");
        world.outbound.closed(&peer, world.now);
        assert!(world.dial().is_none(), "not before the next time");
    }
    world.now += Duration::from_secs(60);
    assert!(world.dial().is_none(), "all are met");
    assert_eq!(world.outbound.book.size(), super::super::BookSize { met: 4, heard: 0 });
}
