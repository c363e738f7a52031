//! `make demo`: a development network on this machine with the page in front, until Ctrl-C.

use anyhow::{Context, Result, bail, ensure};
use camelid_core::units::Amount;
use camelid_node::api::types::{PageView, Status, WalletBalance};
use camelid_node::run::asked_to_stop;
use camelid_tests::PageNetwork;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

const USAGE: &str = "expected at most --cheat and a model's path: make demo MODEL=path CHEAT=1";

#[tokio::main]
async fn main() -> ExitCode {
    match demo().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("camelid demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn demo() -> Result<()> {
    let (flags, models): (Vec<_>, Vec<_>) = std::env::args_os().skip(1).partition(|arg| arg == "--cheat");
    ensure!(models.len() <= 1, USAGE);
    let cheat = !flags.is_empty();
    let model = models.first().map(PathBuf::from);
    if let Some(path) = &model {
        ensure!(path.exists(), "no model at {}: make demo MODEL=path", path.display());
    }
    let begun = Instant::now();
    let say = |what: &str| println!("[{:>4.1} s] {what}", begun.elapsed().as_secs_f32());

    let cheats: &[Option<&str>] = if cheat { &[None, Some("alter-token")] } else { &[None] };
    let third = if cheat { ", and another that cheats" } else { "" };
    say(&format!("processes start: a node that mines and serves the page, a compute node with the model{third}"));
    let mut network = tokio::select! {
        network = PageNetwork::start(model.as_deref(), cheats) => network?,
        () = asked_to_stop() => return Ok(()),
    };
    let ready = async {
        say("they are connected; the first blocks are mined");
        network.fund().await?;
        say("the compute node has coins to stake, and offers its service");
        network.offered().await?;
        announce(&network, cheat).await
    };
    let stopped = tokio::select! {
        ready = ready => ready.map(|()| false)?,
        () = asked_to_stop() => true,
    };
    if !stopped {
        tokio::select! {
            ended = watch(&mut network) => return Err(ended),
            () = asked_to_stop() => {}
        }
    }
    println!();
    say("stopping");
    network.stop().await?;
    say("all processes stopped; nothing of this network is left on this machine");
    Ok(())
}

/// Says where the page is and what to do there, once it is served.
async fn announce(network: &PageNetwork, cheat: bool) -> Result<()> {
    let page = network.front.page()?;
    // No proxy: a variable for the web must not lead away from this machine.
    let answer = reqwest::Client::builder().no_proxy().build()?.get(&page).send().await?;
    if !answer.status().is_success() {
        bail!("{page} is no page: {}", answer.text().await?.trim());
    }
    let view: PageView = network.front.get("/page.json").await.context("page.json")?;
    ensure!(!view.seeds.is_empty() && view.faucet, "the page could dial nobody, or has no faucet: {view:?}");
    let status: Status = network.front.get("/v1/status").await?;
    let balance: WalletBalance = network.front.get("/v1/wallet/balance").await?;
    println!("\n  Open {page} in a browser on this machine.\n");
    println!(
        "  The page makes a wallet; Receive gives it coins of this network (the faucet holds {});",
        Amount(balance.confirmed_units)
    );
    println!(
        "  then write a prompt for {}. Block {} is mined, one comes every two seconds.",
        network.model, status.height
    );
    if cheat {
        println!("  Of two compute nodes one alters a token of each answer: the page shows which, and what is right.");
    }
    println!("  Ctrl-C ends the demo, its chain and all that it is worth.\n");
    Ok(())
}

/// Runs as long as all processes do.
async fn watch(network: &mut PageNetwork) -> anyhow::Error {
    loop {
        if let Some(node) = network.ended() {
            let log = node.log();
            let lines: Vec<_> = log.lines().collect();
            let last = lines[lines.len().saturating_sub(20)..].join("\n");
            return anyhow::anyhow!("{} ended by itself; the end of its log:\n{last}", node.name);
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
