//! The client's side of a deal: what it holds, and what it learns. `client_step` says what it does.

use super::settlement::{check_testament, settlement_spends};
use super::{DealError, Facts, Pace, Timeline, Track};
use crate::contract::{ContractError, Terms, contract_output};
use crate::encode::{Decode, DecodeError, Encode, Reader, put_bytes, put_vec};
use crate::hash::{JobId, Txid};
use crate::job::{
    JobAccept, JobCreate, JobDelivery, JobPrivate, JobStatus, Signed, Statement, Testament, ciphertext_hash,
    ciphertext_len, open_answer,
};
use crate::keys::{SecretKey, open};
use crate::script::templates;
use crate::transaction::{Coin, OutPoint, Transaction, TxOut};
use crate::units::{Amount, Height, Timestamp, TokenId};
use crate::{encode_enum, encode_struct};
use alloc::string::{String, ToString};
use alloc::vec::Vec;

const MAX_TEXT: usize = 1024;
const MAX_WRONG: usize = 1 << 18;
const MAX_LIST: usize = 1 << 18;

/// How much of an answer its client checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VerifyMode {
    /// Every position.
    Full,
    /// The paper's three assertions.
    Spot,
    /// Nothing.
    None,
}

impl VerifyMode {
    /// The name, in lower case.
    pub fn name(self) -> &'static str {
        match self {
            VerifyMode::Full => "full",
            VerifyMode::Spot => "spot",
            VerifyMode::None => "none",
        }
    }
}

encode_enum!(VerifyMode, "verify mode" { Full = 0, Spot = 1, None = 2 });

/// A token that the model does not choose at its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongToken {
    /// Its place in the answer; 0 is the first.
    pub position: u32,
    /// What the answer says.
    pub found: TokenId,
    /// What the model says.
    pub expected: TokenId,
}
encode_struct!(WrongToken { position, found, expected });

/// What checking an answer gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DealVerdict {
    /// How many positions were checked.
    pub checked: u32,
    /// The wrong ones, first the first.
    pub wrong: Vec<WrongToken>,
    /// What else is wrong: stopped early, garbage, and so on. Empty when nothing is.
    pub problem: String,
    /// How long the check took, in milliseconds.
    pub verify_ms: u32,
    /// The engine that checked.
    pub engine: String,
}

impl DealVerdict {
    /// Whether nothing wrong was found.
    pub fn holds(&self) -> bool {
        self.wrong.is_empty() && self.problem.is_empty()
    }
}

impl Encode for DealVerdict {
    fn encode(&self, out: &mut Vec<u8>) {
        self.checked.encode(out);
        put_vec(&self.wrong, out);
        put_bytes(self.problem.as_bytes(), out);
        self.verify_ms.encode(out);
        put_bytes(self.engine.as_bytes(), out);
    }
}

impl Decode for DealVerdict {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(DealVerdict {
            checked: Decode::decode(r)?,
            wrong: r.vec("wrong tokens", MAX_WRONG)?,
            problem: r.text("problem", MAX_TEXT)?,
            verify_ms: Decode::decode(r)?,
            engine: r.text("engine", MAX_TEXT)?,
        })
    }
}

/// The keys that a client's deal signs and opens with; the wallet derives them again whenever they are needed.
#[derive(Clone, Copy)]
pub struct ClientKeys<'a> {
    /// The client key of the terms.
    pub client: &'a SecretKey,
    /// The key that the answer is sealed to.
    pub job: &'a SecretKey,
    /// The keys of the paying coins, in their order.
    pub coins: &'a [SecretKey],
}

