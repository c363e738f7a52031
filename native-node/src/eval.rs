//! `camelid model eval`: how near a package comes to the float model that it was imported from.

use crate::engines::{CpuOptions, EngineChoice};
use crate::models::ModelError;
use camelid_core::model::eval::{FloatModel, Prediction, Tally, predictions};
use camelid_core::model::import::{ImportError, Source};
use camelid_core::model::{Engine, EngineError, Feed, Logits, ModelInfo, Package, SequenceId, TokenizerError};
use camelid_core::units::TokenId;
use serde::Serialize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Why nothing was compared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvalError {
    /// A model.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The reference's weights.
    #[error("reference {}: {source}", .file.display())]
    Reference {
        /// What it was read from.
        file: PathBuf,
        /// Why.
        source: Box<ImportError>,
    },
    /// Model and reference are not of one kind.
    #[error(
        "the model's {field} is {found}, the reference's {expected}: name the reference that the model was imported from"
    )]
    Mismatch {
        /// What differs.
        field: &'static str,
        /// The reference's.
        expected: usize,
        /// The model's.
        found: usize,
    },
    /// There is nothing to predict.
    #[error("{}: {tokens} tokens, at least 2 expected: give a longer text", .file.display())]
    TooShort {
        /// The text.
        file: PathBuf,
        /// Its tokens.
        tokens: usize,
    },
    /// The text or the list of predictions.
    #[error("{}: {source}", .file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The model's tokenizer.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// What came out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EvalReport {
    /// The model.
    pub model: String,
    /// The engine.
    pub engine: String,
    /// Texts that the tokens were cut into: each starts anew.
    pub texts: usize,
    /// Tokens predicted.
    pub tokens: usize,
    /// Perplexity of our integers.
    pub perplexity: f64,
    /// Perplexity of the reference in f32.
    pub perplexity_f32: f64,
    /// How much higher ours is, as a part of the reference's.
    pub excess: f64,
    /// Part of the positions where both have the same most likely token.
    pub top1_agreement: f64,
    /// Tokens a second that our engine took.
    pub tokens_per_second: f64,
}

/// A model, and the float model that it is held against.
pub struct Eval {
    package: Arc<Package>,
    float: FloatModel,
    engine: Timed,
}

impl Eval {
    /// Opens an engine for the model and reads all weights of the reference.
    pub fn new(
        package: Package,
        reference: &dyn Source,
        file: PathBuf,
        engine: &EngineChoice,
    ) -> Result<Self, EvalError> {
        let (m, shape) = (package.manifest(), reference.shape());
        for (field, found, expected) in [
            ("width", m.dim as usize, shape.dim),
            ("number of layers", m.layers as usize, shape.layers),
            ("vocabulary", m.vocabulary as usize, shape.vocabulary),
            ("context", m.context as usize, shape.context),
        ] {
            if found != expected {
                return Err(EvalError::Mismatch { field, expected, found });
            }
        }
        let float = FloatModel::new(reference).map_err(|e| EvalError::Reference { file, source: Box::new(e) })?;
        let package = Arc::new(package);
        let engine = engine.open(package.clone(), CpuOptions::default())?;
        Ok(Eval { package, float, engine: Timed { engine, spent: Duration::ZERO } })
    }

    /// The text's tokens, cut into texts of at most `length` and the context, each with the model's begin token.
    pub fn texts(&self, text: &str, length: usize) -> Result<Vec<Vec<TokenId>>, EvalError> {
        let m = self.package.manifest();
        let begin = m.special.begin;
        let room = length.min(m.context as usize).saturating_sub(usize::from(begin.is_some())).max(1);
        let tokens = self.package.tokenizer().encode(text)?;
        Ok(tokens.chunks(room).map(|part| begin.into_iter().chain(part.iter().copied()).collect()).collect())
    }

    /// Compares both on texts; `each` is told every prediction with its text's index.
    pub fn run(
        &mut self,
        texts: &[Vec<TokenId>],
        each: &mut dyn FnMut(usize, &Prediction),
    ) -> Result<EvalReport, EvalError> {
        let mut tally = Tally::default();
        for (i, text) in texts.iter().enumerate() {
            predictions(&self.float, &mut self.engine, text, &mut |p| {
                tally.add(p);
                each(i, p);
            })?;
        }
        let c = tally.comparison();
        Ok(EvalReport {
            model: self.package.manifest().name.clone(),
            engine: self.engine.name(),
            texts: texts.len(),
            tokens: c.tokens,
            perplexity: c.integer_perplexity,
            perplexity_f32: c.float_perplexity,
            excess: c.excess(),
            top1_agreement: c.same_top,
            tokens_per_second: c.tokens as f64 / self.engine.spent.as_secs_f64().max(1e-9),
        })
    }
}

/// An engine whose passes are timed.
struct Timed {
    engine: Box<dyn Engine>,
    spent: Duration,
}

impl Engine for Timed {
    fn info(&self) -> &ModelInfo {
        self.engine.info()
    }

    fn name(&self) -> String {
        self.engine.name()
    }

    fn open(&mut self) -> Result<SequenceId, EngineError> {
        self.engine.open()
    }

    fn forward(&mut self, batch: &[Feed<'_>]) -> Result<Vec<Logits>, EngineError> {
        let start = Instant::now();
        let logits = self.engine.forward(batch);
        self.spent += start.elapsed();
        logits
    }

    fn close(&mut self, sequence: SequenceId) {
        self.engine.close(sequence);
    }
}
