//! From a prompt to a signed offer: what a wallet puts into a job, and the coins that pay for it.

use super::{FeeRate, INPUT_BYTES, Keyring, Need, PaymentError, select};
use crate::block::{NetworkParams, subsidy};
use crate::deal::Facts;
use crate::hash::ModelRoot;
use crate::job::{JobCreate, JobError, JobParams, JobPrivate, MAX_JOB_COINS, PeerAddress};
use crate::keys::{DerivationError, JobKey, SecretKey};
use crate::model::Sampling;
use crate::script::templates::p2pkh_key_hash;
use crate::transaction::{Coin, OutPoint};
use crate::units::{Amount, TokenId};
use alloc::string::String;
use alloc::vec::Vec;

/// The most miner's fee of one move: a move is at most 700 bytes, at ten times the least rate.
const MOVE_FEE: Amount = Amount(7_000);
/// What a false challenge costs.
const BOND: Amount = Amount(100_000);
/// What a client adds to the reward so that it can defend itself without another coin: a bond and four moves.
pub const RESERVE: Amount = Amount(BOND.0 + 4 * MOVE_FEE.0);
/// Bytes of a settlement beside the client's inputs: terms, change of both sides, the node's input.
const SETTLEMENT_BYTES: usize = 850;
/// The fee rate of a settlement, in rates of the next block: it should be in that.
const FEE_FACTOR: u64 = 2;

/// The stake that a job of this reward asks for where nobody says another: as much again, so that a cheat loses what it
/// would gain.
pub fn usual_stake(reward: Amount) -> Amount {
    reward
}

/// The most bytes of a settlement that spends so many coins of the client's.
pub fn settlement_bytes(coins: usize) -> usize {
    SETTLEMENT_BYTES.saturating_add(coins.saturating_mul(INPUT_BYTES))
}

/// The fee of such a settlement where the next block asks for `next_block`.
pub fn settlement_fee(coins: usize, next_block: FeeRate) -> Amount {
    FeeRate(next_block.0.saturating_mul(FEE_FACTOR)).fee(settlement_bytes(coins))
}

/// The coins that pay for a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobCoins {
    /// The coins, the largest first.
    pub coins: Vec<(OutPoint, Coin)>,
    /// The settlement's miner fee, which they pay with reward and reserve.
    pub fee: Amount,
}

impl JobCoins {
    /// Chooses among `free`, coins that are mined and mature, for a job of this reward. `next_block` is the fee rate
    /// for a place in the next block.
    pub fn choose(
        free: &[(OutPoint, Coin)],
        reward: Amount,
        next_block: FeeRate,
        network: &NetworkParams,
    ) -> Result<Self, PaymentError> {
        let amount = reward.checked_add(RESERVE).ok_or(PaymentError::TooMuch)?;
        let (bytes, dust) = (SETTLEMENT_BYTES, network.contract.dust);
        let fee_rate = FeeRate(next_block.0.saturating_mul(FEE_FACTOR));
        let chosen = select(free, &Need { amount, bytes, fee_rate, dust })?;
        let found = chosen.coins.len();
        if found > MAX_JOB_COINS {
            return Err(PaymentError::TooManyCoins { found, max: MAX_JOB_COINS });
        }
        Ok(JobCoins { fee: settlement_fee(found, next_block), coins: chosen.coins })
    }

    /// What they hold, in their order.
    pub fn values(&self) -> Vec<Amount> {
        self.coins.iter().map(|(_, coin)| coin.output.value).collect()
    }
}

/// A job that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobOrder {
    /// The model.
    pub model: ModelRoot,
    /// The prompt as its user wrote it.
    pub prompt: String,
    /// Its tokens.
    pub token_ids: Vec<TokenId>,
    /// The most tokens to generate.
    pub max_tokens: u32,
    /// The seed of the sampling.
    pub seed: u64,
    /// How tokens are drawn.
    pub sampling: Sampling,
    /// What the node gets.
    pub reward: Amount,
    /// What the node must put at stake.
    pub stake: Amount,
}

/// Why a job cannot be offered. Nothing was said.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JobOrderError {
    /// The coins.
    #[error(transparent)]
    Payment(#[from] PaymentError),
    /// The keys.
    #[error(transparent)]
    Keys(#[from] DerivationError),
    /// No network takes such a job.
    #[error(transparent)]
    Job(#[from] JobError),
}

impl JobOrder {
    /// The offer, signed, and what only the chosen node will see. The wallet's job keys number `index` belong to it and
    /// to no other job; answers come to `client_peer`.
    pub fn sign(
        self,
        coins: &JobCoins,
        keyring: &Keyring,
        index: u32,
        client_peer: PeerAddress,
        facts: &Facts<'_>,
    ) -> Result<(JobCreate, JobPrivate), JobOrderError> {
        let (keys, network) = (keyring.keys(), facts.network);
        let public = |purpose| keys.job(index, purpose).map(|key| key.public_key());
        let salt = keys.job(index, JobKey::PromptSalt)?.to_bytes();
        let private = JobPrivate { prompt: self.prompt, token_ids: self.token_ids, seed: self.seed, salt };
        let settled = self.reward.checked_add(self.stake).ok_or(PaymentError::TooMuch)?;
        let params = JobParams {
            version: JobParams::VERSION,
            model: self.model,
            prompt_tokens: u32::try_from(private.token_ids.len()).unwrap_or(u32::MAX),
            max_tokens: self.max_tokens,
            sampling: self.sampling,
            timestamp: facts.now,
            valid_until: facts.tip.plus(facts.rules.job_lifetime),
            client_peer,
            client_key: public(JobKey::Client)?,
            challenge_key: public(JobKey::Challenge)?,
            job_key: public(JobKey::Encryption)?,
            reward: self.reward,
            stake: self.stake,
            reserve: RESERVE,
            move_fee: MOVE_FEE,
            bond: BOND,
            fee: coins.fee,
            periods: facts.rules.periods_for(settled, subsidy(network, facts.next())),
            commitment: private.commitment(),
        };
        let secret = |(outpoint, coin): &(OutPoint, Coin)| {
            let hash = p2pkh_key_hash(&coin.output.script_pubkey);
            let secret = hash.and_then(|hash| keyring.secret_for(&hash));
            Ok((*outpoint, secret.ok_or(PaymentError::NoKey { coin: *outpoint })?))
        };
        let secrets: Vec<(OutPoint, SecretKey)> =
            coins.coins.iter().map(secret).collect::<Result<_, PaymentError>>()?;
        let signers: Vec<_> = secrets.iter().map(|(outpoint, secret)| (*outpoint, secret)).collect();
        let client = keys.job(index, JobKey::Client)?;
        let create = JobCreate::sign(params, keyring.change_hash(), &signers, &client, network.network);
        create.check(network)?;
        Ok((create, private))
    }
}

#[cfg(test)]
#[path = "job_tests.rs"]
mod tests;
