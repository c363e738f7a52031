//! The rules of headers.

use super::{BlockStatus, HeaderEntry, HeaderError};
use crate::block::{AsertAnchor, CompactTarget, Header, NetworkParams, Work, asert};
use crate::units::{Height, Timestamp};
use alloc::vec::Vec;

/// The semantic rules: the version, and that the hash reaches a target that the network allows.
pub fn check_header(header: &Header, params: &NetworkParams) -> Result<(), HeaderError> {
    // "The highest three bits of a header's version are 001; the others are free."
    if header.version >> 29 != 1 {
        return Err(HeaderError::Version { found: header.version });
    }
    let target = header.bits.target()?;
    // "No target is easier than the network's limit."
    if params.pow_limit.target()? < target {
        return Err(HeaderError::OverLimit { limit: params.pow_limit, found: header.bits });
    }
    // "A block's hash, read as a little-endian number, is at most its target."
    let hash = header.hash();
    if !target.is_met_by(&hash) {
        return Err(HeaderError::ProofOfWork { hash, bits: header.bits });
    }
    Ok(())
}

/// The target that the block after `parent` must have.
pub fn next_work_required(parent: &HeaderEntry, params: &NetworkParams) -> CompactTarget {
    // "Block 1 has the network's limit as its target."
    if parent.height == Height(0) {
        return params.pow_limit;
    }
    asert(params, &AsertAnchor::block_one(params, parent.start_time), parent.height, parent.header.time)
}

/// The contextual rules of a header after `parent`, at the time `now`.
pub(crate) fn check_in_context(
    header: &Header,
    parent: &HeaderEntry,
    params: &NetworkParams,
    now: Timestamp,
) -> Result<(), HeaderError> {
    // "Each later block's target is what ASERT makes of its parent's height and time."
    let expected = next_work_required(parent, params);
    if header.bits != expected {
        return Err(HeaderError::WrongBits { expected, found: header.bits });
    }
    // "A block's time is above the median time past of its parent."
    if header.time <= parent.median_time_past {
        return Err(HeaderError::TimeTooOld { median: parent.median_time_past, found: header.time });
    }
    // "A node does not take a block yet whose time lies more than two hours (dev: two minutes) ahead of its clock."
    let limit = Timestamp(now.0.saturating_add(params.max_future_seconds));
    if header.time > limit {
        return Err(HeaderError::TimeTooNew { limit, found: header.time });
    }
    Ok(())
}

/// The entry of a header after `parent`; `times` are the times of its ancestors, the parent's first.
pub(crate) fn entry(header: Header, parent: &HeaderEntry, times: &[Timestamp], params: &NetworkParams) -> HeaderEntry {
    let height = parent.height.next();
    // The target was checked before.
    let work = header.bits.target().map_or(Work::ZERO, |t| t.work());
    HeaderEntry {
        header,
        height,
        work: parent.work.plus(work),
        median_time_past: median(header.time, times, params),
        start_time: if height == Height(1) { header.time } else { parent.start_time },
        status: BlockStatus::Header,
    }
}

/// The entry of the genesis block.
pub(crate) fn genesis_entry(header: Header) -> HeaderEntry {
    HeaderEntry {
        header,
        height: Height(0),
        work: header.bits.target().map_or(Work::ZERO, |t| t.work()),
        median_time_past: header.time,
        start_time: header.time,
        status: BlockStatus::Valid,
    }
}

/// "The median time past of a block is the median of its own time and those of the ten blocks before it; where there
/// are fewer, the upper of the two in the middle."
pub(crate) fn median(own: Timestamp, before: &[Timestamp], params: &NetworkParams) -> Timestamp {
    let mut times: Vec<Timestamp> =
        core::iter::once(own).chain(before.iter().copied()).take(params.median_time_span).collect();
    // By insertion: they are few and nearly in order.
    for end in 1..times.len() {
        for at in (1..=end).rev() {
            if times[at - 1] <= times[at] {
                break;
            }
            times.swap(at - 1, at);
        }
    }
    times.get(times.len() / 2).copied().unwrap_or(own)
}
