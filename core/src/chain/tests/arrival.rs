//! Blocks in any order of arrival lead to the same tip; a reorganisation happens whole or not at all.

use super::connect::random_block;
use super::*;
use crate::hash::BlockHash;
use crate::units::{COIN, Height};
use alloc::vec;
use crypto_bigint::U256;
use proptest::prelude::*;

/// A tree of blocks above a common trunk. Each node is a chain whose tip is that node's block.
fn tree(shape: &[(prop::sample::Index, u8, u8, bool)]) -> (TestChain, Vec<TestChain>) {
    let trunk = grown(8);
    let mut nodes = vec![trunk.clone()];
    for (n, (parent, gap, pick, spends)) in (0u8..).zip(shape) {
        let mut chain = parent.get(&nodes).clone();
        let time = chain.tip().header.time.0 + u32::from(gap % 5);
        let choices: &[(u8, u8, bool)] = if *spends { &[(*pick, n, false), (*pick, *pick, true)] } else { &[] };
        // Another key each, so that siblings differ.
        let mut block = random_block(&chain, choices, time);
        block.transactions[0].outputs[0].script_pubkey = pay_to(10 + n);
        let block = solve(commit(&chain, block));
        let accepted = chain.accept_block(block, LATE).unwrap();
        assert_eq!(accepted.outcome, Outcome::NewTip);
        nodes.push(chain);
    }
    (trunk, nodes)
}

fn tip_block(chain: &TestChain) -> Block {
    chain.block(&chain.tip_hash()).unwrap().unwrap()
}

fn best(nodes: &[TestChain]) -> &TestChain {
    let tip = |c: &TestChain| number(&c.tip_hash());
    nodes.iter().max_by(|a, b| a.tip().work.cmp(&b.tip().work).then(tip(b).cmp(&tip(a)))).unwrap()
}

