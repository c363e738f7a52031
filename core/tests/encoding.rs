//! Every type that is sent or stored: encoding and decoding it is the identity, every shorter or longer input is an
//! error, every other input is one or has this encoding itself, and no input makes the decoder panic or allocate much.

use camelid_core::block::{CompactTarget, NetworkParams, Work};
use camelid_core::chain::{BlockStatus, HeaderEntry, TransactionLocation, TransactionProof, Undo};
use camelid_core::contract::{Signer, State, WalletRules, Witness};
use camelid_core::deal::{
    Action, ClientDeal, ClientKeys, ComputeDeal, DealVerdict, Facts, Timeline, TimelineEntry, Track, VerifyMode,
    WrongToken,
};
use camelid_core::encode::{Decode, DecodeError, Encode, Reader};
use camelid_core::filter::{FilterEntry, block_filter};
use camelid_core::hash::{
    BlockHash, FilterHash, FilterHeader, Hash32, JobId, KeyHash, MerkleHasher, ModelRoot, Txid, Wtxid, tagged_hash,
};
use camelid_core::job::{
    JobAccept, JobCreate, JobParams, JobPrivate, JobStatus, ModelPrice, PeerAddress, Periods, ServiceOffer, Signed,
};
use camelid_core::keys::SecretKey;
use camelid_core::message::{
    ChainStatus, ChunkRange, Ciphertext, CiphertextRequest, ClientRequest, ClientResponse, Envelope, FeeRates,
    FilterHeaders, FilterRange, HeaderRange, JobReport, JobTransaction, KnownPeer, LightRequest, LightResponse,
    ListedModel, ModelRequest, ModelResponse, NetAddress, OfferQuery, Payload, PeerRecord, PeersRequest, PeersResponse,
    ReachRequest, ReachResponse, ReachResult, Reached, Refusal, Request, Response, Services, StakedOffer, peer_address,
};
use camelid_core::model::package::{
    ActivationKind, Architecture, Biases, Manifest, MlpKind, NormKind, PositionKind, ProvedChunk, SpecialTokens,
};
use camelid_core::model::sampling::Sampling;
use camelid_core::model::tokenizer::{HuggingFaceSpec, Piece, Pieces, ScoredSpec, TokenizerSpec};
use camelid_core::script::templates;
use camelid_core::transaction::{Coin, OutPoint, Script, Sequence, TxOut};
use camelid_core::units::{Amount, Height, Network, Timestamp, TokenId};
use peak_alloc::PeakAlloc;
use proptest::prelude::*;
use std::fmt::Debug;
use std::sync::{LazyLock, Mutex, MutexGuard};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// The memory counted is the whole process's: one test runs at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(|e| e.into_inner())
}

/// What decoding `bytes` may allocate at most: values take more room than their encoding, by a constant factor.
fn allowance(bytes: &[u8]) -> usize {
    64 * bytes.len() + 16 * 1024
}

/// Places to damage: all near the start, where types and counts stand, then every so many.
fn places(sample: &[u8]) -> impl Iterator<Item = usize> {
    let len = sample.len();
    (0..len.min(300)).chain((len.min(300)..len).step_by(1 + len / 1000))
}

/// What decoding gave, encoded again.
type Again = Result<Vec<u8>, DecodeError>;

struct Case {
    name: &'static str,
    sample: Vec<u8>,
    again: fn(&[u8]) -> Again,
}

/// Decodes within the allowance, and encodes what came out.
fn again<T: Encode + Decode>(bytes: &[u8]) -> Again {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let value = T::from_bytes(bytes);
    let used = MEMORY.peak_usage().saturating_sub(before);
    let allowed = allowance(bytes);
    assert!(used <= allowed, "{} bytes make the decoder allocate {used}, at most {allowed} allowed", bytes.len());
    value.map(|v| v.to_bytes())
}

fn case<T: Encode + Decode + PartialEq + Debug>(name: &'static str, value: T) -> Case {
    let sample = value.to_bytes();
    assert_eq!(T::from_bytes(&sample).as_ref(), Ok(&value), "{name}");
    Case { name, sample, again: again::<T> }
}

