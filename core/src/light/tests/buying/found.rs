//! Open settlements that a wallet finds which was restored from its words alone.

use super::node::Node;
use super::town::*;
use crate::job::JobStatus;
use crate::light::tests::world::*;
use crate::light::{Anchor, JobState, LightClient, Limits};
use crate::units::{Amount, COIN, Height};

/// A town whose client paid, and then lost all but its words.
fn lost(node: Node) -> (Town, crate::hash::JobId) {
    let mut town = Town::new(node, 2);
    town.checks = false;
    let job = town.create();
    town.until_state(&job, JobState::WaitingForKey);
    town.store.clear();
    town.start_with(LightClient::new(dev(), Anchor::genesis(dev()), Height(0), keyring(), Limits::default()));
    assert!(town.jobs.views(&town.world.light).is_empty());
    town.until("found", |town| !town.jobs.found(&town.world.light).is_empty());
    (town, job)
}

#[test]
fn the_money_of_a_job_that_nobody_answers_comes_back_to_a_restored_wallet() {
    let (mut town, job) = lost(Node::SilentAfterPayment);
    let found = town.jobs.found(&town.world.light);
    let (money, bound) = (town.money(), found[0].1);
    assert_eq!((found.len(), found[0].0), (1, job));
    assert!(bound.amount > Amount(2 * COIN));
    town.until("back", |town| town.jobs.found(&town.world.light).is_empty());
    assert!(town.chain.height() <= bound.until.plus(8), "back at {}, said {}", town.chain.height(), bound.until);
    // With the stake, less fees.
    assert!(town.money().0 > money.0 + 4 * COIN - 100_000, "{} after {money}", town.money());
    assert!(town.world.blamed.is_empty(), "{:?}", town.world.blamed);
}

#[test]
fn a_node_that_answers_is_paid_although_its_client_lost_everything() {
    let (mut town, job) = lost(Node::Honest);
    let money = town.money();
    let reserve = town.jobs.found(&town.world.light)[0].1.amount.0 - 2 * COIN;
    // It reveals on chain; what was held back returns, less the fees of the moves.
    town.until("over", |town| town.jobs.found(&town.world.light).is_empty());
    let back = town.money().0 - money.0;
    assert!(back > 0 && back < reserve, "{back} of {reserve}");
    town.until("paid", |town| town.deals[&job].status() == JobStatus::Closed);
}

#[test]
fn a_restart_in_between_changes_nothing() {
    let (mut town, _) = lost(Node::SilentAfterPayment);
    let money = town.money();
    for _ in 0..400 {
        town.run(2);
        if town.jobs.found(&town.world.light).is_empty() {
            break;
        }
        town.restart();
        town.run(3);
    }
    assert!(town.money().0 > money.0 + 4 * COIN - 100_000, "{} after {money}", town.money());
}
