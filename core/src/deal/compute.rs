//! The node's side of a deal: what it holds, and what it learns. `compute_step` says what it does.

use super::settlement::{job_settlement, settlement_spends};
use super::{DealError, Facts, Pace, Timeline, Track};
use crate::contract::{
    ClosePayout, Commitments, Terms, attach_close, close_signature, contract_output, half_sign, is_close_signature,
    settlement_terms, unsigned_close,
};
use crate::encode::{Decode, DecodeError, Encode, Reader, put_bytes, put_vec};
use crate::hash::{JobId, KeyHash, Txid, tagged_hash};
use crate::job::{
    AnswerKeys, JobAccept, JobAssign, JobClose, JobCreate, JobPrivate, JobStatus, SealedAnswer, Signed, Statement,
    Testament,
};
use crate::keys::{KeyError, SecretKey, open};
use crate::script::templates;
use crate::transaction::Transaction;
use crate::units::{Amount, Height, Timestamp, TokenId};
use alloc::vec::Vec;

const MAX_LIST: usize = 1 << 18;

/// The keys of one answer, drawn from the node key and the job: "k derives from the node's seed", so a node that lost
/// everything but its words can still deliver.
pub fn answer_keys(node: &SecretKey, job_id: &JobId) -> Result<AnswerKeys, KeyError> {
    let draw = |purpose: &str| tagged_hash(purpose, &[&node.to_bytes(), &job_id.0]).0;
    Ok(AnswerKeys {
        salt: draw("camelid/answer/salt"),
        ephemeral: SecretKey::from_bytes(draw("camelid/answer/ephemeral"))?,
        key: draw("camelid/answer/key"),
    })
}

/// The node's side of a deal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComputeDeal {
    /// The client's offer.
    pub create: JobCreate,
    /// The values of the client's coins, in the offer's order.
    pub coin_values: Vec<Amount>,
    /// The node's accept.
    pub accept: Signed<JobAccept>,
    /// The value of the stake coin.
    pub stake_value: Amount,
    /// Where the reward goes.
    pub reward_address: KeyHash,
    /// The chain's height when it was made: no transaction of it is older.
    pub created_at: Height,
    /// What happened.
    pub timeline: Timeline,
    pub(super) accepted_at: Timestamp,
    /// The private part, once the client sent it.
    pub private: Option<JobPrivate>,
    /// The answer, once computed.
    pub answer: Option<Vec<TokenId>>,
    /// The half-signed settlement.
    pub testament: Option<Testament>,
    pub(super) ciphertext: Vec<u8>,
    pub(super) key: [u8; 32],
    /// The settlement, signed by both.
    pub settlement: Option<Transaction>,
    /// Whether the key may be handed over before the settlement is buried, by the release rule.
    pub released: bool,
    /// The close, signed by both.
    pub(super) close: Option<Transaction>,
    /// The job's transactions in the chain.
    pub track: Track,
    pub(super) over: bool,
    pub(super) coin_spent_elsewhere: bool,
    pub(super) said: Pace,
    /// The same for transactions, so that a message does not hold one up.
    pub(super) moved: Pace,
    pub(super) computing: bool,
}

impl ComputeDeal {
    /// A new deal: the node has just accepted.
    pub fn new(
        create: JobCreate,
        coin_values: Vec<Amount>,
        accept: Signed<JobAccept>,
        stake_value: Amount,
        reward_address: KeyHash,
        facts: &Facts<'_>,
    ) -> Self {
        let mut timeline = Timeline::default();
        timeline.reach(JobStatus::Accepted, facts.now, facts.tip);
        ComputeDeal {
            create,
            coin_values,
            accept,
            stake_value,
            reward_address,
            created_at: facts.tip,
            timeline,
            accepted_at: facts.now,
            private: None,
            answer: None,
            testament: None,
            ciphertext: Vec::new(),
            key: [0; 32],
            settlement: None,
            released: false,
            close: None,
            track: Track::default(),
            over: false,
            coin_spent_elsewhere: false,
            said: Pace::default(),
            moved: Pace::default(),
            computing: false,
        }
    }

