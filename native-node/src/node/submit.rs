//! The client side's start: from a prompt to an offered job.

use super::{JournalError, Node, ShelfError, WalletError};
use crate::compute::MemoryError;
use crate::config::Cheat;
use crate::wallet::{FeeRate, PaymentError, spendable};
use camelid_core::deal::{ClientDeal, VerifyMode};
use camelid_core::encode::Encode;
use camelid_core::hash::JobId;
use camelid_core::job::{MAX_PROMPT_BYTES, ServiceOffer};
use camelid_core::keys::DerivationError;
use camelid_core::model::{JobLimitError, Sampling, TokenizerError, valid_job, valid_prompt};
use camelid_core::pool::{JobPoolError, MarketError, check_market};
use camelid_core::units::Amount;
use camelid_core::wallet::{JobCoins, JobOrder, JobOrderError, usual_stake};

/// What a user asks for.
#[derive(Clone, Debug)]
pub struct JobRequest {
    /// The model's name, root, or start of its root.
    pub model: String,
    /// The prompt.
    pub prompt: String,
    /// The most tokens to generate.
    pub max_tokens: u32,
    /// The seed; random without.
    pub seed: Option<u64>,
    /// How tokens are drawn.
    pub sampling: Sampling,
    /// What the node gets.
    pub reward: Amount,
    /// What the node must put at stake; as much as the reward without.
    pub stake: Option<Amount>,
    /// How much of the answer is checked.
    pub verify: VerifyMode,
    /// How to cheat, on network `dev`.
    pub cheat: Option<Cheat>,
}

