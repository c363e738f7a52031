//! Text of a stranger's that somebody will read: one line, of bounded length.

use crate::encode::{DecodeError, Reader, put_bytes};
use alloc::string::String;
use alloc::vec::Vec;

/// What of `text` fits one line of at most `max` bytes: without control characters.
pub(super) fn one_line(text: &str, max: usize) -> String {
    let mut line = String::new();
    for c in text.chars().filter(|c| !c.is_control()) {
        if line.len() + c.len_utf8() > max {
            break;
        }
        line.push(c);
    }
    line
}

pub(super) fn put_line(line: &str, out: &mut Vec<u8>) {
    put_bytes(line.as_bytes(), out);
}

/// Reads one line of at most `max` bytes. A line break, or what a terminal would obey, is refused.
pub(super) fn read_line(r: &mut Reader<'_>, what: &'static str, max: usize) -> Result<String, DecodeError> {
    let line = r.text(what, max)?;
    if line.chars().any(char::is_control) { Err(DecodeError::Malformed(what)) } else { Ok(line) }
}
