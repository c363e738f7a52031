//! Blocks that are valid, and such as break one rule.

use crate::Choices;
use crate::world::{LATE, PEOPLE, TestChain, next_block, owner, params, pay_to, sign, solve, spend};
use camelid_core::block::{Block, CompactTarget};
use camelid_core::hash::Txid;
use camelid_core::script::ScriptBuilder;
use camelid_core::script::opcode::Opcode;
use camelid_core::transaction::{Coin, OutPoint, Script, Sequence, Transaction};
use camelid_core::units::{Amount, Height, Timestamp};

/// A block, and whether it is valid.
pub(super) struct Known {
    pub block: Block,
    /// Index of its parent.
    pub parent: usize,
    /// The chain that ends with it and knows no other; `None` where it, or an ancestor, breaks a rule.
    pub chain: Option<TestChain>,
    /// Which rule.
    broken: &'static str,
}

impl Known {
    pub fn of_base(chain: &TestChain, index: usize) -> Self {
        let block = chain.block(&chain.tip_hash()).expect("memory does not fail").expect("the tip is here");
        Known { block, parent: index.saturating_sub(1), chain: Some(chain.clone()), broken: "" }
    }

    /// Whether no valid block has its header: of two bodies, one is the header's.
    pub fn shares_no_header(&self, all: &[Known]) -> bool {
        let hash = self.block.hash();
        all.iter().all(|k| k.chain.is_none() || k.block.hash() != hash)
    }
}

/// Which rule a block breaks.
pub(super) fn wrong(known: &Known) -> &'static str {
    known.broken
}

/// Coins of the chain that the next block may spend, with who owns them.
fn mature(chain: &TestChain) -> Vec<(OutPoint, Coin)> {
    let next = chain.height().next();
    let ripe = |c: &Coin| !c.coinbase || next >= c.height.plus(params().coinbase_maturity);
    let coins = chain.store().coins().iter().filter(|(_, c)| ripe(c) && owner(&c.output).is_some());
    coins.map(|(o, c)| (*o, c.clone())).collect()
}

/// Transactions that the next block could take, for all that we know.
fn transactions(chain: &TestChain, choices: &mut Choices<'_>) -> Vec<Transaction> {
    let mut coins = mature(chain);
    let mut all = Vec::new();
    for _ in 0..choices.below(4) {
        if coins.is_empty() {
            break;
        }
        let first = coins.swap_remove(choices.below(coins.len()));
        let mut spent = vec![first];
        if choices.below(3) == 0 && !coins.is_empty() {
            spent.push(coins.swap_remove(choices.below(coins.len())));
        }
        let value = spent.iter().map(|c| c.1.output.value.0).sum::<u64>().saturating_sub(u64::from(choices.short()));
        let parts = choices.below(3) as u64 + 1;
        let outputs: Vec<_> = (0..parts).map(|_| (Amount(value / parts), script(choices))).collect();
        let mut tx = spend(&spent, &outputs);
        if choices.below(4) == 0 {
            tx.lock_time = chain.height().0.saturating_sub(1) + choices.below(3) as u32;
            tx.inputs[0].sequence = Sequence::blocks(choices.below(6) as u16);
            sign(&mut tx, &spent.iter().map(|c| c.1.output.clone()).collect::<Vec<_>>());
        }
        // Its outputs may be spent in the same block.
        for (index, output) in (0..).zip(&tx.outputs) {
            if owner(output).is_some() {
                let coin = Coin { output: output.clone(), height: chain.height().next(), coinbase: false };
                coins.push((tx.outpoint(index), coin));
            }
        }
        all.push(tx);
    }
    all
}

fn script(choices: &mut Choices<'_>) -> Script {
    match choices.below(6) {
        0 => ScriptBuilder::new().op(Opcode::Return).push(b"data").build(),
        1 => ScriptBuilder::new().number(1).build(),
        _ => pay_to(choices.below(PEOPLE)),
    }
}

