//! Answers for light clients: headers by height, filters with what commits to them, Merkle proofs.
//!
//! Each answer is bounded, whatever is asked; requests count towards a peer's rate like all others.

use camelid_core::chain::{Chain, ChainError, Store, TransactionProof};
use camelid_core::filter::Filter;
use camelid_core::hash::FilterHeader;
use camelid_core::message::{
    CHECKPOINT_INTERVAL, FilterHeaders, FilterRange, LightRequest, LightResponse, MAX_CHECKPOINTS_PER_RESPONSE,
    MAX_FILTER_BYTES_PER_RESPONSE, MAX_FILTER_HEADERS_PER_RESPONSE, MAX_FILTERS_PER_RESPONSE, MAX_HEADERS_PER_RESPONSE,
};
use camelid_core::units::Height;

type ResultOf<T, S> = Result<T, ChainError<<S as Store>::Error>>;

/// What a node with this chain answers. An error is the store's.
pub fn answer<S: Store>(chain: &Chain<S>, request: &LightRequest) -> ResultOf<LightResponse, S> {
    Ok(match request {
        LightRequest::Headers(range) => {
            let limit = MAX_HEADERS_PER_RESPONSE.min(range.count as usize);
            LightResponse::Headers(chain.headers_from(range.start, limit)?)
        }
        LightRequest::Filters(range) => or_not_found(filters(chain, range)?, LightResponse::Filters),
        LightRequest::FilterHeaders(range) => or_not_found(hashes(chain, range)?, LightResponse::FilterHeaders),
        LightRequest::Checkpoints(range) => or_not_found(checkpoints(chain, range)?, LightResponse::Checkpoints),
        LightRequest::Proof(txid) => or_not_found(chain.transaction_proof(txid)?, proof),
        LightRequest::CoinbaseProof(block) => or_not_found(chain.coinbase_proof(block)?, proof),
    })
}

fn or_not_found<T>(found: Option<T>, response: impl FnOnce(T) -> LightResponse) -> LightResponse {
    found.map_or(LightResponse::NotFound, response)
}

fn proof(proof: TransactionProof) -> LightResponse {
    LightResponse::Proof(Box::new(proof))
}

fn filters<S: Store>(chain: &Chain<S>, range: &FilterRange) -> ResultOf<Option<Vec<Filter>>, S> {
    let Some(heights) = chain.range_to(range.start, &range.stop)? else { return Ok(None) };
    let (mut filters, mut size) = (Vec::new(), 0);
    for height in heights.take(MAX_FILTERS_PER_RESPONSE) {
        let Some(filter) = chain.filter_at(Height(height))? else { break };
        size += filter.as_bytes().len();
        if size > MAX_FILTER_BYTES_PER_RESPONSE && !filters.is_empty() {
            break;
        }
        filters.push(filter);
    }
    Ok(Some(filters))
}

fn hashes<S: Store>(chain: &Chain<S>, range: &FilterRange) -> ResultOf<Option<FilterHeaders>, S> {
    let Some(heights) = chain.range_to(range.start, &range.stop)? else { return Ok(None) };
    let Some(previous) = chain.filter_header_before(range.start)? else { return Ok(None) };
    let mut hashes = Vec::new();
    for height in heights.take(MAX_FILTER_HEADERS_PER_RESPONSE) {
        let Some(entry) = chain.filter_entry_at(Height(height))? else { break };
        hashes.push(entry.hash);
    }
    Ok(Some(FilterHeaders { previous, hashes }))
}

fn checkpoints<S: Store>(chain: &Chain<S>, range: &FilterRange) -> ResultOf<Option<Vec<FilterHeader>>, S> {
    let Some(heights) = chain.range_to(range.start, &range.stop)? else { return Ok(None) };
    let first = heights.start().checked_next_multiple_of(CHECKPOINT_INTERVAL).unwrap_or(u32::MAX);
    let mut headers = Vec::new();
    let points = (first..=*heights.end()).step_by(CHECKPOINT_INTERVAL as usize);
    for height in points.take(MAX_CHECKPOINTS_PER_RESPONSE) {
        let Some(entry) = chain.filter_entry_at(Height(height))? else { break };
        headers.push(entry.header);
    }
    Ok(Some(headers))
}

#[cfg(test)]
#[path = "light_tests.rs"]
mod tests;
