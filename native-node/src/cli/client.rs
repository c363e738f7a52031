//! The client of a running node's API.

use crate::api::Token;
use crate::api::types::ErrorBody;
use crate::config::usual_api;
use crate::data_dir::DataDir;
use camelid_core::units::Network;
use reqwest::{Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The node answers in this time, or something is wrong.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running node's API.
#[derive(Clone, Debug)]
pub struct ApiClient {
    http: reqwest::Client,
    address: SocketAddr,
    token: Token,
    start: String,
    token_file: PathBuf,
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// Nobody runs a node here.
    #[error("no node is running ({reason}): start one with `{start}`")]
    NotRunning {
        /// How we know.
        reason: String,
        /// The command that starts one.
        start: String,
    },
    /// The token is another node's.
    #[error("the node at {address} does not take the token in {}: give the --data-dir of that node", .token_file.display())]
    Token {
        /// The node.
        address: SocketAddr,
        /// The token's file.
        token_file: PathBuf,
    },
    /// The token cannot be read.
    #[error("cannot read {}: {source}", .token_file.display())]
    TokenFile {
        /// The token's file.
        token_file: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The node says no, and why.
    #[error("{0}")]
    Refused(String),
    /// No answer, or not the expected one.
    #[error("the node at {address} does not answer as expected ({reason}): is it a camelid node of this version?")]
    Answer {
        /// The node.
        address: SocketAddr,
        /// What came.
        reason: String,
    },
}

impl ApiClient {
    /// The API of the node that runs in this folder: at `api` if given, else where the node says.
    pub fn new(data_dir: &DataDir, network: Network, api: Option<SocketAddr>) -> Result<Self, ClientError> {
        let usual = DataDir::usual(network).is_ok_and(|usual| usual == *data_dir);
        let start = match usual {
            true => format!("camelid node run --network {network}"),
            false => format!("camelid node run --network {network} --data-dir {}", data_dir.path().display()),
        };
        let token_file = data_dir.api_token();
        let token = Token::read(&token_file).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => {
                let reason = format!("there is no {}", token_file.display());
                ClientError::NotRunning { reason, start: start.clone() }
            }
            _ => ClientError::TokenFile { token_file: token_file.clone(), source },
        })?;
        let said = || std::fs::read_to_string(data_dir.api_address()).ok()?.trim().parse().ok();
        let address = api.or_else(said).unwrap_or_else(|| usual_api(network));
        // No proxy: a variable for the web must not carry the token away from this machine.
        let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build();
        let http = http.map_err(|e| ClientError::Answer { address, reason: e.to_string() })?;
        Ok(ApiClient { http, address, token, start, token_file })
    }

    /// Asks.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.call(Method::GET, path, None::<&()>).await
    }

    /// Asks for a thing by an id that the user typed.
    pub async fn get_by_id<T: DeserializeOwned>(&self, path: &str, id: &str) -> Result<T, ClientError> {
        // Also keeps the id from changing the path.
        if id.is_empty() || id.len() > 64 || !id.bytes().all(|b| b.is_ascii_alphanumeric()) {
            let shown: String = id.chars().filter(|c| !c.is_control()).take(80).collect();
            return Err(ClientError::Refused(format!(
                "`{shown}` is no id: expected hexadecimal digits, 64 for a whole hash"
            )));
        }
        self.get(&format!("{path}/{id}")).await
    }

    /// Tells.
    pub async fn post<B: Serialize, T: DeserializeOwned>(&self, path: &str, body: &B) -> Result<T, ClientError> {
        self.call(Method::POST, path, Some(body)).await
    }

    async fn call<B: Serialize, T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&B>,
    ) -> Result<T, ClientError> {
        let address = self.address;
        let bad = |reason: String| ClientError::Answer { address, reason };
        let mut request = self.http.request(method, format!("http://{address}{path}")).bearer_auth(self.token.secret());
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.map_err(|e| match e.is_connect() {
            true => {
                ClientError::NotRunning { reason: format!("nobody answers at {address}"), start: self.start.clone() }
            }
            false if e.is_timeout() => bad(format!("nothing came in {} s", PATIENCE.as_secs())),
            false => bad(e.to_string()),
        })?;
        let status = response.status();
        let bytes = response.bytes().await.map_err(|e| bad(e.to_string()))?;
        if status.is_success() {
            return serde_json::from_slice(&bytes).map_err(|e| bad(e.to_string()));
        }
        match serde_json::from_slice::<ErrorBody>(&bytes) {
            Ok(_) if status == StatusCode::UNAUTHORIZED => {
                Err(ClientError::Token { address, token_file: self.token_file.clone() })
            }
            Ok(body) => Err(ClientError::Refused(body.error)),
            Err(_) => Err(bad(format!("HTTP status {status}"))),
        }
    }
}
