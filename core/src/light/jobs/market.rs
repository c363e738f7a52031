//! Who serves what at which price, as peers tell: merged, bounded, and only as long as it is fresh.

use crate::block::NetworkParams;
use crate::hash::ModelRoot;
use crate::job::{ServiceOffer, Signed};
use crate::keys::PublicKey;
use crate::light::client::Fault;
use crate::message::{
    ClientRequest, FeeRates, ListedModel, MAX_MODELS_PER_RESPONSE, ModelRequest, OfferQuery, Request, StakedOffer,
};
use crate::pool::{PoolLimits, is_fresh};
use crate::sorted::{Map, Set, sort_by_key};
use crate::sync::Now;
use crate::units::{Amount, Timestamp};
use crate::wallet::FeeRate;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cmp::Reverse;
use core::time::Duration;

/// How long after somebody looked at the market it is kept fresh.
const INTEREST: Duration = Duration::from_secs(60);
/// From one question about a model's offers to the next, while somebody is interested.
const OFFERS_EVERY: Duration = Duration::from_secs(15);
/// The same for the list of models.
const MODELS_EVERY: Duration = Duration::from_secs(60);
/// From one question about fee rates to the next.
const RATES_EVERY: Duration = Duration::from_secs(60);
/// The most models of one peer that are remembered.
const MAX_MODELS: usize = 256;
/// The most models whose offers are asked for at once.
const MAX_WANTED: usize = 32;
/// The most that a peer's word makes a transaction pay, in least rates of a pool.
const MAX_RATE_FACTOR: u64 = 100;

/// A model that peers have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarketModel<P> {
    /// Its root.
    pub root: ModelRoot,
    /// Its name, as a peer says.
    pub name: String,
    /// Bytes of its package, as a peer says.
    pub length: u64,
    /// Who has it.
    pub sources: Vec<P>,
    /// How many nodes offer to compute with it.
    pub nodes: usize,
    /// What the cheapest of them asks for 1,000 tokens of prompt and token limit together.
    pub per_thousand_tokens: Option<Amount>,
}

/// What a peer can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Topic {
    /// Its models after this one.
    Models(Option<ModelRoot>),
    Offers(ModelRoot),
    Rates,
}

impl Topic {
    pub(super) fn request(&self) -> Request {
        match *self {
            Topic::Models(after) => Request::Model(ModelRequest::List(after)),
            Topic::Offers(model) => {
                Request::Client(ClientRequest::Offers(OfferQuery { model, least_stake: Amount::ZERO }))
            }
            Topic::Rates => Request::Client(ClientRequest::FeeRates),
        }
    }

    /// Whether two are not asked at once.
    pub(super) fn is_like(&self, other: &Topic) -> bool {
        self.first() == other.first()
    }

    /// The question that it begins with.
    fn first(&self) -> Topic {
        if let Topic::Models(_) = self { Topic::Models(None) } else { *self }
    }
}

/// What a peer told.
#[derive(Clone, Debug, Default)]
struct Told {
    models: Vec<ListedModel>,
    /// A list that is coming in parts.
    coming: Vec<ListedModel>,
    offers: Map<ModelRoot, Vec<StakedOffer>>,
    rates: Option<FeeRates>,
    /// When it was asked last, by the question that it begins with.
    asked: Map<Topic, Duration>,
}

/// An offer, and the most that a peer says its stake coin holds.
#[derive(Clone, Debug)]
pub(super) struct KnownOffer<'a> {
    pub(super) offer: &'a ServiceOffer,
    pub(super) per_thousand_tokens: Amount,
    pub(super) stake: Amount,
}

/// What peers told about models, offers and fees.
#[derive(Clone, Debug)]
pub(super) struct Market<P> {
    told: Map<P, Told>,
    /// Models whose offers are kept fresh, and until when.
    wanted: Map<ModelRoot, Duration>,
    /// Until when the lists of models are.
    listed: Duration,
}

impl<P> Default for Market<P> {
    fn default() -> Self {
        Market { told: Map::new(), wanted: Map::new(), listed: Duration::ZERO }
    }
}

impl<P: Copy + Ord> Market<P> {
    /// Somebody is interested in a model.
    pub(super) fn want(&mut self, model: ModelRoot, now: Now) {
        if self.wanted.len() < MAX_WANTED || self.wanted.contains_key(&model) {
            self.wanted.insert(model, now.elapsed + INTEREST);
        }
    }

    /// Somebody looks at the models.
    pub(super) fn want_models(&mut self, now: Now) {
        self.listed = now.elapsed + INTEREST;
        let roots: Set<ModelRoot> =
            self.told.values().flat_map(|told| told.models.iter().map(|model| model.root)).collect();
        roots.into_iter().take(MAX_WANTED).for_each(|root| self.want(root, now));
    }

    /// Forgets what is old, and peers that are gone.
    pub(super) fn keep(&mut self, is_here: impl Fn(&P) -> bool, now: Now) {
        self.told.retain(|peer, _| is_here(peer));
        self.wanted.retain(|_, until| now.elapsed <= *until);
        for told in self.told.values_mut() {
            let fresh = |offers: &[StakedOffer]| offers.iter().any(|offer| is_fresh(&offer.offer.body, now.time));
            told.offers.retain(|model, offers| self.wanted.contains_key(model) || fresh(offers));
            told.asked.retain(|topic, _| match topic {
                Topic::Offers(model) => self.wanted.contains_key(model),
                _ => true,
            });
        }
    }

