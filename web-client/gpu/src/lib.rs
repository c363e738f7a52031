//! The engine on a browser's GPU for JavaScript: a package goes in as bytes, tokens after it, logits come out. The same
//! bits as every other engine; reading back from a GPU is asynchronous, and so is everything that does.

use camelid_core::engine::{Gpu, Wgpu};
use camelid_core::model::{Feed, Package, SequenceId, Want};
use camelid_core::units::TokenId;
use js_sys::Int32Array;
use std::sync::Arc;
use wasm_bindgen::prelude::*;

/// A panic shows in the console with its place.
#[wasm_bindgen(start)]
fn start() {
    console_error_panic_hook::set_once();
}

fn failed(error: impl std::fmt::Display) -> JsError {
    JsError::new(&error.to_string())
}

/// A model on the GPU.
#[wasm_bindgen]
pub struct GpuModel {
    engine: Wgpu,
}

#[wasm_bindgen]
impl GpuModel {
    /// Opens the browser's adapter and puts the model of a package there.
    pub async fn load(package: Vec<u8>) -> Result<GpuModel, JsError> {
        let package = Package::parse(package).map_err(failed)?;
        let gpu = Gpu::open("").await.map_err(failed)?;
        let engine = Wgpu::new(gpu, Arc::new(package)).map_err(failed)?;
        Ok(GpuModel { engine })
    }

    /// What the browser says of the adapter.
    pub fn adapter(&self) -> String {
        self.engine.gpu().adapter().to_string()
    }

    /// Tokens in the vocabulary: the length of a row of logits.
    pub fn vocabulary(&self) -> u32 {
        self.engine.model().vocabulary
    }

    /// Dispatches so far.
    pub fn dispatches(&self) -> f64 {
        self.engine.dispatches() as f64
    }

    /// Opens an empty sequence.
    pub fn open(&mut self) -> f64 {
        self.engine.open_sequence().0 as f64
    }

    /// Forgets a sequence.
    pub fn close(&mut self, sequence: f64) {
        self.engine.close_sequence(SequenceId(sequence as u64));
    }

    /// Feeds tokens to sequences, each at most once: `tokens` holds each feed's, `counts` how many, `wants` what gets
    /// logits (0 nothing, 1 the last, 2 all). Gives each feed's logits, one row after another.
    pub async fn forward(
        &mut self,
        sequences: Vec<f64>,
        counts: Vec<u32>,
        tokens: Vec<u32>,
        wants: Vec<u8>,
    ) -> Result<Vec<Int32Array>, JsError> {
        let tokens: Vec<TokenId> = tokens.into_iter().map(TokenId).collect();
        let (mut rest, mut batch) = (tokens.as_slice(), Vec::new());
        for ((sequence, count), want) in sequences.iter().zip(counts).zip(wants) {
            let Some((tokens, after)) = rest.split_at_checked(count as usize) else {
                return Err(JsError::new("counts: expected as many tokens as they say, found fewer"));
            };
            let want = match want {
                0 => Want::Nothing,
                1 => Want::Last,
                _ => Want::All,
            };
            batch.push(Feed { sequence: SequenceId(*sequence as u64), tokens, want });
            rest = after;
        }
        let logits = self.engine.forward_async(&batch).await.map_err(failed)?;
        Ok(logits.iter().map(|l| Int32Array::from(l.values())).collect())
    }
}
