//! Files of format 2, damaged files, pruned files.

use super::tables::{FORMAT_KEY, NETWORK_KEY};
use super::tests::{LATE, coins, dev, next_block, open, solve};
use super::*;
use camelid_core::block::{Block, NetworkParams};
use camelid_core::chain::verify::{Damage, Report, verify};
use camelid_core::chain::{BlockStatus, Chain, Inspect, MemoryStore, Table, one_by_one};
use camelid_core::encode::Encode;

/// Blocks that a reorganisation may take back on [`short`].
pub(super) const KEPT: u32 = 30;

/// A network whose chains are short.
pub(super) fn short() -> &'static NetworkParams {
    Box::leak(Box::new(NetworkParams { max_reorganisation: KEPT, ..dev().clone() }))
}

pub(super) fn checked(store: &RedbStore) -> Result<Report, Box<Damage>> {
    verify(store, dev(), one_by_one, &mut |_| ())
}

/// Ten blocks with payments, one that left the chain, one that breaks a rule, and a header alone.
pub(super) fn history() -> Chain<MemoryStore> {
    let mut chain = Chain::open(MemoryStore::new(), dev()).unwrap();
    for n in 0..8 {
        let block = next_block(&chain, n, true);
        chain.accept_block(block, LATE).unwrap();
    }
    let mut other = chain.clone();
    let left = next_block(&chain, 50, true);
    chain.accept_block(left, LATE).unwrap();
    for n in 0..2 {
        let block = next_block(&other, 60 + n, true);
        other.accept_block(block.clone(), LATE).unwrap();
        chain.accept_block(block, LATE).unwrap();
    }
    let mut wrong = next_block(&chain, 70, false);
    wrong.transactions[0].outputs[0].value.0 += 1;
    chain.accept_block(solve(wrong), LATE).unwrap_err();
    let ahead: Block = next_block(&chain, 80, false);
    chain.accept_headers(&[ahead.header], LATE).unwrap();
    chain
}

