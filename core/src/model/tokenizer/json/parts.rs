//! The parts around the model: what is done to a text before it, and to tokens after it.
//!
//! Those that language models use are read. Others are refused by name, and so is what could blow up: patterns that unfold
//! without end, replacements that make a text many times longer.

use super::unsupported;
use crate::model::tokenizer::TokenizerError;
use serde::{Deserialize, Serialize};
use std::format;
use std::string::{String, ToString};
use std::vec;
use std::vec::Vec;

/// The most parts in a sequence, all levels together.
const MAX_PARTS: usize = 64;
const MAX_TEXT: usize = 64;
const MAX_PATTERN: usize = 4096;
/// The most that counted repeats (`{1,3}`) of a pattern may multiply up to.
const MAX_REPEATS: u64 = 1000;
/// The most times that replacements may lengthen a text.
const MAX_GROWTH: usize = 16;
/// The most bytes that normalizers may put before each part of a text.
const MAX_PREPENDED: usize = 16;
/// The most patterns.
const MAX_PATTERNS: usize = 16;

/// A string, or a regular expression.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Pattern {
    String(String),
    Regex(String),
}

/// What is done to a text first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", deny_unknown_fields)]
pub(crate) enum Normalizer {
    Sequence {
        normalizers: Vec<Normalizer>,
    },
    #[serde(rename = "NFC")]
    Nfc,
    #[serde(rename = "NFD")]
    Nfd,
    #[serde(rename = "NFKC")]
    Nfkc,
    #[serde(rename = "NFKD")]
    Nfkd,
    Lowercase,
    StripAccents,
    Strip {
        strip_left: bool,
        strip_right: bool,
    },
    Prepend {
        prepend: String,
    },
    Replace {
        pattern: Pattern,
        content: String,
    },
}

/// What becomes of what a pattern finds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Behavior {
    Removed,
    Isolated,
    MergedWithPrevious,
    MergedWithNext,
    Contiguous,
}

/// Which texts get a space put before them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Scheme {
    First,
    Never,
    Always,
}

/// How a text is cut before the model sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", deny_unknown_fields)]
pub(crate) enum PreTokenizer {
    Sequence {
        pretokenizers: Vec<PreTokenizer>,
    },
    ByteLevel {
        add_prefix_space: bool,
        #[serde(default = "yes")]
        trim_offsets: bool,
        #[serde(default = "yes")]
        use_regex: bool,
    },
    Split {
        pattern: Pattern,
        behavior: Behavior,
        invert: bool,
    },
    Metaspace {
        replacement: char,
        #[serde(default, skip_serializing)]
        add_prefix_space: Option<bool>,
        #[serde(default, skip_serializing)]
        str_rep: Option<String>,
        #[serde(default = "always")]
        prepend_scheme: Scheme,
        #[serde(default = "yes")]
        split: bool,
    },
    Digits {
        individual_digits: bool,
    },
    Punctuation {
        #[serde(default = "isolated")]
        behavior: Behavior,
    },
    Whitespace,
    WhitespaceSplit,
}

/// How tokens become text again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", deny_unknown_fields)]
pub(crate) enum Decoder {
    Sequence {
        decoders: Vec<Decoder>,
    },
    ByteLevel {
        add_prefix_space: bool,
        #[serde(default = "yes")]
        trim_offsets: bool,
        #[serde(default = "yes")]
        use_regex: bool,
    },
    Metaspace {
        replacement: char,
        #[serde(default, skip_serializing)]
        add_prefix_space: Option<bool>,
        #[serde(default, skip_serializing)]
        str_rep: Option<String>,
        #[serde(default = "always")]
        prepend_scheme: Scheme,
        #[serde(default = "yes")]
        split: bool,
    },
    Replace {
        pattern: Pattern,
        content: String,
    },
    ByteFallback,
    Fuse,
    Strip {
        content: char,
        start: usize,
        stop: usize,
    },
}

fn yes() -> bool {
    true
}

fn always() -> Scheme {
    Scheme::Always
}

fn isolated() -> Behavior {
    Behavior::Isolated
}

/// Older files say `add_prefix_space` where newer ones have a scheme.
fn modern(add_prefix_space: &mut Option<bool>, str_rep: &mut Option<String>, scheme: &mut Scheme) {
    if add_prefix_space.take() == Some(false) {
        *scheme = Scheme::Never;
    }
    *str_rep = None;
}

impl PreTokenizer {
    pub(super) fn complete(&mut self) {
        match self {
            PreTokenizer::Sequence { pretokenizers } => pretokenizers.iter_mut().for_each(Self::complete),
            PreTokenizer::Metaspace { add_prefix_space, str_rep, prepend_scheme, .. } => {
                modern(add_prefix_space, str_rep, prepend_scheme);
            }
            _ => {}
        }
    }

    /// The parts in order, without sequences.
    pub(crate) fn flat(&self) -> Vec<&PreTokenizer> {
        match self {
            PreTokenizer::Sequence { pretokenizers } => pretokenizers.iter().flat_map(Self::flat).collect(),
            other => vec![other],
        }
    }
}

impl Decoder {
    pub(super) fn complete(&mut self) {
        match self {
            Decoder::Sequence { decoders } => decoders.iter_mut().for_each(Self::complete),
            Decoder::Metaspace { add_prefix_space, str_rep, prepend_scheme, .. } => {
                modern(add_prefix_space, str_rep, prepend_scheme);
            }
            _ => {}
        }
    }