macro_rules! cases {
    ($($value:expr),* $(,)?) => { vec![$(case(stringify!($value), $value)),*] };
}

/// A message as it travels in an envelope: its type, then its content.
#[derive(Debug, PartialEq)]
struct Sent(Payload);

impl Encode for Sent {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.0.kind());
        out.extend_from_slice(&self.0.body());
    }
}

impl Decode for Sent {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let kind = u8::decode(r)?;
        Payload::from_parts(kind, r.take(r.remaining())?).map(Sent)
    }
}

fn key(name: &str) -> SecretKey {
    SecretKey::from_bytes(tagged_hash("camelid/test/key", &[name.as_bytes()]).0).unwrap()
}

fn outpoint(n: u8) -> OutPoint {
    OutPoint { txid: Txid([n; 32]), index: n as u32 }
}

fn peer(n: u8) -> PeerAddress {
    peer_address(&[n; 32])
}

fn network() -> &'static NetworkParams {
    NetworkParams::of(Network::Dev)
}

fn facts(rules: &WalletRules, tip: u32, now: u32) -> Facts<'_> {
    let (tip, now) = (Height(tip), Timestamp(1_800_000_000 + now));
    Facts { network: network(), rules, tip, tip_hash: BlockHash([1; 32]), now }
}

/// Everything that a deal brings forth.
struct Deal {
    client: ClientDeal,
    /// The same, after its node let it lapse.
    lapsed: ClientDeal,
    compute: ComputeDeal,
    payloads: Vec<Payload>,
}

/// A deal played to its close.
fn deal() -> Deal {
    let rules = WalletRules::for_network(network());
    let at = facts(&rules, 100, 0);
    let private =
        JobPrivate { prompt: "Once upon".into(), token_ids: [1, 5, 9].map(TokenId).to_vec(), seed: 7, salt: [3; 32] };
    let params = JobParams {
        version: JobParams::VERSION,
        model: ModelRoot([9; 32]),
        prompt_tokens: 3,
        max_tokens: 8,
        sampling: Sampling { temperature: 800, top_k: 40, top_p: 900_000 },
        timestamp: at.now,
        valid_until: Height(400),
        client_peer: peer(1),
        client_key: key("client").public_key(),
        challenge_key: key("challenge").public_key(),
        job_key: key("job").public_key(),
        reward: Amount::from_coins(2),
        stake: Amount::from_coins(3),
        reserve: Amount(1_000_000),
        move_fee: Amount(10_000),
        bond: Amount(100_000),
        fee: Amount(20_000),
        periods: Periods::shortest(&network().contract),
        commitment: private.commitment(),
    };
    let (client_key, coin_key, node_key) = (key("client"), key("coin"), key("node"));
    let change = key("change").public_key().hash();
    let create = JobCreate::sign(params, change, &[(outpoint(1), &coin_key)], &client_key, Network::Dev);
    let values = vec![Amount::from_coins(10)];
    let body = JobAccept {
        job_id: create.id(Network::Dev),
        node_peer: peer(2),
        node_key: node_key.public_key(),
        stake_coin: outpoint(2),
        block: BlockHash([1; 32]),
    };
    let accept = Signed::sign(body, &node_key, Network::Dev);
    let stake = TxOut { value: Amount::from_coins(5), script_pubkey: templates::p2pkh(node_key.public_key().hash()) };
    let stake = Coin { output: stake, height: Height(50), coinbase: false };

    let mut payloads: Vec<Payload> = vec![create.clone().into(), accept.clone().into()];
    let mut client = ClientDeal::new(create.clone(), private, values.clone(), 4, VerifyMode::Full, &at);
    client.on_accept(&accept, Some(&stake), &at).unwrap();
    let mut lapsed = client.clone();
    let keys = ClientKeys { client: &client_key, job: &key("job"), coins: &[coin_key] };
    lapsed.step(&keys, &facts(&rules, 100, 10_000));
    lapsed.resume();

    let reward = key("reward").public_key().hash();
    let mut compute = ComputeDeal::new(create, values, accept, stake.output.value, reward, &at);
    for action in client.step(&keys, &at) {
        if let Action::Send(_, Payload::JobAssign(assign)) = action {
            compute.on_assign(&assign, &node_key, &at).unwrap();
            payloads.push((*assign).into());
        }
    }
    compute.on_computed([4, 5, 6].map(TokenId).to_vec(), 12, &node_key, &at).unwrap();
    let testament = compute.testament.clone().unwrap();
    client.on_testament(&testament, &at).unwrap();
    payloads.push(testament.into());
    client.on_ciphertext(compute.ciphertext().unwrap()).unwrap();
    client.step(&keys, &at);
    let settlement = client.settlement.clone().unwrap();
    compute.on_transaction(&settlement, &at);
    for track in [&mut client.track, &mut compute.track] {
        track.connected(&settlement.txid(), &settlement, Height(101), Amount::from_coins(5));
    }
    let later = facts(&rules, 104, 100);
    for action in compute.step(&node_key, &later) {
        if let Action::Send(_, Payload::JobDelivery(delivery)) = action {
            client.on_delivery(&delivery, &keys, &later).unwrap();
            payloads.push((*delivery).into());
        }
    }
    client.on_verified(DealVerdict { checked: 3, ..DealVerdict::default() }, &later);
    for action in client.step(&keys, &facts(&rules, 104, 200)) {
        if let Action::Send(_, Payload::JobClose(close)) = action {
            compute.on_close(&close, &node_key, &later).unwrap();
            payloads.push((*close).into());
        }
    }
    client.resume();
    compute.resume();
    assert_eq!(payloads.len(), 6, "every message of the deal");
    Deal { client, lapsed, compute, payloads }
}

