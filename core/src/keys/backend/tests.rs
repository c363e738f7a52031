//! Both backends do the same: on random and on chosen numbers, and on Wycheproof's.

use super::{Range, k256, libsecp256k1};
use crate::hash::sha256;
use crate::keys::Signature;
use alloc::vec::Vec;
use proptest::prelude::*;
use serde_json::Value;

const ORDER: &str = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
const HALF: &str = "7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0";
const PRIME: &str = "fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f";
/// x of the generator.
const GENERATOR: &str = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";

fn number(digits: &str) -> [u8; 32] {
    hex::decode(digits).unwrap().try_into().unwrap()
}

fn moved(number: [u8; 32], by: i8) -> [u8; 32] {
    let mut number = number;
    for byte in number.iter_mut().rev() {
        let (sum, carry) = byte.overflowing_add_signed(by.signum());
        *byte = sum;
        if !carry {
            break;
        }
    }
    if by.abs() > 1 { moved(number, by - by.signum()) } else { number }
}

/// Numbers at which something changes, those beside them, and any.
fn numbers() -> impl Strategy<Value = [u8; 32]> {
    let edges: Vec<[u8; 32]> = [ORDER, HALF, PRIME, GENERATOR].map(number).into_iter().chain([[0; 32]]).collect();
    let edge = (prop::sample::select(edges), -3i8..=3).prop_map(|(n, by)| if by == 0 { n } else { moved(n, by) });
    prop_oneof![edge, any::<[u8; 32]>()]
}

fn public(prefix: u8, x: [u8; 32]) -> [u8; 33] {
    let mut key = [prefix; 33];
    key[1..].copy_from_slice(&x);
    key
}

fn signature(r: [u8; 32], s: [u8; 32]) -> [u8; 64] {
    let mut bytes = [0; 64];
    bytes[..32].copy_from_slice(&r);
    bytes[32..].copy_from_slice(&s);
    bytes
}

