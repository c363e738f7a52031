use super::*;
use camelid_core::block::{Block, NetworkParams, PowMidstate};
use camelid_core::chain::{Chain, ChainError, MemoryStore, TransactionError};
use camelid_core::keys::SecretKey;
use camelid_core::script::{sign_p2pkh_inputs, templates};
use camelid_core::transaction::{Script, Transaction, TransactionBuilder};
use camelid_core::units::{Amount, Timestamp};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::io::Write;

pub(super) const LATE: Timestamp = Timestamp(u32::MAX);

pub(super) fn dev() -> &'static NetworkParams {
    NetworkParams::of(Network::Dev)
}

pub(super) fn key() -> SecretKey {
    SecretKey::from_bytes([7; 32]).unwrap()
}

pub(super) fn ours() -> Script {
    templates::p2pkh(key().public_key().hash())
}

pub(super) fn solve(mut block: Block) -> Block {
    block.header.merkle_root = block.merkle_root();
    let target = block.header.bits.target().unwrap();
    block.header.nonce = PowMidstate::new(&block.header).try_nonces(0..=u32::MAX, &target).unwrap();
    block
}

/// The next block; `tag` makes it different from its siblings. Spends the first coin that can be.
pub(super) fn next_block<S: Store>(chain: &Chain<S>, tag: u8, spends: bool) -> Block {
    let mut coin = None;
    let height = chain.height().next();
    chain
        .store()
        .for_each_coin(&mut |outpoint, c| {
            if spends && coin.is_none() && (!c.coinbase || c.height.plus(dev().coinbase_maturity) <= height) {
                coin = Some((outpoint, c.output));
            }
        })
        .unwrap();
    let tx: Option<Transaction> = coin.map(|(outpoint, output)| {
        let half = Amount(output.value.0 / 2);
        let builder = TransactionBuilder::new().input(outpoint).output(half, ours());
        let mut tx = builder.output(half.saturating_sub(Amount(9)), ours()).build();
        sign_p2pkh_inputs(&mut tx, &[output], [&key()], Network::Dev).unwrap();
        tx
    });
    let time = Timestamp(chain.tip().header.time.0 + 2);
    let mut block = chain.build_template(ours(), tx, time).unwrap().block;
    block.transactions[0].inputs[0].script_sig.0.push(tag);
    solve(block)
}

pub(super) fn open(directory: &Path) -> Chain<RedbStore> {
    Chain::open(RedbStore::open(directory, Network::Dev).unwrap(), dev()).unwrap()
}

pub(super) fn coins<S: Store>(chain: &Chain<S>) -> BTreeMap<OutPoint, Coin> {
    let mut all = BTreeMap::new();
    let mut last = None;
    chain
        .store()
        .for_each_coin(&mut |outpoint, coin| {
            assert!(last < Some(outpoint), "coins come in order");
            last = Some(outpoint);
            all.insert(outpoint, coin);
        })
        .unwrap();
    all
}

#[test]
fn opened_again_the_chain_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let mut tip = None;
    for round in 0u32..3 {
        let mut chain = open(directory.path());
        assert_eq!(chain.height(), Height(round * 4));
        assert!(tip.is_none_or(|t| t == chain.tip_hash()));
        for n in 0..4 {
            let block = next_block(&chain, n, true);
            chain.accept_block(block, LATE).unwrap();
        }
        tip = Some(chain.tip_hash());
    }
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
}

/// A block is written while its scripts are checked: if one fails, nothing of that was ever there.
#[test]
fn what_was_staged_for_a_bad_block_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let mut chain = open(directory.path());
    for n in 0..7 {
        let block = next_block(&chain, n, false);
        chain.accept_block(block, LATE).unwrap();
    }
    let (tip, before) = (chain.tip().clone(), coins(&chain));
    let bad = next_block(&chain, 1, true);
    let mut refusing = chain.with_script_runner(|checks, _, meanwhile| {
        meanwhile();
        checks.first().map(|_| (0, TransactionError::NoInputs))
    });
    let error = refusing.accept_block(bad.clone(), LATE).unwrap_err();
    assert!(matches!(error, ChainError::Block { hash, .. } if hash == bad.hash()), "{error}");
    drop(refusing);
    let mut chain = open(directory.path());
    assert_eq!((chain.tip(), coins(&chain)), (&tip, before));
    assert!(
        chain.block(&bad.hash()).unwrap().is_none()
            && chain.transaction(&bad.transactions[1].txid()).unwrap().is_none()
    );
    let good = next_block(&chain, 2, true);
    chain.accept_block(good, LATE).unwrap();
}

