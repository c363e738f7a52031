//! Many nodes in one process, on a clock and a network that a seed decides: what they do is `core`'s code, and what
//! happens to them can be played again.
//!
//! A [`World`] holds nodes ([`node`]), some of them hostile ([`hostile`]), and the links between them ([`network`]):
//! delay, loss, partitions, nodes that stop and start, clocks that are wrong. [`story`] plays episodes and checks after each
//! that the honest nodes agree ([`check`]). What one node has checked is not checked again ([`known`]).

mod check;
mod hostile;
mod known;
mod network;
mod node;
mod story;
mod world;

pub use hostile::Character;
pub use story::{Ending, play};
pub use world::World;

/// A node's number.
pub type Id = usize;