/// Why a job is not offered. Nothing was paid.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// The wallet.
    #[error(transparent)]
    Wallet(#[from] WalletError),
    /// The model.
    #[error(transparent)]
    Model(#[from] ShelfError),
    /// The model cannot be asked this.
    #[error(transparent)]
    Limit(#[from] JobLimitError),
    /// The answer could not be checked here.
    #[error("the answer could not be checked on this node ({0}), or check nothing with --verify none")]
    Memory(#[from] MemoryError),
    /// The prompt is too long to be sent.
    #[error("the prompt has {found} bytes, at most {MAX_PROMPT_BYTES} can be sent: shorten it")]
    PromptBytes {
        /// Its length.
        found: usize,
    },
    /// Nobody serves the model.
    #[error(
        "nobody serves model {0} at present: start a node with --compute and this model, or wait for one to connect"
    )]
    Nobody(String),
    /// The reward is too low.
    #[error(
        "reward {reward} is too low for {tokens} tokens of {model}: the cheapest node asks {least}; raise --reward"
    )]
    RewardTooLow {
        /// What was offered.
        reward: Amount,
        /// The least that a node asks.
        least: Amount,
        /// Prompt and limit.
        tokens: u64,
        /// The model.
        model: String,
    },
    /// No node has such a stake.
    #[error("no node that serves {model} has {stake} coins at stake; lower --reward or --stake")]
    StakeTooHigh {
        /// What was asked for.
        stake: Amount,
        /// The model.
        model: String,
    },
    /// The node is not connected to anybody.
    #[error("this node has no peers: give --peer, or wait until it is connected")]
    NoPeers,
    /// The model's tokenizer cannot be used.
    #[error("the prompt cannot be made tokens: {0}")]
    Tokenizer(#[from] TokenizerError),
    /// Refused by our own job pool.
    #[error("the job is refused: {0}")]
    Refused(#[from] JobPoolError),
    /// The offer cannot be made.
    #[error(transparent)]
    Order(JobOrderError),
    /// Cheating on a network where money counts.
    #[error("cheating is for network dev, to show what comes of it")]
    Cheat,
}

impl From<PaymentError> for SubmitError {
    fn from(error: PaymentError) -> Self {
        SubmitError::Wallet(error.into())
    }
}

impl From<DerivationError> for SubmitError {
    fn from(error: DerivationError) -> Self {
        SubmitError::Wallet(error.into())
    }
}

impl From<JobOrderError> for SubmitError {
    fn from(error: JobOrderError) -> Self {
        match error {
            JobOrderError::Payment(error) => error.into(),
            JobOrderError::Keys(error) => error.into(),
            JobOrderError::Job(error) => SubmitError::Refused(error.into()),
            other => SubmitError::Order(other),
        }
    }
}

impl From<JournalError> for SubmitError {
    fn from(error: JournalError) -> Self {
        SubmitError::Wallet(error.into())
    }
}

impl Node {
    /// Offers a job. It goes on by itself from here, also after a restart.
    pub fn submit(&mut self, request: JobRequest) -> Result<JobId, SubmitError> {
        if request.cheat.is_some() && self.params.network != camelid_core::units::Network::Dev {
            return Err(SubmitError::Cheat);
        }
        let found = request.prompt.len();
        if found > MAX_PROMPT_BYTES {
            return Err(SubmitError::PromptBytes { found });
        }
        let package = self.models.find(&request.model)?.clone();
        let (info, tokenizer) = (package.info(), package.tokenizer());
        let token_ids = tokenizer.prompt(&request.prompt)?;
        valid_job(&info, token_ids.len() as u64, request.max_tokens, &request.sampling)?;
        valid_prompt(&info, &token_ids)?;
        let tokens = token_ids.len() as u64 + request.max_tokens as u64;
        if request.verify != VerifyMode::None {
            self.compute_thread.fits(&package, tokens)?;
        }
        let stake = request.stake.unwrap_or(usual_stake(request.reward));
        self.check_market(&info.name, package.root(), tokens, request.reward, stake)?;

        let index = self.journal.next_number("job keys", self.wallet()?.keyring.unused_job())?;
        if let Some(wallet) = &mut self.wallet {
            wallet.keyring.note_job(index)?;
        }
        let order = JobOrder {
            model: package.root(),
            prompt: request.prompt,
            token_ids,
            max_tokens: request.max_tokens,
            seed: request.seed.unwrap_or_else(|| u64::from_le_bytes(super::random())),
            sampling: request.sampling,
            reward: request.reward,
            stake,
        };
        let wallet = self.wallet()?;
        let bound = self.bound_coins();
        let free: Vec<_> = wallet
            .coins()
            .filter(|(o, _)| !bound.contains(o) && self.pool.spender(o).is_none())
            .map(|(o, c)| (*o, c.clone()))
            .collect();
        let free = spendable(&free, self.chain.height().next(), self.params);
        let next_block = FeeRate(self.pool.next_block_fee_rate(self.params.max_block_bytes));
        let coins = JobCoins::choose(&free, request.reward, next_block, self.params)?;
        let rules = self.rules;
        let facts = self.facts(&rules);
        let (create, private) = order.sign(&coins, &wallet.keyring, index, self.address.clone(), &facts)?;
        let id = create.id(self.params.network);
        self.take_job_message(&create.clone().into())?;
        let deal = ClientDeal::new(create, private, coins.values(), index, request.verify, &self.facts(&rules));
        self.journal.put(super::journal::Shelf::ClientDeals, &id.0, &deal.to_bytes())?;
        self.clients.insert(id, deal);
        self.cheating.extend(request.cheat.map(|cheat| (id, cheat)));
        self.step_client(&id);
        Ok(id)
    }

    /// Whether somebody known would take the job.
    fn check_market(
        &self,
        name: &str,
        model: camelid_core::hash::ModelRoot,
        tokens: u64,
        reward: Amount,
        stake: Amount,
    ) -> Result<(), SubmitError> {
        if self.sync.peers().len() == 0 {
            return Err(SubmitError::NoPeers);
        }
        let serving = self.services.serving(model);
        let ask = |(offer, value): (&ServiceOffer, Amount)| Some((offer.price(&model)?.for_tokens(tokens), value));
        let asks: Vec<_> = serving.filter_map(ask).collect();
        check_market(&asks, reward, stake, tokens).map_err(|error| {
            let model = name.into();
            match error {
                MarketError::RewardTooLow { reward, least, tokens } => {
                    SubmitError::RewardTooLow { reward, least, tokens, model }
                }
                MarketError::StakeTooHigh { stake } => SubmitError::StakeTooHigh { stake, model },
                _ => SubmitError::Nobody(model),
            }
        })
    }
}
