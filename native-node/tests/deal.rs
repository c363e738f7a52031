//! A whole deal between three nodes in one process: real sockets, real proof of work, real files, a real (random)
//! model.

use camelid_core::keys::{Address, Mnemonic};
use camelid_core::model::import::{RandomShape, random_model};
use camelid_core::units::{Amount, Network};
use camelid_node::api::NodeApi;
use camelid_node::api::types::{JobSubmit, JobView, Verify};
use camelid_node::network::{Limits, Multiaddr};
use camelid_node::node::{Misbehaviour, NodeConfig, NodeHandle, start};
use std::path::Path;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(120);

fn config(dir: &Path, seed: u8, peers: Vec<Multiaddr>, models: &Path) -> NodeConfig {
    NodeConfig {
        data_dir: dir.join(format!("node{seed}")),
        network: Network::Dev,
        listen: vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()],
        peers,
        mine: seed == 1,
        mine_threads: 1,
        compute: seed == 2,
        models: if seed == 1 { vec![] } else { vec![models.to_path_buf()] },
        price: Amount(100_000),
        exposure_limit: Amount::from_coins(10),
        mine_to: None,
        mnemonic: Some(Mnemonic::from_entropy(&[seed; 16]).unwrap()),
        misbehave: Misbehaviour::None,
        limits: Limits::default(),
    }
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
    let package = dir.path().join("random.camelid");
    std::fs::write(&package, random_model(7, &RandomShape::llama()).unwrap()).unwrap();

    let (miner, _) = start(config(dir.path(), 1, vec![], &package)).await.unwrap();
    let hub = miner.network().listen_addresses();
    let (node, _) = start(config(dir.path(), 2, hub.clone(), &package)).await.unwrap();
    let (client, _) = start(config(dir.path(), 3, hub, &package)).await.unwrap();

    until("the first coins", async || {
        let balance = miner.balance().await.unwrap();
        (balance.confirmed_units >= 20_000_000_000).then_some(())
    })
    .await;
    fund(&miner, &node, 20).await;
    fund(&miner, &client, 30).await;
    until("the client's coins", async || (client.balance().await.unwrap().confirmed_units > 0).then_some(())).await;
    let model = client.models().await.unwrap()[0].name.clone();
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
        misbehave: None,
    };
    let view = until("an offer of service", async || client.submit(job.clone()).await.ok()).await;
    let view = ended(&client, &view.id).await;
    assert_eq!(view.status, "closed", "{view:#?}");
    let verification = view.verification.clone().unwrap();
    assert!(verification.holds, "{verification:?}");
    let theirs = node.job(view.id.clone()).await.unwrap();
    assert_eq!(theirs.answer_tokens, view.answer_tokens);
    assert_eq!(theirs.change_units, 100_000_000);
    assert_eq!(view.change_units, -100_000_000 - view.fees_units as i64);
    println!("{view:#?}");
    for n in [miner, node, client] {
        n.stop();
    }
}
