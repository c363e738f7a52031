//! Every path of a contract: value is conserved, every other witness, signer, height and payout is refused.

use super::*;
use crate::encode::Encode;
use crate::hash::{JobId, Txid};
use crate::job::{AnswerKeys, SealedAnswer, fixtures::*};
use crate::keys::SecretKey;
use crate::script::templates;
use crate::transaction::{Coin, OutPoint, Script, SignatureHasher, Transaction, TxIn, TxOut};
use crate::units::{Amount, Height, Network, TokenId};
use alloc::vec;
use alloc::vec::Vec;
use proptest::prelude::*;

const K: [u8; 32] = [0x42; 32];
const H: Height = Height(100);

fn terms() -> Terms {
    let ids = [4, 5, 6].map(TokenId);
    let keys = AnswerKeys { salt: [1; 32], ephemeral: key("ephemeral"), key: K };
    let sealed = SealedAnswer::new(&ids, &keys, &params().job_key);
    let node = key("node").public_key();
    settlement_terms(&params(), node, hash_of("reward"), 3, Commitments::from(&sealed), network())
}

fn p2pkh_coin(name: &str, value: Amount) -> Coin {
    Coin { output: TxOut { value, script_pubkey: templates::p2pkh(hash_of(name)) }, height: Height(1), coinbase: false }
}

/// A settlement with the coins that it spends.
fn settlement() -> (Transaction, Vec<Coin>) {
    let coins = vec![p2pkh_coin("node", Amount::from_coins(5)), p2pkh_coin("coin", Amount::from_coins(10))];
    let parts = SettlementParts {
        terms: &terms(),
        stake_coin: (outpoint("stake"), coins[0].output.value),
        client_coins: &[(outpoint("coin"), coins[1].output.value)],
        client_change: hash_of("change"),
        fee: params().fee,
    };
    (build_settlement(&parts, network()).unwrap(), coins)
}

fn check(tx: &Transaction, coins: &[Coin], height: Height) -> Result<(), ContractError> {
    let spent: Vec<_> = coins.iter().map(|c| c.output.clone()).collect();
    check_transaction(tx, coins, height, network(), &SignatureHasher::new(tx, &spent, Network::Dev))
}

/// A contract in `state`, confirmed at [`H`], that holds what a settlement locks less `moves` fees.
fn contract(state: State, moves: u64) -> (OutPoint, Coin, Terms) {
    let terms = terms().in_state(state);
    let value = terms.locked().unwrap().saturating_sub(terms.move_fee.checked_mul(moves).unwrap());
    let output = TxOut { value, script_pubkey: terms.script() };
    (outpoint("contract"), Coin { output, height: H, coinbase: false }, terms)
}

fn fee(tx: &Transaction, coins: &[Coin]) -> i128 {
    let inputs: u128 = coins.iter().map(|c| c.output.value.0 as u128).sum();
    let outputs: u128 = tx.outputs.iter().map(|o| o.value.0 as u128).sum();
    inputs as i128 - outputs as i128
}

fn paid_to(tx: &Transaction, name: &str) -> Amount {
    tx.outputs.iter().filter(|o| o.script_pubkey == templates::p2pkh(hash_of(name))).map(|o| o.value).sum()
}

/// A move: what it spends, its signed transaction, and the blocks after h from which and below which it is valid.
type Played = (Move, State, Transaction, Option<u32>, Option<u32>);

