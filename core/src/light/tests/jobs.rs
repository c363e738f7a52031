//! Money in jobs: found again from the words alone, followed through its moves, undone with its blocks.

use super::world::*;
use crate::contract::{
    Commitments, Move, SettlementParts, Signer, State, Terms, build_settlement, claim, contract_output, demand,
    finalize, reveal, settlement_terms,
};
use crate::job::fixtures::{hash_of, key, network, params, peer};
use crate::job::{AnswerKeys, JobParams, SealedAnswer};
use crate::keys::JobKey;
use crate::light::{Event, Jobs, Kind};
use crate::script::{sign_p2pkh_inputs, templates};
use crate::transaction::{Coin, OutPoint, Transaction};
use crate::units::{Amount, COIN, Height, TokenId};
use crate::wallet::Branch;
use alloc::vec;
use alloc::vec::Vec;

const K: [u8; 32] = [2; 32];
/// Which of the wallet's jobs it is.
const INDEX: u32 = 3;

/// A chain with a coin of the node and one of ours, both mature.
fn funded() -> (TestChain, (OutPoint, Coin), (OutPoint, Coin)) {
    let mut chain = empty();
    mine(&mut chain, templates::p2pkh(hash_of("node")), vec![]);
    mine(&mut chain, ours(0), vec![]);
    grow(&mut chain, 6, 1);
    let (stake, coin) = (reward(&chain, 1), reward(&chain, 2));
    (chain, stake, coin)
}

/// A settlement of one of our jobs, and its terms.
fn settlement(stake: &(OutPoint, Coin), coin: &(OutPoint, Coin)) -> (Transaction, Terms) {
    settlement_of(params(), stake, coin)
}

fn settlement_of(params: JobParams, stake: &(OutPoint, Coin), coin: &(OutPoint, Coin)) -> (Transaction, Terms) {
    let ring = keyring();
    let client = ring.keys().job(INDEX, JobKey::Client).unwrap();
    let params = JobParams { client_key: client.public_key(), ..params };
    let keys = AnswerKeys { salt: [1; 32], ephemeral: key("ephemeral"), key: K };
    let sealed = SealedAnswer::new(&[TokenId(4)], &keys, &params.job_key);
    let node = key("node").public_key();
    let terms = settlement_terms(&params, node, hash_of("reward"), 1, Commitments::from(&sealed), network());
    let parts = SettlementParts {
        terms: &terms,
        stake_coin: (stake.0, stake.1.output.value),
        client_coins: &[(coin.0, coin.1.output.value)],
        client_change: our_hash(Branch::Change, 0),
        fee: params.fee,
    };
    let mut tx = build_settlement(&parts, network()).unwrap();
    let spent = [stake.1.output.clone(), coin.1.output.clone()];
    let ours = ring.secret_for(&our_hash(Branch::Receive, 0)).unwrap();
    sign_p2pkh_inputs(&mut tx, &spent, [&key("node"), &ours], network().network).unwrap();
    (tx, terms)
}

/// The transactions of contracts that were told, since the last reorganisation each once, by height.
fn told(world: &World) -> Vec<(Height, Vec<Transaction>)> {
    let mut told = Vec::new();
    for event in &world.events {
        match event {
            Event::Contracts(block) => told.push((block.height, block.transactions.clone())),
            Event::Reorganised { common, .. } => told.retain(|(height, _)| height <= common),
            _ => {}
        }
    }
    told
}

fn client_key() -> crate::keys::SecretKey {
    keyring().keys().job(INDEX, JobKey::Client).unwrap()
}

#[test]
fn an_open_job_is_found_again_from_the_words_alone() {
    let (mut chain, stake, coin) = funded();
    let (tx, terms) = settlement(&stake, &coin);
    let block = mine(&mut chain, stranger(1), vec![tx.clone()]);
    assert_eq!(block.transactions.len(), 2);
    grow(&mut chain, 3, 1);
    let mut world = World::new(vec![(Play::Honest, chain.clone()), (Play::Honest, chain.clone())]);
    world.run(6);
    world.assert_at(&chain);
    let (outpoint, open) = world.light.ledger().contracts().next().unwrap();
    assert_eq!((*outpoint, open.since, &open.contract.terms), (tx.outpoint(0), Height(9), &terms));
    assert_eq!(open.contract.value, terms.locked().unwrap());
    // The next job takes other keys.
    assert_eq!(world.light.keyring().unused_job(), INDEX + 1);
    assert_eq!(told(&world), [(Height(9), vec![tx.clone()])]);
    let settled = world.events.iter().find_map(|e| match e {
        Event::Contracts(block) => Some(block.settled),
        _ => None,
    });
    assert_eq!(settled, terms.reward_and_stake());
    let holdings = world.light.holdings();
    assert_eq!(holdings.in_jobs, terms.reserve);
    let cost = terms.reward.0 + terms.reserve.0 + params().fee.0;
    assert_eq!(holdings.confirmed.0, 50 * COIN - cost);
    let line = &world.light.ledger().history()[0];
    assert_eq!(
        (line.txid, line.kind, line.contract),
        (tx.txid(), Kind::Job { by: Some(Move::Settle) }, Some(tx.outpoint(0)))
    );
    assert_eq!((line.change(), line.job), (-(cost as i64), Some(terms.job_id)));
}

