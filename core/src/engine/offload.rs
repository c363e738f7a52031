//! A model that is larger than a device's memory: its first layers run there, the rest on the processor (paper
//! 2.5.5). What goes from one to the other is the residual stream, in integers: the same bits.

use super::device::Gpu;
use super::{Wgpu, wait, weights};
use crate::model::cpu::{Cpu, Rest};
use crate::model::engine::check_batch;
use crate::model::package::{ModelInfo, Package};
use crate::model::{Engine, EngineError, Feed, Logits, SequenceId};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Opens a model on a device: as a whole, or as many layers as fit into `memory` bytes and the rest on the processor.
/// A driver does not say how much memory there is: without `memory` the model is put there as a whole.
pub fn open(gpu: Gpu, package: Arc<Package>, memory: Option<u64>) -> Result<Box<dyn Engine>, EngineError> {
    let layers = package.manifest().layers as usize;
    let fit = memory.map_or(layers, |bytes| fitting(&package, bytes));
    match fit {
        0 => {
            let (found, expected) = (memory.unwrap_or(0), needed(&package, 1));
            Err(EngineError::Device(format!(
                "{found} bytes of memory hold no layer of this model: {expected} needed for one, {} for all; use the \
                 engine `cpu`",
                needed(&package, layers)
            )))
        }
        fit if fit < layers => Ok(Box::new(Offload::new(gpu, package, fit)?)),
        _ => Ok(Box::new(Wgpu::new(gpu, package)?)),
    }
}

/// Bytes for so many layers, the keys and values of one sequence of full length, and a block of tokens.
pub(super) fn needed(package: &Package, layers: usize) -> u64 {
    let m = package.manifest();
    let cache = layers as u64 * m.context as u64 * m.kv_dim() as u64 * 4;
    let token = 4 * (2 * m.dim as u64 + 2 * m.query_dim() as u64 + m.hidden as u64);
    weights::bytes(package, layers) + cache + super::BLOCK as u64 * token
}

/// The most layers that fit.
pub(super) fn fitting(package: &Package, memory: u64) -> usize {
    let layers = package.manifest().layers as usize;
    (1..=layers).rev().find(|n| needed(package, *n) <= memory).unwrap_or(0)
}

/// The first layers on a device, the rest on the processor.
#[derive(Debug)]
pub struct Offload {
    first: Wgpu,
    rest: Rest,
    /// A sequence's names in both.
    sequences: BTreeMap<SequenceId, (SequenceId, usize)>,
}

impl Offload {
    /// The first `layers` layers on the device.
    pub fn new(gpu: Gpu, package: Arc<Package>, layers: usize) -> Result<Self, EngineError> {
        let rest = Rest::new(Cpu::new(package.clone()), layers);
        Ok(Offload { first: Wgpu::with(gpu, package, layers)?, rest, sequences: BTreeMap::new() })
    }

    /// How many layers run on the device.
    pub fn layers(&self) -> usize {
        self.first.weights.layers.len()
    }
}

impl Engine for Offload {
    fn info(&self) -> &ModelInfo {
        self.first.model()
    }

    fn name(&self) -> alloc::string::String {
        alloc::format!("{}, {} layers of it, and cpu", self.first.name(), self.layers())
    }

    fn open(&mut self) -> Result<SequenceId, EngineError> {
        let id = self.first.open_sequence();
        self.sequences.insert(id, (self.rest.open()?, 0));
        Ok(id)
    }

    fn forward(&mut self, batch: &[Feed<'_>]) -> Result<Vec<Logits>, EngineError> {
        check_batch(self.first.model(), batch, |id| self.sequences.get(&id).map(|(_, length)| *length))?;
        let residual = wait(self.first.residuals(batch))?;
        let feeds = batch.iter().filter_map(|f| Some(Feed { sequence: self.sequences.get(&f.sequence)?.0, ..*f }));
        let feeds: Vec<_> = feeds.collect();
        let logits = self.rest.forward(&feeds, &residual)?;
        for f in batch {
            if let Some((_, length)) = self.sequences.get_mut(&f.sequence) {
                *length += f.tokens.len();
            }
        }
        Ok(logits)
    }

    fn close(&mut self, sequence: SequenceId) {
        self.first.close_sequence(sequence);
        if let Some((rest, _)) = self.sequences.remove(&sequence) {
            self.rest.close(rest);
        }
    }
}
