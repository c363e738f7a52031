//! Writes scripts, every push in its shortest form.

use super::number;
use super::opcode::{MAX_DIRECT_PUSH, OP_0, OP_1, OP_PUSHDATA1, OP_PUSHDATA2, Opcode};
use crate::transaction::Script;
use alloc::vec::Vec;

/// Puts a script together.
#[derive(Clone, Debug, Default)]
pub struct ScriptBuilder(Vec<u8>);

impl ScriptBuilder {
    /// An empty script.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an opcode.
    pub fn op(mut self, opcode: Opcode) -> Self {
        self.0.push(opcode as u8);
        self
    }

    /// Adds a push in its shortest form. Over 520 bytes the script is invalid, over 65,535 the data is cut.
    pub fn push(mut self, data: &[u8]) -> Self {
        match data {
            [] => self.0.push(OP_0),
            [n @ 1..=16] => self.0.push(OP_1 + n - 1),
            _ => put_push(data, &mut self.0),
        }
        self
    }

    /// Adds a push of a number.
    pub fn number(self, value: i64) -> Self {
        self.push(&number::encode(value))
    }

    /// The script.
    pub fn build(self) -> Script {
        Script(self.0)
    }
}

/// Appends a push with its length in the shortest form; never an `OP_1` to `OP_16`.
pub(super) fn put_push(data: &[u8], out: &mut Vec<u8>) {
    let data = &data[..data.len().min(u16::MAX as usize)];
    match data.len() {
        len if len <= MAX_DIRECT_PUSH as usize => out.push(len as u8),
        len if len <= 0xff => out.extend_from_slice(&[OP_PUSHDATA1, len as u8]),
        len => {
            out.push(OP_PUSHDATA2);
            out.extend_from_slice(&(len as u16).to_le_bytes());
        }
    }
    out.extend_from_slice(data);
}
