//! The checks of a block's scripts on all cores.

use camelid_core::chain::{NextBlock, ScriptCheck, TransactionError};
use rayon::prelude::*;

/// So few checks are done before other threads have woken up.
const FEW: usize = 4;

/// Runs the checks side by side: a [`camelid_core::chain::ScriptRunner`]. Which one fails first in the block does not depend on
/// the threads.
pub fn on_all_cores(checks: &[ScriptCheck<'_>], next: &NextBlock<'_>) -> Option<(usize, TransactionError)> {
    if checks.len() <= FEW {
        return camelid_core::chain::one_by_one(checks, next);
    }
    let failed = |(at, check): (usize, &ScriptCheck<'_>)| check.run(next).err().map(|error| (at, error));
    checks.par_iter().enumerate().find_map_first(failed)
}
