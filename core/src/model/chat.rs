//! A conversation as a prompt, by the model's chat template.
//!
//! The names of control tokens in the template's text become control tokens; in what people wrote they stay text. A
//! hidden character, which stands in no message, is put into each such name in a message before the template sees it, and
//! is taken out again after control tokens were looked for. So templates may cut and trim messages as they like.

use super::package::Package;
use super::tokenizer::json::{Specials, short};
use super::tokenizer::{Tokenizer, TokenizerError};
use crate::units::TokenId;
use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Error, ErrorKind, Value, context};
use std::string::{String, ToString};
use std::vec::Vec;

/// What a template may use up (minijinja's fuel): instructions, or 64 bytes of text for each. There is one more for each
/// byte of the messages, so that a template can copy them 64 times.
const FUEL: u64 = 200_000;

/// One message of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Who says it: `system`, `developer`, `user`, `assistant` or `tool`.
    pub role: &'a str,
    /// What is said.
    pub content: &'a str,
}

/// A conversation that a model is to go on with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chat<'a> {
    /// The messages so far.
    pub messages: &'a [Message<'a>],
    /// Whether the beginning of the model's answer belongs to the prompt. It does, unless the last message is to be
    /// continued.
    pub add_generation_prompt: bool,
    /// Today's date as the template shall write it: there is no clock here. Templates that need none do without.
    pub date: Option<&'a str>,
}

/// Why a conversation cannot be made a prompt.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChatError {
    /// The model has no template.
    #[error("this model has no chat template: give the prompt as one text")]
    NoTemplate,
    /// Nothing was said.
    #[error("the conversation has no messages, at least one expected")]
    Empty,
    /// Nobody has this role.
    #[error("a message's role is `{0}`, expected system, developer, user, assistant or tool")]
    Role(String),
    /// The template is no template, refuses the conversation, or takes too long.
    #[error("the model's chat template: {0}; give the prompt as one text")]
    Template(String),
    /// The messages use every character that could be hidden in them.
    #[error("the messages hold all of U+FDD0 to U+FDEF, which are no characters: take one out")]
    Hidden,
    /// The model's tokenizer is not one that knows templates.
    #[error("this model's tokenizer has no control tokens by name: give the prompt as one text")]
    NoNames,
    /// The tokenizer cannot be used.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
}

/// The prompt of a conversation with a package's model: [`chat_ids`] with its template.
pub fn chat_prompt(package: &Package, chat: &Chat<'_>) -> Result<Vec<TokenId>, ChatError> {
    chat_ids(package.tokenizer(), &package.manifest().chat_template, chat)
}

/// The prompt of a conversation: the ids of the template's text, in which the model's begin token stands if the template
/// wants one. `raise_exception` in a template is an error with its words; so is whatever would run or grow without end.
pub fn chat_ids(tokenizer: &Tokenizer, template: &str, chat: &Chat<'_>) -> Result<Vec<TokenId>, ChatError> {
    if template.is_empty() {
        return Err(ChatError::NoTemplate);
    }
    let tokenizer = tokenizer.json().ok_or(ChatError::NoNames)??;
    let names: Vec<&str> = tokenizer.controls().collect();
    let hidden = hidden_for(chat, template)?;
    let said: Vec<String> = chat.messages.iter().map(|m| hide(m.content, &names, hidden)).collect();
    let text = render(template, chat, &said)?;
    Ok(tokenizer.ids(&text, Specials::Control, Some(hidden))?)
}

/// A character that stands neither in the messages nor in the template.
fn hidden_for(chat: &Chat<'_>, template: &str) -> Result<char, ChatError> {
    let taken = |c: char| template.contains(c) || chat.messages.iter().any(|m| m.content.contains(c));
    ('\u{FDD0}'..='\u{FDEF}').find(|c| !taken(*c)).ok_or(ChatError::Hidden)
}

/// The message with `hidden` in each control token's name, and at an end of the message that could be a part of a name
/// together with what the template puts there. White space at the ends stays there, so that it can be trimmed.
fn hide(content: &str, names: &[&str], hidden: char) -> String {
    let inside = content.trim();
    if inside.is_empty() {
        return content.to_string();
    }
    let start = content.len() - content.trim_start().len();
    let mut places = Vec::new();
    for name in names {
        let first = name.chars().next().map_or(0, char::len_utf8);
        places.extend(
            content.char_indices().filter(|(at, _)| content[*at..].starts_with(name)).map(|(at, _)| at + first),
        );
        let cuts = || name.char_indices().map(|(at, _)| at).skip(1);
        if cuts().any(|at| name[at..].starts_with(inside) || inside.starts_with(&name[at..])) {
            places.push(start);
        }
        if cuts().any(|at| name[..at].ends_with(inside) || inside.ends_with(&name[..at])) {
            places.push(start + inside.len());
        }
    }
    places.sort_unstable();
    places.dedup();
    let mut out = String::with_capacity(content.len() + places.len() * hidden.len_utf8());
    let mut from = 0;
    for at in places {
        out.push_str(&content[from..at]);
        out.push(hidden);
        from = at;
    }
    out.push_str(&content[from..]);
    out
}

fn template_error(e: &Error) -> ChatError {
    let mut text = e.to_string();
    if e.kind() == ErrorKind::OutOfFuel {
        text = "it takes too many steps or makes too much text".to_string();
    } else if text.contains("strftime_now") {
        text = "it needs today's date: give one".to_string();
    }
    ChatError::Template(short(&text))
}

fn render(template: &str, chat: &Chat<'_>, said: &[String]) -> Result<String, ChatError> {
    if said.is_empty() {
        return Err(ChatError::Empty);
    }
    let mut messages = Vec::with_capacity(said.len());
    for (message, content) in chat.messages.iter().zip(said) {
        if !matches!(message.role, "system" | "developer" | "user" | "assistant" | "tool") {
            return Err(ChatError::Role(short(message.role)));
        }
        messages.push(context! { role => message.role, content => content });
    }
    let mut environment = Environment::new();
    // As Hugging Face's library sets Jinja up.
    let syntax =
        SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build().map_err(|e| template_error(&e))?;
    environment.set_syntax(syntax);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    let bytes: u64 = said.iter().map(|s| s.len() as u64).sum();
    environment.set_fuel(Some(FUEL.saturating_add(bytes)));
    environment.add_function("raise_exception", |words: String| -> Result<Value, Error> {
        Err(Error::new(ErrorKind::InvalidOperation, words))
    });
    if let Some(date) = chat.date.map(ToString::to_string) {
        environment.add_global("date_string", date.clone());
        environment.add_function("strftime_now", move |_format: String| date.clone());
    }
    let variables = context! {
        messages => messages.into_iter().collect::<Value>(),
        add_generation_prompt => chat.add_generation_prompt,
        tools => (),
        documents => (),
    };
    let template = environment.template_from_str(template).map_err(|e| template_error(&e))?;
    template.render(variables).map_err(|e| template_error(&e))
}

#[cfg(all(test, feature = "import"))]
mod tests;
