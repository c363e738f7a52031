//! Models, chunks, and what a light client asks beside the chain: what comes over the wire is bounded and one line.

use super::line::one_line;
use super::*;
use crate::encode::{Decode, DecodeError, Encode};
use crate::hash::{JobId, MerkleHasher, ModelRoot, Txid};
use crate::job::{JobAccept, JobStatus, ModelPrice, ServiceOffer, Signed, Testament, fixtures::*};
use crate::model::package::{CHUNK_LEN, MAX_CHUNKS_AT_ONCE, ProvedChunk};
use crate::transaction::TransactionBuilder;
use crate::units::{Amount, Height, Network, Timestamp};
use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use proptest::prelude::*;

/// The largest response of libp2p's codec, in bytes.
const RESPONSE_MAX: usize = 8 << 20;

fn listed(name: &str) -> Vec<u8> {
    let mut bytes = ModelRoot([1; 32]).to_bytes();
    crate::encode::put_bytes(name.as_bytes(), &mut bytes);
    (CHUNK_LEN as u64 + 1).encode(&mut bytes);
    Some(Amount(7)).encode(&mut bytes);
    bytes
}

fn chunk(bytes: usize, siblings: usize) -> ProvedChunk {
    let mut tree = MerkleHasher::default();
    tree.push(&[1]);
    let mut branch = tree.branch(0).unwrap();
    branch.siblings = vec![Default::default(); siblings];
    ProvedChunk { bytes: vec![9; bytes], branch }
}

fn offer() -> StakedOffer {
    let body = ServiceOffer {
        node_peer: peer("node"),
        node_key: key("node").public_key(),
        stake_coin: outpoint("node"),
        timestamp: Timestamp(5),
        models: vec![ModelPrice { model: ModelRoot([9; 32]), per_thousand_tokens: Amount(1) }; 64],
    };
    StakedOffer { offer: Signed::sign(body, &key("node"), Network::Dev), stake: Amount(8) }
}

fn report() -> JobReport {
    let job_id = JobId([4; 32]);
    let body = JobAccept {
        job_id,
        node_peer: peer("node"),
        node_key: key("node").public_key(),
        stake_coin: outpoint("node"),
        block: crate::hash::BlockHash([5; 32]),
    };
    let settlement = TransactionBuilder::new().input(outpoint("node")).job(job_id).build();
    let waits = JobTransaction { txid: Txid([6; 32]), height: None };
    JobReport {
        status: JobStatus::Paid,
        accept: Some(Signed::sign(body, &key("node"), Network::Dev)),
        testament: Some(Testament { job_id, settlement, generate_ms: 7 }),
        transactions: vec![waits, JobTransaction { height: Some(Height(8)), ..waits }],
    }
}

fn too_long(error: Result<Response, DecodeError>, limit: usize) -> bool {
    matches!(error, Err(DecodeError::TooLong { max, .. }) if max == limit as u64)
}

#[test]
fn every_list_has_its_limit_and_fits_a_response() {
    let model = |count| {
        let model = ListedModel::from_bytes(&listed("tiny")).unwrap();
        Response::Model(ModelResponse::List(vec![model; count])).to_bytes()
    };
    let chunks = |count, length, siblings| {
        Response::Model(ModelResponse::Chunks(vec![chunk(length, siblings); count])).to_bytes()
    };
    let offers = |count| Response::Client(ClientResponse::Offers(vec![offer(); count])).to_bytes();
    let transactions = |count| {
        let transactions = vec![report().transactions[1]; count];
        Response::Client(ClientResponse::Job(Box::new(JobReport { transactions, ..report() }))).to_bytes()
    };
    let (most_models, most_offers) = (MAX_MODELS_PER_RESPONSE, MAX_OFFERS_PER_RESPONSE);
    for full in [
        model(most_models),
        chunks(MAX_CHUNKS_AT_ONCE, CHUNK_LEN, 64),
        offers(most_offers),
        transactions(MAX_JOB_TRANSACTIONS),
    ] {
        assert!(full.len() < RESPONSE_MAX && Response::from_bytes(&full).is_ok(), "{} bytes", full.len());
    }
    let decoded = |bytes: Vec<u8>| Response::from_bytes(&bytes);
    assert!(too_long(decoded(model(most_models + 1)), most_models));
    assert!(too_long(decoded(chunks(MAX_CHUNKS_AT_ONCE + 1, 1, 1)), MAX_CHUNKS_AT_ONCE));
    assert!(too_long(decoded(chunks(1, CHUNK_LEN + 1, 1)), CHUNK_LEN));
    assert!(too_long(decoded(chunks(1, 1, 65)), 64));
    assert!(too_long(decoded(offers(most_offers + 1)), most_offers));
    assert!(too_long(decoded(transactions(MAX_JOB_TRANSACTIONS + 1)), MAX_JOB_TRANSACTIONS));
}

