//! One `camelid node run`, as a process of its own.

use anyhow::{Context, Result, bail, ensure};
use camelid_core::units::Network;
use camelid_node::api::types::Status;
use camelid_node::cli::ApiClient;
use camelid_node::data_dir::DataDir;
use camelid_node::network::TransportKind;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// The wallet password of all test nodes.
const PASSWORD: &str = "only for tests";
/// How long a process may take to start or to stop, on a machine that does other things too.
const START_PATIENCE: Duration = Duration::from_secs(90);

/// The binary `camelid`, which lies beside the running program or in the folder above it.
pub fn binary() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    own.ancestors()
        .skip(1)
        .take(2)
        .map(|dir| dir.join("camelid"))
        .find(|file| file.is_file())
        .with_context(|| format!("no binary `camelid` near {}: build it with `make build`", own.display()))
}

/// Runs `camelid` with arguments, to its end.
pub fn run_command<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Result<Output> {
    let mut command = Command::new(binary()?);
    command.args(args).env("CAMELID_PASSWORD", PASSWORD).stdin(Stdio::null());
    command.output().context("cannot run camelid")
}

/// A node that runs, or ran, in a folder.
pub struct NodeProcess {
    /// What the tests call it.
    pub name: String,
    dir: PathBuf,
    args: Vec<String>,
    child: Option<Child>,
}

impl NodeProcess {
    /// A node that does not run yet, in a folder below `dir`; `args` follow `camelid node run`.
    pub fn new(name: &str, dir: &Path, args: &[&str]) -> Self {
        let args = args.iter().map(ToString::to_string).collect();
        NodeProcess { name: name.into(), dir: dir.join(name), args, child: None }
    }

    /// Its data directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// More arguments for its next start.
    pub fn add_args(&mut self, args: &[&str]) {
        self.args.extend(args.iter().map(ToString::to_string));
    }

    /// What it logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    fn log_file(&self) -> PathBuf {
        self.dir.with_extension("log")
    }

    /// Runs another `camelid` command on its data directory, however it ends.
    pub fn output(&self, args: &[&str]) -> Result<Output> {
        let dir = self.dir.display().to_string();
        run_command(["--network", "dev", "--data-dir", &dir].iter().chain(args))
    }

    /// Runs another `camelid` command on its data directory; gives what it printed.
    pub fn command(&self, args: &[&str]) -> Result<String> {
        let output = self.output(args)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        ensure!(output.status.success(), "camelid {}: {}", args.join(" "), text(&output.stderr).trim());
        Ok(text(&output.stdout))
    }

    /// Makes its wallet.
    pub fn make_wallet(&self) -> Result<()> {
        self.command(&["wallet", "new"]).map(|_| ())
    }

    /// Starts it; [`NodeProcess::ready`] waits until it answers.
    pub fn spawn(&mut self) -> Result<()> {
        let log = File::options().create(true).append(true).open(self.log_file())?;
        // What an earlier run left would name a port that is another's now.
        for file in ["api.token", "api.address"] {
            let _ = std::fs::remove_file(self.dir.join(file));
        }
        let mut command = Command::new(binary()?);
        command
            .args(["--network", "dev", "--data-dir"])
            .arg(&self.dir)
            .args(["--api", "127.0.0.1:0", "node", "run"])
            .args(&self.args)
            .env("CAMELID_PASSWORD", PASSWORD)
            .env_remove("RUST_BACKTRACE")
            .env("RUST_LOG", std::env::var("CAMELID_TEST_LOG").unwrap_or_else(|_| "warn,camelid_node=debug".into()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        self.child = Some(command.spawn().context("cannot start camelid")?);
        Ok(())
    }

    /// Waits until it answers.
    pub async fn ready(&mut self) -> Result<Status> {
        let begun = Instant::now();
        loop {
            if let Ok(status) = self.get::<Status>("/v1/status").await {
                return Ok(status);
            }
            if let Some(status) = self.child.as_mut().and_then(|c| c.try_wait().ok().flatten()) {
                bail!("{} ended with {status}: {}", self.name, self.log());
            }
            ensure!(begun.elapsed() < START_PATIENCE, "{} does not answer: {}", self.name, self.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Where its peers find it.
    pub async fn address(&self) -> Result<String> {
        let status: Status = self.get("/v1/status").await?;
        status.listen.first().cloned().with_context(|| format!("{} listens nowhere", self.name))
    }

    /// Where its peers find it over one of the transports that it listens on.
    pub async fn address_over(&self, kind: TransportKind) -> Result<String> {
        let status: Status = self.get("/v1/status").await?;
        let over = |address: &String| address.parse().is_ok_and(|address| TransportKind::of(&address) == Some(kind));
        status.listen.into_iter().find(over).with_context(|| format!("{} does not listen on {kind:?}", self.name))
    }

    /// Where browsers find its page.
    pub fn page(&self) -> Result<String> {
        let address = std::fs::read_to_string(DataDir::at(&self.dir).api_address());
        Ok(format!("http://{}/", address.with_context(|| format!("{} does not run", self.name))?))
    }

    fn client(&self) -> Result<ApiClient> {
        Ok(ApiClient::new(&DataDir::at(&self.dir), Network::Dev, None)?)
    }

    /// Asks its API.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        Ok(self.client()?.get(path).await?)
    }

    /// Tells its API.
    pub async fn post<B: Serialize, T: DeserializeOwned>(&self, path: &str, body: &B) -> Result<T> {
        Ok(self.client()?.post(path, body).await?)
    }

    /// The memory that it holds, in bytes.
    pub fn memory_bytes(&self) -> Result<u64> {
        let id = self.child.as_ref().context("it does not run")?.id();
        let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
        let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).context("no VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
    }

    /// Whether it runs.
    pub fn runs(&mut self) -> bool {
        self.child.as_mut().is_some_and(|c| matches!(c.try_wait(), Ok(None)))
    }

    /// Ends it as a power cut would: SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// From its next start on it listens where it listens now, so that its peers find it again.
    pub async fn keep_address(&mut self) -> Result<()> {
        let address = self.address().await?;
        for arg in self.args.iter_mut().filter(|arg| *arg == "127.0.0.1:0") {
            address.clone_into(arg);
        }
        Ok(())
    }

    /// Ends it as a power cut would, and starts it again.
    pub async fn restart(&mut self) -> Result<Status> {
        self.kill();
        self.spawn()?;
        self.ready().await
    }

    /// Ends it as its user would, unless it is ending already; fails unless it ends well and soon.
    pub async fn stop(&mut self) -> Result<()> {
        let told: Result<camelid_node::api::types::Done> = self.post("/v1/stop", &()).await;
        let Some(child) = &mut self.child else { return told.map(|_| ()) };
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            ensure!(begun.elapsed() < START_PATIENCE, "{} does not stop: told to, it said {told:?}", self.name);
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        self.child = None;
        ensure!(status.success(), "{} ended with {status}: {}", self.name, self.log());
        Ok(())
    }
}

impl Drop for NodeProcess {
    fn drop(&mut self) {
        self.kill();
    }
}
