//! The job pool: "each full node maintains a record of every job it observes and updates their status" (paper 2.4.1).

use crate::contract::{Move, State, Witness, contract_output};
use crate::deal::{DealError, Facts, check_testament};
use crate::encode::Decode;
use crate::hash::{JobId, Txid};
use crate::job::{CIPHERTEXT_SECONDS, JobAccept, JobCreate, JobError, JobStatus, Signed, Testament};
use crate::message::MAX_JOB_TRANSACTIONS;
use crate::script::templates;
use crate::transaction::{Coin, OutPoint, Transaction};
use crate::units::{Amount, Height, Timestamp};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// The most jobs kept: each is bound to coins of its own.
const MAX_JOBS: usize = 20_000;
/// How far ahead a job's valid-until height may lie, in lifetimes of a usual job.
const MAX_LIFETIMES: u32 = 10;
/// The most contracts of one job that are followed: a settlement and its states, with room for replaced ones.
const MAX_CONTRACTS: usize = 16;
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
    /// The coin's node let this job lapse before.
    #[error("coin {0} is passed over: its node accepted this job before and let it lapse")]
    PassedOver(OutPoint),
    /// A move of its contract could not pay for its place in a block.
    #[error("the job's move fee is {found} coins, expected at least {least}")]
    MoveFee {
        /// The least that is taken.
        least: Amount,
        /// What the job sets.
        found: Amount,
    },
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
    /// Stake coins of nodes that accepted it and let it lapse.
    lapsed: Vec<OutPoint>,
    /// The outputs that its money is or was in, as seen in pool and chain.
    contracts: Vec<OutPoint>,
    /// The settlements and moves, as seen in pool and chain.
    transactions: Vec<Txid>,
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
        let found = create.params.valid_until;
        let min = facts.next().plus(facts.rules.settlement_least_left);
        let max = facts.next().plus(facts.rules.job_lifetime.saturating_mul(MAX_LIFETIMES));
        if !(min..=max).contains(&found) {
            return Err(JobPoolError::Lifetime { found, min, max });
        }
        let (least, found) = (facts.rules.least_move_fee, create.params.move_fee);
        if found < least {
            return Err(JobPoolError::MoveFee { least, found });
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
        self.make_room(expected)?;
        self.bound.extend(create.coins.iter().map(|c| (c.outpoint, id)));
        let record = JobRecord {
            create,
            coin_values,
            status: JobStatus::Created,
            accept: None,
            testament: None,
            seen: facts.now,
            changed: facts.now,
            lapsed: Vec::new(),
            contracts: Vec::new(),
            transactions: Vec::new(),
        };
        self.jobs.insert(id, record);
        Ok(true)
    }

    /// In a full pool a job that pays more takes the place of the one that pays least, if no node took that yet: small
    /// coins are cheap to have, and must not keep everybody else out.
    fn make_room(&mut self, pays: Amount) -> Result<(), JobPoolError> {
        if self.jobs.len() < MAX_JOBS {
            return Ok(());
        }
        let open = self.jobs.iter().filter(|(_, r)| r.status == JobStatus::Created);
        let least = open.map(|(id, r)| (r.create.params.client_pays().unwrap_or_default(), *id)).min();
        let (_, id) = least.filter(|(least, _)| *least < pays).ok_or(JobPoolError::Full(self.jobs.len()))?;
        self.jobs.remove(&id);
        self.bound.retain(|_, job| *job != id);
        Ok(())
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
        // "… lapses, and its coin is passed over for a while": else one idle node could keep all others away.
        if record.is_passed_over(&body.stake_coin) {
            return Err(JobPoolError::PassedOver(body.stake_coin));
        }
        // The settlement cannot spend it twice.
        if record.create.coins.iter().any(|c| c.outpoint == body.stake_coin) {
            return Err(JobPoolError::CoinBusy { coin: body.stake_coin, job: id });
        }
        accept.check(&body.node_key, facts.network.network)?;
        let coin = coin
            .filter(|c| pays_to(c, body.node_key.hash()) && mature(c, facts))
            .filter(|c| facts.next().since(c.height) >= facts.rules.stake_age)
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
        if record.status.is_final() {
            return Err(JobPoolError::Ended(id));
        }
        let (accept, stake) = record.accept.as_ref().ok_or(DealError::OutOfTurn("testament"))?;
        check_testament(&testament, &record.create, accept, *stake, &record.coin_values, facts.network)?;
        record.testament = Some(testament);
        record.reach(JobStatus::Completed, facts.now);
        Ok(true)
    }

    /// A transaction with this job's id is in the pool or in a block. Anybody may make a contract with any Job ID: what
    /// counts is what the job's own coins pay for, and what follows from that.
    pub fn on_transaction(&mut self, tx: &Transaction, facts: &Facts<'_>) {
        let Some(record) = self.jobs.get_mut(&tx.job_id) else { return };
        let spends = |outpoint: &OutPoint| tx.inputs.iter().any(|i| i.previous == *outpoint);
        let made = tx.outputs.first().and_then(|o| contract_output(o, 0).ok().flatten()).map(|terms| terms.state);
        let settles = made == Some(State::Settlement) && record.create.coins.iter().any(|c| spends(&c.outpoint));
        if !settles && !record.contracts.iter().any(spends) {
            return;
        }
        let contract = tx.outpoint(0);
        if made.is_some() && record.contracts.len() < MAX_CONTRACTS && !record.contracts.contains(&contract) {
            record.contracts.push(contract);
        }
        record.note_transaction(tx.txid());
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
                    record.lapsed.push(accept.body.stake_coin);
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
    /// Whether the coin's node accepted this job before and let it lapse.
    pub fn is_passed_over(&self, stake_coin: &OutPoint) -> bool {
        self.lapsed.contains(stake_coin)
    }

    /// The settlement and the moves that pool or chain had, the latest [`MAX_JOB_TRANSACTIONS`] of them in the order in which
    /// they were seen. What was replaced, or left the chain, is among them.
    pub fn transactions(&self) -> &[Txid] {
        &self.transactions
    }

    fn note_transaction(&mut self, txid: Txid) {
        if !self.transactions.contains(&txid) {
            // Replacing is dear, and what was replaced is of no interest.
            if self.transactions.len() >= MAX_JOB_TRANSACTIONS {
                self.transactions.remove(0);
            }
            self.transactions.push(txid);
        }
    }

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::NetworkParams;
    use crate::contract::WalletRules;
    use crate::hash::BlockHash;
    use crate::job::fixtures::*;
    use crate::transaction::TxOut;
    use crate::units::Network;

    #[test]
    fn a_pool_full_of_small_jobs_still_takes_a_larger_one() {
        let network = NetworkParams::of(Network::Dev);
        let rules = WalletRules::for_network(network);
        let (tip, now) = (Height(100), Timestamp(1));
        let facts = Facts { network, rules: &rules, tip, tip_hash: BlockHash([1; 32]), now };
        let output = TxOut { value: Amount::from_coins(10), script_pubkey: templates::p2pkh(hash_of("coin")) };
        let coin = |at: &OutPoint| {
            (*at == outpoint("coin")).then(|| Coin { output: output.clone(), height: Height(1), coinbase: false })
        };
        let mut pool = JobPool::default();
        assert_eq!(pool.add_create(create(), &coin, &facts), Ok(true));
        let (id, mut record) = pool.jobs.pop_first().unwrap();
        pool.bound.clear();
        for n in 0..MAX_JOBS as u32 {
            let other = JobId(crate::hash::sha256(&n.to_le_bytes()).0);
            pool.jobs.insert(other, record.clone());
        }
        // Among jobs that pay the same nobody has to go.
        assert_eq!(pool.add_create(create(), &coin, &facts), Err(JobPoolError::Full(MAX_JOBS)));
        record.create.params.reward.0 -= 1;
        let (taken, small) = (JobId([1; 32]), JobId([2; 32]));
        pool.jobs.pop_last();
        pool.jobs.pop_last();
        record.status = JobStatus::Paid;
        pool.jobs.insert(taken, record.clone());
        record.status = JobStatus::Created;
        pool.jobs.insert(small, record);
        pool.bound.insert(outpoint("small"), small);
        assert_eq!(pool.add_create(create(), &coin, &facts), Ok(true));
        assert_eq!(pool.len(), MAX_JOBS);
        assert!(pool.get(&id).is_some() && pool.get(&taken).is_some() && pool.get(&small).is_none());
        assert_eq!(pool.bound.keys().collect::<Vec<_>>(), [&outpoint("coin")]);
    }
}
