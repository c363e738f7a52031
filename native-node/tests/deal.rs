//! A whole deal between three nodes in one process: real sockets, real proof of work, real files, a real (random)
//! model.

use camelid_core::keys::{Address, Mnemonic};
use camelid_core::model::import::{RandomShape, random_model};
use camelid_core::units::{Amount, Network};
use camelid_node::api::NodeApi;
use camelid_node::api::types::{JobSubmit, JobView, Verify};
use camelid_node::config::{NodeConfig, Overrides};
use camelid_node::network::Multiaddr;
use camelid_node::node::{NodeHandle, start};
use std::path::Path;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(120);

fn config(dir: &Path, seed: u8, peers: Vec<Multiaddr>) -> NodeConfig {
    let root = dir.join(format!("node{seed}"));
    let line = Overrides {
        network: Some(Network::Dev),
        data_dir: Some(root.clone()),
        listen: vec!["127.0.0.1:0".into()],
        peers: peers.iter().map(ToString::to_string).collect(),
        mine: seed == 1,
        mining_threads: Some(1),
        compute: if seed == 2 { vec!["random".into()] } else { vec![] },
        ..Overrides::default()
    };
    let config = NodeConfig::load(line).unwrap();
    config.data_dir.prepare(config.network).unwrap();
    if seed != 1 {
        std::fs::create_dir_all(config.data_dir.models()).unwrap();
        let package = random_model(7, &RandomShape::llama()).unwrap();
        std::fs::write(config.data_dir.models().join("random.camelid"), package).unwrap();
    }
    config
}

async fn node(dir: &Path, seed: u8, peers: Vec<Multiaddr>) -> NodeHandle {
    let words = Mnemonic::from_entropy(&[seed; 16]).unwrap();
    start(config(dir, seed, peers), Some(&words)).await.unwrap().0
}

async fn until<T>(what: &str, mut check: impl AsyncFnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = check().await {
            return value;
        }
        assert!(start.elapsed() < PATIENCE, "{what} took too long");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn fund(from: &NodeHandle, to: &NodeHandle, coins: u64) {
    let address = to.address().await.unwrap().address;
    let address = Address::parse(&address, Network::Dev).unwrap();
    let send = from.call(move |n| n.pay(address, Amount::from_coins(coins), None)).await.unwrap();
    send.unwrap();
}

async fn ended(client: &NodeHandle, id: &str) -> JobView {
    until("the job", async || client.job(id.into()).await.ok().filter(|j| j.over)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prompt_is_paid_answered_and_checked() {
    let dir = tempfile::tempdir().unwrap();
    let miner = node(dir.path(), 1, vec![]).await;
    let hub = miner.network().listen_addresses();
    let computer = node(dir.path(), 2, hub.clone()).await;
    let client = node(dir.path(), 3, hub).await;

    until("the first coins", async || {
        let balance = miner.balance().await.unwrap();
        (balance.confirmed_units >= 20_000_000_000).then_some(())
    })
    .await;
    fund(&miner, &computer, 20).await;
    fund(&miner, &client, 30).await;
    until("the client's coins", async || (client.balance().await.unwrap().confirmed_units > 0).then_some(())).await;
    let models = client.models().await.unwrap();
    let model = models.iter().find(|m| m.file.is_some()).unwrap().name.clone();
    let job = JobSubmit {
        model,
        prompt: "hello".into(),
        max_tokens: 12,
        seed: Some(5),
        temperature: 0,
        top_k: 0,
        top_p: 1_000_000,
        reward_units: 100_000_000,
        stake_units: None,
        verify: Verify::Full,
        cheat: None,
        prune: None,
    };
    let view = until("an offer of service", async || client.submit(job.clone()).await.ok()).await;
    let view = ended(&client, &view.id).await;
    assert_eq!(view.status, "closed", "{view:#?}");
    let verification = view.verification.clone().unwrap();
    assert!(verification.holds, "{verification:?}");
    let theirs = computer.job(view.id.clone()).await.unwrap();
    assert_eq!(theirs.answer_tokens, view.answer_tokens);
    assert_eq!(theirs.change_units, 100_000_000);
    assert_eq!(view.change_units, -100_000_000 - view.fees_units as i64);
    for n in [miner, computer, client] {
        n.stop();
    }
}
