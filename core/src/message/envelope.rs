//! The header (paper 2.1.2): "the sender's and receiver's addresses, the message type, and the length of the payload".

use super::Payload;
use crate::encode::{Decode, DecodeError, Encode, Reader, put_bytes};
use crate::hash::{Hash32, tagged_hash};
use crate::job::PeerAddress;
use crate::units::Network;
use alloc::vec::Vec;

/// The largest envelope, in bytes: a full block with its header.
pub const MAX_ENVELOPE_BYTES: usize = 4_500_000;
/// How often an addressed message is forwarded at most.
pub const MAX_HOPS: u8 = 8;
/// What a libp2p peer id of an Ed25519 key starts with: an identity multihash of the encoded public key.
const ED25519_PREFIX: [u8; 6] = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];

/// Why an envelope is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// It belongs to another network.
    #[error("message of network {found:02x?}, this is {expected:02x?}")]
    Network {
        /// This network's magic bytes.
        expected: [u8; 4],
        /// What was found.
        found: [u8; 4],
    },
    /// The sender's peer id holds no Ed25519 key.
    #[error("the sender's peer id holds no Ed25519 key")]
    SenderKey,
    /// The signature is not the sender's.
    #[error("the signature is not the sender's")]
    Signature,
    /// The payload does not decode.
    #[error("malformed payload: {0}")]
    Payload(#[from] DecodeError),
}

/// The peer id of an Ed25519 public key.
pub fn peer_address(key: &[u8; 32]) -> PeerAddress {
    let mut bytes = [0; 38];
    let (prefix, tail) = bytes.split_at_mut(ED25519_PREFIX.len());
    prefix.copy_from_slice(&ED25519_PREFIX);
    tail.copy_from_slice(key);
    PeerAddress::of_ed25519(bytes)
}

/// The Ed25519 public key in a peer id.
pub fn peer_key(peer: &PeerAddress) -> Option<[u8; 32]> {
    peer.as_bytes().strip_prefix(&ED25519_PREFIX).and_then(|k| k.try_into().ok())
}

/// A signed message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The network.
    pub magic: [u8; 4],
    /// Who sends it.
    pub sender: PeerAddress,
    /// To whom; `None` for everybody.
    pub receiver: Option<PeerAddress>,
    /// The sender's counter: the same words sent again make a new message.
    pub sequence: u64,
    /// The message type.
    pub kind: u8,
    /// The encoded payload.
    pub payload: Vec<u8>,
    /// By the sender's peer key, over all of the above.
    pub signature: [u8; 64],
    /// How often it was forwarded; not signed, since every forwarder counts.
    pub hops: u8,
}

impl Envelope {
    /// An envelope without its signature, which goes over [`Envelope::signing_bytes`].
    pub fn unsigned(
        network: Network,
        sender: PeerAddress,
        receiver: Option<PeerAddress>,
        sequence: u64,
        payload: &Payload,
    ) -> Self {
        Envelope {
            magic: network.magic(),
            sender,
            receiver,
            sequence,
            kind: payload.kind(),
            payload: payload.body(),
            signature: [0; 64],
            hops: 0,
        }
    }

    /// What the sender signs.
    pub fn signing_bytes(&self) -> Hash32 {
        let mut out = Vec::new();
        self.signed_part(&mut out);
        tagged_hash("camelid/message", &[&out])
    }

    /// Names the message in caches of what was seen. Forwarding does not change it.
    pub fn id(&self) -> Hash32 {
        self.signing_bytes()
    }

    /// Checks network and signature and decodes the payload.
    pub fn open(&self, network: Network) -> Result<Payload, EnvelopeError> {
        if self.magic != network.magic() {
            return Err(EnvelopeError::Network { expected: network.magic(), found: self.magic });
        }
        let key = peer_key(&self.sender)
            .and_then(|k| ed25519_dalek::VerifyingKey::from_bytes(&k).ok())
            .ok_or(EnvelopeError::SenderKey)?;
        let signature = ed25519_dalek::Signature::from_bytes(&self.signature);
        key.verify_strict(&self.signing_bytes().0, &signature).map_err(|_| EnvelopeError::Signature)?;
        Ok(Payload::from_parts(self.kind, &self.payload)?)
    }

    fn signed_part(&self, out: &mut Vec<u8>) {
        self.magic.encode(out);
        self.sender.encode(out);
        self.receiver.encode(out);
        self.sequence.encode(out);
        self.kind.encode(out);
        put_bytes(&self.payload, out);
    }
}

impl Encode for Envelope {
    fn encode(&self, out: &mut Vec<u8>) {
        self.signed_part(out);
        self.signature.encode(out);
        self.hops.encode(out);
    }
}

impl Decode for Envelope {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Envelope {
            magic: r.array()?,
            sender: Decode::decode(r)?,
            receiver: Decode::decode(r)?,
            sequence: Decode::decode(r)?,
            kind: Decode::decode(r)?,
            payload: r.bytes("payload", MAX_ENVELOPE_BYTES)?.to_vec(),
            signature: r.array()?,
            hops: Decode::decode(r)?,
        })
    }
}
