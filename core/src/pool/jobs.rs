//! The job pool: "each full node maintains a record of every job it observes and updates their status" (paper 2.4.1).

use crate::contract::{Move, Witness};
use crate::deal::{DealError, Facts, check_testament};
use crate::encode::Decode;
use crate::hash::JobId;
use crate::job::{CIPHERTEXT_SECONDS, JobAccept, JobCreate, JobError, JobStatus, Signed, Testament};
use crate::script::templates;
use crate::transaction::{Coin, OutPoint, Transaction};
use crate::units::{Amount, Height, Timestamp};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// The most jobs kept: each is bound to coins of its own.
const MAX_JOBS: usize = 20_000;
/// How far ahead a job's valid-until height may lie, in lifetimes of a usual job.
const MAX_LIFETIMES: u32 = 10;
/// Seconds that an ended job stays in the record.
const ENDED_SECONDS: u32 = 3600;

/// Why the job pool refuses a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JobPoolError {
    /// The message is not well-formed.
    #[error(transparent)]
    Job(#[from] JobError),
    /// It does not fit the job.
    #[error(transparent)]
    Deal(#[from] DealError),
    /// The job is unknown.
    #[error("job {0} is unknown here")]
    UnknownJob(JobId),
    /// A coin is unknown, spent, or not its signer's.
    #[error("coin {0} is unknown, spent, or does not pay to the key that signed")]
    Coin(OutPoint),
    /// The coins hold too little.
    #[error("the coins hold {found} coins, the job needs {expected}")]
    TooLittle {
        /// What the job needs.
        expected: Amount,
        /// What its coins hold.
        found: Amount,
    },
    /// A coin is bound to another job already.
    #[error("coin {coin} is bound to job {job} already")]
    CoinBusy {
        /// The coin.
        coin: OutPoint,
        /// The other job.
        job: JobId,
    },
    /// The job ends too soon or too late.
    #[error("job valid until {found}, expected {min} to {max}")]
    Lifetime {
        /// Its last height.
        found: Height,
        /// The earliest that is taken.
        min: Height,
        /// The latest that is taken.
        max: Height,
    },
    /// The job has an accept that is alive.
    #[error("job {0} is accepted by another node")]
    AlreadyAccepted(JobId),
    /// The job is paid, expired or over.
    #[error("job {0} takes no more accepts")]
    Ended(JobId),
    /// The pool is full.
    #[error("the job pool holds {0} jobs already")]
    Full(usize),
}

/// What is known about a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobRecord {
    /// The offer.
    pub create: JobCreate,
    /// The values of its coins.
    pub coin_values: Vec<Amount>,
    /// Where it stands.
    pub status: JobStatus,
    /// The live accept, with the value of its stake coin.
    pub accept: Option<(Signed<JobAccept>, Amount)>,
    /// The node's statement.
    pub testament: Option<Testament>,
    /// When it was first seen here.
    pub seen: Timestamp,
    /// When it last changed.
    pub changed: Timestamp,
}

/// The jobs that a node knows.
#[derive(Clone, Debug, Default)]
pub struct JobPool {
    jobs: BTreeMap<JobId, JobRecord>,
    /// Coins that pay or are at stake, with their job.
    bound: BTreeMap<OutPoint, JobId>,
}

impl JobPool {
    /// A job's record.
    pub fn get(&self, id: &JobId) -> Option<&JobRecord> {
        self.jobs.get(id)
    }

