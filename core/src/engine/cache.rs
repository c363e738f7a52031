//! Keys and values on the device: pages of 64 positions, the same pages of every layer's tensor. A sequence has a
//! list of pages; who joins or leaves moves nothing.

use super::device::Gpu;
use super::kernels::finish::PAGE;
use super::ops::{Words, call};
use super::weights::words_on;
use crate::model::EngineError;
use crate::model::package::Manifest;
use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

/// A sequence's length and pages.
#[derive(Clone, Debug, Default)]
pub(super) struct Sequence {
    pub length: usize,
    pub pages: Vec<u32>,
}

/// The pages.
#[derive(Debug)]
pub(super) struct Cache {
    /// One tensor a layer.
    pub layers: Vec<Words>,
    /// Words of a page.
    page: usize,
    /// Pages that there are, and those of them that no sequence has.
    pages: usize,
    free: Vec<u32>,
    /// Pages that a binding can hold.
    most: usize,
}

impl Cache {
    pub fn new(gpu: &Gpu, manifest: &Manifest, layers: usize) -> Result<Cache, EngineError> {
        let page = manifest.kv_dim() as usize * PAGE as usize;
        let most = (gpu.binding / 4) as usize / page;
        let pages = most.min(4);
        let tensor = |_| words_on(gpu, vec![0; page * pages.max(1)], "a page of keys and values");
        let layers = (0..layers).map(tensor).collect::<Result<_, _>>()?;
        Ok(Cache { layers, page, pages, free: (0..pages as u32).rev().collect(), most })
    }

    /// Gives a sequence the pages for `length` positions.
    pub fn reserve(&mut self, sequence: &mut Sequence, length: usize) -> Result<(), EngineError> {
        let needed = length.div_ceil(PAGE as usize).saturating_sub(sequence.pages.len());
        if needed > self.free.len() {
            let wanted = self.pages + needed - self.free.len();
            if wanted > self.most {
                let (found, expected) = (wanted, self.most);
                return Err(EngineError::Device(format!(
                    "{found} pages of keys and values are too many for this device: at most {expected}; open fewer or \
                     shorter sequences"
                )));
            }
            let pages = wanted.max(2 * self.pages).min(self.most);
            for layer in &mut self.layers {
                *layer = call::grown(layer, pages * self.page);
            }
            self.free.splice(0..0, (self.pages as u32..pages as u32).rev());
            self.pages = pages;
        }
        let rest = self.free.len() - needed;
        sequence.pages.extend(self.free.drain(rest..).rev());
        Ok(())
    }

    /// Takes a sequence's pages back.
    pub fn release(&mut self, sequence: Sequence) {
        self.free.extend(sequence.pages);
    }
}
