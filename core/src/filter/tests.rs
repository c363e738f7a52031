//! Golomb-coded sets, hostile ones, and what a block's filter holds.

use super::*;
use crate::contract::{Commitments, State, settlement_terms};
use crate::encode::put_varint;
use crate::hash::{BlockHash, FilterHeader, KeyHash};
use crate::job::fixtures::{hash_of, key as named, network, params};
use crate::job::{AnswerKeys, SealedAnswer};
use crate::script::templates::{burn, p2pkh};
use crate::sorted::Set;
use crate::transaction::{Script, TxOut};
use crate::units::{Amount, TokenId};
use alloc::vec;
use alloc::vec::Vec;
use proptest::prelude::*;

fn key(n: u8) -> FilterKey {
    FilterKey([n; 16])
}

fn random_sets() -> impl Strategy<Value = Set<Vec<u8>>> {
    prop::collection::btree_set(prop::collection::vec(any::<u8>(), 0..40), 0..200).prop_map(Set::from_iter)
}

proptest! {
    #[test]
    fn every_element_matches_alone_and_among_others(set in random_sets(), k: u8, others: Vec<u64>) {
        let filter = Filter::build(&key(k), &set);
        prop_assert_eq!(filter.check(), Ok(set.len() as u64));
        for element in &set {
            prop_assert_eq!(filter.matches_any(&key(k), [element]), Ok(true));
            let many = others.iter().map(|o| o.to_le_bytes().to_vec()).chain([element.clone()]);
            prop_assert_eq!(filter.matches_any(&key(k), many), Ok(true));
        }
        let none: [&[u8]; 0] = [];
        prop_assert_eq!(filter.matches_any(&key(k), none), Ok(false));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), small in 0u64..200, k: u8) {
        for bytes in [bytes.clone(), [vec![small as u8], bytes].concat()] {
            let filter = Filter::from_raw(bytes);
            let _ = filter.check();
            let _ = filter.matches_any(&key(k), [b"something".as_slice(), b"else"]);
        }
    }

    #[test]
    fn any_cut_or_longer_filter_is_noticed(set in random_sets(), cut: prop::sample::Index, more in 1usize..4) {
        let bytes = Filter::build(&key(1), &set).as_bytes().to_vec();
        let cut = cut.index(bytes.len());
        prop_assert!(Filter::from_raw(bytes[..cut].to_vec()).check().is_err());
        let long = [bytes, vec![0; more]].concat();
        let excess = matches!(Filter::from_raw(long).check(), Err(FilterError::Excess { .. }));
        prop_assert!(excess);
    }
}

/// Numbers in a fixed order that look random.
fn numbers(seed: u64) -> impl Iterator<Item = Vec<u8>> {
    (0u64..).map(move |n| crate::hash::tagged_hash("test", &[&seed.to_le_bytes(), &n.to_le_bytes()]).0.to_vec())
}

#[test]
fn strangers_seldom_match() {
    let set: Set<Vec<u8>> = numbers(1).take(1000).collect();
    let filter = Filter::build(&key(3), &set);
    // One in 784,931 times is expected; the seed is fixed.
    const ASKED: usize = 200_000;
    let wrong = numbers(2).take(ASKED).filter(|n| filter.matches_any(&key(3), [n]) == Ok(true)).count();
    assert!(wrong * 10_000 < ASKED, "{wrong} of {ASKED}");
    // Under another key it is another set.
    let found = set.iter().filter(|n| filter.matches_any(&key(4), [n]) == Ok(true)).count();
    assert!(found < 10, "{found}");
    // Some 21 bits an element.
    assert!((20 * 125..22 * 125).contains(&filter.as_bytes().len()), "{filter:?}");
}

