//! The client stops and starts again, and the chain changes its mind.

use super::node::Node;
use super::town::*;
use crate::light::tests::world::*;
use crate::light::{Anchor, Event, JobState, LightClient, Limits, RestoreError};
use crate::units::Height;
use alloc::vec::Vec;

#[test]
fn a_job_goes_on_after_a_restart_at_any_moment() {
    // At each second of its life.
    for second in 0..40 {
        let mut town = Town::new(Node::Honest, 1);
        let job = town.create();
        town.talk();
        town.run(second);
        let before = town.state(&job);
        town.restart();
        assert_eq!(town.state(&job), before, "at second {second}");
        assert_eq!(town.world.light.keyring().unused_job(), 1);
        town.until_over(&job);
        assert_eq!((town.state(&job), town.held()), (JobState::Done, 0), "at second {second}");
        assert!(town.world.blamed.is_empty(), "{:?}", town.world.blamed);
    }
}

#[test]
fn a_job_goes_on_where_its_client_stops_all_the_time() {
    for node in [Node::Honest, Node::SilentAfterPayment, Node::WrongToken] {
        let mut town = Town::new(node, 1);
        let job = town.create();
        town.talk();
        for _ in 0..400 {
            town.run(2);
            if town.view(&job).over {
                break;
            }
            town.restart();
        }
        let end = match node {
            Node::Honest => JobState::Done,
            Node::WrongToken => JobState::Failed,
            _ => JobState::Returned,
        };
        assert_eq!(town.state(&job), end, "{node:?}: {:?}", town.states(&job));
        assert_eq!(town.held(), 0);
    }
}

/// The client's own state is older than its jobs', or gone: the jobs follow the books again.
#[test]
fn a_job_is_not_fooled_by_a_client_that_knows_less_or_more() {
    let mut town = Town::new(Node::SilentAfterPayment, 1);
    let job = town.create();
    town.until("paid", |town| town.view(&job).payment.is_some());
    let old = town.disk.clone();
    town.until_state(&job, JobState::WaitingForKey);
    // Older: it is told of the block once more.
    town.start_with(old.restore().unwrap());
    town.talk();
    town.until_state(&job, JobState::WaitingForKey);
    // Newer: the job was saved before the block came, the client after it. The job fetches the block.
    let stale = town.store.clone();
    town.until_state(&job, JobState::Disputing);
    town.store = stale;
    town.restart();
    town.until_state(&job, JobState::Returned);
    town.until_over(&job);
    // Gone: all is looked through again.
    let light = LightClient::new(dev(), Anchor::genesis(dev()), Height(0), keyring(), Limits::default());
    town.start_with(light);
    assert_eq!((town.state(&job), town.held()), (JobState::Returned, 0));
    assert_eq!(town.world.light.keyring().unused_job(), 1, "its keys are used, whatever the client knows");
}

#[test]
fn a_paid_job_waits_for_the_books() {
    let mut town = Town::new(Node::Honest, 1);
    let job = town.create();
    town.until_state(&job, JobState::WaitingForKey);
    let height = town.view(&job).payment.unwrap().height;
    // The client starts from nothing, and learns of headers before it has looked through the blocks.
    let light = LightClient::new(dev(), Anchor::genesis(dev()), Height(0), keyring(), Limits::default());
    town.start_with(light);
    // Long after the settlement would be dead, were it not mined.
    town.world.elapsed += core::time::Duration::from_secs(60);
    for _ in 0..330 {
        town.next_block();
    }
    town.world.steps(2, |_, _| {});
    assert!(town.world.light.headers().height() > town.world.light.scanned());
    town.tell();
    let now = town.world.now();
    town.jobs.next(&mut town.world.light, now);
    assert!(!town.view(&job).over, "{:?}", town.states(&job));
    assert_ne!(town.state(&job), JobState::Returned);
    town.until("mined", |town| town.view(&job).payment.unwrap().height.is_some());
    assert_eq!(town.view(&job).payment.unwrap().height, height);
}

#[test]
fn a_reorganisation_takes_the_settlement_out_and_in_again() {
    let mut town = Town::new(Node::Honest, 2);
    town.checks = false;
    let job = town.create();
    town.until_state(&job, JobState::WaitingForKey);
    let at = town.view(&job).payment.unwrap().height.unwrap();
    let settled = town.chain.block_at(at).unwrap().unwrap().block.transactions[1].clone();
    town.mining = false;
    town.fork(Height(at.0 - 1), Vec::new());
    town.until("out", |town| town.view(&job).payment.unwrap().height.is_none());
    assert!(town.world.events.iter().any(|event| matches!(event, Event::Reorganised { .. })));
    assert!(matches!(town.state(&job), JobState::WaitingForBlock | JobState::Checking));
    // It comes in again, two blocks higher.
    let tip = town.chain.height();
    town.fork(Height(tip.0 - 1), [settled].into());
    town.until("in", |town| town.view(&job).payment.unwrap().height == Some(tip));
    (town.mining, town.checks) = (true, true);
    town.restart();
    town.until_over(&job);
    assert_eq!(town.state(&job), JobState::Done);
}

#[test]
fn a_damaged_job_is_refused_and_its_coins_stay_bound() {
    let mut town = Town::new(Node::Away, 1);
    let jobs = [town.create(), town.create()];
    town.talk();
    assert_eq!(town.held(), 2);
    let (good, mut bad) = (town.store[&jobs[0]].clone(), town.store[&jobs[1]].clone());
    let restore = |light: &mut LightClient<usize>, records: &[&[u8]]| {
        let mut fresh = crate::light::Jobs::new(dev(), crate::job::fixtures::peer("client"));
        let refused = fresh.restore(light, records.iter().copied());
        (refused, fresh.views(light).len())
    };
    let mut light = town.disk.restore().unwrap();
    let whole = bad.clone();
    for place in (0..bad.len()).step_by(97) {
        bad[place] ^= 1;
        let (refused, there) = restore(&mut light, &[&bad, &good]);
        assert_eq!((refused.len(), refused[0].record, there), (1, 0, 1));
        assert_eq!(refused[0].error, RestoreError::Checksum);
        assert_eq!(light.ledger().held().count(), 2, "they may be the damaged job's");
        bad.clone_from(&whole);
    }
    // Forgotten on purpose: nothing binds its coins.
    let (refused, there) = restore(&mut light, &[&good]);
    assert_eq!((refused.len(), there, light.ledger().held().count()), (0, 1, 1));
    // Another wallet's, another network's.
    let other = crate::keys::Mnemonic::from_entropy(&[8; 16]).unwrap();
    let ring = crate::wallet::Keyring::new(crate::units::Network::Dev, &other).unwrap();
    let mut light = LightClient::new(dev(), Anchor::genesis(dev()), Height(0), ring, Limits::default());
    let (refused, _) = restore(&mut light, &[&good]);
    assert_eq!(refused[0].error, RestoreError::Mismatch { what: "job" });
}
