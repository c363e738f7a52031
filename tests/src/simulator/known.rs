//! What one node of a simulation has checked, the others take: the same signature over the same bytes is good or bad for
//! everybody, and twenty nodes that each try it are no better a test of their agreeing than one.

use camelid_core::chain::{NextBlock, ScriptCheck, TransactionError};
use camelid_core::encode::Encode;
use camelid_core::hash::{Hash32, Txid};
use camelid_core::message::{Envelope, EnvelopeError, Payload};
use camelid_core::units::{Height, Network};
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

/// All that the check of a transaction's scripts depends on: the coins may have another height on another branch.
type Spend = (Txid, Height, Vec<Vec<u8>>);

#[derive(Default)]
struct Known {
    opened: HashMap<(Hash32, [u8; 64]), Payload>,
    spends: HashSet<Spend>,
}

thread_local! {
    /// A chain's runner is a plain function, and a story is played by one thread.
    static KNOWN: RefCell<Known> = RefCell::default();
}

/// Forgets everything: another story begins.
pub fn forget() {
    KNOWN.take();
}

/// Opens an envelope, or remembers what was in it.
pub fn open(envelope: &Envelope, id: Hash32) -> Result<Payload, EnvelopeError> {
    let key = (id, envelope.signature);
    if let Some(payload) = KNOWN.with_borrow(|known| known.opened.get(&key).cloned()) {
        return Ok(payload);
    }
    let payload = envelope.open(Network::Dev)?;
    KNOWN.with_borrow_mut(|known| known.opened.insert(key, payload.clone()));
    Ok(payload)
}

/// Runs the checks of a block that no node has run yet, a [`camelid_core::chain::ScriptRunner`].
pub fn run_new(
    checks: &[ScriptCheck<'_>],
    next: &NextBlock<'_>,
    meanwhile: &mut dyn FnMut(),
) -> Option<(usize, TransactionError)> {
    for (at, check) in checks.iter().enumerate() {
        let spend = (check.tx.txid(), next.height, check.spent.iter().map(Encode::to_bytes).collect());
        if KNOWN.with_borrow(|known| known.spends.contains(&spend)) {
            continue;
        }
        if let Err(error) = check.run(next) {
            return Some((at, error));
        }
        KNOWN.with_borrow_mut(|known| known.spends.insert(spend));
    }
    meanwhile();
    None
}
