//! A job's parameters: a public part that everybody sees, a private part that only the chosen node sees.

use crate::block::{ContractParams, NetworkParams};
use crate::encode::{Decode, DecodeError, Encode, Reader, put_bytes, put_vec};
use crate::encode_struct;
use crate::hash::{Hash32, JobId, ModelRoot, tagged_hash};
use crate::keys::PublicKey;
use crate::model::{Sampling, SamplingError};
use crate::units::{Amount, Height, Network, Timestamp, TokenId};
use alloc::string::String;
use alloc::vec::Vec;

/// The longest prompt text, in bytes.
pub const MAX_PROMPT_BYTES: usize = 1 << 20;
/// The most prompt tokens that are decoded; the network's own limit is lower.
const MAX_PROMPT_TOKENS: usize = 1 << 17;

/// A peer's id on the network, as libp2p encodes it: 1 to 64 bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerAddress(Vec<u8>);

impl PeerAddress {
    /// The longest id in bytes.
    pub const MAX_BYTES: usize = 64;

    /// From the bytes of a peer id; `None` when there are none or too many.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        (!bytes.is_empty() && bytes.len() <= Self::MAX_BYTES).then(|| PeerAddress(bytes.to_vec()))
    }

    /// The peer id of an Ed25519 key, already encoded.
    pub(crate) fn of_ed25519(bytes: [u8; 38]) -> Self {
        PeerAddress(bytes.to_vec())
    }

    /// The peer id's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl core::fmt::Debug for PeerAddress {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "PeerAddress({})", hex::encode(&self.0))
    }
}

impl Encode for PeerAddress {
    fn encode(&self, out: &mut Vec<u8>) {
        put_bytes(&self.0, out);
    }
}

impl Decode for PeerAddress {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        PeerAddress::new(r.bytes("peer id", Self::MAX_BYTES)?).ok_or(DecodeError::Malformed("peer id"))
    }
}

/// The periods of a contract, in blocks from the confirmation of the state that is spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Periods {
    /// How long the node may take to hand over the key before the client may demand it on chain.
    pub reveal: u16,
    /// How long the client may contest a revealed answer before the node is paid.
    pub contest: u16,
    /// How long the node may still reveal after a demand.
    pub grace: u16,
    /// How long a challenger may take to bring the evidence.
    pub evidence: u16,
}
encode_struct!(Periods { reveal, contest, grace, evidence });

impl Periods {
    /// The shortest periods that the network allows.
    pub fn shortest(p: &ContractParams) -> Self {
        let blocks = |n: u32| u16::try_from(n).unwrap_or(u16::MAX);
        Periods {
            reveal: blocks(p.min_reveal),
            contest: blocks(p.min_contest),
            grace: blocks(p.min_grace),
            evidence: blocks(p.min_evidence),
        }
    }
}

/// The public part of a job. Its tagged hash is the Job ID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobParams {
    /// Version of this structure: 1.
    pub version: u16,
    /// The model to run.
    pub model: ModelRoot,
    /// Length of the prompt in tokens (the paper's A).
    pub prompt_tokens: u32,
    /// The most tokens to generate (the paper's T).
    pub max_tokens: u32,
    /// How each token is chosen.
    pub sampling: Sampling,
    /// When the client made the job.
    pub timestamp: Timestamp,
    /// The last height at which the settlement may be mined (the paper's timelock).
    pub valid_until: Height,
    /// Where the client is reached.
    pub client_peer: PeerAddress,
    /// The key that pays, closes, demands and claims.
    pub client_key: PublicKey,
    /// The key that, with the client's, challenges a revealed answer.
    pub challenge_key: PublicKey,
    /// The key that the answer and its key are sealed to.
    pub job_key: PublicKey,
    /// What the node gets (W).
    pub reward: Amount,
    /// What the node puts at stake (S).
    pub stake: Amount,
    /// What the client adds so that it can defend itself without another coin (R).
    pub reserve: Amount,
    /// The most miner's fee that one move takes from the contract (f).
    pub move_fee: Amount,
    /// What a challenger loses with a false challenge (B).
    pub bond: Amount,
    /// The settlement's miner fee, paid by the client's inputs.
    pub fee: Amount,
    /// The contract's periods.
    pub periods: Periods,
    /// Commits to the private part.
    pub commitment: Hash32,
}
encode_struct!(JobParams {
    version,
    model,
    prompt_tokens,
    max_tokens,
    sampling,
    timestamp,
    valid_until,
    client_peer,
    client_key,
    challenge_key,
    job_key,
    reward,
    stake,
    reserve,
    move_fee,
    bond,
    fee,
    periods,
    commitment,
});

