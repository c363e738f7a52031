//! Headers: checked alone, and taken into a chain as a node that follows another does.

use super::stopwatch::Stopwatch;
use super::{ChainPlan, dev, failed, median, schedule};
use crate::bench::BenchError;
use crate::store::RedbStore;
use camelid_core::block::{Header, PowMidstate};
use camelid_core::chain::{Chain, MemoryStore, Store, check_header};
use camelid_core::hash::Hash32;
use camelid_core::message::MAX_HEADERS_PER_RESPONSE;
use camelid_core::units::{Network, Timestamp};
use serde::Serialize;
use std::hint::black_box;

/// Headers a second on one core.
#[derive(Clone, Debug, Serialize)]
pub struct HeaderReport {
    /// Headers of the chain.
    pub headers: u32,
    /// Version, target and proof of work alone.
    pub checks_per_second: f64,
    /// The same, difficulty, times and work, into memory, 2,000 at once as they come from a peer.
    pub accepted_in_memory_per_second: f64,
    /// The same into the store on disk, one durable commit for 2,000.
    pub accepted_on_disk_per_second: f64,
}

pub(super) fn measure(plan: &ChainPlan, progress: &dyn Fn(&str)) -> Result<HeaderReport, BenchError> {
    progress("making headers");
    let headers = make(plan.headers.max(1))?;
    let (mut checks, mut memory, mut disk) = (vec![], vec![], vec![]);
    for round in 1..=plan.rounds {
        progress(&format!("checking headers, round {round} of {}", plan.rounds));
        let watch = Stopwatch::start();
        for header in &headers {
            check_header(black_box(header), dev()).map_err(failed)?;
        }
        checks.push(headers.len() as f64 / watch.seconds());
        memory.push(accept(Chain::open(MemoryStore::new(), dev()).map_err(failed)?, &headers)?);
        let dir = tempfile::tempdir().map_err(failed)?;
        let store = RedbStore::open(dir.path(), Network::Dev).map_err(failed)?;
        disk.push(accept(Chain::open(store, dev()).map_err(failed)?, &headers)?);
    }
    Ok(HeaderReport {
        headers: plan.headers,
        checks_per_second: median(checks),
        accepted_in_memory_per_second: median(memory),
        accepted_on_disk_per_second: median(disk),
    })
}

/// Headers of blocks that nobody has: a header's checks need no body.
fn make(count: u32) -> Result<Vec<Header>, BenchError> {
    let mut chain = Chain::open(MemoryStore::new(), dev()).map_err(failed)?;
    let (mut made, time) = (Vec::new(), schedule(count));
    let (mut previous, mut bits) = (chain.tip_hash(), chain.next_work_required());
    for height in 1..=count {
        let merkle_root = Hash32::ZERO;
        let mut header = Header { version: Header::VERSION, previous, merkle_root, time: time(height), bits, nonce: 0 };
        let target = bits.target().map_err(failed)?;
        let nonce = PowMidstate::new(&header).try_nonces(0..=u32::MAX, &target);
        header.nonce = nonce.ok_or_else(|| failed("no nonce solves a header"))?;
        previous = header.hash();
        chain.accept_headers(&[header], time(height)).map_err(failed)?;
        let entry = chain.header(&previous).map_err(failed)?.ok_or_else(|| failed("a header is gone"))?;
        bits = camelid_core::chain::next_work_required(&entry, dev());
        made.push(header);
    }
    Ok(made)
}

/// Takes them as they come; gives the number a second.
fn accept<S: Store>(mut chain: Chain<S>, headers: &[Header]) -> Result<f64, BenchError> {
    let watch = Stopwatch::start();
    for some in headers.chunks(MAX_HEADERS_PER_RESPONSE) {
        let new = chain.accept_headers(some, Timestamp(u32::MAX)).map_err(failed)?;
        if new != some.len() {
            return Err(failed(format!("{new} of {} headers were taken", some.len())));
        }
    }
    Ok(headers.len() as f64 / watch.seconds())
}
