//! The transaction pool, rule by rule.

use super::*;
use crate::chain::TransactionError;
use crate::contract::{claim, demand, reveal};
use crate::job::fixtures::key;
use alloc::vec;

fn lab() -> Lab {
    Lab::new(PoolLimits::default())
}

fn ids(txs: &[Transaction]) -> Vec<crate::hash::Txid> {
    txs.iter().map(Transaction::txid).collect()
}

#[test]
fn the_highest_fee_first_but_parents_before_children() {
    let mut lab = lab();
    let parent = spend(&[lab.coin(1)], 2, 1_000);
    let middle = spend(&[lab.coin(2)], 1, 5_000);
    let child = spend(&[of(&parent, 1)], 1, 50_000);
    let grandchild = spend(&[of(&child, 0), of(&parent, 0)], 1, 900);
    for tx in [&parent, &middle, &child, &grandchild] {
        assert_eq!(lab.add(tx), Ok(Added::default()));
    }
    assert_eq!(ids(&lab.pool.by_fee_rate()), ids(&[parent.clone(), child.clone(), middle, grandchild.clone()]));
    let next = lab.chain.height().next();
    assert_eq!(lab.pool.coin(&of(&parent, 1).0, next), None, "spent in the pool");
    assert_eq!(lab.pool.coin(&of(&grandchild, 0).0, next).unwrap().height, next);
    assert_eq!(lab.pool.spender(&of(&parent, 1).0), Some(&child.txid()));
    let all = lab.pool.by_fee_rate();
    assert_eq!(lab.mine(all), []);
    assert!(lab.pool.is_empty());
}

#[test]
fn what_the_next_block_cannot_take_is_refused() {
    let mut lab = lab();
    let good = spend(&[lab.coin(1)], 1, 1_000);
    assert_eq!(lab.add(&good), Ok(Added::default()));
    assert_eq!(lab.add(&good), Err(PoolError::AlreadyKnown));
    let mut unsigned = spend(&[lab.coin(2)], 1, 1_000);
    unsigned.inputs[0].script_sig = Default::default();
    assert!(matches!(lab.add(&unsigned), Err(PoolError::Invalid(TransactionError::Script { .. }))));
    let young = spend(&[lab.coin(12)], 1, 1_000);
    assert!(matches!(lab.add(&young), Err(PoolError::Invalid(TransactionError::ImmatureCoinbase { .. }))));
    let missing = spend(&[(outpoint("nowhere"), Amount(5_000_000))], 1, 1_000);
    assert!(matches!(lab.add(&missing), Err(PoolError::Invalid(TransactionError::MissingInput(_)))));
    let free = spend(&[lab.coin(2)], 1, 10);
    assert!(matches!(lab.add(&free), Err(PoolError::LowFee { min: 1_000, .. })));
    assert_eq!(lab.pool.len(), 1);
}

#[test]
fn a_replacement_pays_more_for_all_that_goes_and_conflicts_are_remembered() {
    let mut lab = lab();
    let first = spend(&[lab.coin(1)], 1, 2_000);
    let child = spend(&[of(&first, 0)], 1, 3_000);
    lab.add(&first).unwrap();
    assert_eq!(lab.pool.conflict_seen(&first), None);
    lab.add(&child).unwrap();
    lab.now.0 += 7;
    let same = spend(&[lab.coin(1)], 2, 2_000);
    let refused = lab.add(&same).unwrap_err();
    assert!(matches!(refused, PoolError::Conflict { other, .. } if other == first.txid()), "{refused}");
    assert_eq!(lab.pool.conflict_seen(&first), Some(lab.now), "the alert");
    // More than the one, less than both.
    assert!(matches!(lab.add(&spend(&[lab.coin(1)], 2, 4_999)), Err(PoolError::Conflict { .. })));
    let seen = lab.now;
    lab.now.0 += 7;
    let better = spend(&[lab.coin(1)], 2, 5_001);
    let mut replaced = ids(&lab.add(&better).unwrap().replaced);
    replaced.sort();
    let mut expected = ids(&[first.clone(), child]);
    expected.sort();
    assert_eq!(replaced, expected);
    assert_eq!(lab.pool.conflict_seen(&better), Some(seen), "the first conflict counts");
    assert_eq!(ids(&lab.pool.by_fee_rate()), ids(core::slice::from_ref(&better)));
    // A block decides otherwise.
    assert_eq!(ids(&lab.mine([first.clone()])), ids(&[better]));
    assert_eq!(lab.pool.conflict_seen(&first), None);
}

