//! A block of tokens through the layers: seven dispatches a layer (`docs/gpu.md`).

use super::device::Gpu;
use super::kernels::attention::Heads;
use super::kernels::finish::{GATED, Place, QKV};
use super::kernels::norm::NormCall;
use super::ops::{Words, call};
use super::weights::{LayerWeights, Linear, NormPlace, Weights, turned, words_on};
use crate::model::EngineError;
use crate::model::arithmetic::FRACTION;
use crate::model::package::{Manifest, NormKind};
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;

/// Masks of a token a layer: of both norms, of attention, of the hidden vector.
const MASKS: u32 = 4;

/// One token of a block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row<'a> {
    pub position: u32,
    /// The pages of its sequence.
    pub pages: &'a [u32],
    /// Its sequence's place in the batch.
    pub feed: usize,
}

/// A block on its way.
pub(super) struct Pass<'a> {
    gpu: &'a Gpu,
    manifest: &'a Manifest,
    weights: &'a Weights,
    tokens: u32,
    /// The largest position.
    last: u32,
    about: Words,
    masks: Words,
    /// Where in `about` the rows that want logits stand.
    wanted_at: u32,
    wanted: u32,
    /// A word for a kernel's buffer that its kind does not use.
    unused: Words,
    x: Words,
    /// Counts the dispatches.
    count: &'a mut u64,
}

