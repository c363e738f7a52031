//! The grammar's file: what it may hold, and its parser.
//!
//! ```text
//! # A comment.
//! never A sentence that no tale may hold.
//! table pet: noun he=she food      # columns; one with a value of its own has no cell in the rows
//! cat | fish ; dog | bone          # rows, parted by ";", cells by "|"
//! plot hungry 2                    # a tale's beginning, drawn twice as often as one of weight 1
//! part eats                        # steps that plots and parts use
//! hero = pet | wild                # draw a row of one of these tables
//! - The {hero} was hungry.         # a group: one of its lines is told
//! - {A hero} [wanted|liked] food.  # inner choice
//! -                                # or nothing
//! /                                # a new paragraph
//! > eats | sleeps                  # one of these parts
//! ```
//!
//! A group ends at the first line that is not one of its own; a line that begins with two spaces continues the one
//! above. A place names a variable and a column, `{pal.food}`, by itself the first column; `{Pal}` begins with a
//! capital, `{a pal}` and `{A pal}` put the article before it. A column `he` brings `him`, `his` and `himself` along;
//! without a variable these are the hero's: `{his}`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Why a grammar is not one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrammarError {
    /// The line, from 1.
    pub line: usize,
    /// What was expected there.
    pub expected: String,
}

impl fmt::Display for GrammarError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: expected {}", self.line, self.expected)
    }
}

impl std::error::Error for GrammarError {}

/// A story grammar, checked: whatever it names exists, and whatever it holds is used.
#[derive(Debug, Default)]
pub struct Grammar {
    pub(super) tables: Vec<Table>,
    pub(super) parts: Vec<Part>,
    pub(super) never: Vec<String>,
}

#[derive(Debug)]
pub(super) struct Table {
    pub name: String,
    line: usize,
    /// Names, each with the value that all rows share, if they do.
    columns: Vec<(String, Option<Text>)>,
    /// One cell a column.
    pub rows: Vec<Vec<Text>>,
}

impl Table {
    /// Where a column's cell is in a row.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|(column, _)| column == name)
    }
}

#[derive(Debug)]
pub(super) struct Part {
    pub name: String,
    line: usize,
    /// How often a plot is drawn; 0 is a part, which begins no tale.
    pub weight: u64,
    pub steps: Vec<(usize, Step)>,
}

#[derive(Debug)]
pub(super) enum Step {
    Draw(String, Vec<usize>),
    /// A group's lines, each with its number.
    Say(Vec<(usize, Text)>),
    Paragraph,
    Use(Vec<usize>),
}

pub(super) type Text = Vec<Piece>;

#[derive(Clone, Debug)]
pub(super) enum Piece {
    Plain(String),
    Choice(Vec<Text>),
    Slot(Slot),
}

#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub variable: String,
    /// Empty: the first column.
    pub field: String,
    pub article: bool,
    pub capital: bool,
}

/// A pronoun's forms, as a column `he` gives the first.
pub(super) const PRONOUNS: [[&str; 4]; 4] = [
    ["he", "him", "his", "himself"],
    ["she", "her", "her", "herself"],
    ["it", "it", "its", "itself"],
    ["they", "them", "their", "themselves"],
];

fn error(line: usize, expected: impl Into<String>) -> GrammarError {
    GrammarError { line, expected: expected.into() }
}

/// Variables in scope, each with the line that drew it and the columns that all its tables have.
type Scope = BTreeMap<String, (usize, BTreeSet<String>)>;

impl Grammar {
    /// Reads a grammar.
    ///
    /// # Errors
    ///
    /// With the line and what was expected there: a line of an unknown kind, a name that nothing has or two have, a
    /// variable that is not drawn on every way to its use, a table, part or variable that nothing uses.
    pub fn parse(text: &str) -> Result<Grammar, GrammarError> {
        let mut lines: Vec<(usize, String)> = Vec::new();
        for (number, line) in text.lines().enumerate().map(|(i, line)| (i + 1, line)) {
            match line.strip_prefix("  ") {
                Some(more) => match lines.last_mut() {
                    Some((_, above)) if !above.is_empty() => *above += &format!(" {}", more.trim()),
                    _ => return Err(error(number, "a line above to continue")),
                },
                None if line.starts_with('#') => {}
                None => lines.push((number, line.trim_end().to_string())),
            }
        }
        let mut grammar = Grammar::default();
        // Names first, so that a plot may stand above what it uses.
        for (line, text) in &lines {
            grammar.head(*line, text)?;
        }
        let (mut tables, mut parts) = (0, 0);
        let mut within = "";
        let mut open = false;
        for (line, text) in &lines {
            let group = std::mem::replace(&mut open, false);
            let word = text.split(' ').next().unwrap_or_default();
            match word {
                "" | "never" => {}
                "table" => (within, tables) = ("table", tables + 1),
                "plot" | "part" => (within, parts) = ("part", parts + 1),
                _ if within == "table" => grammar.rows(tables - 1, *line, text)?,
                _ if within == "part" => {
                    let step = grammar.step(*line, text)?;
                    let steps = &mut grammar.parts[parts - 1].steps;
                    open = matches!(step, Step::Say(_));
                    match (step, steps.last_mut()) {
                        (Step::Say(more), Some((_, Step::Say(variants)))) if group => variants.extend(more),
                        (step, _) => steps.push((*line, step)),
                    }
                }
                _ => return Err(error(*line, "\"never\", \"table\", \"plot\" or \"part\"")),
            }
        }
        grammar.check()?;
        Ok(grammar)
    }

