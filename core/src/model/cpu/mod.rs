//! The CPU engine: SIMD kernels chosen at run time, threads, blocked matrix products, several sequences in one
//! pass. The same bits as [`Reference`](super::Reference), which says what is computed; this says how fast.
//!
//! Weights stay where the package has them. A block of tokens, of one sequence or of many, goes through the layers
//! together, so that weights are read once for all of them.

mod cache;
// Loads by pointer, and calls into functions compiled for instructions found at run time.
#[allow(unsafe_code)]
mod kernels;
mod pass;
mod plan;
mod prepared;
mod readings;
mod rest;
mod team;

#[cfg(all(test, feature = "import"))]
mod tests;

pub use kernels::Kernel;
pub use readings::READINGS;
pub use rest::Rest;

use super::engine::{Engine, EngineError, Feed, Logits, SequenceId, check_batch, fed_tokens};
use super::package::{ModelInfo, Package};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use cache::Sequence;
use prepared::Prepared;

/// Most tokens that go through the layers together: their activations stay in a core's second cache.
const BLOCK: usize = 256;

/// Parts for each thread, of the rows of a matrix or the heads: threads are not equally fast, nor always there.
const PARTS: usize = 4;

/// The same where only one token is computed: memory decides, and likes long rows of reads.
const PARTS_OF_ONE: usize = 1;

/// Multiply-accumulates that are worth another thread: starting one takes as long as some millions of them.
const WORK_PER_THREAD: u64 = 4 << 20;

/// The CPU engine.
#[derive(Debug)]
pub struct Cpu {
    package: Arc<Package>,
    info: ModelInfo,
    prepared: Prepared,
    kernel: Kernel,
    threads: usize,
    sequences: BTreeMap<SequenceId, Sequence>,
    next: u64,
}

impl Cpu {
    /// An engine for a model with the fastest kernel of this machine, on all of its cores.
    pub fn new(package: Arc<Package>) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self::with(package, Kernel::best(), cores)
    }

    /// An engine with a given kernel and number of threads (at least one).
    pub fn with(package: Arc<Package>, kernel: Kernel, threads: usize) -> Self {
        let (info, prepared) = (package.info(), Prepared::new(&package, kernel));
        Cpu { package, info, prepared, kernel, threads: threads.max(1), sequences: BTreeMap::new(), next: 0 }
    }

    /// The kernel that it uses.
    pub fn kernel(&self) -> Kernel {
        self.kernel
    }

    /// The most threads that it uses.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Threads worth starting for this many tokens.
    fn members(&self, tokens: usize) -> usize {
        let work = self.info.parameters.saturating_mul(tokens as u64);
        self.threads.min(1 + (work / WORK_PER_THREAD) as usize)
    }
}

impl Engine for Cpu {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn name(&self) -> String {
        format!("cpu ({})", self.kernel.name())
    }

    fn open(&mut self) -> Result<SequenceId, EngineError> {
        let id = SequenceId(self.next);
        self.next += 1;
        self.sequences.insert(id, Sequence::new(self.package.manifest()));
        Ok(id)
    }

    fn forward(&mut self, batch: &[Feed<'_>]) -> Result<Vec<Logits>, EngineError> {
        self.run(batch, None)
    }

    fn close(&mut self, sequence: SequenceId) {
        self.sequences.remove(&sequence);
    }
}

impl Cpu {
    /// Computes a batch; `from` a layer on, where the residual streams there are given.
    fn run(&mut self, batch: &[Feed<'_>], from: Option<(usize, &[i32])>) -> Result<Vec<Logits>, EngineError> {
        check_batch(&self.info, batch, |id| self.sequences.get(&id).map(|s| s.length))?;
        let tokens = fed_tokens(batch, |id, more| {
            let held = self.sequences.get_mut(&id)?;
            held.length += more;
            Some(held.length - more)
        });
        let mut logits = vec![Vec::new(); batch.len()];
        pass::run(self, &tokens, from, &mut logits);
        let vocabulary = self.info.vocabulary as usize;
        Ok(logits.into_iter().map(|values| Logits::new(vocabulary, values)).collect())
    }
}
