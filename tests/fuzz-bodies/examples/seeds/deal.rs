//! A deal played to its close: every message of it, and both sides' records.

use camelid_core::contract::WalletRules;
use camelid_core::deal::{Action, ClientDeal, ClientKeys, ComputeDeal, DealVerdict, Facts, VerifyMode};
use camelid_core::hash::{BlockHash, ModelRoot, Txid};
use camelid_core::job::{JobAccept, JobCreate, JobParams, JobPrivate, Periods, Signed};
use camelid_core::message::{Payload, peer_address};
use camelid_core::model::Sampling;
use camelid_core::transaction::{Coin, OutPoint, TxOut};
use camelid_core::units::{Amount, Height, Network, Timestamp, TokenId};
use camelid_fuzz_bodies::world::{hash, params, pay_to, public, secret};

/// Both sides, and what they said.
pub struct Deal {
    pub client: ClientDeal,
    pub compute: ComputeDeal,
    pub payloads: Vec<Payload>,
}

fn outpoint(n: u8) -> OutPoint {
    OutPoint { txid: Txid([n; 32]), index: u32::from(n) }
}

fn facts(rules: &WalletRules, tip: u32, now: u32) -> Facts<'_> {
    let (tip, now) = (Height(tip), Timestamp(1_800_000_000 + now));
    Facts { network: params(), rules, tip, tip_hash: BlockHash([1; 32]), now }
}

/// Plays it.
pub fn played() -> Deal {
    let rules = WalletRules::for_network(params());
    let at = facts(&rules, 100, 0);
    let private =
        JobPrivate { prompt: "Once upon".into(), token_ids: [1, 5, 9].map(TokenId).to_vec(), seed: 7, salt: [3; 32] };
    let job = JobParams {
        version: JobParams::VERSION,
        model: ModelRoot([1; 32]),
        prompt_tokens: 3,
        max_tokens: 8,
        sampling: Sampling { temperature: 800, top_k: 40, top_p: 900_000 },
        timestamp: at.now,
        valid_until: Height(400),
        client_peer: peer_address(&[1; 32]),
        client_key: public(0),
        challenge_key: public(1),
        job_key: public(2),
        reward: Amount::from_coins(2),
        stake: Amount::from_coins(3),
        reserve: Amount(1_000_000),
        move_fee: Amount(10_000),
        bond: Amount(100_000),
        fee: Amount(20_000),
        periods: Periods::shortest(&params().contract),
        commitment: private.commitment(),
    };
    let create = JobCreate::sign(job, hash(0), &[(outpoint(1), secret(4))], secret(0), Network::Dev);
    let values = vec![Amount::from_coins(10)];
    let body = JobAccept {
        job_id: create.id(Network::Dev),
        node_peer: peer_address(&[2; 32]),
        node_key: public(3),
        stake_coin: outpoint(2),
        block: BlockHash([1; 32]),
    };
    let accept = Signed::sign(body, secret(3), Network::Dev);
    let output = TxOut { value: Amount::from_coins(5), script_pubkey: pay_to(3) };
    let stake = Coin { output, height: Height(50), coinbase: false };
    let mut payloads: Vec<Payload> = vec![create.clone().into(), accept.clone().into()];
    let mut client = ClientDeal::new(create.clone(), private, values.clone(), 4, VerifyMode::Full, &at);
    client.on_accept(&accept, Some(&stake), &at).expect("the accept fits");
    let coins = [secret(4).clone()];
    let keys = ClientKeys { client: secret(0), job: secret(2), coins: &coins };
    let mut compute = ComputeDeal::new(create, values, accept, stake.output.value, hash(3), &at);
    for action in client.step(&keys, &at) {
        if let Action::Send(_, Payload::JobAssign(assign)) = action {
            compute.on_assign(&assign, secret(3), &at).expect("the private part opens");
            payloads.push((*assign).into());
        }
    }
    compute.on_computed([4, 5, 6].map(TokenId).to_vec(), 12, secret(3), &at).expect("an answer");
    let testament = compute.testament.clone().expect("a testament");
    client.on_testament(&testament, &at).expect("the testament fits");
    payloads.push(testament.into());
    client.on_ciphertext(compute.ciphertext().expect("a ciphertext")).expect("the ciphertext fits");
    client.step(&keys, &at);
    let settlement = client.settlement.clone().expect("a settlement");
    compute.on_transaction(&settlement, &at);
    for track in [&mut client.track, &mut compute.track] {
        track.connected(&settlement.txid(), &settlement, Height(101), Amount::from_coins(5));
    }
    let later = facts(&rules, 104, 100);
    for action in compute.step(secret(3), &later) {
        if let Action::Send(_, Payload::JobDelivery(delivery)) = action {
            client.on_delivery(&delivery, &keys, &later).expect("the key fits");
            payloads.push((*delivery).into());
        }
    }
    client.on_verified(DealVerdict { checked: 3, ..DealVerdict::default() }, &later);
    for action in client.step(&keys, &facts(&rules, 104, 200)) {
        if let Action::Send(_, Payload::JobClose(close)) = action {
            payloads.push((*close).into());
        }
    }
    Deal { client, compute, payloads }
}
