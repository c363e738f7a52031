use super::*;
use crate::contract::WalletRules;
use crate::deal::Facts;
use crate::hash::{BlockHash, KeyHash, Txid};
use crate::job::fixtures::{network, peer};
use crate::keys::Mnemonic;
use crate::script::templates::p2pkh;
use crate::transaction::TxOut;
use crate::units::{COIN, Height, Network, Timestamp};
use alloc::vec;

const RATE: FeeRate = FeeRate(1_000);

fn ring() -> Keyring {
    Keyring::new(Network::Dev, &Mnemonic::from_entropy(&[4; 16]).unwrap()).unwrap()
}

fn coins(values: &[u64], to: KeyHash) -> Vec<(OutPoint, Coin)> {
    let coin = |value| Coin {
        output: TxOut { value: Amount(value), script_pubkey: p2pkh(to) },
        height: Height(1),
        coinbase: false,
    };
    (0..).zip(values).map(|(index, value)| (OutPoint { txid: Txid([1; 32]), index }, coin(*value))).collect()
}

fn order(reward: u64) -> JobOrder {
    JobOrder {
        model: ModelRoot([9; 32]),
        prompt: "Once".into(),
        token_ids: vec![TokenId(1), TokenId(2)],
        max_tokens: 8,
        seed: 3,
        sampling: Sampling::GREEDY,
        reward: Amount(reward),
        stake: usual_stake(Amount(reward)),
    }
}

fn sign(order: JobOrder, coins: &JobCoins, index: u32) -> Result<(JobCreate, JobPrivate), JobOrderError> {
    let rules = WalletRules::for_network(network());
    let (tip_hash, now) = (BlockHash([1; 32]), Timestamp(7));
    let facts = Facts { network: network(), rules: &rules, tip: Height(50), tip_hash, now };
    order.sign(coins, &ring(), index, peer("client"), &facts)
}

#[test]
fn an_offer_is_one_that_everybody_takes_and_its_coins_suffice() {
    let free = coins(&[COIN, 3 * COIN], ring().change_hash());
    let chosen = JobCoins::choose(&free, Amount(2 * COIN), RATE, network()).unwrap();
    assert_eq!((chosen.coins.len(), chosen.values()), (1, vec![Amount(3 * COIN)]));
    assert_eq!(chosen.fee, Amount(2 * (850 + 147)));
    let (create, private) = sign(order(2 * COIN), &chosen, 5).unwrap();
    create.check(network()).unwrap();
    private.check_opens(&create.params).unwrap();
    assert!(create.params.client_pays().unwrap() <= Amount(3 * COIN));
    assert_eq!(create.params.client_key, ring().keys().job(5, JobKey::Client).unwrap().public_key());
    // Other keys, another salt, another job.
    let (other, hidden) = sign(order(2 * COIN), &chosen, 6).unwrap();
    assert_ne!((create.id(Network::Dev), private.salt), (other.id(Network::Dev), hidden.salt));
}

#[test]
fn what_no_network_takes_is_not_signed() {
    let free = coins(&[3 * COIN], ring().change_hash());
    let chosen = JobCoins::choose(&free, Amount(COIN), RATE, network()).unwrap();
    assert!(matches!(sign(order(1), &chosen, 0), Err(JobOrderError::Job(JobError::TooLittle { .. }))));
    let empty = JobOrder { token_ids: vec![], ..order(COIN) };
    assert!(matches!(sign(empty, &chosen, 0), Err(JobOrderError::Job(JobError::Tokens { .. }))));
    let huge = JobOrder { stake: Amount(u64::MAX), ..order(COIN) };
    assert_eq!(sign(huge, &chosen, 0), Err(PaymentError::TooMuch.into()));
    let foreign = JobCoins { coins: coins(&[3 * COIN], KeyHash([8; 20])), ..chosen };
    assert!(matches!(sign(order(COIN), &foreign, 0), Err(JobOrderError::Payment(PaymentError::NoKey { .. }))));
}

#[test]
fn a_job_takes_no_more_coins_than_its_offer_may_name() {
    let choose =
        |count| JobCoins::choose(&coins(&vec![100_000; count], KeyHash([8; 20])), Amount(7_000_000), RATE, network());
    let refused = choose(200).unwrap_err();
    assert!(matches!(refused, PaymentError::TooManyCoins { max: MAX_JOB_COINS, .. }), "{refused}");
    let too_little = choose(10).unwrap_err();
    assert!(matches!(too_little, PaymentError::TooLittleMoney { .. }), "{too_little}");
    assert_eq!(JobCoins::choose(&[], Amount(u64::MAX), RATE, network()), Err(PaymentError::TooMuch));
}
