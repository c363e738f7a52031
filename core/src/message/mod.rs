//! The wire messages (paper 2.1.2; `docs/protocol.md`, "Messages").
//!
//! An [`Envelope`] has the paper's header and is signed by its sender's peer key; it is broadcast, or addressed to
//! one peer and forwarded by full nodes. A [`Request`] goes to a neighbour, which answers with a [`Response`]. A
//! [`PeerRecord`] is what a peer says about itself: where it is, and what it serves.

mod address;
mod client;
mod envelope;
mod light;
mod line;
mod models;
mod payload;
mod peers;
mod request;

pub use address::{Endpoint, Host, MAX_ADDRESS_BYTES, NetAddress, Transport, Transports};
pub use client::{
    ClientRequest, ClientResponse, FeeRates, JobReport, JobTransaction, MAX_JOB_TRANSACTIONS, MAX_OFFERS_PER_RESPONSE,
    OfferQuery, Refusal, StakedOffer,
};
pub use envelope::{Envelope, EnvelopeError, MAX_ENVELOPE_BYTES, MAX_HOPS, peer_address, peer_key};
pub use light::{
    CHECKPOINT_INTERVAL, FilterHeaders, FilterRange, HeaderRange, LightRequest, LightResponse,
    MAX_CHECKPOINTS_PER_RESPONSE, MAX_FILTER_BYTES_PER_RESPONSE, MAX_FILTER_HEADERS_PER_RESPONSE,
    MAX_FILTERS_PER_RESPONSE,
};
pub use models::{ChunkRange, ListedModel, MAX_MODELS_PER_RESPONSE, ModelRequest, ModelResponse};
pub use payload::{Ciphertext, CiphertextRequest, Payload, Topic};
pub use peers::{
    KnownPeer, MAX_ADDRESSES, MAX_PEER_BYTES_PER_RESPONSE, MAX_PEERS_PER_RESPONSE, MAX_REACH_ADDRESSES, PeerRecord,
    PeersRequest, PeersResponse, ReachRequest, ReachResponse, ReachResult, Reached, RecordError, Services,
    SignedPeerRecord, VerifiedRecord,
};
pub use request::{ChainStatus, MAX_BLOCKS_PER_REQUEST, MAX_HEADERS_PER_RESPONSE, MAX_LOCATOR, Request, Response};

#[cfg(test)]
mod service_tests;
#[cfg(test)]
mod tests;