/// Each move from each state.
fn moves() -> Vec<Played> {
    let n = network();
    let (o, settled, t) = contract(State::Settlement, 0);
    let (_, demanded, td) = contract(State::Demanded, 1);
    let (_, revealed, tr) = contract(State::Revealed, 1);
    let mut close =
        unsigned_close(o, &t, settled.output.value, ClosePayout { client: hash_of("change"), fee: t.move_fee }, n)
            .unwrap();
    let signatures = ["client", "node"].map(|k| close_signature(&close, &settled.output, &key(k), n));
    attach_close(&mut close, signatures[0], signatures[1]);
    let (client, node) = (key("client"), key("node"));
    vec![
        (Move::Close, State::Settlement, close, Some(2), None),
        (Move::Reveal, State::Settlement, reveal(o, &settled.output, &t, K, &node, n), None, None),
        (Move::Demand, State::Settlement, demand(o, &settled.output, &t, &client, n), Some(8), None),
        (Move::Reveal, State::Demanded, reveal(o, &demanded.output, &td, K, &node, n), None, Some(5)),
        (Move::Claim, State::Demanded, claim(o, &demanded.output, &td, &client, hash_of("change"), n), Some(5), None),
        (Move::Finalize, State::Revealed, finalize(o, &revealed.output, &tr, Signer::Node, &node, n), Some(5), None),
        (
            Move::Finalize,
            State::Revealed,
            finalize(o, &revealed.output, &tr, Signer::Client, &client, n),
            Some(5),
            None,
        ),
    ]
}

fn coin_of(state: State) -> Coin {
    contract(state, u64::from(state != State::Settlement)).1
}

#[test]
fn a_settlement_locks_what_both_agreed_on() {
    let (tx, coins) = settlement();
    assert_eq!(check(&tx, &coins, H), Ok(()));
    assert_eq!(tx.outputs[0].value, terms().locked().unwrap());
    assert_eq!(fee(&tx, &coins), params().fee.0 as i128);
    assert_eq!(paid_to(&tx, "node"), Amount::from_coins(2), "the stake coin's rest goes back");
    assert_eq!(check(&tx, &coins, params().valid_until), Ok(()));
    let late = params().valid_until.next();
    assert_eq!(check(&tx, &coins, late), Err(ContractError::Expired { last: params().valid_until, found: late }));
}

#[test]
fn a_settlement_breaks_with_every_rule() {
    let with = |change: &dyn Fn(&mut Transaction, &mut Vec<Coin>)| {
        let (mut tx, mut coins) = settlement();
        change(&mut tx, &mut coins);
        check(&tx, &coins, H).unwrap_err()
    };
    let with_terms = |change: fn(&mut Terms)| {
        with(&|tx, _| {
            let mut t = terms();
            change(&mut t);
            tx.outputs[0].script_pubkey = t.script();
        })
    };
    assert!(matches!(with(&|tx, _| tx.outputs[0].value.0 += 1), ContractError::Locked { .. }));
    assert!(matches!(with(&|tx, _| tx.outputs[0].value.0 -= 1), ContractError::Locked { .. }));
    assert!(matches!(with(&|tx, _| tx.job_id = JobId([1; 32])), ContractError::JobIdMismatch { .. }));
    assert!(matches!(with(&|tx, _| tx.outputs.swap(0, 1)), ContractError::OutputPlace(1)));
    assert!(matches!(with(&|tx, _| tx.outputs.push(tx.outputs[0].clone())), ContractError::OutputPlace(3)));
    assert!(matches!(with(&|_, coins| coins.swap(0, 1)), ContractError::StakeOwner));
    assert!(matches!(with(&|_, coins| coins[0].output.value = Amount(299_999_999)), ContractError::StakeValue { .. }));
    assert!(matches!(with_terms(|t| t.state = State::Revealed), ContractError::FirstState(State::Revealed)));
    assert!(matches!(with_terms(|t| t.version = 2), ContractError::Version { found: 2, .. }));
    assert!(matches!(with_terms(|t| t.client_key = t.node_key), ContractError::SameKeys));
    assert!(matches!(with_terms(|t| t.rerun_weight = 1), ContractError::Weight { expected: 0, found: 1 }));
    assert!(matches!(with_terms(|t| t.answer_tokens = 0), ContractError::Length { found: 0, .. }));
    assert!(matches!(
        with_terms(|t| t.move_fee = Amount(100_001)),
        ContractError::Limits(crate::job::JobError::TooMuch { what: "move fee", .. })
    ));
    assert!(matches!(with_terms(|t| t.periods.contest = 4), ContractError::Limits(_)));
    let mut garbled = terms().script();
    garbled.0.push(0);
    assert!(matches!(
        with(&|tx, _| tx.outputs[0].script_pubkey = garbled.clone()),
        ContractError::MalformedTerms { .. }
    ));
    let garbled = Script(vec![0xc0]);
    assert!(matches!(
        with(&|tx, _| tx.outputs[2].script_pubkey = garbled.clone()),
        ContractError::MalformedTerms { index: 2, .. }
    ));
}

