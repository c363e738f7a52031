//! How a text is cut before the model sees it: the crate's pre-tokenizers, and patterns with limits of our own. The crate
//! takes the rest of a text as one piece where a pattern gives up, and a match as it comes, also one that ends before it
//! starts: here both are errors.

use super::parts::{Behavior, Pattern, PreTokenizer};
use super::ready::{crate_error, part};
use crate::model::tokenizer::TokenizerError;
use fancy_regex::{Regex, RegexBuilder};
use std::vec;
use std::vec::Vec;
use tokenizers::pattern::{Invert, Pattern as Cuts};
use tokenizers::{Offsets, PreTokenizedString, PreTokenizer as _, PreTokenizerWrapper, Result, SplitDelimiterBehavior};

/// The most steps back that a pattern takes for one match. Looking further for a match takes some for each character.
const MAX_STEPS: usize = 1 << 22;
/// The most bytes that each part of a pattern takes when it is compiled.
const MAX_COMPILED: usize = 2 << 20;

/// One step of cutting.
#[derive(Clone, Debug)]
pub(super) enum Cut {
    Part(PreTokenizerWrapper),
    Split { regex: Regex, behavior: SplitDelimiterBehavior, invert: bool },
}

impl Cut {
    /// The steps of a pre-tokenizer that was checked.
    pub(super) fn steps(pre_tokenizer: Option<&PreTokenizer>) -> core::result::Result<Vec<Cut>, TokenizerError> {
        pre_tokenizer.map(PreTokenizer::flat).unwrap_or_default().into_iter().map(Cut::new).collect()
    }

    fn new(pre_tokenizer: &PreTokenizer) -> core::result::Result<Cut, TokenizerError> {
        let PreTokenizer::Split { pattern, behavior, invert } = pre_tokenizer else {
            return Ok(Cut::Part(part(pre_tokenizer)?));
        };
        let text = match pattern {
            Pattern::String(text) => fancy_regex::escape(text),
            Pattern::Regex(regex) => regex.into(),
        };
        let mut builder = RegexBuilder::new(&text);
        builder.backtrack_limit(MAX_STEPS).delegate_size_limit(MAX_COMPILED).delegate_dfa_size_limit(MAX_COMPILED);
        let behavior = match behavior {
            Behavior::Removed => SplitDelimiterBehavior::Removed,
            Behavior::Isolated => SplitDelimiterBehavior::Isolated,
            Behavior::MergedWithPrevious => SplitDelimiterBehavior::MergedWithPrevious,
            Behavior::MergedWithNext => SplitDelimiterBehavior::MergedWithNext,
            Behavior::Contiguous => SplitDelimiterBehavior::Contiguous,
        };
        Ok(Cut::Split { regex: builder.build().map_err(crate_error)?, behavior, invert: *invert })
    }

    pub(super) fn cut(&self, parts: &mut PreTokenizedString) -> Result<()> {
        match self {
            Cut::Part(part) => part.pre_tokenize(parts),
            Cut::Split { regex, behavior, invert: false } => {
                parts.split(|_, text| text.split(Bounded(regex), *behavior))
            }
            Cut::Split { regex, behavior, invert: true } => {
                parts.split(|_, text| text.split(Invert(Bounded(regex)), *behavior))
            }
        }
    }
}

struct Bounded<'a>(&'a Regex);

impl Cuts for Bounded<'_> {
    fn find_matches(&self, inside: &str) -> Result<Vec<(Offsets, bool)>> {
        if inside.is_empty() {
            return Ok(vec![((0, 0), false)]);
        }
        let mut out = Vec::new();
        let mut from = 0;
        for found in self.0.find_iter(inside) {
            let found = found.map_err(|_| "a Split pattern of tokenizer.json takes too many steps")?;
            if found.start() < from || found.end() < found.start() {
                return Err("a Split pattern of tokenizer.json goes back in the text".into());
            }
            if from < found.start() {
                out.push(((from, found.start()), false));
            }
            out.push(((found.start(), found.end()), true));
            from = found.end();
        }
        if from < inside.len() {
            out.push(((from, inside.len()), false));
        }
        Ok(out)
    }
}
