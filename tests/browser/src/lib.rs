//! What the tests and the benchmark in a browser need from the native side.
//!
//! The binary `browser-vectors` writes models, texts and the reference's digests to a folder; `browser-bench` writes the
//! benchmark's models and measures the native engine on them. The tests themselves are JavaScript, in this folder.

use anyhow::Context;
use camelid_core::model::import::llama2c::llama2c;
use std::path::Path;

/// The package of stories260K, or `None` where the shared data is not there: the test `name` is then reported as skipped.
pub fn stories(name: &str) -> anyhow::Result<Option<Vec<u8>>> {
    let Some(folder) = camelid_test_support::shared_data(name, "stories260k") else { return Ok(None) };
    let read = |file: &str| {
        let path = folder.join(file);
        std::fs::read(&path).with_context(|| path.display().to_string())
    };
    Ok(Some(llama2c(&read("stories260K.bin")?, &read("tok512.bin")?, "stories260k", "MIT")?))
}

/// Writes a file, and says which where it cannot.
pub fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    std::fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}