    /// The job's id.
    pub fn id(&self) -> JobId {
        self.accept.body.job_id
    }

    /// Where the job stands.
    pub fn status(&self) -> JobStatus {
        self.timeline.status()
    }

    /// Whether nothing can happen any more; its stake coin is free or spent.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// The settlement's id, from the testament on.
    pub fn settlement_id(&self) -> Option<Txid> {
        self.testament.as_ref().map(|t| t.settlement.txid())
    }

    /// The terms, from the testament on.
    pub fn terms(&self) -> Option<Terms> {
        contract_output(self.testament.as_ref()?.settlement.outputs.first()?, 0).ok()?
    }

    /// The sealed answer, for whoever asks: it opens for nobody without the key.
    pub fn ciphertext(&self) -> Option<&[u8]> {
        self.testament.as_ref().map(|_| &self.ciphertext[..])
    }

    /// Forgets what was only being done: called after a restart.
    pub fn resume(&mut self) {
        self.computing = false;
        self.said.reset();
    }

    /// The client sends the private part.
    pub fn on_assign(
        &mut self,
        assign: &Signed<JobAssign>,
        node: &SecretKey,
        facts: &Facts<'_>,
    ) -> Result<(), DealError> {
        if self.private.is_some() || self.over {
            return Err(DealError::OutOfTurn("assignment"));
        }
        assign.check(&self.create.params.client_key, facts.network.network)?;
        if assign.body.accept != self.accept.body.hash(facts.network.network) {
            return Err(DealError::OutOfTurn("assignment for another accept"));
        }
        let plain = open(node, &self.id().0, &assign.body.sealed_private).map_err(|_| DealError::Sealed)?;
        let private = JobPrivate::from_bytes(&plain).map_err(|_| DealError::Sealed)?;
        private.check_opens(&self.create.params)?;
        self.private = Some(private);
        Ok(())
    }

    /// The answer is computed: seals it, builds the settlement and signs the node's statement.
    pub fn on_computed(
        &mut self,
        answer: Vec<TokenId>,
        generate_ms: u32,
        node: &SecretKey,
        facts: &Facts<'_>,
    ) -> Result<(), DealError> {
        self.computing = false;
        if self.testament.is_some() || self.private.is_none() || self.over {
            return Err(DealError::OutOfTurn("answer"));
        }
        let (params, job_id) = (&self.create.params, self.id());
        let keys = answer_keys(node, &job_id).map_err(|_| DealError::OutOfTurn("answer without keys"))?;
        let sealed = SealedAnswer::new(&answer, &keys, &params.job_key);
        let terms = settlement_terms(
            params,
            self.accept.body.node_key,
            self.reward_address,
            answer.len() as u32,
            Commitments::from(&sealed),
            facts.network,
        );
        terms.check(facts.network)?;
        let mut settlement =
            job_settlement(&self.create, &self.accept, &terms, self.stake_value, &self.coin_values, facts.network)?;
        let spent = settlement_spends(&self.create, &self.accept, self.stake_value, &self.coin_values);
        half_sign(&mut settlement, 0, &spent, node, facts.network);
        self.testament = Some(Testament { job_id, settlement, generate_ms });
        self.ciphertext = sealed.ciphertext;
        self.key = keys.key;
        self.answer = Some(answer);
        self.said.reset();
        self.timeline.reach(JobStatus::Completed, facts.now, facts.tip);
        Ok(())
    }

    /// The model could not be run; it is tried again until the accept lapses.
    pub fn on_compute_failed(&mut self) {
        self.computing = false;
    }

    /// A transaction of this job is in the pool or in a block.
    pub fn on_transaction(&mut self, tx: &Transaction, facts: &Facts<'_>) {
        if self.settlement.is_none() && Some(tx.txid()) == self.settlement_id() {
            self.settlement = Some(tx.clone());
            self.said.reset();
            self.timeline.reach(JobStatus::Paid, facts.now, facts.tip);
        }
    }

