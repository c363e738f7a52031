//! Jobs that end otherwise: nobody takes them, they are given up, the answer is wrong or never comes.

use super::node::Node;
use super::peers::Lie;
use super::town::*;
use crate::light::{CancelError, ForgetError, JobProblem, JobState};
use crate::message::Payload;
use crate::transaction::TxOut;
use crate::units::{Amount, COIN};
use crate::wallet::FeeRate;
use alloc::vec;

#[test]
fn a_job_that_nobody_takes_ends_and_its_coins_are_free() {
    let mut town = Town::new(Node::Away, 2);
    let before = town.money();
    let job = town.create();
    let until = town.view(&job).bound.unwrap().until;
    town.until_over(&job);
    assert_eq!(town.states(&job), [JobState::WaitingForNode, JobState::Refused]);
    assert!(town.world.light.headers().height() <= until.plus(2));
    assert_eq!((town.held(), town.money()), (0, before));
    assert_eq!(town.view(&job).payment, None);
}

#[test]
fn a_node_that_accepts_and_is_silent_is_passed_over() {
    let mut town = Town::new(Node::SilentAfterAccept, 2);
    let job = town.create();
    town.until_state(&job, JobState::Computing);
    town.until_state(&job, JobState::WaitingForNode);
    town.node = Node::Honest;
    town.until_over(&job);
    assert_eq!(town.state(&job), JobState::Done);
}

#[test]
fn a_job_can_be_given_up_until_it_is_paid() {
    let mut town = Town::new(Node::SilentAfterAccept, 2);
    let first = town.create();
    town.until_state(&first, JobState::Computing);
    assert_eq!(town.held(), 1);
    let now = town.world.now();
    assert_eq!(town.jobs.forget(&first), Err(ForgetError::UnderWay));
    // The coins stay bound until the end is saved: a restart would go on with the job.
    town.disk_full = true;
    town.jobs.cancel(&town.world.light, &first, now).unwrap();
    town.talk();
    assert_eq!((town.state(&first), town.held()), (JobState::Refused, 1));
    town.disk_full = false;
    town.talk();
    assert_eq!(town.held(), 0);
    assert_eq!(town.jobs.cancel(&town.world.light, &first, now), Err(CancelError::Over));
    town.node = Node::Honest;
    let said = town.said.len();
    town.run(90);
    assert_eq!((town.state(&first), town.view(&first).payment), (JobState::Refused, None));
    assert_eq!(town.said.len(), said, "what is given up says nothing more");
    town.jobs.forget(&first).unwrap();

    let second = town.create();
    town.until("paid", |town| town.view(&second).payment.is_some());
    let now = town.world.now();
    let refused = town.jobs.cancel(&town.world.light, &second, now).unwrap_err();
    assert!(matches!(refused, CancelError::Paid { .. }), "{refused}");
    town.until_over(&second);
    assert_eq!(town.state(&second), JobState::Done);
    let unknown = crate::hash::JobId([1; 32]);
    assert_eq!(town.jobs.cancel(&town.world.light, &unknown, now), Err(CancelError::Unknown { job: unknown }));
}

#[test]
fn the_coins_of_a_job_that_was_given_up_are_known_for_a_while() {
    let mut town = Town::new(Node::Away, 1);
    let first = town.create();
    town.run(2);
    let until = town.jobs.view(&town.world.light, &first).unwrap().bound.unwrap().until.plus(10);
    let now = town.world.now();
    town.jobs.cancel(&town.world.light, &first, now).unwrap();
    // Others pay for the next ones.
    for _ in 0..2 {
        let job = town.create();
        town.run(2);
        let now = town.world.now();
        town.jobs.cancel(&town.world.light, &job, now).unwrap();
    }
    town.run(2);
    assert_eq!(town.held(), 0);
    for _ in 0..2 {
        let problem = town.estimate(Some(Amount(2 * COIN))).problem;
        assert_eq!(problem, Some(JobProblem::CoinsKnown { until: until.next() }));
        // Nor is it forgotten over a restart.
        town.restart();
        town.run(1);
        town.estimate(None);
        town.run(3);
    }
    // What is not offered to anybody is not known.
    town.until("free", |town| town.chain.height() > until);
    town.estimate(None);
    // Peers are asked for their tip every few seconds.
    town.run(8);
    town.disk_full = true;
    let job = town.create();
    town.run(2);
    let now = town.world.now();
    town.jobs.cancel(&town.world.light, &job, now).unwrap();
    town.disk_full = false;
    town.run(2);
    town.node = Node::Honest;
    let job = town.create();
    town.until_over(&job);
    assert_eq!(town.state(&job), JobState::Done);
}

