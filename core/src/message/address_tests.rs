use super::*;
use alloc::vec;
use proptest::prelude::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// As libp2p writes them.
fn known() -> Vec<(Vec<u8>, Endpoint)> {
    let four = |port, transport| Endpoint { host: Host::Ip(ip("1.2.3.4")), port, transport };
    let hash = [&[0x12, 0x20][..], &[7; 32]].concat();
    let name = |transport| Endpoint { host: Host::Name("a.example".into()), port: 443, transport };
    vec![
        (vec![4, 1, 2, 3, 4, 6, 0x1d, 0x24], four(7460, Transport::Tcp)),
        (vec![4, 1, 2, 3, 4, 6, 0x1d, 0x24, 0xdd, 0x03], four(7460, Transport::WebSocket)),
        (vec![4, 1, 2, 3, 4, 6, 0x1d, 0x24, 0xde, 0x03], four(7460, Transport::SecureWebSocket)),
        (vec![4, 1, 2, 3, 4, 6, 0x1d, 0x24, 0xc0, 0x03, 0xdd, 0x03], four(7460, Transport::SecureWebSocket)),
        (vec![4, 1, 2, 3, 4, 0x91, 0x02, 0x1d, 0x24, 0xcd, 0x03], four(7460, Transport::Quic)),
        (
            [&[4, 1, 2, 3, 4, 0x91, 0x02, 0x1d, 0x24, 0x98, 0x02, 0xd2, 0x03, 34][..], &hash].concat(),
            four(7460, Transport::WebRtcDirect),
        ),
        (
            [&[53, 9][..], b"a.example", &[6, 1, 0xbb, 0xc0, 0x03, 0xc1, 0x03, 1, b'x', 0xdd, 0x03]].concat(),
            name(Transport::SecureWebSocket),
        ),
        (
            [&[41][..], &[0; 15], &[1, 6, 0, 5]].concat(),
            Endpoint { host: Host::Ip(ip("::1")), port: 5, transport: Transport::Tcp },
        ),
    ]
}

#[test]
fn what_libp2p_writes_is_read() {
    for (bytes, endpoint) in known() {
        let address = NetAddress::new(&bytes).unwrap();
        assert_eq!(address.endpoint(), Some(endpoint), "{bytes:?}");
        assert_eq!(NetAddress::from_bytes(&address.to_bytes()), Ok(address));
    }
    assert_eq!(NetAddress::tcp(ip("1.2.3.4"), 7460).as_bytes(), known()[0].0);
    assert_eq!(NetAddress::tcp(ip("::1"), 5).as_bytes(), known()[7].0);
}

#[test]
fn what_is_no_address_of_ours_says_nothing() {
    for bytes in [
        vec![4, 1, 2, 3],
        vec![4, 1, 2, 3, 4],
        vec![4, 1, 2, 3, 4, 6, 1],
        vec![4, 1, 2, 3, 4, 0x91, 0x02, 0, 1],
        // `/p2p/..` at the end, TCP by a number that is not in its shortest form, and another transport.
        vec![4, 1, 2, 3, 4, 6, 0, 1, 0xa5, 0x03, 0],
        vec![4, 1, 2, 3, 4, 0x86, 0x00, 0, 1],
        vec![4, 1, 2, 3, 4, 0x91, 0x02, 0, 1, 0xd1, 0x03],
        vec![0xff; 20],
    ] {
        assert_eq!(NetAddress::new(&bytes).unwrap().endpoint(), None, "{bytes:?}");
    }
    assert_eq!(NetAddress::new(&[]), None);
    assert_eq!(NetAddress::new(&[1; MAX_ADDRESS_BYTES + 1]), None);
    assert!(NetAddress::from_bytes(&[0]).is_err());
}

#[test]
fn a_port_and_transport_at_another_machine() {
    for (bytes, mut endpoint) in known().into_iter().take(6) {
        let moved = NetAddress::new(&bytes).unwrap().at(ip("9.8.7.6")).unwrap();
        endpoint.host = Host::Ip(ip("9.8.7.6"));
        assert_eq!(moved.endpoint(), Some(endpoint));
        assert_eq!(NetAddress::new(&bytes).unwrap().at(ip("::1")), None);
    }
    assert_eq!(NetAddress::new(&known()[6].0).unwrap().at(ip("9.8.7.6")), None);
    let mapped = NetAddress::tcp(ip("::ffff:1.2.3.4"), 1);
    assert_eq!(mapped.endpoint().unwrap().ip(), Some(ip("1.2.3.4")));
}

#[test]
fn sets_of_transports() {
    let set = Transports::of(&[Transport::Tcp, Transport::WebRtcDirect]);
    let has: Vec<_> = Transport::ALL.into_iter().filter(|t| set.has(*t)).collect();
    assert_eq!(has, [Transport::Tcp, Transport::WebRtcDirect]);
    assert!(!Transports::default().has(Transport::Tcp));
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 1..MAX_ADDRESS_BYTES)) {
        let address = NetAddress::new(&bytes).unwrap();
        if let Some(endpoint) = address.endpoint() && let Host::Ip(ip) = endpoint.host {
            prop_assert_eq!(address.at(ip), Some(address));
        }
    }
}
