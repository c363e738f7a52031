//! The address book: which peers a node has heard of, and which of them it has met (paper 2.1.1; `docs/protocol.md`,
//! "Peers").
//!
//! Peer ids and addresses cost nothing to make up, so the book is built for a flood of them, after Bitcoin Core's. It has
//! two tables. *New* holds what was heard; *tried* holds peers that answered when they were dialled, and nobody gets there
//! by being talked about. Both are cut into buckets. Which bucket a peer may be in is drawn with a key that only this node
//! knows, from the network that the news came from and from the peer's own network: so whoever holds one network reaches
//! a few buckets, whatever it makes up.
//!
//! Pure like every room: the time, and whatever is drawn at random, come in as arguments.

mod book;
mod bytes;
mod draw;
mod entry;
mod scope;
#[cfg(test)]
mod tests;

pub use book::{Added, Book, Heard, MAX_AGE, NEW_BUCKETS, NEW_PER_SOURCE, SLOTS, TRIED_BUCKETS, TRIED_PER_GROUP};
pub use draw::{Pick, Which};
pub use scope::{Group, Scope, may_tell};
