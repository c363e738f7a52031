//! The engine on graphics processors: burn's tensors hold the model and the cache, CubeCL kernels compute the pass in
//! 32-bit integers, registered as an extension of burn's backend. The same bits as the reference on Vulkan, Metal,
//! DX12 and a browser's WebGPU. How the pass is cut is told in `docs/gpu.md`.
//!
//! No I/O but the device's. Reading back is asynchronous (a browser knows nothing else): [`Wgpu::forward_async`] is the
//! engine; natively the [`Engine`] trait waits for it.

mod cache;
mod device;
mod fallback;
mod kernels;
#[cfg(all(feature = "cpu", not(target_family = "wasm")))]
mod offload;
mod ops;
mod pass;
mod weights;

#[cfg(all(test, feature = "cpu", feature = "import"))]
mod tests;

/// Waits for what reads from a device.
#[cfg(not(target_family = "wasm"))]
pub use cubecl::future::block_on as wait;
pub use device::{AdapterInfo, Gpu, OpenError, adapters};
pub use fallback::{Fallback, Spare};
#[cfg(all(feature = "cpu", not(target_family = "wasm")))]
pub use offload::{Offload, open};

#[cfg(not(target_family = "wasm"))]
use crate::model::Engine;
use crate::model::engine::{FedToken, check_batch, embed, fed_tokens};
use crate::model::package::{ModelInfo, Package};
use crate::model::{EngineError, Feed, Logits, SequenceId};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use cache::{Cache, Sequence};
use pass::{Pass, Row, read};
use weights::Weights;

/// Tokens that go through the layers together: bounds the memory of a long prompt.
const BLOCK: usize = 128;

/// The engine on one device.
#[derive(Debug)]
pub struct Wgpu {
    gpu: Gpu,
    package: Arc<Package>,
    info: ModelInfo,
    weights: Weights,
    cache: Cache,
    sequences: BTreeMap<SequenceId, Sequence>,
    next: u64,
    dispatches: u64,
}

impl Wgpu {
    /// An engine for a model on an open device; puts the weights there.
    pub fn new(gpu: Gpu, package: Arc<Package>) -> Result<Self, EngineError> {
        let layers = package.manifest().layers as usize;
        Self::with(gpu, package, layers)
    }

    /// The first `layers` layers alone.
    fn with(gpu: Gpu, package: Arc<Package>, layers: usize) -> Result<Self, EngineError> {
        let info = package.info();
        let weights = Weights::new(&gpu, &package, layers)?;
        let cache = Cache::new(&gpu, package.manifest(), layers)?;
        Ok(Wgpu { gpu, package, info, weights, cache, sequences: BTreeMap::new(), next: 0, dispatches: 0 })
    }

    /// The device.
    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    /// Dispatches since the engine was made.
    pub fn dispatches(&self) -> u64 {
        self.dispatches
    }

    /// [`Engine::forward`], without waiting for the device.
    pub async fn forward_async(&mut self, batch: &[Feed<'_>]) -> Result<Vec<Logits>, EngineError> {
        let tokens = self.tokens(batch)?;
        let mut logits = vec![Vec::new(); batch.len()];
        for block in tokens.chunks(BLOCK) {
            let answers = self.layers(block)?.logits();
            let mut feeds = block.iter().filter(|t| t.wants_logits).map(|t| t.feed);
            for words in answers {
                for row in read(&self.gpu, words).await?.chunks_exact(self.info.vocabulary as usize) {
                    if let Some(out) = feeds.next().and_then(|feed| logits.get_mut(feed)) {
                        out.extend_from_slice(row);
                    }
                }
            }
        }
        self.advance(batch);
        let vocabulary = self.info.vocabulary as usize;
        Ok(logits.into_iter().map(|values| Logits::new(vocabulary, values)).collect())
    }

    /// The residual streams of all tokens after the layers that are here.
    #[cfg(all(feature = "cpu", not(target_family = "wasm")))]
    async fn residuals(&mut self, batch: &[Feed<'_>]) -> Result<Vec<i32>, EngineError> {
        let tokens = self.tokens(batch)?;
        let mut out = Vec::new();
        for block in tokens.chunks(BLOCK) {
            let x = self.layers(block)?.residual();
            out.append(&mut read(&self.gpu, x).await?);
        }
        self.advance(batch);
        Ok(out)
    }

    /// Checks a batch and finds room for its keys and values.
    fn tokens(&mut self, batch: &[Feed<'_>]) -> Result<Vec<FedToken>, EngineError> {
        check_batch(&self.info, batch, |id| self.sequences.get(&id).map(|s| s.length))?;
        for f in batch {
            if let Some(held) = self.sequences.get_mut(&f.sequence) {
                self.cache.reserve(held, held.length + f.tokens.len())?;
            }
        }
        // Lengths grow when all is computed: a batch that fails changes nothing.
        Ok(fed_tokens(batch, |id, _| Some(self.sequences.get(&id)?.length)))
    }

    /// A batch is computed: its sequences are longer.
    fn advance(&mut self, batch: &[Feed<'_>]) {
        for f in batch {
            if let Some(held) = self.sequences.get_mut(&f.sequence) {
                held.length += f.tokens.len();
            }
        }
    }

    /// Sends a block through the layers.
    fn layers(&mut self, block: &[FedToken]) -> Result<Pass<'_>, EngineError> {
        let rows = block.iter().filter_map(|t| {
            let pages = &self.sequences.get(&t.sequence)?.pages;
            Some(Row { position: t.position as u32, pages, feed: t.feed })
        });
        let rows: Vec<_> = rows.collect();
        let wanted: Vec<u32> = (0..).zip(block).filter(|(_, t)| t.wants_logits).map(|(i, _)| i).collect();
        let residual = self.residual(block);
        let (manifest, count) = (self.package.manifest(), &mut self.dispatches);
        let mut pass = Pass::new(&self.gpu, manifest, &self.weights, count, &rows, residual, &wanted)?;
        for (index, (layer, cache)) in self.weights.layers.iter().zip(&self.cache.layers).enumerate() {
            pass.layer(index, layer, cache);
        }
        Ok(pass)
    }

    /// The tokens' embeddings, with learned positions.
    fn residual(&self, block: &[FedToken]) -> Vec<i32> {
        let dim = self.package.manifest().dim as usize;
        let mut residual = vec![0; block.len() * dim];
        for (x, t) in residual.chunks_exact_mut(dim).zip(block) {
            embed(&self.package, t, x);
        }
        residual
    }
}

#[cfg(not(target_family = "wasm"))]
impl Engine for Wgpu {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn name(&self) -> alloc::string::String {
        alloc::format!("wgpu ({})", self.gpu.adapter().name)
    }

    fn open(&mut self) -> Result<SequenceId, EngineError> {
        Ok(self.open_sequence())
    }

    fn forward(&mut self, batch: &[Feed<'_>]) -> Result<Vec<Logits>, EngineError> {
        wait(self.forward_async(batch))
    }

    fn close(&mut self, sequence: SequenceId) {
        self.close_sequence(sequence);
    }
}

impl Wgpu {
    /// The model.
    pub fn model(&self) -> &ModelInfo {
        &self.info
    }

    /// [`Engine::open`].
    pub fn open_sequence(&mut self) -> SequenceId {
        let id = SequenceId(self.next);
        self.next += 1;
        self.sequences.insert(id, Sequence::default());
        id
    }

    /// [`Engine::close`].
    pub fn close_sequence(&mut self, sequence: SequenceId) {
        if let Some(held) = self.sequences.remove(&sequence) {
            self.cache.release(held);
        }
    }
}
