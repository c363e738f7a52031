use super::*;
use crate::hash::Txid;
use crate::script::{SpendChecker, verify};
use crate::transaction::SignatureHasher;
use crate::units::{COIN, Network};
use alloc::string::ToString;
use alloc::vec;
use proptest::prelude::*;

const RATE: FeeRate = FeeRate(1000);

fn params() -> &'static NetworkParams {
    NetworkParams::of(Network::Dev)
}

fn key(n: u8) -> SecretKey {
    SecretKey::from_bytes([n; 32]).unwrap()
}

fn hash(n: u8) -> KeyHash {
    key(n).public_key().hash()
}

/// Finds the keys 1 to 3.
fn ours(wanted: &KeyHash) -> Option<SecretKey> {
    (1..=3).map(key).find(|k| k.public_key().hash() == *wanted)
}

/// Coins of these values, of the keys 1 to 3 in turn.
fn coins(values: &[u64]) -> Vec<(OutPoint, Coin)> {
    let coin = |(n, value): (usize, &u64)| {
        let output = TxOut { value: Amount(*value), script_pubkey: templates::p2pkh(hash(n as u8 % 3 + 1)) };
        let outpoint = OutPoint { txid: Txid([n as u8; 32]), index: n as u32 };
        (outpoint, Coin { output, height: Height(n as u32), coinbase: false })
    };
    values.iter().enumerate().map(coin).collect()
}

fn payment(values: &[u64]) -> Payment {
    let output = |v: &u64| TxOut { value: Amount(*v), script_pubkey: templates::p2pkh(hash(9)) };
    let outputs = values.iter().map(output).collect();
    Payment { outputs, fee_rate: RATE, change: hash(3), job_id: JobId::ZERO }
}

/// The payment is signed everywhere, conserves value and pays its rate.
fn assert_sound(paid: &Paid, wanted: &Payment) {
    let spent: Vec<TxOut> = paid.spent.iter().map(|(_, c)| c.output.clone()).collect();
    let hasher = SignatureHasher::new(&paid.tx, &spent, Network::Dev);
    for (i, (input, output)) in paid.tx.inputs.iter().zip(&spent).enumerate() {
        assert_eq!(input.previous, paid.spent[i].0);
        verify(&input.script_sig, &output.script_pubkey, &SpendChecker::new(&paid.tx, i, &hasher)).unwrap();
    }
    assert_eq!(paid.tx.inputs.len(), spent.len());
    let total: Amount = spent.iter().map(|o| o.value).sum();
    assert_eq!(total.0, paid.tx.output_value().unwrap().0 + paid.fee.0);
    assert_eq!(paid.tx.outputs[..wanted.outputs.len()], wanted.outputs[..]);
    let with_change = paid.tx.outputs.len() > wanted.outputs.len();
    assert_eq!(with_change, paid.change > Amount::ZERO);
    assert!(!with_change || paid.change >= params().contract.dust);
    let at_least = wanted.fee_rate.fee(paid.tx.size());
    assert!(paid.fee >= at_least, "fee {} below the rate's {at_least}", paid.fee);
    // Signatures vary by some bytes, and change below dust and its own cost is given away.
    let slack = wanted.fee_rate.fee(paid.tx.inputs.len() * 4 + OUTPUT_BYTES).0 + params().contract.dust.0 + 1;
    assert!(
        paid.fee.0
            <= at_least.0 + if with_change { wanted.fee_rate.fee(paid.tx.inputs.len() * 4).0 + 2 } else { slack }
    );
}

#[test]
fn the_largest_coin_pays_and_change_comes_back() {
    let (coins, wanted) = (coins(&[COIN, 5 * COIN, 2 * COIN]), payment(&[3 * COIN]));
    let paid = pay(&coins, &wanted, params(), ours).unwrap();
    assert_eq!(paid.spent, [coins[1].clone()]);
    assert_eq!(paid.tx.outputs.len(), 2);
    assert_eq!(paid.tx.outputs[1].script_pubkey, templates::p2pkh(hash(3)));
    // 42 bytes of frame, an input of 147 and two outputs of 34, at a unit for a byte.
    assert_eq!(paid.fee, Amount(42 + 147 + 2 * 34));
    assert_sound(&paid, &wanted);
    let several = payment(&[3 * COIN, 4 * COIN]);
    let paid = pay(&coins, &several, params(), ours).unwrap();
    assert_eq!(paid.spent.len(), 3);
    assert_sound(&paid, &several);
}

#[test]
fn change_below_dust_is_given_to_the_miner() {
    let dust = params().contract.dust.0;
    let cost = 42 + 147 + 34;
    for (rest, change) in [(0, 0), (34 + dust - 1, 0), (34 + dust, dust)] {
        let (coins, wanted) = (coins(&[COIN + cost + rest]), payment(&[COIN]));
        let paid = pay(&coins, &wanted, params(), ours).unwrap();
        assert_eq!(paid.change, Amount(change), "{rest}");
        assert_sound(&paid, &wanted);
    }
}

