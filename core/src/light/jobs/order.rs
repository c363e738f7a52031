//! From a prompt to an offered job: what it would cost, and making it.

use super::record::{Job, Record};
use super::{JobProblem, Jobs, MarketModel, facts};
use crate::deal::{ClientDeal, VerifyMode};
use crate::hash::{JobId, ModelRoot};
use crate::job::{MAX_PROMPT_BYTES, ModelPrice, PeerAddress};
use crate::keys::PublicKey;
use crate::light::LightClient;
use crate::message::FeeRates;
use crate::model::Sampling;
use crate::pool::check_market;
use crate::sync::Now;
use crate::transaction::{Coin, OutPoint};
use crate::units::{Amount, Height, TokenId};
use crate::wallet::{JobCoins, JobOrder, JobOrderError, RESERVE, settlement_fee, usual_stake};
use alloc::string::String;
use alloc::vec::Vec;

/// The most jobs under way at once.
const MAX_LIVE: usize = 100;
/// Blocks that may be new and not looked through when a job is made.
const MAX_BEHIND: u32 = 5;

/// A job that somebody thinks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EstimateRequest {
    /// The model.
    pub model: ModelRoot,
    /// Tokens of the prompt.
    pub prompt_tokens: u32,
    /// The most tokens of the answer.
    pub max_tokens: u32,
    /// What the node would get; without, the least that one asks.
    pub reward: Option<Amount>,
}

/// Who would be sent the prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobReader {
    /// The key of its stake coin.
    pub node_key: PublicKey,
    /// Where it is reached.
    pub peer: PeerAddress,
    /// What it asks for this job.
    pub asks: Amount,
    /// What its stake coin holds, as a peer says.
    pub stake: Amount,
}

/// What a job would cost, and who would take it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// What the node gets.
    pub reward: Amount,
    /// What the network takes for the settlement.
    pub fee: Amount,
    /// What is held back until the end; a part of it pays for the last transaction.
    pub reserve: Amount,
    /// All of it.
    pub total: Amount,
    /// The least reward that a node asks, where one offers.
    pub least_reward: Option<Amount>,
    /// Those that would take it, the cheapest first. One of them reads the prompt.
    pub readers: Vec<JobReader>,
    /// Why it would not be taken.
    pub problem: Option<JobProblem>,
}

/// A job that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobRequest {
    /// The model.
    pub model: ModelRoot,
    /// The prompt as its user wrote it.
    pub prompt: String,
    /// Its tokens. That the model takes them is for the owner to check.
    pub token_ids: Vec<TokenId>,
    /// The most tokens of the answer.
    pub max_tokens: u32,
    /// The seed of the sampling.
    pub seed: u64,
    /// How tokens are drawn.
    pub sampling: Sampling,
    /// How much of the answer is checked.
    pub verify: VerifyMode,
    /// What the node gets; without, the least that one asks.
    pub reward: Option<Amount>,
}