#[test]
fn plain_transactions_and_coinbases_name_no_job() {
    let (mut tx, coins) = settlement();
    tx.outputs.remove(0);
    assert!(matches!(check(&tx, &coins, H), Err(ContractError::JobIdMismatch { .. })));
    tx.job_id = JobId::ZERO;
    assert_eq!(check(&tx, &coins, H), Ok(()));
    assert_eq!(check_coinbase(&tx), Ok(()));
    let (settlement, _) = settlement();
    assert_eq!(check_coinbase(&settlement), Err(ContractError::Coinbase));
    tx.job_id = JobId([1; 32]);
    assert_eq!(check_coinbase(&tx), Err(ContractError::Coinbase));
}

#[test]
fn every_move_is_valid_in_its_window_and_nowhere_else() {
    for (contract_move, state, tx, first, end) in moves() {
        let coin = coin_of(state);
        for blocks in 0..40 {
            let inside = blocks >= first.unwrap_or(0) && end.is_none_or(|e| blocks < e);
            let result = check(&tx, core::slice::from_ref(&coin), H.plus(blocks));
            assert_eq!(result.is_ok(), inside, "{contract_move:?} from {state:?} at h+{blocks}: {result:?}");
        }
        for other in [State::Settlement, State::Demanded, State::Revealed, State::Challenged] {
            if other == state
                || (contract_move == Move::Reveal && other != State::Revealed && other != State::Challenged)
            {
                continue;
            }
            let mut coin = coin.clone();
            coin.output.script_pubkey = terms().in_state(other).script();
            let result = check(&tx, &[coin], H.plus(20));
            assert!(
                matches!(result, Err(ContractError::NoSuchMove { .. })),
                "{contract_move:?} from {other:?}: {result:?}"
            );
        }
    }
}

#[test]
fn a_demand_and_its_answer_never_fit_the_same_block_as_the_claim() {
    let t = terms().in_state(State::Demanded);
    for blocks in 0..40 {
        let open = |m| check_window(&t, m, H, H.plus(blocks)).is_ok();
        assert_ne!(open(Move::Reveal), open(Move::Claim), "h+{blocks}");
    }
}

#[test]
fn every_other_witness_is_refused() {
    let all = moves();
    for (contract_move, state, tx, first, _) in &all {
        let (coin, at) = (coin_of(*state), H.plus(first.unwrap_or(1)));
        let refused = |tx: &Transaction| check(tx, core::slice::from_ref(&coin), at).unwrap_err();
        let witness = tx.inputs[0].script_sig.0.clone();
        // Every changed bit and every truncation.
        for i in 0..witness.len() * 8 {
            let mut changed = tx.clone();
            changed.inputs[0].script_sig.0[i / 8] ^= 1 << (i % 8);
            refused(&changed);
        }
        for cut in 0..witness.len() {
            let mut changed = tx.clone();
            changed.inputs[0].script_sig.0.truncate(cut);
            refused(&changed);
        }
        // Another move's witness.
        for (_, _, other, _, _) in all.iter().filter(|o| o.2.txid() != tx.txid()) {
            let mut changed = tx.clone();
            changed.inputs[0].script_sig = other.inputs[0].script_sig.clone();
            refused(&changed);
        }
        // A signature for another amount, network, terms, or with anything changed beside it.
        let mut other_value = coin.clone();
        other_value.output.value.0 += 1;
        assert!(check(tx, &[other_value], at).is_err(), "{contract_move:?} is bound to the amount");
        let spent = [coin.output.clone()];
        let hasher = SignatureHasher::new(tx, &spent, Network::Test);
        let other_network = check_transaction(tx, core::slice::from_ref(&coin), at, network(), &hasher);
        assert!(matches!(other_network, Err(ContractError::Signature { .. })));
        let mut locked = tx.clone();
        locked.lock_time = 1;
        assert!(matches!(refused(&locked), ContractError::Signature { .. }));
    }
}

