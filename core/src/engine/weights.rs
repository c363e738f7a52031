//! A model on the device: int8 weights four in a word, each matrix a tensor of its own; everything else in one
//! tensor of words, the *tables*. Rows lie in the order in which the kernels use them: pair by pair.

use super::device::Gpu;
use super::kernels::finish::{GATED, LOGITS, PLAIN, QKV, RESIDUAL};
use super::ops::Words;
use crate::model::EngineError;
use crate::model::arithmetic::{FRACTION, attention};
use crate::model::package::{Layer, Manifest, Matrix, MlpKind, Norm, Package, PositionKind};
use alloc::format;
use alloc::vec;
use alloc::vec::Vec;
use burn::tensor::{DType, Tensor, TensorData};

/// Rows of a part are a multiple of this, the last part's too (the rest is zeros).
const ROWS: usize = 4;

/// Some rows of a matrix.
#[derive(Debug)]
pub(super) struct Part {
    pub weights: Words,
    /// Its first row.
    pub first: u32,
    pub rows: u32,
}

/// A matrix: several parts where one binding cannot hold it.
#[derive(Debug)]
pub(super) struct Linear {
    pub parts: Vec<Part>,
    pub kind: u32,
    pub cols: u32,
    /// Words of a row.
    pub words: u32,
    /// Where its scales lie in the tables.
    pub scales: u32,
}

/// Where a norm lies in the tables.
#[derive(Clone, Copy, Debug)]
pub(super) struct NormPlace {
    pub gain: u32,
    pub bias: u32,
    /// The fraction of its output.
    pub fraction: i32,
}

/// A layer.
#[derive(Debug)]
pub(super) struct LayerWeights {
    pub attention_norm: NormPlace,
    pub qkv: Linear,
    /// Where its heads' fractions lie in the tables.
    pub fractions: u32,
    /// The fraction of attention's output.
    pub attention_fraction: i32,
    pub output: Linear,
    pub mlp_norm: NormPlace,
    pub up: Linear,
    pub down: Linear,
}

/// What follows the last layer.
#[derive(Debug)]
pub(super) struct Last {
    pub norm: NormPlace,
    pub head: Linear,
}

/// The first layers of a model, and what follows them if they are all.
#[derive(Debug)]
pub(super) struct Weights {
    pub tables: Words,
    pub activation: u32,
    pub rotary: u32,
    pub layers: Vec<LayerWeights>,
    pub last: Option<Last>,
}

/// Bytes that `layers` layers and what follows them take on a device.
#[cfg(all(feature = "cpu", not(target_family = "wasm")))]
pub(super) fn bytes(package: &Package, layers: usize) -> u64 {
    let m = package.manifest();
    let matrix = |rows: u64, cols: u64| rows.next_multiple_of(ROWS as u64) * cols.next_multiple_of(4) + 8 * rows;
    let (dim, hidden) = (m.dim as u64, m.hidden as u64);
    let ups = if m.mlp == MlpKind::Gated { 2 } else { 1 };
    let (query, kv) = (m.query_dim() as u64, m.kv_dim() as u64);
    let layer = matrix(query + 2 * kv, dim)
        + matrix(dim, query)
        + matrix(ups * hidden, dim)
        + matrix(dim, hidden)
        + 16 * dim
        + 4 * (m.heads as u64 + 2 * m.kv_heads as u64);
    let rotary = m.context as u64 * m.rotary_dim as u64 * 2;
    let last = if layers == m.layers as usize { matrix(m.vocabulary as u64, dim) + 8 * dim } else { 0 };
    layer * layers as u64 + rotary + last + 8_192
}

/// Writes the tables.
struct Tables(Vec<i32>);

impl Tables {
    fn here(&self) -> u32 {
        self.0.len() as u32
    }

    fn norm(&mut self, norm: &Norm) -> NormPlace {
        let gain = self.here();
        self.0.extend_from_slice(&norm.gain);
        let bias = self.here();
        self.0.extend_from_slice(&norm.bias);
        NormPlace { gain, bias, fraction: norm.fraction as i32 + 6 }
    }

    /// The scales of a matrix: mantissa, and shift less the output's fraction, in a word; the bias.
    fn scales(&mut self, matrix: &Matrix<'_>, order: impl Fn(usize) -> usize, fraction: impl Fn(usize) -> i32) -> u32 {
        let at = self.here();
        for row in (0..matrix.rows).map(order) {
            let shift = matrix.shifts.get(row).copied().unwrap_or(0) as i32 - fraction(row);
            let mantissa = matrix.mantissas.get(row).copied().unwrap_or(0) as i32;
            self.0.extend([mantissa | shift << 16, matrix.bias_of(row)]);
        }
        at
    }
}

/// Puts things on a device.
struct Upload<'a> {
    gpu: &'a Gpu,
    manifest: &'a Manifest,
    tables: Tables,
}

