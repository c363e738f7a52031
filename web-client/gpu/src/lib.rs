//! The engine on a browser's GPU for JavaScript: a package goes in as bytes, tokens after it, logits and verdicts come out.
//! The same bits as every other engine; reading back from a GPU is asynchronous, and so is everything that does.

#[path = "../../worker/src/object.rs"]
mod object;
#[path = "../../worker/src/shapes.rs"]
mod shapes;

use camelid_core::engine::{Gpu, Wgpu};
use camelid_core::model::{Feed, Package, Sampling, SequenceId, Want};
use camelid_core::rastic::{Check, Claim, Plan};
use camelid_core::units::TokenId;
use js_sys::{Function, Int32Array, Object};
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

    /// What a list of models shows.
    pub fn info(&self) -> Object {
        shapes::info(self.engine.model(), "webgpu")
    }

    /// Checks an answer (RASTiC): every position, or with `random` the first, the last and one inside.
    /// `on_progress(done, total)` is called as tokens go through the model. Temperature counts in thousandths, top-p in
    /// millionths.
    #[allow(clippy::too_many_arguments)]
    pub async fn check(
        &mut self,
        prompt: Vec<u32>,
        answer: Vec<u32>,
        temperature: u32,
        top_k: u32,
        top_p: u32,
        seed: u64,
        limit: u32,
        random: Option<u64>,
        on_progress: Function,
    ) -> Result<Object, JsError> {
        let sampling = Sampling::new(temperature, top_k, top_p).map_err(failed)?;
        let (prompt, answer) = (shapes::tokens(&prompt), shapes::tokens(&answer));
        let claim = Claim { prompt: &prompt, answer: &answer, limit, sampling, seed };
        let plan = random.map_or(Plan::Full, |random| Plan::Spot { random });
        let mut check = Check::new(self.engine.model(), &claim, plan).map_err(failed)?;
        let sequence = self.engine.open_sequence();
        let fed = self.feed(sequence, &mut check, &on_progress).await;
        self.engine.close_sequence(sequence);
        fed?;
        let verdict = check.into_verdict().ok_or_else(|| failed("the GPU gave fewer logits than asked for"))?;
        Ok(shapes::verdict(&verdict))
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

impl GpuModel {
    /// Feeds a sequence what a check asks for, until it has its verdict.
    async fn feed(&mut self, sequence: SequenceId, check: &mut Check, progress: &Function) -> Result<(), JsError> {
        while let Some((tokens, want)) = check.input() {
            let logits = self.engine.forward_async(&[Feed { sequence, tokens, want }]).await.map_err(failed)?;
            let Some(logits) = logits.first() else { break };
            let p = check.advance(logits);
            // What the page makes of it does not change the verdict.
            let _ = progress.call2(&JsValue::NULL, &(p.done as f64).into(), &(p.total as f64).into());
        }
        Ok(())
    }
}
