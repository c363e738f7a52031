//! Who is where and serves what (paper 2.1.1): records that each peer signs about itself, what neighbours tell each
//! other of them, and whether one can be reached.

use super::address::NetAddress;
use super::envelope::peer_key;
use crate::encode::{Decode, DecodeError, Encode, Reader, put_vec};
use crate::hash::{Hash32, tagged_hash};
use crate::job::PeerAddress;
use crate::units::{Network, Timestamp};
use crate::{encode_enum, encode_struct};
use alloc::vec::Vec;

/// The most addresses in one record.
pub const MAX_ADDRESSES: usize = 8;
/// The most records in one answer.
pub const MAX_PEERS_PER_RESPONSE: usize = 250;
/// The most bytes of records in one answer.
pub const MAX_PEER_BYTES_PER_RESPONSE: usize = 100_000;
/// The most addresses in one question whether they can be reached.
pub const MAX_REACH_ADDRESSES: usize = 8;

/// What a peer does for others: a set. Bits that are not known here are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Services(pub u32);

impl Encode for Services {
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }
}

impl Decode for Services {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Decode::decode(r).map(Services)
    }
}

impl Services {
    /// Nothing.
    pub const NONE: Services = Services(0);
    /// It gives all blocks of its chain.
    pub const BLOCKS: Services = Services(1);
    /// It answers light clients: filters, proofs, headers in bulk.
    pub const LIGHT: Services = Services(2);
    /// It passes addressed messages on.
    pub const RELAY: Services = Services(4);
    /// It computes models for others.
    pub const COMPUTE: Services = Services(8);

    const NAMES: [(Services, &'static str); 4] = [
        (Services::BLOCKS, "blocks"),
        (Services::LIGHT, "light"),
        (Services::RELAY, "relay"),
        (Services::COMPUTE, "compute"),
    ];

    /// Whether all of `other` is among them.
    pub const fn has(self, other: Services) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both together.
    pub const fn with(self, other: Services) -> Services {
        Services(self.0 | other.0)
    }

    /// Their names, for people; those of unknown bits are left out.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.into_iter().filter(move |(service, _)| self.has(*service)).map(|(_, name)| name)
    }
}

/// Why a record is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The peer id holds no Ed25519 key.
    #[error("the peer id of a record holds no Ed25519 key")]
    PeerKey,
    /// The signature is not the peer's.
    #[error("the signature of a record is not its peer's")]
    Signature,
}

/// What a peer says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerRecord {
    /// Its id.
    pub peer: PeerAddress,
    /// Where it can be dialled: at least one address.
    pub addresses: Vec<NetAddress>,
    /// What it does for others.
    pub services: Services,
    /// When it said so; the latest counts.
    pub time: Timestamp,
}

impl Encode for PeerRecord {
    fn encode(&self, out: &mut Vec<u8>) {
        self.peer.encode(out);
        put_vec(&self.addresses, out);
        self.services.encode(out);
        self.time.encode(out);
    }
}

impl Decode for PeerRecord {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let peer = Decode::decode(r)?;
        let addresses: Vec<NetAddress> = r.vec("addresses", MAX_ADDRESSES)?;
        if addresses.is_empty() {
            return Err(DecodeError::Malformed("list of addresses"));
        }
        Ok(PeerRecord { peer, addresses, services: Decode::decode(r)?, time: Decode::decode(r)? })
    }
}

impl PeerRecord {
    /// What the peer signs.
    pub fn signing_bytes(&self, network: Network) -> Hash32 {
        tagged_hash("camelid/peer/record", &[&network.magic(), &self.to_bytes()])
    }

    /// With the peer's signature.
    pub fn with_signature(self, signature: [u8; 64]) -> SignedPeerRecord {
        SignedPeerRecord { body: self, signature }
    }
}

/// A record and its peer's signature. Whoever passes it on can change nothing in it; whether anybody listens there is
/// another question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedPeerRecord {
    /// What it says.
    pub body: PeerRecord,
    /// By the peer's key, over [`PeerRecord::signing_bytes`].
    pub signature: [u8; 64],
}
encode_struct!(SignedPeerRecord { body, signature });