#[test]
fn value_is_conserved_on_every_path() {
    let max_fee = terms().move_fee.0 as i128;
    for (contract_move, state, tx, _, _) in moves() {
        let taken = fee(&tx, &[coin_of(state)]);
        assert!((0..=max_fee).contains(&taken), "{contract_move:?} takes {taken}");
    }
    let by = |m: Move| moves().into_iter().find(|x| x.0 == m).unwrap().2;
    let both = terms().reward_and_stake().unwrap();
    assert_eq!(paid_to(&by(Move::Close), "reward"), both);
    assert_eq!(paid_to(&by(Move::Close), "change"), Amount(params().reserve.0 - params().move_fee.0));
    assert_eq!(paid_to(&by(Move::Claim), "change").0, terms().locked().unwrap().0 - 2 * params().move_fee.0);
    assert_eq!(paid_to(&by(Move::Finalize), "reward"), terms().reward);
    assert_eq!(paid_to(&by(Move::Finalize), "node"), terms().stake);
    assert_eq!(paid_to(&by(Move::Finalize), "client").0, params().reserve.0 - 2 * params().move_fee.0);
}

/// Re-signs `tx` after a change, as the dishonest owner of `name`'s key could.
fn resign(tx: &mut Transaction, coins: &[Coin], index: usize, m: Move, name: &str) {
    let spent: Vec<_> = coins.iter().map(|c| c.output.clone()).collect();
    let hash = SignatureHasher::new(tx, &spent, Network::Dev).contract_input(index as u32, &m.binding());
    let signature = key(name).sign(&hash);
    let signer = if name == "node" { Signer::Node } else { Signer::Client };
    let witness = match m {
        Move::Reveal => Witness::Reveal { node: signature, key: K },
        Move::Demand => Witness::Demand { client: signature },
        _ => Witness::Finalize { signer, signature },
    };
    tx.inputs[index].script_sig = Script(witness.to_bytes());
}

#[test]
fn a_single_signer_takes_nothing_from_the_contract() {
    for (m, state, name, at) in [
        (Move::Reveal, State::Settlement, "node", 1),
        (Move::Demand, State::Settlement, "client", 8),
        (Move::Finalize, State::Revealed, "node", 5),
        (Move::Finalize, State::Revealed, "client", 5),
    ] {
        let honest = moves().into_iter().find(|x| x.0 == m && x.1 == state).unwrap().2;
        let coin = coin_of(state);
        let attack = |change: &dyn Fn(&mut Transaction, &mut Vec<Coin>)| {
            let (mut tx, mut coins) = (honest.clone(), vec![coin.clone()]);
            change(&mut tx, &mut coins);
            resign(&mut tx, &coins, 0, m, name);
            check(&tx, &coins, H.plus(at))
        };
        assert_eq!(attack(&|_, _| {}), Ok(()));
        let thief = || TxOut { value: Amount(5_000), script_pubkey: templates::p2pkh(hash_of("thief")) };
        // More fee than agreed.
        for output in 0..honest.outputs.len() {
            let result = attack(&|tx, _| tx.outputs[output].value.0 -= 1);
            assert!(matches!(result, Err(ContractError::OutputValue { .. })), "{m:?} output {output}: {result:?}");
        }
        // An output of one's own out of the contract's money.
        let result = attack(&|tx, _| {
            tx.outputs[0].value.0 -= 5_000;
            tx.outputs.push(thief());
        });
        assert!(
            matches!(result, Err(ContractError::OutputValue { .. } | ContractError::FreeOutputs { .. })),
            "{result:?}"
        );
        let result = attack(&|tx, _| tx.outputs.push(thief()));
        assert!(matches!(result, Err(ContractError::FreeOutputs { .. })), "{result:?}");
        // Paid by an input of one's own it is nobody's loss.
        let result = attack(&|tx, coins| {
            tx.outputs.push(thief());
            tx.inputs.push(TxIn::unsigned(outpoint("free")));
            coins.push(p2pkh_coin("thief", Amount(5_000)));
        });
        assert_eq!(result, Ok(()));
        // Other payees, missing outputs, another contract beside.
        for output in 0..honest.outputs.len() {
            assert!(attack(&|tx, _| tx.outputs[output].script_pubkey = thief().script_pubkey).is_err());
            assert!(attack(&|tx, _| drop(tx.outputs.remove(output))).is_err());
        }
        let result = attack(&|tx, coins| {
            tx.inputs.push(TxIn::unsigned(OutPoint { txid: Txid([7; 32]), index: 0 }));
            coins.push(coin.clone());
        });
        assert_eq!(result, Err(ContractError::ManyInputs(2)));
        assert!(matches!(attack(&|tx, _| tx.job_id = JobId::ZERO), Err(ContractError::JobIdMismatch { .. })));
    }
}