#[test]
fn too_little_money_names_what_is_there_and_what_is_needed() {
    let refuse = |values: &[u64], wanted: &[u64]| pay(&coins(values), &payment(wanted), params(), ours).unwrap_err();
    // One unit less than amount and fee.
    assert_eq!(refuse(&[COIN + 42 + 147 + 34 - 1], &[COIN]).to_string(), {
        "too little money: 1.00000222 there, 1.00000223 needed (1.00 and a fee of 0.00000223)"
    });
    assert_eq!(
        refuse(&[], &[COIN]),
        PaymentError::TooLittleMoney {
            available: Amount::ZERO,
            needed: Amount(COIN + 223),
            amount: Amount(COIN),
            fee: Amount(223),
        }
    );
    // Coins that cost more than they are worth do not count.
    assert!(matches!(refuse(&[147; 100], &[1000]), PaymentError::TooLittleMoney { available: Amount::ZERO, .. }));
    assert_eq!(refuse(&[COIN], &[999]), PaymentError::BelowDust { found: Amount(999), dust: Amount(1000) });
    assert_eq!(refuse(&[COIN], &[]), PaymentError::NoOutput);
    assert_eq!(refuse(&[COIN], &[u64::MAX, 2000]), PaymentError::TooMuch);
}

#[test]
fn foreign_coins_are_not_spent() {
    let mut list = coins(&[COIN]);
    list[0].1.output.script_pubkey = templates::p2pkh(hash(7));
    let refuse = |list: &[(OutPoint, Coin)]| pay(list, &payment(&[2000]), params(), ours).unwrap_err();
    assert_eq!(refuse(&list), PaymentError::NoKey { coin: list[0].0 });
    list[0].1.output.script_pubkey = templates::burn();
    assert_eq!(refuse(&list), PaymentError::NoKey { coin: list[0].0 });
}

#[test]
fn a_transaction_may_be_too_large() {
    let many = vec![(OutPoint::default(), coins(&[10_000])[0].1.clone()); 10_000];
    let refused = pay(&many, &payment(&[8_000 * 9_000]), params(), ours);
    assert!(matches!(refused, Err(PaymentError::TooLarge { .. })), "{refused:?}");
}

#[test]
fn mined_coins_wait() {
    let mut list = coins(&[COIN, 2 * COIN]);
    (list[1].1.coinbase, list[1].1.height) = (true, Height(10));
    let maturity = params().coinbase_maturity;
    let at = |height| (balance(&list, Height(height), params()), spendable(&list, Height(height), params()).len());
    let (one, two) = (Amount(COIN), Amount(2 * COIN));
    assert_eq!(at(10 + maturity - 1), (Balance { spendable: one, immature: two }, 1));
    assert_eq!(at(10 + maturity), (Balance { spendable: Amount(3 * COIN), immature: Amount::ZERO }, 2));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_payment_is_sound(
        values in prop::collection::vec(1u64..20 * COIN, 0..12),
        wanted in prop::collection::vec(1000u64..10 * COIN, 1..4),
        rate in 0u64..200_000,
    ) {
        let (list, wanted) = (coins(&values), Payment { fee_rate: FeeRate(rate), ..payment(&wanted) });
        match pay(&list, &wanted, params(), ours) {
            Ok(paid) => assert_sound(&paid, &wanted),
            Err(PaymentError::TooLittleMoney { available, needed, amount, fee }) => {
                prop_assert!(available < needed);
                prop_assert_eq!(needed.0, amount.0 + fee.0);
            }
            Err(other) => prop_assert!(false, "{}", other),
        }
    }
}

proptest! {
    // Each signs for hundreds of coins.
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// All that can be paid at once is paid without change, and one unit more is too much.
    #[test]
    fn the_most_that_can_be_paid_leaves_nothing(values in proptest::collection::vec(1..1_000_000u64, 1..300)) {
        let coins = coins(&values);
        let empty = TransactionBuilder::new().output(Amount::ZERO, templates::p2pkh(hash(9))).build().size();
        let most = most_payable(&coins, empty, RATE);
        if most >= params().contract.dust {
            let all = payment(&[most.0]);
            let paid = pay(&coins, &all, params(), ours).unwrap();
            prop_assert_eq!(paid.change, Amount::ZERO);
            assert_sound(&paid, &all);
            let more = pay(&coins, &payment(&[most.0 + 1]), params(), ours);
            let refused = matches!(more, Err(PaymentError::TooLittleMoney { .. }));
            prop_assert!(refused);
        }
    }
}