/// The client's side of a deal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientDeal {
    /// Which of the wallet's job keys belong to it.
    pub key_index: u32,
    /// The offer.
    pub create: JobCreate,
    /// The private part.
    pub private: JobPrivate,
    /// The values of the paying coins, in the offer's order.
    pub coin_values: Vec<Amount>,
    /// How much is checked.
    pub verify: VerifyMode,
    /// The chain's height when it was made: no transaction of it is older.
    pub created_at: Height,
    /// What happened.
    pub timeline: Timeline,
    /// Stake coins of nodes that accepted and then let the job lapse.
    pub(super) passed_over: Vec<OutPoint>,
    /// The accept that was taken.
    pub accept: Option<Signed<JobAccept>>,
    /// The value of its stake coin.
    pub(super) stake_value: Amount,
    pub(super) accepted_at: Timestamp,
    /// The node's statement.
    pub testament: Option<Testament>,
    pub(super) ciphertext: Vec<u8>,
    /// The settlement, signed by both: there from payment on.
    pub settlement: Option<Transaction>,
    /// The key to the answer.
    pub(super) key: Option<[u8; 32]>,
    /// The answer.
    pub answer: Option<Vec<TokenId>>,
    /// What checking it gave.
    pub verdict: Option<DealVerdict>,
    /// The job's transactions in the chain.
    pub track: Track,
    /// Whether nothing can happen any more.
    pub(super) over: bool,
    /// Whether the wallet has taken notice that a conflicting spend of a paying coin is buried.
    pub(super) coin_spent_elsewhere: bool,
    pub(super) said: Pace,
    pub(super) verifying: bool,
}

impl ClientDeal {
    /// A new deal, before anything was said.
    pub fn new(
        create: JobCreate,
        private: JobPrivate,
        coin_values: Vec<Amount>,
        key_index: u32,
        verify: VerifyMode,
        facts: &Facts<'_>,
    ) -> Self {
        let mut timeline = Timeline::default();
        timeline.reach(JobStatus::Created, facts.now, facts.tip);
        ClientDeal {
            key_index,
            create,
            private,
            coin_values,
            verify,
            created_at: facts.tip,
            timeline,
            passed_over: Vec::new(),
            accept: None,
            stake_value: Amount::ZERO,
            accepted_at: Timestamp::default(),
            testament: None,
            ciphertext: Vec::new(),
            settlement: None,
            key: None,
            answer: None,
            verdict: None,
            track: Track::default(),
            over: false,
            coin_spent_elsewhere: false,
            said: Pace::default(),
            verifying: false,
        }
    }

    /// The job's id.
    pub fn id(&self, facts: &Facts<'_>) -> JobId {
        self.create.id(facts.network.network)
    }

    /// Where the job stands.
    pub fn status(&self) -> JobStatus {
        self.timeline.status()
    }

    /// Whether nothing can happen any more; its coins are free or spent.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// The settlement's id, from payment on.
    pub fn settlement_id(&self) -> Option<Txid> {
        self.settlement.as_ref().map(Transaction::txid)
    }

    /// The terms, from the node's statement on.
    pub fn terms(&self) -> Option<Terms> {
        let output = self.testament.as_ref()?.settlement.outputs.first()?;
        contract_output(output, 0).ok()?
    }

    /// Forgets what was only being done: called after a restart.
    pub fn resume(&mut self) {
        self.verifying = false;
        self.said.reset();
    }

    /// Whether an accept would be taken, its stake coin aside.
    pub fn check_accept(&self, accept: &Signed<JobAccept>, facts: &Facts<'_>) -> Result<(), DealError> {
        if self.accept.is_some() || self.settlement.is_some() || self.over {
            return Err(DealError::OutOfTurn("accept"));
        }
        let body = &accept.body;
        accept.check(&body.node_key, facts.network.network)?;
        if body.node_key == self.create.params.client_key {
            return Err(ContractError::SameKeys.into());
        }
        if self.passed_over.contains(&body.stake_coin) {
            return Err(DealError::StakeCoin("its node let this job lapse before"));
        }
        Ok(())
    }

    /// Gives the job up before it is paid: nothing is signed any more, and its coins are free. Says whether it could be:
    /// what is paid runs its course.
    pub fn give_up(&mut self, facts: &Facts<'_>) -> bool {
        let can = self.settlement.is_none() && !self.over;
        if can {
            self.over = true;
            self.timeline.reach(JobStatus::Expired, facts.now, facts.tip);
        }
        can
    }

