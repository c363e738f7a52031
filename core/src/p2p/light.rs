//! What a light client runs: requests, identify, ping. It takes no part in gossip, which would bring it every block
//! whole; it asks for what it needs, and has what it says passed on.

use super::{BehaviourError, BytesCodec, Request, identify, ping, request};
use crate::units::Network;
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use libp2p::identity::Keypair;
use libp2p::request_response;
use libp2p::swarm::NetworkBehaviour;

/// The behaviour of a light client.
#[derive(NetworkBehaviour)]
#[behaviour(to_swarm = "LightEvent")]
pub struct LightBehaviour {
    /// Requests and responses of opaque bytes, in both directions.
    pub request: request_response::Behaviour<BytesCodec>,
    /// Tells who we are, and learns who they are.
    pub identify: identify::Behaviour,
    /// Notices dead peers.
    pub ping: ping::Behaviour,
}

/// What it reports.
#[derive(Debug)]
pub enum LightEvent {
    /// A request, a response, or that one failed.
    Request(request_response::Event<Request, Vec<u8>>),
    /// Who a peer says it is.
    Identify(Box<identify::Event>),
    /// A peer is alive, or is not.
    Ping(ping::Event),
}

impl From<request_response::Event<Request, Vec<u8>>> for LightEvent {
    fn from(event: request_response::Event<Request, Vec<u8>>) -> Self {
        LightEvent::Request(event)
    }
}

impl From<identify::Event> for LightEvent {
    fn from(event: identify::Event) -> Self {
        LightEvent::Identify(Box::new(event))
    }
}

impl From<ping::Event> for LightEvent {
    fn from(event: ping::Event) -> Self {
        LightEvent::Ping(event)
    }
}

impl LightBehaviour {
    /// The behaviour of the client with this key on this network. `agent` is the program and version told to peers.
    pub fn new(keypair: &Keypair, network: Network, agent: &str) -> Result<Self, BehaviourError> {
        Ok(LightBehaviour { request: request(network)?, identify: identify(keypair, network, agent), ping: ping() })
    }
}
