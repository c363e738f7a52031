//! Keys that come into view, payments, and what becomes of them.

use super::world::*;
use crate::light::Anchor;
use crate::light::{Event, Kind, LightClient, Limits, PendingError};
use crate::transaction::TxOut;
use crate::units::{Amount, COIN, Height};
use crate::wallet::{FeeRate, PaymentError};
use alloc::vec;
use alloc::vec::Vec;

#[test]
fn keys_behind_the_gap_are_found_in_earlier_blocks() {
    let mut chain = empty();
    // Each is out of view until the next one has been seen.
    for index in [70, 52, 34, 17] {
        grow(&mut chain, 3, 1);
        mine(&mut chain, ours(index), vec![]);
    }
    grow(&mut chain, 3, 1);
    // With room for all filters, and with room for none.
    for filter_bytes in [1 << 20, 0] {
        let limits = Limits { filter_bytes, ..Limits::default() };
        let light = LightClient::new(dev(), Anchor::genesis(dev()), Height(0), keyring(), limits);
        let mut world = World::with(light, vec![(Play::Honest, chain.clone()), (Play::Honest, chain.clone())]);
        world.run(10);
        world.assert_at(&chain);
        assert_eq!(world.light.ledger().coins().count(), 4);
        assert_eq!(world.light.keyring().first_unused(crate::wallet::Branch::Receive), 71);
        let filters = world.asked["filters"];
        assert!(if filter_bytes == 0 { filters > 2 } else { filters == 1 }, "{filters}");
    }
}

#[test]
fn blocks_before_the_birthday_are_not_looked_at() {
    let mut chain = empty();
    mine(&mut chain, ours(0), vec![]);
    grow(&mut chain, 20, 1);
    mine(&mut chain, ours(1), vec![]);
    let light = LightClient::new(dev(), Anchor::genesis(dev()), Height(15), keyring(), Limits::default());
    let mut world = World::with(light, vec![(Play::Honest, chain.clone())]);
    world.run(5);
    assert_eq!((world.light.scanned(), world.light.filters().first()), (chain.height(), Height(15)));
    assert_eq!(world.light.ledger().coins().count(), 1);
    assert_eq!(world.asked["blocks"], 1);
    // The chain leaves below it: money may be in its blocks.
    let mut other = up_to(&chain, 9);
    mine(&mut other, ours(3), vec![]);
    grow(&mut other, 20, 2);
    world.follow(&other);
    world.run(10);
    assert_eq!((world.light.scanned(), world.light.filters().first()), (other.height(), Height(10)));
    let coins: Vec<_> = world.light.ledger().coins().map(|(_, coin)| coin.height).collect();
    assert_eq!(coins, [Height(10)]);
}

/// A world in which we have two coins of 50.
fn rich(plays: &[Play]) -> (World, TestChain) {
    let mut chain = empty();
    mine(&mut chain, ours(0), vec![]);
    mine(&mut chain, ours(0), vec![]);
    grow(&mut chain, 6, 1);
    let mut world = World::new(plays.iter().map(|play| (*play, chain.clone())).collect());
    world.run(5);
    world.assert_at(&chain);
    (world, chain)
}

fn pay_out(value: u64) -> Vec<TxOut> {
    vec![TxOut { value: Amount(value), script_pubkey: stranger(8) }]
}