    /// What to ask a peer.
    pub(super) fn due(&self, peer: &P, now: Now) -> Vec<Topic> {
        let asked = self.told.get(peer).map(|told| &told.asked);
        let due = |topic: Topic, every: Duration| {
            let at = asked.and_then(|asked| asked.get(&topic));
            at.is_none_or(|at| now.elapsed >= *at + every).then_some(topic)
        };
        let models = Topic::Models(None);
        let first = asked.is_none_or(|asked| !asked.contains_key(&models));
        let look = first || now.elapsed <= self.listed;
        let offers = self.wanted.keys().filter_map(|model| due(Topic::Offers(*model), OFFERS_EVERY));
        let models = look.then(|| due(models, MODELS_EVERY)).flatten();
        offers.chain(models).chain(due(Topic::Rates, RATES_EVERY)).collect()
    }

    /// A peer is asked.
    pub(super) fn asked(&mut self, peer: P, topic: &Topic, now: Now) {
        self.told.entry(peer).or_default().asked.insert(topic.first(), now.elapsed);
    }

    /// A peer gives fee rates. Whether they are new.
    pub(super) fn on_rates(&mut self, peer: P, rates: FeeRates) -> bool {
        self.told.entry(peer).or_default().rates.replace(rates) != Some(rates)
    }

    /// A peer lists models after one. Gives the next question where there may be more.
    pub(super) fn on_models(&mut self, peer: P, after: Option<ModelRoot>, models: Vec<ListedModel>) -> Option<Topic> {
        let told = self.told.entry(peer).or_default();
        if after.is_none() {
            told.coming.clear();
        }
        let (mut last, full) = (after, models.len() >= MAX_MODELS_PER_RESPONSE);
        for model in models {
            // "Models in the order of their roots": what is not has no end.
            if last.is_some_and(|last| model.root <= last) || told.coming.len() >= MAX_MODELS {
                break;
            }
            last = Some(model.root);
            told.coming.push(model);
        }
        if full && last != after && told.coming.len() < MAX_MODELS {
            return Some(Topic::Models(last));
        }
        told.models = core::mem::take(&mut told.coming);
        None
    }

    /// A peer gives offers for a model. Whether they are new; an error is its fault.
    pub(super) fn on_offers(
        &mut self,
        peer: P,
        model: ModelRoot,
        offers: Vec<StakedOffer>,
        network: &NetworkParams,
    ) -> Result<bool, Fault> {
        let told = self.told.entry(peer).or_default();
        for StakedOffer { offer, .. } in &offers {
            if offer.body.price(&model).is_none() {
                return Err(Fault::OtherOffer);
            }
            // Most were checked before.
            let known = told.offers.get(&model).is_some_and(|known| known.iter().any(|known| known.offer == *offer));
            if !known {
                offer.check(&offer.body.node_key, network.network).map_err(Fault::Offer)?;
            }
        }
        if !self.wanted.contains_key(&model) {
            return Ok(false);
        }
        Ok(told.offers.insert(model, offers.clone()) != Some(offers))
    }

    /// The fresh offers for a model: the cheapest first, the larger stake first among equal ones. Of two of a node the
    /// later one counts; the worth of its coin is the most that a peer says, so that nobody can hide it.
    pub(super) fn offers(&self, model: &ModelRoot, now: Timestamp) -> Vec<KnownOffer<'_>> {
        let mut best: Map<PublicKey, (&Signed<ServiceOffer>, Amount)> = Map::new();
        let all = self.told.values().filter_map(|told| told.offers.get(model)).flatten();
        for StakedOffer { offer, stake } in all.filter(|offer| is_fresh(&offer.offer.body, now)) {
            let (known, value) = best.entry(offer.body.node_key).or_insert((offer, *stake));
            *value = (*value).max(*stake);
            if offer.body.timestamp > known.body.timestamp {
                *known = offer;
            }
        }
        let mut offers: Vec<KnownOffer<'_>> = best
            .into_values()
            .filter_map(|(Signed { body: offer, .. }, stake)| {
                let per_thousand_tokens = offer.price(model)?.per_thousand_tokens;
                Some(KnownOffer { offer, per_thousand_tokens, stake })
            })
            .collect();
        sort_by_key(&mut offers, |known| (known.per_thousand_tokens, Reverse(known.stake), known.offer.node_key));
        offers
    }

    /// The models that peers have.
    pub(super) fn models(&self, now: Timestamp) -> Vec<MarketModel<P>> {
        let mut models: Map<ModelRoot, MarketModel<P>> = Map::new();
        for (peer, told) in &self.told {
            for listed in &told.models {
                let model = models.entry(listed.root).or_insert_with(|| MarketModel {
                    root: listed.root,
                    name: listed.name().to_string(),
                    length: listed.length,
                    sources: Vec::new(),
                    nodes: 0,
                    per_thousand_tokens: None,
                });
                model.sources.push(*peer);
            }
        }
        for model in models.values_mut() {
            let offers = self.offers(&model.root, now);
            model.nodes = offers.len();
            model.per_thousand_tokens = offers.first().map(|offer| offer.per_thousand_tokens);
        }
        models.into_values().collect()
    }

    /// What peers say that transactions pay: the middle of what they say, and nothing out of all proportion.
    pub(super) fn rates(&self) -> FeeRates {
        let min = PoolLimits::default().min_fee_rate;
        let middle = |of: fn(&FeeRates) -> u64| {
            let mut told: Vec<u64> = self.told.values().filter_map(|told| told.rates.as_ref()).map(of).collect();
            told.sort_unstable();
            let middle = told.get(told.len().saturating_sub(1) / 2).copied().unwrap_or(min);
            middle.clamp(min, min * MAX_RATE_FACTOR)
        };
        let least = middle(|rates| rates.least);
        FeeRates { next_block: middle(|rates| rates.next_block).max(least), least }
    }

    /// The fee rate for a place in the next block.
    pub(super) fn next_block(&self) -> FeeRate {
        FeeRate(self.rates().next_block)
    }
}
