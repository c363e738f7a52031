//! Connections between peers. A full node runs libp2p's behaviours ([`Behaviour`]): gossip for blocks, transactions and jobs,
//! requests and responses of opaque bytes, identify, ping. A light client runs a [`LightConnection`] to each full node, which
//! speaks the same without gossip, in little code. Wiring alone: what the bytes mean is the room `message`, who may send how
//! much is the caller's.
//!
//! Every protocol name carries the network's name, so that networks do not mix; identify's does not, which is how a
//! node can tell a peer of another network from a stranger ([`speaks`]).

#[cfg(feature = "p2p")]
mod behaviour;
#[cfg(feature = "p2p")]
mod codec;
mod frames;
mod light;
mod one_channel;

#[cfg(feature = "p2p")]
pub use behaviour::{Behaviour, BehaviourError, Event, GOSSIP_MAX, topic_of, topic_on};
#[cfg(feature = "p2p")]
pub use codec::BytesCodec;
pub use frames::{REQUEST_MAX, RESPONSE_MAX, Request, RequestTooLong};
pub use light::{About, Asker, Hello, LightConnection, LightEvent};
pub use one_channel::{Bytes, Duplex, MESSAGE_MAX, OneChannel, OneChannelError};

pub use crate::message::Topic;
use crate::units::Network;
use alloc::format;
use alloc::string::String;
use core::time::Duration;
use libp2p::yamux;

/// How long a request may take, from sending it to the last byte of its response.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// Requests that each side may have under way at once on one connection. Over it the other side drops them.
pub const REQUESTS_AT_ONCE: usize = 32;

/// Between two pings on a connection that answers.
pub const PING_EVERY: Duration = Duration::from_secs(3);

/// A ping of a full node's must be answered in this time. libp2p tells nobody of the first one that is not: it opens a new stream after
/// [`PING_EVERY`], which must be agreed on within ten seconds. So a dead peer is noticed after 23 s at the latest.
pub const PING_TIMEOUT: Duration = Duration::from_secs(7);

/// Streams that one connection may carry at once: four times what both sides' requests need.
pub const STREAMS_AT_ONCE: usize = 256;

/// The name and version that identify tells, such as `/camelid/dev/1`; also the start of every protocol's name.
pub fn protocol_version(network: Network) -> String {
    format!("/camelid/{network}/1")
}

/// The name of requests and responses, such as `/camelid/dev/1/request`.
pub fn request_protocol(network: Network) -> String {
    format!("/camelid/{network}/1/request")
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
    }
}
