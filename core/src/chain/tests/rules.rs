//! Each rule of blocks and transactions, broken once.

use super::*;
use crate::block::MAX_BLOCK_BYTES;
use crate::script::ScriptError;
use crate::transaction::MAX_TRANSACTION_BYTES;
use crate::units::{COIN, Height, MAX_MONEY};
use alloc::collections::BTreeMap;
use alloc::vec;
use core::slice;

const SUBSIDY: u64 = 50 * COIN;

/// A chain of seven blocks: the coinbases of the first three can be spent in the next block.
fn seven() -> TestChain {
    grown(7)
}

fn time(chain: &TestChain) -> u32 {
    chain.tip().header.time.0 + 2
}

/// A block with a transaction that the template would leave out.
fn forced(chain: &TestChain, tx: Transaction) -> Block {
    let mut block = next_block(chain, 0, [], time(chain));
    block.transactions.push(tx);
    // Of coins that are not there nobody can say what the filter would hold.
    let known = block.transactions[1].inputs.iter().all(|input| chain.coin(&input.previous).unwrap().is_some());
    solve(if known { commit(chain, block) } else { block })
}

fn refused_tx(tx: Transaction) -> TransactionError {
    let mut chain = seven();
    let block = forced(&chain, tx);
    of_transaction(refused(&mut chain, block))
}

#[test]
fn a_valid_spend_is_taken_and_its_fee_paid() {
    let mut chain = seven();
    let coin = reward(&chain, 1);
    let tx = spend(slice::from_ref(&coin), 0, &[SUBSIDY - 700], 1);
    let checked = chain.check_transaction_for_next_block(&tx, &BTreeMap::new()).unwrap();
    assert_eq!((checked.fee, checked.sigops, checked.spent.len()), (Amount(700), 1, 1));
    let template = chain.build_template(pay_to(2), [tx.clone()], Timestamp(time(&chain))).unwrap();
    assert_eq!((template.fees, template.height), (Amount(700), Height(8)));
    let block = solve(template.block);
    let accepted = chain.accept_block(block.clone(), LATE).unwrap();
    assert_eq!(accepted.outcome, Outcome::NewTip);
    assert_eq!(accepted.connected, [ChainBlock { height: Height(8), hash: block.hash(), block: block.clone() }]);
    assert_eq!(chain.coin(&coin.0).unwrap(), None);
    assert_eq!(chain.coin(&tx.outpoint(0)).unwrap().unwrap().height, Height(8));
    let paid = chain.coin(&block.transactions[0].outpoint(0)).unwrap().unwrap();
    assert_eq!((paid.output.value, paid.coinbase), (Amount(SUBSIDY + 700), true));
    let (found, entry) = chain.transaction(&tx.txid()).unwrap().unwrap();
    assert_eq!((found, entry.height), (tx, Height(8)));
    assert_eq!(chain.accept_block(block, LATE).unwrap().outcome, Outcome::AlreadyKnown);
}

#[test]
fn a_transaction_may_spend_an_earlier_one_of_its_block_and_no_later_one() {
    let mut chain = seven();
    let first = spend(&[reward(&chain, 1)], 0, &[SUBSIDY], 1);
    let second = spend(&[(first.outpoint(0), first.outputs[0].clone())], 1, &[SUBSIDY], 2);
    let mut block = next_block(&chain, 0, [first.clone(), second.clone()], time(&chain));
    block.transactions.swap(1, 2);
    let missing = TransactionError::MissingInput(first.outpoint(0));
    assert_eq!(of_transaction(refused(&mut chain, solve(block))), missing);
    let extra = BTreeMap::from([(
        first.outpoint(0),
        crate::transaction::Coin { output: first.outputs[0].clone(), height: Height(8), coinbase: false },
    )]);
    assert!(chain.check_transaction_for_next_block(&second, &extra).is_ok());
    assert!(chain.check_transaction_for_next_block(&second, &BTreeMap::new()).is_err());
    let block = next_block(&chain, 0, [first.clone(), second.clone()], time(&chain));
    chain.accept_block(block, LATE).unwrap();
    assert_eq!(chain.coin(&first.outpoint(0)).unwrap(), None);
    assert!(chain.coin(&second.outpoint(0)).unwrap().is_some());
}

#[test]
fn the_merkle_root_and_what_it_covers() {
    let mut chain = seven();
    let tx = spend(&[reward(&chain, 1)], 0, &[SUBSIDY], 1);
    let good = next_block(&chain, 0, [tx], time(&chain));
    let mut block = good.clone();
    // Another ScriptSig leaves the txid as it is, and still changes the root.
    block.transactions[1].inputs[0].script_sig.0.push(0);
    assert_eq!(block.transactions[1].txid(), good.transactions[1].txid());
    let (expected, found) = (block.header.merkle_root, block.merkle_root());
    match chain.accept_block(block, LATE) {
        Err(ChainError::Block { error, .. }) => assert_eq!(*error, BlockError::MerkleRoot { expected, found }),
        other => panic!("{other:?}"),
    }
    // The header's own block is still welcome.
    assert_eq!(chain.accept_block(good, LATE).unwrap().outcome, Outcome::NewTip);
}