    /// All jobs.
    pub fn jobs(&self) -> impl Iterator<Item = (&JobId, &JobRecord)> {
        self.jobs.iter()
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.jobs.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// Takes an offer. `coin` looks unspent outputs up. Says whether it is new.
    pub fn add_create(
        &mut self,
        create: JobCreate,
        coin: &dyn Fn(&OutPoint) -> Option<Coin>,
        facts: &Facts<'_>,
    ) -> Result<bool, JobPoolError> {
        let id = create.id(facts.network.network);
        if self.jobs.contains_key(&id) {
            return Ok(false);
        }
        if self.jobs.len() >= MAX_JOBS {
            return Err(JobPoolError::Full(self.jobs.len()));
        }
        let found = create.params.valid_until;
        let min = facts.next().plus(facts.rules.settlement_least_left);
        let max = facts.next().plus(facts.rules.job_lifetime.saturating_mul(MAX_LIFETIMES));
        if !(min..=max).contains(&found) {
            return Err(JobPoolError::Lifetime { found, min, max });
        }
        create.check(facts.network)?;
        let mut coin_values = Vec::with_capacity(create.coins.len());
        for c in &create.coins {
            self.check_free(&c.outpoint, &id)?;
            let held = coin(&c.outpoint).filter(|h| pays_to(h, c.key.hash()) && mature(h, facts));
            coin_values.push(held.ok_or(JobPoolError::Coin(c.outpoint))?.output.value);
        }
        let expected = create.params.client_pays().ok_or(JobError::Overflow)?;
        let found = Amount::sum_checked(coin_values.iter().copied()).ok_or(JobError::Overflow)?;
        if found < expected {
            return Err(JobPoolError::TooLittle { expected, found });
        }
        self.bound.extend(create.coins.iter().map(|c| (c.outpoint, id)));
        let (seen, changed, status) = (facts.now, facts.now, JobStatus::Created);
        let record = JobRecord { create, coin_values, status, accept: None, testament: None, seen, changed };
        self.jobs.insert(id, record);
        Ok(true)
    }

    fn check_free(&self, coin: &OutPoint, id: &JobId) -> Result<(), JobPoolError> {
        match self.bound.get(coin) {
            Some(job) if job != id => Err(JobPoolError::CoinBusy { coin: *coin, job: *job }),
            _ => Ok(()),
        }
    }

    /// Takes an accept. `coin` is its stake coin on the chain. Says whether it is new.
    pub fn add_accept(
        &mut self,
        accept: Signed<JobAccept>,
        coin: Option<&Coin>,
        facts: &Facts<'_>,
    ) -> Result<bool, JobPoolError> {
        let (id, body) = (accept.body.job_id, &accept.body);
        // "In one live accept at a time."
        self.check_free(&body.stake_coin, &id)?;
        let record = self.jobs.get_mut(&id).ok_or(JobPoolError::UnknownJob(id))?;
        match &record.accept {
            Some((known, _)) if *known == accept => return Ok(false),
            Some(_) => return Err(JobPoolError::AlreadyAccepted(id)),
            None if record.status != JobStatus::Created => return Err(JobPoolError::Ended(id)),
            None => {}
        }
        // The settlement cannot spend it twice.
        if record.create.coins.iter().any(|c| c.outpoint == body.stake_coin) {
            return Err(JobPoolError::CoinBusy { coin: body.stake_coin, job: id });
        }
        accept.check(&body.node_key, facts.network.network)?;
        let coin = coin
            .filter(|c| pays_to(c, body.node_key.hash()) && mature(c, facts))
            .ok_or(JobPoolError::Coin(body.stake_coin))?;
        let (expected, found) = (record.create.params.stake, coin.output.value);
        if found < expected {
            return Err(JobPoolError::TooLittle { expected, found });
        }
        self.bound.insert(body.stake_coin, id);
        record.accept = Some((accept, found));
        record.reach(JobStatus::Accepted, facts.now);
        Ok(true)
    }

    /// Takes a testament. Says whether it is new.
    pub fn add_testament(&mut self, testament: Testament, facts: &Facts<'_>) -> Result<bool, JobPoolError> {
        let id = testament.job_id;
        let record = self.jobs.get_mut(&id).ok_or(JobPoolError::UnknownJob(id))?;
        if record.testament.is_some() {
            return Ok(false);
        }
        let (accept, stake) = record.accept.as_ref().ok_or(DealError::OutOfTurn("testament"))?;
        check_testament(&testament, &record.create, accept, *stake, &record.coin_values, facts.network)?;
        record.testament = Some(testament);
        record.reach(JobStatus::Completed, facts.now);
        Ok(true)
    }

    /// A transaction that belongs to a job is in the pool or in a block.
    pub fn on_transaction(&mut self, tx: &Transaction, facts: &Facts<'_>) {
        let Some(record) = self.jobs.get_mut(&tx.job_id) else { return };
        let settles = record.testament.as_ref().is_some_and(|t| t.settlement.txid() == tx.txid());
        let witness = tx.inputs.iter().find_map(|i| Witness::from_bytes(i.script_sig.as_bytes()).ok());
        let status = match witness.map(|w| w.contract_move()) {
            _ if settles => JobStatus::Paid,
            Some(Move::Reveal) => JobStatus::Delivered,
            Some(Move::Close | Move::Finalize) => JobStatus::Closed,
            Some(Move::Claim) => JobStatus::Slashed,
            _ => return,
        };
        record.reach(status, facts.now);
    }

    /// Lets accepts lapse, jobs expire and ended jobs go.
    pub fn expire(&mut self, facts: &Facts<'_>) {
        for record in self.jobs.values_mut() {
            let patience = facts.rules.testament_seconds
                + record.create.params.max_tokens / 100
                + if record.testament.is_some() { CIPHERTEXT_SECONDS } else { 0 };
            let waited = facts.now.0.saturating_sub(record.changed.0);
            if matches!(record.status, JobStatus::Accepted | JobStatus::Completed) && waited >= patience {
                if let Some((accept, _)) = record.accept.take() {
                    self.bound.remove(&accept.body.stake_coin);
                }
                record.testament = None;
                record.reach(JobStatus::Created, facts.now);
            }
            let dead = facts.tip > record.create.params.valid_until;
            if dead && record.status < JobStatus::Paid {
                record.reach(JobStatus::Expired, facts.now);
            }
        }
        let (now, dead_depth) = (facts.now.0, facts.rules.dead_depth);
        let gone = |r: &JobRecord| {
            let ended = r.status.is_final() && now.saturating_sub(r.changed.0) >= ENDED_SECONDS;
            // Paid, and never settled here: its chain is not ours to watch for ever.
            let forgotten = facts.tip > r.create.params.valid_until.plus(dead_depth)
                && now.saturating_sub(r.changed.0) >= 24 * ENDED_SECONDS;
            ended || forgotten
        };
        let ids: Vec<_> = self.jobs.iter().filter(|(_, r)| gone(r)).map(|(id, _)| *id).collect();
        for id in &ids {
            self.jobs.remove(id);
        }
        self.bound.retain(|_, job| self.jobs.get(job).is_some_and(|r| !r.status.is_final()));
    }
}

impl JobRecord {
    fn reach(&mut self, status: JobStatus, now: Timestamp) {
        if self.status != status {
            self.status = status;
            self.changed = now;
        }
    }
}

fn pays_to(coin: &Coin, key_hash: crate::hash::KeyHash) -> bool {
    templates::p2pkh_key_hash(&coin.output.script_pubkey) == Some(key_hash)
}

fn mature(coin: &Coin, facts: &Facts<'_>) -> bool {
    !coin.coinbase || facts.next().since(coin.height) >= facts.network.coinbase_maturity
}
