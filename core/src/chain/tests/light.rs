//! What light clients get, and what they can check of it.

use super::*;
use crate::hash::{BlockHash, MerkleError, Txid};
use crate::units::{COIN, Height};
use core::slice;

/// A chain whose block 8 holds five transactions.
fn busy() -> (TestChain, Block) {
    let mut chain = grown(7);
    let mut coin = reward(&chain, 1);
    let mut txs = Vec::new();
    for _ in 0..4 {
        let tx = spend(slice::from_ref(&coin), 0, &[50 * COIN], 0);
        coin = (tx.outpoint(0), tx.outputs[0].clone());
        txs.push(tx);
    }
    let block = next_block(&chain, 0, txs, chain.tip().header.time.0 + 2);
    chain.accept_block(block.clone(), LATE).unwrap();
    (chain, block)
}

#[test]
fn every_transaction_has_a_proof_and_no_other_fits() {
    let (chain, block) = busy();
    for (index, tx) in block.transactions.iter().enumerate() {
        let proof = chain.transaction_proof(&tx.txid()).unwrap().unwrap();
        assert_eq!((&proof.transaction, proof.header, proof.height), (tx, block.header, Height(8)));
        assert_eq!((proof.branch.index, proof.branch.count), (index as u64, 5));
        assert_eq!(proof.verify(), Ok(()));
        let mut other = proof.clone();
        other.transaction.outputs[0].value.0 -= 1;
        assert!(matches!(other.verify(), Err(ProofError::Branch(MerkleError::WrongRoot { .. }))));
        let mut other = proof.clone();
        other.header.merkle_root = Default::default();
        assert!(other.verify().is_err());
        let mut other = proof;
        other.branch.index = (other.branch.index + 1) % 5;
        assert!(other.verify().is_err());
    }
    assert_eq!(chain.transaction_proof(&Txid([7; 32])).unwrap(), None);
}

#[test]
fn a_coinbase_is_proved_to_stand_first_and_at_its_height() {
    let (chain, block) = busy();
    let proof = chain.coinbase_proof(&block.hash()).unwrap().unwrap();
    assert_eq!((&proof.transaction, proof.verify()), (&block.transactions[0], Ok(())));
    let mut other = proof;
    other.height = Height(9);
    assert_eq!(other.verify(), Err(ProofError::Height { expected: Height(8), found: Height(9) }));
    assert_eq!(chain.coinbase_proof(&BlockHash([7; 32])).unwrap(), None);
    // A block that nobody checked may hold its coinbase elsewhere.
    let mut tree = crate::hash::MerkleHasher::default();
    let mut strange = block;
    strange.transactions.swap(0, 1);
    strange.transactions.iter().for_each(|tx| tree.push(&tx.merkle_leaf()));
    for (index, coinbase) in [(0, false), (1, true)] {
        let proof = TransactionProof {
            header: crate::block::Header { merkle_root: tree.root(), ..strange.header },
            height: Height(8),
            branch: tree.branch(index).unwrap(),
            transaction: strange.transactions[index as usize].clone(),
        };
        assert_eq!(proof.verify(), Err(ProofError::Coinbase { index, coinbase }));
    }
}

#[test]
fn headers_come_by_height() {
    let chain = grown(9);
    let headers = |start, limit| chain.headers_from(Height(start), limit).unwrap();
    let at = |height| chain.block_at(Height(height)).unwrap().unwrap().block.header;
    assert_eq!(headers(0, 3), [at(0), at(1), at(2)]);
    assert_eq!(headers(8, 2000), [at(8), at(9)]);
    assert!(headers(10, 5).is_empty() && headers(u32::MAX, 5).is_empty() && headers(3, 0).is_empty());
}

#[test]
fn a_block_off_the_best_chain_has_no_proof() {
    let trunk = grown(7);
    let (mut ours, mut theirs) = (trunk.clone(), trunk);
    let side = next_block(&ours, 1, [], ours.tip().header.time.0 + 2);
    ours.accept_block(side.clone(), LATE).unwrap();
    for _ in 0..2 {
        let block = next_block(&theirs, 2, [], theirs.tip().header.time.0 + 2);
        theirs.accept_block(block.clone(), LATE).unwrap();
        ours.accept_block(block, LATE).unwrap();
    }
    assert_eq!(ours.tip_hash(), theirs.tip_hash());
    assert_eq!(ours.coinbase_proof(&side.hash()).unwrap(), None);
    assert_eq!(ours.transaction_proof(&side.transactions[0].txid()).unwrap(), None);
}
