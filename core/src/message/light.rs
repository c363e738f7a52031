//! What light clients ask for: parts of the best chain, and how much of it comes at once (BIP157).

use super::MAX_HEADERS_PER_RESPONSE;
use crate::block::Header;
use crate::chain::TransactionProof;
use crate::encode::{Decode, DecodeError, Encode, Reader, put_vec};
use crate::encode_struct;
use crate::filter::Filter;
use crate::hash::{BlockHash, FilterHash, FilterHeader, Txid};
use crate::units::Height;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// The most filters in one response.
pub const MAX_FILTERS_PER_RESPONSE: usize = 1000;
/// The most bytes of filters in one response; a single filter comes whatever its size.
pub const MAX_FILTER_BYTES_PER_RESPONSE: usize = 1_000_000;
/// The most filter hashes in one response.
pub const MAX_FILTER_HEADERS_PER_RESPONSE: usize = 2000;
/// Blocks from one filter checkpoint to the next.
pub const CHECKPOINT_INTERVAL: u32 = 1000;
/// The most filter checkpoints in one response: a million blocks' worth.
pub const MAX_CHECKPOINTS_PER_RESPONSE: usize = 1000;

/// Headers of the best chain, by height.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderRange {
    /// The first one's height.
    pub start: Height,
    /// How many; one response holds [`MAX_HEADERS_PER_RESPONSE`].
    pub count: u32,
}
encode_struct!(HeaderRange { start, count });

/// Blocks of the best chain. The last one's hash says which chain the asker means; where it is not on the answerer's best
/// chain, there is nothing to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilterRange {
    /// The first block's height.
    pub start: Height,
    /// The last block.
    pub stop: BlockHash,
}
encode_struct!(FilterRange { start, stop });

/// Filter hashes of blocks that follow each other. With the header that they follow they give all filter headers, so that
/// one commitment, to the last of them, proves them all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterHeaders {
    /// The filter header before the first hash; zero before block 0.
    pub previous: FilterHeader,
    /// The filters' hashes.
    pub hashes: Vec<FilterHash>,
}

impl FilterHeaders {
    /// The filter headers, one a hash.
    pub fn headers(&self) -> Vec<FilterHeader> {
        let next = |header: &mut FilterHeader, hash: &FilterHash| {
            *header = header.next(hash);
            Some(*header)
        };
        self.hashes.iter().scan(self.previous, next).collect()
    }
}

impl Encode for FilterHeaders {
    fn encode(&self, out: &mut Vec<u8>) {
        self.previous.encode(out);
        put_vec(&self.hashes, out);
    }
}

impl Decode for FilterHeaders {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let previous = FilterHeader::decode(r)?;
        Ok(FilterHeaders { previous, hashes: r.vec("filter hashes", MAX_FILTER_HEADERS_PER_RESPONSE)? })
    }
}

/// What a light client asks a neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LightRequest {
    /// The headers of your best chain from a height up.
    Headers(HeaderRange),
    /// The filters of these blocks.
    Filters(FilterRange),
    /// The filter hashes of these blocks.
    FilterHeaders(FilterRange),
    /// The filter headers of those of these blocks whose heights are multiples of [`CHECKPOINT_INTERVAL`].
    Checkpoints(FilterRange),
    /// This transaction of your best chain, with its proof.
    Proof(Txid),
    /// The coinbase of this block of your best chain, with its proof.
    CoinbaseProof(BlockHash),
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LightResponse {
    /// Headers in order; fewer than asked for where the chain ends or the response is full.
    Headers(Vec<Header>),
    /// Filters in order from the first block asked for on: as many as one response holds.
    Filters(Vec<Filter>),
    /// Filter hashes in order from the first block asked for on: as many as one response holds.
    FilterHeaders(FilterHeaders),
    /// Filter headers at the checkpoints, in order: as many as one response holds.
    Checkpoints(Vec<FilterHeader>),
    /// A transaction with its proof.
    Proof(Box<TransactionProof>),
    /// There is no such block or transaction on its best chain, or the range ends before it begins. Questions about models
    /// and jobs that are not there have this answer too.
    NotFound,
}

impl Encode for LightRequest {
    fn encode(&self, out: &mut Vec<u8>) {
        let (kind, content): (u8, &dyn Encode) = match self {
            LightRequest::Headers(range) => (6, range),
            LightRequest::Filters(range) => (7, range),
            LightRequest::FilterHeaders(range) => (8, range),
            LightRequest::Checkpoints(range) => (9, range),
            LightRequest::Proof(txid) => (10, txid),
            LightRequest::CoinbaseProof(block) => (11, block),
        };
        out.push(kind);
        content.encode(out);
    }
}

impl LightRequest {
    /// Reads what follows the request's byte.
    pub(super) fn decode_after(kind: u8, r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match kind {
            6 => LightRequest::Headers(Decode::decode(r)?),
            7 => LightRequest::Filters(Decode::decode(r)?),
            8 => LightRequest::FilterHeaders(Decode::decode(r)?),
            9 => LightRequest::Checkpoints(Decode::decode(r)?),
            10 => LightRequest::Proof(Decode::decode(r)?),
            11 => LightRequest::CoinbaseProof(Decode::decode(r)?),
            other => return Err(DecodeError::InvalidValue { what: "request", value: other as u64 }),
        })
    }
}

impl Encode for LightResponse {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            LightResponse::Headers(headers) => {
                out.push(8);
                put_vec(headers, out);
            }
            LightResponse::Filters(filters) => {
                out.push(9);
                put_vec(filters, out);
            }
            LightResponse::FilterHeaders(headers) => {
                out.push(10);
                headers.encode(out);
            }
            LightResponse::Checkpoints(headers) => {
                out.push(11);
                put_vec(headers, out);
            }
            LightResponse::Proof(proof) => {
                out.push(12);
                proof.encode(out);
            }
            LightResponse::NotFound => out.push(13),
        }
    }
}

impl LightResponse {
    /// Reads what follows the response's byte.
    pub(super) fn decode_after(kind: u8, r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match kind {
            8 => LightResponse::Headers(r.vec("headers", MAX_HEADERS_PER_RESPONSE)?),
            9 => LightResponse::Filters(r.vec("filters", MAX_FILTERS_PER_RESPONSE)?),
            10 => LightResponse::FilterHeaders(Decode::decode(r)?),
            11 => LightResponse::Checkpoints(r.vec("filter checkpoints", MAX_CHECKPOINTS_PER_RESPONSE)?),
            12 => LightResponse::Proof(Box::new(Decode::decode(r)?)),
            13 => LightResponse::NotFound,
            other => return Err(DecodeError::InvalidValue { what: "response", value: other as u64 }),
        })
    }
}