impl SignedPeerRecord {
    /// "A record is signed by the peer that it is about, over the tagged hash … of the network's four bytes and the record."
    pub fn verify(self, network: Network) -> Result<VerifiedRecord, RecordError> {
        let key = peer_key(&self.body.peer)
            .and_then(|k| ed25519_dalek::VerifyingKey::from_bytes(&k).ok())
            .ok_or(RecordError::PeerKey)?;
        let signature = ed25519_dalek::Signature::from_bytes(&self.signature);
        let signed = self.body.signing_bytes(network);
        key.verify_strict(&signed.0, &signature).map_err(|_| RecordError::Signature)?;
        Ok(VerifiedRecord(self))
    }
}

/// A record whose signature was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedRecord(SignedPeerRecord);

impl VerifiedRecord {
    /// What it says.
    pub fn body(&self) -> &PeerRecord {
        &self.0.body
    }

    /// The record with its signature.
    pub fn signed(&self) -> &SignedPeerRecord {
        &self.0
    }

    /// One without a signature, where a hundred thousand of them would take their time.
    #[cfg(test)]
    pub(crate) fn unsigned(body: PeerRecord) -> Self {
        VerifiedRecord(body.with_signature([0; 64]))
    }
}

/// A peer that the answering node knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownPeer {
    /// Its own record.
    pub record: SignedPeerRecord,
    /// When the answering node last heard from it, as it says.
    pub last_seen: Timestamp,
}
encode_struct!(KnownPeer { record, last_seen });

/// Which peers do you know? With the asker's own record, if it can be dialled at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeersRequest {
    /// The asker's own record.
    pub own: Option<SignedPeerRecord>,
}
encode_struct!(PeersRequest { own });

/// The answer: the answering node's own record, and peers that it knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeersResponse {
    /// The answering node's own record, if it can be dialled at all.
    pub own: Option<SignedPeerRecord>,
    /// At most [`MAX_PEERS_PER_RESPONSE`] peers in at most [`MAX_PEER_BYTES_PER_RESPONSE`] bytes.
    pub known: Vec<KnownPeer>,
}

impl Encode for PeersResponse {
    fn encode(&self, out: &mut Vec<u8>) {
        self.own.encode(out);
        put_vec(&self.known, out);
    }
}

impl Decode for PeersResponse {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let own = Decode::decode(r)?;
        let before = r.remaining();
        // "An answer has at most 250 records, and at most 100,000 bytes of them."
        let known = r.vec("peers", MAX_PEERS_PER_RESPONSE)?;
        let bytes = before - r.remaining();
        if bytes > MAX_PEER_BYTES_PER_RESPONSE {
            let (len, max) = (bytes as u64, MAX_PEER_BYTES_PER_RESPONSE as u64);
            return Err(DecodeError::TooLong { what: "peers in bytes", len, max });
        }
        Ok(PeersResponse { own, known })
    }
}

/// Can you dial me at these ports? "The IP addresses in the question do not count."
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReachRequest {
    /// At most [`MAX_REACH_ADDRESSES`] addresses.
    pub addresses: Vec<NetAddress>,
}

impl Encode for ReachRequest {
    fn encode(&self, out: &mut Vec<u8>) {
        put_vec(&self.addresses, out);
    }
}

impl Decode for ReachRequest {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(ReachRequest { addresses: r.vec("addresses to dial", MAX_REACH_ADDRESSES)? })
    }
}

/// Whether a dialled address answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reached {
    /// Nobody answered there, or somebody else did.
    No,
    /// The asker answered there.
    Yes,
    /// It was not dialled: the answering node has no such transport, does not dial such addresses, or dialled too many.
    NotTried,
}
encode_enum!(Reached, "reached" { No = 0, Yes = 1, NotTried = 2 });

/// An address as it was dialled, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReachResult {
    /// The address, with the IP address from which the asker is connected.
    pub address: NetAddress,
    /// Whether it answered.
    pub reached: Reached,
}
encode_struct!(ReachResult { address, reached });

/// What came of dialling the asker: one result for each of its addresses, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReachResponse {
    /// The results.
    pub results: Vec<ReachResult>,
}

impl Encode for ReachResponse {
    fn encode(&self, out: &mut Vec<u8>) {
        put_vec(&self.results, out);
    }
}

impl Decode for ReachResponse {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(ReachResponse { results: r.vec("dialled addresses", MAX_REACH_ADDRESSES)? })
    }
}
