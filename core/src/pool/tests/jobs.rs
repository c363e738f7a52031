//! The job pool: coins bound once, accepts that lapse, statuses that follow the chain.

use super::*;
use crate::contract::{Signer, State, claim, finalize, reveal};
use crate::deal::Facts;
use crate::hash::BlockHash;
use crate::job::{CIPHERTEXT_SECONDS, JobAccept, JobCreate, JobError, JobStatus, Signed, Testament};
use crate::transaction::Coin;

const START: Timestamp = Timestamp(1_800_000_000);

pub(super) fn facts(rules: &WalletRules, tip: u32, now: u32) -> Facts<'_> {
    let now = Timestamp(START.0 + now);
    Facts { network: network(), rules, tip: Height(tip), tip_hash: BlockHash([1; 32]), now }
}

pub(super) fn rules() -> WalletRules {
    WalletRules::for_network(network())
}

pub(super) fn coin(of: &str, coins: u64) -> Coin {
    let output = TxOut { value: Amount::from_coins(coins), script_pubkey: templates::p2pkh(hash_of(of)) };
    Coin { output, height: Height(90), coinbase: false }
}

/// The chain of these tests: each outpoint's coin belongs to the key of its name.
pub(super) fn look_up(at: &OutPoint) -> Option<Coin> {
    let names = [("coin", 10), ("coin2", 10), ("poor", 1), ("node", 5), ("other", 5)];
    names.iter().find(|(n, _)| *at == outpoint(n)).map(|(n, coins)| coin(n, *coins))
}

pub(super) fn job(paid_by: &str, change: impl Fn(&mut JobParams)) -> JobCreate {
    let mut params = params();
    change(&mut params);
    if paid_by != "coin" {
        params.reward.0 += 1;
    }
    JobCreate::sign(params, hash_of("change"), &[(outpoint(paid_by), &key(paid_by))], &key("client"), Network::Dev)
}

pub(super) fn accept_by(node: &str, create: &JobCreate) -> Signed<JobAccept> {
    let body = JobAccept {
        job_id: create.id(Network::Dev),
        node_peer: peer(node),
        node_key: key(node).public_key(),
        stake_coin: outpoint(node),
        block: BlockHash([1; 32]),
    };
    Signed::sign(body, &key(node), Network::Dev)
}

pub(super) fn testament_by(node: &str, create: &JobCreate) -> (Testament, Terms) {
    let keys = AnswerKeys { salt: [1; 32], ephemeral: key("ephemeral"), key: K };
    let sealed = SealedAnswer::new(&[TokenId(4)], &keys, &create.params.job_key);
    let node_key = key(node).public_key();
    let terms = settlement_terms(&create.params, node_key, hash_of("reward"), 1, Commitments::from(&sealed), network());
    let coins = [(outpoint(node), Amount::from_coins(5)), (create.coins[0].outpoint, Amount::from_coins(10))];
    let parts = SettlementParts {
        terms: &terms,
        stake_coin: coins[0],
        client_coins: &coins[1..],
        client_change: create.change,
        fee: create.params.fee,
    };
    let mut settlement = build_settlement(&parts, network()).unwrap();
    let spent = [coin(node, 5).output, coin("coin", 10).output];
    half_sign(&mut settlement, 0, &spent, &key(node), network());
    (Testament { job_id: terms.job_id, settlement, generate_ms: 1 }, terms)
}

pub(super) fn pool_with(create: &JobCreate) -> JobPool {
    let mut pool = JobPool::default();
    assert_eq!(pool.add_create(create.clone(), &look_up, &facts(&rules(), 100, 0)), Ok(true));
    pool
}

pub(super) fn add_accept(pool: &mut JobPool, accept: &Signed<JobAccept>, now: u32) -> Result<bool, JobPoolError> {
    let coin = look_up(&accept.body.stake_coin);
    pool.add_accept(accept.clone(), coin.as_ref(), &facts(&rules(), 100, now))
}