/// Why job parameters are refused, before any money moves.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JobError {
    /// The structure's version is unknown.
    #[error("job version {found}, expected {expected}")]
    Version {
        /// The version known.
        expected: u16,
        /// The version found.
        found: u16,
    },
    /// A number of tokens lies outside its limits.
    #[error("{what} is {found}, expected {min} to {max}")]
    Tokens {
        /// Which number.
        what: &'static str,
        /// What was found.
        found: u32,
        /// The least.
        min: u32,
        /// The most.
        max: u32,
    },
    /// The sampling values make no distribution.
    #[error("sampling refused: {0}")]
    Sampling(SamplingError),
    /// An amount is below its least.
    #[error("{what} is {found} coins, expected at least {min}")]
    TooLittle {
        /// Which amount.
        what: &'static str,
        /// What was found.
        found: Amount,
        /// The least.
        min: Amount,
    },
    /// An amount is above its most.
    #[error("{what} is {found} coins, at most {max} allowed")]
    TooMuch {
        /// Which amount.
        what: &'static str,
        /// What was found.
        found: Amount,
        /// The most.
        max: Amount,
    },
    /// The amounts add up to more than there is.
    #[error("the amounts add up to more than all coins")]
    Overflow,
    /// A period lies outside the network's limits.
    #[error("period {what} is {found} blocks, expected {min} to {max}")]
    Period {
        /// Which period.
        what: &'static str,
        /// What was found.
        found: u16,
        /// The least.
        min: u32,
        /// The most.
        max: u32,
    },
    /// Two keys that must differ are the same.
    #[error("client key and node key are the same")]
    SameKeys,
    /// The private part does not open the commitment.
    #[error("private part opens commitment {found}, expected {expected}")]
    Commitment {
        /// The commitment in the public part.
        expected: Hash32,
        /// What the private part commits to.
        found: Hash32,
    },
    /// The private part's prompt has another length.
    #[error("private part has {found} prompt tokens, expected {expected}")]
    PromptLength {
        /// The public number.
        expected: u32,
        /// The number found.
        found: usize,
    },
    /// A signature is not by the key that it should be by.
    #[error("the signature of {0} does not verify")]
    Signature(&'static str),
    /// A list has too many or too few entries.
    #[error("{what}: {found} entries, expected 1 to {max}")]
    Count {
        /// Which list.
        what: &'static str,
        /// How many.
        found: usize,
        /// The most.
        max: usize,
    },
    /// A coin is named twice.
    #[error("a coin is named twice")]
    RepeatedCoin,
}

impl JobParams {
    /// The version of this structure.
    pub const VERSION: u16 = 1;

    /// The Job ID: the tagged hash of network and public part (paper 2.4.1: "only a job ID, a hash of it's
    /// parameters, are saved in the transaction properties").
    pub fn id(&self, network: Network) -> JobId {
        JobId(tagged_hash("camelid/job/id", &[&network.magic(), &self.to_bytes()]).0)
    }

    /// What the client's inputs put into the settlement: reward, reserve and fee.
    pub fn client_pays(&self) -> Option<Amount> {
        Amount::sum_checked([self.reward, self.reserve, self.fee])
    }

