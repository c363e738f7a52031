//! Who serves which model.

use crate::hash::ModelRoot;
use crate::job::{JobError, ServiceOffer, Signed};
use crate::keys::PublicKey;
use crate::transaction::{Coin, OutPoint};
use crate::units::{Amount, Network, Timestamp};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::cmp::Reverse;

/// Seconds after which an offer that was not renewed is forgotten.
const OFFER_SECONDS: u32 = 600;
/// Seconds by which a renewed offer is later than the one it replaces: what everybody passes on is not for free.
const RENEWAL_SECONDS: u32 = 20;
/// The most offers kept; each is bound to a coin of its own.
const MAX_OFFERS: usize = 10_000;

/// Why nobody known would take a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MarketError {
    /// Nobody serves the model.
    #[error("nobody serves this model at present: try again later")]
    Nobody,
    /// The reward is too low.
    #[error("reward {reward} is too low for {tokens} tokens: the cheapest node asks {least}")]
    RewardTooLow {
        /// What was offered.
        reward: Amount,
        /// The least that a node asks.
        least: Amount,
        /// Prompt and limit.
        tokens: u64,
    },
    /// No node has such a stake.
    #[error("no node that serves this model has {stake} coins at stake: offer a lower reward")]
    StakeTooHigh {
        /// What was asked for.
        stake: Amount,
    },
}

/// Whether somebody would take a job of so many tokens. `asks` are the least rewards of those that serve its model,
/// with the values of their stake coins.
pub fn check_market(asks: &[(Amount, Amount)], reward: Amount, stake: Amount, tokens: u64) -> Result<(), MarketError> {
    let least = asks.iter().map(|(ask, _)| *ask).min().ok_or(MarketError::Nobody)?;
    if reward < least {
        return Err(MarketError::RewardTooLow { reward, least, tokens });
    }
    let taken = asks.iter().any(|(ask, value)| *ask <= reward && *value >= stake);
    if taken { Ok(()) } else { Err(MarketError::StakeTooHigh { stake }) }
}

/// Whether an offer's time is near enough for it to count.
pub fn is_fresh(offer: &ServiceOffer, now: Timestamp) -> bool {
    now.0.abs_diff(offer.timestamp.0) <= OFFER_SECONDS
}

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
        let fresh = is_fresh(body, now);
        let known = self.offers.get(&body.node_key).map(|(o, _)| o.body.timestamp.0.saturating_add(RENEWAL_SECONDS));
        let newer = known.is_none_or(|from| body.timestamp.0 >= from);
        if !(fresh && newer) {
            return Ok(false);
        }
        if known.is_none() && self.offers.len() >= MAX_OFFERS {
            // Small coins are cheap to have: the smallest stake makes room for a larger one.
            let smallest = self.offers.iter().map(|(key, (_, value))| (*value, *key)).min();
            let Some((_, key)) = smallest.filter(|(value, _)| *value < coin.output.value) else { return Ok(false) };
            self.offers.remove(&key);
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

    /// At most `most` offers for a model whose stake coins hold so much, signed, with the value of their coins: "the
    /// cheapest first, the larger stake first among equal ones".
    pub fn cheapest(
        &self,
        model: ModelRoot,
        least_stake: Amount,
        most: usize,
    ) -> impl Iterator<Item = (&Signed<ServiceOffer>, Amount)> {
        let staked = self.offers.values().filter(|(_, value)| *value >= least_stake);
        let mut found: Vec<_> = staked
            .filter_map(|(o, value)| Some((o.body.price(&model)?.per_thousand_tokens, Reverse(*value), o)))
            .collect();
        found.sort_by_key(|(price, value, _)| (*price, *value));
        found.into_iter().take(most).map(|(_, Reverse(value), o)| (o, value))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{ModelPrice, fixtures::*};
    use crate::script::templates;
    use crate::transaction::TxOut;
    use crate::units::Height;

    #[test]
    fn a_market_says_what_is_missing() {
        let check = |asks: &[(u64, u64)], reward, stake| {
            let asks: Vec<_> = asks.iter().map(|(ask, value)| (Amount(*ask), Amount(*value))).collect();
            check_market(&asks, Amount(reward), Amount(stake), 9)
        };
        assert_eq!(check(&[], 5, 5), Err(MarketError::Nobody));
        let (reward, least) = (Amount(5), Amount(6));
        assert_eq!(check(&[(8, 9), (6, 9)], 5, 5), Err(MarketError::RewardTooLow { reward, least, tokens: 9 }));
        assert_eq!(check(&[(8, 9), (6, 4)], 6, 5), Err(MarketError::StakeTooHigh { stake: Amount(5) }));
        assert_eq!(check(&[(8, 9), (6, 4)], 8, 5), Ok(()));
    }

    #[test]
    fn a_book_full_of_small_stakes_still_takes_a_larger_one() {
        let now = Timestamp(1_800_000_000);
        let offer = |node: &str| {
            let body = ServiceOffer {
                node_peer: peer(node),
                node_key: key(node).public_key(),
                stake_coin: outpoint(node),
                timestamp: now,
                models: [ModelPrice { model: ModelRoot([9; 32]), per_thousand_tokens: Amount(1) }].into(),
            };
            let output = TxOut { value: Amount(500), script_pubkey: templates::p2pkh(hash_of(node)) };
            (Signed::sign(body, &key(node), Network::Dev), Coin { output, height: Height(1), coinbase: false })
        };
        let mut book = ServiceBook::default();
        let (first, _) = offer("0");
        for n in 0..MAX_OFFERS {
            let value = Amount(if n == 77 { 499 } else { 500 });
            book.offers.insert(key(&alloc::format!("{n}")).public_key(), (first.clone(), value));
        }
        let (large, coin) = offer("large");
        assert_eq!(book.add(large.clone(), Some(&coin), Network::Dev, now), Ok(true));
        assert_eq!((book.offers.len(), book.offers.contains_key(&key("77").public_key())), (MAX_OFFERS, false));
        let (equal, coin) = offer("equal");
        assert_eq!(book.add(equal, Some(&coin), Network::Dev, now), Ok(false), "no larger than the smallest");
        assert!(book.offers.contains_key(&large.body.node_key));
    }
}
