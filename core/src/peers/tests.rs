use super::entry::Place;
use super::*;
use crate::encode::{Decode, Encode};
use crate::job::PeerAddress;
use crate::message::{
    MAX_PEER_BYTES_PER_RESPONSE, MAX_PEERS_PER_RESPONSE, NetAddress, PeerRecord, PeersResponse, Services, Transport,
    Transports, VerifiedRecord, peer_address,
};
use crate::units::Timestamp;
use alloc::vec;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};
use proptest::prelude::*;

const NOW: Timestamp = Timestamp(1_800_000_000);

fn at(seconds: u32) -> Timestamp {
    Timestamp(NOW.0 + seconds)
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn peer(number: u32) -> PeerAddress {
    let mut key = [9; 32];
    key[..4].copy_from_slice(&number.to_le_bytes());
    peer_address(&key)
}

/// An address in the public network `a.b`.
fn public(a: u8, b: u8, rest: u16, port: u16) -> NetAddress {
    let [c, d] = rest.to_be_bytes();
    NetAddress::tcp(Ipv4Addr::new(a, b, c, d).into(), port)
}

fn record_at(number: u32, addresses: Vec<NetAddress>, time: Timestamp) -> VerifiedRecord {
    VerifiedRecord::unsigned(PeerRecord { peer: peer(number), addresses, services: Services::BLOCKS, time })
}

fn record(number: u32, address: NetAddress) -> VerifiedRecord {
    record_at(number, vec![address], NOW)
}

fn empty_with(key: u8) -> Book {
    Book::new([key; 32], peer(u32::MAX), Transports::of(&[Transport::Tcp]))
}

fn empty() -> Book {
    empty_with(1)
}

fn heard(from: &str) -> Heard {
    Heard { from: ip(from), first_hand: false, last_seen: NOW }
}

fn first_hand(from: &str) -> Heard {
    Heard { first_hand: true, ..heard(from) }
}

fn all(_: &PeerAddress, _: &NetAddress) -> bool {
    true
}

/// A book with honest peers that it met, each in a network of its own; their numbers are those from 0 up.
fn with_honest(count: u16) -> Book {
    let mut book = empty();
    for i in 0..count {
        let [a, b] = i.to_be_bytes();
        let address = public(40 + a, b, 1, 7460);
        let from = address.endpoint().unwrap().ip().unwrap();
        book.add(&record(i.into(), address.clone()), &Heard { from, first_hand: true, last_seen: NOW }, NOW);
        book.connected(&peer(i.into()), &address, NOW);
    }
    book
}

/// What must hold for every book.
fn check(book: &Book) {
    let mut places = 0;
    for (place, bucket) in &book.buckets {
        assert!(bucket.len() <= SLOTS && !bucket.is_empty());
        assert!(place.bucket < if place.tried { TRIED_BUCKETS } else { NEW_BUCKETS });
        places += bucket.len();
        assert!(bucket.iter().all(|p| book.entries[p].place == *place));
    }
    assert_eq!(places, book.len(), "everybody is in one place");
    let mut endpoints: Vec<_> =
        book.entries.values().flat_map(|e| &e.addresses).map(|a| a.endpoint().unwrap()).collect();
    endpoints.sort();
    let count = endpoints.len();
    endpoints.dedup();
    assert_eq!(endpoints.len(), count, "an address is one peer's");
    assert_eq!(book.holders.len(), count);
    let holds = |e: &NetAddress, peer: &PeerAddress| book.holders[&e.endpoint().unwrap()] == *peer;
    assert!(book.entries.values().all(|e| !e.addresses.is_empty() && e.addresses.iter().all(|a| holds(a, &e.peer))));
    assert!(book.tests.iter().all(|(a, b)| book.entries.contains_key(a) && book.entries.contains_key(b)));
    let again = Book::from_bytes(&book.to_bytes(), peer(u32::MAX), Transports::of(&[Transport::Tcp])).unwrap();
    assert_eq!((again.entries, again.buckets), (book.entries.clone(), book.buckets.clone()));
}

/// The attacker's subnet is 66.6/16: as many addresses, ports and peer ids as it likes.
fn attacker(i: u32) -> (u32, NetAddress) {
    (1_000_000 + i, public(66, 6, (i % 50_000) as u16, 1 + (i / 50_000) as u16))
}

fn is_attacker(address: &NetAddress) -> bool {
    address.as_bytes().starts_with(&[4, 66, 6]) || address.endpoint().is_some_and(|e| e.port == 666)
}

fn attackers(book: &Book, tried: bool) -> usize {
    book.entries.values().filter(|e| e.place.tried == tried && is_attacker(&e.addresses[0])).count()
}

#[test]
fn made_up_addresses_displace_nobody() {
    let mut book = with_honest(1000);
    for i in 0..2000u32 {
        let [_, _, a, b] = i.to_be_bytes();
        let from = Ipv4Addr::new(70, (i % 250) as u8, 1, 1).into();
        let record = record(10_000 + i, public(90 + a, b, 1, 7460));
        book.add(&record, &Heard { from, first_hand: false, last_seen: NOW }, NOW);
    }
    let (tried, all_before) = (book.tried(), book.len());
    assert!(tried > 900 && all_before > 2500, "{tried} tried of {all_before}");
    // The attacker, in one subnet, tells of peers in that subnet, and of peers all over.
    for i in 0..30_000 {
        let (number, address) = attacker(i);
        let [_, a, b, c] = i.to_be_bytes();
        let elsewhere = public(180 + a, b, u16::from(c), 666);
        book.add(&record(number, if i % 2 == 0 { address } else { elsewhere }), &heard("66.6.0.1"), NOW);
    }
    check(&book);
    assert_eq!(book.tried(), tried, "being talked about makes nobody tried");
    let made_up = attackers(&book, false);
    assert_eq!(book.len(), all_before + made_up, "nobody was displaced");
    assert!(made_up > 0 && made_up <= usize::from(NEW_PER_SOURCE) * SLOTS, "{made_up} made-up peers are kept");
    // Nor are they drawn more often than their buckets' share: a sixteenth of one of the two tables.
    let picks: Vec<_> = (0..4000).filter_map(|i| book.draw(Which::Any, at(60), i, all)).collect();
    let false_ones = picks.iter().filter(|p| is_attacker(&p.address)).count();
    assert!(picks.len() == 4000 && false_ones <= 4000 / 16, "{false_ones} of 4000 draws");
}

#[test]
fn one_subnet_gets_a_thirty_second_of_the_tried_places_even_if_it_answers() {
    // The bound that docs/protocol.md states.
    assert_eq!(TRIED_BUCKETS / TRIED_PER_GROUP, 32);
    let most = usize::from(TRIED_PER_GROUP) * SLOTS;
    for honest_answer in [true, false] {
        let mut book = with_honest(1500);
        let honest: Vec<PeerAddress> = (0..1500).map(peer).filter(|p| book.is_tried(p)).collect();
        for i in 0..100_000u32 {
            let (now, (number, address)) = (at(i / 100), attacker(i));
            book.connected(&peer(number), &address, now);
            if let Some(test) = book.to_test(now) {
                if honest_answer || is_attacker(&test.address) {
                    book.connected(&test.peer, &test.address, now);
                } else {
                    book.failed(&test.peer, now, true);
                }
            }
        }
        check(&book);
        let got = attackers(&book, true);
        assert!(got > 0 && got <= most, "{got} of the attacker's peers, at most {most}");
        let lost = honest.iter().filter(|p| !book.is_tried(p)).count();
        assert!(lost <= if honest_answer { 0 } else { most }, "{lost} lost their places");
        assert!(honest_answer || lost > 0, "who does not answer gives way");
    }
}

#[test]
fn addresses_that_can_never_be_dialled_are_dropped() {
    let mut book = empty();
    let quic = NetAddress::new(&[4, 9, 9, 9, 9, 0x91, 0x02, 0x1d, 0x24, 0xcd, 0x03]).unwrap();
    let nonsense = NetAddress::new(&[1, 2, 3]).unwrap();
    let tcp = |text: &str| NetAddress::tcp(ip(text), 7460);
    let cases = [
        (tcp("0.0.0.0"), "9.9.9.9", false),
        (tcp("::"), "9.9.9.9", false),
        (tcp("224.0.0.1"), "9.9.9.9", false),
        (tcp("255.255.255.255"), "127.0.0.1", false),
        (tcp("203.0.113.9"), "9.9.9.9", false),
        (tcp("2001:db8::1"), "9.9.9.9", false),
        (NetAddress::tcp(ip("9.9.9.9"), 0), "9.9.9.9", false),
        (quic, "9.9.9.9", false),
        (nonsense, "9.9.9.9", false),
        (tcp("127.0.0.1"), "9.9.9.9", false),
        (tcp("::1"), "10.0.0.1", false),
        (tcp("::ffff:127.0.0.1"), "9.9.9.9", false),
        (tcp("10.0.0.1"), "9.9.9.9", false),
        (tcp("fe80::1"), "2a00::1", false),
        (tcp("127.0.0.1"), "127.0.0.1", true),
        (tcp("10.0.0.1"), "127.0.0.1", true),
        (tcp("10.0.0.2"), "192.168.1.1", true),
        (tcp("9.9.9.9"), "127.0.0.1", true),
        (tcp("9.9.9.8"), "10.0.0.1", true),
        (tcp("2a00::1"), "9.9.9.9", true),
    ];
    for (number, (address, from, good)) in (0..).zip(cases) {
        let added = book.add(&record(number, address.clone()), &first_hand(from), NOW);
        assert_eq!(added, if good { Added::New } else { Added::Useless }, "{address:?} from {from}");
    }
    // What is good in a record is kept.
    let mixed = record_at(100, vec![tcp("127.0.0.1"), tcp("8.8.8.8")], NOW);
    assert_eq!(book.add(&mixed, &first_hand("9.9.9.9"), NOW), Added::New);
    assert_eq!(book.entries[&peer(100)].addresses, [tcp("8.8.8.8")]);
    check(&book);
}

#[test]
fn hearsay_never_overwrites_what_was_met() {
    let mut book = empty();
    let (good, other) = (public(50, 1, 1, 1), public(51, 1, 1, 1));
    assert_eq!(book.add(&record(1, good.clone()), &heard("60.0.0.1"), NOW), Added::New);
    let newer = record_at(1, vec![other.clone()], at(1));
    assert_eq!(book.add(&newer, &heard("61.0.0.1"), at(1)), Added::Updated, "nothing was met yet");
    assert_eq!(book.add(&record(1, good.clone()), &heard("61.0.0.1"), at(1)), Added::Known, "the older record");
    book.connected(&peer(1), &other, at(2));
    let newest = record_at(1, vec![good.clone()], at(3));
    assert_eq!(book.add(&newest, &heard("61.0.0.1"), at(3)), Added::Known);
    assert_eq!(book.entries[&peer(1)].addresses, std::slice::from_ref(&other));
    assert_eq!(book.add(&newest, &first_hand("50.1.0.1"), at(3)), Added::Updated, "from itself");
    assert_eq!(book.entries[&peer(1)].addresses, [other, good.clone()], "where it answered stays first");
    // Nor can another take its address.
    assert_eq!(book.add(&record(2, good), &first_hand("50.1.0.1"), at(3)), Added::Useless);
    check(&book);
}

#[test]
fn records_out_of_time_and_our_own_are_not_taken() {
    let mut book = empty();
    let address = public(50, 1, 1, 1);
    let aged = |time| record_at(1, vec![address.clone()], time);
    assert_eq!(book.add(&aged(at(601)), &heard("60.0.0.1"), NOW), Added::Stale);
    assert_eq!(book.add(&aged(Timestamp(NOW.0 - MAX_AGE - 1)), &heard("60.0.0.1"), NOW), Added::Stale);
    let long_ago = Heard { last_seen: Timestamp(1), ..heard("60.0.0.1") };
    assert_eq!(book.add(&aged(NOW), &long_ago, NOW), Added::Stale);
    assert_eq!(book.add(&record(u32::MAX, address.clone()), &heard("60.0.0.1"), NOW), Added::Known);
    assert!(book.is_empty());
    book.connected(&peer(u32::MAX), &address, NOW);
    assert!(book.is_empty());
    // A claim to have heard from it in the future is none.
    let future = Heard { last_seen: Timestamp(u32::MAX), ..heard("60.0.0.1") };
    assert_eq!(book.add(&aged(NOW), &future, NOW), Added::New);
    assert_eq!(book.entries[&peer(1)].seen, NOW);
}

#[test]
fn pauses_grow_and_who_never_answers_is_given_up_for_another() {
    let mut book = empty();
    let address = public(50, 1, 1, 1);
    book.add(&record(1, address.clone()), &heard("60.0.0.1"), NOW);
    let mut now = NOW;
    let mut pauses = Vec::new();
    for failures in 0..12u16 {
        assert_eq!(book.draw(Which::Any, now, 5, all).is_some(), failures < 3, "{failures}");
        book.failed(&peer(1), now, true);
        let next = book.entries[&peer(1)].next_attempt();
        pauses.push(next.0 - now.0);
        assert_eq!(book.draw(Which::Any, Timestamp(next.0 - 1), 5, all), None);
        now = next;
    }
    assert_eq!(pauses, [10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600, 3600]);
    // Its bucket gives its place to the next one.
    let place = book.entries[&peer(1)].place;
    for number in 2..5000 {
        book.add(&record(number, public(50, 1, number as u16, 1)), &heard("60.0.0.1"), NOW);
    }
    assert!(book.buckets[&place].len() == SLOTS && !book.entries.contains_key(&peer(1)));
    // Where nobody can be reached at all, nobody is given up.
    book.failed(&peer(7), now, false);
    (0..20).for_each(|_| book.failed(&peer(7), now, false));
    assert!(book.entries.get(&peer(7)).is_none_or(|e| e.failures == 2));
    check(&book);
}

#[test]
fn whoever_answers_elsewhere_or_as_somebody_else_is_put_right() {
    let mut book = empty();
    let (first, second) = (public(50, 1, 1, 1), public(51, 1, 1, 1));
    book.add(&record_at(1, vec![first.clone(), second.clone()], NOW), &heard("60.0.0.1"), NOW);
    assert_eq!(book.draw(Which::Any, NOW, 1, all).unwrap().address, first);
    book.failed(&peer(1), NOW, true);
    assert_eq!(book.draw(Which::Any, at(10), 1, all).unwrap().address, second, "then the other address");
    // Peer 2 answers at the first: it is peer 2's.
    book.connected(&peer(2), &first, at(10));
    assert_eq!(book.entries[&peer(1)].addresses, std::slice::from_ref(&second));
    assert!(book.is_tried(&peer(2)) && !book.is_tried(&peer(1)));
    book.connected(&peer(2), &second, at(11));
    assert!(!book.entries.contains_key(&peer(1)), "nothing is left of it");
    assert_eq!(book.services(&peer(2)), None, "it has said nothing of itself");
    assert!(book.sample(&peer(3), ip("9.9.9.9"), at(11)).is_empty(), "there is no record to pass on");
    check(&book);
}

#[test]
fn nobody_passes_on_what_it_only_heard() {
    let mut book = empty();
    book.add(&record(1, public(50, 1, 1, 1)), &heard("60.0.0.1"), NOW);
    book.add(&record(2, public(50, 1, 1, 2)), &first_hand("60.0.0.1"), NOW);
    book.add(&record(3, NetAddress::tcp(ip("10.0.0.1"), 1)), &first_hand("10.0.0.9"), NOW);
    book.add(&record(4, NetAddress::tcp(ip("127.0.0.1"), 1)), &first_hand("127.0.0.1"), NOW);
    book.add(&record(5, public(50, 1, 1, 5)), &heard("60.0.0.1"), NOW);
    book.connected(&peer(5), &public(50, 1, 1, 5), NOW);
    let told = |asker: u32, seen: &str, now| {
        let mut told: Vec<_> =
            book.sample(&peer(asker), ip(seen), now).into_iter().map(|k| k.record.body.peer).collect();
        told.sort();
        told
    };
    let peers = |numbers: &[u32]| {
        let mut peers: Vec<_> = numbers.iter().map(|n| peer(*n)).collect();
        peers.sort();
        peers
    };
    assert_eq!(told(9, "70.0.0.1", NOW), peers(&[2, 5]));
    assert_eq!(told(2, "70.0.0.1", NOW), peers(&[5]), "nobody is told of itself");
    assert_eq!(told(9, "192.168.0.1", NOW), peers(&[2, 3, 5]));
    assert_eq!(told(9, "127.0.0.1", NOW), peers(&[2, 3, 4, 5]));
    assert_eq!(told(9, "127.0.0.1", at(7 * 24 * 3600 + 1)), peers(&[]), "nobody heard from them for a week");
}

#[test]
fn answers_are_bounded_and_asking_again_tells_nothing_more() {
    let book = with_honest(1500);
    let ask = |now| book.sample(&peer(7777), ip("70.0.0.1"), now);
    let part = ask(NOW);
    assert!(part.len() <= MAX_PEERS_PER_RESPONSE && part.len() >= 200, "{} peers", part.len());
    assert_eq!(ask(at(1)), part);
    assert_ne!(ask(at(3700)), part);
    let bytes = PeersResponse { own: None, known: part }.to_bytes();
    assert!(bytes.len() <= MAX_PEER_BYTES_PER_RESPONSE);
    assert!(PeersResponse::from_bytes(&bytes).is_ok());
}

#[test]
fn a_stored_book_is_read_again_and_a_damaged_one_is_refused() {
    let book = with_honest(50);
    let (own, tcp) = (peer(u32::MAX), Transports::of(&[Transport::Tcp]));
    let bytes = book.to_bytes();
    assert_eq!(Book::from_bytes(&bytes, own.clone(), tcp), Ok(book.clone()));
    assert!(Book::from_bytes(&bytes[..bytes.len() - 1], own.clone(), tcp).is_err());
    assert!(Book::from_bytes(&[&bytes[..], &[0]].concat(), own.clone(), tcp).is_err());
    // A bucket that is none.
    let mut other = book.clone();
    let mut entry = other.entries[&peer(3)].clone();
    other.forget(&peer(3));
    entry.place = Place { tried: true, bucket: TRIED_BUCKETS };
    other.insert(entry);
    assert!(Book::from_bytes(&other.to_bytes(), own.clone(), tcp).is_err());
    // A node that dials otherwise now knows nobody.
    let quic = Transports::of(&[Transport::Quic]);
    assert!(Book::from_bytes(&bytes, own, quic).unwrap().is_empty());
}

#[test]
fn nobody_can_foresee_the_buckets() {
    let place = |key: u8| {
        let mut book = empty_with(key);
        book.add(&record(1, public(50, 1, 1, 1)), &heard("60.0.0.1"), NOW);
        book.entries[&peer(1)].place.bucket
    };
    assert!((1..20).map(place).any(|p| p != place(0)));
}

#[derive(Clone, Debug)]
enum Step {
    Add { number: u32, addresses: Vec<(u8, u8)>, from: u8, first_hand: bool, age: u32 },
    Connected { number: u32, address: (u8, u8) },
    Failed { number: u32, online: bool },
    Misled { number: u32, address: (u8, u8) },
    Forget { number: u32 },
    Test { answers: bool },
    Draw { random: u64, new: bool },
}

fn step() -> impl Strategy<Value = Step> {
    let (number, address) = (0u32..400, || (0u8..4, 0u8..250));
    let number = || number.clone();
    prop_oneof![
        8 => (number(), prop::collection::vec(address(), 1..4), 0u8..3, any::<bool>(), 0u32..5000).prop_map(
            |(number, addresses, from, first_hand, age)| Step::Add { number, addresses, from, first_hand, age }
        ),
        4 => (number(), address()).prop_map(|(number, address)| Step::Connected { number, address }),
        4 => (number(), any::<bool>()).prop_map(|(number, online)| Step::Failed { number, online }),
        1 => (number(), address()).prop_map(|(number, address)| Step::Misled { number, address }),
        1 => number().prop_map(|number| Step::Forget { number }),
        2 => any::<bool>().prop_map(|answers| Step::Test { answers }),
        2 => (any::<u64>(), any::<bool>()).prop_map(|(random, new)| Step::Draw { random, new }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_happens_the_book_is_whole_and_bounded(steps in prop::collection::vec(step(), 1..400), key: u8) {
        let mut book = empty_with(key);
        let mut now = NOW;
        let place = |(a, b): (u8, u8)| public(80 + a, 1, u16::from(b), 1);
        for step in steps {
            now.0 += 7;
            match step {
                Step::Add { number, addresses, from, first_hand, age } => {
                    let addresses = addresses.into_iter().map(place).collect();
                    let record = record_at(number, addresses, Timestamp(now.0 - age));
                    let heard = Heard { from: Ipv4Addr::new(90 + from, 1, 1, 1).into(), first_hand, last_seen: now };
                    let met = book.is_tried(&peer(number)).then(|| book.entries[&peer(number)].addresses.clone());
                    book.add(&record, &heard, now);
                    if let Some(met) = met && !first_hand {
                        prop_assert_eq!(&book.entries[&peer(number)].addresses, &met);
                    }
                }
                Step::Connected { number, address } => book.connected(&peer(number), &place(address), now),
                Step::Failed { number, online } => book.failed(&peer(number), now, online),
                Step::Misled { number, address } => book.misled(&peer(number), &place(address)),
                Step::Forget { number } => book.forget(&peer(number)),
                Step::Test { answers } => if let Some(test) = book.to_test(now) {
                    if answers {
                        book.connected(&test.peer, &test.address, now);
                    } else {
                        book.failed(&test.peer, now, true);
                    }
                },
                Step::Draw { random, new } => {
                    let which = if new { Which::New } else { Which::Any };
                    if let Some(pick) = book.draw(which, now, random, |p, _| *p != peer(5)) {
                        prop_assert!(pick.peer != peer(5) && !(new && book.is_tried(&pick.peer)));
                        prop_assert!(book.entries[&pick.peer].addresses.contains(&pick.address));
                    }
                }
            }
        }
        check(&book);
    }

    #[test]
    fn damaged_books_never_panic(at: prop::sample::Index, byte: u8) {
        let mut bytes = with_honest(20).to_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(book) = Book::from_bytes(&bytes, peer(u32::MAX), Transports::of(&[Transport::Tcp])) {
            prop_assert!(book.len() <= 20);
        }
    }
}
