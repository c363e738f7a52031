//! Connecting and disconnecting: the coins come back exactly.

use super::*;
use crate::encode::{Decode, Encode};
use crate::transaction::Coin;
use crate::units::{COIN, Height};
use alloc::collections::BTreeMap;
use core::convert::Infallible;
use proptest::prelude::*;

struct Coins(BTreeMap<OutPoint, Coin>);

impl ChainView for Coins {
    type Error = Infallible;

    fn coin(&self, outpoint: &OutPoint) -> Result<Option<Coin>, Infallible> {
        Ok(self.0.get(outpoint).cloned())
    }

    fn median_time_past(&self, _: Height) -> Result<Timestamp, Infallible> {
        Ok(start())
    }
}

impl Coins {
    fn apply(&mut self, changes: CoinChanges) {
        for (outpoint, coin) in changes {
            match coin {
                Some(coin) => self.0.insert(outpoint, coin),
                None => self.0.remove(&outpoint),
            };
        }
    }
}

/// A block whose transactions spend randomly chosen coins, of the chain and of the block itself.
pub(super) fn random_block(chain: &TestChain, choices: &[(u8, u8, bool)], time: u32) -> Block {
    let mut owned: Vec<(OutPoint, TxOut)> = Vec::new();
    chain
        .store()
        .for_each_coin(&mut |outpoint, coin| {
            let ripe = !coin.coinbase || coin.height.plus(dev().coinbase_maturity) <= chain.height().next();
            if ripe && coin.output.script_pubkey == pay_to(0) && coin.output.value.0 > 10 {
                owned.push((outpoint, coin.output));
            }
        })
        .unwrap();
    let mut txs = Vec::new();
    for (pick, outputs, burn) in choices {
        if owned.is_empty() {
            break;
        }
        let mut coins = alloc::vec![owned.remove(*pick as usize % owned.len())];
        if *outputs > 3 && !owned.is_empty() {
            coins.push(owned.remove(*pick as usize / 2 % owned.len()));
        }
        let total: u64 = coins.iter().map(|c| c.1.value.0).sum();
        let count = u64::from(outputs % 4) + 1;
        let mut builder = coins.iter().fold(TransactionBuilder::new(), |b, c| b.input(c.0));
        for _ in 0..count {
            builder = builder.output(Amount((total - 7) / count), pay_to(0));
        }
        if *burn {
            builder = builder.output(Amount(3), templates::burn());
        }
        let tx = sign(builder.build(), &coins, 0);
        owned.extend((0..count as u32).map(|i| (tx.outpoint(i), tx.outputs[i as usize].clone())));
        txs.push(tx);
    }
    next_block(chain, 0, txs, time)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn disconnect_restores_the_coins_exactly(choices in prop::collection::vec(any::<(u8, u8, bool)>(), 0..12)) {
        let chain = grown(9);
        let block = random_block(&chain, &choices, start().0 + 100);
        let mut coins = Coins(chain.store().coins().clone());
        let before = coins.0.clone();
        let connected = connect_block(&block, &chain.next_block(), &filter_header(&chain), &coins).unwrap();
        coins.apply(connected.coins);
        let total: u64 = coins.0.values().map(|c| c.output.value.0).sum();
        let burned: u64 = block.transactions.iter().flat_map(|t| &t.outputs)
            .filter(|o| o.script_pubkey == templates::burn()).map(|o| o.value.0).sum();
        prop_assert_eq!(total + burned, 10 * 50 * COIN);
        prop_assert_ne!(&coins.0, &before);
        let undo = Undo::from_bytes(&connected.undo.to_bytes()).unwrap();
        coins.apply(disconnect_block(&block, &undo).unwrap());
        prop_assert_eq!(coins.0, before);
    }
}

#[test]
fn undo_data_of_another_block_is_refused() {
    let chain = grown(9);
    let block = random_block(&chain, &[(0, 0, false)], start().0 + 100);
    assert_eq!(disconnect_block(&block, &Undo::default()), Err(UndoError { expected: 1, found: 0 }));
}

/// Whoever runs the checks of the scripts decides whether the block is valid; the error names the transaction.
#[test]
fn the_chain_takes_what_its_runner_says() {
    let chain = grown(9);
    let block = random_block(&chain, &[(0, 1, false), (1, 1, false), (2, 1, false)], start().0 + 100);
    let view = Coins(chain.store().coins().clone());
    let last_fails: ScriptRunner = |checks, next, meanwhile| {
        meanwhile();
        assert!(checks.iter().all(|check| check.run(next).is_ok()) && checks[0].index == 1);
        checks.last().map(|_| (checks.len() - 1, TransactionError::NoInputs))
    };
    let next = chain.next_block();
    let connected = connect_block(&block, &next, &filter_header(&chain), &view).unwrap();
    let error = check_block_scripts(&block, &connected.undo, &next, last_fails, &mut || ()).unwrap_err();
    let txid = block.transactions[3].txid();
    let expected = BlockError::Transaction { index: 3, txid, error: TransactionError::NoInputs };
    assert_eq!(error, expected);
    // A coin that is not among the spent ones leaves no script unchecked.
    let mut lacking = connected.undo;
    let lost = block.transactions[3].inputs.last().unwrap().previous;
    lacking.spent.pop();
    let error = check_block_scripts(&block, &lacking, &next, one_by_one, &mut || ()).unwrap_err();
    let expected = BlockError::Transaction { index: 3, txid, error: TransactionError::MissingInput(lost) };
    assert_eq!(error, expected);
    let mut refusing = chain.clone().with_script_runner(last_fails);
    assert!(refusing.accept_block(block.clone(), LATE).is_err());
    assert_eq!(refusing.tip_hash(), chain.tip_hash());
    let mut taking = chain.with_script_runner(one_by_one);
    assert_eq!(taking.accept_block(block, LATE).unwrap().outcome, Outcome::NewTip);
}
