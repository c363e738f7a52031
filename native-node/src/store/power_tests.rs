//! A power cut at any instant: what was not synchronised to the disk is there, or not, or in part, sector by sector. Whatever was
//! acknowledged as durable must be there, and the rest must hang together.

use super::format_tests::{KEPT, checked, history, short, write_format_2};
use super::tests::{LATE, next_block};
use super::*;
use crate::node::{Journal, Shelf};
use camelid_core::block::NetworkParams;
use camelid_core::chain::{Chain, MemoryStore};
use redb::StorageBackend;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

/// What a disk writes at once or not at all.
const SECTOR: usize = 512;

/// Numbers that a seed decides (SplitMix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }
}

#[derive(Debug)]
enum Unsynced {
    Write(usize, Vec<u8>),
    Length(usize),
}

#[derive(Debug, Default)]
struct Platter {
    /// What a reader sees while there is power.
    seen: Vec<u8>,
    /// What no cut takes away.
    safe: Vec<u8>,
    /// What happened since, in its order.
    unsynced: Vec<Unsynced>,
    /// Writes and synchronisations until the power goes.
    left: Option<u64>,
    done: u64,
}

/// A disk in memory.
#[derive(Clone, Debug, Default)]
struct Disk(Arc<Mutex<Platter>>);

impl Disk {
    fn holding(bytes: Vec<u8>) -> Self {
        Disk(Arc::new(Mutex::new(Platter { seen: bytes.clone(), safe: bytes, ..Platter::default() })))
    }

    fn platter(&self) -> MutexGuard<'_, Platter> {
        self.0.lock().unwrap()
    }

    /// The power goes after so many more writes.
    fn cut_after(&self, writes: u64) {
        self.platter().left = Some(writes);
    }

    fn has_power(&self) -> bool {
        self.platter().left != Some(0)
    }

    /// What is there when the power is back.
    fn after_the_cut(&self, dice: &mut Dice) -> Disk {
        let platter = self.platter();
        let mut bytes = platter.safe.clone();
        // All, none, or each sector by itself.
        let mood = dice.roll(4);
        for event in &platter.unsynced {
            let mut keep = || mood == 1 || (mood > 1 && dice.roll(2) == 1);
            match event {
                Unsynced::Length(length) if keep() => bytes.resize(*length, 0),
                Unsynced::Length(_) => {}
                Unsynced::Write(offset, data) => {
                    let mut at = 0;
                    while at < data.len() {
                        let next = data.len().min(at + SECTOR - (offset + at) % SECTOR);
                        if keep() {
                            let (from, to) = (offset + at, offset + next);
                            if bytes.len() < to {
                                bytes.resize(to, 0);
                            }
                            bytes[from..to].copy_from_slice(&data[at..next]);
                        }
                        at = next;
                    }
                }
            }
        }
        Disk::holding(bytes)
    }
}

