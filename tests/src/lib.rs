//! A development network of real processes: what the demo and the end-to-end tests run on.

mod cluster;
mod process;

pub use cluster::{Cluster, Role, job};
pub use process::{NodeProcess, binary, run_command};
