//! The terms of a contract: what both sides agreed on, and the state that it is in.

use super::ContractError;
use crate::block::NetworkParams;
use crate::encode::Encode;
use crate::hash::{Hash32, JobId, KeyHash, ModelRoot};
use crate::job::{Periods, check_money, check_periods};
use crate::keys::PublicKey;
use crate::transaction::Script;
use crate::units::{Amount, Height};
use crate::{encode_enum, encode_struct};

/// The states of a contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Both sides' money is locked.
    Settlement,
    /// The client asked for the key on chain.
    Demanded,
    /// The key is on chain.
    Revealed,
    /// The client said that the answer is wrong. Its moves come with the on-chain challenge; the byte is theirs.
    Challenged,
}

encode_enum!(State, "contract state" { Settlement = 0, Demanded = 1, Revealed = 2, Challenged = 3 });

/// The terms inside `OP_CONTRACT <terms>`. Only `state` changes from state to state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Terms {
    /// Version of this structure: 1.
    pub version: u8,
    /// The state.
    pub state: State,
    /// The job.
    pub job_id: JobId,
    /// The client's key: closes, demands, claims, challenges.
    pub client_key: PublicKey,
    /// With the client's, challenges a revealed answer.
    pub challenge_key: PublicKey,
    /// The key that the answer is sealed to.
    pub job_key: PublicKey,
    /// The node's key: settles, closes, reveals; gets the stake back.
    pub node_key: PublicKey,
    /// Where the reward goes.
    pub reward_address: KeyHash,
    /// W.
    pub reward: Amount,
    /// S.
    pub stake: Amount,
    /// R.
    pub reserve: Amount,
    /// f.
    pub move_fee: Amount,
    /// B.
    pub bond: Amount,
    /// The model.
    pub model: ModelRoot,
    /// Length of the prompt in tokens.
    pub prompt_tokens: u32,
    /// Length of the answer in tokens.
    pub answer_tokens: u32,
    /// Multiply-accumulates of a re-run; 0 when the model is not one that the network can prove.
    pub rerun_weight: u64,
    /// Merkle root over the answer's salted tokens.
    pub output_root: Hash32,
    /// Hash of the sealed answer.
    pub ciphertext_hash: Hash32,
    /// Hash of the key that opens it.
    pub key_hash: Hash32,
    /// The last height at which the settlement may be mined.
    pub valid_until: Height,
    /// The periods.
    pub periods: Periods,
}
encode_struct!(Terms {
    version,
    state,
    job_id,
    client_key,
    challenge_key,
    job_key,
    node_key,
    reward_address,
    reward,
    stake,
    reserve,
    move_fee,
    bond,
    model,
    prompt_tokens,
    answer_tokens,
    rerun_weight,
    output_root,
    ciphertext_hash,
    key_hash,
    valid_until,
    periods,
});

impl Terms {
    /// The version of this structure.
    pub const VERSION: u8 = 1;

    /// The ScriptPubKey `OP_CONTRACT <terms>`.
    pub fn script(&self) -> Script {
        crate::script::templates::contract(&self.to_bytes())
    }

    /// The same terms in another state.
    pub fn in_state(&self, state: State) -> Terms {
        Terms { state, ..self.clone() }
    }

    /// W + S + R: what a settlement locks.
    pub fn locked(&self) -> Option<Amount> {
        Amount::sum_checked([self.reward, self.stake, self.reserve])
    }

    /// What the node gets: W + S.
    pub fn reward_and_stake(&self) -> Option<Amount> {
        self.reward.checked_add(self.stake)
    }

    /// Whether the terms are well-formed on this network.
    pub fn check(&self, network: &NetworkParams) -> Result<(), ContractError> {
        let p = &network.contract;
        if self.version != Self::VERSION {
            return Err(ContractError::Version { expected: Self::VERSION, found: self.version });
        }
        // "Keys are valid compressed points (their type says so), client and node key differ."
        if self.client_key == self.node_key {
            return Err(ContractError::SameKeys);
        }
        // "W and S at least dust, sums checked; f within its limit; R at least B + 4f."
        check_money(p, self.reward, self.stake, self.reserve, self.move_fee, self.bond)?;
        // "Periods and lengths within network limits."
        check_periods(p, &self.periods)?;
        for (what, found, max) in [
            ("prompt length", self.prompt_tokens, p.max_prompt_tokens),
            ("answer length", self.answer_tokens, p.max_answer_tokens),
        ] {
            if !(1..=max).contains(&found) {
                return Err(ContractError::Length { what, found, max });
            }
        }
        self.check_weight(network)
    }

    /// "If the model is one of the network's provable models the weight equals the formula and S and B each
    /// cover weight times the burn price, else it is 0."
    fn check_weight(&self, network: &NetworkParams) -> Result<(), ContractError> {
        let p = &network.contract;
        let Some(model) = p.provable_models.iter().find(|m| m.root == self.model) else {
            return if self.rerun_weight == 0 {
                Ok(())
            } else {
                Err(ContractError::Weight { expected: 0, found: self.rerun_weight })
            };
        };
        let tokens = self.prompt_tokens.saturating_add(self.answer_tokens);
        let expected = model.weight(tokens).ok_or(ContractError::Length {
            what: "prompt and answer together",
            found: tokens,
            max: model.context,
        })?;
        if self.rerun_weight != expected {
            return Err(ContractError::Weight { expected, found: self.rerun_weight });
        }
        let price = p.burn_price.checked_mul(expected.div_ceil(1_000_000)).ok_or(ContractError::Overflow)?;
        for (what, found) in [("stake", self.stake), ("bond", self.bond)] {
            if found < price {
                return Err(ContractError::BelowBurnPrice { what, found, min: price });
            }
        }
        Ok(())
    }
}
