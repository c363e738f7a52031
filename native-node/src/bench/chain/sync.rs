//! One node takes a long chain from another: two processes of this program on this machine, over loopback.

use super::stopwatch::process_seconds;
use super::{dev, failed, key, next_block, schedule, spend};
use crate::api::types::{Done, Status};
use crate::bench::BenchError;
use crate::cli::ApiClient;
use crate::data_dir::DataDir;
use crate::parallel::on_all_cores;
use crate::store::{FILE_NAME, RedbStore};
use camelid_core::chain::Chain;
use camelid_core::message::MAX_HEADERS_PER_RESPONSE;
use camelid_core::script::templates;
use camelid_core::units::{Network, Timestamp};
use serde::Serialize;
use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// A node may take so long to start or to stop.
const PATIENCE: Duration = Duration::from_secs(120);
/// A node that takes no block for so long is stuck.
const STUCK: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(100);
/// What a node says when a full part of the headers came.
const HEADERS_ARRIVE: &str = "headers arrive";
/// Blocks that are made between two waits for the disk.
const BUNDLE: u32 = 1_000;

/// What following cost.
#[derive(Clone, Debug, Serialize)]
pub struct SyncReport {
    /// Blocks of the chain, each but the first with one spend beside its coinbase.
    pub blocks: u32,
    /// Seconds from the start of the second node's process to its last block.
    pub seconds: f64,
    /// Blocks a second.
    pub blocks_per_second: f64,
    /// Headers a second while headers came; none for a chain of few.
    pub headers_per_second: Option<f64>,
    /// Seconds of processors' time that the node took.
    pub processor_seconds: Option<f64>,
    /// The most memory that it held, in bytes.
    pub peak_memory_bytes: Option<u64>,
    /// Its chain's file, in bytes.
    pub disk_bytes: u64,
    /// What the blocks themselves take in their encoding, in bytes.
    pub chain_bytes: u64,
}

/// A process of ours; it does not outlive us.
struct Running {
    child: Child,
    dir: DataDir,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(super) async fn measure(blocks: u32, progress: &(dyn Fn(&str) + Sync)) -> Result<SyncReport, BenchError> {
    let dir = tempfile::tempdir().map_err(failed)?;
    let (first, second) = (DataDir::at(dir.path().join("first")), DataDir::at(dir.path().join("second")));
    let chain_bytes = make(&first, blocks, progress)?;
    progress("starting the first node");
    let mut giver = start(&first, None)?;
    let address =
        ready(&mut giver).await?.listen.first().cloned().ok_or_else(|| failed("the first node listens nowhere"))?;
    let begun = Instant::now();
    let mut taker = start(&second, Some(&address))?;
    let lines = lines(&mut taker)?;
    ready(&mut taker).await?;
    let (mut height, mut moved) = (0, Instant::now());
    while height < blocks {
        tokio::time::sleep(POLL).await;
        let now = status(&taker).await.map_err(failed)?.height;
        if now > height {
            (height, moved) = (now, Instant::now());
        } else if moved.elapsed() > STUCK {
            return Err(failed(format!("the second node stays at block {height} of {blocks}")));
        }
        progress(&format!("syncing: block {height} of {blocks}"));
    }
    let seconds = begun.elapsed().as_secs_f64();
    let process = taker.child.id().to_string();
    let (processor_seconds, peak_memory_bytes) = (process_seconds(&process), peak_memory(&process));
    stop(taker).await?;
    stop(giver).await?;
    let disk_bytes = std::fs::metadata(second.path().join(FILE_NAME)).map_err(failed)?.len();
    let arrivals: Vec<Instant> = lines.try_iter().collect();
    Ok(SyncReport {
        blocks,
        seconds,
        blocks_per_second: f64::from(blocks) / seconds,
        headers_per_second: headers_per_second(&arrivals),
        processor_seconds,
        peak_memory_bytes,
        disk_bytes,
        chain_bytes,
    })
}

/// A chain on schedule in a node's folder; gives the bytes of its blocks. Each block spends the newest ripe coinbase.
fn make(dir: &DataDir, blocks: u32, progress: &dyn Fn(&str)) -> Result<u64, BenchError> {
    dir.prepare(Network::Dev).map_err(failed)?;
    let store = RedbStore::open(dir.path(), Network::Dev).map_err(failed)?;
    let mut chain = Chain::open(store, dev()).map_err(failed)?.with_script_runner(on_all_cores);
    let (owner, time) = (key(1)?, schedule(blocks));
    let payee = templates::p2pkh(owner.public_key().hash());
    let (mut coins, mut bytes) = (VecDeque::new(), 0);
    for height in 1..=blocks {
        if height % BUNDLE == 1 {
            progress(&format!("making a chain: block {height} of {blocks}"));
            chain.store().end_bundle().map_err(failed)?;
            chain.store().begin_bundle();
        }
        let ripe = (coins.len() as u32 >= dev().coinbase_maturity).then(|| coins.pop_front()).flatten();
        let spends = ripe.map(|(outpoint, output)| spend(outpoint, &output, &owner, 1, &payee)).transpose()?;
        let block = next_block(&chain, &payee, spends.into_iter().collect(), time(height))?;
        if let Some(coinbase) = block.transactions.first() {
            coins.extend(coinbase.outputs.first().map(|output| (coinbase.outpoint(0), output.clone())));
        }
        bytes += block.size() as u64;
        chain.accept_block(block, Timestamp(u32::MAX)).map_err(failed)?;
    }
    chain.store().end_bundle().map_err(failed)?;
    Ok(bytes)
}

/// This program as a node.
fn start(dir: &DataDir, peer: Option<&str>) -> Result<Running, BenchError> {
    let mut command = Command::new(std::env::current_exe().map_err(failed)?);
    command.args(["--network", "dev", "--api", "127.0.0.1:0", "--data-dir"]).arg(dir.path());
    command.args(["node", "run", "--listen", "127.0.0.1:0"]);
    command.args(peer.iter().flat_map(|peer| ["--peer", peer]));
    // One line a part of the headers, and none a block.
    command.env("RUST_LOG", "error,camelid_node::node::sync=info").stdin(Stdio::null()).stdout(Stdio::null());
    command.stderr(if peer.is_some() { Stdio::piped() } else { Stdio::null() });
    let child = command.spawn().map_err(failed)?;
    Ok(Running { child, dir: dir.clone() })
}

/// When the lines about headers came.
fn lines(node: &mut Running) -> Result<Receiver<Instant>, BenchError> {
    let stderr = node.child.stderr.take().ok_or_else(|| failed("the second node says nothing"))?;
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        let lines = BufReader::new(stderr).lines().map_while(Result::ok);
        for _ in lines.filter(|line| line.contains(HEADERS_ARRIVE)) {
            let _ = sender.send(Instant::now());
        }
    });
    Ok(lines)
}

