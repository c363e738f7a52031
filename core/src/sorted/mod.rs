//! Maps and sets that are kept in order in one vector, and sorting, each in little code.
//!
//! The standard library's B-trees and sorts are written out anew for every type that they are used with, some ten
//! kilobytes a time; a page of the browser loads all of that before it does anything. Here a map is a sorted vector:
//! reading is as fast, putting in and taking out moves what follows. That fits the maps of a client, which hold some
//! tens or hundreds of things. What grows with the chain or with what strangers send stays in a B-tree.

mod map;
mod order;
mod set;
#[cfg(test)]
mod tests;

pub use map::{Entry, IntoIter, Iter, IterMut, Map};
pub use order::{sort, sort_by, sort_by_key};
pub use set::Set;
