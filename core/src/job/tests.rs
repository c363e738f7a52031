use super::fixtures::*;
use super::*;
use crate::encode::{Decode, Encode};
use crate::hash::BlockHash;
use crate::units::{Amount, Network, TokenId};
use alloc::vec::Vec;
use proptest::prelude::*;

fn keys(seed: u8) -> AnswerKeys {
    AnswerKeys { salt: [seed; 32], ephemeral: key("ephemeral"), key: [seed ^ 0x55; 32] }
}

#[test]
fn an_offer_is_well_formed_and_bound_to_everything_in_it() {
    let good = create();
    assert_eq!(good.check(network()), Ok(()));
    let mut other_change = good.clone();
    other_change.change = hash_of("thief");
    assert!(matches!(other_change.check(network()), Err(JobError::Signature(_))));
    // The same job paid by a stranger's coin: the client did not offer that.
    let theirs = [(outpoint("stranger"), &key("stranger"))];
    let copied = JobCreate::sign(params(), hash_of("change"), &theirs, &key("stranger"), Network::Dev);
    assert_eq!(copied.check(network()), Err(JobError::Signature("the client key")));
    let mut twice = good.clone();
    twice.coins.push(good.coins[0].clone());
    assert_eq!(twice.check(network()), Err(JobError::RepeatedCoin));
    let mut none = good.clone();
    none.coins.clear();
    assert!(matches!(none.check(network()), Err(JobError::Count { found: 0, .. })));
    assert!(matches!(good.check(crate::block::NetworkParams::of(Network::Main)), Err(JobError::Signature(_))));
}

#[test]
fn parameters_out_of_range_are_refused_before_money() {
    let check = |change: fn(&mut JobParams)| {
        let mut p = params();
        change(&mut p);
        p.check(network())
    };
    assert_eq!(check(|_| {}), Ok(()));
    assert!(matches!(check(|p| p.prompt_tokens = 0), Err(JobError::Tokens { found: 0, .. })));
    assert!(matches!(check(|p| p.max_tokens = 0), Err(JobError::Tokens { found: 0, .. })));
    assert!(matches!(check(|p| p.max_tokens = u32::MAX), Err(JobError::Tokens { .. })));
    assert!(matches!(check(|p| p.version = 2), Err(JobError::Version { found: 2, .. })));
    assert!(matches!(check(|p| p.reward = Amount(1)), Err(JobError::TooLittle { what: "reward", .. })));
    assert!(matches!(check(|p| p.stake = Amount(0)), Err(JobError::TooLittle { what: "stake", .. })));
    assert!(matches!(check(|p| p.reserve = Amount(139_999)), Err(JobError::TooLittle { what: "reserve", .. })));
    assert_eq!(check(|p| p.reserve = Amount(140_000)), Ok(()));
    assert!(matches!(check(|p| p.move_fee = Amount(100_001)), Err(JobError::TooMuch { what: "move fee", .. })));
    assert_eq!(check(|p| p.bond = Amount(u64::MAX)), Err(JobError::Overflow));
    assert_eq!(check(|p| p.reward = Amount(u64::MAX)), Err(JobError::Overflow));
    assert!(matches!(check(|p| p.periods.grace = 4), Err(JobError::Period { what: "grace", found: 4, min: 5, .. })));
    assert!(matches!(check(|p| p.periods.reveal = u16::MAX), Err(JobError::Period { what: "reveal", .. })));
}

#[test]
fn the_private_part_opens_its_commitment_only() {
    assert_eq!(private().check_opens(&params()), Ok(()));
    let mut other = private();
    other.seed += 1;
    assert!(matches!(other.check_opens(&params()), Err(JobError::Commitment { .. })));
    let mut shorter = params();
    shorter.prompt_tokens = 2;
    assert!(matches!(private().check_opens(&shorter), Err(JobError::PromptLength { expected: 2, found: 3 })));
}