fn number(hash: &BlockHash) -> U256 {
    U256::from_le_slice(&hash.0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_order_of_arrival_ends_at_the_same_tip(
        shape in prop::collection::vec(any::<(prop::sample::Index, u8, u8, bool)>(), 1..14),
        keys in prop::collection::vec(any::<u32>(), 14),
        headers_first: bool,
        spoilt: bool,
    ) {
        let (trunk, nodes) = tree(&shape);
        let mut order: Vec<usize> = (1..nodes.len()).collect();
        order.sort_by_key(|i| keys[*i % keys.len()]);
        let mut chain = trunk.clone();
        if headers_first {
            for node in &nodes[1..] {
                chain.accept_headers(&[tip_block(node).header], LATE).unwrap();
            }
            prop_assert_eq!(chain.best_header().unwrap(), best(&nodes).tip_hash());
        }
        if spoilt {
            // A block that makes too much, first of all on the best chain's end.
            let mut bad = next_block(best(&nodes), 0, [], LATE.0 - 10);
            bad.transactions[0].outputs[0].value.0 += 1;
            chain.accept_block(solve(bad), LATE).unwrap();
        }
        let mut followed: Vec<_> = (0..=8).map(|h| chain.hash_at(Height(h)).unwrap().unwrap()).collect();
        for i in order {
            let accepted = chain.accept_block(tip_block(&nodes[i]), LATE).unwrap();
            // Whoever follows the lists stays on the best chain.
            for block in &accepted.disconnected {
                prop_assert_eq!(followed.pop(), Some(block.hash));
            }
            for block in &accepted.connected {
                prop_assert_eq!(Some(&block.block.header.previous), followed.last());
                followed.push(block.hash);
            }
            prop_assert_eq!(followed.last(), Some(&chain.tip_hash()));
        }
        let best = best(&nodes);
        prop_assert_eq!(chain.tip_hash(), best.tip_hash());
        prop_assert_eq!(chain.store().coins(), best.store().coins());
        for height in 0..20 {
            let height = Height(height);
            prop_assert_eq!(chain.hash_at(height).unwrap(), best.hash_at(height).unwrap());
            prop_assert_eq!(chain.filter_at(height).unwrap(), best.filter_at(height).unwrap());
            prop_assert_eq!(chain.filter_entry_at(height).unwrap(), best.filter_entry_at(height).unwrap());
        }
        let block = tip_block(best);
        for tx in &block.transactions {
            prop_assert_eq!(chain.transaction(&tx.txid()).unwrap(), best.transaction(&tx.txid()).unwrap());
        }
        prop_assert!(chain.missing_blocks(10).unwrap().is_empty() || spoilt);
        let damage = super::verify::checked(chain.store()).err();
        prop_assert!(damage.is_none(), "{damage:?}");
    }
}

/// Grows a chain by `blocks` empty blocks for key `to`, all with the same spacing; gives them.
fn grow(chain: &mut TestChain, blocks: usize, to: u8) -> Vec<Block> {
    (0..blocks)
        .map(|_| {
            let block = next_block(chain, to, [], chain.tip().header.time.0 + 2);
            chain.accept_block(block.clone(), LATE).unwrap();
            block
        })
        .collect()
}

#[test]
fn a_reorganisation_that_fails_in_the_middle_changes_nothing() {
    let trunk = grown(7);
    let (mut ours, mut theirs) = (trunk.clone(), trunk.clone());
    let spent = reward(&trunk, 1);
    let tx = spend(core::slice::from_ref(&spent), 0, &[50 * COIN], 1);
    let block = next_block(&ours, 1, [tx], ours.tip().header.time.0 + 2);
    ours.accept_block(block, LATE).unwrap();
    grow(&mut ours, 2, 1);
    // Their second block is bad; two more stand on it.
    let mut fork = grow(&mut theirs, 1, 2);
    let mut bad = next_block(&theirs, 2, [], theirs.tip().header.time.0 + 2);
    bad.transactions[0].outputs[0].value.0 += 1;
    fork.push(solve(bad));
    for _ in 0..3 {
        let last = fork.last().unwrap();
        let mut next = last.clone();
        next.header.previous = last.hash();
        next.header.time.0 += 2;
        next.transactions[0].lock_time += 1;
        let mut next = solve(next);
        // Of two chains with equal work the lower hash decides: at its third block that shall be ours.
        while fork.len() == 2 && number(&next.hash()) < number(&ours.tip_hash()) {
            next.header.version += 1;
            next = solve(next);
        }
        fork.push(next);
    }
    let before = ours.store().clone();
    for block in &fork[..3] {
        assert_eq!(ours.accept_block(block.clone(), LATE).unwrap().outcome, Outcome::SideChain);
    }
    // The fourth makes their chain the heavier one: their second block is looked at, and refused.
    let error = ours.accept_block(fork[3].clone(), LATE).unwrap_err();
    let (allowed, found) = (Amount(50 * COIN), Amount(50 * COIN + 1));
    let expected = BlockError::CoinbaseValue { allowed, found };
    assert_eq!(error, ChainError::Block { hash: fork[1].hash(), error: expected.into() });
    assert_eq!(ours.tip_hash(), before.tip().unwrap().unwrap());
    assert_eq!(ours.store().coins(), before.coins());
    for (block, status) in fork.iter().zip([BlockStatus::Stored, BlockStatus::Invalid, BlockStatus::Invalid]) {
        assert_eq!(ours.header(&block.hash()).unwrap().unwrap().status, status);
    }
    assert!(matches!(ours.accept_block(fork[4].clone(), LATE), Err(ChainError::KnownInvalid { .. })));
    assert!(matches!(ours.accept_headers(&[fork[4].header], LATE), Err(ChainError::KnownInvalid { .. })));
    assert_eq!(ours.best_header().unwrap(), ours.tip_hash());
    // Our chain goes on, and a good fork still wins.
    grow(&mut ours, 1, 1);
    let better = grow(&mut theirs, 6, 2);
    for block in better {
        ours.accept_block(block, LATE).unwrap();
    }
    assert_eq!(ours.tip_hash(), theirs.tip_hash());
    assert_eq!(ours.store().coins(), theirs.store().coins());
    assert!(ours.coin(&spent.0).unwrap().is_some());
}

#[test]
fn orphans_wait_for_their_ancestors_and_say_which() {
    let trunk = grown(3);
    let blocks = grow(&mut trunk.clone(), 4, 1);
    let mut chain = trunk.clone();
    for at in [3, 1, 2] {
        let missing = blocks[if at == 2 { 0 } else { at - 1 }].hash();
        let accepted = chain.accept_block(blocks[at].clone(), LATE).unwrap();
        assert_eq!(accepted.outcome, Outcome::Orphan { missing });
    }
    let accepted = chain.accept_block(blocks[0].clone(), LATE).unwrap();
    assert_eq!((accepted.outcome, accepted.connected.len()), (Outcome::NewTip, 4));
    assert_eq!(chain.tip_hash(), blocks[3].hash());
}

#[test]
fn waiting_blocks_that_are_bad_are_reported_and_dropped() {
    let trunk = grown(3);
    let blocks = grow(&mut trunk.clone(), 1, 1);
    let mut ahead = trunk.clone();
    ahead.accept_block(blocks[0].clone(), LATE).unwrap();
    let mut bad = next_block(&ahead, 1, [], start().0 + 50);
    bad.transactions[0].lock_time = 77;
    let bad = solve(bad);
    let mut chain = trunk.clone();
    chain.accept_block(bad.clone(), LATE).unwrap();
    let accepted = chain.accept_block(blocks[0].clone(), LATE).unwrap();
    let error = BlockError::CoinbaseHeight { expected: Height(5), found: 77 };
    assert_eq!((accepted.outcome, accepted.rejected), (Outcome::NewTip, vec![(bad.hash(), error)]));
    assert!(matches!(chain.accept_block(bad, LATE), Err(ChainError::KnownInvalid { .. })));
}

#[test]
fn a_body_that_is_not_its_headers_takes_nothing_with_it() {
    let trunk = grown(3);
    let blocks = grow(&mut trunk.clone(), 2, 1);
    let mut chain = trunk.clone();
    chain.accept_block(blocks[1].clone(), LATE).unwrap();
    // Anybody can put another body behind a good header: that says nothing about the block.
    let mut forged = blocks[0].clone();
    forged.transactions[0].outputs[0].value.0 += 1;
    match chain.accept_block(forged, LATE) {
        Err(ChainError::Block { error, .. }) => assert!(matches!(*error, BlockError::MerkleRoot { .. })),
        other => panic!("expected a refusal, found {other:?}"),
    }
    let accepted = chain.accept_block(blocks[0].clone(), LATE).unwrap();
    assert_eq!((accepted.outcome, accepted.connected.len()), (Outcome::NewTip, 2));
}
