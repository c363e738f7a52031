//! The WASM module of the page's main thread: keys, wallet, headers and filters, network, jobs.
//!
//! All rules are [`camelid_core`]'s; here is what they need of a browser: sockets, storage, clock and randomness. The
//! module computes no model: that is the worker's. JavaScript's side of it is `web-client/js/client.js`.
#![cfg(all(target_arch = "wasm32", target_os = "unknown"))]

mod address;
mod error;
mod light;
mod models;
mod net;
#[path = "../../worker/src/object.rs"]
mod object;
mod outside;
mod pipe;
mod state;
mod store;
mod vault;
mod webrtc;
mod websocket;

pub use light::Light;
