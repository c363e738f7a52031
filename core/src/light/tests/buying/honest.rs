//! Jobs that go as they should.

use super::node::Node;
use super::town::*;
use crate::contract::Move;
use crate::job::JobStatus;
use crate::light::{JobEvent, JobState, Kind};
use crate::message::Payload;
use crate::units::{Amount, COIN};
use alloc::vec::Vec;

#[test]
fn an_honest_job_goes_to_its_end() {
    let mut town = Town::new(Node::Honest, 2);
    let before = town.money();
    let estimate = town.estimate(Some(Amount(2 * COIN)));
    assert_eq!((estimate.problem.clone(), estimate.readers.len()), (None, 1));
    let job = town.create();
    assert_eq!(town.held(), 1);
    assert_eq!(town.world.light.keyring().unused_job(), 1);
    town.until_over(&job);
    let view = town.view(&job);
    assert_eq!(view.answer.as_deref(), Some(&ANSWER[..]));
    assert!(view.verdict.as_ref().unwrap().holds());
    use JobState::*;
    let order = [WaitingForNode, Computing, Paying, WaitingForBlock, WaitingForKey, Settling, Done];
    let states: Vec<JobState> = town.states(&job).into_iter().filter(|state| *state != Checking).collect();
    assert_eq!(states, order);
    let times: Vec<_> = view.states.iter().map(|entry| entry.time).collect();
    assert!(times.is_sorted() && times[0] < *times.last().unwrap());
    assert_eq!(view.node.unwrap().peer, crate::job::fixtures::peer("node"));
    let payment = view.payment.unwrap();
    assert_eq!((payment.reward, payment.fee, payment.reserve), (Amount(2 * COIN), estimate.fee, estimate.reserve));
    assert!(payment.height.is_some() && view.bound.is_none());
    // What it cost: reward, fee, and the fee of the close.
    let cost = before.0 - town.money().0;
    assert_eq!(cost, estimate.reward.0 + estimate.fee.0 + 7_000);
    assert!(cost < estimate.total.0);
    assert_eq!((town.held(), town.jobs.is_idle()), (0, true));
    assert_eq!(town.world.light.holdings().in_jobs, Amount::ZERO);
    let last = &town.world.light.ledger().history()[0];
    assert_eq!((last.kind, last.job), (Kind::Job { by: Some(Move::Close) }, Some(job)));
    assert!(town.told.contains(&JobEvent::Changed(job)) && town.told.contains(&JobEvent::Market));
    assert!(town.world.blamed.is_empty(), "{:?}", town.world.blamed);
    assert_eq!(town.job_pool.get(&job).unwrap().status, JobStatus::Closed);
    assert_eq!(town.verified, 1);
    // It is shown until it is forgotten.
    assert_eq!((town.jobs.views(&town.world.light).len(), town.store.len()), (1, 1));
    town.jobs.forget(&job).unwrap();
    town.talk();
    assert_eq!((town.jobs.views(&town.world.light).len(), town.store.len()), (0, 0));
}

#[test]
fn without_a_reward_the_cheapest_is_paid_what_it_asks() {
    let mut town = Town::new(Node::Honest, 1);
    let estimate = town.estimate(None);
    assert_eq!(estimate.problem, None);
    // 11 tokens at a coin for a thousand.
    assert_eq!((estimate.reward, estimate.least_reward), (Amount(COIN * 11 / 1000), Some(Amount(COIN * 11 / 1000))));
    let request = crate::light::JobRequest { reward: None, ..request() };
    let now = town.world.now();
    let job = town.jobs.create(&mut town.world.light, request, now).unwrap();
    town.until_over(&job);
    assert_eq!((town.state(&job), town.view(&job).reward), (JobState::Done, estimate.reward));
}

#[test]
fn two_jobs_at_once_pay_with_coins_of_their_own() {
    let mut town = Town::new(Node::Honest, 2);
    let jobs = [town.create(), town.create()];
    assert_ne!(jobs[0], jobs[1]);
    assert_eq!(town.held(), 2);
    assert_eq!(town.world.light.keyring().unused_job(), 2);
    // Nor does a plain payment take them.
    let free = town.world.light.holdings();
    assert_eq!((free.confirmed, free.in_jobs), (Amount(50 * COIN), Amount(100 * COIN)));
    let spendable = town.world.light.ledger().spendable(town.chain.height().next(), crate::light::tests::world::dev());
    assert_eq!(spendable.len(), 1);
    for job in jobs {
        town.until_over(&job);
        assert_eq!(town.state(&job), JobState::Done);
    }
    assert_eq!(town.held(), 0);
    let creates = town.count(|payload| matches!(payload, Payload::JobCreate(_)));
    assert!(creates >= 2);
}

#[test]
fn nothing_is_said_before_it_is_saved() {
    let mut town = Town::new(Node::Honest, 2);
    town.disk_full = true;
    let job = town.create();
    town.run(10);
    assert!(town.said.is_empty(), "{:?}", town.said);
    assert_eq!((town.state(&job), town.job_pool.len()), (JobState::WaitingForNode, 0));
    town.disk_full = false;
    town.until("taken", |town| town.view(&job).node.is_some());
    // The payment waits too, however much is asked.
    town.disk_full = true;
    // What was saved may go out.
    town.run(1);
    let said = town.said.len();
    town.run(20);
    assert!(town.world.light.ledger().pending().is_empty());
    assert_eq!(town.said.len(), said);
    assert!(town.pool.is_empty());
    town.disk_full = false;
    town.until_over(&job);
    assert_eq!(town.state(&job), JobState::Done);
}

#[test]
fn an_answer_that_is_not_checked_is_paid_for_and_may_be_checked_later() {
    let mut town = Town::new(Node::Honest, 1);
    let request = crate::light::JobRequest { verify: crate::deal::VerifyMode::None, ..request() };
    let now = town.world.now();
    let job = town.jobs.create(&mut town.world.light, request, now).unwrap();
    town.until_over(&job);
    assert_eq!((town.state(&job), town.verified), (JobState::Done, 0));
    let verdict = crate::deal::DealVerdict { checked: 4, ..Default::default() };
    let now = town.world.now();
    town.jobs.on_verified(&town.world.light, &job, verdict.clone(), now);
    town.talk();
    town.restart();
    let view = town.view(&job);
    assert_eq!((view.state, view.verdict, view.checked_again), (JobState::Done, None, Some(verdict)));
}
