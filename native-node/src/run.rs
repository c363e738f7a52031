//! `camelid node run`: opens the wallet, starts node and API, waits for the end.

use crate::api::{ApiServer, NodeApi, PageFiles, PageOptions};
use crate::config::NodeConfig;
use crate::node;
use crate::wallet::{KeyFile, PASSWORD_VARIABLE, Passwords};
use camelid_core::keys::Mnemonic;
use tracing::info;
use tracing_subscriber::EnvFilter;

/// What is logged when `RUST_LOG` says nothing.
const USUAL_LOG: &str = "warn,camelid_node=info";

/// Runs a node until Ctrl-C, SIGTERM, or `camelid node stop`.
pub async fn run(config: NodeConfig, page: PageFiles) -> anyhow::Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(USUAL_LOG));
    let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    log.with_ansi(colours).init();
    let mnemonic = open_wallet(&config)?;
    let (api, data_dir, network) = (config.api, config.data_dir.clone(), config.network);
    let page = PageOptions {
        files: page,
        checkpoints: config.checkpoints.clone(),
        faucet: config.faucet,
        address: config.page,
        hosts: config.page_hosts.clone(),
    };
    let (handle, mut task) = node::start(config, mnemonic.as_ref()).await?;
    let server = ApiServer::start(api, &data_dir.api_token(), &data_dir.api_address(), page, handle.clone()).await;
    let server = match server {
        Ok(server) => server,
        Err(error) => {
            handle.stop();
            let _ = task.await;
            return Err(error.into());
        }
    };
    let height = handle.status().await.map(|s| s.height).unwrap_or_default();
    info!(%network, height, data_dir = %data_dir.path().display(), api = %server.address(), "node runs");
    let ended = tokio::select! {
        result = &mut task => result,
        () = asked_to_stop() => {
            info!("stopping");
            handle.stop();
            task.await
        }
    };
    server.stop().await;
    ended??;
    info!("stopped");
    Ok(())
}

/// The wallet, if there is one and a password is given for it.
fn open_wallet(config: &NodeConfig) -> anyhow::Result<Option<Mnemonic>> {
    let file = KeyFile::at(config.data_dir.wallet());
    if !file.exists() {
        return Ok(None);
    }
    let given = config.password_file.is_some() || std::env::var_os(PASSWORD_VARIABLE).is_some();
    if !given && !std::io::IsTerminal::is_terminal(&std::io::stdin()) {
        tracing::warn!("the wallet stays closed: no password given (--password-file, or {PASSWORD_VARIABLE})");
        return Ok(None);
    }
    let password = Passwords::from_environment(config.password_file.clone()).existing()?;
    Ok(Some(file.open(config.network, &password)?))
}

/// Waits for Ctrl-C or SIGTERM.
pub async fn asked_to_stop() {
    let terminated = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminated => {}
    }
}