#[test]
fn a_statement_is_bound_to_signer_network_and_tag() {
    let accept = JobAccept {
        job_id: params().id(Network::Dev),
        node_peer: peer("node"),
        node_key: key("node").public_key(),
        stake_coin: outpoint("stake"),
        block: BlockHash([1; 32]),
    };
    let signed = Signed::sign(accept, &key("node"), Network::Dev);
    assert_eq!(signed.check(&key("node").public_key(), Network::Dev), Ok(()));
    assert!(signed.check(&key("client").public_key(), Network::Dev).is_err());
    assert!(signed.check(&key("node").public_key(), Network::Test).is_err());
}

#[test]
fn turns_follow_value() {
    let coins: Vec<_> =
        (0..5).map(|i| (outpoint(&alloc::format!("{i}")), Amount(if i == 0 { 400 } else { 100 }))).collect();
    let mut first = [0; 5];
    for round in 0..400u32 {
        let block = BlockHash(crate::hash::sha256(&round.to_le_bytes()).0);
        let job = params().id(Network::Dev);
        let mut places: Vec<_> = coins.iter().map(|c| turn_order(&job, &block, *c, coins.iter().copied())).collect();
        first[places.iter().position(|p| *p == 0).unwrap()] += 1;
        places.sort_unstable();
        assert_eq!(places, [0, 1, 2, 3, 4], "everybody has a place of its own");
    }
    assert!((150..250).contains(&first[0]), "half of the value, about half of the turns: {first:?}");
    assert!(first[1..].iter().all(|n| (20..90).contains(n)), "{first:?}");
}

proptest! {
    #[test]
    fn a_sealed_answer_opens_for_its_client_and_nobody_else(
        ids in prop::collection::vec(any::<u32>().prop_map(TokenId), 1..40),
        seed: u8,
        at: prop::sample::Index,
        bit in 0u8..8,
    ) {
        let keys = keys(seed);
        let sealed = SealedAnswer::new(&ids, &keys, &key("job").public_key());
        prop_assert_eq!(sealed.ciphertext.len(), ciphertext_len(ids.len() as u32));
        let n = ids.len() as u32;
        let open = |bytes: &[u8], k: &[u8; 32], secret: &crate::keys::SecretKey, tokens| {
            open_answer(bytes, k, secret, sealed.key_hash, sealed.output_root, tokens)
        };
        prop_assert_eq!(open(&sealed.ciphertext, &keys.key, &key("job"), n), Ok(ids.clone()));
        prop_assert_eq!(open(&sealed.ciphertext, &keys.key, &key("node"), n), Err(GarbageError::Seal));
        let wrong_key = matches!(open(&sealed.ciphertext, &[!keys.key[0]; 32], &key("job"), n), Err(GarbageError::Key { .. }));
        prop_assert!(wrong_key);
        let wrong_count = matches!(open(&sealed.ciphertext, &keys.key, &key("job"), n + 1), Err(GarbageError::Count { .. }));
        prop_assert!(wrong_count);
        let mut broken = sealed.ciphertext.clone();
        broken[at.index(sealed.ciphertext.len())] ^= 1 << bit;
        prop_assert!(open(&broken, &keys.key, &key("job"), n).is_err());
        prop_assert!(open(&broken[1..], &keys.key, &key("job"), n).is_err());
    }

    #[test]
    fn messages_round_trip_and_damage_is_an_error_or_another_message(at: prop::sample::Index, byte: u8) {
        let bytes = create().to_bytes();
        prop_assert_eq!(JobCreate::from_bytes(&bytes), Ok(create()));
        prop_assert!(JobCreate::from_bytes(&bytes[..at.index(bytes.len())]).is_err());
        let mut changed = bytes.clone();
        changed[at.index(bytes.len())] = byte;
        if let Ok(other) = JobCreate::from_bytes(&changed) {
            prop_assert_eq!(other.to_bytes(), changed.clone());
            prop_assert_eq!(other.check(network()).is_ok(), changed == bytes);
        }
    }
}
