//! For tests of every crate: the data beside the checkout, and how a test says that it cannot run.

use std::io::Write;
use std::path::{Path, PathBuf};

/// Says that the test `name` could not run: prints `SKIPPED name: reason`, and appends the line to the file that
/// `CAMELID_SKIPPED_LOG` names, so that `make test` lists it and does not count it as passed. Then return.
pub fn skipped(name: &str, reason: &str) {
    let line = format!("SKIPPED {name}: {reason}\n");
    eprint!("{line}");
    let Some(log) = std::env::var_os("CAMELID_SKIPPED_LOG") else { return };
    // One write in append mode: lines of tests that run side by side stay whole.
    let written = std::fs::OpenOptions::new().create(true).append(true).open(&log);
    if let Err(error) = written.and_then(|mut file| file.write_all(line.as_bytes())) {
        panic!("{}: {error}: the skipped test {name} would pass unseen", Path::new(&log).display());
    }
}

/// The file or folder `path` of the shared test data: in the folder that `CAMELID_DATA` names, or in `shared/data`
/// beside the checkout. Where it is absent the test `name` is reported as skipped, and the answer is `None`.
pub fn shared_data(name: &str, path: &str) -> Option<PathBuf> {
    let found = match std::env::var_os("CAMELID_DATA") {
        Some(data) => Some(PathBuf::from(data).join(path)).filter(|p| p.exists()),
        None => Path::new(env!("CARGO_MANIFEST_DIR"))
            .ancestors()
            .skip(3)
            .map(|dir| dir.join("shared/data").join(path))
            .find(|p| p.exists()),
    };
    if found.is_none() {
        skipped(name, &format!("shared/data/{path} is not there (CAMELID_DATA names another folder)"));
    }
    found
}