/// What a killed process leaves: a copy of the file while it is open, between any two commits.
#[test]
fn killed_between_commits_nothing_is_lost() {
    let (live, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut chain = open(live.path());
    for n in 0..8 {
        let block = next_block(&chain, n, true);
        chain.accept_block(block, LATE).unwrap();
        std::fs::copy(live.path().join(FILE_NAME), copy.path().join(FILE_NAME)).unwrap();
        let mut after = open(copy.path());
        assert_eq!(after.tip(), chain.tip());
        assert_eq!(coins(&after), coins(&chain));
        let block = next_block(&after, 100, true);
        after.accept_block(block, LATE).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10))]

    #[test]
    fn memory_and_disk_agree_on_any_history(
        steps in prop::collection::vec(any::<(prop::sample::Index, u8, bool, bool)>(), 1..16),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let (mut memory, mut disk) = (Chain::open(MemoryStore::new(), dev()).unwrap(), open(directory.path()));
        let mut nodes = vec![memory.clone()];
        for _ in 0..7 {
            let block = next_block(&memory, 0, false);
            memory.accept_block(block.clone(), LATE).unwrap();
            disk.accept_block(block, LATE).unwrap();
        }
        nodes.push(memory.clone());
        for (parent, tag, spends, reopen) in steps {
            let mut node = parent.get(&nodes).clone();
            let block = next_block(&node, tag, spends);
            node.accept_block(block.clone(), LATE).unwrap();
            nodes.push(node);
            if reopen {
                drop(disk);
                disk = open(directory.path());
            }
            let (a, b) = (memory.accept_block(block.clone(), LATE).unwrap(), disk.accept_block(block, LATE).unwrap());
            prop_assert_eq!(a, b);
            prop_assert_eq!(memory.tip(), disk.tip());
            prop_assert_eq!(coins(&memory), coins(&disk));
        }
        for node in &nodes {
            let hash = node.tip_hash();
            prop_assert_eq!(memory.header(&hash).unwrap(), disk.header(&hash).unwrap());
            prop_assert_eq!(memory.block(&hash).unwrap(), disk.block(&hash).unwrap());
            prop_assert_eq!(memory.store().undo(&hash).unwrap(), disk.store().undo(&hash).unwrap());
            prop_assert_eq!(memory.store().filter(&hash).unwrap(), disk.store().filter(&hash).unwrap());
            prop_assert_eq!(memory.store().filter_entry(&hash).unwrap(), disk.store().filter_entry(&hash).unwrap());
            for tx in node.block(&hash).unwrap().unwrap().transactions {
                prop_assert_eq!(memory.transaction(&tx.txid()).unwrap(), disk.transaction(&tx.txid()).unwrap());
            }
        }
        for height in 0..25 {
            prop_assert_eq!(memory.hash_at(Height(height)).unwrap(), disk.hash_at(Height(height)).unwrap());
        }
        prop_assert_eq!(memory.best_header().unwrap(), disk.best_header().unwrap());
    }
}

fn error(directory: &Path, network: Network) -> StoreError {
    let error = RedbStore::open(directory, network).unwrap_err();
    assert_eq!(error.to_string().lines().count(), 1, "{error}");
    error
}

#[test]
fn another_network() {
    let directory = tempfile::tempdir().unwrap();
    drop(RedbStore::open(directory.path(), Network::Dev).unwrap());
    let error = error(directory.path(), Network::Main);
    assert!(matches!(error, StoreError::OtherNetwork { expected: Network::Main, found: Network::Dev, .. }));
    let text = error.to_string();
    assert!(text.contains("holds the dev network's chain, expected main") && text.contains("--network dev"), "{text}");
}

