//! The text side of a directory: `tokenizer.json`, begin and end tokens, the chat template.

use super::config::Config;
use super::{CONFIG, Directory, GENERATION, ImportError, needed};
use crate::model::import::error::brief;
use crate::model::import::files::Named;
use crate::model::import::text::{TextSide, field, finish, with_names};
use crate::model::tokenizer::TokenizerSpec;
use crate::model::tokenizer::json::File;
use serde_json::Value;
use std::collections::BTreeSet;
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

const TOKENIZER: &str = "tokenizer.json";
const TOKENIZER_CONFIG: &str = "tokenizer_config.json";
const SPECIAL_TOKENS: &str = "special_tokens_map.json";
const TEMPLATE: &str = "chat_template.jinja";
/// The most bytes of `tokenizer.json` in a directory; a package holds less, without white space.
const MAX_FILE: u64 = 64 << 20;
/// No template is longer.
const MAX_TEMPLATE_FILE: u64 = 1 << 20;

/// Reads the text side of a model with `vocabulary` ids from its directory. The tokenizer may know fewer ids (padded
/// vocabularies), never more. End tokens are all that any file names; the begin token is what `add_bos_token` says, or else
/// the post-processor.
pub fn text_of(directory: &dyn Directory, vocabulary: usize) -> Result<TextSide, ImportError> {
    let advice = "a model's directory has one; of tokenizer.model or vocab.json, transformers makes it: \
                  AutoTokenizer.from_pretrained(DIRECTORY).save_pretrained(DIRECTORY)";
    let bytes = needed(directory, TOKENIZER, advice)?.read_all(MAX_FILE)?;
    let file = File::read(&bytes)?;
    let vocabulary = u32::try_from(vocabulary).unwrap_or(u32::MAX);
    let configs = Configs {
        tokenizer: Config::or_empty(directory, TOKENIZER_CONFIG)?,
        special: Config::or_empty(directory, SPECIAL_TOKENS)?,
        models: [Config::or_empty(directory, GENERATION)?, Config::or_empty(directory, CONFIG)?],
    };
    let end = configs.end(&file, vocabulary)?;
    let begin = match configs.tokenizer.get("add_bos_token") {
        None => begin_of(&post_processor(&bytes)?)?,
        Some(Value::Bool(false)) => None,
        Some(Value::Bool(true)) => Some(configs.begin(&file)?),
        Some(_) => return Err(configs.tokenizer.wrong("add_bos_token", "true or false")),
    };
    let name = |name| Ok(configs.token(name)?.map(|(_, content)| content));
    let template = with_names(configs.template(directory)?, name)?;
    finish(TOKENIZER, file, vocabulary, begin, end, template)
}

/// The tokenizer alone.
pub fn tokenizer_of(directory: &dyn Directory, vocabulary: usize) -> Result<TokenizerSpec, ImportError> {
    Ok(text_of(directory, vocabulary)?.tokenizer)
}

/// The small files; without fields where there is none.
struct Configs {
    tokenizer: Config,
    special: Config,
    models: [Config; 2],
}

impl Configs {
    /// A special token by its name, with the file that says so.
    fn token(&self, name: &str) -> Result<Option<(&Config, String)>, ImportError> {
        for config in [&self.tokenizer, &self.special] {
            let content = match config.get(name) {
                None => continue,
                Some(Value::Object(token)) => token.get("content").and_then(Value::as_str),
                Some(other) => other.as_str(),
            };
            let content = content.ok_or_else(|| config.wrong(name, "a text, or an object with a text as `content`"))?;
            return Ok(Some((config, content.to_string())));
        }
        Ok(None)
    }

    /// The id of a special token by its name.
    fn named(&self, file: &File, name: &str) -> Result<Option<u32>, ImportError> {
        let Some((config, content)) = self.token(name)? else { return Ok(None) };
        let added = file.added_tokens.iter().map(|t| (t.content.as_str(), t.id));
        let id = added.chain(file.model.vocabulary.entries()).find(|(text, _)| *text == content).map(|(_, id)| id);
        id.map(Some).ok_or_else(|| config.wrong(name, "a token of tokenizer.json"))
    }

