//! The node's HTTP JSON API on loopback: for the command line, for programs, for a page of one's own server. Never
//! for web pages of others, and never for other machines. Beside it, for everybody, [`page`].
//!
//! Who may call what lies below `/v1`: whoever can read the token in the data directory, which is readable by its owner
//! alone. A request needs it in `Authorization: Bearer <token>`. One that a browser sends for a page (it has an
//! `Origin`) or that names this server by another name than a loopback address (DNS rebinding) is refused even with the
//! token.

mod auth;
mod error;
mod host;
mod limited;
pub mod page;
mod routes;
mod server;
#[cfg(test)]
mod tests;
pub mod types;

pub use auth::{Token, TokenError};
pub use error::ApiError;
pub use page::{PageFiles, PageOptions};
pub use server::{ApiServer, ApiStartError};

use std::future::Future;
use types::*;

/// What the API asks of the node. Cheap to clone: a handle.
///
/// Ids, addresses and roots come as the text that the caller gave; what is no id is the node's to say
/// ([`ApiError::bad_request`]).
pub trait NodeApi: Clone + Send + Sync + 'static {
    /// The node at a glance.
    fn status(&self) -> impl Future<Output = Result<Status, ApiError>> + Send;
    /// The chain at a glance.
    fn chain(&self) -> impl Future<Output = Result<ChainInfo, ApiError>> + Send;
    /// A block, by hash or height.
    fn block(&self, hash_or_height: String) -> impl Future<Output = Result<BlockView, ApiError>> + Send;
    /// A transaction, in the chain or in the pool.
    fn transaction(&self, txid: String) -> impl Future<Output = Result<TransactionView, ApiError>> + Send;
    /// What the wallet owns.
    fn balance(&self) -> impl Future<Output = Result<WalletBalance, ApiError>> + Send;
    /// Where the wallet is paid.
    fn address(&self) -> impl Future<Output = Result<AddressView, ApiError>> + Send;
    /// Pays.
    fn send(&self, request: SendRequest) -> impl Future<Output = Result<SendResponse, ApiError>> + Send;
    /// What the wallet received and paid, newest first.
    fn history(&self) -> impl Future<Output = Result<Vec<HistoryEntry>, ApiError>> + Send;
    /// Offers a job.
    fn submit(&self, job: JobSubmit) -> impl Future<Output = Result<JobView, ApiError>> + Send;
    /// Our jobs, newest first.
    fn jobs(&self) -> impl Future<Output = Result<Vec<JobView>, ApiError>> + Send;
    /// One of our jobs.
    fn job(&self, id: String) -> impl Future<Output = Result<JobView, ApiError>> + Send;
    /// The models that this node has or has heard of.
    fn models(&self) -> impl Future<Output = Result<Vec<ModelView>, ApiError>> + Send;
    /// The connected peers.
    fn peers(&self) -> impl Future<Output = Result<Vec<PeerView>, ApiError>> + Send;
    /// The address book and the bans.
    fn book(&self) -> impl Future<Output = Result<BookView, ApiError>> + Send;
    /// Bans a peer or a machine.
    fn ban(&self, request: BanRequest) -> impl Future<Output = Result<Done, ApiError>> + Send;
    /// Ends a ban.
    fn unban(&self, request: UnbanRequest) -> impl Future<Output = Result<Done, ApiError>> + Send;
    /// Makes the node cheat, on network `dev`.
    fn cheat(&self, request: CheatRequest) -> impl Future<Output = Result<Done, ApiError>> + Send;
    /// Asks the node to stop; returns before it has.
    fn stop(&self) -> impl Future<Output = Result<Done, ApiError>> + Send;
}
