//! The server: a loopback port, its token, and its end.

use super::routes::router;
use super::{NodeApi, Token, TokenError};
use crate::network::write_private;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tracing::info;

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
        "cannot open the API on {0}: the port is in use; stop the program that has it, or choose another with --api"
    )]
    PortInUse(SocketAddr),
    /// Listening failed otherwise.
    #[error("cannot open the API on {address}: {reason}; choose another address with --api")]
    Listen {
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

/// A running API.
#[derive(Debug)]
pub struct ApiServer {
    address: SocketAddr,
    files: [PathBuf; 2],
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl ApiServer {
    /// Listens on a loopback address (port 0 picks a free one), and writes a new token and the address to files, so
    /// that the command line finds both.
    pub async fn start(
        address: SocketAddr,
        token_file: &Path,
        address_file: &Path,
        node: impl NodeApi,
    ) -> Result<Self, ApiStartError> {
        if !address.ip().is_loopback() {
            return Err(ApiStartError::NotLoopback { address });
        }
        let listen = |e: std::io::Error| match e.kind() {
            std::io::ErrorKind::AddrInUse => ApiStartError::PortInUse(address),
            _ => ApiStartError::Listen { address, reason: e.to_string() },
        };
        let listener = tokio::net::TcpListener::bind(address).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let router = router(node, Token::create(token_file)?);
        write_private(address_file, address.to_string().as_bytes())
            .map_err(|e| ApiStartError::AddressFile { file: address_file.into(), reason: e.to_string() })?;
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            let end = async move {
                let _ = stopped.await;
            };
            // Serving never fails: accept errors are waited out.
            let _ = axum::serve(listener, router).with_graceful_shutdown(end).await;
        });
        info!(%address, "API ready");
        Ok(ApiServer { address, files: [token_file.into(), address_file.into()], stop, task })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets the calls under way end, and closes the port.
    pub async fn stop(mut self) {
        let _ = self.stop.send(());
        if tokio::time::timeout(END_WITHIN, &mut self.task).await.is_err() {
            self.task.abort();
        }
        // Both are of no use to anybody now; a later start writes new ones.
        for file in &self.files {
            let _ = std::fs::remove_file(file);
        }
    }
}
