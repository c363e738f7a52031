//! A tokenizer of one's own: byte pair encoding by the `tokenizers` crate's trainer, kept as pieces with ranks.
//!
//! Words are cut so that no piece reaches over a cut: a piece has letters or other characters, never both, and a space at
//! its start alone. So merging pieces of a whole text by rank gives what merging word by word gives, and a package needs
//! no rules of cutting. Single bytes are the alphabet: every text has ids.

use super::{TrainError, write_whole};
use camelid_core::encode::{Decode, Encode, Reader};
use camelid_core::model::tokenizer::{Piece, Pieces, ScoredSpec, TokenizerSpec};
use std::path::Path;

/// How a tokenizer's file starts.
const MAGIC: &[u8; 16] = b"camelid-token-1\n";

/// The text between texts: the name of token 0.
const BOUNDARY_NAME: &[u8] = b"<|endoftext|>";

/// Ids before the trained pieces: the boundary and 256 bytes.
pub const FIRST_PIECES: usize = 257;

/// A text's words: what no piece reaches over.
pub fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let mut characters = rest.char_indices();
        let (_, first) = characters.next()?;
        let second = characters.clone().next().map(|(_, c)| c);
        // A space belongs to the word behind it.
        let kind = match (first, second) {
            (' ', Some(second)) if kind(second) != Kind::Blank => {
                characters.next();
                kind(second)
            }
            _ => kind(first),
        };
        let end = match kind {
            // Blanks stand alone.
            Kind::Blank => characters.next(),
            kind => characters.find(|(_, c)| self::kind(*c) != kind),
        };
        let (word, after) = rest.split_at(end.map_or(rest.len(), |(at, _)| at));
        rest = after;
        Some(word)
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Blank,
    Letters,
    Others,
}

fn kind(c: char) -> Kind {
    match c {
        c if c.is_whitespace() => Kind::Blank,
        // An apostrophe stands within words.
        c if c.is_alphanumeric() || c == '\'' => Kind::Letters,
        _ => Kind::Others,
    }
}

/// Pieces in the order in which they were learned, after the boundary and the single bytes.
pub(super) fn spec(learned: impl Iterator<Item = Vec<u8>>) -> TokenizerSpec {
    let bytes = (0..=255).map(Piece::Byte);
    // Learned earlier, merged sooner.
    let learned = learned.zip(0u32..).map(|(bytes, n)| Piece::Text { rank: (1 << 20) - n, bytes });
    let pieces = std::iter::once(Piece::Control(BOUNDARY_NAME.to_vec())).chain(bytes).chain(learned).collect();
    TokenizerSpec::Scored(ScoredSpec { prefix_space: true, pieces: Pieces(pieces) })
}

/// Number of ids.
pub fn vocabulary(spec: &TokenizerSpec) -> usize {
    match spec {
        TokenizerSpec::Scored(spec) => spec.pieces.0.len(),
        // Only the kind above is written to a tokenizer's file.
        _ => 0,
    }
}

/// Writes a tokenizer's file.
pub fn write(spec: &TokenizerSpec, file: &Path) -> Result<(), TrainError> {
    let mut bytes = MAGIC.to_vec();
    spec.encode(&mut bytes);
    write_whole(file, &bytes)
}

/// Reads a tokenizer's file.
pub fn read(file: &Path) -> Result<TokenizerSpec, TrainError> {
    let bytes = std::fs::read(file).map_err(TrainError::io(file))?;
    let bad = |reason: String| TrainError::Tokenizer { file: file.into(), reason };
    let rest = bytes
        .strip_prefix(MAGIC)
        .ok_or_else(|| bad("it is no tokenizer of `camelid train tokenizer`: make one with that".into()))?;
    let mut reader = Reader::new(rest);
    let read = TokenizerSpec::decode(&mut reader).and_then(|spec| reader.finish().map(|()| spec));
    let spec = read.map_err(|e| bad(format!("{e}; it is damaged: make it again")))?;
    let ids = vocabulary(&spec);
    spec.check(u32::try_from(ids).unwrap_or(u32::MAX)).map_err(|e| bad(e.to_string()))?;
    Ok(spec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_cut_between_kinds_and_make_the_text_again() {
        let text = " Lily's mom said, \"I'm 3!\"\n\nOh  no... \tThe end ";
        let found: Vec<&str> = words(text).collect();
        let expected = [
            " Lily's", " mom", " said", ",", " \"", "I'm", " 3", "!\"", "\n", "\n", "Oh", " ", " no", "...", " ", "\t",
            "The", " end", " ",
        ];
        assert_eq!(found, expected);
        assert_eq!(found.concat(), text);
        assert_eq!(words("").count(), 0);
        assert_eq!(words("Zoë🐪é").collect::<Vec<_>>(), ["Zoë", "🐪", "é"]);
    }

    #[test]
    fn a_file_reads_back_and_a_damaged_one_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("tok");
        let spec = spec([b" a".to_vec(), b"he".to_vec()].into_iter());
        write(&spec, &file).unwrap();
        assert_eq!((read(&file).unwrap(), vocabulary(&spec)), (spec, 259));
        let good = std::fs::read(&file).unwrap();
        for bad in [&good[..good.len() - 1], &good[..20], &b""[..], &b"{}"[..]] {
            std::fs::write(&file, bad).unwrap();
            let error = read(&file).unwrap_err().to_string();
            assert!(error.contains("tok") && !error.contains('\n'), "{error}");
        }
    }
}
