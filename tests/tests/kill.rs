//! Processes are killed with SIGKILL at random moments, again and again, under load of blocks, payments and jobs. After each
//! kill the chain's file is right, and what the process had said yes to is still there.
//!
//! CAMELID_KILLS says how often (30), CAMELID_SEED which moments (1).

use anyhow::{Context, Result, ensure};
use camelid_core::units::COIN;
use camelid_node::api::types::{AddressView, BlockView, JobView, SendRequest, SendResponse, Status, TransactionView};
use camelid_tests::{Cluster, NodeProcess, Role, job, random_package};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A payment so deep is not asked for any more.
const BURIED: u32 = 10;

/// Numbers that a seed decides (SplitMix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }
}

fn from_environment(name: &str, usual: u64) -> Result<u64> {
    match std::env::var(name) {
        Ok(text) => text.parse().with_context(|| format!("{name}={text}: expected a number")),
        Err(_) => Ok(usual),
    }
}

/// What a process has said.
#[derive(Debug, Default)]
struct Said {
    /// Payments that it took and that are not buried.
    payments: BTreeSet<String>,
    /// Its last block.
    tip: Option<(u32, String)>,
    /// Its jobs, with the statuses that it showed.
    jobs: BTreeMap<String, BTreeSet<String>>,
}

impl Said {
    fn note_job(&mut self, view: &JobView) {
        self.jobs.entry(view.id.clone()).or_default().extend(view.timeline.iter().map(|entry| entry.status.clone()));
    }
}

struct Load {
    cluster: Cluster,
    said: BTreeMap<&'static str, Said>,
    dice: Dice,
    /// How many payments were taken in all.
    paid: usize,
}

const ROLES: [Role; 3] = [Role::Miner, Role::Compute, Role::Client];

fn name(role: Role) -> &'static str {
    match role {
        Role::Miner => "miner",
        Role::Compute => "compute",
        Role::Client => "client",
    }
}

impl Load {
    fn said(&mut self, role: Role) -> &mut Said {
        self.said.entry(name(role)).or_default()
    }

    /// One thing that users do. What is refused, for want of coins or peers, is no matter.
    async fn act(&mut self) -> Result<()> {
        match self.dice.roll(10) {
            0..=5 => {
                let role = if self.dice.roll(2) == 0 { Role::Miner } else { Role::Client };
                let to: AddressView = self.cluster.node(Role::Compute).get("/v1/wallet/address").await?;
                let amount_units = COIN / 100 + self.dice.roll(1_000);
                let request = SendRequest { address: to.address, amount_units, fee_rate_units: None };
                let answer = self.cluster.node(role).post::<_, SendResponse>("/v1/wallet/send", &request).await;
                if let Ok(sent) = answer {
                    self.paid += 1;
                    self.said(role).payments.insert(sent.txid);
                }
            }
            6 => {
                let seed = self.dice.roll(1_000);
                let asked = job(&self.cluster.model, &format!("prompt {seed}"), 4, COIN / 10);
                if let Ok(view) = self.cluster.client.post::<_, JobView>("/v1/jobs", &asked).await {
                    self.said(Role::Client).note_job(&view);
                }
            }
            _ => {
                for role in ROLES {
                    self.look(role).await?;
                }
            }
        }
        Ok(())
    }

    /// Notes what a process says of itself.
    async fn look(&mut self, role: Role) -> Result<()> {
        let status: Status = self.cluster.node(role).get("/v1/status").await?;
        let jobs: Vec<JobView> = self.cluster.node(role).get("/v1/jobs").await?;
        let said = self.said(role);
        said.tip = Some((status.height, status.tip));
        jobs.iter().for_each(|view| said.note_job(view));
        Ok(())
    }

    /// Goes on until the moment has come.
    async fn until_the_moment(&mut self) -> Result<()> {
        let moment = Duration::from_millis(self.dice.roll(900));
        let acts = async {
            loop {
                self.act().await?;
            }
        };
        tokio::select! {
            result = acts => result,
            () = tokio::time::sleep(moment) => Ok(()),
        }
    }

    /// Kills a process, looks at what it left, starts it again, and asks it for all that it said.
    async fn kill(&mut self, role: Role) -> Result<()> {
        let node = self.cluster.node(role);
        node.kill();
        verify(node)?;
        node.spawn()?;
        let after = node.ready().await?;
        let said = self.said.entry(name(role)).or_default();
        let node = match role {
            Role::Miner => &self.cluster.miner,
            Role::Compute => &self.cluster.compute,
            Role::Client => &self.cluster.client,
        };
        if let Some((height, tip)) = &said.tip {
            ensure!(after.height >= *height, "it was at {height} and begins again at {}", after.height);
            let block: BlockView = node.get(&format!("/v1/chain/block/{tip}")).await?;
            ensure!(block.confirmations > 0, "block {tip} at height {height} is not in its chain any more");
        }
        let mut buried = Vec::new();
        for txid in &said.payments {
            let path = format!("/v1/chain/tx/{txid}");
            let view: TransactionView = node.get(&path).await.with_context(|| format!("payment {txid} is lost"))?;
            buried.extend(view.block.filter(|b| b.confirmations > BURIED).map(|_| txid.clone()));
        }
        said.payments.retain(|txid| !buried.contains(txid));
        for (id, statuses) in &said.jobs {
            let view: JobView =
                node.get(&format!("/v1/jobs/{id}")).await.with_context(|| format!("job {id} is lost"))?;
            for status in statuses {
                let still = view.timeline.iter().any(|entry| entry.status == *status);
                ensure!(still, "job {id} had been {status}: {:?}", view.timeline);
            }
        }
        Ok(())
    }
}

/// `camelid chain verify` on a process that does not run.
fn verify(node: &NodeProcess) -> Result<()> {
    let output = node.output(&["--json", "chain", "verify"])?;
    let (text, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{}: {text}{error}", node.name);
    let found: Value = serde_json::from_str(&text)?;
    ensure!(found["ok"] == true && found["checked"]["unchecked_coins"] == 0, "{}: {text}", node.name);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_random_moments_nothing_acknowledged_is_lost() -> Result<()> {
    let (kills, seed) = (from_environment("CAMELID_KILLS", 30)?, from_environment("CAMELID_SEED", 1)?);
    let package = random_package(7)?;
    let mut cluster = Cluster::start(Some(&package)).await?;
    cluster.fund(4, 10).await?;
    cluster.miner.keep_address().await?;
    let mut load = Load { cluster, said: BTreeMap::new(), dice: Dice(seed), paid: 0 };
    for kill in 0..kills {
        load.until_the_moment().await.with_context(|| format!("before kill {kill} of seed {seed}"))?;
        let role = ROLES[load.dice.roll(3) as usize];
        load.kill(role).await.with_context(|| format!("kill {kill} of seed {seed}, of the {}", name(role)))?;
    }
    ensure!(load.paid as u64 >= kills, "{} payments in {kills} kills: there was no load", load.paid);
    let jobs = load.said.get("client").map_or(0, |said| said.jobs.len());
    ensure!(jobs > 0, "no job was offered");
    // All that was said comes to its end.
    for role in [Role::Miner, Role::Client] {
        for txid in load.said.remove(name(role)).unwrap_or_default().payments {
            let node = if role == Role::Miner { &load.cluster.miner } else { &load.cluster.client };
            let mined = async || {
                let view: TransactionView = node.get(&format!("/v1/chain/tx/{txid}")).await.ok()?;
                view.block.map(|_| ())
            };
            load.cluster.until(&format!("payment {txid} in a block"), mined).await?;
        }
    }
    load.cluster.stop().await
}