#[test]
fn nothing_replaces_what_it_stands_on_and_chains_are_short() {
    let mut lab = Lab::new(PoolLimits { max_ancestors: 3, ..PoolLimits::default() });
    let mut chain = vec![spend(&[lab.coin(1)], 2, 1_000)];
    let parent = chain[0].clone();
    lab.add(&parent).unwrap();
    let both = spend(&[of(&parent, 0), lab.coin(1)], 1, 90_000);
    assert!(matches!(lab.add(&both), Err(PoolError::Ancestors { found: 1, .. })));
    for _ in 0..3 {
        let next = spend(&[of(chain.last().unwrap(), 0)], 1, 1_000);
        lab.add(&next).unwrap();
        chain.push(next);
    }
    let fifth = spend(&[of(chain.last().unwrap(), 0)], 1, 1_000);
    assert!(matches!(lab.add(&fifth), Err(PoolError::Ancestors { max: 3, found: 4 })));
    lab.mine([parent]);
    assert_eq!(lab.add(&fifth), Ok(Added::default()));
}

#[test]
fn a_full_pool_keeps_what_pays_most() {
    let size = spend(&[(outpoint("any"), Amount(1_000_000))], 1, 1_000).size();
    let mut lab = Lab::new(PoolLimits { max_bytes: 3 * size + 10, ..PoolLimits::default() });
    let low = spend(&[lab.coin(1)], 1, 1_000);
    let child = spend(&[of(&low, 0)], 1, 9_000);
    let high = spend(&[lab.coin(2)], 1, 5_000);
    for tx in [&low, &child, &high] {
        lab.add(tx).unwrap();
    }
    assert!(matches!(lab.add(&spend(&[lab.coin(3)], 1, 900)), Err(PoolError::Full { .. })));
    // One that stands on the lowest does not push its own parent out.
    let grandchild = spend(&[of(&child, 0)], 1, 2_000);
    assert!(matches!(lab.add(&grandchild), Err(PoolError::Full { .. })));
    assert_eq!(lab.pool.len(), 3, "a refusal drops nothing");
    let better = spend(&[lab.coin(3)], 1, 3_000);
    let mut gone = ids(&lab.add(&better).unwrap().replaced);
    gone.sort();
    let mut expected = ids(&[low, child]);
    expected.sort();
    assert_eq!(gone, expected, "the lowest, and what stood on it");
    assert_eq!(ids(&lab.pool.by_fee_rate()), ids(&[high, better]));
    assert!(lab.pool.next_block_fee_rate(4_000_000) <= 1_000);
    assert!(lab.pool.next_block_fee_rate(size) > 1_000);
}

#[test]
fn a_child_that_pays_enough_keeps_its_poor_parent() {
    let size = spend(&[(outpoint("any"), Amount(1_000_000))], 1, 1_000).size();
    let mut lab = Lab::new(PoolLimits { max_bytes: 2 * size + 10, ..PoolLimits::default() });
    let poor = spend(&[lab.coin(1)], 1, 1_000);
    let other = spend(&[lab.coin(2)], 1, 2_000);
    for tx in [&poor, &other] {
        lab.add(tx).unwrap();
    }
    let child = spend(&[of(&poor, 0)], 1, 9_000);
    assert_eq!(ids(&lab.add(&child).unwrap().replaced), ids(&[other]));
    assert_eq!(ids(&lab.pool.by_fee_rate()), ids(&[poor, child]));
}

#[test]
fn what_waits_too_long_is_forgotten() {
    let mut lab = Lab::new(PoolLimits { expiry_seconds: 100, ..PoolLimits::default() });
    let parent = spend(&[lab.coin(1)], 1, 1_000);
    lab.add(&parent).unwrap();
    lab.now.0 += 60;
    let child = spend(&[of(&parent, 0)], 1, 1_000);
    lab.add(&child).unwrap();
    assert_eq!(lab.mine([]), []);
    lab.now.0 += 60;
    assert_eq!(lab.mine([]).len(), 2);
    assert!(lab.pool.is_empty());
}

