//! How fast an engine is. The clock is the caller's: the browser's in the module, the system's in the native run that it
//! is compared with.

use camelid_core::model::{Engine, EngineError, Feed, Want};
use camelid_core::units::TokenId;
use core::hint::black_box;

/// Tokens before those that are decoded one by one.
const PROMPT: usize = 32;

/// Tokens a second.
#[derive(Clone, Copy, Debug)]
pub struct Speed {
    /// One by one, each with logits.
    pub decode: f64,
    /// Of a prompt in one piece, the last with logits.
    pub prefill: f64,
}

/// Measures once; `now` counts milliseconds.
pub fn measure(
    engine: &mut dyn Engine,
    decode: usize,
    prefill: usize,
    now: &dyn Fn() -> f64,
) -> Result<Speed, EngineError> {
    let vocabulary = engine.info().vocabulary;
    let text: Vec<TokenId> = (0..(PROMPT + decode).max(prefill) as u32)
        .map(|i| TokenId((i + 1).wrapping_mul(2_654_435_761) % vocabulary))
        .collect();

    let sequence = engine.open()?;
    engine.forward(&[Feed { sequence, tokens: &text[..PROMPT], want: Want::Nothing }])?;
    let start = now();
    for token in text[PROMPT..PROMPT + decode].chunks(1) {
        black_box(engine.forward(&[Feed { sequence, tokens: token, want: Want::Last }])?);
    }
    let one_by_one = decode as f64 * 1000.0 / (now() - start);
    engine.close(sequence);

    let sequence = engine.open()?;
    let start = now();
    black_box(engine.forward(&[Feed { sequence, tokens: &text[..prefill], want: Want::Last }])?);
    let prompt = prefill as f64 * 1000.0 / (now() - start);
    engine.close(sequence);
    Ok(Speed { decode: one_by_one, prefill: prompt })
}