fn manifest() -> Manifest {
    Manifest {
        name: "tiny".into(),
        licence: "MIT".into(),
        architecture: Architecture::Qwen2,
        dim: 64,
        layers: 5,
        heads: 8,
        kv_heads: 4,
        head_dim: 8,
        hidden: 172,
        vocabulary: 512,
        context: 512,
        position: PositionKind::Rotary,
        rotary_dim: 8,
        norm: NormKind::Layer,
        mlp: MlpKind::Plain,
        activation: ActivationKind::GeluTanh,
        biases: Biases { qkv: true, output: false, mlp: true },
        tied_head: true,
        residual_fraction: 16,
        epsilon: 7,
        special: SpecialTokens { begin: Some(TokenId(1)), end: vec![TokenId(2), TokenId(3)] },
        chat_template: "{{ text }}".into(),
    }
}

static CASES: LazyLock<Vec<Case>> = LazyLock::new(|| {
    let Deal { client, lapsed, compute, payloads } = deal();
    let (create, accept) = (client.create.clone(), client.accept.clone().unwrap());
    let settlement = client.settlement.clone().unwrap();
    let terms = client.terms().unwrap();
    let signature = accept.signature;
    let offer = Signed::sign(
        ServiceOffer {
            node_peer: peer(2),
            node_key: key("node").public_key(),
            stake_coin: outpoint(2),
            timestamp: Timestamp(5),
            models: vec![ModelPrice { model: ModelRoot([9; 32]), per_thousand_tokens: Amount(70) }; 3],
        },
        &key("node"),
        Network::Dev,
    );
    let coin = Coin { output: settlement.outputs[1].clone(), height: Height(7), coinbase: true };
    let mut block = network().genesis();
    block.transactions.extend([settlement.clone(), settlement.clone()]);
    let header = block.header;
    let mut tree = MerkleHasher::default();
    (0..9u8).for_each(|leaf| tree.push(&[leaf]));
    let status = ChainStatus { genesis: header.hash(), tip: header.hash(), height: Height(9), time: Timestamp(10) };
    let envelope = Envelope::unsigned(Network::Dev, peer(1), Some(peer(2)), 77, &payloads[0]);
    let to_all = Envelope::unsigned(Network::Dev, peer(1), None, 78, &payloads[1]);
    let entry = HeaderEntry {
        header,
        height: Height(3),
        work: Work::ZERO,
        median_time_past: Timestamp(4),
        start_time: Timestamp(5),
        status: BlockStatus::Stored,
    };
    let filter = block_filter(&block, []);
    let filter_entry = FilterEntry::new(&filter, &FilterHeader([3; 32]));
    let range = FilterRange { start: Height(3), stop: header.hash() };
    let branch = tree.branch(5).unwrap();
    let proof = TransactionProof { header, height: Height(3), branch, transaction: settlement.clone() };
    let pieces =
        Pieces(vec![Piece::Byte(7), Piece::Text { rank: 9, bytes: b"once".to_vec() }, Piece::Control(b"<s>".to_vec())]);
    let scored = ScoredSpec { prefix_space: true, pieces: pieces.clone() };
    let verdict = DealVerdict {
        checked: 8,
        wrong: vec![WrongToken { position: 1, found: TokenId(2), expected: TokenId(3) }; 2],
        problem: "stopped early".into(),
        verify_ms: 3,
        engine: "reference".into(),
    };
    let mut timeline = Timeline::default();
    timeline.reach(JobStatus::Created, Timestamp(1), Height(2));
    timeline.reach(JobStatus::Accepted, Timestamp(3), Height(4));

    let address = NetAddress::tcp([1, 2, 3, 4].into(), 7460);
    let addresses = vec![address.clone(), NetAddress::new(&[7; 60]).unwrap()];
    let record = PeerRecord { peer: peer(5), addresses, services: Services(0x80ff), time: Timestamp(8) };
    let record = record.with_signature([3; 64]);

    let listed = ListedModel::new(ModelRoot([1; 32]), &manifest(), 70_000, Some(Amount(5)));
    let chunk = ProvedChunk { bytes: vec![7; 300], branch: tree.branch(5).unwrap() };
    let moved = JobTransaction { txid: Txid([1; 32]), height: Some(Height(9)) };
    let report = JobReport {
        status: JobStatus::Paid,
        accept: Some(accept.clone()),
        testament: None,
        transactions: vec![moved, JobTransaction { height: None, ..moved }],
    };
    let staked = StakedOffer { offer: offer.clone(), stake: Amount(6) };
    let submitted = envelope.clone();

    let mut cases = cases![
        // Units, hashes, keys.
        Amount(1_234_567),
        Height(89),
        TokenId(4),
        Timestamp(5),
        Some(Amount(6)),
        None::<Amount>,
        true,
        Hash32([1; 32]),
        BlockHash([2; 32]),
        Txid([3; 32]),
        Wtxid([4; 32]),
        JobId([5; 32]),
        ModelRoot([6; 32]),
        KeyHash([7; 20]),
        FilterHash([8; 32]),
        FilterHeader([9; 32]),
        tree.branch(5).unwrap(),
        key("a").public_key(),
        signature,
        // Transactions and blocks.
        Script(vec![1; 300]),
        outpoint(3),
        Sequence(9),
        settlement.inputs[0].clone(),
        settlement.outputs[0].clone(),
        settlement.clone(),
        coin.clone(),
        CompactTarget(0x1f0f_ffff),
        Work::ZERO,
        header,
        block.clone(),
        // The chain's store.
        BlockStatus::Invalid,
        entry,
        Undo { spent: vec![coin.clone(), coin] },
        TransactionLocation { block: header.hash(), index: 3 },
        filter.clone(),
        filter_entry,
        // Contracts.
        State::Challenged,
        Signer::Node,
        terms,
        Witness::Close { client: signature, node: signature },
        Witness::Reveal { node: signature, key: [8; 32] },
        Witness::Demand { client: signature },
        Witness::Claim { client: signature },
        Witness::Finalize { signer: Signer::Node, signature },
        // Jobs.
        peer(5),
        create.params.periods,
        create.params.sampling,
        create.params.clone(),
        create.coins[0].clone(),
        create.clone(),
        client.private.clone(),
        JobStatus::Expired,
        accept,
        offer.body.models[0],
        offer.clone(),
        // Deals, as they are stored.
        VerifyMode::Spot,
        verdict.wrong[0],
        verdict,
        TimelineEntry { status: JobStatus::Paid, time: Timestamp(1), height: Height(2) },
        timeline,
        Track::default(),
        compute.track.clone(),
        client,
        lapsed,
        compute,
        // Messages.
        CiphertextRequest { job_id: JobId([1; 32]) },
        Ciphertext { job_id: JobId([1; 32]), bytes: vec![5; 300] },
        record.clone(),
        KnownPeer { record: record.clone(), last_seen: Timestamp(9) },
        envelope.clone(),
        to_all.clone(),
        status,
        Request::Status(status),
        Request::Headers(vec![header.hash(); 5]),
        Request::Blocks(vec![header.hash(); 5]),
        Request::Pools,
        Request::Forward(Box::new(envelope.clone())),
        Request::Light(LightRequest::Headers(HeaderRange { start: Height(3), count: 4 })),
        Request::Light(LightRequest::Filters(range)),
        Request::Light(LightRequest::FilterHeaders(range)),
        Request::Light(LightRequest::Checkpoints(range)),
        Request::Light(LightRequest::Proof(Txid([3; 32]))),
        Request::Light(LightRequest::CoinbaseProof(header.hash())),
        Response::Status(status),
        Response::Headers(vec![header; 5]),
        Response::Blocks(vec![block.clone(); 2]),
        Response::Pools(vec![envelope, to_all]),
        Response::Forwarded,
        Response::NoRoute(Hash32([1; 32])),
        Response::Busy,
        Response::Light(LightResponse::Headers(vec![header; 5])),
        Response::Light(LightResponse::Filters(vec![filter; 3])),
        Response::Light(LightResponse::FilterHeaders(FilterHeaders {
            previous: FilterHeader([1; 32]),
            hashes: vec![FilterHash([2; 32]); 5],
        })),
        Response::Light(LightResponse::Checkpoints(vec![FilterHeader([1; 32]); 5])),
        Response::Light(LightResponse::Proof(Box::new(proof))),
        Response::Light(LightResponse::NotFound),
        Request::Peers(Box::new(PeersRequest { own: Some(record.clone()) })),
        Request::Peers(Box::new(PeersRequest { own: None })),
        Request::Reach(ReachRequest { addresses: vec![address.clone(); 8] }),
        Response::Peers(Box::new(PeersResponse {
            own: None,
            known: vec![KnownPeer { record, last_seen: Timestamp(9) }; 3],
        })),
        Response::Reach(ReachResponse {
            results: [Reached::No, Reached::Yes, Reached::NotTried]
                .map(|reached| ReachResult { address: address.clone(), reached })
                .into(),
        }),
        listed.clone(),
        chunk.clone(),
        report.clone(),
        staked.clone(),
        Request::Model(ModelRequest::List(None)),
        Request::Model(ModelRequest::Chunks(ChunkRange { root: ModelRoot([1; 32]), first: 2, count: 3 })),
        Request::Client(ClientRequest::Submit(Box::new(submitted))),
        Request::Client(ClientRequest::Job(JobId([1; 32]))),
        Request::Client(ClientRequest::Offers(OfferQuery { model: ModelRoot([1; 32]), least_stake: Amount(5) })),
        Request::Client(ClientRequest::FeeRates),
        Response::Model(ModelResponse::List(vec![listed; 3])),
        Response::Model(ModelResponse::Chunks(vec![chunk; 3])),
        Response::Client(ClientResponse::Accepted),
        Response::Client(ClientResponse::Refused(Refusal::new("the fee is too low"))),
        Response::Client(ClientResponse::Job(Box::new(report))),
        Response::Client(ClientResponse::Offers(vec![staked; 3])),
        Response::Client(ClientResponse::FeeRates(FeeRates { next_block: 2000, least: 1000 })),
        Sent(block.into()),
        Sent(settlement.into()),
        Sent(offer.into()),
        Sent(CiphertextRequest { job_id: JobId([1; 32]) }.into()),
        Sent(Ciphertext { job_id: JobId([1; 32]), bytes: vec![5; 300] }.into()),
        // Packages.
        manifest(),
        manifest().biases,
        TokenizerSpec::Scored(scored.clone()),
        TokenizerSpec::HuggingFace(HuggingFaceSpec::new("{\"version\":\"1.0\"}")),
        HuggingFaceSpec::new("{}"),
        scored,
        pieces,
    ];
    cases.extend(payloads.into_iter().map(|p| case("a message of the deal", Sent(p))));
    cases
});

