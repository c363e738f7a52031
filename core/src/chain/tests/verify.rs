//! A store is right, or its first damage is named.

use super::*;
use crate::chain::verify::{Damage, Key, Problem, Progress, Report, Stage, verify};
use crate::filter::Filter;
use crate::hash::{BlockHash, FilterHash};
use crate::units::Height;
use alloc::boxed::Box;
use alloc::string::ToString;
use alloc::vec;

/// A chain of 16 blocks with payments, after a reorganisation by two; beside it a block that was never connected, one that breaks a
/// rule, and a header without its body.
pub(super) fn history() -> TestChain {
    let mut chain = grown(10);
    let time = |chain: &TestChain| chain.tip().header.time.0 + 2;
    let pay = |chain: &TestChain, height: u32, to: u8| {
        let coin = reward(chain, height);
        let half = coin.1.value.0 / 2;
        spend(&[coin], 0, &[half, half - 1_000], to)
    };
    let fork = chain.clone();
    for n in 0..2 {
        // The first two coins go, one block makes and spends.
        let first = pay(&chain, 1 + n, 1);
        let again = spend(&[(first.outpoint(0), first.outputs[0].clone())], 1, &[5_000], 2);
        let block = next_block(&chain, 1, [first, again], time(&chain));
        chain.accept_block(block, LATE).unwrap();
    }
    let left = chain.tip_hash();
    let mut better = fork.clone();
    for n in 0..6u32 {
        let txs: Vec<_> = (n < 3).then(|| pay(&better, 1 + n, 3)).into_iter().collect();
        let block = next_block(&better, 2, txs, time(&better));
        better.accept_block(block.clone(), LATE).unwrap();
        chain.accept_block(block, LATE).unwrap();
    }
    assert_eq!((chain.tip_hash(), chain.height()), (better.tip_hash(), Height(16)));
    assert_eq!(chain.header(&left).unwrap().unwrap().status, BlockStatus::Valid);
    let stored = next_block(&fork, 4, [], time(&fork));
    assert_eq!(chain.accept_block(stored, LATE).unwrap().outcome, Outcome::SideChain);
    let mut wrong = chain.build_template(pay_to(5), [], Timestamp(time(&chain))).unwrap().block;
    wrong.transactions[0].outputs[0].value.0 += 1;
    let wrong = solve(commit(&chain, wrong));
    assert!(chain.accept_block(wrong, LATE).is_err());
    let ahead = next_block(&chain, 6, [], time(&chain));
    assert_eq!(chain.accept_headers(&[ahead.header], LATE).unwrap(), 1);
    chain
}

pub(super) fn checked(store: &MemoryStore) -> Result<Report, Box<Damage>> {
    verify(store, dev(), one_by_one, &mut |_| ())
}

#[test]
fn what_a_chain_writes_is_right_and_progress_is_told() {
    let chain = history();
    let mut seen: Vec<Progress> = Vec::new();
    let report = verify(chain.store(), dev(), one_by_one, &mut |progress| seen.push(progress)).unwrap();
    let expected = Report {
        height: Height(16),
        tip: chain.tip_hash(),
        first_body: Height(0),
        headers: 17 + 2 + 1 + 1 + 1,
        connected: 16,
        side_blocks: 3,
        transactions: 17 + 3,
        coins: chain.store().coins().len() as u64,
        unchecked_coins: 0,
    };
    assert_eq!(report, expected);
    let stages: Vec<Stage> = seen.iter().filter(|p| p.done == 0).map(|p| p.stage).collect();
    assert_eq!(stages, [Stage::Headers, Stage::Tables, Stage::Connect, Stage::Transactions, Stage::Coins]);
    assert!(seen.iter().all(|p| p.done <= p.total), "{seen:?}");
    assert_eq!(seen.iter().filter(|p| p.stage == Stage::Connect).map(|p| p.done).max(), Some(16));
    assert_eq!(checked(new_chain().store()).unwrap().height, Height(0));
    let empty = checked(&MemoryStore::new()).unwrap_err();
    assert_eq!((empty.table, empty.key), (Table::Meta, Key::Named("tip")));
}

/// What is done to a store, and the tables that may be named for it.
type Harm<'a> = (&'a str, &'a [Table], &'a dyn Fn(&mut MemoryStore));