    /// A node accepts. `coin` is its stake coin on the client's own chain.
    pub fn on_accept(
        &mut self,
        accept: &Signed<JobAccept>,
        coin: Option<&Coin>,
        facts: &Facts<'_>,
    ) -> Result<(), DealError> {
        self.check_accept(accept, facts)?;
        let body = &accept.body;
        let coin = coin.ok_or(DealError::StakeCoin("unknown or spent"))?;
        if templates::p2pkh_key_hash(&coin.output.script_pubkey) != Some(body.node_key.hash()) {
            return Err(DealError::StakeCoin("it does not pay to the node key"));
        }
        let age = facts.next().since(coin.height);
        if age < facts.rules.stake_age || (coin.coinbase && age < facts.network.coinbase_maturity) {
            return Err(DealError::StakeCoin("too young"));
        }
        let (expected, found) = (self.create.params.stake, coin.output.value);
        if found < expected {
            return Err(DealError::StakeValue { expected, found });
        }
        self.accept = Some(accept.clone());
        self.stake_value = found;
        self.accepted_at = facts.now;
        self.said.reset();
        self.timeline.reach(JobStatus::Accepted, facts.now, facts.tip);
        Ok(())
    }

    /// The node's statement arrives. It is taken only if both sides, building the settlement by themselves, get the
    /// same.
    pub fn on_testament(&mut self, testament: &Testament, facts: &Facts<'_>) -> Result<(), DealError> {
        let (Some(accept), None) = (&self.accept, &self.testament) else {
            return Err(DealError::OutOfTurn("testament"));
        };
        if facts.next().plus(facts.rules.settlement_least_left) > self.create.params.valid_until {
            return Err(DealError::OutOfTurn("testament so late"));
        }
        check_testament(testament, &self.create, accept, self.stake_value, &self.coin_values, facts.network)?;
        self.testament = Some(testament.clone());
        self.said.reset();
        self.timeline.reach(JobStatus::Completed, facts.now, facts.tip);
        Ok(())
    }

    /// The sealed answer arrives: "the client refuses any other length before JobPay".
    pub fn on_ciphertext(&mut self, bytes: &[u8]) -> Result<(), DealError> {
        let Some(terms) = self.terms().filter(|_| self.settlement.is_none()) else {
            return Err(DealError::OutOfTurn("ciphertext"));
        };
        let (found, expected_len) = (ciphertext_hash(bytes), ciphertext_len(terms.answer_tokens));
        if found != terms.ciphertext_hash || bytes.len() != expected_len {
            let expected = terms.ciphertext_hash;
            return Err(DealError::Ciphertext { expected, found, len: bytes.len(), expected_len });
        }
        self.ciphertext = bytes.to_vec();
        Ok(())
    }

    /// The node hands over the key.
    pub fn on_delivery(
        &mut self,
        delivery: &Signed<JobDelivery>,
        keys: &ClientKeys<'_>,
        facts: &Facts<'_>,
    ) -> Result<(), DealError> {
        let (Some(accept), Some(settlement), None) = (&self.accept, self.settlement_id(), &self.key) else {
            return Err(DealError::OutOfTurn("delivery"));
        };
        delivery.check(&accept.body.node_key, facts.network.network)?;
        if delivery.body.settlement != settlement {
            return Err(DealError::OutOfTurn("delivery for another settlement"));
        }
        let context = JobDelivery::context(&delivery.body.job_id, &settlement);
        let key = open(keys.job, &context, &delivery.body.sealed_key).map_err(|_| DealError::Sealed)?;
        let key: [u8; 32] = key.as_slice().try_into().map_err(|_| DealError::Sealed)?;
        self.take_key(key, keys.job, facts)
    }

    /// Opens the answer with `key`. A key of another hash changes nothing; the right key of an answer that is garbage
    /// does.
    pub(super) fn take_key(&mut self, key: [u8; 32], job: &SecretKey, facts: &Facts<'_>) -> Result<(), DealError> {
        let terms = self.terms().ok_or(DealError::OutOfTurn("key"))?;
        let opened = open_answer(&self.ciphertext, &key, job, terms.key_hash, terms.output_root, terms.answer_tokens);
        match opened {
            Err(error @ crate::job::GarbageError::Key { .. }) => return Err(error.into()),
            Ok(ids) => {
                self.answer = Some(ids);
                self.note(JobStatus::Delivered, facts);
            }
            Err(garbage) => {
                self.verdict = Some(DealVerdict { problem: garbage.to_string(), ..DealVerdict::default() });
                self.note(JobStatus::Rejected, facts);
            }
        }
        self.key = Some(key);
        Ok(())
    }

