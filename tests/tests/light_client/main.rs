//! A client that holds headers alone finds its own coin on a real node, fetches a model, pays, and has a prompt answered, and
//! believes nothing that is not proved.

mod client;
mod services;

use anyhow::{Result, bail, ensure};
use camelid_core::keys::{Address, SecretKey};
use camelid_core::message::{FilterRange, LightRequest, LightResponse};
use camelid_core::script::templates;
use camelid_core::units::{Amount, COIN, Height, Network};
use camelid_node::api::types::{SendRequest, SendResponse, WalletBalance};
use camelid_tests::NodeProcess;
use client::{Light, PATIENCE, coins};
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_with_headers_alone_finds_its_coin() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut node =
        NodeProcess::new("node", dir.path(), &["--listen", "127.0.0.1:0", "--mine", "--mining-threads", "1"]);
    node.make_wallet()?;
    node.spawn()?;
    node.ready().await?;
    let begun = Instant::now();
    while node.get::<WalletBalance>("/v1/wallet/balance").await?.confirmed_units < 10 * COIN {
        ensure!(begun.elapsed() < PATIENCE, "no mined coin");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // The client's own key, which the node knows nothing about.
    let key = SecretKey::from_bytes([77; 32])?;
    let address = Address::new(Network::Dev, &key.public_key()).to_string();
    let request = SendRequest { address, amount_units: 3 * COIN, fee_rate_units: None };
    let sent: SendResponse = node.post("/v1/wallet/send", &request).await?;

    // It answers nobody.
    let mut client = Light::connect(&node, Box::new(|_, _| None)).await?;
    let scripts = [templates::p2pkh(key.public_key().hash())];
    let begun = Instant::now();
    let blocks = loop {
        client.follow().await?;
        let blocks = client.matching_blocks(&scripts).await?;
        if !blocks.is_empty() {
            break blocks;
        }
        ensure!(begun.elapsed() < PATIENCE, "the coin was not found: {}", node.log());
        tokio::time::sleep(Duration::from_millis(500)).await;
    };
    ensure!(blocks.len() == 1, "{} blocks were fetched for one coin", blocks.len());
    let found = coins(&blocks, &scripts);
    ensure!(found.len() == 1 && found[0].1 == Amount(3 * COIN), "{found:?}");
    ensure!(found[0].0.txid.to_string() == sent.txid);

    // The same by a proof, for who knows the transaction.
    let LightResponse::Proof(proof) = client.ask_light(LightRequest::Proof(found[0].0.txid)).await? else {
        bail!("no proof")
    };
    proof.verify()?;
    ensure!(client.headers.get(proof.height.0 as usize) == Some(&proof.header));
    ensure!(proof.transaction.outputs[found[0].0.index as usize].script_pubkey == scripts[0]);
    // Strangers' scripts find nothing, and the checkpoints are those of a chain that has none yet.
    ensure!(client.matching_blocks(&[templates::p2pkh(Default::default())]).await?.is_empty());
    let range = FilterRange { start: Height(1), stop: client.tip() };
    ensure!(client.ask_light(LightRequest::Checkpoints(range)).await? == LightResponse::Checkpoints(Vec::new()));
    node.stop().await
}