#[test]
fn what_a_stranger_writes_is_one_line() {
    let model = ListedModel::from_bytes(&listed("größer")).unwrap();
    assert_eq!((model.name(), model.length, model.chunks()), ("größer", 65_537, 2));
    for bad in ["two\nlines", "\u{1b}[31mred", "bell\u{7}", "\u{9b}31m", "nul\0"] {
        assert_eq!(ListedModel::from_bytes(&listed(bad)), Err(DecodeError::Malformed("model name")), "{bad:?}");
        let mut refused = vec![21];
        crate::encode::put_bytes(bad.as_bytes(), &mut refused);
        assert_eq!(Response::from_bytes(&refused), Err(DecodeError::Malformed("reason")), "{bad:?}");
        let cleaned = Response::Client(ClientResponse::Refused(Refusal::new(bad)));
        assert_eq!(Response::from_bytes(&cleaned.to_bytes()), Ok(cleaned));
    }
    assert!(ListedModel::from_bytes(&listed(&"x".repeat(101))).is_err());
    assert_eq!(Refusal::new("two\nlines").to_string(), "twolines");
    assert_eq!(one_line("aéé", 4), "aé", "cut between characters");
    assert_eq!(Refusal::new(&"é".repeat(400)).to_string().len(), 500);
}

#[test]
fn the_bytes_are_those_of_the_page() {
    let root = ModelRoot([3; 32]);
    let range = ChunkRange { root, first: 4, count: 5 };
    let query = OfferQuery { model: root, least_stake: Amount(6) };
    for (request, byte, length) in [
        (Request::Model(ModelRequest::List(None)), 18, 2),
        (Request::Model(ModelRequest::List(Some(root))), 18, 34),
        (Request::Model(ModelRequest::Chunks(range)), 19, 45),
        (Request::Client(ClientRequest::Job(JobId([1; 32]))), 21, 33),
        (Request::Client(ClientRequest::Offers(query)), 22, 41),
        (Request::Client(ClientRequest::FeeRates), 23, 1),
    ] {
        let bytes = request.to_bytes();
        assert_eq!((bytes[0], bytes.len()), (byte, length), "{request:?}");
        assert_eq!(Request::from_bytes(&bytes), Ok(request));
    }
    let rates = FeeRates { next_block: 1, least: 2 };
    for (response, byte) in [
        (ClientResponse::Accepted, 20),
        (ClientResponse::Refused(Refusal::new("no")), 21),
        (ClientResponse::Job(Box::new(report())), 22),
        (ClientResponse::Offers(vec![offer()]), 23),
        (ClientResponse::FeeRates(rates), 24),
    ] {
        let response = Response::Client(response);
        let bytes = response.to_bytes();
        assert_eq!(bytes[0], byte);
        assert_eq!(Response::from_bytes(&bytes), Ok(response));
    }
    for unused in [0, 24, 25, 255] {
        assert!(Request::from_bytes(&[unused]).is_err(), "{unused}");
    }
    assert!(Response::from_bytes(&[25]).is_err());
}

proptest! {
    #[test]
    fn any_text_makes_one_line_that_is_read_again(text: String, max in 0usize..64) {
        let line = one_line(&text, max);
        prop_assert!(line.len() <= max && !line.chars().any(char::is_control));
        let refused = Response::Client(ClientResponse::Refused(Refusal::new(&text)));
        prop_assert_eq!(Response::from_bytes(&refused.to_bytes()), Ok(refused));
    }

    #[test]
    fn questions_round_trip(root: [u8; 32], first: u64, count: u32, stake: u64, after: bool, cut: prop::sample::Index) {
        let root = ModelRoot(root);
        for request in [
            Request::Model(ModelRequest::List(after.then_some(root))),
            Request::Model(ModelRequest::Chunks(ChunkRange { root, first, count })),
            Request::Client(ClientRequest::Job(JobId(root.0))),
            Request::Client(ClientRequest::Offers(OfferQuery { model: root, least_stake: Amount(stake) })),
        ] {
            let bytes = request.to_bytes();
            prop_assert_eq!(Request::from_bytes(&bytes), Ok(request));
            prop_assert!(Request::from_bytes(&bytes[..cut.index(bytes.len())]).is_err());
        }
    }

    #[test]
    fn a_damaged_report_is_another_or_none(at: prop::sample::Index, byte: u8, cut: prop::sample::Index) {
        let bytes = report().to_bytes();
        prop_assert!(JobReport::from_bytes(&bytes[..cut.index(bytes.len())]).is_err());
        let mut changed = bytes.clone();
        changed[at.index(bytes.len())] = byte;
        if let Ok(other) = JobReport::from_bytes(&changed) {
            prop_assert_eq!(other.to_bytes(), changed);
        }
    }
}
