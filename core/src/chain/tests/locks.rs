//! Lock times and relative locks, at their edges.

use super::*;
use crate::transaction::Sequence;
use crate::units::{COIN, Height};
use alloc::collections::BTreeMap;
use core::slice;

fn check(chain: &TestChain, lock_time: u32, sequence: Sequence) -> Result<(), TransactionError> {
    let coin = reward(chain, 2);
    let tx = TransactionBuilder::new()
        .input_after(coin.0, sequence)
        .output(Amount(50 * COIN), pay_to(1))
        .lock_time(lock_time)
        .build();
    let tx = sign(tx, slice::from_ref(&coin), 0);
    let checked = chain.check_transaction_for_next_block(&tx, &BTreeMap::new());
    match checked {
        Ok(_) => Ok(()),
        Err(CheckError::Rule(error)) => Err(error),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn lock_time_by_height_and_by_median_time() {
    let chain = grown(12);
    let height = Height(13);
    let on = Sequence::NO_RELATIVE_LOCK;
    assert_eq!(check(&chain, 12, on), Ok(()));
    let lock = Height(13);
    assert_eq!(check(&chain, 13, on), Err(TransactionError::LockedUntilHeight { lock, height }));
    assert_eq!(check(&chain, 13, Sequence::FINAL), Ok(()));
    let lock = Height(499_999_999);
    assert_eq!(check(&chain, lock.0, on), Err(TransactionError::LockedUntilHeight { lock, height }));
    let median = chain.median_time_past();
    assert_eq!(check(&chain, median.0 - 1, on), Ok(()));
    assert_eq!(check(&chain, 500_000_000, on), Ok(()));
    assert_eq!(check(&chain, median.0, on), Err(TransactionError::LockedUntilTime { lock: median, median }));
    assert_eq!(check(&chain, median.0, Sequence::FINAL), Ok(()));
}

#[test]
fn relative_locks_by_height() {
    let chain = grown(12);
    // The coin is of height 2, the block of height 13.
    assert_eq!(check(&chain, 0, Sequence::blocks(11)), Ok(()));
    let (from, height) = (Height(14), Height(13));
    assert_eq!(
        check(&chain, 0, Sequence::blocks(12)),
        Err(TransactionError::RelativeHeight { input: 0, from, height })
    );
    let off = Sequence(1 << 31 | 500);
    assert_eq!(check(&chain, 0, off), Ok(()));
}

#[test]
fn relative_locks_by_time() {
    let mut chain = grown(12);
    for n in 0..12 {
        let block = next_block(&chain, 0, [], start().0 + 1100 + 2 * n);
        chain.accept_block(block, LATE).unwrap();
    }
    let times = |n: u32| Sequence(1 << 22 | n);
    let before = chain.header(&chain.hash_at(Height(1)).unwrap().unwrap()).unwrap().unwrap().median_time_past;
    let median = chain.median_time_past();
    let open = (median.0 - before.0) / 512;
    assert!(open >= 2);
    assert_eq!(check(&chain, 0, times(open)), Ok(()));
    let from = Timestamp(before.0 + 512 * (open + 1));
    assert_eq!(check(&chain, 0, times(open + 1)), Err(TransactionError::RelativeTime { input: 0, from, median }));
    // A coin that the next block itself would make: its own parent's median counts.
    let coin = reward(&chain, 2);
    let first = spend(slice::from_ref(&coin), 0, &[50 * COIN], 0);
    let made = (first.outpoint(0), first.outputs[0].clone());
    let chained = |sequence| {
        let tx = TransactionBuilder::new().input_after(made.0, sequence).output(Amount(1), pay_to(1)).build();
        sign(tx, slice::from_ref(&made), 0)
    };
    for (sequence, taken) in [(times(0), 0), (times(1), 1), (Sequence::blocks(0), 0), (Sequence::blocks(1), 1)] {
        let template = chain.build_template(pay_to(0), [first.clone(), chained(sequence)], LATE).unwrap();
        assert_eq!(template.left_out.len(), taken, "{sequence:?}");
    }
}
