//! Whatever comes in whatever order, the next block could take the whole pool.

use super::*;
use alloc::collections::BTreeMap;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Event {
    /// A transaction that spends some of the coins there are.
    Spend { coins: Vec<prop::sample::Index>, outputs: u64, fee: u64 },
    /// A block with that part of the pool, in quarters.
    Mine { quarters: usize },
    /// A longer fork with that part of the pool.
    Fork { depth: usize, quarters: usize },
}

fn event() -> impl Strategy<Value = Event> {
    let coins = prop::collection::vec(any::<prop::sample::Index>(), 1..4);
    prop_oneof![
        8 => (coins, 1u64..4, 500u64..20_000).prop_map(|(coins, outputs, fee)| Event::Spend { coins, outputs, fee }),
        2 => (0usize..5).prop_map(|quarters| Event::Mine { quarters }),
        1 => (1usize..3, 0usize..5).prop_map(|(depth, quarters)| Event::Fork { depth, quarters }),
    ]
}

/// The first part of the pool that a miner could take alone.
fn part(lab: &Lab, quarters: usize) -> Vec<Transaction> {
    let mut all = lab.pool.by_fee_rate();
    all.truncate(all.len() * quarters / 4);
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn the_next_block_can_take_all_of_it(
        events in prop::collection::vec(event(), 1..40),
        max_bytes in prop_oneof![Just(2_000usize), Just(32_000_000)],
    ) {
        let limits = PoolLimits { max_bytes, max_ancestors: 6, ..PoolLimits::default() };
        let mut lab = Lab::new(limits);
        let mut coins: Vec<Owned> = (1..6).map(|h| lab.coin(h)).collect();
        for event in events {
            match event {
                Event::Spend { coins: picks, outputs, fee } => {
                    let chosen: BTreeMap<_, _> = picks.iter().map(|i| *i.get(&coins)).collect();
                    let chosen: Vec<_> = chosen.into_iter().collect();
                    let tx = spend(&chosen, outputs, fee);
                    if lab.add(&tx).is_ok() {
                        coins.extend((0..outputs as u32).map(|n| of(&tx, n)));
                    }
                }
                Event::Mine { quarters } => {
                    let txs = part(&lab, quarters);
                    lab.mine(txs);
                }
                Event::Fork { depth, quarters } => {
                    // The fork's blocks start lower: only what stands on the common blocks fits there.
                    let base = lab.chain.height().0 - depth as u32;
                    let old = |tx: &Transaction| tx.inputs.iter().all(|i| {
                        lab.chain.coin(&i.previous).unwrap().is_some_and(|c| c.height.0 <= base)
                    });
                    let txs: Vec<_> = part(&lab, quarters).into_iter().filter(old).collect();
                    lab.fork(depth, txs);
                }
            }
            let all = lab.pool.by_fee_rate();
            prop_assert_eq!(all.len(), lab.pool.len());
            prop_assert!(all.iter().map(Transaction::size).sum::<usize>() <= max_bytes);
            let template = lab.chain.build_template(Default::default(), all.clone(), lab.now).unwrap();
            prop_assert!(template.left_out.is_empty());
            for tx in &all {
                for input in &tx.inputs {
                    prop_assert_eq!(lab.pool.spender(&input.previous), Some(&tx.txid()));
                }
            }
        }
    }
}