    /// Whether the job could be valid on this network: a total predicate, asked before any money moves.
    pub fn check(&self, network: &NetworkParams) -> Result<(), JobError> {
        let p = &network.contract;
        if self.version != Self::VERSION {
            return Err(JobError::Version { expected: Self::VERSION, found: self.version });
        }
        tokens("prompt length", self.prompt_tokens, p.max_prompt_tokens)?;
        tokens("token limit", self.max_tokens, p.max_answer_tokens)?;
        self.sampling.valid().map_err(JobError::Sampling)?;
        check_money(p, self.reward, self.stake, self.reserve, self.move_fee, self.bond)?;
        check_periods(p, &self.periods)?;
        self.client_pays().map(|_| ()).ok_or(JobError::Overflow)
    }
}

fn tokens(what: &'static str, found: u32, max: u32) -> Result<(), JobError> {
    if (1..=max).contains(&found) { Ok(()) } else { Err(JobError::Tokens { what, found, min: 1, max }) }
}

/// "W and S at least dust, sums checked; f within its limit; R at least B + 4f."
pub(crate) fn check_money(
    p: &ContractParams,
    reward: Amount,
    stake: Amount,
    reserve: Amount,
    move_fee: Amount,
    bond: Amount,
) -> Result<(), JobError> {
    for (what, found) in [("reward", reward), ("stake", stake)] {
        if found < p.dust {
            return Err(JobError::TooLittle { what, found, min: p.dust });
        }
    }
    if move_fee > p.max_move_fee {
        return Err(JobError::TooMuch { what: "move fee", found: move_fee, max: p.max_move_fee });
    }
    let least = move_fee.checked_mul(4).and_then(|f| f.checked_add(bond)).ok_or(JobError::Overflow)?;
    if reserve < least {
        return Err(JobError::TooLittle { what: "reserve", found: reserve, min: least });
    }
    Amount::sum_checked([reward, stake, reserve]).map(|_| ()).ok_or(JobError::Overflow)
}

/// "Periods … within network limits."
pub(crate) fn check_periods(p: &ContractParams, periods: &Periods) -> Result<(), JobError> {
    for (what, found, min) in [
        ("reveal", periods.reveal, p.min_reveal),
        ("contest", periods.contest, p.min_contest),
        ("grace", periods.grace, p.min_grace),
        ("evidence", periods.evidence, p.min_evidence),
    ] {
        if !(min..=p.max_period).contains(&(found as u32)) {
            return Err(JobError::Period { what, found, min, max: p.max_period });
        }
    }
    Ok(())
}

/// The private part of a job: sealed to the node that the client chose.
#[derive(Clone, PartialEq, Eq)]
pub struct JobPrivate {
    /// The prompt as the user wrote it. For display: the ids are what is computed and checked.
    pub prompt: String,
    /// The prompt's token ids.
    pub token_ids: Vec<TokenId>,
    /// The seed of the sampling.
    pub seed: u64,
    /// Makes the commitment hide what it commits to.
    pub salt: [u8; 32],
}

impl core::fmt::Debug for JobPrivate {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "JobPrivate({} tokens, hidden)", self.token_ids.len())
    }
}

impl JobPrivate {
    /// What the public part commits to.
    pub fn commitment(&self) -> Hash32 {
        tagged_hash("camelid/job/private", &[&self.salt, &self.to_bytes()])
    }

    /// Fails unless this opens `params`.
    pub fn check_opens(&self, params: &JobParams) -> Result<(), JobError> {
        let found = self.commitment();
        if found != params.commitment {
            return Err(JobError::Commitment { expected: params.commitment, found });
        }
        if self.token_ids.len() != params.prompt_tokens as usize {
            return Err(JobError::PromptLength { expected: params.prompt_tokens, found: self.token_ids.len() });
        }
        Ok(())
    }
}

impl Encode for JobPrivate {
    fn encode(&self, out: &mut Vec<u8>) {
        put_bytes(self.prompt.as_bytes(), out);
        put_vec(&self.token_ids, out);
        self.seed.encode(out);
        self.salt.encode(out);
    }
}

impl Decode for JobPrivate {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(JobPrivate {
            prompt: r.text("prompt", MAX_PROMPT_BYTES)?,
            token_ids: r.vec("prompt tokens", MAX_PROMPT_TOKENS)?,
            seed: u64::decode(r)?,
            salt: r.array()?,
        })
    }
}