impl<P: Copy + Ord> Jobs<P> {
    /// What a job would cost, as far as peers have told. The offers for its model are kept fresh for a minute from now
    /// on: who asks again in a moment knows more.
    pub fn estimate(&mut self, client: &LightClient<P>, request: &EstimateRequest, now: Now) -> Estimate {
        self.market.want(request.model, now);
        let (tokens, dust) = (request.prompt_tokens as u64 + request.max_tokens as u64, self.params.contract.dust);
        let offers = self.market.offers(&request.model, now.time);
        let reader = |known: &super::market::KnownOffer<'_>| {
            let price = ModelPrice { model: request.model, per_thousand_tokens: known.per_thousand_tokens };
            // "W and S at least dust."
            let asks = price.for_tokens(tokens).max(dust);
            let (node_key, peer) = (known.offer.node_key, known.offer.node_peer.clone());
            JobReader { node_key, peer, asks, stake: known.stake }
        };
        let all: Vec<JobReader> = offers.iter().map(reader).collect();
        let able = all.iter().find(|reader| reader.stake >= usual_stake(reader.asks));
        let least = able.or(all.first()).map(|reader| reader.asks);
        let reward = request.reward.or(least).unwrap_or(dust);
        let stake = usual_stake(reward);
        let asks: Vec<_> = all.iter().map(|reader| (reader.asks, reader.stake)).collect();
        let coins = self.choose_coins(client, reward);
        let rate = self.market.next_block();
        let fee = coins.as_ref().map_or_else(|_| settlement_fee(1, rate), |coins| coins.fee);
        let problem = if client.peers().len() == 0 {
            Some(JobProblem::NoPeers)
        } else if let Err(error) = check_market(&asks, reward, stake, tokens) {
            Some(error.into())
        } else {
            coins.err()
        };
        let takes = |reader: &JobReader| reader.asks <= reward && reader.stake >= stake;
        Estimate {
            reward,
            fee,
            reserve: RESERVE,
            total: [reward, fee, RESERVE].into_iter().sum(),
            least_reward: all.first().map(|reader| reader.asks),
            readers: all.into_iter().filter(takes).collect(),
            problem,
        }
    }

    /// Makes a job and puts the coins aside that will pay for it. It is offered once it is saved.
    pub fn create(&mut self, client: &mut LightClient<P>, request: JobRequest, now: Now) -> Result<JobId, JobProblem> {
        let found = request.prompt.len();
        if found > MAX_PROMPT_BYTES {
            return Err(JobProblem::PromptBytes { found });
        }
        if self.live().len() >= MAX_LIVE {
            return Err(JobProblem::TooMany { limit: MAX_LIVE });
        }
        let (to, of) = (client.scanned(), client.told_height());
        if of.since(to) > MAX_BEHIND {
            return Err(JobProblem::Behind { to, of });
        }
        let prompt_tokens = u32::try_from(request.token_ids.len()).unwrap_or(u32::MAX);
        let thought = EstimateRequest {
            model: request.model,
            prompt_tokens,
            max_tokens: request.max_tokens,
            reward: request.reward,
        };
        let Estimate { reward, problem, .. } = self.estimate(client, &thought, now);
        if let Some(problem) = problem {
            return Err(problem);
        }
        let coins = self.choose_coins(client, reward)?;
        let order = JobOrder {
            model: request.model,
            prompt: request.prompt,
            token_ids: request.token_ids,
            max_tokens: request.max_tokens,
            seed: request.seed,
            sampling: request.sampling,
            reward,
            stake: usual_stake(reward),
        };
        let rules = self.rules;
        let facts = facts(self.params, &rules, client, false, now);
        let index = client.keyring().unused_job();
        let (create, private) = order.sign(&coins, client.keyring(), index, self.address.clone(), &facts)?;
        let id = create.id(self.params.network);
        if self.jobs.contains_key(&id) {
            return Err(JobProblem::Twice { job: id });
        }
        client.note_job(index).map_err(JobOrderError::from)?;
        client.ledger_mut().hold(coins.coins.iter().map(|(outpoint, _)| *outpoint));
        let deal = ClientDeal::new(create, private, coins.values(), index, request.verify, &facts);
        self.jobs.insert(id, Job::new(Record::new(deal)));
        self.note(client, id, now);
        Ok(id)
    }

    /// Coins that are mined, mature and free, for a job of this reward.
    fn choose_coins(&self, client: &LightClient<P>, reward: Amount) -> Result<JobCoins, JobProblem> {
        let next = client.headers().height().next();
        let mut free: Vec<(OutPoint, Coin)> = client.ledger().spendable(next, self.params);
        // Change that waits for its block is no coin that a node could check.
        free.retain(|(_, coin)| coin.height < next);
        let choose = |until: Height| {
            let known = |outpoint: &OutPoint| self.known.get(outpoint).is_some_and(|at| *at >= until);
            let free: Vec<_> = free.iter().filter(|(outpoint, _)| !known(outpoint)).cloned().collect();
            JobCoins::choose(&free, reward, self.market.next_block(), self.params)
        };
        let tip = client.headers().height();
        choose(tip).map_err(|error| {
            // Whether they suffice once they are free.
            let later = self.known.values().filter(|at| **at >= tip).map(|at| at.next());
            let until = later.filter(|until| choose(*until).is_ok()).min();
            until.map_or(JobOrderError::Payment(error).into(), |until| JobProblem::CoinsKnown { until })
        })
    }

    /// The models that peers have, and what nodes ask for them. Lists and offers are kept fresh for a minute from now:
    /// who asks again in a moment knows more.
    pub fn models(&mut self, now: Now) -> Vec<MarketModel<P>> {
        self.market.want_models(now);
        self.market.models(now.time)
    }

    /// What transactions pay, of what all peers say: never below the least that pools take by default, and never out of
    /// all proportion.
    pub fn fee_rates(&self) -> FeeRates {
        self.market.rates()
    }
}
