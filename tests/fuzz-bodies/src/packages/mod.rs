//! Packages: whatever parses is what the check in pieces takes too, with the same root; its chunks prove themselves; and it
//! can be computed with, without a panic, to the same bits by the reference and the CPU engine, in one piece or one by one.

mod made;

use crate::Choices;
use crate::memory::{Allowance, within};
use camelid_core::hash::{Hash32, MerkleHasher};
use camelid_core::model::package::{Head, chunk_tree, verify_chunk};
use camelid_core::model::sampling::{argmax, sample};
use camelid_core::model::{CHUNK_LEN, Cpu, Engine, Feed, Package, Reference, Sampling, Want, model_root, valid_model};
use camelid_core::units::TokenId;
use std::sync::Arc;

/// What reading a package may take: 512 layers' places, and tables that are copied.
const READING: Allowance = Allowance { base: 2 << 20, factor: 64 };
/// The most multiply-accumulates of a pass that is computed here.
const MOST_WORK: u64 = 2_000_000;

/// The target.
pub fn run(input: &[u8]) {
    let mut choices = Choices::new(input);
    match choices.below(2) {
        0 => raw(choices.rest()),
        _ => made::run(&mut choices),
    }
}

/// Bytes as they come.
fn raw(bytes: &[u8]) {
    let (parsed, checked) = within(READING, bytes.len(), || (Package::parse(bytes.to_vec()), valid_model(bytes)));
    assert_eq!(parsed.as_ref().map(Package::root).ok(), checked.as_ref().ok().copied(), "{parsed:?} {checked:?}");
    let head = within(READING, bytes.len(), || Head::parse(bytes));
    match parsed {
        Err(error) => {
            let text = error.to_string();
            assert!(!text.is_empty() && text.len() < 300 && !text.contains('\n'), "{text}");
        }
        Ok(package) => {
            let head = head.expect("a package has a head");
            assert_eq!((&head.manifest, &head.layout), (package.manifest(), package.layout()));
            let needed = Head::needed(bytes).expect("a package has a head");
            assert_eq!(Head::parse(&bytes[..needed]).as_ref(), Ok(&head), "the head needs no more than it says");
            chunks(bytes);
            computes(&Arc::new(package), &bytes[bytes.len().saturating_sub(3)..]);
        }
    }
}

/// "Any chunk proves itself with its branch."
fn chunks(bytes: &[u8]) {
    let (root, tree): (_, MerkleHasher) = (model_root(bytes), chunk_tree(bytes));
    assert_eq!(tree.root(), Hash32(root.0));
    for (index, chunk) in bytes.chunks(CHUNK_LEN).enumerate() {
        let branch = tree.branch(index as u64).expect("the chunk is one of the tree's");
        assert!(verify_chunk(&root, chunk, &branch).is_ok());
        let mut altered = chunk.to_vec();
        altered[0] ^= 1;
        assert!(verify_chunk(&root, &altered, &branch).is_err());
    }
}

/// Computes a few tokens by both engines.
pub(crate) fn computes(package: &Arc<Package>, choices: &[u8]) {
    let m = package.manifest();
    let n = choices.len().min(m.context as usize);
    if n == 0 || m.multiply_accumulates(n as u32, n as u32) > MOST_WORK {
        return;
    }
    let text: Vec<TokenId> = choices[..n].iter().map(|b| TokenId(u32::from(*b) % m.vocabulary)).collect();
    let mut reference = Reference::new(package.clone());
    let whole = fed(&mut reference, &[&text]);
    assert_eq!(whole.len(), n * m.vocabulary as usize);
    let pieces: Vec<&[TokenId]> = text.chunks(1).collect();
    assert_eq!(fed(&mut reference, &pieces), whole, "one by one, the reference has other bits");
    let mut cpu = Cpu::with(package.clone(), camelid_core::model::cpu::Kernel::best(), 1);
    assert_eq!(fed(&mut cpu, &[&text]), whole, "the CPU engine has other bits");
    assert_eq!(fed(&mut cpu, &pieces), whole, "one by one, the CPU engine has other bits");
    drawn(&whole[whole.len() - m.vocabulary as usize..], u32::from(choices[0]));
}

/// All logits of a text that is fed in pieces.
fn fed(engine: &mut dyn Engine, pieces: &[&[TokenId]]) -> Vec<i32> {
    let sequence = engine.open().expect("there is room for a sequence");
    let mut all = Vec::new();
    for tokens in pieces {
        let rows = engine.forward(&[Feed { sequence, tokens, want: Want::All }]).expect("the text fits the model");
        all.extend_from_slice(rows[0].values());
    }
    engine.close(sequence);
    all
}

/// A token is drawn from every distribution, always the same.
fn drawn(logits: &[i32], seed: u32) {
    for (temperature, top_k, top_p) in [(0, 0, 1_000_000), (1000, 0, 1_000_000), (1, 3, 500_000), (10_000, 1, 1)] {
        let sampling = Sampling::new(temperature, top_k, top_p).expect("values that make sense");
        let id = sample(logits, &sampling, u64::from(seed), seed);
        assert!((id.0 as usize) < logits.len());
        assert_eq!(id, sample(logits, &sampling, u64::from(seed), seed));
        if temperature == 0 || top_k == 1 {
            assert_eq!(logits[id.0 as usize], logits[argmax(logits).0 as usize]);
        }
    }
}
