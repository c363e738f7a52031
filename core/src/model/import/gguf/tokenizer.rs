//! The text side of a model from the parts that a GGUF file has of it: the `tokenizer.json` that says the same.

use super::text::{BYTE, CONTROL, KIND, MERGES, NORMAL, PRE, SCORES, TOKENS, TextParts, UNKNOWN, UNUSED, USER_DEFINED};
use crate::model::import::ImportError;
use crate::model::import::text::{TextSide, field, finish, with_names};
use crate::model::tokenizer::MAX_TOKENIZER_JSON;
use crate::model::tokenizer::json::{
    AddedToken, Behavior, Decoder, File, MAX_TOKEN, Merges, Model, ModelKind, Normalizer, Pattern, PreTokenizer,
    Vocabulary, short, version,
};
use std::collections::{BTreeMap, BTreeSet};
use std::format;
use std::string::{String, ToString};
use std::vec;
use std::vec::Vec;

/// Llama 3's way to cut a text.
const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// Qwen2's: each digit for itself.
const QWEN2: &str =
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// What stands for a space in pieces.
const MARK: &str = "\u{2581}";

/// Texts of tokens that end an answer in the models that have them. A file's keys name three at most.
const ENDS: [&str; 11] = [
    "<|endoftext|>",
    "<|end_of_text|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|im_end|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<end_of_turn>",
    "<end_of_utterance>",
    "<EOT>",
];

/// Builds the text side of a model with `vocabulary` ids from its file's parts.
pub(in crate::model::import) fn text_side(parts: &TextParts, vocabulary: usize) -> Result<TextSide, ImportError> {
    let n = parts.tokens.len();
    if n > vocabulary {
        return Err(field(&parts.file, TOKENS, format!("{n} tokens"), format!("at most the model's, {vocabulary}")));
    }
    if let Some(long) = parts.tokens.iter().find(|text| text.len() > MAX_TOKEN) {
        return Err(field(&parts.file, TOKENS, long, format!("tokens of at most {MAX_TOKEN} bytes")));
    }
    let (file, begins) = match &*parts.model {
        "gpt2" => byte_level(parts)?,
        "llama" => (pieces(parts)?, true),
        other => {
            let advice = "gpt2 and llama are; import the model's Hugging Face directory instead";
            return Err(ImportError::unsupported(&parts.file, format!("{KIND} {}", short(other)), advice));
        }
    };
    let begin = parts.begin.filter(|_| parts.add_begin.unwrap_or(begins));
    let ends = parts.tokens.iter().zip(0u32..).filter(|(text, _)| ENDS.contains(&text.as_str())).map(|(_, id)| id);
    let end: BTreeSet<u32> = parts.end.iter().copied().chain(ends).collect();
    let text = |id: Option<u32>| id.and_then(|id| parts.tokens.get(id as usize)).cloned();
    let names = |wanted| {
        Ok(match wanted {
            "bos_token" => text(parts.begin),
            "eos_token" => text(parts.eos),
            "unk_token" => text(parts.unknown),
            _ => None,
        })
    };
    let template = with_names(parts.chat_template.clone().unwrap_or_default(), names)?;
    finish(&parts.file, file, vocabulary as u32, begin, end, template).map_err(|error| match error {
        ImportError::Tokenizer(reason) => ImportError::damaged(&parts.file, format!("its tokenizer, as a {reason}")),
        other => other,
    })
}

fn token_type(parts: &TextParts, id: usize) -> i32 {
    parts.token_types.get(id).copied().unwrap_or(NORMAL)
}

/// Tokens by text, and those that are looked for in a text before all others. Of equal texts the first counts.
fn vocabulary(parts: &TextParts) -> (BTreeMap<String, u32>, Vec<AddedToken>) {
    let mut ids = BTreeMap::new();
    let mut added = Vec::new();
    for (id, text) in parts.tokens.iter().enumerate() {
        if text.is_empty() || ids.contains_key(text) {
            continue;
        }
        ids.insert(text.clone(), id as u32);
        let token = AddedToken::control(id as u32, text.clone());
        match token_type(parts, id) {
            CONTROL | UNKNOWN => added.push(token),
            USER_DEFINED => added.push(AddedToken { special: false, ..token }),
            _ => {}
        }
    }
    (ids, added)
}

fn model(ids: BTreeMap<String, u32>, merges: Vec<(String, String)>) -> Model {
    Model {
        kind: ModelKind::Bpe,
        dropout: None,
        unk_token: None,
        unk_id: None,
        continuing_subword_prefix: None,
        end_of_word_suffix: None,
        fuse_unk: false,
        byte_fallback: false,
        ignore_merges: false,
        vocabulary: Vocabulary::Ids(ids),
        merges: Some(Merges(merges)),
    }
}

