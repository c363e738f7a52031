//! Compact filters: a set's filter has every element of the set; a second reader of Golomb's code finds the same numbers, so
//! the same elements match; of bytes that come from anybody, what is no filter is told, and nothing is allocated by it.

use crate::Choices;
use crate::memory::{Allowance, within};
use crate::world::{PEOPLE, hash, pay_to, public};
use camelid_core::block::{Block, Header};
use camelid_core::contract::Terms;
use camelid_core::encode::Decode;
use camelid_core::filter::{
    Filter, FilterEntry, FilterKey, block_filter, commitment_script, committed_header, key_after, script_elements,
};
use camelid_core::hash::{BlockHash, FilterHeader, Hash32, JobId, sha256d};
use camelid_core::script::templates;
use camelid_core::sorted::Set;
use camelid_core::transaction::{OutPoint, Script, Transaction, TxIn, TxOut};
use camelid_core::units::{Amount, Timestamp};
use siphasher::sip::SipHasher24;
use std::collections::BTreeSet;

/// "P = 19, M = 784,931."
const P: u32 = 19;
const M: u64 = 784_931;
/// What asking a stranger's filter may take, the filter aside.
const ASKING: Allowance = Allowance { base: 4096, factor: 2 };

/// The target.
pub fn run(input: &[u8]) {
    let mut choices = Choices::new(input);
    match choices.below(3) {
        0 => hostile(&mut choices),
        1 => built(&mut choices),
        _ => of_block(&mut choices),
    }
}

/// The numbers in a filter, if that is what the bytes are: count (a variable-length integer in its shortest form), then
/// differences, each some ones, a zero and 19 bits; zeros to the end of the byte.
fn numbers(bytes: &[u8]) -> Option<Vec<u64>> {
    let (count, rest) = match bytes {
        [0xfd, a, b, rest @ ..] => (u64::from(u16::from_le_bytes([*a, *b])), rest),
        [0xfe, a, b, c, d, rest @ ..] => (u64::from(u32::from_le_bytes([*a, *b, *c, *d])), rest),
        [0xff, ..] | [] => return None,
        [n, rest @ ..] => (u64::from(*n), rest),
    };
    let shortest = match bytes[0] {
        0xfd => count >= 0xfd,
        0xfe => count > 0xffff,
        _ => true,
    };
    // A filter of at most 1,000,000 bytes, more than two for each element.
    if !shortest || count > 500_000 {
        return None;
    }
    let mut bits = rest.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
    let (mut all, mut last) = (Vec::new(), 0u64);
    for _ in 0..count {
        let mut quotient = 0u64;
        while bits.next()? == 1 {
            quotient += 1;
        }
        let mut difference = quotient;
        for _ in 0..P {
            difference = difference << 1 | u64::from(bits.next()?);
        }
        last += difference;
        if last >= count * M {
            return None;
        }
        all.push(last);
    }
    let left: Vec<u8> = bits.collect();
    (left.len() < 8 && left.iter().all(|bit| *bit == 0)).then_some(all)
}

fn number(key: &FilterKey, element: &[u8], count: usize) -> u64 {
    let hash = SipHasher24::new_with_key(&key.0).hash(element);
    ((u128::from(hash) * u128::from(count as u64 * M)) >> 64) as u64
}

/// Bytes that came from anybody.
fn hostile(choices: &mut Choices<'_>) {
    let key = FilterKey(choices.array());
    let wanted: Vec<Vec<u8>> = (0..choices.below(6)).map(|_| vec![choices.byte(); 3]).collect();
    let filter = Filter::from_raw(choices.rest().to_vec());
    let length = filter.as_bytes().len();
    let second = numbers(filter.as_bytes());
    let (checked, matched) = within(ASKING, length, || (filter.check(), filter.matches_any(&key, &wanted)));
    assert_eq!(checked.clone().ok(), second.as_ref().map(|all| all.len() as u64), "{checked:?}");
    if let Some(all) = second {
        let expected = wanted.iter().any(|w| all.binary_search(&number(&key, w, all.len())).is_ok());
        assert_eq!(matched, Ok(expected));
    }
}