impl Upload<'_> {
    fn words(&self, words: Vec<i32>, what: &str) -> Result<Words, EngineError> {
        words_on(self.gpu, words, what)
    }

    fn linear(
        &mut self,
        kind: u32,
        matrix: &Matrix<'_>,
        order: impl Fn(usize) -> usize,
        fraction: impl Fn(usize) -> i32,
    ) -> Result<Linear, EngineError> {
        let words = matrix.cols.div_ceil(4);
        let most = (self.gpu.binding / 4 / words as u64) as usize / ROWS * ROWS;
        if most == 0 {
            let (found, expected) = (self.gpu.binding, words * 4 * ROWS);
            return Err(EngineError::Device(format!(
                "the model is too wide for this device: {found} bytes in a binding, {expected} needed; use the engine `cpu`"
            )));
        }
        let mut parts = Vec::new();
        for first in (0..matrix.rows).step_by(most) {
            let rows = most.min(matrix.rows - first);
            let mut packed = vec![0i32; rows.next_multiple_of(ROWS) * words];
            for (to, row) in packed.chunks_exact_mut(words).zip(first..first + rows) {
                let weights = matrix.row(order(row));
                for (to, four) in to.iter_mut().zip(weights.chunks(4)) {
                    let mut word = [0; 4];
                    word[..four.len()].copy_from_slice(four);
                    *to = i32::from_le_bytes(word);
                }
            }
            let weights = self.words(packed, "a matrix")?;
            parts.push(Part { weights, first: first as u32, rows: rows as u32 });
        }
        let scales = self.tables.scales(matrix, order, fraction);
        Ok(Linear { parts, kind, cols: matrix.cols as u32, words: words as u32, scales })
    }

    fn layer(&mut self, layer: &Layer<'_>) -> Result<LayerWeights, EngineError> {
        let m = self.manifest;
        let (width, turned) = (m.head_dim as usize, turned(m) as usize);
        let (heads, kv_heads, hidden) = (m.heads as usize, m.kv_heads as usize, m.hidden as usize);
        let residual = m.residual_fraction as i32;
        let heads_fractions = [layer.query_fractions, layer.key_fractions, layer.value_fractions].concat();
        let of_row = |row: usize| heads_fractions.get(row / width).copied().unwrap_or(0) as i32;
        // Elements that turn together are a pair: i and i + turned. The rest of a head as it comes.
        let pairs = |row: usize| {
            let (head, at) = (row / width, row % width);
            let half = if head < heads + kv_heads { turned } else { 0 };
            let within = if at < 2 * half { at / 2 + at % 2 * half } else { at };
            head * width + within
        };
        let attention_norm = self.tables.norm(layer.attention_norm);
        let fractions = self.tables.here();
        self.tables.0.extend(heads_fractions.iter().map(|f| *f as i32));
        let qkv = self.linear(QKV, &layer.qkv, pairs, of_row)?;
        let attention_fraction = attention::output_fraction(layer.value_fractions);
        let output = self.linear(RESIDUAL, &layer.output, |row| row, |_| residual)?;
        let mlp_norm = self.tables.norm(layer.mlp_norm);
        let up = match m.mlp {
            MlpKind::Gated => self.linear(GATED, &layer.up, |row| row / 2 + row % 2 * hidden, |_| FRACTION)?,
            MlpKind::Plain => self.linear(PLAIN, &layer.up, |row| row, |_| FRACTION)?,
        };
        let down = self.linear(RESIDUAL, &layer.down, |row| row, |_| residual)?;
        Ok(LayerWeights { attention_norm, qkv, fractions, attention_fraction, output, mlp_norm, up, down })
    }
}

/// Pairs of a head that turn.
pub(super) fn turned(manifest: &Manifest) -> u32 {
    if manifest.position == PositionKind::Rotary { manifest.rotary_dim / 2 } else { 0 }
}

/// Puts words on the device.
pub(super) fn words_on(gpu: &Gpu, words: Vec<i32>, what: &str) -> Result<Words, EngineError> {
    let (found, expected) = (words.len() as u64 * 4, gpu.binding);
    if found > expected {
        return Err(EngineError::Device(format!(
            "{what} of {found} bytes is too large: this device binds at most {expected}; use the engine `cpu`"
        )));
    }
    let len = words.len();
    Ok(Tensor::from_data(TensorData::new(words, [len]), (&gpu.device, DType::I32)))
}

impl Weights {
    /// Puts the first `layers` layers on the device.
    pub fn new(gpu: &Gpu, package: &Package, layers: usize) -> Result<Weights, EngineError> {
        let manifest = package.manifest();
        let mut up = Upload { gpu, manifest, tables: Tables(Vec::new()) };
        let activation = up.tables.here();
        up.tables.0.extend(package.activation().iter().map(|v| *v as i32));
        let rotary = up.tables.here();
        if manifest.position == PositionKind::Rotary {
            for position in 0..manifest.context as usize {
                let pairs = package.rotary(position).as_chunks::<4>().0;
                up.tables.0.extend(pairs.iter().map(|p| i32::from_le_bytes(*p)));
            }
        }
        let stack = package.layers().take(layers).map(|l| up.layer(&l)).collect::<Result<Vec<_>, _>>()?;
        let last = if layers == manifest.layers as usize {
            let norm = up.tables.norm(package.final_norm());
            Some(Last { norm, head: up.linear(LOGITS, &package.head(), |row| row, |_| FRACTION)? })
        } else {
            None
        };
        // A pair at the end of an odd matrix reads one scale more.
        up.tables.0.extend([0; 4]);
        let tables = core::mem::take(&mut up.tables.0);
        Ok(Weights { tables: up.words(tables, "the model's tables")?, activation, rotary, layers: stack, last })
    }
}
