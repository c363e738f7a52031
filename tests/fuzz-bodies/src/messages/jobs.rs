//! Jobs: offers of service, offers of jobs, accepts, testaments, settlements and moves, by people who have the coins, and now
//! and then by such who have not.

use super::lab::Lab;
use super::payments::coins;
use crate::Choices;
use crate::world::{PEOPLE, hash, owner, params, public, secret};
use camelid_core::contract::{
    Commitments, Signer, State, Terms, claim, contract_output, demand, finalize, half_sign, reveal, settlement_terms,
};
use camelid_core::contract::{SettlementParts, build_settlement};
use camelid_core::hash::{Hash32, ModelRoot};
use camelid_core::job::{
    JobAccept, JobCreate, JobParams, ModelPrice, PeerAddress, Periods, ServiceOffer, Signed, Testament, key_hash,
};
use camelid_core::message::{Payload, peer_address};
use camelid_core::model::Sampling;
use camelid_core::pool::JobRecord;
use camelid_core::transaction::{Coin, OutPoint, Transaction, TxOut};
use camelid_core::units::{Amount, Height, Network, Timestamp};

const NETWORK: Network = Network::Dev;
/// The key that answers are sealed with.
const K: [u8; 32] = [0x42; 32];

fn peer(person: usize) -> PeerAddress {
    peer_address(&[person as u8; 32])
}

fn coin(lab: &Lab, choices: &mut Choices<'_>) -> Option<(OutPoint, Coin, usize)> {
    let all = coins(lab);
    let (outpoint, coin) = all.get(choices.below(all.len().max(1)))?.clone();
    let owner = owner(&coin.output)?;
    Some((outpoint, coin, owner))
}

/// Whose key signs: the owner's, or seldom another's.
fn signer(usual: usize, choices: &mut Choices<'_>) -> usize {
    if choices.seldom() { choices.below(PEOPLE) } else { usual }
}

/// A node says what it serves.
pub(super) fn offer(lab: &Lab, choices: &mut Choices<'_>) -> Option<Payload> {
    let (stake_coin, _, node) = coin(lab, choices)?;
    let model = ModelRoot([choices.byte() & 1; 32]);
    let body = ServiceOffer {
        node_peer: peer(node),
        node_key: public(node),
        stake_coin,
        timestamp: Timestamp(lab.now.0.wrapping_add(u32::from(choices.short() & 1023)).wrapping_sub(700)),
        models: vec![ModelPrice { model, per_thousand_tokens: Amount(u64::from(choices.short())) }],
    };
    Some(Signed::sign(body, secret(signer(node, choices)), NETWORK).into())
}

/// A client offers a job.
pub(super) fn create(lab: &Lab, choices: &mut Choices<'_>) -> Option<Payload> {
    let mut paying = vec![coin(lab, choices)?];
    if choices.below(3) == 0 {
        paying.push(coin(lab, choices)?);
    }
    let client = choices.below(PEOPLE);
    let amount = |choices: &mut Choices<'_>| Amount(1_000 + u64::from(choices.word() >> 8));
    let params = JobParams {
        version: JobParams::VERSION,
        model: ModelRoot([1; 32]),
        prompt_tokens: 3,
        max_tokens: 8,
        sampling: Sampling::GREEDY,
        timestamp: lab.now,
        valid_until: Height(lab.chain.height().0 + 8 + choices.below(32) as u32),
        client_peer: peer(client),
        client_key: public(client),
        challenge_key: public(client + 1),
        job_key: public(client + 2),
        reward: amount(choices),
        stake: amount(choices),
        reserve: Amount(1_000_000),
        move_fee: Amount(if choices.seldom() { 6_999 } else { 10_000 }),
        bond: Amount(100_000),
        fee: Amount(20_000),
        periods: Periods::shortest(&params().contract),
        commitment: Hash32([choices.byte(); 32]),
    };
    let mut keys: Vec<_> = Vec::new();
    for (outpoint, _, owner) in &paying {
        keys.push((*outpoint, secret(signer(*owner, choices))));
    }
    Some(JobCreate::sign(params, hash(client), &keys, secret(signer(client, choices)), NETWORK).into())
}

fn record<'a>(lab: &'a Lab, choices: &mut Choices<'_>) -> Option<&'a JobRecord> {
    lab.jobs.jobs().nth(choices.below(lab.jobs.len().max(1))).map(|(_, record)| record)
}

