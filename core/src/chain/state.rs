//! The chain that counts: the one with the most work among the valid ones.

use super::block_rules::check_block;
use super::connect::{check_block_scripts, connect_block, disconnect_block};
use super::header_rules::{self, check_header, check_in_context, genesis_entry};
use super::orphans::Orphans;
use super::overlay::Overlay;
use super::scripts::{ScriptRunner, one_by_one};
use super::transaction_rules::NextBlock;
use super::{Batch, BlockError, BlockStatus, ChainError, CheckError, HeaderEntry, Store, TransactionLocation, Undo};
use crate::block::{Block, CompactTarget, Header, NetworkParams};
use crate::filter::{FilterEntry, block_filter};
use crate::hash::{BlockHash, FilterHeader, Txid};
use crate::sorted::Map;
use crate::transaction::{Coin, OutPoint, Transaction};
use crate::units::{Height, Timestamp};
use alloc::boxed::Box;
use alloc::vec::Vec;
use crypto_bigint::U256;

/// A block with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainBlock {
    /// Its height.
    pub height: Height,
    /// Its hash.
    pub hash: BlockHash,
    /// The block.
    pub block: Block,
}

/// What became of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was here before.
    AlreadyKnown,
    /// It waits in memory for this ancestor.
    Orphan {
        /// The nearest ancestor that is not here.
        missing: BlockHash,
    },
    /// It is stored, on a chain that does not count.
    SideChain,
    /// The best chain ends with it, or with one of its descendants that had been waiting.
    NewTip,
}

/// What accepting a block changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The block's hash.
    pub hash: BlockHash,
    /// What became of it.
    pub outcome: Outcome,
    /// Blocks that left the best chain, the highest first.
    pub disconnected: Vec<ChainBlock>,
    /// Blocks that then joined it, the lowest first.
    pub connected: Vec<ChainBlock>,
    /// Waiting descendants that turned out to be invalid.
    pub rejected: Vec<(BlockHash, BlockError)>,
}

impl Accepted {
    fn new(hash: BlockHash, outcome: Outcome) -> Self {
        Accepted { hash, outcome, disconnected: Vec::new(), connected: Vec::new(), rejected: Vec::new() }
    }

    /// Adds what happened next, so that `disconnected`, then `connected`, still lead from the old tip to the new.
    fn then(&mut self, next: Accepted) {
        for block in next.disconnected {
            match self.connected.last() {
                Some(last) if last.hash == block.hash => drop(self.connected.pop()),
                _ => self.disconnected.push(block),
            }
        }
        self.connected.extend(next.connected);
        if next.outcome == Outcome::NewTip {
            self.outcome = Outcome::NewTip;
        }
    }
}

/// Blocks that a chain is held to, by height.
pub type Checkpoints = Map<Height, BlockHash>;

/// A chain and everything that is known about its forks.
#[derive(Clone, Debug)]
pub struct Chain<S> {
    pub(super) store: S,
    pub(super) params: &'static NetworkParams,
    pub(super) tip: HeaderEntry,
    orphans: Orphans,
    run_scripts: ScriptRunner,
    checkpoints: Checkpoints,
}

type ResultOf<T, S> = Result<T, ChainError<<S as Store>::Error>>;

