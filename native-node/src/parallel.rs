//! The checks of a block's scripts on all cores.

use camelid_core::chain::{NextBlock, ScriptCheck, TransactionError};
use rayon::prelude::*;

/// So few checks are done before other threads have woken up.
const FEW: usize = 4;

/// Runs the checks side by side, and `meanwhile` on this thread: a [`camelid_core::chain::ScriptRunner`]. Which one fails first in
/// the block does not depend on the threads.
pub fn on_all_cores(
    checks: &[ScriptCheck<'_>],
    next: &NextBlock<'_>,
    meanwhile: &mut dyn FnMut(),
) -> Option<(usize, TransactionError)> {
    if checks.len() <= FEW {
        return camelid_core::chain::one_by_one(checks, next, meanwhile);
    }
    let failed = |(at, check): (usize, &ScriptCheck<'_>)| check.run(next).err().map(|error| (at, error));
    let mut found = None;
    rayon::in_place_scope(|scope| {
        scope.spawn(|_| found = checks.par_iter().enumerate().find_map_first(failed));
        meanwhile();
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use camelid_core::block::NetworkParams;
    use camelid_core::chain::one_by_one;
    use camelid_core::hash::Txid;
    use camelid_core::keys::SecretKey;
    use camelid_core::script::{sign_p2pkh_input, templates};
    use camelid_core::transaction::{Coin, OutPoint, Transaction, TransactionBuilder, TxOut};
    use camelid_core::units::{Amount, Height, Network, Timestamp};

    #[test]
    fn the_first_bad_script_of_many_is_found() {
        let owner = SecretKey::from_bytes([1; 32]).unwrap();
        let output = TxOut { value: Amount(10), script_pubkey: templates::p2pkh(owner.public_key().hash()) };
        let spend = |n: u8, bad: bool| {
            let outpoint = OutPoint { txid: Txid([n; 32]), index: 0 };
            let mut tx = TransactionBuilder::new().input(outpoint).output(Amount(9), templates::burn()).build();
            sign_p2pkh_input(&mut tx, 0, std::slice::from_ref(&output), &owner, Network::Dev).unwrap();
            // The signature is for another amount then.
            tx.outputs[0].value.0 -= u64::from(bad);
            tx
        };
        let next = NextBlock {
            params: NetworkParams::of(Network::Dev),
            height: Height(9),
            median_time_past: Timestamp(1_700_000_000),
        };
        let coin = Coin { output: output.clone(), height: Height(1), coinbase: false };
        let run = |bad: &[u8]| {
            let txs: Vec<Transaction> = (0..40).map(|n| spend(n, bad.contains(&n))).collect();
            let check = |(index, tx)| ScriptCheck { index, tx, spent: std::slice::from_ref(&coin) };
            let checks: Vec<_> = (1..).zip(&txs).map(check).collect();
            let (mut beside, mut after) = (0, 0);
            let found = on_all_cores(&checks, &next, &mut || beside += 1);
            assert_eq!(found, one_by_one(&checks, &next, &mut || after += 1));
            assert_eq!((beside, after), (1, usize::from(found.is_none())));
            found.map(|(at, _)| at)
        };
        assert_eq!(run(&[]), None);
        assert_eq!(run(&[39]), Some(39));
        for _ in 0..20 {
            // Halfway, where another thread begins: it finds its own at once.
            assert_eq!(run(&[19, 20]), Some(19));
        }
    }
}