/// A node takes a job.
pub(super) fn accept(lab: &Lab, choices: &mut Choices<'_>) -> Option<Payload> {
    let record = record(lab, choices)?;
    let (stake_coin, _, node) = coin(lab, choices)?;
    let body = JobAccept {
        job_id: record.create.id(NETWORK),
        node_peer: peer(node),
        node_key: public(node),
        stake_coin,
        block: lab.chain.tip_hash(),
    };
    Some(Signed::sign(body, secret(signer(node, choices)), NETWORK).into())
}

/// The settlement of a job that is accepted, unsigned, and what it spends.
fn built(record: &JobRecord, choices: &mut Choices<'_>) -> Option<(Transaction, Vec<TxOut>)> {
    let (accept, stake) = record.accept.as_ref()?;
    let answer = Commitments { output_root: Hash32([5; 32]), ciphertext_hash: Hash32([6; 32]), key_hash: key_hash(&K) };
    let tokens = if choices.seldom() { 9 } else { choices.below(8) as u32 + 1 };
    let create = &record.create;
    let terms = settlement_terms(&create.params, accept.body.node_key, hash(3), tokens, answer, params());
    let paying: Vec<_> = create.coins.iter().map(|c| c.outpoint).zip(record.coin_values.iter().copied()).collect();
    let parts = SettlementParts {
        terms: &terms,
        stake_coin: (accept.body.stake_coin, *stake),
        client_coins: &paying,
        client_change: create.change,
        fee: create.params.fee,
    };
    let tx = build_settlement(&parts, params()).ok()?;
    let keys = core::iter::once(accept.body.node_key).chain(create.coins.iter().map(|c| c.key));
    let values = core::iter::once(*stake).chain(record.coin_values.iter().copied());
    let spent = keys
        .zip(values)
        .map(|(key, value)| TxOut { value, script_pubkey: camelid_core::script::templates::p2pkh(key.hash()) });
    Some((tx, spent.collect()))
}

/// The node's statement.
pub(super) fn testament(lab: &Lab, choices: &mut Choices<'_>) -> Option<Payload> {
    let record = record(lab, choices)?;
    let (mut settlement, spent) = built(record, choices)?;
    let node = signer(owner(spent.first()?)?, choices);
    half_sign(&mut settlement, 0, &spent, secret(node), params());
    if choices.seldom() {
        settlement.inputs.last_mut()?.script_sig = settlement.inputs[0].script_sig.clone();
    }
    Some(Testament { job_id: record.create.id(NETWORK), settlement, generate_ms: 1 }.into())
}

/// The settlement, signed by both.
pub(super) fn settle(lab: &Lab, choices: &mut Choices<'_>) -> Option<Transaction> {
    let record = record(lab, choices)?;
    let (mut tx, spent) = match &record.testament {
        Some(t) => (t.settlement.clone(), built(record, choices)?.1),
        None => built(record, choices)?,
    };
    for (index, output) in spent.iter().enumerate() {
        half_sign(&mut tx, index, &spent, secret(owner(output)?), params());
    }
    Some(tx)
}

/// A contract that was made and is not spent, as far as chain and pool know.
fn contract(lab: &Lab, choices: &mut Choices<'_>) -> Option<(OutPoint, TxOut, Terms)> {
    let back = choices.below(8);
    let tx = lab.seen.iter().rev().filter(|tx| !tx.job_id.is_zero()).nth(back)?;
    let output = tx.outputs.first()?.clone();
    let terms = contract_output(&output, 0).ok()??;
    Some((tx.outpoint(0), output, terms))
}

/// A move of a contract, by who may make it or by somebody else.
pub(super) fn contract_move(lab: &Lab, choices: &mut Choices<'_>) -> Option<Transaction> {
    let (at, output, terms) = contract(lab, choices)?;
    let of = |key| (0..PEOPLE).find(|person| public(*person) == key).unwrap_or(0);
    let client = secret(signer(of(terms.client_key), choices));
    let node = secret(signer(of(terms.node_key), choices));
    let network = params();
    Some(match (terms.state, choices.below(2)) {
        (State::Settlement, 0) => demand(at, &output, &terms, client, network),
        (State::Demanded, 0) => claim(at, &output, &terms, client, hash(4), network),
        (State::Revealed, 0) => finalize(at, &output, &terms, Signer::Client, client, network),
        (State::Revealed, _) => finalize(at, &output, &terms, Signer::Node, node, network),
        _ => reveal(at, &output, &terms, K, node, network),
    })
}
