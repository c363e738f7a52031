//! Jobs for tests of this room and those below.

use super::{JobCreate, JobParams, JobPrivate, PeerAddress, Periods};
use crate::block::NetworkParams;
use crate::hash::{KeyHash, ModelRoot, tagged_hash};
use crate::keys::SecretKey;
use crate::model::Sampling;
use crate::transaction::OutPoint;
use crate::units::{Amount, Height, Network, Timestamp, TokenId};

/// The network that the tests play on.
pub fn network() -> &'static NetworkParams {
    NetworkParams::of(Network::Dev)
}

/// A key that depends on its name alone.
pub fn key(name: &str) -> SecretKey {
    SecretKey::from_bytes(tagged_hash("camelid/test/key", &[name.as_bytes()]).0).unwrap()
}

/// An outpoint that depends on its name alone.
pub fn outpoint(name: &str) -> OutPoint {
    OutPoint { txid: crate::hash::Txid(tagged_hash("camelid/test/outpoint", &[name.as_bytes()]).0), index: 1 }
}

/// A peer id that depends on its name alone.
pub fn peer(name: &str) -> PeerAddress {
    PeerAddress::new(name.as_bytes()).unwrap()
}

/// A private part with a three-token prompt.
pub fn private() -> JobPrivate {
    JobPrivate { prompt: "Once upon".into(), token_ids: [1, 5, 9].map(TokenId).to_vec(), seed: 7, salt: [3; 32] }
}

/// Parameters that fit [`private`].
pub fn params() -> JobParams {
    JobParams {
        version: JobParams::VERSION,
        model: ModelRoot([9; 32]),
        prompt_tokens: 3,
        max_tokens: 8,
        sampling: Sampling::GREEDY,
        timestamp: Timestamp(1_800_000_000),
        valid_until: Height(400),
        client_peer: peer("client"),
        client_key: key("client").public_key(),
        challenge_key: key("challenge").public_key(),
        job_key: key("job").public_key(),
        reward: Amount::from_coins(2),
        stake: Amount::from_coins(3),
        reserve: Amount(1_000_000),
        move_fee: Amount(10_000),
        bond: Amount(100_000),
        fee: Amount(20_000),
        periods: Periods::shortest(&network().contract),
        commitment: private().commitment(),
    }
}

/// The offer of [`params`], paid by one coin of `key("coin")`.
pub fn create() -> JobCreate {
    JobCreate::sign(params(), hash_of("change"), &[(outpoint("coin"), &key("coin"))], &key("client"), Network::Dev)
}

/// The hash of a named key.
pub fn hash_of(name: &str) -> KeyHash {
    key(name).public_key().hash()
}
