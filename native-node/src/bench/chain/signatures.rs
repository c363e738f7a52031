//! Signature checks: the node's, the reference's, and libsecp256k1 without anything of ours around it.

use super::stopwatch::rates;
use super::{ChainPlan, failed, key, median};
use crate::bench::BenchError;
use camelid_core::hash::{Hash32, sha256};
use camelid_core::keys::{PublicKey, Signature};
use serde::Serialize;
use std::cell::Cell;
use std::hint::black_box;

/// Different keys, hashes and signatures that are checked by turns.
const SAMPLES: u32 = 64;

/// Signatures checked a second on one core, each from 33 bytes of key and 64 of signature.
#[derive(Clone, Debug, Serialize)]
pub struct SignatureReport {
    /// As the node does it.
    pub node_per_second: f64,
    /// libsecp256k1 alone.
    pub libsecp256k1_per_second: f64,
    /// k256, the reference and the browser's.
    pub k256_per_second: f64,
    /// The first over the second, the median of the rounds.
    pub ratio_to_libsecp256k1: f64,
}

struct Sample {
    key: PublicKey,
    hash: Hash32,
    signature: Signature,
}

pub(super) fn measure(plan: &ChainPlan, progress: &dyn Fn(&str)) -> Result<SignatureReport, BenchError> {
    let sample = |n: u32| {
        let (key, hash) = (key(n)?, sha256(&(n + SAMPLES).to_le_bytes()));
        Ok(Sample { key: key.public_key(), hash, signature: key.sign(&hash) })
    };
    let samples: Vec<Sample> = (0..SAMPLES).map(sample).collect::<Result<_, BenchError>>()?;
    let node = |s: &Sample| s.key.verify(&s.hash, &s.signature);
    let k256 = |s: &Sample| s.key.verify_by_reference(&s.hash, &s.signature);
    let wrong = Cell::new(false);
    let check = |check: &dyn Fn(&Sample) -> bool| {
        wrong.set(wrong.get() | !samples.iter().all(|s| check(black_box(s))));
        samples.len() as u64
    };
    let (mut nodes, mut raws, mut k256s, mut ratios) = (vec![], vec![], vec![], vec![]);
    for round in 1..=plan.rounds {
        progress(&format!("checking signatures, round {round} of {}", plan.rounds));
        let works: [&mut dyn FnMut() -> u64; 3] =
            [&mut || check(&node), &mut || check(&libsecp256k1), &mut || check(&k256)];
        let [node, raw, k256] = rates(plan.seconds, works);
        nodes.push(node);
        raws.push(raw);
        k256s.push(k256);
        ratios.push(node / raw);
    }
    if wrong.get() {
        return Err(failed("a good signature was refused"));
    }
    Ok(SignatureReport {
        node_per_second: median(nodes),
        libsecp256k1_per_second: median(raws),
        k256_per_second: median(k256s),
        ratio_to_libsecp256k1: median(ratios),
    })
}

fn libsecp256k1(sample: &Sample) -> bool {
    let key = secp256k1::PublicKey::from_byte_array_compressed(*sample.key.as_bytes());
    let signature = secp256k1::ecdsa::Signature::from_compact(sample.signature.as_bytes());
    let message = secp256k1::Message::from_digest(sample.hash.0);
    matches!((key, signature), (Ok(k), Ok(s)) if secp256k1::ecdsa::verify(&s, message, &k).is_ok())
}