impl Platter {
    fn spend(&mut self) -> io::Result<()> {
        match &mut self.left {
            Some(0) => return Err(io::Error::other("the power is gone")),
            Some(left) => *left -= 1,
            None => {}
        }
        self.done += 1;
        Ok(())
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.platter().seen.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let (platter, from) = (self.platter(), offset as usize);
        let bytes = platter.seen.get(from..from + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(bytes);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut platter = self.platter();
        platter.spend()?;
        platter.seen.resize(len as usize, 0);
        platter.unsynced.push(Unsynced::Length(len as usize));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut platter = self.platter();
        platter.spend()?;
        platter.safe = platter.seen.clone();
        platter.unsynced.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut platter = self.platter();
        platter.spend()?;
        let (from, to) = (offset as usize, offset as usize + data.len());
        if platter.seen.len() < to {
            platter.seen.resize(to, 0);
        }
        platter.seen[from..to].copy_from_slice(data);
        platter.unsynced.push(Unsynced::Write(from, data.to_vec()));
        Ok(())
    }
}

/// How many cuts a test makes.
fn cuts(usual: u64) -> u64 {
    std::env::var("CAMELID_POWER_CUTS").ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

fn store_on(disk: &Disk) -> RedbStore {
    RedbStore::on(disk.clone(), Network::Dev).unwrap_or_else(|error| panic!("the store does not open: {error}"))
}

/// Opens a store after a cut, perhaps with another cut while it is being opened.
fn reopen(disk: &Disk, dice: &mut Dice) -> RedbStore {
    let mut disk = disk.after_the_cut(dice);
    for _ in 0..dice.roll(3) {
        disk.cut_after(dice.roll(12));
        drop(RedbStore::on(disk.clone(), Network::Dev));
        disk = disk.after_the_cut(dice);
    }
    store_on(&disk)
}

/// A disk with a long chain on it, and the blocks that come next: some, then a branch that leaves three of them.
fn beginning(params: &'static NetworkParams) -> (Vec<u8>, Vec<Block>) {
    let mut memory = Chain::open(MemoryStore::new(), params).unwrap();
    let disk = Disk::default();
    let mut chain = Chain::open(store_on(&disk), params).unwrap();
    chain.store().begin_bundle();
    for n in 0..KEPT + 20 {
        let block = next_block(&memory, n as u8, n % 16 == 0);
        memory.accept_block(block.clone(), LATE).unwrap();
        chain.accept_block(block, LATE).unwrap();
    }
    chain.store().end_bundle().unwrap();
    drop(chain);
    let mut next = Vec::new();
    let mut fork = memory.clone();
    for n in 0..12 {
        let block = next_block(&memory, n, true);
        memory.accept_block(block.clone(), LATE).unwrap();
        if n < 9 {
            fork.accept_block(block.clone(), LATE).unwrap();
        }
        next.push(block);
    }
    for n in 0..8 {
        let block = next_block(&fork, 100 + n, true);
        fork.accept_block(block.clone(), LATE).unwrap();
        next.push(block);
    }
    let bytes = disk.platter().safe.clone();
    (bytes, next)
}

/// What a node said it has.
#[derive(Default)]
struct Acknowledged {
    /// How many of the next blocks.
    blocks: usize,
    tip: Option<HeaderEntry>,
    first_body: Height,
}

/// Takes blocks, one by one and in bundles, and prunes, until all is done or the power goes.
fn work(chain: &mut Chain<RedbStore>, next: &[Block], dice: &mut Dice) -> Acknowledged {
    let mut said = Acknowledged::default();
    let mut at = 0;
    while at < next.len() {
        let count = if dice.roll(3) == 0 { 1 + dice.roll(5) as usize } else { 1 };
        let end = next.len().min(at + count);
        if count > 1 {
            chain.store().begin_bundle();
        }
        if dice.roll(4) == 0 && chain.accept_headers(&[next[at].header], LATE).is_err() {
            return said;
        }
        for block in &next[at..end] {
            if chain.accept_block(block.clone(), LATE).is_err() {
                return said;
            }
        }
        if chain.store().end_bundle().is_err() {
            return said;
        }
        at = end;
        said.blocks = at;
        said.tip = Some(chain.tip().clone());
        if dice.roll(3) == 0 {
            if chain.prune(Height(u32::MAX), 4, |_| ()).is_err() {
                return said;
            }
            said.first_body = chain.first_body().unwrap();
        }
    }
    said
}

#[test]
fn a_power_cut_loses_at_most_what_was_not_acknowledged() {
    let params = short();
    let (bytes, next) = beginning(params);
    let (mut cut_short, mut torn) = (0, 0);
    for seed in 0..cuts(200) {
        let mut dice = Dice(seed);
        let disk = Disk::holding(bytes.clone());
        let mut chain = Chain::open(store_on(&disk), params).unwrap();
        disk.cut_after(dice.roll(450));
        let said = work(&mut chain, &next, &mut dice);
        cut_short += u64::from(!disk.has_power());
        // Without power nothing more is written, whatever the node would like to.
        disk.cut_after(0);
        torn += u64::from(!disk.platter().unsynced.is_empty());
        drop(chain);

        let store = reopen(&disk, &mut dice);
        checked(&store).unwrap_or_else(|damage| panic!("seed {seed}: {damage}"));
        let mut chain = Chain::open(store, params).unwrap();
        if let Some(tip) = &said.tip {
            assert!(chain.tip().work >= tip.work, "seed {seed}: {} is lost", tip.hash());
        }
        for block in &next[..said.blocks] {
            let here = chain.header(&block.hash()).unwrap().is_some_and(|entry| entry.has_body());
            assert!(here && chain.block(&block.hash()).unwrap().is_some(), "seed {seed}: {} is lost", block.hash());
        }
        assert!(chain.first_body().unwrap() >= said.first_body, "seed {seed}");
        // It goes on from there.
        for block in &next {
            chain.accept_block(block.clone(), LATE).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        }
        assert_eq!(chain.tip_hash(), next.last().unwrap().hash(), "seed {seed}");
    }
    assert!(
        cut_short * 4 > cuts(200) * 2 && torn * 4 > cuts(200),
        "{cut_short} cut short, {torn} with writes under way"
    );
}

#[test]
fn a_power_cut_while_a_format_is_changed_costs_nothing() {
    let chain = history();
    let disk = Disk::default();
    write_format_2(&redb::Builder::new().create_with_backend(disk.clone()).unwrap(), chain.store());
    let bytes = disk.platter().safe.clone();
    let mut old = 0;
    for seed in 0..cuts(200) / 4 {
        let mut dice = Dice(seed);
        let disk = Disk::holding(bytes.clone());
        disk.cut_after(dice.roll(30));
        drop(RedbStore::on(disk.clone(), Network::Dev));
        disk.cut_after(0);
        let left = disk.after_the_cut(&mut dice);
        let database = redb::Builder::new().create_with_backend(Disk::holding(left.platter().safe.clone())).unwrap();
        let meta = database.begin_read().unwrap().open_table(META).unwrap();
        old += u64::from(meta.get(FORMAT_KEY).unwrap().unwrap().value() == 2u32.to_le_bytes());
        let store = store_on(&left);
        checked(&store).unwrap_or_else(|damage| panic!("seed {seed}: {damage}"));
        assert_eq!(store.tip().unwrap(), Some(chain.tip_hash()), "seed {seed}");
    }
    assert!(old > 0 && old < cuts(200) / 4, "{old}");
}

#[test]
fn a_power_cut_leaves_the_journal_with_all_that_was_acknowledged() {
    for seed in 0..cuts(200) {
        let mut dice = Dice(seed);
        let disk = Disk::default();
        drop(Journal::on(disk.clone()).unwrap());
        let bytes = disk.platter().safe.clone();
        let disk = Disk::holding(bytes);
        let journal = Journal::on(disk.clone()).unwrap();
        disk.cut_after(dice.roll(400));
        // The values that a key may have: the acknowledged one, and what was being written when the power went.
        let mut may: BTreeMap<Vec<u8>, Vec<Option<Vec<u8>>>> = BTreeMap::new();
        while disk.has_power() {
            let key = vec![dice.roll(20) as u8];
            let value = (dice.roll(5) > 0).then(|| vec![dice.roll(256) as u8; 1 + dice.roll(6000) as usize]);
            let done = match &value {
                Some(value) => journal.put(Shelf::ClientDeals, &key, value),
                None => journal.remove(Shelf::ClientDeals, &key),
            };
            let values = may.entry(key).or_insert_with(|| vec![None]);
            if done.is_ok() {
                values.clear();
            }
            values.push(value);
            if done.is_err() {
                break;
            }
        }
        disk.cut_after(0);
        drop(journal);
        let left = disk.after_the_cut(&mut dice);
        let journal = Journal::on(left).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        for (key, values) in &may {
            let found = journal.get(Shelf::ClientDeals, key).unwrap();
            assert!(values.contains(&found), "seed {seed}: record {key:?}");
        }
    }
}
