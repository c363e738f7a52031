//! What neighbours ask each other.

use super::Envelope;
use super::client::{ClientRequest, ClientResponse};
use super::light::{LightRequest, LightResponse};
use super::models::{ModelRequest, ModelResponse};
use super::peers::{PeersRequest, PeersResponse, ReachRequest, ReachResponse};
use crate::block::{Block, Header};
use crate::encode::{Decode, DecodeError, Encode, Reader, put_vec};
use crate::encode_struct;
use crate::hash::{BlockHash, Hash32};
use crate::units::{Height, Timestamp};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// The most hashes in a block locator.
pub const MAX_LOCATOR: usize = 64;
/// The most headers in one response.
pub const MAX_HEADERS_PER_RESPONSE: usize = 2000;
/// The most blocks asked for at once.
pub const MAX_BLOCKS_PER_REQUEST: usize = 16;
/// The most messages of the pools in one response.
const MAX_POOL_MESSAGES: usize = 4096;

/// Where a node's chain stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainStatus {
    /// The first block: tells networks and forks of the rules apart.
    pub genesis: BlockHash,
    /// The last block.
    pub tip: BlockHash,
    /// Its height.
    pub height: Height,
    /// The node's clock.
    pub time: Timestamp,
}
encode_struct!(ChainStatus { genesis, tip, height, time });

/// A question to a neighbour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Where does your chain stand? With the asker's own.
    Status(ChainStatus),
    /// The headers after the last of these hashes that you know.
    Headers(Vec<BlockHash>),
    /// These blocks.
    Blocks(Vec<BlockHash>),
    /// What is in your pools: loose transactions and open jobs.
    Pools,
    /// Deliver this message, or pass it on.
    Forward(Box<Envelope>),
    /// A light client's question.
    Light(LightRequest),
    /// Which peers do you know?
    Peers(Box<PeersRequest>),
    /// Can you dial me?
    Reach(ReachRequest),
    /// Which models do you have, and what is in them?
    Model(ModelRequest),
    /// A light client's question about what is not in the chain, or not yet.
    Client(ClientRequest),
}

/// A neighbour's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// Where its chain stands.
    Status(ChainStatus),
    /// Headers in order.
    Headers(Vec<Header>),
    /// The blocks that it has, in the order asked.
    Blocks(Vec<Block>),
    /// Messages in its pools.
    Pools(Vec<Envelope>),
    /// The message reached its receiver.
    Forwarded,
    /// Nobody there, nor beyond, knows the receiver of this message.
    NoRoute(Hash32),
    /// Too busy, or asked too often.
    Busy,
    /// What a light client asked for.
    Light(LightResponse),
    /// Peers that it knows.
    Peers(Box<PeersResponse>),
    /// What came of dialling the asker.
    Reach(ReachResponse),
    /// Models or their chunks.
    Model(ModelResponse),
    /// What a light client asked for.
    Client(ClientResponse),
}

impl Encode for Request {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Request::Status(s) => {
                out.push(1);
                s.encode(out);
            }
            Request::Headers(locator) => {
                out.push(2);
                put_vec(locator, out);
            }
            Request::Blocks(hashes) => {
                out.push(3);
                put_vec(hashes, out);
            }
            Request::Pools => out.push(4),
            Request::Forward(envelope) => {
                out.push(5);
                envelope.encode(out);
            }
            Request::Light(request) => request.encode(out),
            Request::Peers(peers) => {
                out.push(16);
                peers.encode(out);
            }
            Request::Reach(reach) => {
                out.push(17);
                reach.encode(out);
            }
            Request::Model(request) => request.encode(out),
            Request::Client(request) => request.encode(out),
        }
    }
}

impl Decode for Request {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match u8::decode(r)? {
            1 => Request::Status(Decode::decode(r)?),
            2 => Request::Headers(r.vec("locator", MAX_LOCATOR)?),
            3 => Request::Blocks(r.vec("block hashes", MAX_BLOCKS_PER_REQUEST)?),
            4 => Request::Pools,
            5 => Request::Forward(Box::new(Decode::decode(r)?)),
            16 => Request::Peers(Box::new(Decode::decode(r)?)),
            17 => Request::Reach(Decode::decode(r)?),
            kind @ 18..=19 => Request::Model(ModelRequest::decode_after(kind, r)?),
            kind @ 20..=23 => Request::Client(ClientRequest::decode_after(kind, r)?),
            other => Request::Light(LightRequest::decode_after(other, r)?),
        })
    }
}

impl Encode for Response {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Response::Status(s) => {
                out.push(1);
                s.encode(out);
            }
            Response::Headers(headers) => {
                out.push(2);
                put_vec(headers, out);
            }
            Response::Blocks(blocks) => {
                out.push(3);
                put_vec(blocks, out);
            }
            Response::Pools(messages) => {
                out.push(4);
                put_vec(messages, out);
            }
            Response::Forwarded => out.push(5),
            Response::NoRoute(id) => {
                out.push(6);
                id.encode(out);
            }
            Response::Busy => out.push(7),
            Response::Light(response) => response.encode(out),
            Response::Peers(peers) => {
                out.push(16);
                peers.encode(out);
            }
            Response::Reach(reach) => {
                out.push(17);
                reach.encode(out);
            }
            Response::Model(response) => response.encode(out),
            Response::Client(response) => response.encode(out),
        }
    }
}

impl Decode for Response {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match u8::decode(r)? {
            1 => Response::Status(Decode::decode(r)?),
            2 => Response::Headers(r.vec("headers", MAX_HEADERS_PER_RESPONSE)?),
            3 => Response::Blocks(r.vec("blocks", MAX_BLOCKS_PER_REQUEST)?),
            4 => Response::Pools(r.vec("pool messages", MAX_POOL_MESSAGES)?),
            5 => Response::Forwarded,
            6 => Response::NoRoute(Decode::decode(r)?),
            7 => Response::Busy,
            16 => Response::Peers(Box::new(Decode::decode(r)?)),
            17 => Response::Reach(Decode::decode(r)?),
            kind @ 18..=19 => Response::Model(ModelResponse::decode_after(kind, r)?),
            kind @ 20..=24 => Response::Client(ClientResponse::decode_after(kind, r)?),
            other => Response::Light(LightResponse::decode_after(other, r)?),
        })
    }
}