    /// A line that begins a table or a part, or forbids a sentence.
    fn head(&mut self, line: usize, text: &str) -> Result<(), GrammarError> {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        match word {
            "never" => self.never.push(rest.to_string()),
            "table" => {
                let (name, columns) = rest.split_once(": ").ok_or_else(|| error(line, "\"table NAME: COLUMN ...\""))?;
                if self.tables.iter().any(|table| table.name == name) {
                    return Err(error(line, format!("a name that no other table has, not \"{name}\"")));
                }
                let columns = columns
                    .split(' ')
                    .map(|column| match column.split_once('=') {
                        Some((column, value)) => Ok((column.to_string(), Some(pieces(line, value)?))),
                        None => Ok((column.to_string(), None)),
                    })
                    .collect::<Result<_, _>>()?;
                self.tables.push(Table { name: name.to_string(), line, columns, rows: Vec::new() });
            }
            "plot" | "part" => {
                let (name, weight) = rest.split_once(' ').unwrap_or((rest, if word == "plot" { "1" } else { "0" }));
                let weight = weight.parse().map_err(|_| error(line, "a weight: a whole number"))?;
                if name.is_empty() || (weight == 0) != (word == "part") {
                    return Err(error(line, "\"plot NAME [WEIGHT]\" or \"part NAME\""));
                }
                if self.parts.iter().any(|part| part.name == name) {
                    return Err(error(line, format!("a name that no other plot or part has, not \"{name}\"")));
                }
                self.parts.push(Part { name: name.to_string(), line, weight, steps: Vec::new() });
            }
            _ => {}
        }
        Ok(())
    }

    fn rows(&mut self, table: usize, line: usize, text: &str) -> Result<(), GrammarError> {
        let columns = self.tables[table].columns.clone();
        let open = columns.iter().filter(|(_, shared)| shared.is_none()).count();
        for row in text.split(" ; ") {
            let mut cells = row.split(" | ").map(|cell| pieces(line, cell.trim()));
            if row.split(" | ").count() != open {
                return Err(error(line, format!("{open} cells in a row, not \"{row}\"")));
            }
            let row = columns.iter().map(|(_, shared)| match shared {
                Some(value) => Ok(value.clone()),
                None => cells.next().unwrap_or_else(|| Ok(Text::new())),
            });
            let row = row.collect::<Result<_, _>>()?;
            self.tables[table].rows.push(row);
        }
        Ok(())
    }

    fn step(&self, line: usize, text: &str) -> Result<Step, GrammarError> {
        if text == "/" {
            return Ok(Step::Paragraph);
        }
        if let Some(text) = text.strip_prefix('-') {
            return Ok(Step::Say(vec![(line, pieces(line, text.trim())?)]));
        }
        if let Some(names) = text.strip_prefix("> ") {
            let find = |name: &str| self.parts.iter().position(|part| part.weight == 0 && part.name == name);
            let names =
                names.split(" | ").map(|name| find(name).ok_or_else(|| error(line, format!("a part, not \"{name}\""))));
            return Ok(Step::Use(names.collect::<Result<_, _>>()?));
        }
        if let Some((variable, names)) = text.split_once(" = ") {
            let find = |name: &str| self.tables.iter().position(|table| table.name == name);
            let names = names
                .split(" | ")
                .map(|name| find(name).ok_or_else(|| error(line, format!("a table, not \"{name}\""))));
            return Ok(Step::Draw(variable.to_string(), names.collect::<Result<_, _>>()?));
        }
        Err(error(line, "\"- TEXT\", \"/\", \"> PART\" or \"NAME = TABLE\""))
    }

