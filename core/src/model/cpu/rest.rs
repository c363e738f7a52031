//! The layers from one on, for an engine that has computed those before.

use super::Cpu;
use crate::model::{Engine, EngineError, Feed, Logits, SequenceId};
use alloc::vec::Vec;

/// The last layers of a model on the processor.
#[derive(Debug)]
pub struct Rest {
    engine: Cpu,
    first: usize,
}

impl Rest {
    /// The layers of `engine` from `first` on.
    pub fn new(engine: Cpu, first: usize) -> Self {
        Rest { engine, first }
    }

    /// [`Engine::open`].
    pub fn open(&mut self) -> Result<SequenceId, EngineError> {
        self.engine.open()
    }

    /// [`Engine::forward`], from the residual streams of all tokens of the batch, one after another.
    pub fn forward(&mut self, batch: &[Feed<'_>], residual: &[i32]) -> Result<Vec<Logits>, EngineError> {
        self.engine.run(batch, Some((self.first, residual)))
    }

    /// [`Engine::close`].
    pub fn close(&mut self, sequence: SequenceId) {
        self.engine.close(sequence);
    }
}
