//! Where the pool of transactions ends: sizes, families, age; and what a restart brings back.

use super::*;
use crate::chain::TransactionError;

fn ids<'a>(txs: impl IntoIterator<Item = &'a Transaction>) -> Vec<crate::hash::Txid> {
    txs.into_iter().map(Transaction::txid).collect()
}

#[test]
fn few_stand_on_one() {
    let mut lab = Lab::new(PoolLimits { max_descendants: 3, ..PoolLimits::default() });
    let parent = spend(&[lab.coin(1)], 5, 1_000);
    lab.add(&parent).unwrap();
    let child = |n: u32, fee| spend(&[of(&parent, n)], 1, fee);
    for n in 0..3 {
        lab.add(&child(n, 1_000)).unwrap();
    }
    let refused = PoolError::Descendants { max: 3, found: 4, ancestor: parent.txid() };
    assert_eq!(lab.add(&child(3, 9_000)), Err(refused.clone()));
    // A grandchild counts too.
    assert_eq!(lab.add(&spend(&[of(&child(0, 1_000), 0)], 1, 9_000)), Err(refused));
    // One that takes the place of another does not.
    assert_eq!(lab.add(&child(2, 2_000)).unwrap().replaced.len(), 1);
    lab.mine([parent.clone()]);
    assert_eq!(lab.add(&child(3, 1_000)), Ok(Added::default()));
}

#[test]
fn one_replaces_few() {
    let mut lab = Lab::new(PoolLimits { max_replaced: 2, ..PoolLimits::default() });
    let all: Vec<_> = (1..=3).map(|n| spend(&[lab.coin(n)], 1, 1_000)).collect();
    for tx in &all {
        lab.add(tx).unwrap();
    }
    let coins = [1, 2, 3].map(|n| lab.coin(n));
    assert_eq!(lab.add(&spend(&coins, 1, 90_000)), Err(PoolError::Replaced { max: 2, found: 3 }));
    assert_eq!(lab.add(&spend(&coins[..2], 1, 90_000)).unwrap().replaced.len(), 2);
}

#[test]
fn what_a_block_could_hold_may_be_too_large_for_a_pool() {
    let mut lab = Lab::new(PoolLimits::default());
    let large = spend(&[lab.coin(1)], 3_000, 1_000_000);
    assert_eq!(lab.add(&large), Err(PoolError::TooLarge { max: 100_000, found: large.size() }));
    assert!(large.size() > 100_000);
    assert_eq!(lab.mine([large]), []);
}

#[test]
fn signatures_are_checked_last_and_a_conflict_is_one_only_when_they_hold() {
    let mut lab = Lab::new(PoolLimits::default());
    let first = spend(&[lab.coin(1)], 1, 2_000);
    lab.add(&first).unwrap();
    let unsigned = |coin, fee| {
        let mut tx = spend(&[coin], 1, fee);
        tx.inputs[0].script_sig = Default::default();
        tx
    };
    // The fee is asked for before signatures cost anything.
    assert!(matches!(lab.add(&unsigned(lab.coin(2), 10)), Err(PoolError::LowFee { .. })));
    // Whoever cannot spend a coin gives no alarm about it.
    for fee in [500, 90_000] {
        let refused = lab.add(&unsigned(lab.coin(1), fee));
        assert!(matches!(refused, Err(PoolError::Invalid(TransactionError::Script { .. }))), "{refused:?}");
        assert_eq!(lab.pool.conflict_seen(&first), None);
    }
    assert!(matches!(lab.add(&spend(&[lab.coin(1)], 2, 500)), Err(PoolError::Conflict { .. })));
    assert_eq!(lab.pool.conflict_seen(&first), Some(lab.now));
    let size = first.size();
    lab.pool = TransactionPool::new(PoolLimits { max_bytes: size + 10, ..PoolLimits::default() }, lab.rules());
    lab.add(&first).unwrap();
    assert!(matches!(lab.add(&unsigned(lab.coin(2), 1_000)), Err(PoolError::Full { .. })));
}

#[test]
fn a_restart_brings_back_what_still_holds_with_its_time_of_arrival() {
    let limits = PoolLimits { expiry_seconds: 100, ..PoolLimits::default() };
    let mut lab = Lab::new(limits);
    let parent = spend(&[lab.coin(1)], 2, 1_000);
    let child = spend(&[of(&parent, 0)], 1, 9_000);
    let mined = spend(&[lab.coin(2)], 1, 1_000);
    let old = spend(&[lab.coin(3)], 1, 1_000);
    let begun = lab.now;
    lab.add(&old).unwrap();
    lab.now.0 += 60;
    for tx in [&parent, &mined, &child] {
        lab.add(tx).unwrap();
    }
    let saved: Vec<_> = lab.pool.by_arrival().iter().map(|e| (e.transaction.clone(), e.added)).collect();
    assert_eq!(ids(saved.iter().map(|s| &s.0)), ids([&old, &parent, &mined, &child]));
    let came = lab.now;
    lab.now.0 += 39;
    // The pool's owner sleeps while a block comes.
    lab.mine([mined.clone()]);
    lab.pool = TransactionPool::new(limits, lab.rules());
    let mut refused = Vec::new();
    for (tx, added) in saved {
        match lab.pool.restore(tx, added, &lab.chain, lab.now) {
            Ok(added) => assert_eq!(added, Added::default()),
            Err(AddError::Refused(error)) => refused.push(error),
            Err(AddError::Chain(error)) => panic!("{error}"),
        }
    }
    assert!(matches!(refused[0], PoolError::Expired { max: 100, waited: 101 }), "{refused:?}");
    assert!(matches!(refused[1], PoolError::Invalid(TransactionError::MissingInput(_))), "{refused:?}");
    assert_eq!(refused.len(), 2);
    assert_eq!(ids(&lab.pool.by_fee_rate()), ids([&parent, &child]));
    assert!(lab.pool.entries().all(|(_, e)| e.added == came && came > begun));
    // A clock that was ahead makes nothing younger than now.
    let late = spend(&[lab.coin(4)], 1, 1_000);
    lab.pool.restore(late.clone(), Timestamp(lab.now.0 + 500), &lab.chain, lab.now).unwrap();
    assert_eq!(lab.pool.get(&late.txid()).unwrap().added, lab.now);
}
