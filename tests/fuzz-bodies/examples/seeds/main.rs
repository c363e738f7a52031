//! Writes the seeds of the fuzz targets: small inputs made of real values. `cargo run --workspace --example seeds`
//! (with the workspace's features, scripts/features.sh) writes them into fuzz/corpus.

mod deal;
mod models;
mod scripts;
mod values;

use camelid_core::hash::sha256;
use camelid_core::model::sampling::random;
use std::path::Path;

fn main() -> std::io::Result<()> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    // Lists of choices: any bytes are one.
    for (target, length) in [
        ("chain", 300),
        ("contract", 160),
        ("filters", 200),
        ("keys", 120),
        ("messages", 400),
        ("packages", 300),
        ("script", 200),
    ] {
        for seed in 0..8 {
            let bytes: Vec<u8> = (0..length).map(|i| random(seed, i) as u8).collect();
            put(&corpus, target, &bytes)?;
        }
    }
    for (target, bytes) in values::all().into_iter().chain(models::all()).chain(scripts::all()) {
        put(&corpus, target, &bytes)?;
    }
    Ok(())
}

/// Named as libFuzzer names what it finds, by the content: here shorter.
fn put(corpus: &Path, target: &str, bytes: &[u8]) -> std::io::Result<()> {
    let folder = corpus.join(target);
    std::fs::create_dir_all(&folder)?;
    let name: String = sha256(bytes).to_string().chars().take(16).collect();
    std::fs::write(folder.join(name), bytes)
}