#[test]
fn a_wrong_answer_is_not_closed() {
    let mut town = Town::new(Node::WrongToken, 2);
    let job = town.create();
    town.until_state(&job, JobState::Disputing);
    assert_eq!(town.view(&job).verdict.unwrap().wrong[0].position, 1);
    town.until_over(&job);
    assert_eq!(town.count(|payload| matches!(payload, Payload::JobClose(_))), 0);
    // The node reveals on chain and is paid in the end: without a proof on chain the money is gone.
    assert_eq!(town.state(&job), JobState::Failed);
    assert_eq!(town.held(), 0);
}

#[test]
fn a_wrong_answer_of_a_node_that_does_not_reveal_it_on_chain_costs_it_its_stake() {
    let mut town = Town::new(Node::WrongTokenThenSilent, 2);
    let before = town.money();
    let job = town.create();
    town.until_over(&job);
    assert!(town.states(&job).contains(&JobState::Disputing));
    assert_eq!((town.state(&job), town.held()), (JobState::Returned, 0));
    assert!(town.money() > before);
}

#[test]
fn an_answer_that_never_comes_costs_the_node_its_stake() {
    let mut town = Town::new(Node::SilentAfterPayment, 2);
    let before = town.money();
    let job = town.create();
    town.until_state(&job, JobState::WaitingForKey);
    let bound = town.view(&job).bound.unwrap();
    assert!(bound.amount > Amount(2 * COIN));
    town.until_state(&job, JobState::Disputing);
    town.until_state(&job, JobState::Returned);
    assert!(town.chain.height() <= bound.until.plus(8), "back at {}, said {}", town.chain.height(), bound.until);
    town.until_over(&job);
    assert_eq!(town.held(), 0);
    // The stake is ours, less fees.
    assert!(town.money() > before, "{} after {before}", town.money());
}

#[test]
fn a_settlement_that_is_never_mined_gives_the_money_back() {
    let mut town = Town::new(Node::Honest, 1);
    let before = town.money();
    let job = town.create();
    // The stake coin is spent in the block that would hold the settlement: pools and miners refuse it from then on.
    town.until("accepted", |town| town.deals.values().any(|deal| deal.testament.is_some()));
    let coin = town.deals[&job].accept.body.stake_coin;
    let value = town.deals[&job].stake_value;
    let mut tx = crate::transaction::TransactionBuilder::new()
        .input(coin)
        .output(Amount(value.0 - 1_000), crate::light::tests::world::stranger(8))
        .build();
    let node = crate::job::fixtures::key("node");
    let script_pubkey = crate::script::templates::p2pkh(node.public_key().hash());
    let spent = [TxOut { value, script_pubkey }];
    crate::script::sign_p2pkh_inputs(&mut tx, &spent, [&node], crate::units::Network::Dev).unwrap();
    let tip = town.chain.height();
    town.fork(crate::units::Height(tip.0 - 1), vec![tx]);
    town.until("paid", |town| town.view(&job).payment.is_some());
    assert_eq!(town.state(&job), JobState::Paying);
    town.run(30);
    assert!(town.view(&job).note.is_some(), "why it is refused is shown");
    assert_eq!(town.held(), 1);
    town.until_over(&job);
    assert_eq!((town.state(&job), town.held(), town.money()), (JobState::Returned, 0, before));
    // All of it can be spent again.
    let outputs = vec![TxOut { value: Amount(149 * COIN), script_pubkey: crate::light::tests::world::stranger(9) }];
    town.world.light.prepare(outputs, FeeRate(1_000)).unwrap();
}

#[test]
fn an_offer_that_everybody_refuses_is_given_up() {
    let mut town = Town::new(Node::Honest, 2);
    town.lies = [(0, Lie::Refuser), (1, Lie::Refuser)].into();
    let job = town.create();
    town.until_over(&job);
    assert_eq!((town.state(&job), town.held()), (JobState::Refused, 0));
    assert_eq!(town.view(&job).note.as_deref(), Some("no"));
    assert!(town.world.elapsed.as_secs() < 60);
}
