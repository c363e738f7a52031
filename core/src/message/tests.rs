use super::*;
use crate::encode::{Decode, Encode};
use crate::job::{JobClose, fixtures::*};
use crate::units::Network;
use alloc::boxed::Box;
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
