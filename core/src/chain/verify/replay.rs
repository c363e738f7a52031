//! The best chain connected again, and what must come of it: undo data, filters, the index of transactions, coins.

use super::damage::{at_block, read};
use super::{Check, Damage, Key, OnProgress, Problem, Stage, Steps};
use crate::block::Block;
use crate::chain::block_rules::check_block;
use crate::chain::connect::{CoinChanges, Connected, check_block_scripts, connect_block};
use crate::chain::transaction_rules::{ChainView, NextBlock};
use crate::chain::{CheckError, HeaderEntry, Inspect, Table, TransactionLocation, Undo};
use crate::filter::{FilterEntry, block_filter, committed_header};
use crate::hash::{BlockHash, FilterHeader};
use crate::script::templates::is_unspendable;
use crate::transaction::{Coin, OutPoint};
use crate::units::{Height, Timestamp};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

type Coins = BTreeMap<OutPoint, Coin>;

/// The coins at some block of the best chain, with those of a branch that begins there.
struct View<'a, S> {
    check: &'a Check<'a, S>,
    coins: &'a Coins,
    branch: CoinChanges,
    /// The branch's blocks, from the fork on; the best chain's below it count.
    above: Vec<HeaderEntry>,
}

impl<S: Inspect> ChainView for View<'_, S> {
    type Error = Box<Damage>;

    fn coin(&self, outpoint: &OutPoint) -> Result<Option<Coin>, Self::Error> {
        match self.branch.get(outpoint) {
            Some(change) => Ok(change.clone()),
            None => Ok(self.coins.get(outpoint).cloned()),
        }
    }

    fn median_time_past(&self, height: Height) -> Result<Timestamp, Self::Error> {
        if let Some(entry) = self.above.iter().find(|entry| entry.height == height) {
            return Ok(entry.median_time_past);
        }
        let hash = self.check.hash_at(height)?;
        Ok(self.check.header(&hash)?.median_time_past)
    }
}