/// Writes a store as format 2 had it, table by table.
pub(super) fn write_format_2(database: &Database, store: &MemoryStore) {
    let transaction = database.begin_write().unwrap();
    {
        let mut meta = transaction.open_table(META).unwrap();
        let (tip, best) = (store.tip().unwrap().unwrap(), store.best_header().unwrap().unwrap());
        let fields: [(&str, &[u8]); 4] = [
            (FORMAT_KEY, &2u32.to_le_bytes()),
            (NETWORK_KEY, &Network::Dev.magic()),
            (TIP_KEY, &tip.0),
            (BEST_HEADER_KEY, &best.0),
        ];
        for (key, value) in fields {
            meta.insert(key, value).unwrap();
        }
        let mut table = transaction.open_table(HEADERS).unwrap();
        let mut put = |hash: BlockHash, entry: HeaderEntry| {
            table.insert(&hash.0, entry.to_bytes().as_slice()).unwrap();
        };
        store.for_each_header(&mut put).unwrap();
        type Value<'a> = &'a dyn Fn(&BlockHash) -> Vec<u8>;
        let by_block: [(Table, _, Value<'_>); 4] = [
            (Table::Blocks, BLOCKS, &|hash| store.block(hash).unwrap().unwrap().to_bytes()),
            (Table::Undo, UNDO, &|hash| store.undo(hash).unwrap().unwrap().to_bytes()),
            (Table::Filters, FILTERS, &|hash| store.filter(hash).unwrap().unwrap().to_bytes()),
            (Table::FilterEntries, FILTER_ENTRIES, &|hash| store.filter_entry(hash).unwrap().unwrap().to_bytes()),
        ];
        for (table, definition, value) in by_block {
            let mut rows = transaction.open_table(definition).unwrap();
            let mut put = |hash: BlockHash| drop(rows.insert(&hash.0, value(&hash).as_slice()).unwrap());
            store.for_each_block_key(table, &mut put).unwrap();
        }
        let mut rows = transaction.open_table(COINS).unwrap();
        let mut put = |outpoint: OutPoint, coin: Coin| {
            rows.insert(&outpoint_key(&outpoint), coin.to_bytes().as_slice()).unwrap();
        };
        store.for_each_coin(&mut put).unwrap();
        let mut rows = transaction.open_table(HEIGHTS).unwrap();
        let mut put = |height: Height, hash: BlockHash| drop(rows.insert(height.0, hash.0.as_slice()).unwrap());
        store.for_each_height(&mut put).unwrap();
        let mut rows = transaction.open_table(TRANSACTIONS).unwrap();
        let mut put = |txid: Txid, location: TransactionLocation| {
            rows.insert(&txid.0, location.to_bytes().as_slice()).unwrap();
        };
        store.for_each_transaction(&mut put).unwrap();
    }
    transaction.commit().unwrap();
}

fn file_of_format_2(directory: &Path, store: &MemoryStore) -> PathBuf {
    let path = directory.join(FILE_NAME);
    write_format_2(&Database::create(&path).unwrap(), store);
    path
}

#[test]
fn a_file_of_format_2_is_brought_to_this_one() {
    let directory = tempfile::tempdir().unwrap();
    let chain = history();
    file_of_format_2(directory.path(), chain.store());
    for _ in 0..2 {
        let disk = open(directory.path());
        assert_eq!(disk.store().format().unwrap(), FORMAT);
        assert_eq!((disk.tip(), coins(&disk)), (chain.tip(), coins(&chain)));
        checked(disk.store()).unwrap();
        let here = disk.store().bodies_below(Height(u32::MAX), usize::MAX).unwrap();
        assert_eq!(here, chain.store().bodies_below(Height(u32::MAX), usize::MAX).unwrap());
        assert_eq!(disk.first_body().unwrap(), Height(0));
    }
    let mut disk = open(directory.path());
    let block = next_block(&disk, 0, true);
    disk.accept_block(block, LATE).unwrap();
    checked(disk.store()).unwrap();
}

#[test]
fn a_damaged_file_of_format_2_stays_what_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let chain = history();
    let path = file_of_format_2(directory.path(), chain.store());
    let database = Database::create(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(HEADERS).unwrap().insert(&chain.tip_hash().0, [1u8].as_slice()).unwrap();
    transaction.commit().unwrap();
    drop(database);
    for _ in 0..2 {
        match RedbStore::open(directory.path(), Network::Dev) {
            Err(StoreError::Damaged { reason, .. }) => assert!(reason.contains("headers"), "{reason}"),
            other => panic!("{other:?}"),
        }
    }
    let database = Database::create(&path).unwrap();
    let meta = database.begin_read().unwrap().open_table(META).unwrap();
    assert_eq!(meta.get(FORMAT_KEY).unwrap().unwrap().value(), 2u32.to_le_bytes());
}

#[test]
fn a_row_lost_or_altered_in_any_table_is_found() {
    type Rows = redb::TableDefinition<'static, &'static [u8; 32], Bytes>;
    let directory = tempfile::tempdir().unwrap();
    let mut disk = open(directory.path());
    for n in 0..10 {
        let block = next_block(&disk, n, true);
        disk.accept_block(block, LATE).unwrap();
    }
    let hash = disk.hash_at(Height(8)).unwrap().unwrap();
    let txid = disk.block(&hash).unwrap().unwrap().transactions[1].txid();
    let mut coin = None;
    disk.store().for_each_coin(&mut |outpoint, _| coin = Some(outpoint)).unwrap();
    let store = disk.into_store();
    checked(&store).unwrap();
    drop(store);
    let whole = std::fs::read(directory.path().join(FILE_NAME)).unwrap();
    let by_hash: [(Table, Rows, [u8; 32]); 6] = [
        (Table::Headers, HEADERS, hash.0),
        (Table::Blocks, BLOCKS, hash.0),
        (Table::Undo, UNDO, hash.0),
        (Table::Filters, FILTERS, hash.0),
        (Table::FilterEntries, FILTER_ENTRIES, hash.0),
        (Table::Transactions, TRANSACTIONS, txid.0),
    ];
    let alter = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        if let Some(last) = bytes.last_mut() {
            *last ^= 1;
        }
        bytes
    };
    type Harm<'a> = (Table, Box<dyn Fn(&redb::WriteTransaction) + 'a>);
    let mut harms: Vec<Harm<'_>> = Vec::new();
    for (table, rows, key) in by_hash {
        let lose = move |t: &redb::WriteTransaction| {
            assert!(t.open_table(rows).unwrap().remove(&key).unwrap().is_some());
        };
        harms.push((table, Box::new(lose)));
        harms.push((
            table,
            Box::new(move |t| {
                let mut rows = t.open_table(rows).unwrap();
                let value = alter(rows.get(&key).unwrap().unwrap().value());
                rows.insert(&key, value.as_slice()).unwrap();
            }),
        ));
    }
    let (coin, body) = (outpoint_key(&coin.unwrap()), body_key(Height(8), &hash));
    for altered in [false, true] {
        harms.push((
            Table::Coins,
            Box::new(move |t| {
                let mut rows = t.open_table(COINS).unwrap();
                let value = alter(rows.remove(&coin).unwrap().unwrap().value());
                if altered {
                    rows.insert(&coin, value.as_slice()).unwrap();
                }
            }),
        ));
        harms.push((
            Table::Heights,
            Box::new(move |t| {
                let mut rows = t.open_table(HEIGHTS).unwrap();
                let value = alter(rows.remove(8u32).unwrap().unwrap().value());
                if altered {
                    rows.insert(8u32, value.as_slice()).unwrap();
                }
            }),
        ));
        harms.push((
            Table::Bodies,
            Box::new(move |t| {
                let mut rows = t.open_table(BODIES).unwrap();
                assert!(rows.remove(&body).unwrap().is_some());
                if altered {
                    rows.insert(&body_key(Height(9), &hash), [].as_slice()).unwrap();
                }
            }),
        ));
        harms.push((
            Table::Meta,
            Box::new(move |t| {
                let mut rows = t.open_table(META).unwrap();
                let value: &[u8] = if altered { &[9; 33] } else { &[9; 32] };
                rows.insert(BEST_HEADER_KEY, value).unwrap();
            }),
        ));
    }
    for (at, (table, harm)) in harms.iter().enumerate() {
        std::fs::write(directory.path().join(FILE_NAME), &whole).unwrap();
        let store = RedbStore::open_checked(directory.path(), Network::Dev).unwrap();
        let transaction = store.database.begin_write().unwrap();
        harm(&transaction);
        transaction.commit().unwrap();
        let damage = checked(&store).expect_err("nothing was found");
        // A header that is gone or another one is seen first where heights lead to it.
        let index = *table == Table::Heights && damage.table == Table::Headers;
        assert!(damage.table == *table || index, "harm {at} of table {table}: {damage}");
    }
}

