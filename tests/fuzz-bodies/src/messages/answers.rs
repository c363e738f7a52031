//! What a node answers, as `native-node/src/node/messages.rs` does, and what must hold of it.

use super::lab::Lab;
use super::light;
use crate::Choices;
use camelid_core::encode::{Decode, Encode};
use camelid_core::filter::FilterEntry;
use camelid_core::hash::{BlockHash, FilterHeader, Hash32, Txid};
use camelid_core::message::{
    ChainStatus, FilterRange, HeaderRange, LightRequest, LightResponse, MAX_HEADERS_PER_RESPONSE, Request, Response,
};
use camelid_core::units::Height;

/// "A request at most 2 MiB, a response at most 8 MiB."
const RESPONSE_MAX: usize = 8 << 20;

/// A question about something that is here, or nearly.
pub(super) fn choose(lab: &Lab, choices: &mut Choices<'_>) -> Request {
    let tip = lab.chain.height().0;
    let height = |choices: &mut Choices<'_>| match choices.below(4) {
        0 => Height(choices.word()),
        _ => Height(choices.below(tip as usize + 3) as u32),
    };
    let block = |height| lab.chain.hash_at(height).ok().flatten().unwrap_or(BlockHash([7; 32]));
    let (start, stop) = (height(choices), block(height(choices)));
    let range = FilterRange { start, stop };
    Request::Light(match choices.below(9) {
        0 => LightRequest::Headers(HeaderRange { start, count: choices.word() }),
        1 => LightRequest::Filters(range),
        2 => LightRequest::FilterHeaders(range),
        3 => LightRequest::Checkpoints(range),
        4 => {
            let txs = lab.chain.block(&stop).ok().flatten().map(|b| b.transactions).unwrap_or_default();
            LightRequest::Proof(txs.get(choices.below(txs.len().max(1))).map_or(Txid([1; 32]), |tx| tx.txid()))
        }
        5 => LightRequest::CoinbaseProof(stop),
        6 => return Request::Headers(vec![block(start), stop]),
        7 => return Request::Blocks(vec![stop, block(start)]),
        _ => {
            let genesis = block(Height(0));
            return Request::Status(ChainStatus { genesis, tip: stop, height: start, time: lab.now });
        }
    })
}

/// Answers, and looks at the answer.
pub(super) fn answered(lab: &Lab, request: &Request) {
    let failed = "memory does not fail";
    let response = match request {
        Request::Status(_) => Response::Status(ChainStatus {
            genesis: lab.chain.hash_at(Height(0)).expect(failed).expect("the genesis block is here"),
            tip: lab.chain.tip_hash(),
            height: lab.chain.height(),
            time: lab.now,
        }),
        Request::Headers(locator) => {
            Response::Headers(lab.chain.headers_after(locator, MAX_HEADERS_PER_RESPONSE).expect(failed))
        }
        Request::Blocks(hashes) => {
            Response::Blocks(hashes.iter().filter_map(|hash| lab.chain.block(hash).expect(failed)).collect())
        }
        Request::Pools => Response::Pools(Vec::new()),
        Request::Forward(envelope) => Response::NoRoute(envelope.id()),
        Request::Light(request) => Response::Light(light::answer(&lab.chain, request).expect(failed)),
        // Kinds that are newer than this: their decoding is looked at in `decoders`.
        #[allow(unreachable_patterns)]
        _ => return,
    };
    let bytes = response.to_bytes();
    assert!(bytes.len() <= RESPONSE_MAX, "{} bytes", bytes.len());
    assert_eq!(Response::from_bytes(&bytes).as_ref(), Ok(&response), "who asked cannot read it");
    if let (Request::Light(request), Response::Light(response)) = (request, &response) {
        light_answer(lab, request, response);
    }
}

/// What a light client checks, and what only we know.
fn light_answer(lab: &Lab, request: &LightRequest, response: &LightResponse) {
    let entry = |height: u32| lab.chain.filter_entry_at(Height(height)).ok().flatten();
    // "`stop` is on the best chain, at `start` or above."
    let last = |range: &FilterRange| {
        let height = lab.chain.header(&range.stop).ok().flatten()?.height;
        let best = lab.chain.hash_at(height).ok().flatten() == Some(range.stop);
        (best && range.start <= height).then_some(height.0)
    };
    match (request, response) {
        (LightRequest::Headers(range), LightResponse::Headers(headers)) => {
            let there = (lab.chain.height().0 + 1).saturating_sub(range.start.0);
            assert_eq!(headers.len(), there.min(range.count).min(MAX_HEADERS_PER_RESPONSE as u32) as usize);
            for (header, height) in headers.iter().zip(range.start.0..) {
                assert_eq!(lab.chain.hash_at(Height(height)), Ok(Some(header.hash())));
            }
        }
        (LightRequest::Filters(range), LightResponse::Filters(filters)) => {
            let last = last(range).expect("there is an answer");
            assert_eq!(filters.len() as u32, last - range.start.0 + 1, "no chain here is so long that it is cut");
            let mut before = entry(range.start.0.wrapping_sub(1)).map_or(FilterHeader::ZERO, |e| e.header);
            for (filter, height) in filters.iter().zip(range.start.0..) {
                let own = FilterEntry::new(filter, &before);
                assert_eq!(Some(own), entry(height));
                before = own.header;
            }
        }
        (LightRequest::FilterHeaders(range), LightResponse::FilterHeaders(all)) => {
            let last = last(range).expect("there is an answer");
            let expected: Vec<_> = (range.start.0..=last).filter_map(|h| entry(h).map(|e| e.header)).collect();
            assert_eq!(all.headers(), expected);
        }
        (LightRequest::Checkpoints(range), LightResponse::Checkpoints(headers)) => {
            let last = last(range).expect("there is an answer");
            let points = (range.start.0..=last).filter(|h| h % 1000 == 0);
            let expected: Vec<_> = points.filter_map(|h| entry(h).map(|e| e.header)).collect();
            assert_eq!(*headers, expected);
        }
        (LightRequest::Proof(txid), LightResponse::Proof(proof)) => {
            assert_eq!((proof.verify(), proof.transaction.txid()), (Ok(()), *txid));
            assert_eq!(lab.chain.hash_at(proof.height), Ok(Some(proof.header.hash())));
        }
        (LightRequest::CoinbaseProof(block), LightResponse::Proof(proof)) => {
            assert_eq!((proof.verify(), proof.header.hash()), (Ok(()), *block));
            assert!(proof.transaction.is_coinbase());
            let mut other = proof.clone();
            other.height = other.height.next();
            assert!(other.verify().is_err());
            other = proof.clone();
            other.header.merkle_root = Hash32::ZERO;
            assert!(other.verify().is_err());
        }
        (LightRequest::Proof(txid), LightResponse::NotFound) => {
            assert_eq!(lab.chain.transaction(txid), Ok(None));
        }
        (LightRequest::CoinbaseProof(hash), LightResponse::NotFound) => {
            assert_eq!(last(&FilterRange { start: Height(0), stop: *hash }), None);
        }
        (
            LightRequest::Filters(range) | LightRequest::FilterHeaders(range) | LightRequest::Checkpoints(range),
            LightResponse::NotFound,
        ) => assert_eq!(last(range), None),
        (request, response) => panic!("{request:?} is answered by {response:?}"),
    }
}
