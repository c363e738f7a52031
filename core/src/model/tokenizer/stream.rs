//! Text that grows token by token: a character may be spread over several.

use super::Tokenizer;
use crate::units::TokenId;
use alloc::string::String;
use alloc::vec::Vec;

/// The text of an answer as its tokens come. Gives whole characters alone: what is no character yet waits for the next
/// token. A space at the start stays, since an answer goes on from its prompt.
#[derive(Debug)]
pub struct TextStream<'a> {
    tokenizer: &'a Tokenizer,
    waiting: Vec<u8>,
}

impl<'a> TextStream<'a> {
    pub(super) fn new(tokenizer: &'a Tokenizer) -> Self {
        TextStream { tokenizer, waiting: Vec::new() }
    }

    /// The characters that are whole with this token; bytes that can become none show as U+FFFD.
    pub fn push(&mut self, id: TokenId) -> String {
        self.waiting.extend_from_slice(self.tokenizer.piece(id));
        let mut text = String::new();
        let mut used = 0;
        for chunk in self.waiting.utf8_chunks() {
            text.push_str(chunk.valid());
            used += chunk.valid().len();
            let rest = chunk.invalid();
            // Bytes at the end that begin a character wait; others are none, whatever follows.
            let begins = used + rest.len() == self.waiting.len()
                && core::str::from_utf8(rest).is_err_and(|e| e.error_len().is_none());
            if begins {
                break;
            }
            if !rest.is_empty() {
                text.push(char::REPLACEMENT_CHARACTER);
                used += rest.len();
            }
        }
        self.waiting.drain(..used);
        text
    }

    /// What waited for a token that did not come.
    pub fn finish(self) -> String {
        String::from_utf8_lossy(&self.waiting).into_owned()
    }
}