impl<S: Store> Chain<S> {
    /// Opens the chain in `store`; begins with the genesis block if the store is new.
    pub fn open(mut store: S, params: &'static NetworkParams) -> ResultOf<Self, S> {
        let genesis = params.genesis();
        let expected = genesis.hash();
        let Some(tip) = store.tip().map_err(ChainError::Store)? else {
            let tip = genesis_entry(genesis.header);
            let mut batch = Batch { tip: Some(expected), best_header: Some(expected), ..Batch::default() };
            batch.headers.insert(expected, tip.clone());
            batch.heights.insert(Height(0), Some(expected));
            batch.undo.insert(expected, Undo::default());
            let filter = block_filter(&genesis, []);
            batch.filter_entries.insert(expected, FilterEntry::new(&filter, &FilterHeader::ZERO));
            batch.filters.insert(expected, filter);
            let location = |index| Some(TransactionLocation { block: expected, index });
            batch.transactions.extend((0..).zip(&genesis.transactions).map(|(i, tx)| (tx.txid(), location(i))));
            batch.blocks.insert(expected, genesis);
            store.commit(&batch).map_err(ChainError::Store)?;
            return Ok(Chain {
                store,
                params,
                tip,
                orphans: Orphans::default(),
                run_scripts: one_by_one,
                checkpoints: Checkpoints::new(),
            });
        };
        match store.hash_at(Height(0)).map_err(ChainError::Store)? {
            Some(found) if found == expected => {}
            Some(found) => return Err(ChainError::WrongGenesis { expected, found }),
            None => return Err(ChainError::Damaged { what: "the height index", hash: expected }),
        }
        let tip = Overlay::new(&store).header(&tip)?;
        Ok(Chain {
            store,
            params,
            tip,
            orphans: Orphans::default(),
            run_scripts: one_by_one,
            checkpoints: Checkpoints::new(),
        })
    }

    /// The same chain with another way to run the script checks of a block than one after another.
    pub fn with_script_runner(self, run_scripts: ScriptRunner) -> Self {
        Chain { run_scripts, ..self }
    }

    /// The same chain, held to these blocks at these heights: headers of others are refused there. For whoever trusts
    /// somebody's word on them; without, the most work alone decides.
    pub fn with_checkpoints(self, checkpoints: Checkpoints) -> Self {
        Chain { checkpoints, ..self }
    }

    /// The store, to read.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// The store, and the end of this chain.
    pub fn into_store(self) -> S {
        self.store
    }

