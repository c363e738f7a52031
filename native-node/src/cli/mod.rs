//! The command line of the binary `camelid`.
//!
//! `node run`, `wallet new` and `restore`, `chain verify`, `model import`, `eval` and `info` work on files; everything else asks the running
//! node over its API.

pub mod args;
mod bench;
mod chain;
pub mod client;
mod job;
mod model;
mod node;
pub mod output;
pub mod train;
mod verify;
mod wallet;

pub use args::{Cli, Command};
pub use client::{ApiClient, ClientError};

use crate::bench::BenchError;
use crate::config::{ConfigError, NodeConfig, resolve};
use crate::data_dir::{DataDir, DataDirError};
use crate::eval::EvalError;
use crate::models::ModelError;
use crate::store::StoreError;
use crate::train::TrainError;
use crate::wallet::{KeyFileError, PasswordError};
use args::{Global, NodeCommand};
use camelid_core::keys::{DerivationError, MnemonicError};
use camelid_core::units::Network;
use clap::Parser;
use output::Output;
use std::future::Future;
use std::process::ExitCode;

/// Why a command failed: one line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CliError {
    /// The node's API.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The data directory.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// A measurement.
    #[error(transparent)]
    Bench(#[from] BenchError),
    /// A model.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Training.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// A comparison.
    #[error(transparent)]
    Eval(#[from] EvalError),
    /// The wallet's file.
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
    /// The password.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The wallet's words.
    #[error("these are not a wallet's words: {0}")]
    Words(#[from] MnemonicError),
    /// The wallet's keys.
    #[error(transparent)]
    Keys(#[from] DerivationError),
    /// Standard input.
    #[error("cannot read standard input: {0}")]
    Input(std::io::Error),
    /// The chain's file.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The chain's file is damaged, or cannot be looked at now.
    #[error("{0}")]
    Verify(String),
    /// A job did not end well.
    #[error("{0}")]
    Job(String),
    /// The node.
    #[error("{0:#}")]
    Node(anyhow::Error),
}

/// What a command works with.
pub(crate) struct Context {
    global: Global,
    data_dir: DataDir,
    network: Network,
    out: Output,
}

impl Context {
    fn new(global: Global) -> Result<Self, DataDirError> {
        let (data_dir, network) = resolve(global.data_dir.as_deref(), global.network)?;
        Ok(Context { out: Output { json: global.json }, global, data_dir, network })
    }

    fn client(&self) -> Result<ApiClient, ClientError> {
        ApiClient::new(&self.data_dir, self.network, self.global.api)
    }
}

/// Runs the program: reads the command line, does what it says, prints at most one line of error. `run_node` is what
/// `node run` does.
pub fn main<F, R>(run_node: F) -> ExitCode
where
    F: FnOnce(NodeConfig) -> R,
    R: Future<Output = anyhow::Result<()>>,
{
    // Wrong usage ends here, with the usage and exit code 2.
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("cannot start threads: {error}")),
    };
    match runtime.block_on(execute(cli, run_node)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error.to_string()),
    }
}

fn fail(error: &str) -> ExitCode {
    eprintln!("camelid: {}", output::printable(error).replace('\n', " "));
    ExitCode::FAILURE
}

async fn execute<F, R>(cli: Cli, run_node: F) -> Result<(), CliError>
where
    F: FnOnce(NodeConfig) -> R,
    R: Future<Output = anyhow::Result<()>>,
{
    if let Command::Node(NodeCommand::Run(run)) = cli.command {
        let config = NodeConfig::load(node::overrides(cli.global, *run))?;
        config.data_dir.prepare(config.network)?;
        return run_node(config).await.map_err(CliError::Node);
    }
    let context = Context::new(cli.global)?;
    match cli.command {
        Command::Node(command) => node::execute(&context, command).await,
        Command::Wallet(command) => wallet::execute(&context, command).await,
        Command::Job(command) => job::execute(&context, command).await,
        Command::Chain(command) => chain::execute(&context, command).await,
        Command::Model(command) => model::execute(&context, command).await,
        Command::Train(command) => train::execute(&context, command),
        Command::Bench(command) => bench::execute(&context, command).await,
    }
}
