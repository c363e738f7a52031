//! The WASM module of the light client's worker: loads a model's package, computes and checks answers on the CPU with
//! 128-bit vectors, on one thread, in any page (no cross-origin isolation is asked for).
//!
//! The module knows no network, no key and no storage: bytes come in, tokens and verdicts go out. JavaScript's side of
//! it is `web-client/js/worker.js`; the names and shapes of what crosses are typed in `web-client/js/model.d.ts`.

pub mod bench;
mod object;
mod shapes;

use camelid_core::model::{Cpu, Engine, Feed, Package, Sampling, SequenceId, Want, generate};
use camelid_core::rastic::{self, Plan};
use camelid_core::units::TokenId;
use core::fmt::Display;
use core::ops::ControlFlow;
use js_sys::{Function, Int32Array, Object};
use object::Builder;
use shapes::{ids, tokens};
use std::sync::Arc;
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    /// Milliseconds since some moment.
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn milliseconds() -> f64;

    #[wasm_bindgen(js_namespace = console, js_name = error)]
    fn report(message: &str);
}

/// Called once, before anything else: a panic, which would be a fault of ours, then says where.
#[wasm_bindgen(start)]
pub fn start() {
    std::panic::set_hook(Box::new(|info| report(&info.to_string())));
}

/// A rule or an engine's refusal as a JavaScript error with the same sentence.
fn error(e: impl Display) -> JsError {
    JsError::new(&e.to_string())
}

/// A model, and the sequences that are computed with it.
#[wasm_bindgen]
pub struct Model {
    package: Arc<Package>,
    engine: Cpu,
}

#[wasm_bindgen]
impl Model {
    /// Reads a package and computes its root.
    #[wasm_bindgen(constructor)]
    pub fn new(package: Vec<u8>) -> Result<Model, JsError> {
        let package = Arc::new(Package::parse(package).map_err(error)?);
        Ok(Model { engine: Cpu::new(package.clone()), package })
    }

    /// What a list of models shows, and the kernel that computes.
    pub fn info(&self) -> Object {
        shapes::info(&self.package.info(), self.engine.kernel().name())
    }

    /// A text's ids, as a prompt: with the token that starts it, if the model has one.
    pub fn prompt(&self, text: &str) -> Result<Vec<u32>, JsError> {
        Ok(ids(&self.package.tokenizer().prompt(text).map_err(error)?))
    }

    /// The text of ids; one outside the vocabulary has none.
    pub fn text(&self, ids: &[u32]) -> Result<String, JsError> {
        self.package.tokenizer().decode(&tokens(ids)).map_err(error)
    }

    /// Opens an empty sequence.
    pub fn open(&mut self) -> Result<u32, JsError> {
        let sequence = self.engine.open().map_err(error)?;
        u32::try_from(sequence.0).map_err(|_| JsError::new("too many sequences were opened: make a new model"))
    }

    /// Forgets a sequence; an unknown one is no error.
    pub fn close(&mut self, sequence: u32) {
        self.engine.close(SequenceId(sequence as u64));
    }

    /// Feeds `lengths[i]` of `tokens` to sequence `sequences[i]`, all in one pass; `wants[i]` (0 none, 1 the last, 2 all) of
    /// them get logits. Gives an array of logits for each sequence, row after row.
    pub fn forward(
        &mut self,
        sequences: &[u32],
        lengths: &[u32],
        tokens: &[u32],
        wants: &[u8],
    ) -> Result<Vec<Int32Array>, JsError> {
        let total = lengths.iter().map(|n| *n as u64).sum::<u64>();
        if lengths.len() != sequences.len() || wants.len() != sequences.len() || total != tokens.len() as u64 {
            return Err(error(format_args!(
                "{} sequences need as many lengths and wants, and {total} tokens; came {}, {} and {}",
                sequences.len(),
                lengths.len(),
                wants.len(),
                tokens.len()
            )));
        }
        let tokens = shapes::tokens(tokens);
        let mut rest = &tokens[..];
        let mut batch = Vec::with_capacity(sequences.len());
        for ((sequence, length), want) in sequences.iter().zip(lengths).zip(wants) {
            let (tokens, others) = rest.split_at(*length as usize);
            rest = others;
            let want = match want {
                0 => Want::Nothing,
                1 => Want::Last,
                2 => Want::All,
                other => return Err(error(format_args!("want {other}: expected 0 (none), 1 (the last) or 2 (all)"))),
            };
            batch.push(Feed { sequence: SequenceId(*sequence as u64), tokens, want });
        }
        let logits = self.engine.forward(&batch).map_err(error)?;
        Ok(logits.iter().map(|l| Int32Array::from(l.values())).collect())
    }

    /// Generates up to `limit` tokens. Each goes to `on_token`; when that gives `false`, the answer ends there.
    /// Temperature counts in thousandths, top-p in millionths.
    #[allow(clippy::too_many_arguments)]
    pub fn generate(
        &mut self,
        prompt: &[u32],
        temperature: u32,
        top_k: u32,
        top_p: u32,
        seed: u64,
        limit: u32,
        on_token: &Function,
    ) -> Result<Object, JsError> {
        let sampling = Sampling::new(temperature, top_k, top_p).map_err(error)?;
        let mut take = |token: TokenId| match on_token.call1(&JsValue::NULL, &token.0.into()) {
            Ok(go_on) if go_on.as_bool() != Some(false) => ControlFlow::Continue(()),
            _ => ControlFlow::Break(()),
        };
        let made = generate(&mut self.engine, &tokens(prompt), &sampling, seed, limit, &mut take).map_err(error)?;
        let reason = match made.reason {
            camelid_core::model::EndReason::EndToken => "end-token",
            camelid_core::model::EndReason::Limit => "limit",
            camelid_core::model::EndReason::Stopped => "stopped",
        };
        Ok(Builder::default().set("tokens", ids(&made.tokens)).set("reason", reason).done())
    }

    /// Checks an answer (RASTiC): every position, or with `random` the first, the last and one inside.
    /// `on_progress(done, total)` is called as tokens go through the model.
    #[allow(clippy::too_many_arguments)]
    pub fn check(
        &mut self,
        prompt: &[u32],
        answer: &[u32],
        temperature: u32,
        top_k: u32,
        top_p: u32,
        seed: u64,
        limit: u32,
        random: Option<u64>,
        on_progress: &Function,
    ) -> Result<Object, JsError> {
        let sampling = Sampling::new(temperature, top_k, top_p).map_err(error)?;
        let (prompt, answer) = (tokens(prompt), tokens(answer));
        let claim = rastic::Claim { prompt: &prompt, answer: &answer, limit, sampling, seed };
        let plan = random.map_or(Plan::Full, |random| Plan::Spot { random });
        let verdict = rastic::check(&mut self.engine, &claim, plan, &mut |p| {
            // What the page makes of it does not change the verdict.
            let _ = on_progress.call2(&JsValue::NULL, &(p.done as f64).into(), &(p.total as f64).into());
        })
        .map_err(error)?;
        Ok(shapes::verdict(&verdict))
    }

    /// Measures: tokens a second one by one, and of a prompt.
    pub fn bench(&mut self, decode: u32, prefill: u32) -> Result<Object, JsError> {
        let speed =
            bench::measure(&mut self.engine, decode as usize, prefill as usize, &milliseconds).map_err(error)?;
        Ok(Builder::default().set("decode", speed.decode).set("prefill", speed.prefill).done())
    }
}
