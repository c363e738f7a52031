//! The binary `camelid`.

use mimalloc::MiMalloc;
use std::process::ExitCode;

/// Blocks are thousands of small allocations (`docs/decisions/mimalloc.md`).
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    camelid_node::cli::main(camelid_node::run::run)
}
