//! Absolute and relative locks (`docs/protocol.md`, "Validity of blocks"; BIP65, BIP68, BIP113).

use super::transaction_rules::{ChainView, NextBlock};
use super::{CheckError, TransactionError};
use crate::transaction::{Coin, RelativeLock, Sequence, Transaction};
use crate::units::{Height, Timestamp};

/// Whether the transaction's lock time has passed for a block at this height on a parent with this median time past.
pub fn check_finality(tx: &Transaction, next: &NextBlock<'_>) -> Result<(), TransactionError> {
    // "A lock time is off when it is zero or when every input's sequence is 0xffffffff. Else a lock time below
    // 500,000,000 is a height and has to be below the block's height; a larger one is a time and has to be below the
    // median time past of the block's parent."
    if tx.lock_time == 0 || tx.inputs.iter().all(|i| i.sequence == Sequence::FINAL) {
        return Ok(());
    }
    if tx.lock_time < Transaction::LOCK_TIME_THRESHOLD {
        let lock = Height(tx.lock_time);
        if lock >= next.height {
            return Err(TransactionError::LockedUntilHeight { lock, height: next.height });
        }
    } else {
        let lock = Timestamp(tx.lock_time);
        if lock >= next.median_time_past {
            return Err(TransactionError::LockedUntilTime { lock, median: next.median_time_past });
        }
    }
    Ok(())
}

/// Whether the relative locks of all inputs have passed. `spent` are the coins of the inputs, in order.
pub fn check_relative_locks<V: ChainView>(
    tx: &Transaction,
    spent: &[Coin],
    next: &NextBlock<'_>,
    view: &V,
) -> Result<(), CheckError<TransactionError, V::Error>> {
    for (index, (input, coin)) in tx.inputs.iter().zip(spent).enumerate() {
        match input.sequence.relative_lock() {
            // "A sequence whose bit 31 is set has no relative lock."
            None => {}
            // "A relative lock of n blocks is open in a block whose height is at least the coin's plus n."
            Some(RelativeLock::Blocks(blocks)) => {
                let from = coin.height.plus(blocks.into());
                if next.height < from {
                    return Err(TransactionError::RelativeHeight { input: index, from, height: next.height }.into());
                }
            }
            // "A relative lock of n times 512 seconds is open once the median time past of the block's parent is at
            // least that of the parent of the coin's block plus n times 512."
            Some(RelativeLock::Time(times)) => {
                let parent = Height(coin.height.0.saturating_sub(1));
                let start = if parent.next() == next.height {
                    next.median_time_past
                } else {
                    view.median_time_past(parent).map_err(CheckError::Store)?
                };
                let (from, median) = (Timestamp(start.0.saturating_add(u32::from(times) << 9)), next.median_time_past);
                if median < from {
                    return Err(TransactionError::RelativeTime { input: index, from, median }.into());
                }
            }
        }
    }
    Ok(())
}