#[test]
fn an_offer_needs_coins_of_its_own_and_time() {
    let rules = rules();
    let at = facts(&rules, 100, 0);
    let create = job("coin", |_| {});
    let mut pool = pool_with(&create);
    assert_eq!(pool.add_create(create.clone(), &look_up, &at), Ok(false), "known");
    let add = |pool: &mut JobPool, create| pool.add_create(create, &look_up, &at);
    let id = create.id(Network::Dev);
    let busy = JobPoolError::CoinBusy { coin: outpoint("coin"), job: id };
    assert_eq!(add(&mut pool, job("coin", |p| p.max_tokens = 7)), Err(busy));
    assert_eq!(add(&mut pool, job("stranger", |_| {})), Err(JobPoolError::Coin(outpoint("stranger"))));
    assert!(matches!(add(&mut pool, job("poor", |_| {})), Err(JobPoolError::TooLittle { .. })));
    let mut forged = job("coin2", |_| {});
    forged.change = hash_of("thief");
    assert!(matches!(add(&mut pool, forged), Err(JobPoolError::Job(JobError::Signature(_)))));
    for (valid_until, good) in [(110, false), (111, true), (101 + 3000, true), (101 + 3001, false)] {
        let mut fresh = JobPool::default();
        let added = add(&mut fresh, job("coin", |p| p.valid_until = Height(valid_until)));
        assert_eq!(added.is_ok(), good, "{valid_until}: {added:?}");
    }
    let young = |at: &OutPoint| look_up(at).map(|c| Coin { coinbase: true, height: Height(97), ..c });
    assert!(matches!(JobPool::default().add_create(create, &young, &at), Err(JobPoolError::Coin(_))));
    assert_eq!((pool.len(), pool.get(&id).unwrap().status), (1, JobStatus::Created));
}

#[test]
fn one_live_accept_for_a_job_and_one_job_for_a_stake_coin() {
    let create = job("coin", |_| {});
    let mut pool = pool_with(&create);
    let accept = accept_by("node", &create);
    let unknown = accept_by("node", &job("coin2", |_| {}));
    assert!(matches!(add_accept(&mut pool, &unknown, 1), Err(JobPoolError::UnknownJob(_))));
    let mut forged = accept.clone();
    forged.body.node_peer = peer("thief");
    assert!(matches!(add_accept(&mut pool, &forged, 1), Err(JobPoolError::Job(_))));
    assert!(matches!(add_accept(&mut pool, &accept_by("stranger", &create), 1), Err(JobPoolError::Coin(_))));
    assert!(matches!(add_accept(&mut pool, &accept_by("poor", &create), 1), Err(JobPoolError::TooLittle { .. })));
    let own = add_accept(&mut pool, &accept_by("coin", &create), 1);
    assert!(matches!(own, Err(JobPoolError::CoinBusy { .. })), "a coin cannot pay and be at stake");
    assert_eq!(add_accept(&mut pool, &accept, 1), Ok(true));
    assert_eq!(add_accept(&mut pool, &accept, 1), Ok(false));
    assert!(matches!(add_accept(&mut pool, &accept_by("other", &create), 1), Err(JobPoolError::AlreadyAccepted(_))));
    let second = job("coin2", |_| {});
    pool.add_create(second.clone(), &look_up, &facts(&rules(), 100, 1)).unwrap();
    assert!(matches!(add_accept(&mut pool, &accept_by("node", &second), 1), Err(JobPoolError::CoinBusy { .. })));
    assert_eq!(add_accept(&mut pool, &accept_by("other", &second), 1), Ok(true));
}

#[test]
fn an_accept_without_a_testament_in_time_lapses() {
    let create = job("coin", |_| {});
    let (mut pool, rules) = (pool_with(&create), rules());
    let id = create.id(Network::Dev);
    add_accept(&mut pool, &accept_by("node", &create), 1).unwrap();
    pool.expire(&facts(&rules, 101, rules.testament_seconds));
    assert_eq!(pool.get(&id).unwrap().status, JobStatus::Accepted);
    pool.expire(&facts(&rules, 101, rules.testament_seconds + 1));
    let record = pool.get(&id).unwrap();
    assert_eq!((record.status, record.accept.is_none()), (JobStatus::Created, true));
    // The coin is free, and so is the job.
    assert_eq!(add_accept(&mut pool, &accept_by("other", &create), 100), Ok(true));
    let (testament, _) = testament_by("other", &create);
    let (foreign, _) = testament_by("node", &create);
    assert!(matches!(pool.add_testament(foreign, &facts(&rules, 101, 110)), Err(JobPoolError::Deal(_))));
    assert_eq!(pool.add_testament(testament.clone(), &facts(&rules, 101, 110)), Ok(true));
    assert_eq!(pool.add_testament(testament, &facts(&rules, 101, 110)), Ok(false));
    assert_eq!(pool.get(&id).unwrap().status, JobStatus::Completed);
    pool.expire(&facts(&rules, 101, 110 + rules.testament_seconds + CIPHERTEXT_SECONDS - 1));
    assert_eq!(pool.get(&id).unwrap().status, JobStatus::Completed);
    pool.expire(&facts(&rules, 101, 110 + rules.testament_seconds + CIPHERTEXT_SECONDS));
    assert_eq!(pool.get(&id).unwrap().testament, None);
}