#[test]
fn coinbase_rules() {
    let mut chain = seven();
    let good = next_block(&chain, 0, [], time(&chain));
    let changed = |change: &dyn Fn(&mut Block)| {
        let mut block = good.clone();
        change(&mut block);
        solve(block)
    };
    let none = changed(&|b| b.transactions.clear());
    assert_eq!(refused(&mut chain, none), BlockError::NoCoinbase);
    let two = changed(&|b| b.transactions.push(b.transactions[0].clone()));
    assert_eq!(refused(&mut chain, two), BlockError::SecondCoinbase { index: 1 });
    let late = changed(&|b| b.transactions[0].lock_time = 9);
    assert_eq!(refused(&mut chain, late), BlockError::CoinbaseHeight { expected: Height(8), found: 9 });
    let long = changed(&|b| b.transactions[0].inputs[0].script_sig = Script(vec![0; 101]));
    assert_eq!(refused(&mut chain, long), BlockError::CoinbaseScript { max: 100, found: 101 });
    let greedy = changed(&|b| b.transactions[0].outputs[0].value.0 += 1);
    let (allowed, found) = (Amount(SUBSIDY), Amount(SUBSIDY + 1));
    assert_eq!(refused(&mut chain, greedy), BlockError::CoinbaseValue { allowed, found });
    let version = changed(&|b| b.transactions[0].version = 2);
    assert!(matches!(refused(&mut chain, version), BlockError::Transaction { index: 0, .. }));
    let modest = changed(&|b| {
        b.transactions[0].outputs[0].value.0 -= 1;
        b.transactions[0].inputs[0].script_sig = Script(vec![0; 100]);
    });
    assert_eq!(chain.accept_block(modest, LATE).unwrap().outcome, Outcome::NewTip);
}

#[test]
fn a_coinbase_matures() {
    let chain = seven();
    let coin = reward(&chain, 4);
    let young = spend(slice::from_ref(&coin), 0, &[SUBSIDY], 1);
    let (from, height) = (Height(9), Height(8));
    let expected = TransactionError::ImmatureCoinbase { outpoint: coin.0, from, height };
    assert_eq!(refused_tx(young), expected);
    let ripe = spend(&[reward(&chain, 3)], 0, &[SUBSIDY], 1);
    assert!(chain.check_transaction_for_next_block(&ripe, &BTreeMap::new()).is_ok());
}

#[test]
fn values_and_inputs() {
    let chain = seven();
    let coin = reward(&chain, 1);
    let coins = slice::from_ref(&coin);
    let one = |values: &[u64]| spend(coins, 0, values, 1);
    let (inputs, outputs) = (Amount(SUBSIDY), Amount(SUBSIDY + 1));
    assert_eq!(refused_tx(one(&[SUBSIDY, 1])), TransactionError::ValueCreated { inputs, outputs });
    assert_eq!(refused_tx(one(&[MAX_MONEY.0 + 1])), TransactionError::OutputsTooLarge);
    assert_eq!(refused_tx(one(&[u64::MAX, 2])), TransactionError::OutputsTooLarge);
    assert_eq!(refused_tx(one(&[])), TransactionError::NoOutputs);
    let twice = spend(&[coin.clone(), coin.clone()], 0, &[2 * SUBSIDY], 1);
    assert_eq!(refused_tx(twice), TransactionError::DuplicateInput(coin.0));
    assert_eq!(refused_tx(spend(&[], 0, &[0], 1)), TransactionError::NoInputs);
    let null = spend(&[coin.clone(), (OutPoint::NULL, coin.1.clone())], 0, &[SUBSIDY], 1);
    assert_eq!(refused_tx(null), TransactionError::NullInput { input: 1 });
    let nowhere = OutPoint { index: 7, ..coin.0 };
    let missing = spend(&[(nowhere, coin.1.clone())], 0, &[SUBSIDY], 1);
    assert_eq!(refused_tx(missing), TransactionError::MissingInput(nowhere));
    let mut other = one(&[SUBSIDY]);
    other.version = 2;
    assert_eq!(refused_tx(other), TransactionError::Version { expected: 1, found: 2 });
    let mut large = one(&[SUBSIDY]);
    large.outputs[0].script_pubkey = Script(vec![0; MAX_TRANSACTION_BYTES]);
    let found = large.size();
    assert_eq!(refused_tx(large), TransactionError::Size { max: MAX_TRANSACTION_BYTES, found });
}

#[test]
fn scripts_hold() {
    let chain = seven();
    let coin = reward(&chain, 1);
    let mut forged = spend(slice::from_ref(&coin), 0, &[SUBSIDY], 1);
    forged.outputs[0].script_pubkey = pay_to(3);
    assert!(matches!(refused_tx(forged), TransactionError::Script { input: 0, .. }));
    let mut stranger = spend(slice::from_ref(&coin), 0, &[SUBSIDY], 1);
    stranger.inputs[0].script_sig = Script::empty();
    let error = refused_tx(stranger);
    assert!(
        matches!(error, TransactionError::Script { input: 0, error: ScriptError::StackUnderflow { .. } }),
        "{error}"
    );
}