    /// The client agrees to close: checks that it is the close that the terms lead to, with the client's signature,
    /// and signs it. Another one could pay too little, or a fee for which nobody mines it.
    pub fn on_close(&mut self, close: &JobClose, node: &SecretKey, facts: &Facts<'_>) -> Result<(), DealError> {
        let (Some(terms), Some(testament), None) = (self.terms(), &self.testament, &self.close) else {
            return Err(DealError::OutOfTurn("close"));
        };
        let contract = testament.settlement.outpoint(0);
        let tx = &close.close;
        if !matches!(&tx.inputs[..], [only] if only.previous == contract) {
            return Err(DealError::Close("it spends something else"));
        }
        let expected = terms.reward_and_stake().ok_or(crate::contract::ContractError::Overflow)?;
        let to_us = templates::p2pkh(self.reward_address);
        let found = tx.outputs.iter().filter(|o| o.script_pubkey == to_us).map(|o| o.value).sum();
        if found < expected {
            return Err(DealError::CloseValue { expected, found });
        }
        let output = testament.settlement.outputs.first().ok_or(DealError::Settlement("no output"))?;
        let pay = ClosePayout { client: self.create.change, fee: terms.move_fee };
        let mut signed = unsigned_close(contract, &terms, output.value, pay, facts.network)?;
        if signed.txid() != tx.txid() {
            return Err(DealError::Close("it is not the close that the terms lead to"));
        }
        if !is_close_signature(&signed, output, &terms.client_key, &close.client_signature, facts.network) {
            return Err(DealError::Close("the client's signature does not verify"));
        }
        let own = close_signature(&signed, output, node, facts.network);
        attach_close(&mut signed, close.client_signature, own);
        self.close = Some(signed);
        self.moved.reset();
        Ok(())
    }

    /// A close that the pool refused is forgotten: the client sends it again.
    pub fn on_close_refused(&mut self) {
        self.close = None;
    }

    /// Another spend of the stake coin or of a paying coin is buried: the settlement is dead.
    pub fn on_coin_spent_elsewhere(&mut self) {
        self.coin_spent_elsewhere = true;
    }
}

impl Encode for ComputeDeal {
    fn encode(&self, out: &mut Vec<u8>) {
        self.create.encode(out);
        put_vec(&self.coin_values, out);
        self.accept.encode(out);
        self.stake_value.encode(out);
        self.reward_address.encode(out);
        self.created_at.encode(out);
        self.timeline.encode(out);
        self.accepted_at.encode(out);
        self.private.encode(out);
        self.answer.is_some().encode(out);
        if let Some(answer) = &self.answer {
            put_vec(answer, out);
        }
        self.testament.encode(out);
        put_bytes(&self.ciphertext, out);
        self.key.encode(out);
        self.settlement.encode(out);
        self.released.encode(out);
        self.close.encode(out);
        self.track.encode(out);
        self.over.encode(out);
        self.coin_spent_elsewhere.encode(out);
    }
}

impl Decode for ComputeDeal {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(ComputeDeal {
            create: Decode::decode(r)?,
            coin_values: r.vec("coin values", MAX_LIST)?,
            accept: Decode::decode(r)?,
            stake_value: Decode::decode(r)?,
            reward_address: Decode::decode(r)?,
            created_at: Decode::decode(r)?,
            timeline: Decode::decode(r)?,
            accepted_at: Decode::decode(r)?,
            private: Decode::decode(r)?,
            answer: if bool::decode(r)? { Some(r.vec("answer", MAX_LIST)?) } else { None },
            testament: Decode::decode(r)?,
            ciphertext: r.bytes("ciphertext", usize::MAX)?.to_vec(),
            key: Decode::decode(r)?,
            settlement: Decode::decode(r)?,
            released: Decode::decode(r)?,
            close: Decode::decode(r)?,
            track: Decode::decode(r)?,
            over: Decode::decode(r)?,
            coin_spent_elsewhere: Decode::decode(r)?,
            said: Pace::default(),
            moved: Pace::default(),
            computing: false,
        })
    }
}