/// Whatever byte of a file is another: it is an error, or harms nothing, and nothing panics.
#[test]
fn a_file_altered_from_outside_is_refused_or_right() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(FILE_NAME);
    let mut disk = open(directory.path());
    for n in 0..8 {
        let block = next_block(&disk, n, true);
        disk.accept_block(block, LATE).unwrap();
    }
    let tip = disk.tip_hash();
    drop(disk);
    let whole = std::fs::read(&path).unwrap();
    let mut refused = 0;
    for n in 0..60usize {
        let mut bytes = whole.clone();
        // Half of them near the beginning, where the pages of a small chain are.
        let end = if n % 2 == 0 { whole.len() } else { whole.len().min(64 * 1024) };
        let at = (n * n * 7919 + n * 104_729) % end;
        bytes[at] ^= 1 << (n % 8);
        std::fs::write(&path, &bytes).unwrap();
        match RedbStore::open_checked(directory.path(), Network::Dev) {
            Ok(store) => assert_eq!(checked(&store).unwrap().tip, tip, "byte {at}"),
            Err(error) => {
                refused += 1;
                assert_eq!(error.to_string().lines().count(), 1, "byte {at}: {error}");
            }
        }
    }
    assert!(refused > 5, "{refused}");
}

#[test]
fn a_pruned_file_knows_so_when_it_is_opened_again() {
    let directory = tempfile::tempdir().unwrap();
    let open = || Chain::open(RedbStore::open(directory.path(), Network::Dev).unwrap(), short()).unwrap();
    let mut disk = open();
    disk.store().begin_bundle();
    for n in 0..KEPT + 12 {
        let block = next_block(&disk, n as u8, false);
        disk.accept_block(block, LATE).unwrap();
    }
    disk.store().end_bundle().unwrap();
    assert_eq!(disk.prune(Height(9), 4, |_| ()).unwrap(), 4);
    assert_eq!(disk.prune(Height(9), 100, |_| ()).unwrap(), 5);
    drop(disk);
    let mut disk = open();
    assert_eq!(disk.first_body().unwrap(), Height(9));
    let entry = disk.header(&disk.hash_at(Height(8)).unwrap().unwrap()).unwrap().unwrap();
    assert_eq!((entry.status, disk.is_pruned(&entry).unwrap()), (BlockStatus::Valid, true));
    assert!(disk.block(&entry.hash()).unwrap().is_none() && disk.block_at(Height(9)).unwrap().is_some());
    assert_eq!(disk.store().count(Table::Bodies).unwrap(), disk.store().count(Table::Blocks).unwrap());
    let block = next_block(&disk, 0, true);
    disk.accept_block(block, LATE).unwrap();
    let report = checked(disk.store()).unwrap();
    assert_eq!((report.first_body, report.connected), (Height(9), u64::from(KEPT) + 5));
}
