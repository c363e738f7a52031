//! A development network of real processes: what the demo and the end-to-end tests run on.

pub mod audit;
mod cluster;
mod link;
mod model;
mod page_network;
pub mod peer;
mod process;
pub mod simulator;
pub mod together;

pub use cluster::{Cluster, Role, job};
pub use link::Link;
pub use model::{random_package, reference_answer};
pub use page_network::PageNetwork;
pub use process::{NodeProcess, binary, run_command};
