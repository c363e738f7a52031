//! The page beside the API: its files, what it has to know to begin (`page.json`), and a faucet on network `dev`.
//!
//! Nobody needs a token here, so what may ask is decided by name: a server on loopback answers to loopback names alone,
//! one on another address to IP addresses and to the names that it was told. A name that somebody else points at this
//! machine (DNS rebinding) is neither.

mod faucet;
mod files;
mod seeds;
#[cfg(test)]
mod tests;

pub use files::PageFiles;

use super::host::{Host, from_elsewhere};
use super::types::PageView;
use super::{ApiError, NodeApi};
use crate::network::Multiaddr;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use camelid_core::chain::Checkpoints;
use camelid_core::units::Amount;
use faucet::Faucet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// What the page may load and where it may connect: as in its own index.html, and nobody may frame it.
const SECURITY_POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; \
    img-src 'self'; connect-src 'self' ws: wss:; worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";
/// Bytes of the longest request: an address in JSON.
const MAX_BODY: usize = 1024;
/// A request must have come in this time.
const PATIENCE: Duration = Duration::from_secs(30);
/// What to do where the page is not in the program.
const NO_PAGE: &str = "This camelid was built without the page: `make demo` builds and serves it; by hand, `make www`, \
    then CAMELID_PAGE=the folder that it names, and cargo build -p camelid-node --features page\n";

/// What is served beside the API.
#[derive(Debug, Default)]
pub struct PageOptions {
    /// The page.
    pub files: PageFiles,
    /// What `page.json` says of them.
    pub checkpoints: Checkpoints,
    /// What the faucet pays to who asks; no faucet when `None`. It must be `None` on other networks than `dev`.
    pub faucet: Option<Amount>,
    /// An address to serve the page on, without the API, beside the API's.
    pub address: Option<SocketAddr>,
    /// The names that the page has there, beside IP addresses.
    pub hosts: Vec<String>,
}

/// By which names a server is called.
#[derive(Clone, Debug)]
pub(super) enum Names {
    /// Loopback addresses and `localhost`.
    Loopback,
    /// IP addresses, `localhost` and these.
    Public(Vec<String>),
}

impl Names {
    fn check(&self, host: Option<&Host>) -> Result<(), ApiError> {
        match (self, host) {
            (Names::Loopback, Some(host)) if host.is_loopback() => Ok(()),
            (Names::Loopback, _) => Err(ApiError::forbidden(
                "here the page is for this machine: open it by a loopback address (127.0.0.1); --page serves others",
            )),
            (Names::Public(_), Some(Host::Localhost)) => Ok(()),
            (Names::Public(_), Some(Host::Ip(ip))) if !ip.is_unspecified() => Ok(()),
            (Names::Public(names), Some(Host::Name(name))) if names.contains(name) => Ok(()),
            (Names::Public(_), _) => {
                Err(ApiError::forbidden("the page has another name: its node lists it in page_hosts of camelid.toml"))
            }
        }
    }
}

/// What all servers of the page share.
pub(super) struct Site<N> {
    node: N,
    files: PageFiles,
    checkpoints: Vec<String>,
    faucet: Option<Faucet>,
}

impl<N> Site<N> {
    pub(super) fn new(node: N, files: PageFiles, checkpoints: &Checkpoints, faucet: Option<Amount>) -> Arc<Self> {
        let checkpoints = checkpoints.iter().map(|(height, hash)| format!("{height}:{hash}")).collect();
        Arc::new(Site { node, files, checkpoints, faucet: faucet.map(Faucet::new) })
    }
}

/// The page for who calls the server by one of these names.
pub(super) fn router<N: NodeApi>(site: Arc<Site<N>>, names: Names) -> Router {
    Router::new()
        .route("/page.json", get(page_json::<N>))
        .route("/faucet", post(pay::<N>))
        .fallback(file::<N>)
        .method_not_allowed_fallback(|| async { ApiError::bad_request("this path takes another method, GET or POST") })
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(from_fn_with_state(Arc::new(names), guard))
        .with_state(site)
}

/// Refuses callers by another name and requests that do not end; puts on every answer what browsers must not do with
/// it.
async fn guard(State(names): State<Arc<Names>>, request: Request, next: Next) -> Response {
    let mut response = match names.check(Host::of(request.headers()).as_ref()) {
        Ok(()) => tokio::time::timeout(PATIENCE, next.run(request)).await.unwrap_or_else(|_| {
            ApiError::bad_request("the request did not come to its end in 30 seconds").into_response()
        }),
        Err(error) => error.into_response(),
    };
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-cache"));
    response
}

async fn file<N: NodeApi>(
    State(site): State<Arc<Site<N>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    if method != Method::GET && method != Method::HEAD {
        let text = "this path takes another method: GET\n";
        return Ok((StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET, HEAD")], text).into_response());
    }
    let path = uri.path().strip_prefix('/').unwrap_or_default();
    match site.files.get(if path.is_empty() { "index.html" } else { path }) {
        Some(file) => file.answer(&headers).await,
        None if site.files.is_empty() && path.is_empty() => Ok((StatusCode::NOT_FOUND, NO_PAGE).into_response()),
        None => Ok((StatusCode::NOT_FOUND, "the page has no such file\n").into_response()),
    }
}

async fn page_json<N: NodeApi>(
    State(site): State<Arc<Site<N>>>,
    headers: HeaderMap,
) -> Result<Json<PageView>, ApiError> {
    let status = site.node.status().await?;
    let host = Host::of(&headers).unwrap_or(Host::Localhost);
    let listen: Vec<Multiaddr> = status.listen.iter().filter_map(|address| address.parse().ok()).collect();
    let seeds = seeds::for_browser(&listen, &host).iter().map(ToString::to_string).collect();
    let checkpoints = site.checkpoints.clone();
    Ok(Json(PageView { network: status.network, seeds, checkpoints, faucet: site.faucet.is_some() }))
}

async fn pay<N: NodeApi>(
    State(site): State<Arc<Site<N>>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    if from_elsewhere(&headers) {
        return Err(ApiError::forbidden("the faucet pays visitors of this node's own page, not those of another"));
    }
    let Some(faucet) = &site.faucet else {
        return Err(ApiError::not_found("this node has no faucet: start it with --faucet, on network dev"));
    };
    let body = body.map_err(|_| {
        ApiError::bad_request(format!("expected {{\"address\": \"..\"}} in at most {MAX_BODY} bytes of JSON"))
    })?;
    Ok(Json(faucet.pay(&site.node, &body).await?).into_response())
}