#[test]
fn a_payment_is_submitted_mined_unmined_and_submitted_again() {
    let (mut world, mut chain) = rich(&[Play::Honest, Play::Honest]);
    let paid = world.light.prepare(pay_out(30 * COIN), FeeRate(1000)).unwrap();
    let now = world.now();
    let txid = world.light.submit(paid.tx.clone(), now).unwrap();
    assert_eq!(world.light.submit(paid.tx.clone(), now), Ok(txid));
    let holdings = world.light.holdings();
    assert_eq!((holdings.confirmed.0, holdings.pending), (50 * COIN, paid.change));
    // Its coin is taken, its change not there before somebody took it.
    let next = Height(chain.height().0 + 1);
    assert_eq!(world.light.ledger().spendable(next, dev()).len(), 1);
    let too_much = world.light.prepare(pay_out(60 * COIN), FeeRate(1000));
    assert!(matches!(too_much, Err(PaymentError::TooLittleMoney { .. })), "{too_much:?}");
    let stolen = spend(&paid.spent, &[(COIN, stranger(1))], world.light.keyring());
    let refused = world.light.submit(stolen, now);
    assert_eq!(refused, Err(PendingError::Spent { coin: paid.spent[0].0, by: txid }));
    world.run(3);
    assert_eq!(world.submitted, core::slice::from_ref(&paid.tx));
    assert!(world.events.iter().any(|e| matches!(e, Event::Submitted { txid: t, .. } if *t == txid)));
    let line = world.light.ledger().history()[0].clone();
    assert_eq!((line.height, line.kind), (None, Kind::Sent { fee: Some(paid.fee) }));
    assert_eq!(line.change(), -((30 * COIN + paid.fee.0) as i64));
    // Change may be spent at once.
    assert_eq!(world.light.ledger().spendable(next, dev()).len(), 2);
    let second = world.light.prepare(pay_out(60 * COIN), FeeRate(1000)).unwrap();
    world.light.submit(second.tx.clone(), now).unwrap();
    world.run(3);
    assert_eq!(world.submitted.len(), 2);

    let before = chain.clone();
    mine(&mut chain, stranger(2), vec![paid.tx.clone(), second.tx.clone()]);
    world.follow(&chain);
    world.run(8);
    world.assert_at(&chain);
    assert!(world.light.ledger().pending().is_empty());
    let left = 100 * COIN - 90 * COIN - paid.fee.0 - second.fee.0;
    assert_eq!((world.light.holdings().confirmed.0, world.light.holdings().pending.0), (left, 0));

    // A chain without it: both wait again, and are submitted once more.
    let mut other = before;
    grow(&mut other, 2, 3);
    world.follow(&other);
    world.run(10);
    world.assert_at(&other);
    assert_eq!(world.light.ledger().pending().len(), 2);
    assert_eq!(world.light.holdings().confirmed.0, 0);
    assert_eq!(world.light.holdings().pending.0, left);
    assert_eq!(world.submitted.len(), 4);

    // Another spend of the first one's coin is mined: neither can be any more.
    let other_spend = spend(&paid.spent, &[(20 * COIN, ours(5))], world.light.keyring());
    mine(&mut other, stranger(3), vec![other_spend]);
    world.follow(&other);
    world.run(8);
    world.assert_at(&other);
    assert!(world.light.ledger().pending().is_empty());
    assert_eq!(world.light.holdings().confirmed.0, 70 * COIN);
    grow(&mut other, 12, 3);
    world.follow(&other);
    world.run(10);
    assert_eq!(world.submitted.len(), 4);
}

#[test]
fn a_refusal_by_two_peers_is_for_good_and_one_by_a_single_peer_is_not() {
    let (mut world, _) = rich(&[Play::Refuser, Play::Refuser, Play::Honest]);
    let paid = world.light.prepare(pay_out(COIN), FeeRate(1000)).unwrap();
    let now = world.now();
    let txid = world.light.submit(paid.tx.clone(), now).unwrap();
    world.run(3);
    assert!(world.light.ledger().pending().is_empty() && world.submitted.is_empty());
    assert!(world.events.iter().any(|e| matches!(e, Event::Refused { txid: t, .. } if *t == txid)));
    assert_eq!(world.light.holdings().confirmed.0, 100 * COIN);

    let (mut world, _) = rich(&[Play::Refuser, Play::Honest]);
    let now = world.now();
    world.light.submit(paid.tx.clone(), now).unwrap();
    world.run(3);
    assert_eq!((world.light.ledger().pending().len(), world.submitted.len()), (1, 1));

    // Nobody is there: it waits, and goes out when somebody comes.
    let (mut world, chain) = rich(&[Play::Honest]);
    world.light.disconnected(&0);
    let now = world.now();
    world.light.submit(paid.tx.clone(), now).unwrap();
    world.run(3);
    assert!(world.submitted.is_empty());
    world.peers.push((Play::Honest, chain));
    world.light.connected(1);
    world.run(3);
    assert_eq!(world.submitted, [paid.tx]);
}

#[test]
fn coins_that_are_put_aside_are_not_paid_with() {
    let (mut world, _) = rich(&[Play::Honest]);
    let coin = *world.light.ledger().coins().next().unwrap().0;
    world.light.ledger_mut().hold([coin]);
    let holdings = world.light.holdings();
    assert_eq!((holdings.confirmed.0, holdings.in_jobs.0), (50 * COIN, 50 * COIN));
    assert!(world.light.prepare(pay_out(60 * COIN), FeeRate(1000)).is_err());
    world.light.ledger_mut().release(&[coin]);
    world.light.prepare(pay_out(60 * COIN), FeeRate(1000)).unwrap();
    let nothing = spend(&[], &[(5000, stranger(1))], world.light.keyring());
    let now = world.now();
    assert!(matches!(world.light.submit(nothing, now), Err(PendingError::NotOurs { .. })));
}
