//! What several nodes do together: coins for all of them, a job that somebody takes, waiting.

use crate::NodeProcess;
use anyhow::{Result, bail, ensure};
use camelid_core::units::COIN;
use camelid_node::api::types::{AddressView, JobSubmit, JobView, SendRequest, SendResponse, WalletBalance};
use std::time::{Duration, Instant};

/// Asks again and again until there is an answer; gives up after two minutes, with all logs.
pub async fn until<T>(what: &str, nodes: &[&NodeProcess], mut check: impl AsyncFnMut() -> Option<T>) -> Result<T> {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(120) {
        if let Some(value) = check().await {
            return Ok(value);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let tail = |node: &&NodeProcess| {
        let log = node.log();
        let lines: Vec<_> = log.lines().filter(|line| !line.contains("new tip")).collect();
        format!("--- {}\n{}\n", node.name, lines[lines.len().saturating_sub(60)..].join("\n"))
    };
    bail!("{what}: not within two minutes\n{}", nodes.iter().map(tail).collect::<String>())
}

/// Mines until the miner has coins, and pays them out: `parts` coins of `coins` each to everybody.
pub async fn fund(miner: &NodeProcess, payees: &[&NodeProcess], parts: usize, coins: u64) -> Result<()> {
    let needed = (payees.len() * parts) as u64 * (coins + 1) * COIN;
    let confirmed = async |node: &NodeProcess| {
        let balance: WalletBalance = node.get("/v1/wallet/balance").await.ok()?;
        Some(balance.confirmed_units)
    };
    let nodes: Vec<_> = [miner].iter().chain(payees).copied().collect();
    until("the first mined coins", &nodes, async || confirmed(miner).await.filter(|units| *units >= needed)).await?;
    for node in payees {
        let to: AddressView = node.get("/v1/wallet/address").await?;
        for _ in 0..parts {
            let request = SendRequest { address: to.address.clone(), amount_units: coins * COIN, fee_rate_units: None };
            let _: SendResponse = miner.post("/v1/wallet/send", &request).await?;
        }
    }
    let paid = parts as u64 * coins * COIN;
    for node in payees {
        until("coins for everybody", &nodes, async || confirmed(node).await.filter(|units| *units >= paid)).await?;
    }
    Ok(())
}

/// Offers a job; waits for an offer of service if need be.
pub async fn submit(client: &NodeProcess, job: &JobSubmit) -> Result<JobView> {
    let begun = Instant::now();
    loop {
        match client.post::<_, JobView>("/v1/jobs", job).await {
            Ok(view) => return Ok(view),
            Err(error) if begun.elapsed() > Duration::from_secs(60) => return Err(error),
            Err(error) if error.to_string().contains("nobody serves") => {}
            Err(error) if error.to_string().contains("no peers") => {}
            Err(error) => return Err(error),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Ends all of them as their users would, the last one first.
pub async fn stop<'a>(nodes: impl DoubleEndedIterator<Item = &'a mut NodeProcess>) -> Result<()> {
    for node in nodes.rev() {
        node.stop().await?;
        ensure!(!node.log().contains("panicked"), "{} panicked: {}", node.name, node.log());
    }
    Ok(())
}