/// Asserts that both say the same of these bytes; gives whether the signature is the key's.
fn same_verdict(key: &[u8; 33], hash: &[u8; 32], signature: &[u8; 64]) -> bool {
    let range = k256::range(signature);
    assert_eq!(range, libsecp256k1::range(signature), "range of {}", hex::encode(signature));
    let (point, same_point) = (k256::point(key), libsecp256k1::point(key));
    assert_eq!(point.is_some(), same_point.is_some(), "point {}", hex::encode(key));
    // `verify` is for signatures with a low s; of the others no value can be made.
    let low = range == Range::Low;
    let verified = low && point.is_some_and(|point| k256::verify(&point, hash, signature));
    let by_libsecp256k1 = low && same_point.is_some_and(|point| libsecp256k1::verify(&point, hash, signature));
    assert_eq!(verified, by_libsecp256k1, "{} of {}", hex::encode(signature), hex::encode(key));
    verified
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn secrets_are_the_same(secret in numbers(), hash in numbers(), other in numbers()) {
        let (a, b) = (k256::Secret::from_bytes(&secret), libsecp256k1::Secret::from_bytes(&secret));
        prop_assert_eq!(a.is_some(), b.is_some());
        let (Some(a), Some(b)) = (a, b) else { return Ok(()) };
        prop_assert_eq!(a.to_bytes(), b.to_bytes());
        prop_assert_eq!(a.public_key(), b.public_key());
        let signed = a.sign(&hash);
        prop_assert_eq!(signed, b.sign(&hash));
        prop_assert_eq!(k256::range(&signed), Range::Low);
        prop_assert!(same_verdict(&a.public_key(), &hash, &signed));
        if let Some(other) = k256::Secret::from_bytes(&other) {
            prop_assert_eq!(a.shared_x(&other.public_key()), b.shared_x(&other.public_key()));
        }
    }

    #[test]
    fn keys_and_signatures_are_the_same(prefix in 2u8..=3, x in numbers(), r in numbers(), s in numbers(), hash in numbers()) {
        same_verdict(&public(prefix, x), &hash, &signature(r, s));
        same_verdict(&public(2, number(GENERATOR)), &hash, &signature(r, s));
    }

    /// Near a signature that fits: another bit, another sign of s, a number on an edge.
    #[test]
    fn altered_signatures_are_the_same(
        secret in 1u64.., hash in numbers(), bit in 0usize..512, edge in numbers(), key_bit in 0usize..257,
    ) {
        let mut scalar = [0; 32];
        scalar[24..].copy_from_slice(&secret.to_be_bytes());
        let secret = k256::Secret::from_bytes(&scalar).unwrap();
        let (key, good) = (secret.public_key(), secret.sign(&hash));
        let mut flipped = good;
        flipped[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(!same_verdict(&key, &hash, &flipped));
        let (mut with_r, mut with_s, mut negated) = (good, good, good);
        with_r[..32].copy_from_slice(&edge);
        with_s[32..].copy_from_slice(&edge);
        negated[32..].copy_from_slice(&minus(&good[32..]));
        for altered in [with_r, with_s] {
            same_verdict(&key, &hash, &altered);
        }
        prop_assert!(!same_verdict(&key, &hash, &negated));
        prop_assert_eq!(libsecp256k1::range(&negated), Range::High);
        let mut other = key;
        // The lowest bit of the first byte, or a bit of x.
        let at = key_bit + 7;
        other[at / 8] ^= 1 << (7 - at % 8);
        // What fits a key over a hash of zero fits the key's negative too.
        let zero = hash == [0; 32] || hash == number(ORDER);
        prop_assert_eq!(same_verdict(&other, &hash, &good), zero && key_bit == 0);
        // A hash from the order on stands for what is over it.
        same_verdict(&key, &edge, &good);
    }
}

/// The order less the number.
fn minus(s: &[u8]) -> [u8; 32] {
    let (mut out, mut borrow) = (number(ORDER), 0i16);
    for (byte, s) in out.iter_mut().zip(s).rev() {
        let digit = i16::from(*byte) - i16::from(*s) - borrow;
        (*byte, borrow) = (digit.rem_euclid(256) as u8, i16::from(digit < 0));
    }
    out
}

fn load(test: &str, name: &str) -> Option<Value> {
    let path = camelid_test_support::shared_data(test, &alloc::format!("vectors/{name}"))?;
    Some(serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap())
}

fn cases(file: &Value) -> impl Iterator<Item = (&Value, &Value)> {
    let groups = file["testGroups"].as_array().unwrap();
    groups.iter().flat_map(|g| g["tests"].as_array().unwrap().iter().map(move |t| (g, t)))
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

/// The point's compressed form, if the bytes end with an uncompressed one.
fn compressed(key: &[u8]) -> Option<[u8; 33]> {
    match key.len().checked_sub(65).map(|at| &key[at..]) {
        Some([4, xy @ ..]) => Some(public(2 + (xy[63] & 1), xy[..32].try_into().unwrap())),
        _ => None,
    }
}

/// Wycheproof's ECDSA vectors, by each backend: what `tests/vectors_keys.rs` asks of the one in use.
#[test]
fn wycheproof_ecdsa_by_both() {
    let name = "ecdsa_secp256k1_sha256_bitcoin_test.json";
    let Some(file) = load("wycheproof_ecdsa_by_both", name) else { return };
    let mut run = 0;
    for (group, test) in cases(&file) {
        let key = compressed(&bytes(&group["publicKey"]["uncompressed"])).unwrap();
        let hash = sha256(&bytes(&test["msg"]));
        let accepted = Signature::numbers(&bytes(&test["sig"])).is_ok_and(|s| same_verdict(&key, &hash.0, &s));
        assert_eq!(accepted, test["result"] == "valid", "{test}");
        run += 1;
    }
    assert_eq!(run, file["numberOfTests"].as_u64().unwrap());
}

/// Wycheproof's Diffie-Hellman vectors, by each backend.
#[test]
fn wycheproof_ecdh_by_both() {
    let Some(file) = load("wycheproof_ecdh_by_both", "ecdh_secp256k1_test.json") else { return };
    let mut points = 0;
    for (_, test) in cases(&file) {
        let Some(key) = compressed(&bytes(&test["public"])) else { continue };
        let is_point = k256::point(&key).is_some();
        assert_eq!(is_point, libsecp256k1::point(&key).is_some(), "{test}");
        let private = bytes(&test["private"]);
        let first = private.iter().take(private.len().saturating_sub(32)).filter(|b| **b == 0).count();
        let mut scalar = [0; 32];
        let Some(at) = 32usize.checked_sub(private.len() - first) else { continue };
        scalar[at..].copy_from_slice(&private[first..]);
        let (a, b) = (k256::Secret::from_bytes(&scalar), libsecp256k1::Secret::from_bytes(&scalar));
        assert_eq!(a.is_some(), b.is_some(), "{test}");
        let (Some(a), Some(b), true) = (a, b, is_point) else { continue };
        let shared = a.shared_x(&key);
        assert_eq!(shared, b.shared_x(&key), "{test}");
        if test["result"] == "valid" {
            assert_eq!(shared[..], bytes(&test["shared"]), "{test}");
            points += 1;
        }
    }
    assert!(points > 400, "only {points} points were used");
}
