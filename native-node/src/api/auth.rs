//! Who may call the API.

use super::ApiError;
use super::host::Host;
use crate::network::write_private;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::Response;
use std::fmt;
use std::path::{Path, PathBuf};
use subtle::ConstantTimeEq;

/// The secret that callers show: 32 random bytes in hexadecimal, new with every start of the node.
#[derive(Clone)]
pub struct Token(String);

/// The token's file could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("API token {}: {reason}", .file.display())]
pub struct TokenError {
    file: PathBuf,
    reason: String,
}

impl Token {
    /// Draws a token and writes it to `file`, readable by its owner alone.
    pub fn create(file: &Path) -> Result<Self, TokenError> {
        let error = |reason: String| TokenError { file: file.to_owned(), reason };
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|e| error(e.to_string()))?;
        let token = Token(hex::encode(bytes));
        write_private(file, token.0.as_bytes()).map_err(|e| error(e.to_string()))?;
        Ok(token)
    }

    /// Reads the token that a running node has written.
    pub fn read(file: &Path) -> std::io::Result<Self> {
        std::fs::read_to_string(file).map(|text| Token(text.trim().to_string()))
    }

    /// The text for the `Authorization` header's `Bearer`.
    pub fn secret(&self) -> &str {
        &self.0
    }

    fn is(&self, given: &str) -> bool {
        self.0.as_bytes().ct_eq(given.as_bytes()).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(hidden)")
    }
}

fn check(headers: &HeaderMap, token: &Token) -> Result<(), ApiError> {
    // Every browser sends one of these with a page's request to another server; no page may use a node.
    if headers.contains_key(header::ORIGIN) || headers.contains_key("sec-fetch-site") {
        return Err(ApiError::forbidden(
            "web pages may not call the node's API: call it from a program on this machine",
        ));
    }
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if !Host::of(headers).is_some_and(|host| host.is_loopback()) {
        return Err(ApiError::forbidden("the node's API is named by a loopback address only, such as 127.0.0.1"));
    }
    let given = text(header::AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
    match given {
        Some(given) if token.is(given) => Ok(()),
        Some(_) => Err(ApiError::unauthorized(
            "wrong API token: the node writes a new one to api.token in its data directory at every start",
        )),
        None => Err(ApiError::unauthorized(
            "no API token: send the content of api.token in the node's data directory as `Authorization: Bearer <token>`",
        )),
    }
}

/// The layer that asks every request for the token.
pub(super) async fn require(State(token): State<Token>, request: Request, next: Next) -> Result<Response, ApiError> {
    check(request.headers(), &token)?;
    Ok(next.run(request).await)
}