#[test]
fn a_coin_is_spent_once_in_a_block_and_once_in_a_chain() {
    let mut chain = seven();
    let coin = reward(&chain, 1);
    let (a, b) = (spend(slice::from_ref(&coin), 0, &[SUBSIDY], 1), spend(slice::from_ref(&coin), 0, &[SUBSIDY], 2));
    let template = chain.build_template(pay_to(0), [a.clone(), b.clone()], LATE).unwrap();
    assert_eq!(template.left_out, slice::from_ref(&b));
    let mut block = next_block(&chain, 0, [a], time(&chain));
    block.transactions.push(b.clone());
    let expected = TransactionError::MissingInput(coin.0);
    match refused(&mut chain, solve(block.clone())) {
        BlockError::Transaction { index: 2, txid, error } => assert_eq!((txid, error), (b.txid(), expected.clone())),
        other => panic!("{other:?}"),
    }
    block.transactions.pop();
    chain.accept_block(solve(block), LATE).unwrap();
    let again = forced(&chain, b);
    assert_eq!(of_transaction(refused(&mut chain, again)), expected);
}

#[test]
fn burned_outputs_are_no_coins() {
    let mut chain = seven();
    let coin = reward(&chain, 1);
    let tx = TransactionBuilder::new().input(coin.0).output(Amount(5), templates::burn()).build();
    let tx = sign(tx, slice::from_ref(&coin), 0);
    let block = next_block(&chain, 0, [tx.clone()], time(&chain));
    chain.accept_block(block, LATE).unwrap();
    assert_eq!(chain.coin(&tx.outpoint(0)).unwrap(), None);
    assert_eq!(chain.coin(&coin.0).unwrap(), None);
}

#[test]
fn size_and_signature_checks_are_limited() {
    let mut chain = seven();
    let coin = reward(&chain, 1);
    // Each output's script is data of 500,000 bytes that pays to nobody.
    let mut bulk = vec![0u8; 990_000];
    bulk[0] = templates::burn().0[0];
    let mut txs = Vec::new();
    let mut from = coin.clone();
    for _ in 0..5 {
        let tx = TransactionBuilder::new()
            .input(from.0)
            .output(from.1.value, pay_to(0))
            .output(Amount(0), Script(bulk.clone()))
            .build();
        let tx = sign(tx, slice::from_ref(&from), 0);
        from = (tx.outpoint(0), tx.outputs[0].clone());
        txs.push(tx);
    }
    let template = chain.build_template(pay_to(0), txs.clone(), LATE).unwrap();
    assert_eq!((template.block.transactions.len(), template.left_out.len()), (5, 1));
    assert!(template.block.size() <= MAX_BLOCK_BYTES);
    let mut block = next_block(&chain, 0, [], time(&chain));
    block.transactions.extend(txs);
    let found = block.size();
    assert_eq!(refused(&mut chain, solve(block)), BlockError::Size { max: MAX_BLOCK_BYTES, found });

    // 1,001 outputs that count for 20 signature checks each, and can be spent without one.
    let mut cheap = vec![0x51, 0x63, 0x51, 0x67];
    cheap.extend([0x00, 0x00, 0xae, 0x68]);
    let count = dev().max_block_sigops / 20 + 1;
    let mut make = TransactionBuilder::new().input(coin.0);
    for _ in 0..count {
        make = make.output(Amount(1_000), Script(cheap.clone()));
    }
    let make = sign(make.build(), slice::from_ref(&coin), 0);
    let block = next_block(&chain, 0, [make.clone()], time(&chain));
    chain.accept_block(block, LATE).unwrap();
    let each = crate::script::signature_operations(&Script(cheap));
    let take = |range: core::ops::Range<u32>| {
        let take = TransactionBuilder::new().output(Amount(0), pay_to(0));
        range.fold(take, |take, index| take.input(make.outpoint(index))).build()
    };
    // Over all transactions of a block.
    let mut block = forced(&chain, take(0..count / 2));
    block.transactions.push(take(count / 2..count));
    let (max, found) = (dev().max_block_sigops, each * count);
    assert!(found > max);
    assert_eq!(refused(&mut chain, solve(block)), BlockError::Sigops { max, found });
    // One that no block could hold is refused before anything in it is checked.
    let mut alone = take(0..count);
    alone.inputs[0].script_sig = Script(vec![0xff]);
    let block = forced(&chain, alone);
    assert_eq!(of_transaction(refused(&mut chain, block)), TransactionError::Sigops { max, found });
}

#[test]
fn nothing_is_made_but_the_subsidy() {
    let mut chain = seven();
    let tx = spend(&[reward(&chain, 1), reward(&chain, 2)], 0, &[SUBSIDY, 5, 6, 7], 1);
    let block = next_block(&chain, 0, [tx], time(&chain));
    chain.accept_block(block, LATE).unwrap();
    let mut total = 0;
    chain.store().for_each_coin(&mut |_, coin| total += coin.output.value.0).unwrap();
    assert_eq!(total, 8 * SUBSIDY);
}
