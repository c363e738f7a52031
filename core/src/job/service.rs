//! `ServiceOffer`: a compute node says which models it serves, at what price, with which stake.
//!
//! The paper's nodes answer whatever they can; a client that knows who serves a model can say at once that
//! nobody does, what it will cost, and whose turn it is.

use super::{PeerAddress, Statement};
use crate::encode::{Decode, DecodeError, Encode, Reader, put_vec};
use crate::encode_struct;
use crate::hash::ModelRoot;
use crate::keys::PublicKey;
use crate::transaction::OutPoint;
use crate::units::{Amount, Timestamp};
use alloc::vec::Vec;

/// The most models in one offer.
const MAX_MODELS: usize = 64;

/// A model and what a node asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelPrice {
    /// The model.
    pub model: ModelRoot,
    /// The least reward for 1,000 tokens, prompt and token limit together.
    pub per_thousand_tokens: Amount,
}
encode_struct!(ModelPrice { model, per_thousand_tokens });

impl ModelPrice {
    /// The least reward for a job of `tokens` tokens.
    pub fn for_tokens(&self, tokens: u64) -> Amount {
        Amount((self.per_thousand_tokens.0 as u128 * tokens as u128).div_ceil(1000).min(u64::MAX as u128) as u64)
    }
}

/// What a compute node serves; signed by `node_key`, renewed by a later one of the same key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceOffer {
    /// Where the node is reached.
    pub node_peer: PeerAddress,
    /// The key of its stake coin.
    pub node_key: PublicKey,
    /// The coin that it will put at stake.
    pub stake_coin: OutPoint,
    /// When it was made; it is forgotten a while after.
    pub timestamp: Timestamp,
    /// The models and their prices.
    pub models: Vec<ModelPrice>,
}

impl ServiceOffer {
    /// What it asks for `model`, if it serves it.
    pub fn price(&self, model: &ModelRoot) -> Option<&ModelPrice> {
        self.models.iter().find(|m| m.model == *model)
    }
}

impl Statement for ServiceOffer {
    const TAG: &'static str = "camelid/job/service";
}

impl Encode for ServiceOffer {
    fn encode(&self, out: &mut Vec<u8>) {
        self.node_peer.encode(out);
        self.node_key.encode(out);
        self.stake_coin.encode(out);
        self.timestamp.encode(out);
        put_vec(&self.models, out);
    }
}

impl Decode for ServiceOffer {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(ServiceOffer {
            node_peer: Decode::decode(r)?,
            node_key: Decode::decode(r)?,
            stake_coin: Decode::decode(r)?,
            timestamp: Decode::decode(r)?,
            models: r.vec("models", MAX_MODELS)?,
        })
    }
}
