//! Payments of loose coins and of coins that the pool makes.

use super::lab::Lab;
use crate::Choices;
use crate::world::{PEOPLE, owner, params, pay_to, sign, spend};
use camelid_core::transaction::{Coin, OutPoint, Sequence, Transaction, TxOut};
use camelid_core::units::Amount;

/// Coins that somebody owns and could spend in the next block: of the chain, and of the pool.
pub(super) fn coins(lab: &Lab) -> Vec<(OutPoint, Coin)> {
    let next = lab.chain.height().next();
    let ripe = |c: &Coin| !c.coinbase || next >= c.height.plus(params().coinbase_maturity);
    let old = lab.chain.store().coins().iter().filter(|(o, c)| ripe(c) && lab.pool.spender(o).is_none());
    let made = lab.pool.entries().flat_map(|(txid, entry)| {
        (0..entry.transaction.outputs.len() as u32).map(|index| OutPoint { txid: *txid, index })
    });
    let new = made.filter_map(|o| Some((o, lab.pool.coin(&o, next)?)));
    let all = old.map(|(o, c)| (*o, c.clone())).chain(new);
    all.filter(|(_, c)| owner(&c.output).is_some()).collect()
}

/// Spends coins to people, for a fee; now and then not as it should be.
pub(super) fn pay(lab: &Lab, choices: &mut Choices<'_>) -> Option<Transaction> {
    let mut free = coins(lab);
    let mut spent = Vec::new();
    for _ in 0..=choices.below(3) {
        if !free.is_empty() {
            spent.push(free.swap_remove(choices.below(free.len())));
        }
    }
    (!spent.is_empty()).then(|| to_people(&spent, choices))
}

/// Spends what a transaction of the pool spends, for a higher fee or not.
pub(super) fn replace(lab: &Lab, choices: &mut Choices<'_>) -> Option<Transaction> {
    let entries: Vec<_> = lab.pool.entries().collect();
    let (_, entry) = entries.get(choices.below(entries.len().max(1)))?;
    let inputs = &entry.transaction.inputs;
    let contested = inputs.get(choices.below(inputs.len()))?.previous;
    let next = lab.chain.height().next();
    let parent = lab.pool.get(&contested.txid).and_then(|e| e.transaction.outputs.get(contested.index as usize));
    let in_pool = parent.map(|output| Coin { output: output.clone(), height: next, coinbase: false });
    let coin = in_pool.or(lab.chain.coin(&contested).ok().flatten())?;
    let mut spent = vec![(contested, coin)];
    if choices.below(3) == 0 {
        spent.extend(coins(lab).pop());
    }
    Some(to_people(&spent, choices))
}

fn to_people(spent: &[(OutPoint, Coin)], choices: &mut Choices<'_>) -> Transaction {
    let all: u64 = spent.iter().map(|c| c.1.output.value.0).sum();
    let fee = match choices.below(4) {
        0 => u64::from(choices.byte()),
        1 => u64::from(choices.short()),
        2 => u64::from(choices.word()),
        _ => 2_000 + u64::from(choices.byte()) * 8,
    };
    let parts = choices.below(4) as u64 + 1;
    let value = if choices.seldom() { all + 1 } else { all.saturating_sub(fee) };
    let outputs: Vec<_> = (0..parts).map(|_| (Amount(value / parts), pay_to(choices.below(PEOPLE)))).collect();
    let mut tx = spend(spent, &outputs);
    if choices.seldom() {
        tx.lock_time = choices.below(40) as u32;
        tx.inputs[0].sequence = Sequence(u32::from(choices.byte()) & 3);
        sign(&mut tx, &spent.iter().map(|c| c.1.output.clone()).collect::<Vec<TxOut>>());
    }
    if choices.seldom() {
        let at = choices.below(tx.inputs[0].script_sig.0.len());
        if let Some(byte) = tx.inputs[0].script_sig.0.get_mut(at) {
            *byte ^= 1;
        }
    }
    tx
}