impl<S: Inspect> Check<'_, S> {
    /// Connects the best chain's blocks, and those beside it that were connected once, and compares what comes of it.
    pub(super) fn replay(&mut self, on_progress: &mut OnProgress<'_>) -> Result<(), Box<Damage>> {
        let (first, tip) = (self.report.first_body, self.report.height);
        let mut coins = Coins::new();
        if first == Height(0) {
            self.genesis()?;
        } else {
            self.filters_below(first, on_progress)?;
            coins = self.coins_before(first, on_progress)?;
        }
        let from = first.max(Height(1));
        let mut steps = Steps::new(Stage::Connect, u64::from(tip.next().since(from)), on_progress);
        let mut parent = self.hash_at(Height(from.0.saturating_sub(1)))?;
        self.branches(&parent, &coins)?;
        for height in from.0..=tip.0 {
            let hash = self.hash_at(Height(height))?;
            let view = View { check: self, coins: &coins, branch: CoinChanges::new(), above: Vec::new() };
            let (block, connected) = self.connect(&hash, &parent, &view)?;
            self.compare_index(&hash, Height(height), &block)?;
            for (outpoint, change) in connected.coins {
                match change {
                    Some(coin) => coins.insert(outpoint, coin),
                    None => coins.remove(&outpoint),
                };
            }
            self.report.connected += 1;
            self.report.transactions += block.transactions.len() as u64;
            self.branches(&hash, &coins)?;
            parent = hash;
            steps.step();
        }
        self.no_other_transactions(on_progress)?;
        self.compare_coins(coins, on_progress)
    }

    fn genesis(&mut self) -> Result<(), Box<Damage>> {
        let genesis = self.params.genesis();
        let hash = genesis.hash();
        let place = |table| move || at_block(table, &hash, Some(Height(0)));
        let filter = block_filter(&genesis, []);
        let entry = FilterEntry::new(&filter, &FilterHeader::ZERO);
        same(read(self.store.block(&hash), place(Table::Blocks))?, &genesis, place(Table::Blocks))?;
        same(read(self.store.undo(&hash), place(Table::Undo))?, &Undo::default(), place(Table::Undo))?;
        same(read(self.store.filter(&hash), place(Table::Filters))?, &filter, place(Table::Filters))?;
        same(read(self.store.filter_entry(&hash), place(Table::FilterEntries))?, &entry, place(Table::FilterEntries))?;
        self.report.transactions += genesis.transactions.len() as u64;
        self.compare_index(&hash, Height(0), &genesis)
    }

    fn body(&self, hash: &BlockHash, height: Height) -> Result<Block, Box<Damage>> {
        let place = || at_block(Table::Blocks, hash, Some(height));
        let block = read(self.store.block(hash), place)?.ok_or_else(|| place().is(Problem::Missing))?;
        if block.hash() != *hash {
            return Err(place().is(Problem::Differs));
        }
        check_block(&block, self.params).map_err(|error| place().is(Problem::Block(Box::new(error))))?;
        Ok(block)
    }

    /// Connects a block onto what `view` shows; compares what the store says about it.
    fn connect(
        &self,
        hash: &BlockHash,
        parent: &BlockHash,
        view: &View<'_, S>,
    ) -> Result<(Block, Connected), Box<Damage>> {
        let before = self.header(parent)?;
        let height = before.height.next();
        let place = |table| move || at_block(table, hash, Some(height));
        let block = self.body(hash, height)?;
        let next = NextBlock { params: self.params, height, median_time_past: before.median_time_past };
        let filter_header = self.filter_entry(parent, before.height)?.header;
        let breaks = |rule| place(Table::Blocks)().is(Problem::Block(Box::new(rule)));
        let connected = match connect_block(&block, &next, &filter_header, view) {
            Ok(connected) => connected,
            Err(CheckError::Rule(rule)) => return Err(breaks(rule)),
            Err(CheckError::Store(damage)) => return Err(damage),
        };
        check_block_scripts(&block, &connected.undo, &next, self.run_scripts, &mut || ()).map_err(breaks)?;
        same(read(self.store.undo(hash), place(Table::Undo))?, &connected.undo, place(Table::Undo))?;
        same(read(self.store.filter(hash), place(Table::Filters))?, &connected.filter, place(Table::Filters))?;
        let entry = read(self.store.filter_entry(hash), place(Table::FilterEntries))?;
        same(entry, &connected.filter_entry, place(Table::FilterEntries))?;
        Ok((block, connected))
    }

    fn filter_entry(&self, hash: &BlockHash, height: Height) -> Result<FilterEntry, Box<Damage>> {
        let place = || at_block(Table::FilterEntries, hash, Some(height));
        read(self.store.filter_entry(hash), place)?.ok_or_else(|| place().is(Problem::Missing))
    }

    /// Connects the branches that begin at a block of the best chain.
    fn branches(&self, fork: &BlockHash, coins: &Coins) -> Result<(), Box<Damage>> {
        let Some(children) = self.side.get(fork) else { return Ok(()) };
        let mut open: Vec<_> = children.iter().map(|child| (*child, CoinChanges::new(), Vec::new())).collect();
        while let Some((hash, branch, above)) = open.pop() {
            let entry = self.header(&hash)?;
            let parent = entry.header.previous;
            let mut view = View { check: self, coins, branch, above };
            let (_, connected) = self.connect(&hash, &parent, &view)?;
            view.branch.extend(connected.coins);
            view.above.push(entry);
            let next = self.side.get(&hash).into_iter().flatten();
            open.extend(next.map(|child| (*child, view.branch.clone(), view.above.clone())));
        }
        Ok(())
    }

    /// Each transaction of the block is in the index, at its place.
    fn compare_index(&self, hash: &BlockHash, height: Height, block: &Block) -> Result<(), Box<Damage>> {
        for (index, tx) in (0..).zip(&block.transactions) {
            let txid = tx.txid();
            let place = || Damage::at(Table::Transactions, Key::Transaction(txid)).of(*hash, height);
            let expected = TransactionLocation { block: *hash, index };
            same(read(self.store.transaction(&txid), place)?, &expected, place)?;
        }
        Ok(())
    }

    /// The index has as many entries as the blocks have transactions; where it has more, finds one.
    fn no_other_transactions(&self, on_progress: &mut OnProgress<'_>) -> Result<(), Box<Damage>> {
        let any = || Damage::at(Table::Transactions, Key::Any);
        let total = read(self.store.count(Table::Transactions), any)?;
        let mut steps = Steps::new(Stage::Transactions, total, on_progress);
        if total == self.report.transactions {
            return Ok(());
        }
        let mut found = Ok(());
        let read_all = self.store.for_each_transaction(&mut |txid, location| {
            steps.step();
            if found.is_ok() {
                found = self.stands_there(&txid, &location);
            }
        });
        found?;
        read(read_all, any)?;
        Err(any().is(Problem::Differs))
    }

    fn stands_there(&self, txid: &crate::hash::Txid, location: &TransactionLocation) -> Result<(), Box<Damage>> {
        let place =
            || Damage { block: Some(location.block), ..Damage::at(Table::Transactions, Key::Transaction(*txid)) };
        let block = read(self.store.block(&location.block), place)?;
        let tx = block.as_ref().and_then(|block| block.transactions.get(location.index as usize));
        let entry = read(self.store.header(&location.block), place)?;
        let height = entry.map(|entry| entry.height).ok_or_else(|| place().is(Problem::Unexpected))?;
        let in_chain = read(self.store.hash_at(height), place)? == Some(location.block);
        if in_chain && tx.is_some_and(|tx| tx.txid() == *txid) {
            return Ok(());
        }
        Err(place().of(location.block, height).is(Problem::Unexpected))
    }

    fn compare_coins(&mut self, mut expected: Coins, on_progress: &mut OnProgress<'_>) -> Result<(), Box<Damage>> {
        let any = || Damage::at(Table::Coins, Key::Any);
        let first = self.report.first_body;
        self.report.coins = expected.len() as u64;
        self.report.unchecked_coins = expected.values().filter(|coin| coin.height < first).count() as u64;
        let mut steps = Steps::new(Stage::Coins, self.report.coins, on_progress);
        let mut found = Ok(());
        let read_all = self.store.for_each_coin(&mut |outpoint, coin| {
            if found.is_err() {
                return;
            }
            steps.step();
            found = match expected.remove(&outpoint) {
                Some(right) if right == coin => Ok(()),
                Some(right) => Err(self.coin_at(&outpoint, right.height).is(Problem::Differs)),
                None => Err(self.coin_at(&outpoint, coin.height).is(Problem::Unexpected)),
            };
        });
        found?;
        read(read_all, any)?;
        match expected.into_iter().next() {
            Some((outpoint, coin)) => Err(self.coin_at(&outpoint, coin.height).is(Problem::Missing)),
            None => Ok(()),
        }
    }

    /// The place of a coin that the block at a height made.
    fn coin_at(&self, outpoint: &OutPoint, height: Height) -> Damage {
        let block = self.store.hash_at(height).ok().flatten();
        Damage { block, height: Some(height), ..Damage::at(Table::Coins, Key::Coin(*outpoint)) }
    }

    /// In a pruned store: that each filter below `first` is the one whose hash is there, and that the block at `first`
    /// commits to all of them.
    fn filters_below(&self, first: Height, on_progress: &mut OnProgress<'_>) -> Result<(), Box<Damage>> {
        let mut steps = Steps::new(Stage::Filters, first.0.into(), on_progress);
        let mut before = FilterHeader::ZERO;
        for height in (0..first.0).map(Height) {
            let hash = self.hash_at(height)?;
            let place = || at_block(Table::Filters, &hash, Some(height));
            let filter = read(self.store.filter(&hash), place)?.ok_or_else(|| place().is(Problem::Missing))?;
            let entry = self.filter_entry(&hash, height)?;
            let expected = FilterEntry::new(&filter, &before);
            if entry.hash != expected.hash && entry.header != expected.header {
                return Err(place().is(Problem::Differs));
            }
            same(Some(entry), &expected, || at_block(Table::FilterEntries, &hash, Some(height)))?;
            before = entry.header;
            steps.step();
        }
        let hash = self.hash_at(first)?;
        let block = self.body(&hash, first)?;
        let found = self.filter_entry(&hash, first)?.header;
        match block.transactions.first().and_then(committed_header) {
            Some(expected) if expected != found => {
                let place = at_block(Table::FilterEntries, &hash, Some(first));
                Err(place.is(Problem::Filters { expected, found }))
            }
            // What the block itself does not say, connecting it says.
            _ => Ok(()),
        }
    }

    /// In a pruned store: the coins before the block at `first`, from those of the store by taking blocks back.
    fn coins_before(&self, first: Height, on_progress: &mut OnProgress<'_>) -> Result<Coins, Box<Damage>> {
        let mut coins = Coins::new();
        let read_all = self.store.for_each_coin(&mut |outpoint, coin| drop(coins.insert(outpoint, coin)));
        read(read_all, || Damage::at(Table::Coins, Key::Any))?;
        let tip = self.report.height;
        let mut steps = Steps::new(Stage::Disconnect, u64::from(tip.next().since(first)), on_progress);
        for height in (first.0..=tip.0).rev().map(Height) {
            let hash = self.hash_at(height)?;
            let block = self.body(&hash, height)?;
            let place = || at_block(Table::Undo, &hash, Some(height));
            let undo = read(self.store.undo(&hash), place)?.ok_or_else(|| place().is(Problem::Missing))?;
            let inputs: usize = block.transactions.iter().skip(1).map(|tx| tx.inputs.len()).sum();
            if undo.spent.len() != inputs {
                return Err(place().is(Problem::Differs));
            }
            self.take_back(&block, (hash, height), undo, &mut coins)?;
            steps.step();
        }
        Ok(coins)
    }

    fn take_back(
        &self,
        block: &Block,
        (hash, height): (BlockHash, Height),
        mut undo: Undo,
        coins: &mut Coins,
    ) -> Result<(), Box<Damage>> {
        for tx in block.transactions.iter().rev() {
            let (txid, coinbase) = (tx.txid(), tx.is_coinbase());
            for (index, output) in (0..).zip(&tx.outputs).filter(|(_, o)| !is_unspendable(&o.script_pubkey)) {
                let outpoint = OutPoint { txid, index };
                let made = Coin { output: output.clone(), height, coinbase };
                let place = || Damage::at(Table::Coins, Key::Coin(outpoint)).of(hash, height);
                same(coins.remove(&outpoint), &made, place)?;
            }
            if !coinbase {
                let spent = undo.spent.split_off(undo.spent.len() - tx.inputs.len());
                for (input, coin) in tx.inputs.iter().zip(spent) {
                    if coins.insert(input.previous, coin).is_some() {
                        let place = Damage::at(Table::Coins, Key::Coin(input.previous)).of(hash, height);
                        return Err(place.is(Problem::Unexpected));
                    }
                }
            }
        }
        Ok(())
    }
}

/// What is there must be what the chain makes.
fn same<T: PartialEq>(found: Option<T>, expected: &T, place: impl FnOnce() -> Damage) -> Result<(), Box<Damage>> {
    match found {
        Some(found) if found == *expected => Ok(()),
        Some(_) => Err(place().is(Problem::Differs)),
        None => Err(place().is(Problem::Missing)),
    }
}