#[test]
fn statuses_follow_the_chain_and_ended_jobs_free_their_coins() {
    let (create, rules) = (job("coin", |_| {}), rules());
    let id = create.id(Network::Dev);
    let (testament, terms) = testament_by("node", &create);
    let settlement = &testament.settlement;
    let (contract, output) = (settlement.outpoint(0), &settlement.outputs[0]);
    let revealed = reveal(contract, output, &terms, K, &key("node"), network());
    let in_revealed = terms.in_state(State::Revealed);
    let end = |tx: &Transaction| {
        finalize(tx.outpoint(0), &tx.outputs[0], &in_revealed, Signer::Node, &key("node"), network())
    };
    let slash = claim(contract, output, &terms.in_state(State::Demanded), &key("client"), hash_of("a"), network());
    for (path, last) in
        [(alloc::vec![revealed.clone(), end(&revealed)], JobStatus::Closed), (alloc::vec![slash], JobStatus::Slashed)]
    {
        let mut pool = pool_with(&create);
        add_accept(&mut pool, &accept_by("node", &create), 1).unwrap();
        pool.add_testament(testament.clone(), &facts(&rules, 101, 2)).unwrap();
        let stranger = Transaction { job_id: crate::hash::JobId([1; 32]), ..settlement.clone() };
        pool.on_transaction(&stranger, &facts(&rules, 101, 3));
        assert_eq!(pool.get(&id).unwrap().status, JobStatus::Completed);
        pool.on_transaction(settlement, &facts(&rules, 101, 3));
        assert_eq!(pool.get(&id).unwrap().status, JobStatus::Paid);
        // Paid jobs do not lapse.
        pool.expire(&facts(&rules, 500, 3000));
        assert_eq!(pool.get(&id).unwrap().status, JobStatus::Paid);
        for (n, tx) in path.iter().enumerate() {
            pool.on_transaction(tx, &facts(&rules, 110, 4 + n as u32));
        }
        let record = pool.get(&id).unwrap();
        assert_eq!(record.status, last);
        // The stranger's is none of its own; said again, by a block, nothing is there twice.
        let txids: Vec<_> = [settlement].into_iter().chain(path.iter()).map(Transaction::txid).collect();
        assert_eq!(record.transactions(), txids);
        path.iter().for_each(|tx| pool.on_transaction(tx, &facts(&rules, 110, 9)));
        assert_eq!(pool.get(&id).unwrap().transactions(), txids);
        pool.expire(&facts(&rules, 120, 100));
        assert!(pool.get(&id).is_some(), "shown for a while");
        assert!(matches!(add_accept(&mut pool, &accept_by("other", &create), 101), Ok(false) | Err(_)));
        let next = job("coin", |p| p.max_tokens = 7);
        assert_eq!(pool.add_create(next, &look_up, &facts(&rules, 100, 101)), Ok(true), "its coin is free");
        pool.expire(&facts(&rules, 120, 3700));
        assert!(pool.get(&id).is_none());
    }
}

#[test]
fn what_nobody_answers_expires() {
    let (create, rules) = (job("coin", |_| {}), rules());
    let mut pool = pool_with(&create);
    let id = create.id(Network::Dev);
    pool.expire(&facts(&rules, 400, 10));
    assert_eq!(pool.get(&id).unwrap().status, JobStatus::Created);
    pool.expire(&facts(&rules, 401, 10));
    assert_eq!(pool.get(&id).unwrap().status, JobStatus::Expired);
    assert_eq!(add_accept(&mut pool, &accept_by("node", &create), 11), Err(JobPoolError::Ended(id)));
    pool.expire(&facts(&rules, 401, 10 + 3600));
    assert!(pool.is_empty());
}
