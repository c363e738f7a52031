//! Telling: drawing one tale from a grammar.

use super::grammar::{Grammar, PRONOUNS, Part, Piece, Slot, Step, Table, Text};

/// Bytes that a tale has at least: less is no story.
pub const SHORTEST: usize = 350;
/// Bytes that a tale has at most: 320 tokens hold a little more.
pub const LONGEST: usize = 950;

/// Drafts of a tale, at most: few are thrown away, so that this many in a row are not.
const DRAFTS: usize = 64;

/// SplitMix64 (Steele, Lea, Flood): every step is a function of a counter, so that no tale needs those before.
struct Dice(u64);

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Dice {
    fn new(seed: u64, number: u64) -> Dice {
        Dice(mix(mix(seed.wrapping_add(0x9e37_79b9_7f4a_7c15)).wrapping_add(number)))
    }

    /// A number below `sides`, which is small enough for the remainder's bias to be none that matters.
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0) % sides
    }

    fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.roll(of.len() as u64) as usize]
    }
}

impl Grammar {
    /// The tale of a number: a function of the grammar, the seed and the number alone. Paragraphs are parted by one
    /// newline; there is none at the end. A grammar that hardly allows a fitting tale may give one that does not fit.
    pub fn tale(&self, seed: u64, number: u64) -> String {
        let mut dice = Dice::new(seed, number);
        let mut text = String::new();
        for _ in 0..DRAFTS {
            let mut telling =
                Telling { grammar: self, dice, bound: Vec::new(), drawn: Vec::new(), text: String::new() };
            let plot = telling.plot();
            telling.part(plot);
            (dice, text) = (telling.dice, telling.text);
            if self.fit(&text) {
                break;
            }
        }
        text
    }

    /// Whether a draft may be told: long and short enough, no sentence twice, none that the grammar forbids.
    fn fit(&self, text: &str) -> bool {
        let mut all = sentences(text);
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        (SHORTEST..=LONGEST).contains(&text.len())
            && all.len() == count
            && !self.never.iter().any(|never| text.contains(never))
    }
}

/// The sentences of a text. One ends with ".", "!" or "?", perhaps a quotation mark, before a space or a line's end.
pub fn sentences(text: &str) -> Vec<&str> {
    let mut all = Vec::new();
    let (bytes, mut start) = (text.as_bytes(), 0);
    for at in 0..bytes.len() {
        let mark = |at: usize| matches!(bytes[at], b'.' | b'!' | b'?');
        let ends = mark(at) || (at > start && bytes[at] == b'"' && mark(at - 1));
        let last = bytes.get(at + 1).is_none_or(|next| matches!(next, b' ' | b'\n'));
        if ends && last {
            all.push(text[start..=at].trim());
            start = at + 1;
        }
    }
    all
}

struct Telling<'g> {
    grammar: &'g Grammar,
    dice: Dice,
    /// Variables and their rows; the last of a name counts.
    bound: Vec<(&'g str, &'g Table, Vec<String>)>,
    /// First cells drawn, so that two variables are never the same thing.
    drawn: Vec<String>,
    text: String,
}

impl<'g> Telling<'g> {
    fn plot(&mut self) -> &'g Part {
        let parts = &self.grammar.parts;
        let mut left = self.dice.roll(parts.iter().map(|part| part.weight).sum());
        for part in parts {
            match left.checked_sub(part.weight) {
                Some(less) => left = less,
                None => return part,
            }
        }
        &parts[0]
    }

    fn part(&mut self, part: &'g Part) {
        for (_, step) in &part.steps {
            match step {
                Step::Draw(variable, tables) => {
                    let table = *self.dice.pick(tables);
                    self.draw(variable, &self.grammar.tables[table]);
                }
                Step::Say(variants) => {
                    let (_, variant) = self.dice.pick(variants);
                    let said = self.said(variant);
                    if !said.is_empty() {
                        if !self.text.is_empty() && !self.text.ends_with('\n') {
                            self.text.push(' ');
                        }
                        self.text += &said;
                    }
                }
                Step::Paragraph if self.text.is_empty() || self.text.ends_with('\n') => {}
                Step::Paragraph => self.text.push('\n'),
                Step::Use(parts) => {
                    let part = *self.dice.pick(parts);
                    self.part(&self.grammar.parts[part]);
                }
            }
        }
    }

    fn draw(&mut self, variable: &'g str, table: &'g Table) {
        let mut row = Vec::new();
        for _ in 0..DRAFTS {
            let cells = self.dice.pick(&table.rows);
            row = cells.iter().map(|cell| self.said(cell)).collect::<Vec<_>>();
            if !self.drawn.contains(&row[0]) {
                break;
            }
        }
        self.drawn.push(row[0].clone());
        self.bound.push((variable, table, row));
    }

    fn said(&mut self, text: &'g Text) -> String {
        let mut said = String::new();
        for piece in text {
            match piece {
                Piece::Plain(plain) => said += plain,
                Piece::Choice(texts) => {
                    let text = self.dice.pick(texts);
                    said += &self.said(text);
                }
                Piece::Slot(slot) => said += &self.slot(slot),
            }
        }
        said
    }

    fn slot(&self, slot: &Slot) -> String {
        // The parser saw to it that the variable is bound and has the column.
        let Some((_, table, row)) = self.bound.iter().rev().find(|(name, ..)| *name == slot.variable) else {
            return String::new();
        };
        let cell = |name: &str| table.column(name).map(|at| row[at].as_str());
        let value = match cell(&slot.field) {
            Some(value) => value,
            None => {
                let form = PRONOUNS[0].iter().position(|form| *form == slot.field);
                let forms = PRONOUNS.iter().find(|forms| Some(forms[0]) == cell("he"));
                form.zip(forms).map_or(row[0].as_str(), |(form, forms)| forms[form])
            }
        };
        let article = match (slot.article, value.starts_with(['a', 'e', 'i', 'o', 'u'])) {
            (false, _) => "",
            (true, false) => "a ",
            (true, true) => "an ",
        };
        let whole = format!("{article}{value}");
        match (slot.capital, whole.split_at_checked(1)) {
            (true, Some((first, rest))) => first.to_uppercase() + rest,
            _ => whole,
        }
    }
}
