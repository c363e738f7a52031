//! Properties of headers, blocks and the networks' parameters.

use super::*;
use crate::encode::{Decode, DecodeError, Encode, put_varint};
use crate::hash::{BlockHash, Hash32, JobId, Txid};
use crate::transaction::{OutPoint, Script, Sequence, Transaction, TxIn, TxOut};
use crate::units::{Amount, Network, Timestamp};
use alloc::vec::Vec;
use proptest::collection::vec;
use proptest::prelude::*;

const NETWORKS: [Network; 3] = [Network::Main, Network::Test, Network::Dev];

fn any_script() -> impl Strategy<Value = Script> {
    vec(any::<u8>(), 0..40).prop_map(Script)
}

prop_compose! {
    fn any_transaction()(
        version: u32,
        inputs in vec((any::<[u8; 32]>(), any::<u32>(), any_script(), any::<u32>()), 0..4),
        outputs in vec((any::<u64>(), any_script()), 0..4),
        lock_time: u32,
        job: [u8; 32],
    ) -> Transaction {
        Transaction {
            version,
            inputs: inputs
                .into_iter()
                .map(|(txid, index, script_sig, sequence)| TxIn {
                    previous: OutPoint { txid: Txid(txid), index },
                    script_sig,
                    sequence: Sequence(sequence),
                })
                .collect(),
            outputs: outputs
                .into_iter()
                .map(|(value, script_pubkey)| TxOut { value: Amount(value), script_pubkey })
                .collect(),
            lock_time,
            job_id: JobId(job),
        }
    }
}

prop_compose! {
    fn any_block()(
        version: u32, previous: [u8; 32], root: [u8; 32], time: u32, bits: u32, nonce: u32,
        transactions in vec(any_transaction(), 0..4),
    ) -> Block {
        let header = Header {
            version,
            previous: BlockHash(previous),
            merkle_root: Hash32(root),
            time: Timestamp(time),
            bits: CompactTarget(bits),
            nonce,
        };
        Block { header, transactions }
    }
}

proptest! {
    #[test]
    fn encoding_is_identity_and_truncation_an_error(block in any_block()) {
        let bytes = block.to_bytes();
        prop_assert_eq!(block.size(), bytes.len());
        prop_assert_eq!(Header::from_bytes(&bytes[..HEADER_BYTES]), Ok(block.header));
        for n in 0..bytes.len() {
            prop_assert!(Block::from_bytes(&bytes[..n]).is_err());
        }
        for tx in &block.transactions {
            let bytes = tx.to_bytes();
            prop_assert_eq!(&Transaction::from_bytes(&bytes), &Ok(tx.clone()));
            prop_assert_eq!(tx.size(), bytes.len());
            for n in 0..bytes.len() {
                prop_assert!(Transaction::from_bytes(&bytes[..n]).is_err());
            }
        }
        prop_assert_eq!(Block::from_bytes(&bytes), Ok(block));
    }

    #[test]
    fn a_mutated_block_is_an_error_or_another_block(block in any_block(), at: prop::sample::Index, flip in 1u8..) {
        let mut bytes = block.to_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        if let Ok(other) = Block::from_bytes(&bytes) {
            prop_assert_ne!(&other, &block);
            // One encoding a value: what decodes encodes to the same bytes.
            prop_assert_eq!(other.to_bytes(), bytes);
        }
    }

    #[test]
    fn any_change_of_a_transaction_changes_the_merkle_root(block in any_block(), at: prop::sample::Index, flip in 1u8..) {
        let mut bytes = block.to_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        if let Ok(other) = Block::from_bytes(&bytes) {
            prop_assert_eq!(other.merkle_root() == block.merkle_root(), at < HEADER_BYTES);
        }
    }
}

#[test]
fn a_block_over_four_megabytes_does_not_decode() {
    let mut block = NetworkParams::of(Network::Dev).genesis();
    let big = |bytes: usize| Script(alloc::vec![0; bytes]);
    for _ in 0..5 {
        let mut tx = block.transactions[0].clone();
        tx.inputs[0].script_sig = big(800_000);
        block.transactions.push(tx);
    }
    let bytes = block.to_bytes();
    let expected = DecodeError::TooLong { what: "block", len: bytes.len() as u64, max: MAX_BLOCK_BYTES as u64 };
    assert_eq!(Block::from_bytes(&bytes), Err(expected));
    block.transactions.pop();
    assert_eq!(Block::from_bytes(&block.to_bytes()), Ok(block.clone()));
    let mut many: Vec<u8> = block.header.to_bytes();
    put_varint(1 << 30, &mut many);
    assert!(matches!(Block::from_bytes(&many), Err(DecodeError::TooLong { what: "transactions", .. })));
}

#[test]
fn every_genesis_block_reaches_its_limit_and_they_differ() {
    let mut seen = Vec::new();
    for network in NETWORKS {
        let params = NetworkParams::of(network);
        let genesis = params.genesis();
        assert_eq!(params.network, network);
        assert!(params.pow_limit.target().unwrap().is_met_by(&genesis.hash()), "{network}");
        assert_eq!(genesis.header.merkle_root, genesis.merkle_root());
        assert!(!seen.contains(&genesis.hash()));
        seen.push(genesis.hash());
    }
}

/// Prints the nonces for `params.rs`: run it with `--ignored --nocapture` when a genesis block changes.
#[test]
#[ignore = "searches 2^28 nonces"]
fn find_genesis_nonces() {
    for network in NETWORKS {
        let params = NetworkParams::of(network);
        let target = params.pow_limit.target().unwrap();
        let nonce = PowMidstate::new(&params.genesis().header).try_nonces(0..=u32::MAX, &target);
        std::println!("{network}: {nonce:?}");
    }
}

#[test]
fn parameters_fit_each_other() {
    for network in NETWORKS {
        let p = NetworkParams::of(network);
        let c = &p.contract;
        assert!(c.min_contest.max(c.min_grace).max(c.min_evidence).max(c.min_reveal) <= c.max_period);
        assert!(c.max_proof_macs() > 0 && c.dust > Amount::ZERO);
        assert_eq!(p.max_block_bytes, MAX_BLOCK_BYTES);
    }
    let model = ProvableModel { root: Default::default(), macs_per_token: 1000, macs_per_pair: 10, context: 4 };
    assert_eq!(model.weight(3), Some(3_060));
    assert_eq!(model.weight(5), None);
    assert_eq!(ProvableModel { macs_per_token: u64::MAX, ..model }.weight(2), None);
}