/// Anybody can put our key into one.
#[test]
fn a_settlement_that_does_not_pay_for_its_moves_is_no_job_of_ours() {
    for (cheap, count) in [(false, 1), (true, 0)] {
        let (mut chain, stake, coin) = funded();
        let nothing = JobParams { reserve: Amount::ZERO, move_fee: Amount::ZERO, bond: Amount::ZERO, ..params() };
        let (tx, terms) = settlement_of(if cheap { nothing } else { params() }, &stake, &coin);
        assert_eq!(mine(&mut chain, stranger(1), vec![tx]).transactions.len(), 2);
        let mut world = World::new(vec![(Play::Honest, chain)]);
        world.run(6);
        assert_eq!(world.light.ledger().contracts().count(), 1);
        let found = Jobs::new(dev(), peer("client")).found(&world.light);
        assert_eq!(found.iter().filter(|(job, _)| *job == terms.job_id).count(), count);
    }
}

#[test]
fn a_silent_client_s_reserve_comes_back() {
    let (mut chain, stake, coin) = funded();
    let (settle, terms) = settlement(&stake, &coin);
    mine(&mut chain, stranger(1), vec![settle.clone()]);
    let mut world = World::new(vec![(Play::Honest, chain.clone())]);
    world.run(6);
    let open = reveal(settle.outpoint(0), &settle.outputs[0], &terms, K, &key("node"), network());
    mine(&mut chain, stranger(1), vec![open.clone()]);
    world.follow(&chain);
    world.run(8);
    let (outpoint, contract) = world.light.ledger().contracts().next().map(|(o, c)| (*o, c.clone())).unwrap();
    assert_eq!((outpoint, contract.contract.terms.state), (open.outpoint(0), State::Revealed));
    grow(&mut chain, u32::from(terms.periods.contest), 1);
    let revealed = contract_output(&open.outputs[0], 0).unwrap().unwrap();
    let end = finalize(outpoint, &open.outputs[0], &revealed, Signer::Node, &key("node"), network());
    assert_eq!(mine(&mut chain, stranger(1), vec![end.clone()]).transactions.len(), 2);
    world.follow(&chain);
    world.run(8);
    world.assert_at(&chain);
    assert_eq!(world.light.ledger().contracts().count(), 0);
    assert_eq!(world.light.holdings().in_jobs, Amount::ZERO);
    let line = &world.light.ledger().history()[0];
    assert_eq!((line.kind, line.received), (Kind::Job { by: Some(Move::Finalize) }, end.outputs[2].value));
    let heights: Vec<u32> = told(&world).iter().map(|(height, _)| height.0).collect();
    assert_eq!(heights, [9, 10, chain.height().0]);
}

#[test]
fn a_refund_is_undone_with_its_blocks() {
    let (mut chain, stake, coin) = funded();
    let (settle, terms) = settlement(&stake, &coin);
    mine(&mut chain, stranger(1), vec![settle.clone()]);
    grow(&mut chain, u32::from(terms.periods.reveal), 1);
    let asked = demand(settle.outpoint(0), &settle.outputs[0], &terms, &client_key(), network());
    mine(&mut chain, stranger(1), vec![asked.clone()]);
    grow(&mut chain, u32::from(terms.periods.grace), 1);
    let before = chain.clone();
    let demanded = terms.in_state(State::Demanded);
    let refund =
        claim(asked.outpoint(0), &asked.outputs[0], &demanded, &client_key(), our_hash(Branch::Change, 1), network());
    assert_eq!(mine(&mut chain, stranger(1), vec![refund.clone()]).transactions.len(), 2);
    let mut world = World::new(vec![(Play::Honest, chain.clone())]);
    world.run(6);
    world.assert_at(&chain);
    assert_eq!(told(&world).len(), 3);
    assert_eq!(world.light.ledger().contracts().count(), 0);
    let line = &world.light.ledger().history()[0];
    assert_eq!((line.kind, line.change()), (Kind::Job { by: Some(Move::Claim) }, refund.outputs[0].value.0 as i64));

    let mut other = before;
    grow(&mut other, 2, 7);
    world.follow(&other);
    world.run(8);
    world.assert_at(&other);
    let open = world.light.ledger().contracts().next().map(|(o, c)| (*o, c.contract.terms.state));
    assert_eq!(open, Some((asked.outpoint(0), State::Demanded)));
    assert_eq!(told(&world).len(), 2);
}

#[test]
fn a_new_job_s_keys_are_watched_and_its_payment_waits() {
    let (mut chain, stake, coin) = funded();
    let mut world = World::new(vec![(Play::Honest, chain.clone())]);
    world.run(6);
    assert_eq!(world.light.keyring().unused_job(), 0);
    world.light.note_job(INDEX).unwrap();
    assert!(world.light.is_looking_back());
    world.run(2);
    assert!(!world.light.is_looking_back());
    let (tx, terms) = settlement(&stake, &coin);
    let now = world.now();
    world.light.submit(tx.clone(), now).unwrap();
    let holdings = world.light.holdings();
    assert_eq!((holdings.confirmed, holdings.in_jobs), (Amount::ZERO, terms.reserve));
    assert_eq!(holdings.pending, tx.outputs[2].value);
    world.run(2);
    assert_eq!(world.submitted, core::slice::from_ref(&tx));
    mine(&mut chain, stranger(1), vec![tx]);
    world.follow(&chain);
    world.run(8);
    world.assert_at(&chain);
    assert_eq!((world.light.ledger().contracts().count(), told(&world).len()), (1, 1));
}
