//! Which path below `/v1` asks for what.

use super::auth::{Token, require};
use super::{ApiError, NodeApi};
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::de::DeserializeOwned;

/// Bytes of the longest request: a prompt, and some.
const MAX_BODY: usize = 2 * 1024 * 1024;

/// Reads a request's JSON.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body)
        .map_err(|e| ApiError::bad_request(format!("the request's JSON is not as expected: {e}")))
}

/// The API of a node, behind its token; its paths are below `/v1`.
pub(super) fn router<N: NodeApi>(node: N, token: Token) -> Router {
    type Node<N> = State<N>;
    Router::new()
        .route("/status", get(|State(n): Node<N>| async move { n.status().await.map(Json) }))
        .route("/stop", post(|State(n): Node<N>| async move { n.stop().await.map(Json) }))
        .route("/peers", get(|State(n): Node<N>| async move { n.peers().await.map(Json) }))
        .route("/peers/book", get(|State(n): Node<N>| async move { n.book().await.map(Json) }))
        .route("/peers/ban", post(|State(n): Node<N>, body: Bytes| async move { n.ban(parse(&body)?).await.map(Json) }))
        .route(
            "/peers/unban",
            post(|State(n): Node<N>, body: Bytes| async move { n.unban(parse(&body)?).await.map(Json) }),
        )
        .route("/models", get(|State(n): Node<N>| async move { n.models().await.map(Json) }))
        .route("/chain", get(|State(n): Node<N>| async move { n.chain().await.map(Json) }))
        .route(
            "/chain/block/{id}",
            get(|State(n): Node<N>, Path(id): Path<String>| async move { n.block(id).await.map(Json) }),
        )
        .route(
            "/chain/tx/{id}",
            get(|State(n): Node<N>, Path(id): Path<String>| async move { n.transaction(id).await.map(Json) }),
        )
        .route("/wallet/balance", get(|State(n): Node<N>| async move { n.balance().await.map(Json) }))
        .route("/wallet/address", get(|State(n): Node<N>| async move { n.address().await.map(Json) }))
        .route("/wallet/history", get(|State(n): Node<N>| async move { n.history().await.map(Json) }))
        .route(
            "/wallet/send",
            post(|State(n): Node<N>, body: Bytes| async move { n.send(parse(&body)?).await.map(Json) }),
        )
        .route(
            "/jobs",
            get(|State(n): Node<N>| async move { n.jobs().await.map(Json) })
                .post(|State(n): Node<N>, body: Bytes| async move { n.submit(parse(&body)?).await.map(Json) }),
        )
        .route("/jobs/{id}", get(|State(n): Node<N>, Path(id): Path<String>| async move { n.job(id).await.map(Json) }))
        .route(
            "/dev/cheat",
            post(|State(n): Node<N>, body: Bytes| async move { n.cheat(parse(&body)?).await.map(Json) }),
        )
        .fallback(|| async { ApiError::not_found("no such path: docs/api.md lists the API's paths") })
        .method_not_allowed_fallback(|| async { ApiError::bad_request("this path takes another method, GET or POST") })
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(axum::middleware::from_fn_with_state(token, require))
        .with_state(node)
}
