//! A value of every kind that is decoded, and texts.

use crate::deal;
use camelid_core::chain::Store;
use camelid_core::contract::{Signer, State, Witness};
use camelid_core::encode::Encode;
use camelid_core::filter::Filter;
use camelid_core::hash::{Hash32, JobId};
use camelid_core::job::{ModelPrice, ServiceOffer, Signed};
use camelid_core::keys::{Address, Mnemonic};
use camelid_core::message::{
    ChainStatus, Ciphertext, Envelope, FilterHeaders, FilterRange, HeaderRange, LightRequest, LightResponse, Payload,
    Request, Response, peer_address,
};
use camelid_core::model::Package;
use camelid_core::model::import::{RandomShape, random_model};
use camelid_core::transaction::OutPoint;
use camelid_core::units::{Amount, Height, Network, Timestamp};
use camelid_fuzz_bodies::decoders::kind;
use camelid_fuzz_bodies::world::{BASE, grown, public, secret};
use ed25519_dalek::Signer as _;

type Seed = (&'static str, Vec<u8>);

/// All of them.
pub fn all() -> Vec<Seed> {
    let mut seeds = Vec::new();
    let mut put = |name: &str, bytes: Vec<u8>| seeds.push(("decoders", [vec![kind(name)], bytes].concat()));
    let deal::Deal { client, compute, payloads } = deal::played();
    let chain = &grown()[BASE as usize];
    let tip = chain.tip().clone();
    let block = chain.block_at(tip.height).expect("memory does not fail").expect("the tip is here").block;
    let settlement = client.settlement.clone().expect("the deal was settled");
    let coins = chain.store().coins();
    let (outpoint, coin) = coins.iter().next().map(|(o, c)| (*o, c.clone())).expect("there are coins");
    put("transaction", settlement.to_bytes());
    put("transaction", block.transactions[0].to_bytes());
    let mut full = block.clone();
    full.transactions.push(settlement.clone());
    put("block", full.to_bytes());
    put("header", tip.header.to_bytes());
    put("coin", coin.to_bytes());
    put("undo", camelid_core::chain::Undo { spent: vec![coin.clone(), coin] }.to_bytes());
    put("header entry", tip.to_bytes());
    let location = chain.store().transaction(&block.transactions[0].txid());
    put("transaction location", location.expect("memory does not fail").expect("it is here").to_bytes());
    put("block status", vec![2]);
    let proof = chain.coinbase_proof(&tip.hash()).expect("memory does not fail").expect("it is here");
    put("transaction proof", proof.to_bytes());
    let key = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
    let sender = peer_address(&key.verifying_key().to_bytes());
    for (sequence, payload) in (0..).zip(&payloads) {
        put("payload", [vec![payload.kind()], payload.body()].concat());
        let to = payload.topic().is_none().then(|| peer_address(&[2; 32]));
        let mut envelope = Envelope::unsigned(Network::Dev, sender.clone(), to, sequence, payload);
        envelope.signature = key.sign(&envelope.signing_bytes().0).to_bytes();
        put("envelope", envelope.to_bytes());
    }
    put("payload", [vec![1], full.to_bytes()].concat());
    put("payload", [vec![2], settlement.to_bytes()].concat());
    let status = ChainStatus { genesis: tip.header.previous, tip: tip.hash(), height: tip.height, time: Timestamp(7) };
    put("chain status", status.to_bytes());
    let range = FilterRange { start: Height(2), stop: tip.hash() };
    let filters: Vec<Filter> = (1..4).filter_map(|h| chain.filter_at(Height(h)).ok().flatten()).collect();
    let entries: Vec<_> = (0..5).filter_map(|h| chain.filter_entry_at(Height(h)).ok().flatten()).collect();
    let headers = FilterHeaders { previous: entries[0].header, hashes: entries[1..].iter().map(|e| e.hash).collect() };
    let envelope = Envelope::unsigned(Network::Dev, peer_address(&[1; 32]), None, 1, &payloads[0]);
    for request in [
        Request::Status(status),
        Request::Headers(chain.locator().expect("memory does not fail")),
        Request::Blocks(vec![tip.hash(); 3]),
        Request::Pools,
        Request::Forward(Box::new(envelope.clone())),
        Request::Light(LightRequest::Headers(HeaderRange { start: Height(1), count: 5 })),
        Request::Light(LightRequest::Filters(range)),
        Request::Light(LightRequest::FilterHeaders(range)),
        Request::Light(LightRequest::Checkpoints(range)),
        Request::Light(LightRequest::Proof(settlement.txid())),
        Request::Light(LightRequest::CoinbaseProof(tip.hash())),
    ] {
        put("request", request.to_bytes());
    }
    for response in [
        Response::Status(status),
        Response::Headers(chain.headers_from(Height(1), 4).expect("memory does not fail")),
        Response::Blocks(vec![block.clone(), full]),
        Response::Pools(vec![envelope]),
        Response::Forwarded,
        Response::NoRoute(Hash32([3; 32])),
        Response::Busy,
        Response::Light(LightResponse::Filters(filters.clone())),
        Response::Light(LightResponse::FilterHeaders(headers.clone())),
        Response::Light(LightResponse::Checkpoints(entries.iter().map(|e| e.header).collect())),
        Response::Light(LightResponse::Proof(Box::new(proof.clone()))),
        Response::Light(LightResponse::NotFound),
    ] {
        put("response", response.to_bytes());
    }
    put("filter headers", headers.to_bytes());
    put("filter", filters[0].to_bytes());
    put("filter entry", entries[0].to_bytes());
    put("branch", proof.branch.to_bytes());
    let terms = client.terms().expect("the deal has terms");
    put("terms", terms.to_bytes());
    let signature = client.create.signature;
    for witness in [
        Witness::Close { client: signature, node: signature },
        Witness::Reveal { node: signature, key: [7; 32] },
        Witness::Demand { client: signature },
        Witness::Claim { client: signature },
        Witness::Finalize { signer: Signer::Node, signature },
    ] {
        put("witness", witness.to_bytes());
    }
    put("state", State::Revealed.to_bytes());
    put("signer", Signer::Node.to_bytes());
    put("job parameters", client.create.params.to_bytes());
    put("private part", client.private.to_bytes());
    put("sampling", client.create.params.sampling.to_bytes());
    let names = ["job create", "job accept", "job assign", "testament", "job delivery", "job close"];
    for (name, payload) in names.into_iter().zip(&payloads) {
        put(name, payload.body());
    }
    let models = vec![ModelPrice { model: terms.model, per_thousand_tokens: Amount(70) }];
    let (node_peer, stake_coin) = (peer_address(&[2; 32]), OutPoint { index: 1, ..outpoint });
    let offer = ServiceOffer { node_peer, node_key: public(3), stake_coin, timestamp: Timestamp(5), models };
    let offer = Signed::sign(offer, secret(3), Network::Dev);
    put("service offer", offer.to_bytes());
    put("payload", [vec![3], Payload::from(offer).body()].concat());
    put("ciphertext", Ciphertext { job_id: JobId([1; 32]), bytes: vec![5; 60] }.to_bytes());
    put("job status", vec![3]);
    put("timeline", client.timeline.to_bytes());
    put("track", client.track.to_bytes());
    put("client deal", client.to_bytes());
    put("compute deal", compute.to_bytes());
    put("verify mode", vec![1]);
    put("public key", public(2).to_bytes());
    put("signature", signature.to_bytes());
    put("compact target", tip.header.bits.to_bytes());
    put("work", tip.work.to_bytes());
    let shape = RandomShape { vocabulary: 262, ..RandomShape::qwen2() };
    let package = Package::parse(random_model(1, &shape).expect("a small model")).expect("it is valid");
    put("manifest", package.manifest().to_bytes());
    let head = camelid_core::model::package::Head::parse(package.bytes()).expect("it is valid");
    put("tokenizer", head.tokenizer.to_bytes());
    let words = Mnemonic::from_entropy(&[7; 16]).expect("16 bytes are enough");
    for text in [
        Address::new(Network::Main, &public(0)).to_string(),
        Address::new(Network::Dev, &public(1)).to_string(),
        public(0).to_string(),
        tip.hash().to_string(),
        Amount(123_456_789).to_string(),
        "main".to_string(),
        words.phrase().to_string(),
        "m/44'/7077'/0'/0/7".to_string(),
    ] {
        put("texts", text.into_bytes());
    }
    seeds
}
