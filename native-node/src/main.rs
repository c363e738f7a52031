//! The binary `camelid`.

use std::process::ExitCode;

fn main() -> ExitCode {
    camelid_node::cli::main(camelid_node::run::run)
}