#[test]
fn only_the_state_changes_when_a_contract_is_carried_on() {
    let honest = moves().into_iter().find(|x| x.0 == Move::Demand).unwrap().2;
    let coin = coin_of(State::Settlement);
    let changes: [fn(&mut Terms); 6] = [
        |t| t.reward.0 -= 1,
        |t| t.reward_address = hash_of("thief"),
        |t| t.periods.grace += 1,
        |t| t.key_hash.0[0] ^= 1,
        |t| t.state = State::Revealed,
        |t| t.client_key = key("thief").public_key(),
    ];
    for change in changes {
        let mut t = terms().in_state(State::Demanded);
        change(&mut t);
        let mut tx = honest.clone();
        tx.outputs[0].script_pubkey = t.script();
        resign(&mut tx, core::slice::from_ref(&coin), 0, Move::Demand, "client");
        let result = check(&tx, core::slice::from_ref(&coin), H.plus(8));
        assert_eq!(result, Err(ContractError::NotCarriedOn(State::Demanded)));
    }
}

#[test]
fn a_reveal_needs_the_promised_key() {
    let (o, coin, t) = contract(State::Settlement, 0);
    let tx = reveal(o, &coin.output, &t, [0; 32], &key("node"), network());
    assert!(matches!(check(&tx, &[coin], H.next()), Err(ContractError::Key { .. })));
}

#[test]
fn burial_grows_with_the_money() {
    let subsidy = Amount::from_coins(50);
    for (coins, blocks) in [(0, 2), (50, 2), (100, 2), (101, 3), (5000, 100)] {
        assert_eq!(buried_blocks(Amount::from_coins(coins), subsidy), blocks);
    }
    assert_eq!(buried_blocks(Amount(1), Amount::ZERO), 2);
    let rules = WalletRules::for_network(network());
    let buried = |tip| rules.is_buried(Height(10), Height(tip), Amount(1), subsidy);
    assert!(!buried(9) && !buried(10) && buried(11));
}

#[test]
fn the_shortest_periods_leave_room_for_burial() {
    // "Contest, grace and evidence at least buried + 3; reveal at least release depth + 2·buried + 2."
    for n in [Network::Dev, Network::Test, Network::Main] {
        let rules = WalletRules::for_network(crate::block::NetworkParams::of(n));
        let p = rules.periods;
        assert!(p.contest >= 5 && p.grace >= 5 && p.evidence >= 5);
        assert!(p.reveal as u32 >= rules.release_depth + 2 * 2 + 2);
        assert!(rules.reveal_margin < p.reveal as u32);
    }
}