/// Byte-level pairs, and whether prompts begin with the begin token where the file does not say.
fn byte_level(parts: &TextParts) -> Result<(File, bool), ImportError> {
    let (add_prefix_space, trim_offsets) = (false, true);
    let bytes = |use_regex| PreTokenizer::ByteLevel { add_prefix_space, trim_offsets, use_regex };
    let cut = |regex: &str| {
        let pattern = Pattern::Regex(regex.to_string());
        let split = PreTokenizer::Split { pattern, behavior: Behavior::Isolated, invert: false };
        PreTokenizer::Sequence { pretokenizers: vec![split, bytes(false)] }
    };
    let pre = parts.pre.as_deref().unwrap_or("default");
    let (normalizer, pre_tokenizer) = match pre {
        "default" | "gpt-2" | "gpt2" => (None, bytes(true)),
        "llama-bpe" | "llama3" | "llama-v3" => (None, cut(LLAMA3)),
        "qwen2" | "deepseek-r1-qwen" => (Some(Normalizer::Nfc), cut(QWEN2)),
        "smollm" => {
            let digits = PreTokenizer::Digits { individual_digits: true };
            (None, PreTokenizer::Sequence { pretokenizers: vec![digits, bytes(true)] })
        }
        other => {
            let advice =
                "default, gpt-2, llama-bpe, qwen2 and smollm are; import the model's Hugging Face directory instead";
            return Err(ImportError::unsupported(&parts.file, format!("{PRE} {}", short(other)), advice));
        }
    };
    let mut merges = Vec::with_capacity(parts.merges.len());
    for merge in &parts.merges {
        let pair = merge.split_once(' ').filter(|(_, b)| !b.contains(' '));
        let (a, b) = pair.ok_or_else(|| field(&parts.file, MERGES, merge, "two tokens with a space between"))?;
        merges.push((a.to_string(), b.to_string()));
    }
    let (ids, added_tokens) = vocabulary(parts);
    let llama3 = pre.starts_with("llama");
    let model = Model { ignore_merges: llama3, ..model(ids, merges) };
    let decoder = Some(Decoder::ByteLevel { add_prefix_space, trim_offsets, use_regex: true });
    let file =
        File { version: version(), added_tokens, normalizer, pre_tokenizer: Some(pre_tokenizer), decoder, model };
    Ok((file, llama3))
}

/// Pieces with scores (sentencepiece): neighbours whose join is a piece merge, the best score first. As pairs: every way to
/// cut a piece in two pieces, ordered by the piece's score.
fn pieces(parts: &TextParts) -> Result<File, ImportError> {
    if parts.scores.is_empty() {
        return Err(field(&parts.file, SCORES, "absent", "one for each token"));
    }
    let (ids, added_tokens) = vocabulary(parts);
    let is_text = |id: u32| !matches!(token_type(parts, id as usize), CONTROL | UNKNOWN | UNUSED | BYTE);
    let text_id = |text: &str| ids.get(text).copied().filter(|id| is_text(*id));
    let (mut joins, mut bytes) = (Vec::new(), 0);
    for (id, text) in parts.tokens.iter().enumerate() {
        if ids.get(text) != Some(&(id as u32)) || !is_text(id as u32) {
            continue;
        }
        for (at, _) in text.char_indices().skip(1) {
            let (a, b) = text.split_at(at);
            if let (Some(first), Some(second)) = (text_id(a), text_id(b)) {
                bytes += text.len();
                if bytes > MAX_TOKENIZER_JSON {
                    return Err(field(&parts.file, TOKENS, "pieces of pieces of pieces", "fewer ways to cut them"));
                }
                joins.push((parts.scores[id], a.chars().count(), b.chars().count(), first, second, a, b));
            }
        }
    }
    joins.sort_by(|x, y| {
        let by_score = y.0.total_cmp(&x.0);
        by_score.then(y.1.cmp(&x.1)).then(y.2.cmp(&x.2)).then(x.3.cmp(&y.3)).then(x.4.cmp(&y.4))
    });
    let merges = joins.into_iter().map(|(.., a, b)| (a.to_string(), b.to_string())).collect();
    let unk_token = parts.unknown.and_then(|id| parts.tokens.get(id as usize)).cloned();
    // Where no piece stands for a space, spaces are bytes.
    let marked = ids.contains_key(MARK);
    let model = Model { unk_token, fuse_unk: true, byte_fallback: true, ..model(ids, merges) };
    let add_space = parts.add_space_prefix.unwrap_or(true);
    let (space, mark) = (|| " ".to_string(), || MARK.to_string());
    let prepend = Normalizer::Prepend { prepend: if marked { mark() } else { space() } };
    let replace = Normalizer::Replace { pattern: Pattern::String(space()), content: mark() };
    let normalizers = [(add_space, prepend), (marked, replace)];
    let normalizers: Vec<_> = normalizers.into_iter().filter_map(|(wanted, n)| wanted.then_some(n)).collect();
    let unmark = Decoder::Replace { pattern: Pattern::String(mark()), content: space() };
    let mut decoders = vec![unmark, Decoder::ByteFallback, Decoder::Fuse];
    if add_space {
        decoders.push(Decoder::Strip { content: ' ', start: 1, stop: 0 });
    }
    let normalizer = (!normalizers.is_empty()).then_some(Normalizer::Sequence { normalizers });
    let decoder = Some(Decoder::Sequence { decoders });
    Ok(File { version: version(), added_tokens, normalizer, pre_tokenizer: None, decoder, model })
}
