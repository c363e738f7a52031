//! Three processes on one machine: a miner, a compute node, a client.

use crate::{NodeProcess, together};
use anyhow::{Context, Result};
use camelid_node::api::types::{CheatRequest, Done, JobSubmit, JobView, ModelView, Verify, WalletBalance};
use camelid_node::models::DEFAULT_MODEL;
use std::path::Path;
use tempfile::TempDir;

/// Which of the three.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It mines.
    Miner,
    /// It computes for others.
    Compute,
    /// It asks and pays.
    Client,
}

/// Three processes in a temporary folder, which goes with them.
pub struct Cluster {
    /// The miner, to which the others connect.
    pub miner: NodeProcess,
    /// The compute node.
    pub compute: NodeProcess,
    /// The client.
    pub client: NodeProcess,
    /// The model's name.
    pub model: String,
    _dir: TempDir,
}

impl Cluster {
    /// Makes wallets, imports the model and starts all three; without a model, with the program's own.
    pub async fn start(model: Option<&Path>) -> Result<Cluster> {
        let dir = tempfile::Builder::new().prefix("camelid-").tempdir()?;
        let listen = ["--listen", "127.0.0.1:0"];
        let mut miner =
            NodeProcess::new("miner", dir.path(), &[&listen[..], &["--mine", "--mining-threads", "1"]].concat());
        let mut compute = NodeProcess::new("compute", dir.path(), &listen);
        let mut client = NodeProcess::new("client", dir.path(), &listen);
        for node in [&miner, &compute, &client] {
            node.make_wallet()?;
        }
        if let Some(file) = model.map(|m| m.display().to_string()) {
            for node in [&compute, &client] {
                node.command(&["model", "import", &file, "--name", "model"])?;
            }
        }
        let served = model.map_or(DEFAULT_MODEL, |_| "model");
        miner.spawn()?;
        miner.ready().await?;
        let hub = miner.address().await?;
        compute.add_args(&["--peer", &hub, "--compute", served]);
        client.add_args(&["--peer", &hub]);
        compute.spawn()?;
        client.spawn()?;
        compute.ready().await?;
        client.ready().await?;
        let models: Vec<ModelView> = compute.get("/v1/models").await?;
        let model = models.iter().find(|m| m.computes).context("the compute node serves no model")?.name.clone();
        Ok(Cluster { miner, compute, client, model, _dir: dir })
    }

    /// One of the three.
    pub fn node(&mut self, role: Role) -> &mut NodeProcess {
        match role {
            Role::Miner => &mut self.miner,
            Role::Compute => &mut self.compute,
            Role::Client => &mut self.client,
        }
    }

    /// Mines until the miner has coins, and pays them out: `parts` coins of `coins` each to compute node and client.
    pub async fn fund(&self, parts: usize, coins: u64) -> Result<()> {
        together::fund(&self.miner, &[&self.compute, &self.client], parts, coins).await
    }

    /// Tells the compute node to cheat in the jobs that it takes from now on, or not to.
    pub async fn cheat(&self, how: Option<&str>) -> Result<()> {
        let request = CheatRequest { how: how.map(Into::into) };
        let _: Done = self.compute.post("/v1/dev/cheat", &request).await?;
        Ok(())
    }

    /// Offers a job; waits for the compute node's offer of service if need be.
    pub async fn submit(&self, job: &JobSubmit) -> Result<JobView> {
        together::submit(&self.client, job).await
    }

    /// A job as the client or the compute node sees it.
    pub async fn job(&self, role: Role, id: &str) -> Result<JobView> {
        let node = if role == Role::Compute { &self.compute } else { &self.client };
        node.get(&format!("/v1/jobs/{id}")).await
    }

    /// Waits until a job, as the client sees it, has reached a status.
    pub async fn reached(&self, id: &str, status: &str) -> Result<JobView> {
        self.until(&format!("job {id} {status}"), async || {
            let view = self.job(Role::Client, id).await.ok()?;
            view.timeline.iter().any(|e| e.status == status).then_some(view)
        })
        .await
    }

    /// Waits until a job is over, as the client sees it.
    pub async fn over(&self, id: &str) -> Result<JobView> {
        self.until(&format!("job {id} over"), async || self.job(Role::Client, id).await.ok().filter(|j| j.over)).await
    }

    /// Asks again and again until there is an answer; gives up after two minutes, with all logs.
    pub async fn until<T>(&self, what: &str, check: impl AsyncFnMut() -> Option<T>) -> Result<T> {
        together::until(what, &[&self.miner, &self.compute, &self.client], check).await
    }

    /// Every node's balance, in units: miner, compute node, client.
    pub async fn balances(&self) -> Result<[u64; 3]> {
        let mut all = [0; 3];
        for (node, out) in [&self.miner, &self.compute, &self.client].into_iter().zip(&mut all) {
            *out = node.get::<WalletBalance>("/v1/wallet/balance").await?.total_units();
        }
        Ok(all)
    }

    /// Ends all three as their users would.
    pub async fn stop(mut self) -> Result<()> {
        together::stop([&mut self.miner, &mut self.compute, &mut self.client].into_iter()).await
    }
}

/// A greedy job of usual size, checked in full.
pub fn job(model: &str, prompt: &str, max_tokens: u32, reward_units: u64) -> JobSubmit {
    JobSubmit {
        model: model.into(),
        prompt: prompt.into(),
        max_tokens,
        seed: Some(1),
        temperature: 0,
        top_k: 0,
        top_p: 1_000_000,
        reward_units,
        stake_units: None,
        verify: Verify::Full,
        cheat: None,
    }
}