proptest! {
    #[test]
    fn terms_and_witnesses_round_trip_and_damage_is_refused(at: prop::sample::Index, byte: u8) {
        use crate::encode::Decode;
        let bytes = terms().to_bytes();
        prop_assert_eq!(Terms::from_bytes(&bytes), Ok(terms()));
        prop_assert!(Terms::from_bytes(&bytes[..at.index(bytes.len())]).is_err());
        let mut changed = bytes.clone();
        changed[at.index(bytes.len())] = byte;
        if let Ok(other) = Terms::from_bytes(&changed) {
            prop_assert_eq!(other.to_bytes(), changed);
        }
    }

    #[test]
    fn any_script_sig_but_the_right_one_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for (_, state, tx, first, _) in moves() {
            let mut tx = tx;
            tx.inputs[0].script_sig = Script(bytes.clone());
            prop_assert!(check(&tx, &[coin_of(state)], H.plus(first.unwrap_or(1))).is_err());
        }
    }
}

#[test]
fn unused_keys_do_not_sign() {
    // The challenge key alone moves nothing.
    let stranger: SecretKey = key("challenge");
    let (o, coin, t) = contract(State::Settlement, 0);
    let tx = demand(o, &coin.output, &t, &stranger, network());
    assert!(matches!(check(&tx, &[coin], H.plus(8)), Err(ContractError::Signature { .. })));
}

#[test]
fn what_wallets_and_nodes_go_by() {
    let rules = WalletRules::for_network(network());
    let subsidy = network().subsidy;
    assert_eq!([0, 1, 100, 101, 150, 151].map(|c| buried_blocks(Amount::from_coins(c), subsidy)), [2, 2, 2, 3, 3, 4]);
    assert_eq!(buried_blocks(Amount(u64::MAX), Amount::ZERO), u32::MAX);
    // The shortest periods that consensus allows are enough for small sums, and only for those.
    let shortest = crate::job::Periods::shortest(&network().contract);
    assert!(rules.are_enough(&shortest, Amount::from_coins(100), subsidy));
    assert!(!rules.are_enough(&shortest, Amount::from_coins(101), subsidy));
    let longer = rules.periods_for(Amount::from_coins(1000), subsidy);
    assert_eq!((longer.reveal, longer.contest, longer.grace), (44, 23, 23));
    assert!(rules.are_enough(&longer, Amount::from_coins(1000), subsidy));
    assert_eq!(rules.periods_for(Amount(1), subsidy), shortest);
    // A client that stays silent keeps a node's stake and reward locked for the reveal period, then for the contest.
    for (reveal, contest, taken) in [(720, 720, true), (721, 720, false), (720, 721, false), (20_160, 5, false)] {
        let periods = crate::job::Periods { reveal, contest, ..shortest };
        assert_eq!(rules.are_enough(&periods, Amount(1), subsidy), taken, "{reveal}, {contest}");
    }
    let large = rules.periods_for(Amount::from_coins(30_000), subsidy);
    assert!(large.reveal > 720 && rules.are_enough(&large, Amount::from_coins(30_000), subsidy));
    assert!(!rules.is_late(Height(90), Height(100)));
    assert!(rules.is_late(Height(91), Height(100)));

    // The least move fee is ten times the pools' least rate, for a move of 700 bytes.
    for (contract_move, _, tx, ..) in moves() {
        assert!(tx.size() <= 700, "{} has {} bytes", contract_move.name(), tx.size());
    }
    assert_eq!(rules.least_move_fee, Amount(10 * 700));

    let (settle, _) = settlement();
    let other =
        Transaction { job_id: JobId::ZERO, ..Transaction { outputs: settle.outputs[1..].to_vec(), ..settle.clone() } };
    let carried = Transaction {
        outputs: vec![TxOut { value: Amount(5), script_pubkey: terms().in_state(State::Revealed).script() }],
        ..settle.clone()
    };
    let mut block = network().genesis();
    block.transactions.extend([settle.clone(), other, carried, settle]);
    assert_eq!(settled_in_block(&block), Amount::from_coins(10));
}
