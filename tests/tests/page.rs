//! What a node does for the page, by a real process: it says where to dial it, its faucet pays, and a cheat behind it
//! is found out.

use anyhow::{Context, Result, ensure};
use camelid_core::encode::{Decode, Encode};
use camelid_core::hash::KeyHash;
use camelid_core::keys::Address;
use camelid_core::message::{ClientRequest, ClientResponse, Request, Response};
use camelid_core::units::{COIN, Network};
use camelid_node::api::types::{
    AddressView, ErrorBody, FaucetPaid, FaucetRequest, JobView, PageView, TransactionView, WalletBalance,
};
use camelid_node::network::{PeerId, TransportKind};
use camelid_tests::peer::{TestPeer, honest, new_chain};
use camelid_tests::together::{submit, until};
use camelid_tests::{NodeProcess, PageNetwork, job, run_command};
use std::time::Duration;

/// Asks the faucet as the page does: without a token.
async fn faucet(http: &reqwest::Client, page: &str, address: &str) -> Result<reqwest::Response> {
    let request = FaucetRequest { address: address.into() };
    Ok(http.post(format!("{page}faucet")).json(&request).send().await?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_finds_its_node_gets_coins_and_finds_a_cheat_out() -> Result<()> {
    let network = PageNetwork::start(None, &[Some("alter-token")]).await?;
    network.fund().await?;
    network.offered().await?;
    let (front, page) = (&network.front, network.front.page()?);
    let http = reqwest::Client::builder().no_proxy().build()?;

    let view: PageView = http.get(format!("{page}page.json")).send().await?.json().await?;
    ensure!(view.network == "dev" && view.faucet && view.seeds.len() == 2, "{view:?}");
    for (seed, kind) in view.seeds.iter().zip([TransportKind::WebRtc, TransportKind::WebSocket]) {
        ensure!(TransportKind::of(&seed.parse()?) == Some(kind), "{:?}", view.seeds);
        dial(seed, kind, front).await?;
    }

    let hub = front.address_over(TransportKind::Tcp).await?;
    let mut client = NodeProcess::new("client", network.dir(), &["--listen", "127.0.0.1:0", "--peer", &hub]);
    client.make_wallet()?;
    client.spawn()?;
    client.ready().await?;
    let AddressView { address } = client.get("/v1/wallet/address").await?;
    let paid: FaucetPaid = faucet(&http, &page, &address).await?.error_for_status()?.json().await?;
    ensure!(paid.amount_units == 20 * COIN, "{paid:?}");
    let again = faucet(&http, &page, &address).await?;
    let status = again.status();
    let error = again.json::<ErrorBody>().await?.error;
    ensure!(status == 429 && error.contains("less than a minute ago"), "{status}: {error}");
    let elsewhere = Address { network: Network::Test, hash: KeyHash([1; 20]) }.to_string();
    let refused = faucet(&http, &page, &elsewhere).await?;
    ensure!(refused.status() == 400 && refused.json::<ErrorBody>().await?.error.contains("network test"));

    let nodes = [front, &network.computes[0], &client];
    let mined = until("the faucet's payment in a block", &nodes, async || {
        let tx: TransactionView = front.get(&format!("/v1/chain/tx/{}", paid.txid)).await.ok()?;
        tx.block.is_some().then_some(tx)
    })
    .await?;
    let coin = mined.outputs.iter().find(|output| output.address.as_ref() == Some(&address));
    ensure!(coin.is_some_and(|coin| coin.value_units == paid.amount_units), "{mined:?}");
    until("the coins", &nodes, async || {
        let balance: WalletBalance = client.get("/v1/wallet/balance").await.ok()?;
        (balance.confirmed_units == paid.amount_units).then_some(())
    })
    .await?;

    let asked = job(&network.model, "Once upon a time, there was a little dog", 24, COIN);
    let id = submit(&client, &asked).await?.id;
    let view = until("the cheat found out", &nodes, async || {
        let view: JobView = client.get(&format!("/v1/jobs/{id}")).await.ok()?;
        view.verification.is_some().then_some(view)
    })
    .await?;
    let check = view.verification.as_ref().context("no verification")?;
    let wrong = check.wrong.first().context("the altered token was not found")?;
    ensure!(!check.holds && wrong.found == wrong.expected ^ 1, "{check:?}");
    ensure!(view.timeline.iter().any(|entry| entry.status == "rejected"), "{view:?}");

    client.stop().await?;
    network.stop().await
}

/// Dials a seed of `page.json`, and has a question answered over it.
async fn dial(seed: &str, kind: TransportKind, front: &NodeProcess) -> Result<()> {
    let peer = TestPeer::connect(seed, new_chain()?, Box::new(honest)).await?;
    let id: PeerId = seed.rsplit('/').next().context("no peer id")?.parse()?;
    let question = Request::Client(ClientRequest::FeeRates).to_bytes();
    let answer = until(&format!("an answer over {seed}"), &[front], async || {
        peer.network.request(id, question.clone(), Duration::from_secs(10)).await.ok()
    })
    .await?;
    ensure!(matches!(Response::from_bytes(&answer)?, Response::Client(ClientResponse::FeeRates(_))));
    let over: Vec<_> = peer.network.peers().iter().map(|peer| TransportKind::of(&peer.address)).collect();
    ensure!(over == [Some(kind)], "{over:?}");
    Ok(())
}

#[tokio::test]
async fn a_faucet_needs_network_dev_and_a_wallet() -> Result<()> {
    let dir = tempfile::tempdir()?;
    for (network, part) in [("dev", "--faucet needs a wallet"), ("test", "coins for nothing are for network dev")] {
        let folder = dir.path().join(network).display().to_string();
        let common = ["--network", network, "--data-dir", &folder, "--api", "127.0.0.1:0", "node", "run"];
        let output = run_command(common.iter().chain(&["--listen", "none", "--faucet"]))?;
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.code() == Some(1) && error.contains(part), "{error}");
    }
    Ok(())
}
