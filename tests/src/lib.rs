//! A development network of real processes: what the demo and the end-to-end tests run on.

pub mod audit;
mod cluster;
mod model;
pub mod peer;
mod process;
pub mod simulator;

pub use cluster::{Cluster, Role, job};
pub use model::{random_package, reference_answer};
pub use process::{NodeProcess, binary, run_command};