/// Headers a second, by the times when full parts came.
fn headers_per_second(arrivals: &[Instant]) -> Option<f64> {
    let (first, last) = (arrivals.first()?, arrivals.last()?);
    let seconds = last.duration_since(*first).as_secs_f64();
    let headers = (arrivals.len() - 1) * MAX_HEADERS_PER_RESPONSE;
    (headers > 0 && seconds > 0.0).then(|| headers as f64 / seconds)
}

fn client(node: &Running) -> Result<ApiClient, BenchError> {
    ApiClient::new(&node.dir, Network::Dev, None).map_err(failed)
}

async fn status(node: &Running) -> Result<Status, BenchError> {
    client(node)?.get("/v1/status").await.map_err(failed)
}

/// Waits until the node answers.
async fn ready(node: &mut Running) -> Result<Status, BenchError> {
    let begun = Instant::now();
    loop {
        if let Ok(status) = status(node).await {
            return Ok(status);
        }
        if let Ok(Some(status)) = node.child.try_wait() {
            return Err(failed(format!("a node ended with {status}")));
        }
        if begun.elapsed() > PATIENCE {
            return Err(failed("a node does not answer"));
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Has the node write what it holds, and end.
async fn stop(mut node: Running) -> Result<(), BenchError> {
    client(&node)?.post::<_, Done>("/v1/stop", &()).await.map_err(failed)?;
    let begun = Instant::now();
    while node.child.try_wait().map_err(failed)?.is_none() {
        if begun.elapsed() > PATIENCE {
            return Err(failed("a node does not stop"));
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}

/// The most memory that a process held, in bytes; Linux alone tells.
fn peak_memory(process: &str) -> Option<u64> {
    let text = std::fs::read_to_string(Path::new("/proc").join(process).join("status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_counted_between_the_first_and_the_last_part() {
        let begun = Instant::now();
        let at = |ms| begun + Duration::from_millis(ms);
        assert_eq!(headers_per_second(&[at(0), at(100), at(250)]), Some(16_000.0));
        assert_eq!((headers_per_second(&[]), headers_per_second(&[at(5)])), (None, None));
        if cfg!(target_os = "linux") {
            assert!(peak_memory("self").is_some_and(|bytes| bytes > 1 << 20));
        }
    }
}
