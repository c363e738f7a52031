//! A process is killed in the middle of a job and started again: the job ends, the chain is intact, no coin is lost.

use anyhow::{Context, Result, ensure};
use camelid_core::units::COIN;
use camelid_node::api::types::{AddressView, BlockView, HistoryEntry, SendRequest, SendResponse, Status};
use camelid_tests::audit::{blocks, check_books, check_moves, moves};
use camelid_tests::{Cluster, Role, job, random_package};

/// Kills one process right after each of `moments` of a job of its own, and starts it again.
async fn kill_in_mid_job(role: Role, moments: &[&str]) -> Result<()> {
    let package = random_package(7)?;
    let mut cluster = Cluster::start(Some(&package)).await?;
    cluster.fund(moments.len(), 10).await?;
    cluster.node(role).keep_address().await?;
    let genesis: BlockView = cluster.client.get("/v1/chain/block/0").await?;

    let mut jobs = Vec::new();
    for moment in moments {
        let asked = job(&cluster.model, &format!("killed when {moment}"), 16, COIN);
        let id = cluster.submit(&asked).await?.id;
        cluster.reached(&id, moment).await?;
        let before: Status = cluster.node(role).get("/v1/status").await?;
        let after = cluster.node(role).restart().await?;
        ensure!(after.height >= before.height, "it was at {}, and begins again at {}", before.height, after.height);
        jobs.push(id);
    }
    let mut settled = Vec::new();
    for id in &jobs {
        let view = cluster.over(id).await?;
        ensure!(view.status == "closed" && view.verification.as_ref().is_some_and(|v| v.holds), "{view:#?}");
        let both_over = async || cluster.job(Role::Compute, id).await.ok().filter(|j| j.over);
        let theirs = cluster.until("the node's side over", both_over).await?;
        ensure!(
            theirs.change_units == view.reward_units as i64,
            "the node's wallet changed by {}",
            theirs.change_units
        );
        ensure!(view.change_units == -((view.reward_units + view.fees_units) as i64), "{}", view.change_units);
        settled.extend(view.settlement);
    }
    check_books(&cluster).await?;
    for node in [&cluster.miner, &cluster.compute, &cluster.client] {
        let chain = blocks(node).await?;
        ensure!(chain.first().is_some_and(|b| b.previous == genesis.hash), "{} begins elsewhere", node.name);
        for id in &jobs {
            let moves = moves(&chain, id);
            let kinds = check_moves(&moves)?;
            ensure!(kinds == ["settle", "close"] || kinds == ["settle", "reveal", "finalize"], "{kinds:?}");
            ensure!(settled.contains(&moves[0].tx.txid), "another settlement than the client's");
        }
    }
    let tip = cluster.miner.get::<Status>("/v1/status").await?.height;
    cluster
        .until("the chain grows", async || {
            cluster.client.get::<Status>("/v1/status").await.ok().filter(|s| s.height > tip + 1)
        })
        .await?;
    cluster.stop().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_client_is_killed() -> Result<()> {
    kill_in_mid_job(Role::Client, &["created", "accepted", "paid", "delivered"]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_compute_node_is_killed() -> Result<()> {
    kill_in_mid_job(Role::Compute, &["accepted", "completed", "paid", "delivered"]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_miner_is_killed() -> Result<()> {
    kill_in_mid_job(Role::Miner, &["created", "paid", "verified"]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_outlives_its_sender_and_a_stop_is_no_loss() -> Result<()> {
    let package = random_package(7)?;
    let mut cluster = Cluster::start(Some(&package)).await?;
    cluster.fund(1, 10).await?;
    cluster.miner.keep_address().await?;
    let before = cluster.balances().await?[2];
    // Two payments, the second from the first one's change; the sender dies as soon as it has said yes.
    let to: AddressView = cluster.compute.get("/v1/wallet/address").await?;
    let request = SendRequest { address: to.address, amount_units: COIN, fee_rate_units: None };
    let first: SendResponse = cluster.client.post("/v1/wallet/send", &request).await?;
    let second: SendResponse = cluster.client.post("/v1/wallet/send", &request).await?;
    let between = cluster.balances().await?[2];
    cluster.client.restart().await?;
    let spent = 2 * COIN + first.fee_units + second.fee_units;
    ensure!(between == before - spent, "{between} before the kill, {before} before the payments of {spent}");
    for paid in [&first, &second] {
        let mined = async || {
            let history: Vec<HistoryEntry> = cluster.compute.get("/v1/wallet/history").await.ok()?;
            history.into_iter().find(|h| h.txid == paid.txid && h.height.is_some())
        };
        let entry = cluster.until("the payment in a block", mined).await?;
        ensure!(entry.change_units == COIN as i64, "{entry:?}");
    }
    check_books(&cluster).await?;
    ensure!(cluster.balances().await?[2] == before - spent, "the payments are spent once");

    for role in [Role::Client, Role::Miner] {
        let node = cluster.node(role);
        let before: Status = node.get("/v1/status").await?;
        node.stop().await?;
        node.spawn()?;
        let after = node.ready().await?;
        ensure!(after.height >= before.height && after.peer_id == before.peer_id, "{before:?} {after:?}");
        let block: BlockView = node.get(&format!("/v1/chain/block/{}", before.tip)).await?;
        ensure!(block.confirmations > 0, "the tip of before the stop left the chain");
    }
    let height = cluster.miner.get::<Status>("/v1/status").await?.height;
    let grows = async || {
        let status: Status = cluster.client.get("/v1/status").await.ok()?;
        (status.height > height + 1).then_some(status)
    };
    let status = cluster.until("the chain grows", grows).await?;
    ensure!(status.peers > 0, "{status:?}");
    cluster.miner.log().lines().find(|l| l.contains("stopped")).context("the stop is not in the log")?;
    cluster.stop().await
}
