//! `make demo-cli`: a prompt, paid for, answered and checked, on a chain that three processes on this machine mine;
//! then what happens when one of them cheats or falls silent.

use anyhow::{Context, Result, ensure};
use camelid_core::units::{Amount, COIN};
use camelid_node::api::types::{JobView, signed_coins};
use camelid_tests::{Cluster, Role, job};
use std::path::PathBuf;
use std::time::Instant;

const PROMPT: &str = "Once upon a time, there was a little dog";
const MAX_TOKENS: u32 = 60;
const REWARD: u64 = COIN;

#[tokio::main]
async fn main() -> std::process::ExitCode {
    match demo().await {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("camelid demo-cli: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}

async fn demo() -> Result<()> {
    let model = std::env::args_os().nth(1).filter(|m| !m.is_empty()).map(PathBuf::from);
    if let Some(path) = &model {
        ensure!(path.exists(), "no model at {}: make demo-cli MODEL=path", path.display());
    }
    let clock = Clock(Instant::now());
    println!("A prompt is paid for, answered and checked between three processes on a chain of their own.");
    println!("Four jobs run side by side: an honest one, a cheat, a silent node, a silent client. About 35 seconds.\n");

    clock.say("three processes start: a miner, a compute node with the model, a client");
    let cluster = Cluster::start(model.as_deref()).await?;
    clock.say("they are connected; the miner mines the first blocks");
    cluster.fund(4, 10).await?;
    let status: camelid_node::api::types::Status = cluster.miner.get("/v1/status").await?;
    clock.say(&format!("block {}: compute node and client got 40 coins each from the miner", status.height));
    let before = cluster.balances().await?;
    table("before", before, None);

    // Each job is told how to go wrong when it is accepted; then the next is offered.
    let base = job(&cluster.model, PROMPT, MAX_TOKENS, REWARD);
    cluster.cheat(Some("silent-after-payment")).await?;
    let silent_node = accepted(&cluster, &base).await?;
    cluster.cheat(Some("alter-token")).await?;
    let cheat = accepted(&cluster, &base).await?;
    cluster.cheat(None).await?;
    let silent_client =
        camelid_node::api::types::JobSubmit { cheat: Some("silent-after-answer".into()), ..base.clone() };
    let silent_client = accepted(&cluster, &silent_client).await?;
    let honest = accepted(&cluster, &base).await?;

    clock.title("1. An honest job");
    let view = cluster.reached(&honest, "closed").await?;
    honest_story(&view, cluster.job(Role::Compute, &honest).await?.prompt.as_deref().unwrap_or_default())?;
    let check = view.verification.as_ref().context("the answer was not checked")?;
    ensure!(check.holds, "the honest answer does not hold");
    money(&view, &cluster.job(Role::Compute, &honest).await?);

    clock.title("2. A node that was told to cheat: one altered token");
    let view = cluster.reached(&cheat, "rejected").await?;
    tell(&view);
    let wrong = view.verification.as_ref().and_then(|v| v.wrong.first()).context("the cheat was not found")?;
    println!(
        "   token {} of the answer is {:?}, the model says {:?}: the client does not sign the close",
        wrong.position + 1,
        wrong.found_text,
        wrong.expected_text
    );
    println!("   (taking the stake for it by a challenge on chain comes with a later release)");

    clock.title("3. A client that takes the answer and falls silent: the node reveals the key on chain and is paid");
    let view = cluster.reached(&silent_client, "closed").await?;
    tell(&view);
    moves(&view);
    money(&view, &cluster.job(Role::Compute, &silent_client).await?);

    clock.title("4. A node that is paid and falls silent: the client demands the key on chain, then takes everything");
    let view = cluster.reached(&silent_node, "slashed").await?;
    tell(&view);
    moves(&view);
    money(&view, &cluster.job(Role::Compute, &silent_node).await?);

    println!();
    table("after", cluster.balances().await?, Some(before));
    println!("(the miner's part grows with every block; it also gets all fees)");
    cluster.stop().await?;
    clock.say("all three stopped; nothing is left on this machine");
    Ok(())
}

/// Offers a job and waits until the compute node took it.
async fn accepted(cluster: &Cluster, request: &camelid_node::api::types::JobSubmit) -> Result<String> {
    let id = cluster.submit(request).await?.id;
    cluster.reached(&id, "accepted").await?;
    Ok(id)
}

/// The honest job, step by step.
fn honest_story(view: &JobView, prompt: &str) -> Result<()> {
    let check = view.verification.as_ref().context("the answer was not checked")?;
    let answer_tokens = view.answer_tokens.as_ref().map_or(0, Vec::len);
    let on_chain = |kind: &str| {
        let found = view.transactions.iter().find(|t| t.kind == kind);
        found.and_then(|t| t.height).map_or("not mined yet".into(), |h| format!("in block {h}"))
    };
    let begun = view.timeline.first().map_or(0, |e| e.time);
    for entry in &view.timeline {
        let what = match entry.status.as_str() {
            "created" => format!(
                "the client offers {} coins for at most {} tokens after {} of prompt: {prompt:?}",
                Amount(view.reward_units),
                view.max_tokens,
                view.prompt_tokens
            ),
            "accepted" => format!("the node binds a stake of {} coins and gets the prompt", Amount(view.stake_units)),
            "completed" => format!(
                "the answer, {answer_tokens} tokens, is generated in {} ms and comes sealed",
                check.generate_ms.unwrap_or_default()
            ),
            "paid" => format!("both signed the settlement ({}): reward and stake are locked", on_chain("settle")),
            "delivered" => "the settlement is deep enough: the key comes, the answer opens".into(),
            "verified" => format!(
                "{} of {answer_tokens} positions checked in {} ms: every token is the model's",
                check.positions_checked, check.verify_ms
            ),
            "closed" => format!("both signed the close ({}): the node is paid, its stake is back", on_chain("close")),
            other => other.to_string(),
        };
        println!("   +{:>2} s {:<9} {what}", entry.time.saturating_sub(begun), entry.status);
    }
    println!("   answer: {}", view.answer.as_deref().unwrap_or_default().trim().replace('\n', " "));
    Ok(())
}

struct Clock(Instant);

impl Clock {
    fn say(&self, what: &str) {
        println!("[{:>4.1} s] {what}", self.0.elapsed().as_secs_f32());
    }

    fn title(&self, what: &str) {
        println!("\n[{:>4.1} s] {what}", self.0.elapsed().as_secs_f32());
    }
}

fn tell(view: &JobView) {
    let begun = view.timeline.first().map_or(0, |e| e.time);
    let steps = view.timeline.iter().map(|e| format!("{} +{}s", e.status, e.time.saturating_sub(begun)));
    println!("   {}", steps.collect::<Vec<_>>().join(", "));
}

fn moves(view: &JobView) {
    let steps = view.transactions.iter().map(|t| match t.height {
        Some(height) => format!("{} in block {height}", t.kind),
        None => format!("{} waits", t.kind),
    });
    println!("   on chain: {}", steps.collect::<Vec<_>>().join(", "));
}

fn money(client: &JobView, node: &JobView) {
    println!(
        "   client {} coins (reward {}, fees {}), node {} coins",
        signed_coins(client.change_units),
        Amount(client.reward_units),
        Amount(client.fees_units),
        signed_coins(node.change_units)
    );
}

fn table(when: &str, now: [u64; 3], before: Option<[u64; 3]>) {
    for (i, name) in ["miner", "compute node", "client"].into_iter().enumerate() {
        let change = before.map(|b| format!("  ({})", signed_coins(now[i] as i64 - b[i] as i64))).unwrap_or_default();
        println!("   {when:<6} {name:<13} {:>15} coins{change}", Amount(now[i]).to_string());
    }
}
