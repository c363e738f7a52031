//! The books against a look through all blocks, whatever the chain did.

use super::world::*;
use crate::light::{Event, Ledger, LightClient};
use crate::script::templates::p2pkh_key_hash;
use crate::transaction::{Coin, OutPoint, Transaction};
use crate::units::{COIN, Height};
use crate::wallet::Branch;
use alloc::vec;
use alloc::vec::Vec;
use proptest::prelude::*;

/// What happens on a chain.
#[derive(Clone, Debug)]
enum Step {
    /// Somebody else mines.
    Stranger,
    /// We mine, to this address.
    Ours(u32),
    /// We spend our oldest coins: so many, some of it to ourselves.
    Spend(usize, u32),
    /// The last blocks are replaced by as many others and one more, with the transactions of the old ones where they
    /// are still good.
    Reorganise(u32, bool),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        Just(Step::Stranger),
        (0u32..25).prop_map(Step::Ours),
        (1usize..4, 0u32..25).prop_map(|(coins, to)| Step::Spend(coins, to)),
        (1u32..6, any::<bool>()).prop_map(|(depth, keep)| Step::Reorganise(depth, keep)),
    ];
    prop::collection::vec(step, 4..14)
}

/// Coins of ours that the next block may spend.
fn spendable(chain: &TestChain, light: &LightClient<usize>) -> Vec<(OutPoint, Coin)> {
    let coins = chain.store().coins().iter().filter(|(_, coin)| {
        let ours = p2pkh_key_hash(&coin.output.script_pubkey).and_then(|hash| light.keyring().find(&hash));
        let mature = !coin.coinbase || chain.height().next() >= coin.height.plus(dev().coinbase_maturity);
        ours.is_some() && mature
    });
    coins.map(|(outpoint, coin)| (*outpoint, coin.clone())).collect()
}

fn carry_out(step: &Step, chain: &mut TestChain, light: &LightClient<usize>) {
    match step {
        Step::Stranger => drop(mine(chain, stranger(1), vec![])),
        Step::Ours(index) => drop(mine(chain, ours(*index), vec![])),
        Step::Spend(count, to) => {
            let coins: Vec<_> = spendable(chain, light).into_iter().take(*count).collect();
            let value: u64 = coins.iter().map(|(_, coin)| coin.output.value.0).sum();
            let txs = if value < 10_000 {
                vec![]
            } else {
                let outputs = [(value / 3, stranger(5)), (value / 3, ours(*to))];
                vec![spend(&coins, &outputs, light.keyring())]
            };
            mine(chain, stranger(2), txs);
        }
        Step::Reorganise(depth, keep) => {
            let base = chain.height().0.saturating_sub(*depth);
            let old: Vec<Transaction> = (base + 1..=chain.height().0)
                .flat_map(|h| chain.block_at(Height(h)).unwrap().unwrap().block.transactions.split_off(1))
                .collect();
            let mut other = up_to(chain, base);
            let mut txs = if *keep { old } else { vec![] };
            for _ in 0..=*depth {
                mine(&mut other, stranger(9), core::mem::take(&mut txs));
            }
            *chain = other;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// After every step, reorganisations of received and spent coins included.
    #[test]
    fn the_books_equal_a_look_through_all_blocks(steps in steps(), seed: u64) {
        let mut chain = empty();
        for _ in 0..3 {
            mine(&mut chain, ours(0), vec![]);
        }
        grow(&mut chain, 5, 1);
        let peers = vec![(Play::Honest, chain.clone()), (Play::Slow, chain.clone())];
        let mut world = World::new(peers).seeded(seed);
        world.run(8);
        world.assert_at(&chain);
        for step in &steps {
            carry_out(step, &mut chain, &world.light);
            world.follow(&chain);
            world.run(25);
            world.assert_at(&chain);
        }
        prop_assert!(world.blamed.is_empty());
        let moved = steps.iter().any(|step| matches!(step, Step::Reorganise(..)));
        let told = world.events.iter().any(|event| matches!(event, Event::Reorganised { .. }));
        prop_assert_eq!(moved, told);
    }

    /// A block that is of interest late takes its place: blocks in any order of two groups make the same books.
    #[test]
    fn late_blocks_take_their_place(steps in steps(), late in prop::collection::vec(any::<bool>(), 40)) {
        let mut chain = empty();
        for index in 0..6 {
            mine(&mut chain, ours(index), vec![]);
        }
        let light = World::new(vec![]).light;
        for step in steps.iter().filter(|step| !matches!(step, Step::Reorganise(..))) {
            carry_out(step, &mut chain, &light);
        }
        let (mut ring, mut ledger) = (keyring(), Ledger::default());
        ring.note_first_unused(Branch::Receive, 30).unwrap();
        // Those that make coins are not late: who spends comes after who made.
        let late = |height: u32, block: &crate::block::Block| {
            let index = height as usize % late.len();
            late[index] && block.transactions.len() == 1
        };
        let blocks: Vec<_> =
            (1..=chain.height().0).map(|h| chain.block_at(Height(h)).unwrap().unwrap()).collect();
        let spends = |block: &crate::block::Block| block.transactions.len() > 1;
        let spent_from = blocks.iter().position(|b| spends(&b.block)).unwrap_or(blocks.len());
        let (first, second): (Vec<_>, Vec<_>) = blocks
            .iter()
            .enumerate()
            .partition(|(place, b)| *place < spent_from.min(6) || !late(b.height.0, &b.block));
        for (_, block) in first.into_iter().chain(second) {
            if block.block.transactions.len() > 1 && block.height.0 > 6 {
                // All before it first, as the client does.
                for before in blocks.iter().filter(|b| b.height < block.height) {
                    ledger.connected(&before.block, before.hash, before.height, &mut ring);
                }
            }
            ledger.connected(&block.block, block.hash, block.height, &mut ring);
        }
        assert_books(&ledger, &chain, &ring);
        // Taken away from above, one by one, it is as if they had never come.
        for height in (0..chain.height().0).rev() {
            ledger.disconnected(Height(height));
            let mut fresh = Ledger::default();
            for block in blocks.iter().filter(|b| b.height.0 <= height) {
                fresh.connected(&block.block, block.hash, block.height, &mut ring);
            }
            prop_assert_eq!(&ledger, &fresh);
        }
        prop_assert_eq!(ledger, Ledger::default());
    }
}

#[test]
fn mined_coins_wait_until_they_are_mature() {
    let mut chain = empty();
    mine(&mut chain, ours(0), vec![]);
    let mut world = World::new(vec![(Play::Honest, chain.clone())]);
    world.run(3);
    assert_eq!((world.light.holdings().immature.0, world.light.holdings().confirmed.0), (50 * COIN, 0));
    grow(&mut chain, dev().coinbase_maturity - 1, 1);
    world.follow(&chain);
    world.run(8);
    assert_eq!((world.light.holdings().immature.0, world.light.holdings().confirmed.0), (0, 50 * COIN));
}
