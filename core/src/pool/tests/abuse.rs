//! What a peer may try with the job pool at others' expense.

use super::jobs::*;
use super::*;
use crate::contract::{ClosePayout, State, attach_close, close_signature, demand, reveal, unsigned_close};
use crate::deal::DealError;
use crate::job::{CIPHERTEXT_SECONDS, JobStatus};
use crate::transaction::{Coin, Script};

#[test]
fn a_testament_carries_no_baggage() {
    let create = job("coin", |_| {});
    let mut pool = pool_with(&create);
    add_accept(&mut pool, &accept_by("node", &create), 1).unwrap();
    let (good, _) = testament_by("node", &create);
    // The id does not cover ScriptSigs, and the node's signature no other input's.
    let mut stuffed = good.clone();
    stuffed.settlement.inputs[1].script_sig = Script(alloc::vec![7; 1_000_000]);
    assert_eq!(stuffed.settlement.txid(), good.settlement.txid());
    let refused = pool.add_testament(stuffed, &facts(&rules(), 100, 2));
    assert!(matches!(refused, Err(JobPoolError::Deal(DealError::Settlement(_)))), "{refused:?}");
    assert_eq!(pool.add_testament(good, &facts(&rules(), 100, 2)), Ok(true));
}

#[test]
fn a_node_that_let_a_job_lapse_cannot_block_it_again() {
    let create = job("coin", |_| {});
    let (mut pool, rules) = (pool_with(&create), rules());
    let idle = accept_by("node", &create);
    add_accept(&mut pool, &idle, 1).unwrap();
    let later = 1 + rules.testament_seconds + CIPHERTEXT_SECONDS;
    pool.expire(&facts(&rules, 101, later));
    // "… lapses, and its coin is passed over for a while": the same message again, or a new one.
    assert_eq!(add_accept(&mut pool, &idle, later), Err(JobPoolError::PassedOver(outpoint("node"))));
    let mut anew = idle.body.clone();
    anew.block = crate::hash::BlockHash([2; 32]);
    let anew = crate::job::Signed::sign(anew, &key("node"), Network::Dev);
    assert_eq!(add_accept(&mut pool, &anew, later), Err(JobPoolError::PassedOver(outpoint("node"))));
    assert_eq!(add_accept(&mut pool, &accept_by("other", &create), later), Ok(true));
    // It may take other jobs.
    let second = job("coin2", |_| {});
    pool.add_create(second.clone(), &look_up, &facts(&rules, 101, later)).unwrap();
    assert_eq!(add_accept(&mut pool, &accept_by("node", &second), later), Ok(true));
}

#[test]
fn a_coin_made_for_the_occasion_is_no_stake() {
    let create = job("coin", |_| {});
    let mut pool = pool_with(&create);
    let rules = WalletRules { stake_age: 10, ..rules() };
    let accept = accept_by("node", &create);
    let held = |height| look_up(&outpoint("node")).map(|c| Coin { height: Height(height), ..c });
    let young = pool.add_accept(accept.clone(), held(92).as_ref(), &facts(&rules, 100, 1));
    assert_eq!(young, Err(JobPoolError::Coin(outpoint("node"))));
    assert_eq!(pool.add_accept(accept, held(91).as_ref(), &facts(&rules, 100, 1)), Ok(true));
}

#[test]
fn contracts_of_strangers_say_nothing_about_a_job() {
    let (create, rules) = (job("coin", |_| {}), rules());
    let id = create.id(Network::Dev);
    let mut pool = pool_with(&create);
    let status = |pool: &JobPool| pool.get(&id).unwrap().status;
    // Anybody may make a contract with any Job ID out of coins of its own, and close it.
    let (testament, terms) = testament_by("node", &create);
    let mut theirs = testament.settlement.clone();
    theirs.inputs[1].previous = outpoint("their own");
    let close = |settlement: &Transaction| {
        let (contract, output) = (settlement.outpoint(0), &settlement.outputs[0]);
        let pay = ClosePayout { client: hash_of("a"), fee: terms.move_fee };
        let mut close = unsigned_close(contract, &terms, output.value, pay, network()).unwrap();
        let [client, node] = ["client", "node"].map(|k| close_signature(&close, output, &key(k), network()));
        attach_close(&mut close, client, node);
        close
    };
    for tx in [&theirs, &close(&theirs)] {
        pool.on_transaction(tx, &facts(&rules, 101, 1));
        assert_eq!(status(&pool), JobStatus::Created);
    }
    // What the job's own coins paid for counts, also where its testament was not seen, and through every state.
    let settlement = testament.settlement;
    let asked = demand(settlement.outpoint(0), &settlement.outputs[0], &terms, &key("client"), network());
    let in_demanded = terms.in_state(State::Demanded);
    let shown = reveal(asked.outpoint(0), &asked.outputs[0], &in_demanded, K, &key("node"), network());
    for (tx, expected) in [
        (&settlement, JobStatus::Paid),
        (&asked, JobStatus::Paid),
        (&shown, JobStatus::Delivered),
        (&close(&settlement), JobStatus::Closed),
    ] {
        pool.on_transaction(tx, &facts(&rules, 101, 2));
        assert_eq!(status(&pool), expected);
    }
}

#[test]
fn an_expired_job_stays_expired() {
    let (create, rules) = (job("coin", |_| {}), rules());
    let id = create.id(Network::Dev);
    let mut pool = pool_with(&create);
    add_accept(&mut pool, &accept_by("node", &create), 1).unwrap();
    pool.expire(&facts(&rules, 401, 2));
    assert_eq!(pool.get(&id).unwrap().status, JobStatus::Expired);
    let (testament, _) = testament_by("node", &create);
    assert_eq!(pool.add_testament(testament, &facts(&rules, 401, 3)), Err(JobPoolError::Ended(id)));
    assert_eq!(pool.get(&id).unwrap().status, JobStatus::Expired);
}

#[test]
fn a_move_fee_for_which_nobody_mines_is_refused() {
    let rules = rules();
    let add = |fee| {
        let create = job("coin", |p| p.move_fee = Amount(fee));
        JobPool::default().add_create(create, &look_up, &facts(&rules, 100, 0))
    };
    // Its reveal would not be mined: the client could demand with a fee of its own, then claim everything.
    let (least, found) = (rules.least_move_fee, Amount(rules.least_move_fee.0 - 1));
    assert_eq!(add(found.0), Err(JobPoolError::MoveFee { least, found }));
    assert_eq!(add(0), Err(JobPoolError::MoveFee { least, found: Amount(0) }));
    assert_eq!(add(least.0), Ok(true));
}
