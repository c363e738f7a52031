//! The servers: the API with its token and the page on a loopback port, the page alone on another if wanted; and their
//! end.

use super::limited::Limited;
use super::page::{Names, PageOptions, Site};
use super::{NodeApi, Token, TokenError, page, routes};
use crate::network::write_private;
use axum::Router;
use axum::serve::Listener;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tracing::{info, warn};

/// Connections of the page's own port at once: a file descriptor each, of which the node's network needs some too.
const MOST_CONNECTIONS: usize = 256;
/// How long one of them may wait for its next request.
const LONGEST_CONNECTION: Duration = Duration::from_secs(600);
/// Calls under way may take so long to end when the server stops.
const END_WITHIN: Duration = Duration::from_secs(3);

/// Why the API could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApiStartError {
    /// Other machines could reach it.
    #[error("the API spends the wallet's coins, so it listens on this machine alone: give --api a loopback address such as 127.0.0.1:{}, not {address}", address.port())]
    NotLoopback {
        /// The address asked for.
        address: SocketAddr,
    },
    /// Another program has the port.
    #[error(
        "cannot open the {what} on {address}: the port is in use; stop who has it, or choose another with --{what}"
    )]
    PortInUse {
        /// `api` or `page`, as the option is called.
        what: &'static str,
        /// The address.
        address: SocketAddr,
    },
    /// Listening failed otherwise.
    #[error("cannot open the {what} on {address}: {reason}; choose another address with --{what}")]
    Listen {
        /// `api` or `page`, as the option is called.
        what: &'static str,
        /// The address.
        address: SocketAddr,
        /// The system's reason.
        reason: String,
    },
    /// The token could not be written.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The address could not be written.
    #[error("cannot write {}: {reason}", .file.display())]
    AddressFile {
        /// The file.
        file: PathBuf,
        /// The system's reason.
        reason: String,
    },
}

/// An open port.
#[derive(Debug)]
struct Port {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// Takes a port; 0 picks a free one.
async fn bind(what: &'static str, address: SocketAddr) -> Result<(TcpListener, SocketAddr), ApiStartError> {
    let failed = |e: std::io::Error| match e.kind() {
        std::io::ErrorKind::AddrInUse => ApiStartError::PortInUse { what, address },
        _ => ApiStartError::Listen { what, address, reason: e.to_string() },
    };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

impl Port {
    fn serve<L: Listener<Addr = SocketAddr>>(listener: L, address: SocketAddr, router: Router) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            let end = async move {
                let _ = stopped.await;
            };
            // Serving never fails: accept errors are waited out.
            let _ = axum::serve(listener, router).with_graceful_shutdown(end).await;
        });
        Port { address, stop, task }
    }

    async fn close(mut self) {
        let _ = self.stop.send(());
        if tokio::time::timeout(END_WITHIN, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

/// A running API, and the page beside it.
#[derive(Debug)]
pub struct ApiServer {
    api: Port,
    page: Option<Port>,
    files: [PathBuf; 2],
}

impl ApiServer {
    /// Listens on a loopback address (port 0 picks a free one), and writes a new token and the address to files, so
    /// that the command line finds both. The page is there too, and at its own address if it has one.
    pub async fn start(
        address: SocketAddr,
        token_file: &Path,
        address_file: &Path,
        page: PageOptions,
        node: impl NodeApi,
    ) -> Result<Self, ApiStartError> {
        if !address.ip().is_loopback() {
            return Err(ApiStartError::NotLoopback { address });
        }
        let (listener, address) = bind("api", address).await?;
        let public = match page.address {
            Some(address) => Some(bind("page", address).await?),
            None => None,
        };
        let api = routes::router(node.clone(), Token::create(token_file)?);
        write_private(address_file, address.to_string().as_bytes())
            .map_err(|e| ApiStartError::AddressFile { file: address_file.into(), reason: e.to_string() })?;
        let has_page = !page.files.is_empty();
        let site = Site::new(node, page.files, &page.checkpoints, page.faucet);
        let beside = page::router(site.clone(), Names::Loopback).nest_service("/v1", api);
        let api = Port::serve(listener, address, beside);
        info!(%address, "API ready");
        let page = public.map(|(listener, address)| {
            let router = page::router(site, Names::Public(page.hosts));
            Port::serve(Limited::new(listener, MOST_CONNECTIONS, LONGEST_CONNECTION), address, router)
        });
        if has_page {
            info!("the page is at http://{address}/");
        }
        if let Some(Port { address, .. }) = &page {
            info!("the page for others is at http://{address}/");
            if !address.ip().is_loopback() {
                warn!(
                    "browsers give a page from another machine storage, workers and WebGPU over https alone: put a \
                     proxy with a certificate before {address}"
                );
            }
        }
        Ok(ApiServer { api, page, files: [token_file.into(), address_file.into()] })
    }

    /// Where the API listens.
    pub fn address(&self) -> SocketAddr {
        self.api.address
    }

    /// Where the page alone listens, if it does.
    pub fn page_address(&self) -> Option<SocketAddr> {
        self.page.as_ref().map(|port| port.address)
    }

    /// Lets the calls under way end, and closes the ports.
    pub async fn stop(self) {
        let page = async {
            if let Some(page) = self.page {
                page.close().await;
            }
        };
        tokio::join!(self.api.close(), page);
        // Both are of no use to anybody now; a later start writes new ones.
        for file in &self.files {
            let _ = std::fs::remove_file(file);
        }
    }
}