    /// The answer was checked.
    pub fn on_verified(&mut self, verdict: DealVerdict, facts: &Facts<'_>) {
        self.verifying = false;
        if self.verdict.is_none() {
            let status = if verdict.holds() { JobStatus::Verified } else { JobStatus::Rejected };
            self.verdict = Some(verdict);
            self.note(status, facts);
        }
    }

    /// Notes what was learned about the answer, unless the job has ended already.
    fn note(&mut self, status: JobStatus, facts: &Facts<'_>) {
        if !self.status().is_final() {
            self.timeline.reach(status, facts.now, facts.tip);
        }
    }

    /// The answer could not be checked (the engine failed); it is tried again.
    pub fn on_verify_failed(&mut self) {
        self.verifying = false;
    }

    /// Another spend of a paying coin or of the stake coin is buried: the settlement is dead.
    pub fn on_coin_spent_elsewhere(&mut self) {
        self.coin_spent_elsewhere = true;
    }

    /// The paying coins with their values.
    pub fn paying_coins(&self) -> Vec<(OutPoint, Amount)> {
        self.create.coins.iter().map(|c| c.outpoint).zip(self.coin_values.iter().copied()).collect()
    }

    /// The outputs that the settlement spends, in order.
    pub(super) fn settlement_spends(&self) -> Vec<TxOut> {
        self.accept
            .iter()
            .flat_map(|a| settlement_spends(&self.create, a, self.stake_value, &self.coin_values))
            .collect()
    }

    /// The hash that names the accept in the assignment.
    pub(super) fn accept_hash(&self, facts: &Facts<'_>) -> Option<crate::hash::Hash32> {
        self.accept.as_ref().map(|a| a.body.hash(facts.network.network))
    }
}

impl Encode for ClientDeal {
    fn encode(&self, out: &mut Vec<u8>) {
        self.key_index.encode(out);
        self.create.encode(out);
        self.private.encode(out);
        put_vec(&self.coin_values, out);
        self.verify.encode(out);
        self.created_at.encode(out);
        self.timeline.encode(out);
        put_vec(&self.passed_over, out);
        self.accept.encode(out);
        self.stake_value.encode(out);
        self.accepted_at.encode(out);
        self.testament.encode(out);
        put_bytes(&self.ciphertext, out);
        self.settlement.encode(out);
        self.key.encode(out);
        self.answer.is_some().encode(out);
        if let Some(answer) = &self.answer {
            put_vec(answer, out);
        }
        self.verdict.encode(out);
        self.track.encode(out);
        self.over.encode(out);
        self.coin_spent_elsewhere.encode(out);
    }
}

impl Decode for ClientDeal {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(ClientDeal {
            key_index: Decode::decode(r)?,
            create: Decode::decode(r)?,
            private: Decode::decode(r)?,
            coin_values: r.vec("coin values", MAX_LIST)?,
            verify: Decode::decode(r)?,
            created_at: Decode::decode(r)?,
            timeline: Decode::decode(r)?,
            passed_over: r.vec("passed over", MAX_LIST)?,
            accept: Decode::decode(r)?,
            stake_value: Decode::decode(r)?,
            accepted_at: Decode::decode(r)?,
            testament: Decode::decode(r)?,
            ciphertext: r.bytes("ciphertext", usize::MAX)?.to_vec(),
            settlement: Decode::decode(r)?,
            key: Decode::decode(r)?,
            answer: if bool::decode(r)? { Some(r.vec("answer", MAX_LIST)?) } else { None },
            verdict: Decode::decode(r)?,
            track: Decode::decode(r)?,
            over: Decode::decode(r)?,
            coin_spent_elsewhere: Decode::decode(r)?,
            said: Pace::default(),
            verifying: false,
        })
    }
}
