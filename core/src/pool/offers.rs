//! Who serves which model.

use crate::hash::ModelRoot;
use crate::job::{JobError, ServiceOffer, Signed};
use crate::keys::PublicKey;
use crate::transaction::{Coin, OutPoint};
use crate::units::{Amount, Network, Timestamp};
use alloc::collections::BTreeMap;

/// Seconds after which an offer that was not renewed is forgotten.
const OFFER_SECONDS: u32 = 600;
/// The most offers kept; each is bound to a coin of its own.
const MAX_OFFERS: usize = 10_000;

/// The offers of compute nodes, one a stake coin's key.
#[derive(Clone, Debug, Default)]
pub struct ServiceBook {
    offers: BTreeMap<PublicKey, (Signed<ServiceOffer>, Amount)>,
}

impl ServiceBook {
    /// Takes an offer. `coin` is its stake coin on the chain. Says whether it is new.
    pub fn add(
        &mut self,
        offer: Signed<ServiceOffer>,
        coin: Option<&Coin>,
        network: Network,
        now: Timestamp,
    ) -> Result<bool, JobError> {
        let body = &offer.body;
        offer.check(&body.node_key, network)?;
        let to_key = crate::script::templates::p2pkh(body.node_key.hash());
        let Some(coin) = coin.filter(|c| c.output.script_pubkey == to_key) else { return Ok(false) };
        let fresh = now.0.abs_diff(body.timestamp.0) <= OFFER_SECONDS;
        let newer = self.offers.get(&body.node_key).is_none_or(|(o, _)| o.body.timestamp < body.timestamp);
        let room = self.offers.len() < MAX_OFFERS || self.offers.contains_key(&body.node_key);
        if !(fresh && newer && room) {
            return Ok(false);
        }
        self.offers.insert(body.node_key, (offer, coin.output.value));
        Ok(true)
    }

    /// Forgets offers that were not renewed.
    pub fn expire(&mut self, now: Timestamp) {
        self.offers.retain(|_, (o, _)| now.0.saturating_sub(o.body.timestamp.0) <= OFFER_SECONDS);
    }

    /// The offers for a model, with the value of their stake coins.
    pub fn serving(&self, model: ModelRoot) -> impl Iterator<Item = (&ServiceOffer, Amount)> {
        self.offers.values().filter(move |(o, _)| o.body.price(&model).is_some()).map(|(o, v)| (&o.body, *v))
    }

    /// All offers, signed.
    pub fn all(&self) -> impl Iterator<Item = &Signed<ServiceOffer>> {
        self.offers.values().map(|(o, _)| o)
    }

    /// The stake coins that could serve a job: those of the model's servers that hold the stake and ask no more than
    /// the reward.
    pub fn candidates(
        &self,
        model: ModelRoot,
        stake: Amount,
        reward: Amount,
        tokens: u64,
    ) -> impl Iterator<Item = (OutPoint, Amount)> + '_ {
        self.serving(model)
            .filter(move |(o, value)| {
                *value >= stake && o.price(&model).is_some_and(|p| p.for_tokens(tokens) <= reward)
            })
            .map(|(o, value)| (o.stake_coin, value))
    }
}
