//! libp2p's behaviours as a full node runs them: gossip for blocks, transactions and jobs, requests, identify, ping.

use super::{
    BytesCodec, PING_EVERY, PING_TIMEOUT, REQUEST_TIMEOUT, REQUESTS_AT_ONCE, Request, protocol_version,
    request_protocol,
};
use crate::hash::tagged_hash;
use crate::message::Topic;
use crate::units::Network;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use libp2p::gossipsub::{self, IdentTopic, MessageAuthenticity, MessageId, TopicHash, ValidationMode};
use libp2p::identity::Keypair;
use libp2p::request_response::{self, ProtocolSupport};
use libp2p::swarm::NetworkBehaviour;
use libp2p::{StreamProtocol, identify, ping};

/// Bytes of the largest gossip message: a block of 4 MB, and its envelope.
pub const GOSSIP_MAX: usize = 4_500_000;

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

/// The behaviour of a full node.
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
    let name = StreamProtocol::try_from_owned(request_protocol(network)).map_err(|e| BehaviourError(e.to_string()))?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_have_topics_of_their_own() {
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
