//! "Sentences here are quoted in the code above the checks that enforce them": what the code quotes stands in
//! `docs/protocol.md`.

use std::fs;
use std::path::{Path, PathBuf};

const ROOMS: [&str; 10] = ["block", "chain", "contract", "deal", "filter", "job", "message", "peers", "pool", "script"];
/// A quotation of fewer words is a word in quotation marks, or a title.
const LEAST_WORDS: usize = 4;

/// The text in one case, without line breaks and marks of the page's layout.
fn plain(text: &str) -> String {
    let kept: String = text.chars().map(|c| if "|`*".contains(c) { ' ' } else { c }).collect();
    kept.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The comments of a file, each with the line where it begins.
fn comments(source: &str) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut open = false;
    for (n, line) in (1..).zip(source.lines()) {
        let comment = line.trim_start().strip_prefix("//").map(|c| c.trim_start_matches(['/', '!']));
        match (comment, open) {
            (Some(text), true) => found.last_mut().unwrap().1.push_str(&format!(" {}", text.trim())),
            (Some(text), false) => found.push((n, text.trim().into())),
            (None, _) => {}
        }
        open = comment.is_some();
    }
    found
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// Whether the page holds the quotation's parts, those between "…", one after another.
fn stands_in(page: &str, quotation: &str) -> bool {
    let mut rest = page;
    plain(quotation).trim_end_matches(['.', ',']).split('…').map(str::trim).filter(|part| !part.is_empty()).all(
        |part| {
            let at = rest.find(part.trim_end_matches('.'));
            at.inspect(|at| rest = &rest[*at + 1..]).is_some()
        },
    )
}

#[test]
fn what_the_code_quotes_stands_in_the_protocol() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = plain(&fs::read_to_string(root.join("../docs/protocol.md")).unwrap());
    let mut files = Vec::new();
    ROOMS.iter().for_each(|room| sources(&root.join("src").join(room), &mut files));
    let (mut quoted, mut missing) = (0, Vec::new());
    for file in files.iter().filter(|f| !f.components().any(|c| c.as_os_str().to_string_lossy().contains("tests"))) {
        for (line, comment) in comments(&fs::read_to_string(file).unwrap()) {
            // The paper and Bitcoin's proposals are quoted too.
            let ours = |q: &&str| {
                q.split_whitespace().count() >= LEAST_WORDS && !["(paper", "BIP"].iter().any(|t| comment.contains(t))
            };
            for quotation in comment.split('"').skip(1).step_by(2).filter(ours) {
                quoted += 1;
                if !stands_in(&page, quotation) {
                    missing.push(format!("{}:{line}: \"{quotation}\"", file.display()));
                }
            }
        }
    }
    assert!(missing.is_empty(), "not in docs/protocol.md:\n{}", missing.join("\n"));
    assert!(quoted > 50, "only {quoted} quotations found");
}
