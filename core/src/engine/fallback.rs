//! An engine that goes on elsewhere when its device is lost. It keeps the tokens of every open sequence; when the
//! first engine fails, it opens the second and feeds them again. All engines give the same bits, so an answer in the
//! making goes on where it was.

use crate::model::package::ModelInfo;
use crate::model::{Engine, EngineError, Feed, Logits, SequenceId, Want};
use crate::units::TokenId;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// Opens the engine to go on with; is told what the first one failed of.
pub type Spare = Box<dyn FnMut(&EngineError) -> Result<Box<dyn Engine>, EngineError> + Send>;

/// A sequence: its name in the engine that runs, and its tokens.
#[derive(Debug)]
struct Held {
    inner: SequenceId,
    tokens: Vec<TokenId>,
}

/// An engine with another in reserve.
pub struct Fallback {
    engine: Box<dyn Engine>,
    spare: Option<Spare>,
    info: ModelInfo,
    sequences: BTreeMap<SequenceId, Held>,
    next: u64,
    lost: Option<EngineError>,
}

impl core::fmt::Debug for Fallback {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Fallback").field("model", &self.info.name).field("lost", &self.lost).finish_non_exhaustive()
    }
}

impl Fallback {
    /// `engine` until it fails, then what `spare` opens.
    pub fn new(engine: Box<dyn Engine>, spare: Spare) -> Self {
        let info = engine.info().clone();
        Fallback { engine, spare: Some(spare), info, sequences: BTreeMap::new(), next: 0, lost: None }
    }

    /// Why the first engine was given up, if it was.
    pub fn lost(&self) -> Option<&EngineError> {
        self.lost.as_ref()
    }

    fn inner(&self, batch: &[Feed<'_>]) -> Result<Vec<SequenceId>, EngineError> {
        let inner = |f: &Feed<'_>| self.sequences.get(&f.sequence).map(|h| h.inner);
        batch.iter().map(|f| inner(f).ok_or(EngineError::UnknownSequence(f.sequence))).collect()
    }

    fn run(&mut self, batch: &[Feed<'_>]) -> Result<Vec<Logits>, EngineError> {
        let inner = self.inner(batch)?;
        // The engine knows other names for the sequences: what it says of them would puzzle the caller.
        let name = |id: SequenceId| self.sequences.iter().find(|(_, h)| h.inner == id).map_or(id, |(outer, _)| *outer);
        let feeds = batch.iter().zip(inner).map(|(f, sequence)| Feed { sequence, ..*f });
        let feeds: Vec<_> = feeds.collect();
        self.engine.forward(&feeds).map_err(|error| match error {
            EngineError::UnknownSequence(id) => EngineError::UnknownSequence(name(id)),
            EngineError::RepeatedSequence(id) => EngineError::RepeatedSequence(name(id)),
            EngineError::NoTokens(id) => EngineError::NoTokens(name(id)),
            other => other,
        })
    }

    /// Goes on with the spare engine after `error`; gives `error` back where there is none left.
    fn switch(&mut self, error: EngineError) -> Result<(), EngineError> {
        let Some(spare) = &mut self.spare else { return Err(error) };
        self.engine = spare(&error)?;
        (self.spare, self.lost) = (None, Some(error));
        for held in self.sequences.values_mut() {
            held.inner = self.engine.open()?;
            if !held.tokens.is_empty() {
                let feed = Feed { sequence: held.inner, tokens: &held.tokens, want: Want::Nothing };
                self.engine.forward(&[feed])?;
            }
        }
        Ok(())
    }
}

impl Engine for Fallback {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn name(&self) -> alloc::string::String {
        self.engine.name()
    }

    fn open(&mut self) -> Result<SequenceId, EngineError> {
        let inner = match self.engine.open() {
            Err(error @ EngineError::Device(_)) => {
                self.switch(error)?;
                self.engine.open()?
            }
            other => other?,
        };
        let id = SequenceId(self.next);
        self.next += 1;
        self.sequences.insert(id, Held { inner, tokens: Vec::new() });
        Ok(id)
    }

    fn forward(&mut self, batch: &[Feed<'_>]) -> Result<Vec<Logits>, EngineError> {
        let logits = match self.run(batch) {
            Err(error @ EngineError::Device(_)) => {
                self.switch(error)?;
                self.run(batch)?
            }
            other => other?,
        };
        for f in batch {
            if let Some(held) = self.sequences.get_mut(&f.sequence) {
                held.tokens.extend_from_slice(f.tokens);
            }
        }
        Ok(logits)
    }

    fn close(&mut self, sequence: SequenceId) {
        if let Some(held) = self.sequences.remove(&sequence) {
            self.engine.close(held.inner);
        }
    }
}
