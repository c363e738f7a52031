//! The binary `camelid`.

use std::process::ExitCode;

fn main() -> ExitCode {
    camelid_node::cli::main(|_| async { anyhow::bail!("this build has no node in it") })
}
