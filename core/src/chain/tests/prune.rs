//! What a pruned chain keeps, what it can still do, and what it says of the rest.

use super::verify::checked;
use super::*;
use crate::hash::BlockHash;
use crate::units::Height;
use alloc::boxed::Box;

/// Blocks that a reorganisation may take back here.
const KEPT: u32 = 60;
const LENGTH: u32 = KEPT + 30;

/// A network whose chains are short.
fn short() -> &'static NetworkParams {
    Box::leak(Box::new(NetworkParams { max_reorganisation: KEPT, ..dev().clone() }))
}

/// A chain with payments, and a branch that was left at block 10.
fn long() -> TestChain {
    let mut chain = Chain::open(super::verify::history().into_store(), short()).unwrap();
    while chain.height() < Height(LENGTH) {
        let height = chain.height().0;
        let time = chain.tip().header.time.0 + 2;
        // Every third block spends the coinbase of one twelve below.
        let coin = reward(&chain, height - 12);
        let from = if height - 12 > 10 { 2 } else { 0 };
        let free = chain.coin(&coin.0).unwrap().is_some();
        let tx = (height.is_multiple_of(3) && free).then(|| spend(&[coin], from, &[7_000], 3));
        let block = next_block(&chain, 2, tx, time);
        chain.accept_block(block, LATE).unwrap();
    }
    chain
}

/// The long chain, pruned below a height, and now on the usual network: what alone limits how deep it can change over is
/// what it keeps.
fn pruned(mut chain: TestChain, height: u32) -> TestChain {
    prune(&mut chain, height, usize::MAX);
    Chain::open(chain.into_store(), dev()).unwrap()
}

fn prune(chain: &mut TestChain, height: u32, limit: usize) -> usize {
    chain.prune(Height(height), limit, |_| ()).unwrap()
}

#[test]
fn bodies_and_undo_data_go_and_the_rest_stays() {
    let mut chain = long();
    let whole = chain.clone();
    let paid = whole.block_at(Height(11)).unwrap().unwrap().block.transactions[1].txid();
    let mut shown = Vec::new();
    assert_eq!(chain.prune(Height(20), 100, |block| shown.push(block.hash())).unwrap(), 20 + 3);
    assert_eq!(shown, (0..20).map(|h| whole.hash_at(Height(h)).unwrap().unwrap()).collect::<Vec<_>>());
    assert_eq!(chain.first_body().unwrap(), Height(20));
    assert_eq!(prune(&mut chain, 20, 100), 0);
    for height in (0..LENGTH).map(Height) {
        let hash = chain.hash_at(height).unwrap().unwrap();
        let gone = height < Height(20);
        assert_eq!(chain.block(&hash).unwrap().is_none(), gone, "{height}");
        assert_eq!(chain.store().undo(&hash).unwrap().is_none(), gone, "{height}");
        assert_eq!(chain.is_pruned(&chain.header(&hash).unwrap().unwrap()).unwrap(), gone, "{height}");
        assert_eq!(chain.filter_at(height).unwrap(), whole.filter_at(height).unwrap());
        assert_eq!(chain.filter_entry_at(height).unwrap(), whole.filter_entry_at(height).unwrap());
        assert_eq!(chain.block_at(height).is_err(), gone, "{height}");
    }
    assert_eq!(chain.store().coins(), whole.store().coins());
    let refused = chain.block_at(Height(5)).unwrap_err();
    assert!(matches!(refused, ChainError::Pruned { height: Height(5), first: Height(20), .. }), "{refused}");
    assert!(whole.transaction(&paid).unwrap().is_some());
    assert_eq!(chain.transaction(&paid).unwrap(), None);
    assert_eq!(chain.transaction_proof(&paid).unwrap(), None);
    assert_eq!(chain.coinbase_proof(&chain.hash_at(Height(5)).unwrap().unwrap()).unwrap(), None);
    assert!(chain.coinbase_proof(&chain.hash_at(Height(20)).unwrap().unwrap()).unwrap().is_some());
}

