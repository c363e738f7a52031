//! The filters of a chain's blocks, and what commits to them.

use super::*;
use crate::filter::{Filter, committed_header, key_after};
use crate::units::{COIN, Height};
use alloc::vec;
use core::slice;

fn time(chain: &TestChain) -> u32 {
    chain.tip().header.time.0 + 2
}

fn filter(chain: &TestChain, height: u32) -> Filter {
    chain.filter_at(Height(height)).unwrap().unwrap()
}

#[test]
fn each_block_commits_to_its_filter_and_to_all_before() {
    let chain = grown(9);
    let mut header = FilterHeader::ZERO;
    for height in 0..=9 {
        let (own, entry) = (filter(&chain, height), chain.filter_entry_at(Height(height)).unwrap().unwrap());
        assert_eq!(chain.filter_header_before(Height(height)).unwrap(), Some(header));
        header = header.next(&own.hash());
        assert_eq!(entry, FilterEntry { hash: own.hash(), header });
        let coinbase = chain.block_at(Height(height)).unwrap().unwrap().block.transactions.remove(0);
        assert_eq!(committed_header(&coinbase), (height > 0).then_some(header));
    }
    assert_eq!(filter(&chain, 0).as_bytes(), [0], "nothing in the first block can be spent");
    assert_eq!(chain.filter_at(Height(10)).unwrap(), None);
}

#[test]
fn a_filter_tells_of_what_is_made_and_what_is_spent() {
    let mut chain = grown(7);
    let previous = chain.tip_hash();
    let first = spend(&[reward(&chain, 1)], 0, &[50 * COIN], 1);
    let second = spend(&[(first.outpoint(0), first.outputs[0].clone())], 1, &[20 * COIN, 30 * COIN], 2);
    let block = next_block(&chain, 3, [first, second], time(&chain));
    chain.accept_block(block, LATE).unwrap();
    let (filter, key) = (filter(&chain, 8), key_after(&previous));
    // 0 and 1 are spent, 1 and 2 are paid, 3 mines.
    assert_eq!(filter.check(), Ok(4));
    for n in 0..8 {
        assert_eq!(filter.matches_any(&key, [pay_to(n).0]), Ok(n < 4), "key {n}");
    }
}

#[test]
fn a_block_with_a_wrong_commitment_is_refused() {
    let mut chain = grown(7);
    let tx = spend(slice::from_ref(&reward(&chain, 1)), 0, &[50 * COIN], 1);
    let good = next_block(&chain, 0, [tx], time(&chain));
    let expected = committed_header(&good.transactions[0]).unwrap();
    let changed = |change: &dyn Fn(&mut Vec<TxOut>)| {
        let mut block = good.clone();
        change(&mut block.transactions[0].outputs);
        solve(block)
    };
    let none = BlockError::FilterCommitment { expected, found: None };
    let other = FilterHeader([7; 32]);
    type Change<'a> = &'a dyn Fn(&mut Vec<TxOut>);
    let cases: [(Change<'_>, BlockError); 6] = [
        (&|o| drop(o.pop()), none.clone()),
        (&|o| o.swap(0, 1), none.clone()),
        (&|o| o.push(TxOut { value: Amount(0), script_pubkey: crate::script::templates::burn() }), none.clone()),
        (
            &|o| {
                o[0].value.0 -= 1;
                o[1].value.0 += 1;
            },
            none.clone(),
        ),
        (&|o| o[1].script_pubkey.0.push(0), none),
        (
            &|o| o[1].script_pubkey = commitment_script(&other),
            BlockError::FilterCommitment { expected, found: Some(other) },
        ),
    ];
    for (n, (change, error)) in cases.into_iter().enumerate() {
        assert_eq!(refused(&mut chain, changed(change)), error, "case {n}");
    }
    // Another script in the coinbase makes another filter.
    let elsewhere = changed(&|o| o[0].script_pubkey = pay_to(5));
    let found = Some(expected);
    assert!(
        matches!(refused(&mut chain, elsewhere.clone()), BlockError::FilterCommitment { found: f, .. } if f == found)
    );
    let committed = solve(commit(&chain, elsewhere));
    assert_eq!(chain.accept_block(committed, LATE).unwrap().outcome, Outcome::NewTip);
    // A second commitment before the last output is data like any other.
    let mut block = next_block(&chain, 0, [], time(&chain));
    let coinbase = &mut block.transactions[0];
    coinbase.outputs.insert(0, TxOut { value: Amount(0), script_pubkey: commitment_script(&other) });
    assert_eq!(chain.accept_block(solve(block), LATE).unwrap().outcome, Outcome::NewTip);
}

#[test]
fn filter_headers_follow_a_reorganisation() {
    let trunk = grown(7);
    let (mut ours, mut theirs) = (trunk.clone(), trunk);
    for (chain, key, blocks) in [(&mut ours, 1, 2), (&mut theirs, 2, 3)] {
        for _ in 0..blocks {
            let block = next_block(chain, key, [], time(chain));
            chain.accept_block(block, LATE).unwrap();
        }
    }
    let old = (filter(&ours, 8), ours.filter_entry_at(Height(8)).unwrap());
    let left = ours.hash_at(Height(8)).unwrap().unwrap();
    assert_ne!(filter_header(&ours), filter_header(&theirs));
    for height in 8..=10 {
        ours.accept_block(theirs.block_at(Height(height)).unwrap().unwrap().block, LATE).unwrap();
    }
    assert_eq!(ours.tip_hash(), theirs.tip_hash());
    for height in 0..=11 {
        let height = Height(height);
        assert_eq!(ours.filter_entry_at(height).unwrap(), theirs.filter_entry_at(height).unwrap());
        assert_eq!(ours.filter_at(height).unwrap(), theirs.filter_at(height).unwrap());
    }
    // What was kept of the old blocks is theirs still.
    let kept = (ours.store().filter(&left).unwrap().unwrap(), ours.store().filter_entry(&left).unwrap());
    assert_eq!(kept, old);
    assert!(ours.range_to(Height(0), &left).unwrap().is_none());
    assert_eq!(ours.range_to(Height(3), &ours.tip_hash()).unwrap(), Some(3..=10));
    assert_eq!(ours.range_to(Height(11), &ours.tip_hash()).unwrap(), None);
}

#[test]
fn a_template_commits_to_what_it_includes() {
    let chain = grown(7);
    let coin = reward(&chain, 1);
    let (a, b) = (spend(slice::from_ref(&coin), 0, &[COIN], 1), spend(slice::from_ref(&coin), 0, &[COIN], 2));
    let template = chain.build_template(pay_to(3), vec![a, b], LATE).unwrap();
    assert_eq!(template.left_out.len(), 1);
    assert_eq!(commit(&chain, template.block.clone()), template.block);
}
