//! The binary `camelid`.

mod page_files;

use mimalloc::MiMalloc;
use std::process::ExitCode;

/// Blocks are thousands of small allocations (`docs/decisions/mimalloc.md`).
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    camelid_node::cli::main(|config| camelid_node::run::run(config, page_files::embedded()))
}
