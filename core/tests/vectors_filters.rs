//! The filters against BIP158's own vectors: Bitcoin's testnet blocks, keyed by their own hashes.
//!
//! `vectors/bip158.json` is `bip-0158/testnet-19.json` of the repository `bitcoin/bips` (P = 19, M = 784,931).

use camelid_core::encode::Reader;
use camelid_core::filter::{Filter, FilterEntry, FilterKey};
use camelid_core::hash::{FilterHeader, sha256d};
use camelid_core::sorted::Set;
use serde_json::Value;

/// The scripts of all outputs in one of Bitcoin's blocks.
fn output_scripts(block: &[u8]) -> Vec<Vec<u8>> {
    let mut r = Reader::new(&block[80..]);
    let mut scripts = Vec::new();
    for _ in 0..r.varint().unwrap() {
        r.take(4).unwrap();
        let witness = r.clone().take(2).unwrap() == [0, 1];
        if witness {
            r.take(2).unwrap();
        }
        let inputs = r.varint().unwrap();
        for _ in 0..inputs {
            r.take(36).unwrap();
            r.bytes("ScriptSig", 10_000).unwrap();
            r.take(4).unwrap();
        }
        for _ in 0..r.varint().unwrap() {
            r.take(8).unwrap();
            scripts.push(r.bytes("script", 10_000).unwrap().to_vec());
        }
        for _ in 0..if witness { inputs } else { 0 } {
            for _ in 0..r.varint().unwrap() {
                r.bytes("witness", 100_000).unwrap();
            }
        }
        r.take(4).unwrap();
    }
    r.finish().unwrap();
    scripts
}

#[test]
fn bip158_testnet_blocks() {
    let vectors: Vec<Vec<Value>> = serde_json::from_str(include_str!("vectors/bip158.json")).unwrap();
    let text = |v: &Value| v.as_str().unwrap().to_owned();
    let bytes = |v: &Value| hex::decode(text(v)).unwrap();
    assert_eq!(vectors.len(), 11, "a line that names the columns, then ten blocks");
    for row in &vectors[1..] {
        let [height, hash, block, spent, previous, filter, header, notes] = &row[..] else { panic!("{row:?}") };
        let block = bytes(block);
        let own = sha256d(&block[..80]).0;
        let mut shown = own;
        shown.reverse();
        assert_eq!(hex::encode(shown), text(hash));
        let key = FilterKey(own[..16].try_into().unwrap());
        let spent = spent.as_array().unwrap().iter().map(bytes);
        let made = output_scripts(&block).into_iter().filter(|s| s.first() != Some(&0x6a));
        let elements: Set<Vec<u8>> = made.chain(spent).filter(|s| !s.is_empty()).collect();
        let built = Filter::build(&key, &elements);
        assert_eq!(hex::encode(built.as_bytes()), text(filter), "block {height}: {notes}");
        assert_eq!(built.check(), Ok(elements.len() as u64));
        for element in &elements {
            assert_eq!(built.matches_any(&key, [element]), Ok(true));
        }
        let previous: FilterHeader = text(previous).parse().unwrap();
        assert_eq!(FilterEntry::new(&built, &previous).header.to_string(), text(header), "block {height}");
    }
}