#[test]
fn moves_that_the_next_block_cannot_take_are_dropped() {
    let mut lab = lab();
    let (settlement, terms) = lab.settlement(lab.coin(1), lab.coin(2), Height(400));
    lab.add(&settlement).unwrap();
    lab.mine([settlement.clone()]);
    let (client, node) = (key("client"), key("owner"));
    let contract = settlement.outpoint(0);
    let demanded = demand(contract, &settlement.outputs[0], &terms, &client, network());
    assert!(matches!(lab.add(&demanded), Err(PoolError::Invalid(TransactionError::Contract(_)))), "too early");
    for _ in 0..7 {
        lab.mine([]);
    }
    lab.add(&demanded).unwrap();
    lab.mine([demanded.clone()]);
    let in_demanded = terms.in_state(crate::contract::State::Demanded);
    let (contract, output) = (demanded.outpoint(0), &demanded.outputs[0]);
    let answer = reveal(contract, output, &in_demanded, K, &node, network());
    lab.add(&answer).unwrap();
    let beside = spend(&[lab.coin(3)], 1, 1_000);
    lab.add(&beside).unwrap();
    // Heights h+1 to h+4 may take it, h+5 not.
    for _ in 0..3 {
        assert_eq!(lab.mine([]), []);
    }
    assert_eq!(ids(&lab.mine([])), ids(&[answer]));
    assert_eq!(ids(&lab.pool.by_fee_rate()), ids(core::slice::from_ref(&beside)));
    let taken = claim(contract, output, &in_demanded, &client, hash_of("owner"), network());
    assert_eq!(lab.add(&taken), Ok(Added::default()));
    assert_eq!(lab.mine([taken, beside]), []);
}

#[test]
fn a_move_is_replaced_by_one_that_pays_more() {
    let mut lab = lab();
    let (settlement, terms) = lab.settlement(lab.coin(1), lab.coin(2), Height(400));
    lab.mine([settlement.clone()]);
    let dear = reveal(settlement.outpoint(0), &settlement.outputs[0], &terms, K, &key("owner"), network());
    // The same terms, a smaller fee taken.
    let mut cheap = dear.clone();
    cheap.outputs[0].value.0 += 1_000;
    let spent = settlement.outputs[..1].to_vec();
    let hasher = crate::transaction::SignatureHasher::new(&cheap, &spent, Network::Dev);
    let hash = hasher.contract_input(0, &crate::contract::Move::Reveal.binding());
    let witness = crate::contract::Witness::Reveal { node: key("owner").sign(&hash), key: K };
    cheap.inputs[0].script_sig = crate::transaction::Script(crate::encode::Encode::to_bytes(&witness));
    lab.add(&cheap).unwrap();
    assert_eq!(ids(&lab.add(&dear).unwrap().replaced), ids(core::slice::from_ref(&cheap)));
    assert!(matches!(lab.add(&cheap), Err(PoolError::Conflict { .. })));
}

#[test]
fn a_settlement_needs_blocks_left() {
    let mut lab = lab();
    let next = lab.chain.height().next();
    let (late, _) = lab.settlement(lab.coin(1), lab.coin(2), next.plus(9));
    let expected = PoolError::SettlementTooLate { valid_until: next.plus(9), next, least: 10 };
    assert_eq!(lab.add(&late), Err(expected));
    let (just, _) = lab.settlement(lab.coin(1), lab.coin(2), next.plus(10));
    lab.add(&just).unwrap();
    assert_eq!(lab.mine([just.clone()]), []);
    // It was in time when it came: a fork that leaves it out does not kill it.
    assert_eq!(lab.fork(1, []), []);
    assert!(lab.pool.get(&just.txid()).is_some());
    assert_eq!(lab.mine([just]), []);
}

#[test]
fn a_reorganisation_gives_back_parents_before_their_waiting_children() {
    let mut lab = lab();
    let parent = spend(&[lab.coin(1)], 2, 1_000);
    lab.add(&parent).unwrap();
    lab.mine([parent.clone()]);
    let child = spend(&[of(&parent, 0)], 1, 50_000);
    let beside = spend(&[lab.coin(2)], 1, 2_000);
    for tx in [&child, &beside] {
        lab.add(tx).unwrap();
    }
    assert_eq!(lab.fork(1, []), []);
    assert_eq!(ids(&lab.pool.by_fee_rate()), ids(&[parent.clone(), child.clone(), beside.clone()]));
    // Now one that spends the parent's coin otherwise.
    let all = lab.pool.by_fee_rate();
    lab.mine(all);
    let other = spend(&[lab.coin(1)], 1, 1_500);
    let mut dropped = ids(&lab.fork(1, [other]));
    dropped.sort();
    let mut expected = ids(&[parent, child]);
    expected.sort();
    assert_eq!(dropped, expected);
    assert_eq!(ids(&lab.pool.by_fee_rate()), ids(&[beside]));
}
