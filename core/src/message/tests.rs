use super::*;
use crate::encode::{Decode, DecodeError, Encode};
use crate::job::{JobClose, fixtures::*};
use crate::units::{Network, Timestamp};
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use ed25519_dalek::{Signer, SigningKey};
use proptest::prelude::*;

fn signed(payload: &Payload, network: Network) -> Envelope {
    let key = SigningKey::from_bytes(&[5; 32]);
    let sender = peer_address(&key.verifying_key().to_bytes());
    let mut envelope = Envelope::unsigned(network, sender, Some(peer("receiver")), 1, payload);
    envelope.signature = key.sign(&envelope.signing_bytes().0).to_bytes();
    envelope
}

#[test]
fn an_envelope_opens_on_its_network_with_its_sender_only() {
    let payload = Payload::from(create());
    let good = signed(&payload, Network::Dev);
    assert_eq!(good.open(Network::Dev), Ok(payload.clone()));
    assert!(matches!(good.open(Network::Main), Err(EnvelopeError::Network { .. })));
    let mut forwarded = good.clone();
    forwarded.hops = 3;
    assert_eq!(forwarded.open(Network::Dev), Ok(payload), "forwarding keeps the signature");
    assert_eq!(forwarded.id(), good.id());
    let mut other = good.clone();
    other.sequence += 1;
    assert_eq!(other.open(Network::Dev), Err(EnvelopeError::Signature));
    let mut other = good.clone();
    other.receiver = None;
    assert_eq!(other.open(Network::Dev), Err(EnvelopeError::Signature));
    let mut other = good.clone();
    other.sender = peer("nobody");
    assert_eq!(other.open(Network::Dev), Err(EnvelopeError::SenderKey));
    let mut other = good;
    other.kind = 200;
    assert!(other.open(Network::Dev).is_err());
}

#[test]
fn the_peer_id_is_libp2ps() {
    // The id that libp2p gives this key: an identity multihash of the key's protobuf encoding.
    let key = [7; 32];
    let address = peer_address(&key);
    assert_eq!(&address.as_bytes()[..6], [0, 36, 8, 1, 18, 32]);
    assert_eq!(peer_key(&address), Some(key));
}

fn record(key: &SigningKey, network: Network) -> SignedPeerRecord {
    let peer = peer_address(&key.verifying_key().to_bytes());
    let addresses = vec![NetAddress::tcp([9, 9, 9, 9].into(), 7460)];
    let body = PeerRecord { peer, addresses, services: Services::BLOCKS, time: Timestamp(5) };
    let signature = key.sign(&body.signing_bytes(network).0).to_bytes();
    body.with_signature(signature)
}

#[test]
fn a_record_is_its_peers_own() {
    let key = SigningKey::from_bytes(&[5; 32]);
    let good = record(&key, Network::Dev);
    assert_eq!(good.clone().verify(Network::Dev).map(|r| r.signed().clone()), Ok(good.clone()));
    assert_eq!(good.clone().verify(Network::Test), Err(RecordError::Signature), "of another network");
    let changes: [fn(&mut PeerRecord); 4] = [
        |r| r.services = Services(0xff),
        |r| r.time = Timestamp(6),
        |r| r.addresses.push(NetAddress::tcp([6, 6, 6, 6].into(), 80)),
        |r| r.peer = peer_address(&SigningKey::from_bytes(&[6; 32]).verifying_key().to_bytes()),
    ];
    for change in changes {
        let mut other = good.clone();
        change(&mut other.body);
        assert_eq!(other.verify(Network::Dev), Err(RecordError::Signature));
    }
    let mut other = good.clone();
    other.body.peer = peer("nobody");
    assert_eq!(other.verify(Network::Dev), Err(RecordError::PeerKey));
    let mut nowhere = good;
    nowhere.body.addresses.clear();
    assert!(SignedPeerRecord::from_bytes(&nowhere.to_bytes()).is_err());
}

#[test]
fn an_answer_with_too_many_peers_is_none() {
    let mut record = record(&SigningKey::from_bytes(&[5; 32]), Network::Dev);
    let decoded = |record: &SignedPeerRecord, count| {
        let known = vec![KnownPeer { record: record.clone(), last_seen: Timestamp(5) }; count];
        PeersResponse::from_bytes(&PeersResponse { own: None, known }.to_bytes())
    };
    assert_eq!(decoded(&record, MAX_PEERS_PER_RESPONSE).unwrap().known.len(), MAX_PEERS_PER_RESPONSE);
    let too_long = |error, max: usize| matches!(error, Err(DecodeError::TooLong { max: m, .. }) if m == max as u64);
    assert!(too_long(decoded(&record, MAX_PEERS_PER_RESPONSE + 1), MAX_PEERS_PER_RESPONSE));
    record.body.addresses = vec![NetAddress::new(&[7; MAX_ADDRESS_BYTES]).unwrap(); MAX_ADDRESSES];
    assert!(too_long(decoded(&record, 200), MAX_PEER_BYTES_PER_RESPONSE));
    record.body.addresses.push(NetAddress::new(&[7]).unwrap());
    assert!(too_long(decoded(&record, 1), MAX_ADDRESSES));
}

#[test]
fn services_are_a_set() {
    let both = Services::BLOCKS.with(Services::COMPUTE);
    assert!(
        both.has(Services::COMPUTE) && both.has(Services::NONE) && !both.has(Services::RELAY.with(Services::BLOCKS))
    );
    assert_eq!(both.names().collect::<Vec<_>>(), ["blocks", "compute"]);
    let unknown = Services(0x8000_0000);
    assert_eq!((unknown.names().count(), Services::from_bytes(&unknown.to_bytes())), (0, Ok(unknown)));
}

proptest! {
    #[test]
    fn envelopes_and_requests_round_trip_and_damage_never_panics(at: prop::sample::Index, byte: u8, cut: prop::sample::Index) {
        let envelope = signed(&Payload::from(create()), Network::Dev);
        let bytes = envelope.to_bytes();
        prop_assert_eq!(Envelope::from_bytes(&bytes), Ok(envelope.clone()));
        prop_assert!(Envelope::from_bytes(&bytes[..cut.index(bytes.len())]).is_err());
        let mut changed = bytes.clone();
        changed[at.index(bytes.len())] = byte;
        if let Ok(other) = Envelope::from_bytes(&changed) {
            prop_assert_eq!(other.to_bytes(), changed.clone());
            let same = Envelope { hops: envelope.hops, ..other.clone() } == envelope;
            prop_assert_eq!(other.open(Network::Dev).is_ok(), same);
        }
        let request = Request::Forward(Box::new(envelope));
        prop_assert_eq!(Request::from_bytes(&request.to_bytes()), Ok(request));
    }

    #[test]
    fn random_bytes_are_no_message(bytes in prop::collection::vec(any::<u8>(), 0..400), kind: u8) {
        let _ = Envelope::from_bytes(&bytes);
        let _ = Request::from_bytes(&bytes);
        let _ = Response::from_bytes(&bytes);
        let _ = JobClose::from_bytes(&bytes);
        if let Ok(payload) = Payload::from_parts(kind, &bytes) {
            prop_assert_eq!(payload.body(), bytes);
        }
    }
}
