//! WebRTC alone: one data channel a connection, and nothing that piles up.

use super::*;
use std::time::Instant;
use tokio::runtime::Handle;

/// Tasks that run in this test's runtime.
fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

/// Sends requests one after another over one connection; their times.
async fn ask_one_by_one(handle: &NetworkHandle, id: PeerId, count: u32) -> Vec<Duration> {
    let mut times = Vec::new();
    for i in 0..count {
        let begun = Instant::now();
        let answer = handle.request(id, i.to_le_bytes().to_vec(), PATIENCE).await.unwrap();
        times.push(begun.elapsed());
        assert!(answer == pattern(i, 1000), "request {i}");
    }
    times
}

fn mean_ms(times: &[Duration]) -> f64 {
    times.iter().sum::<Duration>().as_secs_f64() * 1000.0 / times.len() as f64
}

/// `CAMELID_SOAK=1` (`make soak`) makes it long, and measures the process.
#[tokio::test]
async fn soak_requests_over_one_connection_pile_nothing_up() {
    let soak = std::env::var_os("CAMELID_SOAK").is_some();
    let (a, b) = pair(TransportKind::WebRtc).await;
    let a = serve(a, |question| pattern(u32::from_le_bytes(question.try_into().unwrap()), 1000));
    let id = a.local_peer_id();
    // What is opened once is open: gossip's streams, pings.
    ask_one_by_one(&b.handle, id, 100).await;
    let (first, before, memory) = (ask_one_by_one(&b.handle, id, 200).await, tasks(), memory());
    let middle = if soak { 30_000 } else { 1_500 };
    ask_one_by_one(&b.handle, id, middle).await;
    let last = ask_one_by_one(&b.handle, id, 200).await;
    let (after, more) = (tasks(), self::memory().saturating_sub(memory));
    println!(
        "{} requests: {:.2} ms each of the first 200, {:.2} ms of the last 200; tasks {before}, then {after}; {} kB more",
        middle + 500,
        mean_ms(&first),
        mean_ms(&last),
        more / 1024,
    );
    for handle in [&a, &b.handle] {
        assert_eq!(handle.counters().data_channels, 1);
    }
    assert!(after <= before + 4, "{before} tasks after 300 requests, {after} after {}", middle + 500);
    // Other tests share the process; alone it is this test's memory.
    assert!(!soak || more < 32 << 20, "{more} bytes more");
}

/// The memory that this process holds, in bytes.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0");
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or_default() * 1024
}

#[tokio::test]
async fn the_certificate_that_an_address_names_is_required() {
    let a = listener(TransportKind::WebRtc).await;
    let other = listener(TransportKind::WebRtc).await;
    let hash = |node: &Node| {
        let address = node.handle.listen_addresses().remove(0).to_string();
        address.split("/certhash/").nth(1).unwrap().to_string()
    };
    assert_ne!(hash(&a), hash(&other));
    let address = a.handle.listen_addresses().remove(0).to_string();
    let wrong = parse_address(&address.replace(&hash(&a), &hash(&other))).unwrap();
    let dial = tokio::time::timeout(PATIENCE, other.handle.dial(wrong)).await.expect("the attempt ends");
    let failed = dial.unwrap_err();
    assert!(failed.reason.contains("certificate"), "{failed}");
    assert_eq!(other.handle.dial(parse_address(&address).unwrap()).await.unwrap(), a.id());
}

#[tokio::test]
async fn who_only_dials_takes_no_connections() {
    let (a, b) = pair(TransportKind::WebRtc).await;
    let from = a.handle.peers().remove(0).address;
    assert!(b.handle.listen_addresses().is_empty());
    // The port that B dialled from, and B's own certificate.
    let c = node_with(&[], |config| config.listen = Vec::new()).await;
    let certificate = webrtc_certificate_hash(&b);
    let address = parse_address(&format!("{from}/certhash/{certificate}")).unwrap();
    assert!(c.handle.dial(address).await.is_err());
    assert_eq!(b.handle.peers().len(), 1);
}

/// The hash of a node's certificate, as its address would show it.
fn webrtc_certificate_hash(node: &Node) -> String {
    let file = node._dir.as_ref().unwrap().path().join("webrtc.pem");
    super::super::webrtc::certificate_hash(&super::super::webrtc::load_or_create(&file).unwrap())
}

#[tokio::test]
async fn soak_connections_leave_nothing_behind() {
    let a = listener(TransportKind::WebRtc).await;
    let address = a.handle.full_addresses().remove(0);
    let b = dialer(&a, &address).await;
    let both = async |count: usize| {
        let all = [&a, &b].map(|node| node.handle.clone());
        super::super::tests::until("peers", || all.iter().all(|node| node.peers().len() == count)).await;
    };
    both(1).await;
    let (before, rooms_before) = (tasks(), rooms());
    let soak = std::env::var_os("CAMELID_SOAK").is_some();
    for _ in 0..if soak { 200 } else { 20 } {
        let c = dialer(&a, &address).await;
        super::super::tests::until("connected", || a.handle.peers().len() == 2 && c.handle.peers().len() == 1).await;
        c.handle.shutdown().await;
        both(1).await;
    }
    super::super::tests::until("the tasks of closed connections end", || tasks() <= before + 4).await;
    // Other tests have connections in the same process, unless this one is alone.
    super::super::tests::until("their rooms end", || !soak || rooms() <= rooms_before).await;
}

/// Threads of this process that run WebRTC connections.
fn rooms() -> usize {
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let names = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("comm")).ok());
    names.filter(|name| name.trim() == "webrtc").count()
}