    /// The network's parameters.
    pub fn params(&self) -> &'static NetworkParams {
        self.params
    }

    /// The best chain's last block.
    pub fn tip(&self) -> &HeaderEntry {
        &self.tip
    }

    /// The hash of the best chain's last block.
    pub fn tip_hash(&self) -> BlockHash {
        self.tip.hash()
    }

    /// The height of the best chain's last block.
    pub fn height(&self) -> Height {
        self.tip.height
    }

    /// The median time past that locks in the next block are measured against.
    pub fn median_time_past(&self) -> Timestamp {
        self.tip.median_time_past
    }

    /// The target of the next block.
    pub fn next_work_required(&self) -> CompactTarget {
        header_rules::next_work_required(&self.tip, self.params)
    }

    /// The place of the next block, for contextual checks.
    pub fn next_block(&self) -> NextBlock<'static> {
        NextBlock { params: self.params, height: self.tip.height.next(), median_time_past: self.tip.median_time_past }
    }

    /// A header by its hash, of whatever chain.
    pub fn header(&self, hash: &BlockHash) -> ResultOf<Option<HeaderEntry>, S> {
        self.store.header(hash).map_err(ChainError::Store)
    }

    /// A block by its hash, of whatever chain.
    pub fn block(&self, hash: &BlockHash) -> ResultOf<Option<Block>, S> {
        self.store.block(hash).map_err(ChainError::Store)
    }

    /// The best chain's block at a height. An error where it was pruned.
    pub fn block_at(&self, height: Height) -> ResultOf<Option<ChainBlock>, S> {
        match self.hash_at(height)? {
            Some(hash) => Ok(Some(ChainBlock { height, hash, block: Overlay::new(&self.store).block(&hash)? })),
            None => Ok(None),
        }
    }

    /// The hash of the best chain's block at a height.
    pub fn hash_at(&self, height: Height) -> ResultOf<Option<BlockHash>, S> {
        self.store.hash_at(height).map_err(ChainError::Store)
    }

    /// An unspent output.
    pub fn coin(&self, outpoint: &OutPoint) -> ResultOf<Option<Coin>, S> {
        self.store.coin(outpoint).map_err(ChainError::Store)
    }

    /// A transaction of the best chain, with the header of its block.
    pub fn transaction(&self, txid: &Txid) -> ResultOf<Option<(Transaction, HeaderEntry)>, S> {
        let Some(at) = self.store.transaction(txid).map_err(ChainError::Store)? else { return Ok(None) };
        let overlay = Overlay::new(&self.store);
        let tx = overlay.block(&at.block)?.transactions.into_iter().nth(at.index as usize);
        let tx = tx.ok_or(ChainError::Damaged { what: "a transaction", hash: at.block })?;
        Ok(Some((tx, overlay.header(&at.block)?)))
    }

    /// Takes headers in their order, each after one that is known. Gives the number of new ones. At the first that breaks
    /// a rule it stops with that error; those before it stay.
    pub fn accept_headers(&mut self, headers: &[Header], now: Timestamp) -> ResultOf<usize, S> {
        let mut overlay = Overlay::new(&self.store);
        let before = overlay.header(&best_header(&self.store, &self.tip)?)?;
        let mut best = before.clone();
        let (mut new, mut result) = (0, Ok(()));
        let mut allowed = None;
        for header in headers {
            let hash = header.hash();
            let found = entry_for(&overlay, header, hash, self.params, now).and_then(|found| {
                self.check_fork(&overlay, &found, allowed)?;
                Ok(found)
            });
            match found {
                Ok(Found { entry, known }) => {
                    if !known {
                        allowed = Some(hash);
                        new += 1;
                        overlay.batch.headers.insert(hash, entry.clone());
                    }
                    if is_better(&entry, &best) {
                        best = entry;
                    }
                }
                Err(error) => {
                    result = Err(error);
                    break;
                }
            }
        }
        if best != before && !follows_invalid(&overlay, &best, Some(&before.hash()))? {
            overlay.batch.best_header = Some(best.hash());
        }
        let batch = overlay.batch;
        if batch != Batch::default() {
            self.store.commit(&batch).map_err(ChainError::Store)?;
        }
        result.map(|()| new)
    }

    /// Takes a block: stores it, and makes it the tip if its chain now has the most work. A block whose parent is not here
    /// waits in memory. `now` is the receiver's clock.
    ///
    /// An error leaves the best chain as it was. A block that breaks a rule is remembered as invalid.
    pub fn accept_block(&mut self, block: Block, now: Timestamp) -> ResultOf<Accepted, S> {
        let hash = block.hash();
        let mut accepted = match self.accept_one(hash, block, now) {
            // Another body behind a good header says nothing about the block, nor about those that wait for it.
            Err(ChainError::Block { hash, error }) if matches!(*error, BlockError::MerkleRoot { .. }) => {
                return Err(ChainError::Block { hash, error });
            }
            Err(error @ (ChainError::Block { .. } | ChainError::KnownInvalid { .. })) => {
                self.orphans.drop_descendants(hash);
                return Err(error);
            }
            other => other?,
        };
        let mut parents = alloc::vec![hash];
        while let Some(parent) = parents.pop() {
            if !self.header(&parent)?.is_some_and(|e| e.has_body()) {
                continue;
            }
            for orphan in self.orphans.take_children(&parent) {
                let hash = orphan.hash();
                match self.accept_one(hash, orphan, now) {
                    Ok(next) => {
                        accepted.then(next);
                        parents.push(hash);
                    }
                    Err(ChainError::Block { hash: at, error }) => {
                        accepted.rejected.push((at, *error));
                        self.orphans.drop_descendants(hash);
                    }
                    Err(ChainError::Header { hash, error }) => accepted.rejected.push((hash, error.into())),
                    Err(ChainError::KnownInvalid { .. } | ChainError::ForkTooDeep { .. }) => {
                        self.orphans.drop_descendants(hash);
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(accepted)
    }

    fn accept_one(&mut self, hash: BlockHash, block: Block, now: Timestamp) -> ResultOf<Accepted, S> {
        match self.header(&hash)? {
            Some(entry) if entry.status == BlockStatus::Invalid => return Err(ChainError::KnownInvalid { hash }),
            Some(entry) if entry.has_body() => return Ok(Accepted::new(hash, Outcome::AlreadyKnown)),
            _ => {}
        }
        check_block(&block, self.params).map_err(|error| block_error(hash, error))?;
        let parent = self.header(&block.header.previous)?;
        match parent {
            Some(parent) if parent.status == BlockStatus::Invalid => Err(ChainError::KnownInvalid { hash }),
            Some(parent) if parent.has_body() => {
                let overlay = Overlay::new(&self.store);
                let found = entry_for(&overlay, &block.header, hash, self.params, now)?;
                self.check_fork(&overlay, &found, None)?;
                self.store_block(hash, block, HeaderEntry { status: BlockStatus::Stored, ..found.entry })
            }
            _ => {
                let previous = block.header.previous;
                self.orphans.insert(hash, block);
                let missing = self.orphans.missing_ancestor(previous);
                Ok(Accepted::new(hash, Outcome::Orphan { missing }))
            }
        }
    }

    /// The lowest height at which another chain may leave this one.
    fn floor(&self) -> ResultOf<Height, S> {
        let floor = Height(self.tip.height.0.saturating_sub(self.params.max_reorganisation));
        // A chain of more work may be shorter than the one before it, whose length said what was pruned.
        let undone = Height(self.first_body()?.0.saturating_sub(1));
        Ok(floor.max(undone))
    }

    /// Checks that a new header's chain leaves the best one at a height where it still may. `allowed` is a header that was
    /// found good just before.
    fn check_fork(&self, overlay: &Overlay<'_, S>, found: &Found, allowed: Option<BlockHash>) -> ResultOf<(), S> {
        let Found { entry, known } = found;
        let hash = entry.hash();
        if let Some(expected) = self.checkpoints.get(&entry.height)
            && *expected != hash
        {
            return Err(ChainError::Checkpoint { hash, height: entry.height, expected: *expected });
        }
        let floor = self.floor()?;
        let mut before = entry.header.previous;
        if *known || floor == Height(0) || allowed == Some(before) {
            return Ok(());
        }
        // "A node does not leave its chain for one that left it more than 1,440 blocks below the tip."
        loop {
            let parent = overlay.header(&before)?;
            if parent.height < floor {
                return Err(ChainError::ForkTooDeep { hash, floor, depth: self.params.max_reorganisation });
            }
            if self.hash_at(parent.height)? == Some(before) {
                return Ok(());
            }
            before = parent.header.previous;
        }
    }

    fn store_block(&mut self, hash: BlockHash, block: Block, entry: HeaderEntry) -> ResultOf<Accepted, S> {
        let best = Overlay::new(&self.store).header(&best_header(&self.store, &self.tip)?)?;
        let mut overlay = Overlay::new(&self.store);
        overlay.batch.blocks.insert(hash, block);
        overlay.batch.headers.insert(hash, entry.clone());
        if is_better(&entry, &best) {
            overlay.batch.best_header = Some(hash);
        }
        let mut accepted = Accepted::new(hash, Outcome::SideChain);
        // "The best chain is the one with the most work; of two with equal work, the one whose last block has the lower
        // hash."
        if !is_better(&entry, &self.tip) {
            let batch = overlay.batch;
            self.store.commit(&batch).map_err(ChainError::Store)?;
            return Ok(accepted);
        }
        accepted.outcome = Outcome::NewTip;
        match reorganise(&mut overlay, &self.tip, &entry, (self.params, self.run_scripts), &mut accepted) {
            Ok((tip, staged)) => {
                let mut batch = overlay.batch;
                self.store.commit_staged(&batch, staged).map_err(ChainError::Store)?;
                let body = batch.blocks.remove(&hash);
                accepted.connected.extend(body.map(|block| ChainBlock { height: tip.height, hash, block }));
                self.tip = tip;
                Ok(accepted)
            }
            Err(Failed::Invalid { path, error }) => {
                self.mark_invalid(&entry, &path)?;
                let hash = path.first().copied().unwrap_or(hash);
                Err(ChainError::Block { hash, error })
            }
            // The chain here grew, or was pruned, while the other one's blocks came.
            Err(Failed::TooDeep | Failed::Other(ChainError::Pruned { .. })) => {
                self.mark_invalid(&entry, &[hash])?;
                Err(ChainError::ForkTooDeep { hash, floor: self.floor()?, depth: self.params.max_reorganisation })
            }
            Err(Failed::Other(error)) => Err(error),
        }
    }

    /// Remembers that the first block of `path` breaks a rule and that the others follow it; `last` is the newest.
    fn mark_invalid(&mut self, last: &HeaderEntry, path: &[BlockHash]) -> ResultOf<(), S> {
        let mut overlay = Overlay::new(&self.store);
        overlay.batch.headers.insert(last.hash(), last.clone());
        for hash in path {
            let entry = HeaderEntry { status: BlockStatus::Invalid, ..overlay.header(hash)? };
            overlay.batch.headers.insert(*hash, entry);
        }
        // The most-work header may follow one of them: begin again from the tip.
        let best = overlay.header(&best_header(&self.store, &self.tip)?)?;
        if follows_invalid(&overlay, &best, None)? {
            overlay.batch.best_header = Some(self.tip.hash());
        }
        let batch = overlay.batch;
        self.store.commit(&batch).map_err(ChainError::Store)
    }
}

/// The store's header with the most work.
pub(super) fn best_header<S: Store>(store: &S, tip: &HeaderEntry) -> ResultOf<BlockHash, S> {
    Ok(store.best_header().map_err(ChainError::Store)?.unwrap_or_else(|| tip.hash()))
}

fn block_error<E>(hash: BlockHash, error: BlockError) -> ChainError<E> {
    ChainError::Block { hash, error: Box::new(error) }
}

/// Whether the chain that ends with `a` counts more than the one that ends with `b`.
pub(crate) fn is_better(a: &HeaderEntry, b: &HeaderEntry) -> bool {
    let number = |entry: &HeaderEntry| U256::from_le_slice(&entry.hash().0);
    a.work > b.work || (a.work == b.work && number(a) < number(b))
}

/// Whether a header is invalid or follows, over headers without bodies, one that is. `good` is known not to: who follows it is
/// not looked at further down, or each part of a long chain's headers would walk all those before it.
fn follows_invalid<S: Store>(
    overlay: &Overlay<'_, S>,
    last: &HeaderEntry,
    good: Option<&BlockHash>,
) -> ResultOf<bool, S> {
    let mut at = last.clone();
    while at.status == BlockStatus::Header && Some(&at.header.previous) != good {
        at = overlay.header(&at.header.previous)?;
    }
    Ok(at.status == BlockStatus::Invalid)
}

struct Found {
    entry: HeaderEntry,
    known: bool,
}

/// The entry of a header: the one that is known, or a new one after all its checks.
fn entry_for<S: Store>(
    overlay: &Overlay<'_, S>,
    header: &Header,
    hash: BlockHash,
    params: &NetworkParams,
    now: Timestamp,
) -> ResultOf<Found, S> {
    if let Some(entry) = overlay.find_header(&hash)? {
        return match entry.status {
            BlockStatus::Invalid => Err(ChainError::KnownInvalid { hash }),
            _ => Ok(Found { entry, known: true }),
        };
    }
    let wrong = |error| ChainError::Header { hash, error };
    check_header(header, params).map_err(wrong)?;
    let unknown = ChainError::UnknownParent { hash, previous: header.previous };
    let parent = overlay.find_header(&header.previous)?.ok_or(unknown)?;
    if parent.status == BlockStatus::Invalid {
        return Err(ChainError::KnownInvalid { hash });
    }
    check_in_context(header, &parent, params, now).map_err(wrong)?;
    let times = times_to(&parent, params, |hash| overlay.header(hash))?;
    Ok(Found { entry: header_rules::entry(*header, &parent, &times, params), known: false })
}

/// The times of a header and of those before it that count for the median of the next one, the newest first.
pub(super) fn times_to<E>(
    last: &HeaderEntry,
    params: &NetworkParams,
    header: impl Fn(&BlockHash) -> Result<HeaderEntry, E>,
) -> Result<Vec<Timestamp>, E> {
    let mut times = Vec::with_capacity(params.median_time_span);
    let mut at = last.clone();
    loop {
        times.push(at.header.time);
        if times.len() >= params.median_time_span || at.height == Height(0) {
            return Ok(times);
        }
        at = header(&at.header.previous)?;
    }
}

enum Failed<E> {
    /// The first block of the path breaks a rule; the others follow it.
    Invalid { path: Vec<BlockHash>, error: Box<BlockError> },
    /// It leaves the best chain too far down.
    TooDeep,
    /// Nothing can be said.
    Other(ChainError<E>),
}

impl<E> From<ChainError<E>> for Failed<E> {
    fn from(error: ChainError<E>) -> Self {
        Failed::Other(error)
    }
}

/// Leads the overlay from the chain that ends with `old` to the one that ends with `new`, whose body is in the batch. What the
/// batch changes is staged; the store is as before. A body of the batch stays there, for the commit, and is not among
/// `accepted.connected` yet.
fn reorganise<S: Store>(
    overlay: &mut Overlay<'_, S>,
    old: &HeaderEntry,
    new: &HeaderEntry,
    (params, run_scripts): (&NetworkParams, ScriptRunner),
    accepted: &mut Accepted,
) -> Result<(HeaderEntry, S::Staged), Failed<S::Error>> {
    // From both ends down to the last common block.
    let (mut left, mut right, mut path) = (old.clone(), new.clone(), Vec::new());
    while left.hash() != right.hash() {
        if right.height >= left.height {
            path.push(right.hash());
            right = overlay.header(&right.header.previous)?;
        } else if accepted.disconnected.len() as u64 >= params.max_reorganisation as u64 {
            return Err(Failed::TooDeep);
        } else {
            left = disconnect_tip(overlay, left, accepted)?;
        }
    }
    path.reverse();
    let (mut parent, mut staged) = (right, None);
    for (done, hash) in path.iter().enumerate() {
        let mut entry = overlay.header(hash)?;
        // The newest is in the batch alone, and large: it is not copied.
        let stored = if overlay.batch.blocks.contains_key(hash) { None } else { Some(overlay.block(hash)?) };
        let next = NextBlock { params, height: entry.height, median_time_past: parent.median_time_past };
        let filter_header = overlay.filter_entry(&parent.hash())?.header;
        let invalid =
            |error| Failed::Invalid { path: path.iter().skip(done).copied().collect(), error: Box::new(error) };
        let connected = connect_block(body(&stored, &overlay.batch, hash)?, &next, &filter_header, overlay).map_err(
            |e| match e {
                CheckError::Rule(error) => invalid(error),
                CheckError::Store(error) => Failed::Other(error),
            },
        )?;
        entry.status = BlockStatus::Valid;
        overlay.batch.headers.insert(*hash, entry.clone());
        overlay.connect(*hash, entry.height, connected);
        let (batch, store) = (&overlay.batch, overlay.store);
        let undo = batch.undo.get(hash).ok_or(ChainError::Damaged { what: "the undo data", hash: *hash })?;
        let mut stage = || {
            if done + 1 == path.len() {
                staged.get_or_insert_with(|| store.stage(batch));
            }
        };
        check_block_scripts(body(&stored, batch, hash)?, undo, &next, run_scripts, &mut stage).map_err(invalid)?;
        accepted.connected.extend(stored.map(|block| ChainBlock { height: entry.height, hash: *hash, block }));
        parent = entry;
    }
    let staged = staged.unwrap_or_else(|| overlay.store.stage(&overlay.batch)).map_err(ChainError::Store)?;
    Ok((parent, staged))
}

/// A body that was read from the store, or else is in the batch.
fn body<'b, E>(stored: &'b Option<Block>, batch: &'b Batch, hash: &BlockHash) -> Result<&'b Block, ChainError<E>> {
    let found = stored.as_ref().or_else(|| batch.blocks.get(hash));
    found.ok_or(ChainError::Damaged { what: "the body", hash: *hash })
}

/// Takes the overlay's last block off; gives the one before.
fn disconnect_tip<S: Store>(
    overlay: &mut Overlay<'_, S>,
    tip: HeaderEntry,
    accepted: &mut Accepted,
) -> ResultOf<HeaderEntry, S> {
    let (hash, height) = (tip.hash(), tip.height);
    let block = overlay.block(&hash)?;
    let undo = overlay.undo(&hash)?;
    let coins = disconnect_block(&block, &undo).map_err(|_| ChainError::Damaged { what: "the undo data", hash })?;
    overlay.disconnect(&block, height, coins);
    accepted.disconnected.push(ChainBlock { height, hash, block });
    overlay.header(&tip.header.previous)
}