#[test]
fn in_use() {
    let directory = tempfile::tempdir().unwrap();
    let held = RedbStore::open(directory.path(), Network::Dev).unwrap();
    assert!(matches!(error(directory.path(), Network::Dev), StoreError::InUse { .. }));
    drop(held);
    RedbStore::open(directory.path(), Network::Dev).unwrap();
}

#[test]
fn another_format() {
    for (found, newer) in [(FORMAT + 1, true), (0, false), (1, false)] {
        let directory = tempfile::tempdir().unwrap();
        let store = RedbStore::open(directory.path(), Network::Dev).unwrap();
        let transaction = store.database.begin_write().unwrap();
        transaction.open_table(META).unwrap().insert(FORMAT_KEY, found.to_le_bytes().as_slice()).unwrap();
        transaction.commit().unwrap();
        drop(store);
        let error = error(directory.path(), Network::Dev);
        assert_eq!(matches!(error, StoreError::NewerFormat { .. }), newer, "{error}");
        assert_eq!(matches!(error, StoreError::OlderFormat { .. }), !newer, "{error}");
        assert!(newer || error.to_string().contains("run `rm '"), "{error}");
    }
}

#[test]
fn truncated_and_foreign_files() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(FILE_NAME);
    let mut chain = open(directory.path());
    for n in 0..8 {
        let block = next_block(&chain, n, false);
        chain.accept_block(block, LATE).unwrap();
    }
    drop(chain);
    let whole = std::fs::read(&path).unwrap();
    for len in [0, 1, 100, 511, 4096, 10_000, whole.len() / 2, whole.len() - 4096] {
        std::fs::File::create(&path).unwrap().write_all(&whole[..len]).unwrap();
        // Where the file's length does not tell, reading does; nothing panics.
        match RedbStore::open(directory.path(), Network::Dev) {
            Err(error) => {
                assert!(matches!(error, StoreError::NoChain { .. } | StoreError::Damaged { .. }), "{len}: {error}")
            }
            Ok(_) => panic!("a file of {len} of {} bytes was opened", whole.len()),
        }
    }
    for text in [b"hello".as_slice(), &[0; 100_000]] {
        std::fs::write(&path, text).unwrap();
        assert!(matches!(error(directory.path(), Network::Dev), StoreError::NoChain { .. }));
    }
    let missing = directory.path().join("missing");
    assert!(matches!(error(&missing, Network::Dev), StoreError::File { .. }));
}

#[test]
fn a_damaged_entry_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let chain = open(directory.path());
    let hash = chain.tip_hash();
    let store = chain.into_store();
    let transaction = store.database.begin_write().unwrap();
    transaction.open_table(HEADERS).unwrap().insert(&hash.0, [1u8, 2].as_slice()).unwrap();
    transaction.commit().unwrap();
    match Chain::open(store, dev()) {
        Err(ChainError::Store(error @ StoreError::Damaged { .. })) => assert!(error.to_string().contains("headers")),
        other => panic!("{other:?}"),
    }
}

/// A bundle is seen at once and is on disk once it ended; a file copied before, as a crash would leave it, has nothing of it.
#[test]
fn a_bundle_is_on_disk_as_a_whole_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let mut chain = open(dir.path());
    let take = |chain: &mut Chain<RedbStore>| {
        let block = next_block(chain, 0, false);
        chain.accept_block(block, LATE).unwrap();
    };
    let crashed = |expected: u32| {
        let copy = tempfile::tempdir().unwrap();
        std::fs::copy(dir.path().join(FILE_NAME), copy.path().join(FILE_NAME)).unwrap();
        assert_eq!(open(copy.path()).height(), Height(expected));
    };
    take(&mut chain);
    crashed(1);
    chain.store().begin_bundle();
    for height in 2..6 {
        take(&mut chain);
        assert_eq!((chain.height(), chain.store().tip().unwrap()), (Height(height), Some(chain.tip_hash())));
    }
    crashed(1);
    chain.store().end_bundle().unwrap();
    crashed(5);
    take(&mut chain);
    crashed(6);
    chain.store().end_bundle().unwrap();
}