#[test]
fn whatever_is_asked_for_the_last_blocks_stay() {
    let mut chain = long();
    prune(&mut chain, u32::MAX, usize::MAX);
    assert_eq!(chain.first_body().unwrap(), Height(LENGTH - KEPT));
    let mut short = grown(20);
    assert_eq!(prune(&mut short, u32::MAX, usize::MAX), 0);
    assert_eq!(short.first_body().unwrap(), Height(0));
}

#[test]
fn each_step_is_whole_and_they_lead_to_the_same() {
    let mut at_once = long();
    prune(&mut at_once, 30, usize::MAX);
    let mut chain = long();
    let mut steps = 0;
    loop {
        let before = chain.first_body().unwrap();
        let gone = prune(&mut chain, 30, 4);
        // Two side blocks stand as high as the last of four.
        assert!(gone <= 4 + 2 && chain.first_body().unwrap() > before);
        let report = checked(chain.store()).unwrap();
        assert_eq!(report.first_body, chain.first_body().unwrap());
        steps += 1;
        if gone < 4 {
            break;
        }
    }
    // 4, 4, 4 and two beside the last, 4, 4, 4, 4, 3.
    assert_eq!(steps, 8);
    assert_eq!(chain.store(), at_once.store());
}

#[test]
fn it_goes_on_and_changes_over_as_deep_as_it_keeps() {
    let mut chain = pruned(long(), 30);
    // A longer chain that leaves this one at `fork`.
    let branch = |fork: u32| {
        let mut other = new_chain();
        let whole = long();
        for height in 1..=fork {
            other.accept_block(whole.block_at(Height(height)).unwrap().unwrap().block, LATE).unwrap();
        }
        let mut blocks = Vec::new();
        while other.tip().work <= whole.tip().work {
            let block = next_block(&other, 9, [], other.tip().header.time.0 + 1);
            other.accept_block(block.clone(), LATE).unwrap();
            blocks.push(block);
        }
        blocks
    };
    // Below what is kept: headers and blocks are refused, with what to do; the chain stays.
    let tip = chain.tip_hash();
    let deep = branch(28);
    let headers: Vec<_> = deep.iter().map(|b| b.header).collect();
    let refused = chain.accept_headers(&headers, LATE).unwrap_err();
    assert!(matches!(refused, ChainError::ForkTooDeep { floor: Height(29), .. }), "{refused}");
    assert!(chain.header(&headers[0].hash()).unwrap().is_none(), "nothing of it is remembered");
    let refused = chain.accept_block(deep[0].clone(), LATE).unwrap_err();
    assert!(matches!(refused, ChainError::ForkTooDeep { .. }), "{refused}");
    // The next one's parent is not here.
    assert!(matches!(chain.accept_block(deep[1].clone(), LATE).unwrap().outcome, Outcome::Orphan { .. }));
    assert_eq!(chain.tip_hash(), tip);
    checked(chain.store()).unwrap();
    // As deep as bodies go.
    for block in branch(29) {
        chain.accept_block(block, LATE).unwrap();
    }
    assert_ne!(chain.tip_hash(), tip);
    let report = checked(chain.store()).unwrap();
    assert_eq!(report.first_body, Height(30));
    assert!(report.side_blocks > 0 && report.unchecked_coins > 0);
}

