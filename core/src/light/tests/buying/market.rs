//! What is known of offers and fees, and what is made of it.

use super::node::Node;
use super::town::*;
use crate::job::fixtures::{key, outpoint, peer};
use crate::light::{JobProblem, JobRequest};
use crate::pool::MarketError;
use crate::units::{Amount, COIN};
use crate::wallet::{JobOrderError, PaymentError};
use alloc::string::ToString;
use alloc::vec::Vec;

#[test]
fn an_estimate_says_what_is_missing() {
    let mut town = Town::new(Node::Honest, 1);
    let problem = |town: &mut Town, reward: u64| town.estimate(Some(Amount(reward))).problem;
    assert_eq!(problem(&mut town, COIN), None);
    let low = problem(&mut town, 1_000).unwrap();
    let (reward, least) = (Amount(1_000), Amount(COIN * 11 / 1000));
    assert_eq!(low, JobProblem::Market(MarketError::RewardTooLow { reward, least, tokens: 11 }));
    // The node has 50 coins at stake.
    let stake = Amount(60 * COIN);
    assert_eq!(problem(&mut town, 60 * COIN), Some(JobProblem::Market(MarketError::StakeTooHigh { stake })));
    // All of ours is 150, and a stake of that size is nowhere; what is free after two jobs is less.
    town.create();
    town.create();
    let poor = problem(&mut town, 50 * COIN).unwrap();
    let expected = JobProblem::Order(JobOrderError::Payment(PaymentError::TooLittleMoney {
        available: Amount(50 * COIN),
        needed: Amount(50 * COIN + 128_000 + 2 * 997),
        amount: Amount(50 * COIN + 128_000),
        fee: Amount(2 * 997),
    }));
    assert_eq!(poor, expected);
    for problem in [low, poor] {
        assert!(!problem.to_string().contains('\n'));
    }
    let other = crate::light::EstimateRequest {
        model: crate::hash::ModelRoot([5; 32]),
        prompt_tokens: 3,
        max_tokens: 8,
        reward: None,
    };
    let now = town.world.now();
    let nobody = town.jobs.estimate(&town.world.light, &other, now);
    assert_eq!((nobody.problem, nobody.readers.len()), (Some(JobProblem::Market(MarketError::Nobody)), 0));
    town.world.light.disconnected(&0);
    assert_eq!(town.estimate(None).problem, Some(JobProblem::NoPeers));
}

#[test]
fn what_cannot_be_is_no_job() {
    let mut town = Town::new(Node::Honest, 1);
    let now = town.world.now();
    let mut create = |change: &dyn Fn(&mut JobRequest)| {
        let mut wanted = request();
        change(&mut wanted);
        town.jobs.create(&mut town.world.light, wanted, now).unwrap_err()
    };
    let long = create(&|r| r.prompt = " ".repeat((1 << 20) + 1));
    assert!(matches!(long, JobProblem::PromptBytes { .. }));
    for bad in [create(&|r| r.token_ids = Vec::new()), create(&|r| r.max_tokens = 0)] {
        assert!(matches!(bad, JobProblem::Order(JobOrderError::Job(_))), "{bad}");
    }
    assert!(matches!(create(&|r| r.reward = Some(Amount(u64::MAX))), JobProblem::Market(_)));
    assert_eq!((town.held(), town.jobs.is_idle()), (0, true));
    assert_eq!(town.world.light.keyring().unused_job(), 0);
    // Blocks that were not looked through may have spent the coins.
    town.world.elapsed += core::time::Duration::from_secs(10);
    for _ in 0..8 {
        town.next_block();
    }
    town.world.steps(1, |_, _| {});
    let behind = town.jobs.create(&mut town.world.light, request(), now);
    assert!(matches!(behind, Err(JobProblem::Behind { .. })), "{behind:?}");
}

#[test]
fn offers_grow_old_and_are_merged() {
    use crate::job::{ModelPrice, ServiceOffer, Signed};
    use crate::light::tests::world::dev;
    use crate::message::StakedOffer;
    let mut town = Town::new(Node::Honest, 2);
    assert_eq!(town.estimate(Some(Amount(COIN))).readers.len(), 1, "one node, whoever tells of it");
    let now = town.world.now().time;
    let offer = |name: &str, price: u64, stake: u64, age: u32| {
        let body = ServiceOffer {
            node_peer: peer(name),
            node_key: key(name).public_key(),
            stake_coin: outpoint(name),
            timestamp: crate::units::Timestamp(now.0 - age),
            models: [ModelPrice { model: MODEL, per_thousand_tokens: Amount(price) }].into(),
        };
        StakedOffer { offer: Signed::sign(body, &key(name), dev().network), stake: Amount(stake) }
    };
    let rich = 100 * COIN;
    let first = [offer("a", COIN * 2, rich, 10), offer("b", COIN, rich, 0), offer("c", COIN / 2, 1, 0)];
    // The same node's later word; what is too old; what is free of charge.
    let second = [offer("a", COIN * 3, 1, 0), offer("d", 1, rich, 601), offer("e", 0, 2_000, 0)];
    let jobs = &mut town.jobs;
    jobs.tell_offers(0, MODEL, first.into()).unwrap();
    jobs.tell_offers(1, MODEL, second.into()).unwrap();
    let estimate = town.estimate(Some(Amount(COIN)));
    let readers: Vec<_> = estimate.readers.iter().map(|r| (r.peer.clone(), r.asks, r.stake)).collect();
    let asks = |price: u64| Amount((price * 11).div_ceil(1000));
    assert_eq!(readers, [(peer("b"), asks(COIN), Amount(rich)), (peer("a"), asks(3 * COIN), Amount(rich))]);
    // Nobody is paid less than the network lets, and the cheapest that has such a stake is taken by default.
    assert_eq!((town.estimate(None).reward, estimate.least_reward), (Amount(1_000), Some(Amount(1_000))));
}

#[test]
fn fee_rates_are_the_middle_of_what_peers_say_and_bounded() {
    use crate::message::FeeRates;
    let mut town = Town::new(Node::Honest, 3);
    let mut tell = |told: [(u64, u64); 3]| {
        for (peer, (next_block, least)) in told.into_iter().enumerate() {
            town.jobs.tell_rates(peer, FeeRates { next_block, least });
        }
        let FeeRates { next_block, least } = town.jobs.fee_rates();
        (next_block, least)
    };
    assert_eq!(tell([(u64::MAX, u64::MAX), (3_000, 1_000), (2_000, 1_500)]), (3_000, 1_500));
    assert_eq!(tell([(u64::MAX, u64::MAX), (u64::MAX, 1_000), (2_000, 1_000)]), (100_000, 1_000));
    assert_eq!(tell([(0, 0), (0, 0), (0, 0)]), (1_000, 1_000));
}