impl<'a> Pass<'a> {
    /// A block with its residual streams, one after another. Those of `wanted` get logits.
    pub fn new(
        gpu: &'a Gpu,
        manifest: &'a Manifest,
        weights: &'a Weights,
        count: &'a mut u64,
        rows: &[Row<'_>],
        residual: Vec<i32>,
        wanted: &[u32],
    ) -> Result<Self, EngineError> {
        let tokens = rows.len() as u32;
        let mut about = vec![0; 2 * rows.len()];
        let mut placed: Option<(usize, u32)> = None;
        for (i, row) in rows.iter().enumerate() {
            let at = match placed {
                Some((feed, at)) if feed == row.feed => at,
                _ => {
                    let at = about.len() as u32;
                    about.extend(row.pages.iter().map(|p| *p as i32));
                    placed = Some((row.feed, at));
                    at
                }
            };
            about[2 * i] = row.position as i32;
            about[2 * i + 1] = at as i32;
        }
        let wanted_at = about.len() as u32;
        about.extend(wanted.iter().map(|r| *r as i32));
        let masks = (MASKS * manifest.layers * tokens) as usize + wanted.len();
        Ok(Pass {
            gpu,
            manifest,
            weights,
            tokens,
            last: rows.iter().map(|r| r.position).max().unwrap_or(0),
            about: words_on(gpu, about, "a block's list of pages")?,
            masks: words_on(gpu, vec![0; masks], "a block's masks")?,
            wanted_at,
            wanted: wanted.len() as u32,
            unused: words_on(gpu, vec![0], "a word")?,
            x: words_on(gpu, residual, "a block of tokens")?,
            count,
        })
    }

    fn mask(&self, layer: usize, which: u32) -> u32 {
        (MASKS * layer as u32 + which) * self.tokens
    }

    fn norm(&mut self, place: NormPlace, tokens: u32, mask: u32, rows: Option<u32>) -> Words {
        *self.count += 1;
        let m = self.manifest;
        let centre = m.norm == NormKind::Layer;
        let NormPlace { gain, bias, .. } = place;
        let call = NormCall { tokens, dim: m.dim, gain, bias, centre, epsilon: m.epsilon, mask, rows };
        call::norm(&self.x, &self.weights.tables, &self.about, &self.masks, call)
    }

    /// A linear layer of `tokens` inputs whose masks lie at `mask_in`; gives `out`.
    fn linear(
        &mut self,
        linear: &Linear,
        x: &Words,
        fraction: i32,
        (tokens, mask_in, mask_out, width): (u32, u32, u32, u32),
        mut out: Words,
        cache: &Words,
    ) -> Words {
        let m = self.manifest;
        for part in &linear.parts {
            *self.count += 1;
            let place = Place {
                kind: linear.kind,
                rows: part.rows,
                words: linear.words,
                cols: linear.cols,
                tokens,
                scales: linear.scales + 2 * part.first,
                fraction: fraction as u32,
                mask_in,
                mask_out,
                width,
                first: part.first,
                table: if linear.kind == QKV { self.weights.rotary } else { self.weights.activation },
                heads: m.heads,
                kv_heads: m.kv_heads,
                half: m.head_dim / 2,
                turned: turned(m),
            };
            let tables = &self.weights.tables;
            let beside = call::Beside { tables, about: &self.about, masks: &self.masks, cache };
            out = call::linear(&part.weights, x, &beside, out, place);
        }
        out
    }

    fn fresh(&self, words: u32) -> Words {
        call::fresh(&self.about, words as usize)
    }

    /// One layer.
    pub fn layer(&mut self, index: usize, layer: &LayerWeights, cache: &Words) {
        let (m, tokens, unused) = (self.manifest, self.tokens, self.unused.clone());
        let masks: [u32; 4] = core::array::from_fn(|i| self.mask(index, i as u32));
        let half = m.head_dim / 2;

        let n = self.norm(layer.attention_norm, tokens, masks[0], None);
        let queries = self.fresh(tokens * m.heads * half);
        let shape = (tokens, masks[0], 0, m.heads * half);
        let queries = self.linear(&layer.qkv, &n, layer.attention_norm.fraction, shape, queries, cache);

        *self.count += 1;
        let heads = Heads {
            heads: m.heads,
            kv_heads: m.kv_heads,
            half,
            fractions: layer.fractions,
            fraction: layer.attention_fraction as u32,
            mask: masks[1],
            last: self.last,
        };
        let tables = &self.weights.tables;
        let beside = call::Beside { tables, about: &self.about, masks: &self.masks, cache };
        let attended = call::attention(&queries, &beside, tokens, heads);
        let shape = (tokens, masks[1], 0, m.dim);
        let x = self.x.clone();
        self.x = self.linear(&layer.output, &attended, layer.attention_fraction, shape, x, &unused);

        let n = self.norm(layer.mlp_norm, tokens, masks[2], None);
        let hidden = self.fresh(tokens * m.hidden);
        let shape = (tokens, masks[2], masks[3], m.hidden);
        let hidden = self.linear(&layer.up, &n, layer.mlp_norm.fraction, shape, hidden, &unused);
        debug_assert!(layer.up.kind >= GATED);
        let shape = (tokens, masks[3], 0, m.dim);
        let x = self.x.clone();
        self.x = self.linear(&layer.down, &hidden, FRACTION, shape, x, &unused);
    }

    /// The logits of the rows that want them: some rows a tensor, in order.
    pub fn logits(&mut self) -> Vec<Words> {
        let Some(last) = &self.weights.last else { return Vec::new() };
        if self.wanted == 0 {
            return Vec::new();
        }
        let (vocabulary, unused) = (self.manifest.vocabulary, self.unused.clone());
        let mask = MASKS * self.manifest.layers * self.tokens;
        let most = (self.gpu.binding / 4 / vocabulary as u64).clamp(1, self.wanted as u64) as u32;
        let mut out = Vec::new();
        for first in (0..self.wanted).step_by(most as usize) {
            let rows = most.min(self.wanted - first);
            let n = self.norm(last.norm, rows, mask + first, Some(self.wanted_at + first));
            let logits = self.fresh(rows * vocabulary);
            let shape = (rows, mask + first, 0, vocabulary);
            out.push(self.linear(&last.head, &n, last.norm.fraction, shape, logits, &unused));
        }
        out
    }

    /// The residual streams, for layers that run elsewhere.
    #[cfg(all(feature = "cpu", not(target_family = "wasm")))]
    pub fn residual(&self) -> Words {
        self.x.clone()
    }
}

/// Reads words back. What the device reported meanwhile is an error: the words are worth nothing then.
pub(super) async fn read(gpu: &Gpu, words: Words) -> Result<Vec<i32>, EngineError> {
    let failed = |reason: alloc::string::String| EngineError::Device(reason);
    let data = words.into_data_async().await.map_err(|e| failed(e.to_string()))?;
    gpu.check()?;
    data.try_into_vec::<i32>().map_err(|e| failed(alloc::format!("{e:?}")))
}
