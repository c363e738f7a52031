//! Finds the shared test data, which is not part of the repository.

use std::io::Write;
use std::path::{Path, PathBuf};

/// The file `path` of the shared data: under `$CAMELID_SHARED/data`, else under `../shared/data` beside the
/// repository. Where it is absent, says that the test named is skipped and returns nothing.
pub fn shared_data(test: &str, path: &str) -> Option<PathBuf> {
    let root = match std::env::var_os("CAMELID_SHARED") {
        Some(dir) => PathBuf::from(dir),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"),
    };
    let file = root.join("data").join(path);
    if file.exists() {
        return Some(file);
    }
    // Past the test harness, which shows nothing of what a passing test prints.
    let _ = writeln!(std::io::stderr(), "SKIPPED {test}: shared data absent (looked in {})", file.display());
    None
}
