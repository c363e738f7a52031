//! A file of texts, one after another, each followed by a line that separates them.

use super::TrainError;
use std::path::Path;

/// The line after each text.
pub const SEPARATOR: &str = "<|endoftext|>";

/// Appends a text and its separator.
pub(super) fn put(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
    out.push_str(SEPARATOR);
    out.push('\n');
}

/// Reads a file's texts. A file without separators is one text; empty texts are passed over.
pub fn read(file: &Path) -> Result<Vec<String>, TrainError> {
    let bytes = std::fs::read(file).map_err(TrainError::io(file))?;
    let all = String::from_utf8(bytes).map_err(|e| TrainError::Text {
        file: file.into(),
        reason: format!("byte {} is not UTF-8; convert it to UTF-8", e.utf8_error().valid_up_to()),
    })?;
    let texts = split(&all);
    if texts.is_empty() {
        let reason = "it has no text; `camelid train sample` makes one".to_string();
        return Err(TrainError::Text { file: file.into(), reason });
    }
    Ok(texts)
}

fn split(all: &str) -> Vec<String> {
    let line = format!("\n{SEPARATOR}\n");
    all.split(&line).filter(|text| !text.trim().is_empty()).map(String::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_read_back() {
        let texts = ["One day.\nIt rained.", " a", "b\n"];
        let mut all = String::new();
        texts.iter().for_each(|text| put(&mut all, text));
        assert_eq!(split(&all), texts);
        assert_eq!(split("plain\ntext"), ["plain\ntext"]);
        assert!(split("\n \n").is_empty());
    }

    #[test]
    fn what_is_no_text_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("t.txt");
        for (bytes, word) in [(&b"ab\xff"[..], "byte 2"), (&b""[..], "no text")] {
            std::fs::write(&file, bytes).unwrap();
            let error = read(&file).unwrap_err().to_string();
            assert!(error.contains("t.txt") && error.contains(word), "{error}");
        }
        assert!(read(&dir.path().join("none")).unwrap_err().to_string().contains("none"));
    }
}