    /// The parts in order, without sequences.
    pub(crate) fn flat(&self) -> Vec<&Decoder> {
        match self {
            Decoder::Sequence { decoders } => decoders.iter().flat_map(Self::flat).collect(),
            other => vec![other],
        }
    }
}

impl Normalizer {
    fn flat(&self) -> Vec<&Normalizer> {
        match self {
            Normalizer::Sequence { normalizers } => normalizers.iter().flat_map(Self::flat).collect(),
            other => vec![other],
        }
    }
}

pub(super) fn check(
    normalizer: Option<&Normalizer>,
    pre_tokenizer: Option<&PreTokenizer>,
    decoder: Option<&Decoder>,
) -> Result<(), TokenizerError> {
    let normalizers = normalizer.map(Normalizer::flat).unwrap_or_default();
    let pre_tokenizers = pre_tokenizer.map(PreTokenizer::flat).unwrap_or_default();
    let Some(decoder) = decoder else {
        return Err(unsupported("decoder", "missing", "ByteLevel, Metaspace, or a sequence with ByteFallback"));
    };
    let decoders = decoder.flat();
    let parts = normalizers.len() + pre_tokenizers.len() + decoders.len();
    if parts > MAX_PARTS {
        return Err(unsupported("number of parts", parts.to_string(), "at most 64"));
    }
    let (mut growth, mut prepended) = (1usize, 0);
    for part in normalizers {
        match part {
            // The crate takes the first character without looking whether there is one.
            Normalizer::Prepend { prepend } if prepend.is_empty() => {
                return Err(unsupported("a Prepend normalizer's text", "empty", "1 to 16 bytes"));
            }
            Normalizer::Prepend { prepend } => prepended += prepend.len(),
            Normalizer::Replace { pattern, content } => {
                check_text("a normalizer's text", content)?;
                let found = literal(pattern)?;
                growth = growth.saturating_mul(content.len().div_ceil(found.len()).max(1));
            }
            _ => {}
        }
    }
    if growth > MAX_GROWTH {
        return Err(unsupported("normalizer", format!("{growth} times longer texts"), "at most 16 times"));
    }
    if prepended > MAX_PREPENDED {
        return Err(unsupported("normalizer", format!("Prepend of {prepended} bytes"), "at most 16 together"));
    }
    // With two that put a space before each part, and cuts between, texts would grow without end.
    let spaces = |p: &&&PreTokenizer| matches!(p, PreTokenizer::ByteLevel { .. } | PreTokenizer::Metaspace { .. });
    if pre_tokenizers.iter().filter(spaces).count() > 1 {
        return Err(unsupported("pre_tokenizer", "more than one", "ByteLevel or Metaspace once at most"));
    }
    let patterns = pre_tokenizers.iter().filter(|p| matches!(p, PreTokenizer::Split { .. })).count();
    if patterns > MAX_PATTERNS {
        return Err(unsupported("pre_tokenizer", format!("{patterns} times Split"), "at most 16 times"));
    }
    for part in pre_tokenizers {
        match part {
            PreTokenizer::Split { pattern: Pattern::String(text), .. } => check_text("a pattern", text)?,
            PreTokenizer::Split { pattern: Pattern::Regex(regex), .. } => check_regex(regex)?,
            _ => {}
        }
    }
    let mut growth = 1usize;
    for part in decoders {
        match part {
            Decoder::Replace { pattern, content } => {
                check_text("a decoder's text", content)?;
                growth = growth.saturating_mul(content.len().div_ceil(literal(pattern)?.len()).max(1));
            }
            // The crate counts from the end of a token without looking how long it is.
            Decoder::Strip { stop, .. } if *stop > 0 => {
                return Err(unsupported("a Strip decoder's stop", stop.to_string(), "0"));
            }
            _ => {}
        }
    }
    if growth > MAX_GROWTH {
        return Err(unsupported("decoder", format!("{growth} times longer texts"), "at most 16 times"));
    }
    Ok(())
}

fn check_text(part: &'static str, text: &str) -> Result<(), TokenizerError> {
    if text.len() > MAX_TEXT { Err(unsupported(part, text, "at most 64 bytes")) } else { Ok(()) }
}

fn literal(pattern: &Pattern) -> Result<&str, TokenizerError> {
    match pattern {
        Pattern::String(text) if (1..=MAX_TEXT).contains(&text.len()) => Ok(text),
        Pattern::String(text) => Err(unsupported("a Replace pattern", text, "1 to 64 bytes")),
        Pattern::Regex(regex) => Err(unsupported("a Replace pattern", regex, "a String, not a Regex")),
    }
}

/// A counted repeat is unfolded when the pattern is compiled, one within another as often as both together. Whether they
/// are nested is not looked into.
fn check_regex(regex: &str) -> Result<(), TokenizerError> {
    if regex.len() > MAX_PATTERN {
        return Err(unsupported("a Split pattern", regex, "at most 4096 bytes"));
    }
    let mut product = 1u64;
    for part in regex.split('{').skip(1) {
        let Some((inside, _)) = part.split_once('}') else { continue };
        let counts = inside.split(',').filter_map(|n| n.trim().parse::<u64>().ok());
        product = product.saturating_mul(counts.max().unwrap_or(1).max(1));
    }
    if product > MAX_REPEATS {
        return Err(unsupported("a Split pattern", regex, "counted repeats of 1000 at most, multiplied together"));
    }
    Ok(())
}
