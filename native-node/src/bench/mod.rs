//! `camelid bench`: how fast this machine computes and checks answers, and blocks. Ratios within one run are what counts.

mod batch;
mod chain;
mod engine;
mod memory;
mod plot;
mod rastic;

pub use chain::{ChainPlan, ChainReport, ConnectReport, HashReport, HeaderReport, SignatureReport, SyncReport, chain};
pub use engine::{EnginePlan, EngineReport, engine};
pub use plot::{PlotError, plot};
pub use rastic::{RasticPlan, RasticReport, Row, rastic};

use crate::compute::MemoryError;
use crate::engines::{CpuOptions, EngineChoice};
use crate::weights::Weights;
use camelid_core::model::cpu::Kernel;
use camelid_core::model::import::{RandomShape, random_model};
use camelid_core::model::{Engine, EngineError, GenerateError, Package};
use camelid_core::rastic::RasticError;
use camelid_core::units::TokenId;
use std::path::PathBuf;
use std::sync::Arc;

/// Tokens of the prompt where an answer is generated or checked.
const PROMPT: usize = 32;

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BenchError {
    /// The kernel is not there.
    #[error("no kernel `{name}` on this machine; there is {available}")]
    Kernel {
        /// What was asked for.
        name: String,
        /// What there is.
        available: String,
    },
    /// The model's context is too short.
    #[error(
        "the model's context is {context}, and {needed} tokens are to be fed: ask for fewer tokens, or give another --model"
    )]
    Context {
        /// The model's.
        context: u32,
        /// The most that a measurement feeds.
        needed: u64,
    },
    /// Keys and values do not fit.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// The engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// An answer could not be generated.
    #[error(transparent)]
    Generate(#[from] GenerateError),
    /// An answer could not be checked.
    #[error(transparent)]
    Rastic(#[from] RasticError),
    /// A job of the batch failed.
    #[error("a job of the batch failed: {0}")]
    Job(String),
    /// Blocks or nodes do not do what they should.
    #[error("cannot measure the chain: {0}")]
    Chain(String),
    /// The picture could not be made.
    #[error("--plot {}: {reason}", .file.display())]
    Plot {
        /// Its file.
        file: PathBuf,
        /// Why.
        reason: String,
    },
    /// The model's answers cannot be measured with.
    #[error("cannot measure with this model: {0}")]
    Model(String),
}

/// What is measured: a model on an engine.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The model.
    pub package: Arc<Package>,
    /// The engine.
    pub choice: EngineChoice,
    /// How the CPU engine runs.
    pub cpu: CpuOptions,
}

impl Subject {
    fn open(&self) -> Result<Box<dyn Engine>, EngineError> {
        self.choice.open(self.package.clone(), self.cpu)
    }

    /// Threads that a CPU engine uses.
    fn threads(&self) -> usize {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        if self.choice == EngineChoice::Reference { 1 } else { self.cpu.threads.unwrap_or(cores) }
    }

    /// Whether the model takes sequences of so many tokens.
    fn takes(&self, needed: u64) -> Result<(), BenchError> {
        let context = self.package.info().context;
        if needed <= context as u64 { Ok(()) } else { Err(BenchError::Context { context, needed }) }
    }

    /// So many tokens, none of which begins or ends anything; another text for another seed.
    fn text(&self, n: usize, seed: u32) -> Vec<TokenId> {
        let info = self.package.info();
        let ids = (0..).map(|i: u32| TokenId(seed.wrapping_add(i).wrapping_mul(2_654_435_761) % info.vocabulary));
        ids.filter(|id| !info.is_end(*id) && info.begin != Some(*id)).take(n).collect()
    }
}

/// A kernel by its name.
pub fn kernel(name: &str) -> Result<Kernel, BenchError> {
    let names = || Kernel::available().iter().map(|k| k.name()).collect::<Vec<_>>().join(", ");
    Kernel::by_name(name).ok_or_else(|| BenchError::Kernel { name: name.into(), available: names() })
}

/// A random model in SmolLM2-135M's shape.
pub fn usual_model() -> Result<Arc<Package>, BenchError> {
    let model = |e: &dyn std::error::Error| BenchError::Model(e.to_string());
    let bytes = random_model(1, &RandomShape::smollm2_135m()).map_err(|e| model(&e))?;
    let weights = Weights::copy(&bytes).map_err(|e| model(&e))?;
    Ok(Arc::new(Package::parse(weights).map_err(|e| model(&e))?))
}
