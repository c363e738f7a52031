//! Where tests find public data that is not part of the repository.

use std::path::PathBuf;
use std::vec::Vec;
use std::{env, eprintln, fs};

/// The shared data folder: `CAMELID_SHARED`, else `shared` beside the repository.
fn folder() -> Option<PathBuf> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let folder = env::var_os("CAMELID_SHARED").map_or_else(beside, PathBuf::from).join("data");
    folder.is_dir().then_some(folder)
}

/// Path of a file in the shared data; where it is absent says on stderr that `test` is skipped.
pub fn path(test: &str, file: &str) -> Option<PathBuf> {
    let found = folder().map(|f| f.join(file)).filter(|p| p.exists());
    if found.is_none() {
        eprintln!("SKIPPED {test}: no {file} in the shared data (set CAMELID_SHARED to the folder that holds data/)");
    }
    found
}

/// Contents of a file in the shared data; where it is absent says on stderr that `test` is skipped.
pub fn read(test: &str, file: &str) -> Option<Vec<u8>> {
    fs::read(path(test, file)?).ok()
}