#[test]
fn no_shorter_and_no_longer_input_is_a_value() {
    let _alone = alone();
    for Case { name, sample, again } in CASES.iter() {
        assert_eq!(again(sample).as_ref(), Ok(sample), "{name}");
        for len in places(sample) {
            assert!(again(&sample[..len]).is_err(), "{name}: {len} of {} bytes", sample.len());
        }
        let longer = [&sample[..], &[0]].concat();
        assert!(again(&longer).is_err(), "{name}: a byte more");
    }
}

#[test]
fn a_false_length_anywhere_is_harmless() {
    let _alone = alone();
    // Whatever is read as a length there: short, medium, and the longest.
    let lengths: [&[u8]; 4] = [&[0xfc], &[0xfd, 0xff, 0xff], &[0xfe, 0xff, 0xff, 0xff, 0x7f], &[0xff; 9]];
    for Case { name, sample, again } in CASES.iter() {
        for at in places(sample) {
            for length in lengths {
                let mut bytes = sample.clone();
                bytes.splice(at..(at + length.len()).min(sample.len()), length.iter().copied());
                if let Ok(other) = again(&bytes) {
                    assert_eq!(other, bytes, "{name}: {length:?} at {at}");
                }
            }
        }
    }
}

#[test]
fn a_list_anywhere_takes_room_in_proportion_to_its_bytes() {
    let _alone = alone();
    for count in [250u16, 1024, 9000] {
        // As many bytes as entries: enough for the length to be believed, for all but the smallest entries too few.
        let list = [&[0xfd][..], &count.to_le_bytes(), &vec![0; count as usize]].concat();
        for Case { name, sample, again } in CASES.iter() {
            for at in places(sample) {
                let bytes = [&sample[..at], &list].concat();
                if let Ok(other) = again(&bytes) {
                    assert_eq!(other, bytes, "{name}: {count} at {at}");
                }
            }
        }
    }
}