/// A block on `parent`, valid or not; `None` where nothing can be made.
pub(super) fn make(parent: &Known, index: usize, choices: &mut Choices<'_>) -> Option<Known> {
    let Some(chain) = &parent.chain else { return Some(orphaned(parent, index, choices)) };
    let txs = transactions(chain, choices);
    let time = Timestamp((chain.tip().header.time.0 + u32::from(choices.byte() / 8)).saturating_sub(2));
    let (block, _) = next_block(chain, choices.below(PEOPLE), txs, time);
    if choices.below(3) == 0
        && let Some((block, broken)) = broken(chain, block.clone(), choices)
    {
        return Some(Known { block, parent: index, chain: None, broken });
    }
    let mut next = chain.clone();
    let accepted = next.accept_block(block.clone(), LATE);
    assert!(accepted.is_ok_and(|a| a.connected.len() == 1), "a template makes a valid block");
    Some(Known { block, parent: index, chain: Some(next), broken: "" })
}

/// A block that follows one which breaks a rule.
fn orphaned(parent: &Known, index: usize, choices: &mut Choices<'_>) -> Known {
    let mut block = parent.block.clone();
    block.header.previous = parent.block.hash();
    block.header.time.0 += u32::from(choices.byte() / 8);
    Known { block: again(block), parent: index, chain: None, broken: "an ancestor" }
}

/// With the Merkle root of what it holds, solved.
fn again(mut block: Block) -> Block {
    block.header.merkle_root = block.merkle_root();
    if block.header.bits.target().is_err() {
        return block;
    }
    solve(block)
}

/// Breaks one rule of a valid block.
fn broken(chain: &TestChain, mut block: Block, choices: &mut Choices<'_>) -> Option<(Block, &'static str)> {
    let coinbase = &mut block.transactions[0];
    let what = match choices.below(14) {
        0 => {
            coinbase.outputs[0].value.0 += 1;
            "the coinbase makes too much"
        }
        1 => {
            coinbase.outputs.last_mut()?.script_pubkey.0[20] ^= 1;
            "the commitment is to another filter"
        }
        2 => {
            coinbase.outputs.pop();
            "no commitment"
        }
        3 => {
            coinbase.lock_time += 1;
            "the coinbase's height"
        }
        4 => {
            coinbase.inputs[0].script_sig = Script(vec![0; 101]);
            "the coinbase's ScriptSig is too long"
        }
        5 => {
            let second = block.transactions[0].clone();
            block.transactions.push(second);
            "a second coinbase"
        }
        6 => {
            let tx = block.transactions.get(1)?.clone();
            block.transactions.push(tx);
            "a double spend"
        }
        7 => {
            let missing = (OutPoint { txid: Txid([7; 32]), index: 0 }, mature(chain).pop()?.1);
            block.transactions.push(spend(&[missing], &[(Amount(1), pay_to(0))]));
            "a coin that is not there"
        }
        8 => {
            let (outpoint, coin) = mature(chain).pop()?;
            let mut tx = spend(&[(outpoint, coin)], &[(Amount(1), pay_to(0))]);
            let at = tx.inputs[0].script_sig.0.len() - 40;
            tx.inputs[0].script_sig.0[at] ^= 1;
            block.transactions.truncate(1);
            block.transactions.push(tx);
            "another signature"
        }
        9 => {
            let young = |(_, c): &(&OutPoint, &Coin)| c.coinbase && c.height == chain.height() && c.height > Height(0);
            let (outpoint, coin) = chain.store().coins().iter().find(young)?;
            block.transactions.push(spend(&[(*outpoint, coin.clone())], &[(Amount(1), pay_to(0))]));
            "an immature coin"
        }
        10 => {
            let (outpoint, coin) = mature(chain).pop()?;
            let value = Amount(coin.output.value.0 + 1);
            block.transactions.truncate(1);
            block.transactions.push(spend(&[(outpoint, coin)], &[(value, pay_to(0))]));
            "more goes out than comes in"
        }
        11 => {
            block.header.time = chain.median_time_past();
            "the time is too old"
        }
        12 => {
            block.header.version ^= 0x4000_0000;
            "the version"
        }
        _ => {
            // A harder target than asked for is another target.
            block.header.bits = CompactTarget(block.header.bits.0 - 1);
            "another target"
        }
    };
    Some((again(block), what))
}