#[test]
fn hostile_filters() {
    let with = |count: u64, rest: &[u8]| {
        let mut bytes = Vec::new();
        put_varint(count, &mut bytes);
        bytes.extend_from_slice(rest);
        Filter::from_raw(bytes)
    };
    let ask = |filter: &Filter| filter.matches_any(&key(1), [b"wanted"]);
    // No room is made for what is announced, and nothing is read that is not there.
    for count in [MAX_FILTER_BYTES as u64, 1 << 32, u64::MAX] {
        assert!(matches!(ask(&with(count, &[])), Err(FilterError::Count(_))), "{count}");
    }
    assert_eq!(ask(&with(500_000, &[])), Err(FilterError::Truncated { count: 500_000, at: 0 }));
    assert_eq!(with(2, &[0, 0, 0]).check(), Err(FilterError::Truncated { count: 2, at: 1 }));
    // Ones without end.
    let ones = vec![0xff; 100_000];
    assert_eq!(ask(&with(3, &ones)), Err(FilterError::Truncated { count: 3, at: 0 }));
    // A number that no element has.
    let far = [vec![0xff; 50_000], vec![0; 4]].concat();
    assert!(matches!(ask(&with(3, &far)), Err(FilterError::OutOfRange { at: 0, .. })));
    // Bits behind the end.
    assert_eq!(with(1, &[0, 0, 1]).check(), Err(FilterError::Excess { count: 1, bits: 4 }));
    assert_eq!(with(1, &[0, 0, 0, 0]).check(), Err(FilterError::Excess { count: 1, bits: 12 }));
    assert_eq!(with(1, &[0, 0, 0]).check(), Ok(1));
    assert_eq!(with(0, &[]).check(), Ok(0));
    assert!(matches!(Filter::from_raw(vec![]).check(), Err(FilterError::Count(_))));
    assert!(matches!(Filter::from_raw(vec![0xfd, 1, 0]).check(), Err(FilterError::Count(_))));
}

#[test]
fn a_contract_is_found_by_each_of_its_parties() {
    let keys = AnswerKeys { salt: [1; 32], ephemeral: named("ephemeral"), key: [2; 32] };
    let sealed = SealedAnswer::new(&[TokenId(4)], &keys, &params().job_key);
    let node = named("node").public_key();
    let terms = settlement_terms(&params(), node, hash_of("reward"), 1, Commitments::from(&sealed), network())
        .in_state(State::Demanded);
    let output = TxOut { value: Amount(1), script_pubkey: terms.script() };
    let elements = script_elements(&output);
    let keys = [terms.client_key, terms.challenge_key, terms.node_key];
    for script in keys.map(|k| p2pkh(k.hash())).into_iter().chain([p2pkh(terms.reward_address), terms.script()]) {
        assert!(elements.contains(&script), "{script:?}");
    }
    assert_eq!(elements.len(), 5);
}

#[test]
fn what_nobody_can_spend_is_left_out() {
    let of = |script: Script| script_elements(&TxOut { value: Amount(1), script_pubkey: script });
    assert!(of(burn()).is_empty());
    assert!(of(Script::empty()).is_empty());
    assert!(of(Script(vec![0x51; 10_001])).is_empty());
    assert_eq!(of(Script(vec![0x51])), [Script(vec![0x51])]);
    assert_eq!(of(p2pkh(KeyHash([7; 20]))), [p2pkh(KeyHash([7; 20]))]);
    // Begins like a contract, holds no terms: its bytes alone.
    assert_eq!(of(Script(vec![0xc0, 1])).len(), 1);
}

#[test]
fn the_key_is_the_hash_before() {
    let hash = BlockHash(core::array::from_fn(|i| i as u8));
    assert_eq!(key_after(&hash).0, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
}

#[test]
fn a_commitment_is_told_by_every_byte() {
    let header = FilterHeader([9; 32]);
    let script = commitment_script(&header);
    // docs/protocol.md: 6a 24 43 46 48 31, then the filter header.
    assert_eq!(script.0, [&[0x6a, 0x24, 0x43, 0x46, 0x48, 0x31][..], &[9; 32]].concat());
    let mut tx = crate::block::NetworkParams::of(crate::units::Network::Dev).genesis().transactions.remove(0);
    assert_eq!(committed_header(&tx), None);
    tx.outputs.push(TxOut { value: Amount::ZERO, script_pubkey: script.clone() });
    assert_eq!(committed_header(&tx), Some(header));
    for i in 0..6 {
        let mut other = tx.clone();
        other.outputs[1].script_pubkey.0[i] ^= 1;
        assert_eq!(committed_header(&other), None, "byte {i}");
    }
    let mut other = tx.clone();
    other.outputs[1].value.0 = 1;
    assert_eq!(committed_header(&other), None);
    let mut other = tx.clone();
    other.outputs[1].script_pubkey.0.push(0);
    assert_eq!(committed_header(&other), None);
    tx.outputs.swap(0, 1);
    assert_eq!(committed_header(&tx), None, "the last output counts");
    assert_ne!(header.next(&Default::default()), FilterHeader::ZERO.next(&Default::default()));
}