#[test]
fn a_changed_input_is_an_error_or_another_value() {
    let _alone = alone();
    let change = (any::<prop::sample::Index>(), any::<u8>(), 0u8..8);
    let changes = prop::collection::vec(change, 1..4);
    proptest!(ProptestConfig::with_cases(4096), |(case: prop::sample::Index, changes in changes)| {
        let Case { name, sample, again } = case.get(&CASES);
        let mut bytes = sample.clone();
        for (at, value, how) in changes {
            let place = at.index(bytes.len() + 1);
            match how {
                0 => bytes.insert(place, value),
                1 if place < bytes.len() => drop(bytes.remove(place)),
                2 if place < bytes.len() => bytes[place] ^= 1 << (value & 7),
                _ if place < bytes.len() => bytes[place] = value,
                _ => {}
            }
        }
        if let Ok(other) = again(&bytes) {
            prop_assert_eq!(other, bytes, "{}", name);
        }
    });
}

#[test]
fn random_bytes_are_an_error_or_a_value() {
    let _alone = alone();
    let bytes = prop::collection::vec(any::<u8>(), 0..600);
    proptest!(ProptestConfig::with_cases(4096), |(case: prop::sample::Index, bytes in bytes)| {
        let Case { name, again, .. } = case.get(&CASES);
        if let Ok(other) = again(&bytes) {
            prop_assert_eq!(other, bytes, "{}", name);
        }
    });
}
