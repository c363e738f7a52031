//! Nodes find each other, keep what they know, and reach whom they do not know: real processes on loopback.

use anyhow::{Context, Result, bail, ensure};
use camelid_core::encode::{Decode, Encode};
use camelid_core::hash::JobId;
use camelid_core::job::PeerAddress;
use camelid_core::message::{
    CiphertextRequest, Envelope, KnownPeer, MAX_HOPS, NetAddress, Payload, PeerRecord, PeersRequest, PeersResponse,
    Request, Response, Services, SignedPeerRecord, peer_address,
};
use camelid_core::units::{Network, Timestamp};
use camelid_node::api::types::{BookView, PeerView, Status};
use camelid_node::network::{Keypair, PeerId};
use camelid_tests::NodeProcess;
use camelid_tests::peer::{Answers, TestPeer, honest, new_chain};
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const PATIENCE: Duration = Duration::from_secs(120);
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
const LISTEN: [&str; 2] = ["--listen", "127.0.0.1:0"];

async fn until(what: &str, nodes: &[&NodeProcess], mut check: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
    let begun = Instant::now();
    while !check().await? {
        if begun.elapsed() > PATIENCE {
            let logs: Vec<_> = nodes.iter().map(|n| format!("--- {}\n{}", n.name, n.log())).collect();
            bail!("{what}: not in time\n{}", logs.join("\n"));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

async fn peers(node: &NodeProcess) -> Result<Vec<String>> {
    Ok(node.get::<Vec<PeerView>>("/v1/peers").await?.into_iter().map(|p| p.peer).collect())
}

async fn id(node: &NodeProcess) -> Result<String> {
    Ok(node.get::<Status>("/v1/status").await?.peer_id)
}

async fn book(node: &NodeProcess) -> Result<BookView> {
    node.get("/v1/peers/book").await
}

fn now() -> Timestamp {
    Timestamp(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs() as u32))
}

async fn start(node: &mut NodeProcess) -> Result<()> {
    node.spawn()?;
    node.ready().await.map(|_| ())
}

/// A configuration for the next start of a node.
fn configure(node: &NodeProcess, text: &str) -> Result<()> {
    std::fs::create_dir_all(node.dir())?;
    Ok(std::fs::write(node.dir().join("camelid.toml"), text)?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_nodes_find_each_other_from_one_seed_and_again_without_it() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut seed = NodeProcess::new("seed", dir.path(), &LISTEN);
    start(&mut seed).await?;
    let seeds = format!("seeds = ['{}']\n", seed.address().await?);
    let mut one = NodeProcess::new("one", dir.path(), &LISTEN);
    let mut two = NodeProcess::new("two", dir.path(), &LISTEN);
    for node in [&mut one, &mut two] {
        configure(node, &seeds)?;
        start(node).await?;
        node.keep_address().await?;
    }
    let (first, second) = (id(&one).await?, id(&two).await?);
    for (node, other) in [(&one, &second), (&two, &first)] {
        until("each knows all", &[&seed, &one, &two], async || {
            let peers = peers(node).await?;
            Ok(peers.len() == 2 && peers.contains(other))
        })
        .await?;
    }
    ensure!(peers(&seed).await?.len() == 2);
    let shown = two.command(&["node", "peers"])?;
    ensure!(shown.contains("blocks,light,relay") && shown.contains("address book: 2 peers"), "{shown}");

    // The seed is gone, and nobody names it any more.
    seed.stop().await?;
    for node in [&mut one, &mut two] {
        node.stop().await?;
        configure(node, "")?;
    }
    for node in [&mut one, &mut two] {
        start(node).await?;
    }
    until("they meet again", &[&one, &two], async || Ok(peers(&one).await?.contains(&second))).await?;
    ensure!(id(&one).await? == first);
    one.stop().await?;
    two.stop().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ban_outlives_a_power_cut() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut node = NodeProcess::new("node", dir.path(), &LISTEN);
    start(&mut node).await?;
    node.keep_address().await?;
    let mut other = NodeProcess::new("other", dir.path(), &LISTEN);
    other.add_args(&["--peer", &node.address().await?]);
    start(&mut other).await?;
    let banned = id(&other).await?;
    until("they are connected", &[&node, &other], async || Ok(peers(&node).await?.contains(&banned))).await?;
    node.command(&["node", "ban", &banned, "--hours", "5"])?;
    until("it is dropped", &[&node, &other], async || Ok(peers(&node).await?.is_empty())).await?;
    let file = node.dir().join("peers.bans");
    until("the ban is on the disk", &[&node], async || Ok(file.exists())).await?;
    node.kill();
    let turned_away = |log: String| log.matches("connection refused: banned").count();
    let before = turned_away(node.log());
    start(&mut node).await?;
    let bans = node.command(&["node", "bans"])?;
    ensure!(bans.contains(&banned) && bans.contains("by the user"), "{bans}");
    until("it tries, and is turned away", &[&node, &other], async || Ok(turned_away(node.log()) > before)).await?;
    ensure!(peers(&node).await?.is_empty());
    node.command(&["node", "unban", &banned])?;
    until("it is let in again", &[&node, &other], async || Ok(peers(&node).await?.contains(&banned))).await?;
    let wrong = node.output(&["node", "unban", &banned])?;
    ensure!(String::from_utf8_lossy(&wrong.stderr).contains("is not banned"), "{wrong:?}");
    let wrong = node.output(&["node", "ban", "127.0.0.1"])?;
    ensure!(String::from_utf8_lossy(&wrong.stderr).contains("of another machine"), "{wrong:?}");
    other.stop().await?;
    node.stop().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_knows_whether_others_can_dial_it() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut hub = NodeProcess::new("hub", dir.path(), &LISTEN);
    start(&mut hub).await?;
    let address = hub.address().await?;
    let node = |name: &str, listen: &str| {
        let args = ["--listen", listen, "--peer", &address, "--outbound", "0"];
        NodeProcess::new(name, dir.path(), &args)
    };
    let mut open = node("open", "127.0.0.1:0");
    // It can be dialled at an address at which the hub does not see it.
    let mut closed = node("closed", "127.0.0.2:0");
    let mut deaf = node("deaf", "none");
    for node in [&mut open, &mut closed, &mut deaf] {
        start(node).await?;
    }
    for (node, expected, said) in [
        (&open, "yes", "others can reach you at"),
        (&closed, "no", "nobody can reach you: open TCP port"),
        (&deaf, "does not listen", "the node listens nowhere"),
    ] {
        until(
            expected,
            &[&hub, node],
            async || Ok(node.get::<Status>("/v1/status").await?.reach.reachable == expected),
        )
        .await?;
        let shown = node.command(&["node", "status"])?;
        ensure!(shown.contains(said), "{shown}");
        ensure!(expected == "does not listen" || node.log().contains(said), "{}", node.log());
    }
    let reach = open.get::<Status>("/v1/status").await?.reach;
    let listens = open.get::<Status>("/v1/status").await?.listen;
    ensure!(reach.addresses.len() == 1 && listens[0].starts_with(&reach.addresses[0].address), "{reach:?} {listens:?}");
    ensure!((reach.addresses[0].reached, reach.addresses[0].transport.as_str()) == (1, "TCP"), "{reach:?}");
    for mut node in [open, closed, deaf, hub] {
        node.stop().await?;
    }
    Ok(())
}

/// A record of a peer that nobody has ever seen, on a port of this machine.
fn made_up(number: usize) -> Result<SignedPeerRecord> {
    let key = Keypair::generate_ed25519();
    let ip = Ipv4Addr::new(127, 66, (number >> 8) as u8, number as u8);
    let body = PeerRecord {
        peer: peer_address(&key.public().try_into_ed25519()?.to_bytes()),
        addresses: vec![NetAddress::tcp(ip.into(), 9)],
        services: Services(u32::MAX),
        time: now(),
    };
    let signature = key.sign(&body.signing_bytes(Network::Dev).0)?;
    Ok(body.with_signature(signature.try_into().ok().context("a signature")?))
}

/// Answers questions for peers with so many that are made up, others each time; counts the questions.
fn flood(count: usize, asked: Arc<AtomicUsize>) -> Box<Answers> {
    Box::new(move |chain, request| match request {
        Request::Peers(_) => {
            let start = asked.fetch_add(1, Ordering::Relaxed) * count;
            let known = |n| Some(KnownPeer { record: made_up(start + n).ok()?, last_seen: now() });
            let known = (0..count).filter_map(known).collect();
            Some(Response::Peers(Box::new(PeersResponse { own: None, known })).to_bytes())
        }
        other => honest(chain, other),
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_addresses_is_charged_and_the_book_stays_small() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let asked: [Arc<AtomicUsize>; 2] = Default::default();
    let liar = TestPeer::listen(new_chain()?, flood(250, asked[0].clone())).await?;
    let mut node = NodeProcess::new("node", dir.path(), &LISTEN);
    node.add_args(&["--peer", &liar.listens_on()?]);
    start(&mut node).await?;
    // As many as an answer may have, three times over: from one machine, so they share sixteen buckets of sixteen.
    until("it was asked three times", &[&node], async || Ok(asked[0].load(Ordering::Relaxed) >= 3)).await?;
    let size = book(&node).await?;
    ensure!(size.heard > 0 && size.heard <= 256, "{} of 750 made-up peers are in the book", size.heard);
    ensure!(size.met <= 1, "{} are said to be met", size.met);
    ensure!(peers(&node).await?.contains(&liar.id().to_string()), "so far it kept the rules");

    // More than an answer may have.
    let greedy = TestPeer::listen(new_chain()?, flood(251, asked[1].clone())).await?;
    let mut other = NodeProcess::new("other", dir.path(), &LISTEN);
    other.add_args(&["--peer", &greedy.listens_on()?]);
    start(&mut other).await?;
    let is_banned = async |node: &NodeProcess, peer: &TestPeer, why: &str| {
        let (bans, id) = (book(node).await?.bans, peer.id().to_string());
        Ok::<_, anyhow::Error>(bans.iter().any(|b| b.who == id && b.reason.contains(why)))
    };
    until("it is banned", &[&other], async || is_banned(&other, &greedy, "peers has length 251").await).await?;
    ensure!(book(&other).await?.heard == 0);

    // And one that asks without end, to be in everybody's book.
    let eager = TestPeer::connect(&node.address().await?, new_chain()?, Box::new(honest)).await?;
    let target: PeerId = id(&node).await?.parse()?;
    let begun = Instant::now();
    while !is_banned(&node, &eager, "asks for peers too often").await? {
        ensure!(begun.elapsed() < PATIENCE, "it is not banned: {}", node.log());
        let request = Request::Peers(Box::new(PeersRequest { own: None })).to_bytes();
        let _ = eager.network.request(target, request, ANSWER_WITHIN).await;
    }
    let memory = node.memory_bytes()?;
    ensure!(memory < 1 << 30, "the node holds {memory} bytes");
    other.stop().await?;
    node.stop().await
}

/// A client's answers: it takes what is addressed to it, and passes nothing on. It learns its own address later.
fn client(own: Arc<OnceLock<PeerAddress>>, inbox: Arc<Mutex<Vec<Envelope>>>) -> Box<Answers> {
    Box::new(move |chain, request| match request {
        Request::Forward(envelope) if envelope.receiver.as_ref() == own.get() => {
            inbox.lock().unwrap_or_else(PoisonError::into_inner).push(*envelope);
            Some(Response::Forwarded.to_bytes())
        }
        other => honest(chain, other),
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_behind_a_full_node_gets_its_messages_and_strangers_are_told_of() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let fixed = ["--listen", "127.0.0.1:0", "--outbound", "0"];
    // Three full nodes in a circle; the sender at one, the client at another.
    let mut nodes: Vec<_> =
        ["a", "b", "c"].into_iter().map(|name| NodeProcess::new(name, dir.path(), &fixed)).collect();
    let mut addresses: Vec<String> = Vec::new();
    for node in &mut nodes {
        addresses.iter().for_each(|address| node.add_args(&["--peer", address]));
        start(node).await?;
        addresses.push(node.address().await?);
    }
    for node in &nodes {
        until("a circle", &[node], async || Ok(peers(node).await?.len() >= 2)).await?;
    }
    let inbox: Arc<Mutex<Vec<Envelope>>> = Arc::default();
    let sender = TestPeer::connect(&addresses[0], new_chain()?, Box::new(honest)).await?;
    let own: Arc<OnceLock<PeerAddress>> = Arc::default();
    let light = TestPeer::connect(&addresses[2], new_chain()?, client(own.clone(), inbox.clone())).await?;
    let _ = own.set(light.address()?);
    let (first, light_id) = (id(&nodes[0]).await?.parse()?, light.id().to_string());
    until("the client is connected", &[&nodes[2]], async || Ok(peers(&nodes[2]).await?.contains(&light_id))).await?;
    ensure!(light.network.listen_addresses().is_empty());

    let payload = Payload::from(CiphertextRequest { job_id: JobId([7; 32]) });
    let sent = async |envelope: &Envelope| {
        let request = Request::Forward(Box::new(envelope.clone())).to_bytes();
        let begun = Instant::now();
        loop {
            match sender.network.request(first, request.clone(), ANSWER_WITHIN).await {
                Ok(bytes) => return Ok(Response::from_bytes(&bytes)?),
                Err(error) if begun.elapsed() > PATIENCE => return Err(anyhow::Error::from(error)),
                // Not connected yet.
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    };
    let message = sender.envelope_to(Some(light.address()?), &payload)?;
    ensure!(sent(&message).await? == Response::Forwarded);
    let got = inbox.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let hops: Vec<u8> = got.iter().map(|e| e.hops).collect();
    ensure!(hops == [2] || hops == [3], "over one node between or two, once: {hops:?}");
    ensure!(got[0].id() == message.id() && got[0].open(Network::Dev)? == payload);

    // One that has come far goes to a neighbour of the last node, and no further.
    let mut tired = sender.envelope_to(Some(light.address()?), &payload)?;
    tired.hops = MAX_HOPS - 1;
    ensure!(sent(&tired).await? == Response::NoRoute(tired.id()));

    // Nobody knows this one: the sender is told, although every node has others to ask.
    let nobody = peer_address(&Keypair::generate_ed25519().public().try_into_ed25519()?.to_bytes());
    let lost = sender.envelope_to(Some(nobody), &payload)?;
    ensure!(sent(&lost).await? == Response::NoRoute(lost.id()));
    ensure!(
        inbox.lock().unwrap_or_else(PoisonError::into_inner).iter().filter(|e| e.id() == message.id()).count() == 1
    );

    // A sender of more than anybody needs is held back.
    let begun = Instant::now();
    loop {
        let message = sender.envelope_to(Some(light.address()?), &payload)?;
        let request = Request::Forward(Box::new(message)).to_bytes();
        if sender.network.request(first, request, ANSWER_WITHIN).await.is_ok_and(|b| b == Response::Busy.to_bytes()) {
            break;
        }
        ensure!(begun.elapsed() < PATIENCE, "it is never held back");
    }
    for node in &mut nodes {
        node.stop().await?;
    }
    Ok(())
}
