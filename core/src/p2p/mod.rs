//! The libp2p behaviours: for full nodes gossip for blocks, transactions and jobs, requests and responses of opaque
//! bytes, identify, ping; for light clients the same without gossip. Wiring alone: what the bytes mean is the room `message`, who may send how much is
//! the caller's.
//!
//! Every protocol name carries the network's name, so that networks do not mix; identify's does not, which is how a
//! node can tell a peer of another network from a stranger ([`speaks`]).

mod codec;
mod light;
mod one_channel;

pub use light::{LightBehaviour, LightEvent};

pub use codec::{BytesCodec, REQUEST_MAX, RESPONSE_MAX, Request, RequestTooLong};
pub use one_channel::{Bytes, Duplex, MESSAGE_MAX, OneChannel, OneChannelError};

use crate::hash::tagged_hash;
pub use crate::message::Topic;
use crate::units::Network;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;
use libp2p::gossipsub::{self, IdentTopic, MessageAuthenticity, MessageId, TopicHash, ValidationMode};
use libp2p::identity::Keypair;
use libp2p::request_response::{self, ProtocolSupport};
use libp2p::swarm::NetworkBehaviour;
use libp2p::{StreamProtocol, identify, ping, yamux};

/// Bytes of the largest gossip message: a block of 4 MB, and its envelope.
pub const GOSSIP_MAX: usize = 4_500_000;

/// How long a request may take, from sending it to the last byte of its response.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// Requests that each side may have under way at once on one connection. Over it the other side drops them.
pub const REQUESTS_AT_ONCE: usize = 32;

/// Between two pings on a connection that answers.
pub const PING_EVERY: Duration = Duration::from_secs(3);

/// A ping must be answered in this time. libp2p tells nobody of the first one that is not: it opens a new stream after
/// [`PING_EVERY`], which must be agreed on within ten seconds. So a dead peer is noticed after 23 s at the latest.
pub const PING_TIMEOUT: Duration = Duration::from_secs(7);

/// Streams that one connection may carry at once: four times what both sides' requests need.
pub const STREAMS_AT_ONCE: usize = 256;

/// Messages that wait to be written to one slow peer before newer ones are dropped.
const GOSSIP_QUEUE: usize = 256;

/// The topic on the wire, such as `camelid/dev/1/blocks`.
pub fn topic_on(topic: Topic, network: Network) -> IdentTopic {
    IdentTopic::new(format!("camelid/{network}/1/{}", topic.name()))
}

/// The topic with this hash on the network; `None` for a topic that is none of ours.
pub fn topic_of(hash: &TopicHash, network: Network) -> Option<Topic> {
    Topic::ALL.into_iter().find(|topic| topic_on(*topic, network).hash() == *hash)
}

/// The name and version that identify tells, such as `/camelid/dev/1`; also the start of every protocol's name.
pub fn protocol_version(network: Network) -> String {
    format!("/camelid/{network}/1")
}

/// What a peer speaks, by the protocol version that it told in identify.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// This network in this version.
    Ours,
    /// CamelidCoin, but another network or version: its name, as the peer told it.
    Other(String),
    /// Something else.
    Stranger,
}

/// What a peer speaks, by the protocol version that it told in identify. The text is the peer's: shortened, and
/// without control characters.
pub fn speaks(protocol_version: &str, network: Network) -> Speaks {
    if protocol_version == self::protocol_version(network) {
        return Speaks::Ours;
    }
    match protocol_version.strip_prefix("/camelid/") {
        Some(rest) => Speaks::Other(rest.chars().take(24).filter(|c| !c.is_control()).collect()),
        None => Speaks::Stranger,
    }
}

/// The behaviour that both sides run.
#[derive(NetworkBehaviour)]
#[behaviour(to_swarm = "Event")]
pub struct Behaviour {
    /// Gossip on [`Topic`]s. Messages are signed by their author and passed on only after the application has
    /// validated them.
    pub gossip: gossipsub::Behaviour,
    /// Requests and responses of opaque bytes.
    pub request: request_response::Behaviour<BytesCodec>,
    /// Tells who we are, and learns who they are.
    pub identify: identify::Behaviour,
    /// Notices dead peers.
    pub ping: ping::Behaviour,
}

/// What the behaviour reports.
#[derive(Debug)]
pub enum Event {
    /// A gossip message, a subscription.
    Gossip(Box<gossipsub::Event>),
    /// A request, a response, or that one failed.
    Request(request_response::Event<Request, Vec<u8>>),
    /// Who a peer says it is.
    Identify(Box<identify::Event>),
    /// A peer is alive, or is not.
    Ping(ping::Event),
}

