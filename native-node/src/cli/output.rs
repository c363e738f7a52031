//! What is printed: lines and tables for people, JSON for programs.

use serde::Serialize;
use std::io::Write;
use time::OffsetDateTime;

/// Where a command's result goes.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// JSON instead of lines.
    pub json: bool,
}

impl Output {
    /// Prints a value: as JSON, or as `lines` makes it.
    pub fn value<T: Serialize>(self, value: &T, lines: impl FnOnce(&T) -> String) {
        if self.json {
            // Plain data: it has no map with other keys than text, so it is always JSON.
            let text = serde_json::to_string_pretty(value).unwrap_or_default();
            print(&text);
        } else {
            print(&lines(value));
        }
    }

    /// Prints a line for people; nothing when JSON is wanted.
    pub fn line(self, text: &str) {
        if !self.json {
            print(text);
        }
    }
}

/// Prints text and a line's end. A reader that has gone (`| head`) is no error.
fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{}", text.trim_end_matches('\n')).and_then(|()| out.flush());
}

/// Columns under their names; columns whose name starts with `>` are flush right.
pub fn table(names: &[&str], rows: &[Vec<String>]) -> String {
    let right: Vec<bool> = names.iter().map(|name| name.starts_with('>')).collect();
    let head: Vec<String> = names.iter().map(|name| name.trim_start_matches('>').to_string()).collect();
    let width = |i: usize| rows.iter().chain([&head]).filter_map(|r| r.get(i)).map(|c| c.chars().count()).max();
    let widths: Vec<usize> = (0..names.len()).map(|i| width(i).unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).zip(&right).map(|((cell, width), right)| match right {
            true => format!("{cell:>width$}"),
            false => format!("{cell:<width$}"),
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_string()
    };
    rows.iter().fold(line(&head), |text, row| text + "\n" + &line(row))
}

/// Names and values, one pair a line.
pub fn pairs(pairs: &[(&str, String)]) -> String {
    let width = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    pairs.iter().map(|(name, value)| format!("{name:<width$}  {value}\n")).collect()
}

/// A time in UTC.
pub fn utc(seconds: u64) -> String {
    let time = i64::try_from(seconds).ok().and_then(|s| OffsetDateTime::from_unix_timestamp(s).ok());
    time.map_or_else(
        || seconds.to_string(),
        |t| {
            let (y, mo, d) = (t.year(), u8::from(t.month()), t.day());
            format!("{y:04}-{mo:02}-{d:02} {:02}:{:02}:{:02}", t.hour(), t.minute(), t.second())
        },
    )
}

/// Text that others wrote, safe for a terminal: no control characters but line ends and tabs.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && !matches!(c, '\n' | '\t') { '\u{fffd}' } else { c }).collect()
}

/// The start of a long hash.
pub fn short(hash: &str) -> String {
    hash.chars().take(12).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_line_up() {
        let rows = [vec!["a".into(), "1".into()], vec!["long".into(), "23".into()]];
        assert_eq!(table(&["name", ">n"], &rows), "name   n\na      1\nlong  23");
        assert_eq!(table(&["name"], &[]), "name");
        assert_eq!(pairs(&[("a", "1".into()), ("bcd", "2".into())]), "a    1\nbcd  2\n");
    }

    #[test]
    fn times_and_strangers_text() {
        assert_eq!(utc(1_795_305_600), "2026-11-22 00:00:00");
        assert_eq!(utc(u64::MAX), u64::MAX.to_string());
        assert_eq!(printable("a\u{1b}[31m\nb"), "a\u{fffd}[31m\nb");
    }
}