    /// The begin token, where one is asked for.
    fn begin(&self, file: &File) -> Result<u32, ImportError> {
        if let Some(id) = self.named(file, "bos_token")? {
            return Ok(id);
        }
        for config in &self.models {
            if let [id] = config.ids("bos_token_id")?[..] {
                return Ok(id.0);
            }
        }
        Err(self.tokenizer.wrong("bos_token", "a token, since add_bos_token is true"))
    }

    /// Every token that ends an answer.
    fn end(&self, file: &File, vocabulary: u32) -> Result<BTreeSet<u32>, ImportError> {
        let mut end = BTreeSet::new();
        for config in &self.models {
            let ids = config.ids("eos_token_id")?;
            if ids.iter().any(|id| id.0 >= vocabulary) {
                return Err(config.wrong("eos_token_id", format!("ids below the vocabulary's size, {vocabulary}")));
            }
            end.extend(ids.iter().map(|id| id.0));
        }
        end.extend(self.named(file, "eos_token")?);
        Ok(end)
    }

    /// The chat template: a file of its own, or one text, or several with names, of which `default` counts.
    fn template(&self, directory: &dyn Directory) -> Result<String, ImportError> {
        const FIELD: &str = "chat_template";
        if let Some(file) = Named::open(directory, TEMPLATE)? {
            let text = String::from_utf8(file.read_all(MAX_TEMPLATE_FILE)?);
            return text.map_err(|_| field(TEMPLATE, "its contents", "no UTF-8", "text"));
        }
        match self.tokenizer.get(FIELD) {
            None => Ok(String::new()),
            Some(Value::String(text)) => Ok(text.clone()),
            Some(Value::Array(several)) => {
                let default = |t: &&Value| t.get("name").and_then(Value::as_str) == Some("default");
                let one = several.iter().find(default).or(several.first().filter(|_| several.len() == 1));
                let text = one.and_then(|t| t.get("template")).and_then(Value::as_str).map(ToString::to_string);
                let expected = "several of which one is named `default`, each with a text as `template`";
                text.ok_or_else(|| self.tokenizer.wrong(FIELD, expected))
            }
            Some(_) => Err(self.tokenizer.wrong(FIELD, "a text, or a list of templates")),
        }
    }
}

/// What is put around texts. Nothing but the token before them is taken over.
fn post_processor(tokenizer: &[u8]) -> Result<Value, ImportError> {
    #[derive(serde::Deserialize)]
    struct Part {
        #[serde(default)]
        post_processor: Value,
    }
    let part: Result<Part, _> = serde_json::from_slice(tokenizer);
    part.map(|part| part.post_processor).map_err(|e| ImportError::damaged(TOKENIZER, brief(&e.to_string())))
}

/// The token that a post-processor puts before a text.
fn begin_of(processor: &Value) -> Result<Option<u32>, ImportError> {
    let id = |value: Option<&Value>| {
        let id = value.and_then(Value::as_u64).and_then(|id| u32::try_from(id).ok());
        let expected = "the id of each token in it";
        id.map(Some).ok_or_else(|| field(TOKENIZER, "post_processor", "without the begin token's id", expected))
    };
    match processor.get("type").and_then(Value::as_str) {
        Some("Sequence") => {
            let parts: &[Value] = processor.get("processors").and_then(Value::as_array).map_or(&[], Vec::as_slice);
            for part in parts {
                if let Some(found) = begin_of(part)? {
                    return Ok(Some(found));
                }
            }
            Ok(None)
        }
        Some("TemplateProcessing") => match processor["single"][0]["SpecialToken"]["id"].as_str() {
            Some(name) => id(processor["special_tokens"][name]["ids"].get(0)),
            None => Ok(None),
        },
        Some("BertProcessing" | "RobertaProcessing") => id(processor["cls"].get(1)),
        _ => Ok(None),
    }
}