    fn check(&self) -> Result<(), GrammarError> {
        let mut used = BTreeSet::new();
        for plot in self.parts.iter().filter(|part| part.weight > 0) {
            used.insert(plot.line);
            self.walk(plot, Scope::new(), 0, &mut used)?;
        }
        for part in &self.parts {
            if !used.contains(&part.line) {
                return Err(error(part.line, format!("a plot that uses the part \"{}\"", part.name)));
            }
            let unused = |(line, step): &&(usize, Step)| matches!(step, Step::Draw(..)) && !used.contains(line);
            if let Some((line, _)) = part.steps.iter().find(unused) {
                return Err(error(*line, "a use of this variable"));
            }
        }
        for table in &self.tables {
            if table.rows.is_empty() || !used.contains(&table.line) {
                return Err(error(table.line, format!("rows and a use of the table \"{}\"", table.name)));
            }
        }
        match used.is_empty() {
            true => Err(error(1, "a plot")),
            false => Ok(()),
        }
    }

    /// Follows every way through a part; gives what is in scope after all of them.
    fn walk(
        &self,
        part: &Part,
        mut scope: Scope,
        depth: u32,
        used: &mut BTreeSet<usize>,
    ) -> Result<Scope, GrammarError> {
        if depth > 8 {
            return Err(error(part.line, "a part that does not use itself"));
        }
        for (line, step) in &part.steps {
            match step {
                Step::Paragraph => {}
                Step::Say(variants) => {
                    variants.iter().try_for_each(|(line, text)| slots(*line, text, &scope, used))?;
                }
                Step::Draw(variable, tables) => {
                    let columns = |table: usize| self.tables[table].columns.iter().map(|(name, _)| name.clone());
                    let mut all: BTreeSet<String> = columns(tables[0]).collect();
                    for &table in tables {
                        used.insert(self.tables[table].line);
                        all = columns(table).filter(|name| all.contains(name)).collect();
                    }
                    scope.insert(variable.clone(), (*line, all));
                }
                Step::Use(parts) => {
                    let mut after: Option<Scope> = None;
                    for &part in parts {
                        used.insert(self.parts[part].line);
                        let one = self.walk(&self.parts[part], scope.clone(), depth + 1, used)?;
                        after = Some(match after {
                            Some(all) => all.into_iter().filter(|(name, _)| one.contains_key(name)).collect(),
                            None => one,
                        });
                    }
                    scope = after.unwrap_or(scope);
                }
            }
        }
        Ok(scope)
    }
}

fn slots(line: usize, text: &Text, scope: &Scope, used: &mut BTreeSet<usize>) -> Result<(), GrammarError> {
    for piece in text {
        match piece {
            Piece::Plain(_) => {}
            Piece::Choice(texts) => texts.iter().try_for_each(|text| slots(line, text, scope, used))?,
            Piece::Slot(slot) => {
                let Some((drawn, columns)) = scope.get(&slot.variable) else {
                    return Err(error(line, format!("a variable drawn before, not \"{}\"", slot.variable)));
                };
                used.insert(*drawn);
                let pronoun = PRONOUNS[0].contains(&slot.field.as_str()) && columns.contains("he");
                if !slot.field.is_empty() && !pronoun && !columns.contains(&slot.field) {
                    return Err(error(line, format!("a column of \"{}\", not \"{}\"", slot.variable, slot.field)));
                }
            }
        }
    }
    Ok(())
}

/// A text with its places and choices.
fn pieces(line: usize, text: &str) -> Result<Text, GrammarError> {
    let mut all = Text::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '[', '}', ']', '|']) {
        if at > 0 {
            all.push(Piece::Plain(rest[..at].to_string()));
        }
        let close = match &rest[at..=at] {
            "{" => '}',
            "[" => ']',
            stray => return Err(error(line, format!("\"[\" or \"{{\" before \"{stray}\""))),
        };
        let end = at + rest[at..].find(close).ok_or_else(|| error(line, format!("\"{close}\"")))?;
        let inner = &rest[at + 1..end];
        all.push(match close {
            '}' => slot(line, inner)?,
            _ => Piece::Choice(inner.split('|').map(|text| pieces(line, text)).collect::<Result<_, _>>()?),
        });
        rest = &rest[end + 1..];
    }
    if !rest.is_empty() {
        all.push(Piece::Plain(rest.to_string()));
    }
    Ok(all)
}

fn slot(line: usize, inner: &str) -> Result<Piece, GrammarError> {
    let lower = inner.to_lowercase();
    let capital = inner.starts_with(|first: char| first.is_uppercase());
    let (article, name) = match lower.strip_prefix("a ") {
        Some(name) => (true, name),
        None => (false, lower.as_str()),
    };
    let (variable, field) = match name.split_once('.') {
        Some(both) => both,
        None if PRONOUNS[0].contains(&name) => ("hero", name),
        None => (name, ""),
    };
    if variable.is_empty() || !name.chars().all(|c| c.is_ascii_lowercase() || c == '.') {
        let places = "a place such as \"{Hero}\", \"{a toy.part}\" or \"{his}\"";
        return Err(error(line, format!("{places}, not \"{{{inner}}}\"")));
    }
    Ok(Piece::Slot(Slot { variable: variable.to_string(), field: field.to_string(), article, capital }))
}