#[test]
fn a_branch_known_before_its_fork_was_pruned_is_refused_too() {
    let whole = long();
    let of_whole = |height| whole.block_at(Height(height)).unwrap().unwrap().block;
    let mut chain = new_chain();
    for height in 1..=LENGTH {
        chain.accept_block(of_whole(height), LATE).unwrap();
    }
    let mut other = new_chain();
    for height in 1..=20 {
        other.accept_block(of_whole(height), LATE).unwrap();
    }
    let mut blocks = Vec::new();
    while other.tip().work <= whole.tip().work {
        let block = next_block(&other, 9, [], other.tip().header.time.0 + 1);
        other.accept_block(block.clone(), LATE).unwrap();
        blocks.push(block);
    }
    chain.accept_headers(&blocks.iter().map(|b| b.header).collect::<Vec<_>>(), LATE).unwrap();
    for block in &blocks[..blocks.len() - 1] {
        assert_eq!(chain.accept_block(block.clone(), LATE).unwrap().outcome, Outcome::SideChain);
    }
    let mut chain = pruned(Chain::open(chain.into_store(), short()).unwrap(), 25);
    let (tip, before) = (chain.tip_hash(), chain.store().clone());
    let refused = chain.accept_block(blocks.last().unwrap().clone(), LATE).unwrap_err();
    assert!(matches!(refused, ChainError::ForkTooDeep { floor: Height(24), .. }), "{refused}");
    assert_eq!(chain.tip_hash(), tip);
    assert_eq!(chain.store().coins(), before.coins());
    checked(chain.store()).unwrap();
    let mut next = next_block(&chain, 1, [], chain.tip().header.time.0 + 2);
    next = solve(next);
    assert_eq!(chain.accept_block(next, LATE).unwrap().outcome, Outcome::NewTip);
}

#[test]
fn damage_in_a_pruned_store_is_found_as_far_as_it_can_be() {
    let mut chain = long();
    prune(&mut chain, 30, usize::MAX);
    let store = chain.store();
    let at = |height| store.heights[&Height(height)];
    let (low, high) = (at(15), at(60));
    let made = *store.coins.iter().find(|(_, coin)| coin.height >= Height(30)).unwrap().0;
    // It spends a coin that a block made whose body is here.
    let spends = |h: &BlockHash| store.undo[h].spent.first().is_some_and(|coin| coin.height >= Height(30));
    let spending = (31..LENGTH).map(at).find(spends).unwrap();
    type Harm<'a> = (&'a str, Table, &'a dyn Fn(&mut MemoryStore));
    let harms: &[Harm<'_>] = &[
        ("a pruned block's header", Table::Headers, &|s| s.headers.get_mut(&low).unwrap().header.nonce ^= 1),
        ("a pruned block's filter", Table::Filters, &|s| {
            let other = s.filters[&high].clone();
            s.filters.insert(low, other);
        }),
        ("a pruned block's filter header", Table::FilterEntries, &|s| {
            s.filter_entries.get_mut(&low).unwrap().header.0[0] ^= 1;
        }),
        ("all filters anew from a false one on", Table::FilterEntries, &|s| {
            let mut before = FilterHeader::ZERO;
            s.filters.insert(low, s.filters[&high].clone());
            for height in 0..=30 {
                let hash = s.heights[&Height(height)];
                let entry = FilterEntry::new(&s.filters[&hash], &before);
                s.filter_entries.insert(hash, entry);
                before = entry.header;
            }
        }),
        ("undo data of a pruned block", Table::Undo, &|s| drop(s.undo.insert(low, Undo::default()))),
        ("undo data gone", Table::Undo, &|s| drop(s.undo.remove(&high))),
        ("undo data's coin", Table::Coins, &|s| {
            s.undo.get_mut(&spending).unwrap().spent[0].height.0 += 1;
        }),
        ("a body gone", Table::Blocks, &|s| drop(s.blocks.remove(&high))),
        ("a coin gone", Table::Coins, &|s| drop(s.coins.remove(&made))),
        ("a coin's value", Table::Coins, &|s| s.coins.get_mut(&made).unwrap().output.value.0 += 1),
        ("a transaction of a pruned block", Table::Transactions, &|s| {
            let location = TransactionLocation { block: low, index: 0 };
            s.transactions.insert(crate::hash::Txid([9; 32]), location);
        }),
    ];
    checked(store).unwrap();
    for (what, table, harm) in harms {
        let mut harmed = store.clone();
        harm(&mut harmed);
        let damage = checked(&harmed).expect_err(what);
        assert_eq!(damage.table, *table, "{what}: {damage}");
    }
}
