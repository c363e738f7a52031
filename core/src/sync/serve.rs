//! What a node gives others that follow its chain.

use crate::chain::{Chain, ChainError, Store};
use crate::hash::BlockHash;
use crate::message::{MAX_HEADERS_PER_RESPONSE, Response};
use alloc::vec::Vec;

/// The most bytes of blocks in one answer, unless the first alone has more.
pub const MAX_BLOCK_BYTES_PER_RESPONSE: usize = 4_000_000;

/// The headers after the first block of the locator that is on the best chain.
pub fn headers<S: Store>(chain: &Chain<S>, locator: &[BlockHash]) -> Result<Response, ChainError<S::Error>> {
    Ok(Response::Headers(chain.headers_after(locator, MAX_HEADERS_PER_RESPONSE)?))
}

/// The blocks asked for, in their order, up to the first that is not here and to what one answer holds.
pub fn blocks<S: Store>(chain: &Chain<S>, hashes: &[BlockHash]) -> Result<Response, ChainError<S::Error>> {
    let (mut blocks, mut size) = (Vec::new(), 0);
    for hash in hashes {
        let Some(block) = chain.block(hash)? else { break };
        size += block.size();
        if size > MAX_BLOCK_BYTES_PER_RESPONSE && !blocks.is_empty() {
            break;
        }
        blocks.push(block);
    }
    Ok(Response::Blocks(blocks))
}
