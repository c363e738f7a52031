//! Tales: small coherent stories from a grammar, training text whose plots hold together.
//!
//! A model of a million parameters learns from its teacher's samples how stories sound, and their faults too: sentences
//! that come again, threads that get lost. These stories have a hero who stays the same, a wish or a trouble, somebody
//! who helps, and an end that follows from the beginning; no sentence comes twice. `tales.txt` holds the grammar.

mod expand;
mod grammar;
#[cfg(test)]
mod tests;

use super::{TrainError, texts, write_whole};
use grammar::Grammar;
use serde::Serialize;
use std::path::Path;
use std::sync::OnceLock;

/// The grammar's file.
const GRAMMAR: &str = include_str!("tales.txt");

/// The compiled-in grammar.
fn grammar() -> &'static Grammar {
    static PARSED: OnceLock<Grammar> = OnceLock::new();
    PARSED.get_or_init(|| Grammar::parse(GRAMMAR).expect("a test parses it"))
}

/// Tale `number` of `seed`: ASCII, between [`expand::SHORTEST`] and [`expand::LONGEST`] bytes, paragraphs parted by one newline, none
/// at the end. A function of both alone, so that any tale can be told without those before it.
fn tale(seed: u64, number: u64) -> String {
    grammar().tale(seed, number)
}

/// What was told.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct TalesReport {
    /// Tales in the file.
    pub texts: u64,
    /// The file's bytes.
    pub bytes: u64,
}

/// Writes the first tales of a seed into a file, `bytes` of them or a little more.
pub fn tell(out: &Path, seed: u64, bytes: u64) -> Result<TalesReport, TrainError> {
    let (mut all, mut count) = (String::new(), 0);
    while (all.len() as u64) < bytes {
        texts::put(&mut all, &tale(seed, count));
        count += 1;
    }
    write_whole(out, all.as_bytes())?;
    Ok(TalesReport { texts: count, bytes: all.len() as u64 })
}