#[test]
fn damage_in_any_table_is_found_and_named() {
    let chain = history();
    let store = chain.store();
    let at = |height| store.heights[&Height(height)];
    let (low, high) = (at(3), at(12));
    // A block of the branch that was left, and a block with a payment.
    let left = *store.headers.iter().find(|(h, e)| e.status == BlockStatus::Valid && at(e.height.0) != **h).unwrap().0;
    let stored = *store.headers.iter().find(|(_, e)| e.status == BlockStatus::Stored).unwrap().0;
    let header_only = *store.headers.iter().find(|(_, e)| e.status == BlockStatus::Header).unwrap().0;
    let paid = store.blocks[&high].transactions[1].clone();
    let coin = paid.outpoint(0);
    let nowhere = BlockHash([7; 32]);
    use Table::*;
    let harms: &[Harm<'_>] = &[
        ("a header gone", &[Headers], &|s| _ = s.headers.remove(&low)),
        ("a side header gone", &[Headers, Blocks], &|s| _ = s.headers.remove(&left)),
        ("a nonce", &[Headers], &|s| s.headers.get_mut(&low).unwrap().header.nonce ^= 1),
        ("a side nonce", &[Headers], &|s| s.headers.get_mut(&left).unwrap().header.nonce ^= 1),
        ("a height", &[Headers], &|s| s.headers.get_mut(&low).unwrap().height.0 += 1),
        ("a side height", &[Headers], &|s| s.headers.get_mut(&left).unwrap().height.0 += 20),
        ("a median", &[Headers], &|s| s.headers.get_mut(&low).unwrap().median_time_past.0 += 1),
        ("a start time", &[Headers], &|s| s.headers.get_mut(&high).unwrap().start_time.0 += 1),
        ("a work", &[Headers], &|s| s.headers.get_mut(&high).unwrap().work = crate::block::Work::ZERO),
        ("a status", &[Headers], &|s| s.headers.get_mut(&high).unwrap().status = BlockStatus::Stored),
        ("a side status up", &[Headers, Undo, Filters], &|s| {
            s.headers.get_mut(&stored).unwrap().status = BlockStatus::Valid;
        }),
        ("a side status down", &[Headers, Undo], &|s| {
            s.headers.get_mut(&left).unwrap().status = BlockStatus::Stored;
        }),
        ("a header's status up", &[Headers, Blocks, Meta], &|s| {
            s.headers.get_mut(&header_only).unwrap().status = BlockStatus::Stored;
        }),
        ("a header under another key", &[Headers], &|s| {
            let entry = s.headers[&stored].clone();
            s.headers.insert(nowhere, entry);
        }),
        ("the genesis header", &[Headers], &|s| s.headers.get_mut(&at(0)).unwrap().median_time_past.0 += 1),
        ("a body gone", &[Blocks, Bodies], &|s| drop(s.blocks.remove(&high))),
        ("the genesis body gone", &[Blocks, Bodies], &|s| drop(s.blocks.remove(&at(0)))),
        ("a side body gone", &[Blocks], &|s| drop(s.blocks.remove(&stored))),
        ("a body's witness", &[Blocks], &|s| {
            s.blocks.get_mut(&high).unwrap().transactions[1].inputs[0].script_sig.0[9] ^= 1;
        }),
        ("a body's payment gone", &[Blocks], &|s| drop(s.blocks.get_mut(&high).unwrap().transactions.pop())),
        ("another block's body", &[Blocks], &|s| {
            let other = s.blocks[&low].clone();
            s.blocks.insert(high, other);
        }),
        ("another side block's body", &[Blocks], &|s| {
            let other = s.blocks[&low].clone();
            s.blocks.insert(stored, other);
        }),
        ("a body without a header", &[Blocks], &|s| {
            let body = s.blocks[&low].clone();
            s.blocks.insert(nowhere, body);
        }),
        ("a body of a header that has none", &[Blocks], &|s| {
            let body = s.blocks[&low].clone();
            s.blocks.insert(header_only, body);
        }),
        ("undo data gone", &[Undo], &|s| drop(s.undo.remove(&high))),
        ("side undo data gone", &[Undo], &|s| drop(s.undo.remove(&left))),
        ("undo data's value", &[Undo], &|s| s.undo.get_mut(&high).unwrap().spent[0].output.value.0 += 1),
        ("side undo data's value", &[Undo], &|s| s.undo.get_mut(&left).unwrap().spent[0].output.value.0 += 1),
        ("undo data of no block", &[Undo], &|s| drop(s.undo.insert(nowhere, Default::default()))),
        ("undo data of one never connected", &[Undo], &|s| drop(s.undo.insert(stored, Default::default()))),
        ("a filter gone", &[Filters], &|s| drop(s.filters.remove(&low))),
        ("a side filter gone", &[Filters], &|s| drop(s.filters.remove(&left))),
        ("a filter's bits", &[Filters], &|s| drop(s.filters.insert(low, Filter::from_raw(vec![0])))),
        ("a side filter's bits", &[Filters], &|s| drop(s.filters.insert(left, Filter::from_raw(vec![0])))),
        ("a filter of no block", &[Filters], &|s| drop(s.filters.insert(nowhere, Filter::from_raw(vec![0])))),
        ("a filter header gone", &[FilterEntries], &|s| {
            s.filter_entries.remove(&low);
        }),
        ("a filter header", &[FilterEntries], &|s| s.filter_entries.get_mut(&low).unwrap().header.0[0] ^= 1),
        ("a filter hash", &[FilterEntries], &|s| s.filter_entries.get_mut(&low).unwrap().hash = FilterHash([1; 32])),
        ("a filter header of no block", &[FilterEntries], &|s| {
            let entry = s.filter_entries[&low];
            s.filter_entries.insert(nowhere, entry);
        }),
        ("a coin gone", &[Coins], &|s| drop(s.coins.remove(&coin))),
        ("a coin's value", &[Coins], &|s| s.coins.get_mut(&coin).unwrap().output.value.0 += 1),
        ("a coin's height", &[Coins], &|s| s.coins.get_mut(&coin).unwrap().height.0 += 1),
        ("a coin's kind", &[Coins], &|s| s.coins.get_mut(&coin).unwrap().coinbase ^= true),
        ("a coin from nowhere", &[Coins], &|s| {
            let copy = s.coins[&coin].clone();
            s.coins.insert(OutPoint { index: 99, ..coin }, copy);
        }),
        ("a height gone", &[Heights], &|s| {
            s.heights.remove(&Height(5));
        }),
        ("a height's block", &[Heights], &|s| {
            s.heights.insert(Height(12), left);
        }),
        ("a height above the tip", &[Heights], &|s| {
            s.heights.insert(Height(17), low);
        }),
        ("the genesis height", &[Heights], &|s| {
            s.heights.insert(Height(0), low);
        }),
        ("a transaction gone", &[Transactions], &|s| {
            s.transactions.remove(&paid.txid());
        }),
        ("a transaction's index", &[Transactions], &|s| s.transactions.get_mut(&paid.txid()).unwrap().index = 0),
        ("a transaction's block", &[Transactions], &|s| s.transactions.get_mut(&paid.txid()).unwrap().block = low),
        ("a transaction from nowhere", &[Transactions], &|s| {
            let location = s.transactions[&paid.txid()];
            s.transactions.insert(crate::hash::Txid([9; 32]), location);
        }),
        ("no tip", &[Meta], &|s| s.tip = None),
        ("a tip that is none", &[Headers], &|s| s.tip = Some(nowhere)),
        ("a lower tip", &[Meta, Heights], &|s| s.tip = Some(high)),
        ("a tip beside the chain", &[Meta, Heights], &|s| s.tip = Some(left)),
        ("no best header", &[Meta], &|s| s.best_header = None),
        ("a best header that is none", &[Meta], &|s| s.best_header = Some(nowhere)),
        ("a best header below the tip", &[Meta], &|s| s.best_header = Some(high)),
        ("a first body above the tip", &[Meta], &|s| s.first_body = Height(17)),
        ("bodies said to be pruned", &[Blocks], &|s| s.first_body = Height(4)),
    ];
    for (what, tables, harm) in harms {
        let mut harmed = store.clone();
        harm(&mut harmed);
        assert_ne!(harmed, *store, "{what}: nothing was harmed");
        let damage = checked(&harmed).expect_err(what);
        assert!(tables.contains(&damage.table), "{what}: {damage}");
        let text = damage.to_string();
        assert!(text.starts_with(&alloc::format!("table {}", damage.table)) && !text.contains('\n'), "{what}: {text}");
    }
}

#[test]
fn damage_says_which_block_and_height() {
    let chain = history();
    let mut store = chain.store().clone();
    let hash = store.heights[&Height(12)];
    store.undo.get_mut(&hash).unwrap().spent[0].output.value.0 += 1;
    let damage = checked(&store).unwrap_err();
    assert_eq!((damage.block, damage.height, damage.table), (Some(hash), Some(Height(12)), Table::Undo));
    let text = alloc::format!("table undo, block {hash}, height 12: the entry is another than the chain makes it");
    assert_eq!(damage.to_string(), text);
    let mut store = chain.store().clone();
    let (outpoint, coin) = store.coins.iter().next().map(|(o, c)| (*o, c.clone())).unwrap();
    store.coins.remove(&outpoint);
    let damage = checked(&store).unwrap_err();
    assert_eq!((damage.key, damage.height), (Key::Coin(outpoint), Some(coin.height)));
    assert_eq!((damage.block, damage.problem), (Some(store.heights[&coin.height]), Problem::Missing));
}