impl From<gossipsub::Event> for Event {
    fn from(event: gossipsub::Event) -> Self {
        Event::Gossip(Box::new(event))
    }
}

impl From<request_response::Event<Request, Vec<u8>>> for Event {
    fn from(event: request_response::Event<Request, Vec<u8>>) -> Self {
        Event::Request(event)
    }
}

impl From<identify::Event> for Event {
    fn from(event: identify::Event) -> Self {
        Event::Identify(Box::new(event))
    }
}

impl From<ping::Event> for Event {
    fn from(event: ping::Event) -> Self {
        Event::Ping(event)
    }
}

/// A behaviour could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("network behaviour: {0}")]
pub struct BehaviourError(String);

impl Behaviour {
    /// The behaviour of the node with this key on this network, subscribed to every topic. `agent` is the program
    /// and version told to peers.
    pub fn new(keypair: &Keypair, network: Network, agent: &str) -> Result<Self, BehaviourError> {
        let error = |e: &dyn ToString| BehaviourError(e.to_string());
        let base = protocol_version(network);
        let config = gossipsub::ConfigBuilder::default()
            .protocol_id_prefix(format!("{base}/gossip"))
            .validation_mode(ValidationMode::Strict)
            .validate_messages()
            .max_transmit_size(GOSSIP_MAX)
            .connection_handler_queue_len(GOSSIP_QUEUE)
            // The same bytes are the same message, whoever publishes them.
            .message_id_fn(|message| {
                let topic = tagged_hash("camelid/topic", &[message.topic.as_str().as_bytes()]);
                MessageId::new(&tagged_hash("camelid/gossip", &[&topic.0, &message.data]).0)
            })
            .build()
            .map_err(|e| error(&e))?;
        let mut gossip =
            gossipsub::Behaviour::new(MessageAuthenticity::Signed(keypair.clone()), config).map_err(|e| error(&e))?;
        for topic in Topic::ALL {
            gossip.subscribe(&topic_on(topic, network)).map_err(|e| error(&e))?;
        }
        Ok(Behaviour { gossip, request: request(network)?, identify: identify(keypair, network, agent), ping: ping() })
    }
}

fn request(network: Network) -> Result<request_response::Behaviour<BytesCodec>, BehaviourError> {
    let name = format!("{}/request", protocol_version(network));
    let name = StreamProtocol::try_from_owned(name).map_err(|e| BehaviourError(e.to_string()))?;
    let config = request_response::Config::default()
        .with_request_timeout(REQUEST_TIMEOUT)
        .with_max_concurrent_streams(2 * REQUESTS_AT_ONCE);
    Ok(request_response::Behaviour::new([(name, ProtocolSupport::Full)], config))
}

fn identify(keypair: &Keypair, network: Network, agent: &str) -> identify::Behaviour {
    let config = identify::Config::new(protocol_version(network), keypair.public());
    identify::Behaviour::new(config.with_agent_version(agent.into()).with_cache_size(0))
}

fn ping() -> ping::Behaviour {
    ping::Behaviour::new(ping::Config::new().with_interval(PING_EVERY).with_timeout(PING_TIMEOUT))
}

/// The limits of Yamux, wherever it runs.
pub fn yamux_config() -> yamux::Config {
    let mut config = yamux::Config::default();
    config.set_max_num_streams(STREAMS_AT_ONCE);
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_have_names_of_their_own() {
        assert_eq!(speaks("/camelid/dev/1", Network::Dev), Speaks::Ours);
        assert_eq!(speaks("/camelid/test/1", Network::Dev), Speaks::Other("test/1".into()));
        assert_eq!(speaks("/camelid/\u{1b}[31m", Network::Dev), Speaks::Other("[31m".into()));
        assert_eq!(speaks("/ipfs/1", Network::Dev), Speaks::Stranger);
        for topic in Topic::ALL {
            assert_eq!(topic_of(&topic_on(topic, Network::Dev).hash(), Network::Dev), Some(topic));
            assert_eq!(topic_of(&topic_on(topic, Network::Test).hash(), Network::Dev), None);
        }
    }

    #[test]
    fn the_behaviour_can_be_made() {
        let behaviour = Behaviour::new(&Keypair::generate_ed25519(), Network::Dev, "camelid/test").unwrap();
        assert_eq!(behaviour.gossip.topics().count(), Topic::ALL.len());
    }
}