/// A set that we made.
fn built(choices: &mut Choices<'_>) {
    let key = FilterKey(choices.array());
    let others: Vec<[u8; 2]> = (0..choices.below(5)).map(|_| choices.array()).collect();
    let mut set: Set<Vec<u8>> = Set::new();
    while !choices.is_empty() {
        let length = choices.below(40);
        set.insert(choices.bytes(length).to_vec());
    }
    let filter = Filter::build(&key, &set);
    assert_eq!(filter.check(), Ok(set.len() as u64));
    let mut expected: Vec<u64> = set.iter().map(|e| number(&key, e, set.len())).collect();
    expected.sort_unstable();
    assert_eq!(numbers(filter.as_bytes()), Some(expected.clone()));
    for element in &set {
        assert_eq!(filter.matches_any(&key, [element]), Ok(true), "a false negative");
        let among = others.iter().map(|o| o.to_vec()).chain([element.clone()]);
        assert_eq!(filter.matches_any(&key, among), Ok(true), "a false negative");
    }
    for other in &others {
        let by_number = expected.binary_search(&number(&key, other, set.len())).is_ok();
        assert_eq!(filter.matches_any(&key, [other]), Ok(by_number));
    }
    // Cut, it is none.
    if let Some((_, cut)) = filter.as_bytes().split_last() {
        assert!(Filter::from_raw(cut.to_vec()).check().is_err());
    }
}

fn output(choices: &mut Choices<'_>) -> TxOut {
    let script_pubkey = match choices.below(6) {
        0 | 1 => pay_to(choices.below(PEOPLE)),
        2 => templates::multisig(1, &[public(choices.below(PEOPLE)), public(4)]).expect("1 <= 1 <= 2 <= 16"),
        3 => templates::burn(),
        4 => {
            let length = usize::from(choices.short()) % 500;
            templates::contract(choices.bytes(length))
        }
        _ => {
            let length = choices.below(30);
            Script(choices.bytes(length).to_vec())
        }
    };
    TxOut { value: Amount(u64::from(choices.byte())), script_pubkey }
}

/// A block's: "every ScriptPubKey that the block's transactions make, coinbase included, or spend".
fn of_block(choices: &mut Choices<'_>) {
    let previous = BlockHash(choices.array());
    let before = FilterHeader(choices.array());
    let spent: Vec<TxOut> = (0..choices.below(6)).map(|_| output(choices)).collect();
    let mut transactions = Vec::new();
    while !choices.is_empty() && transactions.len() < 20 {
        let outputs = (0..choices.below(5)).map(|_| output(choices)).collect();
        let inputs = vec![TxIn::unsigned(OutPoint::NULL)];
        transactions.push(Transaction { version: 1, inputs, outputs, lock_time: 0, job_id: JobId::ZERO });
    }
    let bits = camelid_core::block::CompactTarget(0x207f_ffff);
    let merkle_root = Hash32::ZERO;
    let header = Header { version: Header::VERSION, previous, merkle_root, time: Timestamp(1), bits, nonce: 0 };
    let mut block = Block { header, transactions };
    let filter = block_filter(&block, &spent);
    let count = filter.check().expect("our own filter is one");
    let key = key_after(&previous);
    assert_eq!(key.0, previous.0[..16]);
    let made: Vec<TxOut> = block.transactions.iter().flat_map(|tx| tx.outputs.clone()).collect();
    let mut elements = BTreeSet::new();
    for output in made.iter().chain(&spent) {
        for script in script_elements(output) {
            assert_eq!(filter.matches_any(&key, [&script.0]), Ok(true), "a wallet would not see its coin");
            elements.insert(script.0);
        }
        // "For each contract among them … client key, challenge key, node key and reward address."
        let terms = templates::contract_terms(&output.script_pubkey).and_then(|t| Terms::from_bytes(t).ok());
        if let Some(t) = terms {
            let keys = [t.client_key, t.challenge_key, t.node_key].map(|k| k.hash());
            for to in keys.into_iter().chain([t.reward_address]) {
                assert_eq!(filter.matches_any(&key, [templates::p2pkh(to).0]), Ok(true));
            }
        }
    }
    assert_eq!(count, elements.len() as u64, "each once");
    let entry = FilterEntry::new(&filter, &before);
    assert_eq!(entry.hash.0, sha256d(filter.as_bytes()).0);
    assert_eq!(entry.header.0, sha256d(&[entry.hash.0, before.0].concat()).0);
    // "A coinbase commits to a filter header with an output of value 0", and what commits is in no filter.
    if let Some(coinbase) = block.transactions.first_mut() {
        coinbase.outputs.push(TxOut { value: Amount::ZERO, script_pubkey: commitment_script(&entry.header) });
        assert_eq!(committed_header(coinbase), Some(entry.header));
        coinbase.outputs.push(TxOut { value: Amount::ZERO, script_pubkey: templates::p2pkh(hash(0)) });
        assert_eq!(committed_header(coinbase), None, "the last output counts");
        coinbase.outputs.pop();
        assert_eq!(block_filter(&block, &spent), filter);
    }
}
