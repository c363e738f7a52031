//! The float forward pass.

use crate::model::import::{Field, ImportError, Positions, Shape, Source, Tensor};
use crate::model::package::{ActivationKind, MlpKind, NormKind};
use std::collections::BTreeMap;
use std::vec;
use std::vec::Vec;

/// A float model in memory.
#[derive(Debug)]
pub struct FloatModel {
    shape: Shape,
    tensors: BTreeMap<Tensor, Vec<f32>>,
}

/// Keys and values of a sequence, layer by layer.
#[derive(Clone, Debug)]
pub struct FloatState {
    keys: Vec<Vec<f32>>,
    values: Vec<Vec<f32>>,
    position: usize,
}

impl FloatModel {
    /// Reads all weights.
    pub fn new(source: &dyn Source) -> Result<Self, ImportError> {
        let shape = source.shape().clone();
        let mut tensors = BTreeMap::new();
        let mut load = |field: Field, layer: usize| -> Result<(), ImportError> {
            let (rows, cols) = shape.size(field);
            let tensor = Tensor { field, layer };
            let mut all = vec![0.0; rows * cols];
            for (row, out) in all.chunks_mut(cols).enumerate() {
                source.row(tensor, row, out)?;
            }
            tensors.insert(tensor, all);
            Ok(())
        };
        let layer_norm = shape.norm == NormKind::Layer;
        load(Field::Embedding, 0)?;
        load(Field::FinalNorm, 0)?;
        let optional = [
            (Field::Positions, shape.positions == Positions::Learned),
            (Field::FinalNormBias, layer_norm),
            (Field::Head, !shape.tied_head),
        ];
        for (field, _) in optional.into_iter().filter(|o| o.1) {
            load(field, 0)?;
        }
        let gated = shape.mlp == MlpKind::Gated;
        for layer in 0..shape.layers {
            use Field::*;
            for field in [AttentionNorm, Query, Key, Value, Output, MlpNorm, Up, Down] {
                load(field, layer)?;
            }
            let optional = [
                (AttentionNormBias, layer_norm),
                (MlpNormBias, layer_norm),
                (QueryBias, shape.biases.qkv),
                (KeyBias, shape.biases.qkv),
                (ValueBias, shape.biases.qkv),
                (OutputBias, shape.biases.output),
                (Gate, gated),
                (GateBias, gated && shape.biases.mlp),
                (UpBias, shape.biases.mlp),
                (DownBias, shape.biases.mlp),
            ];
            for (field, _) in optional.into_iter().filter(|o| o.1) {
                load(field, layer)?;
            }
        }
        Ok(FloatModel { shape, tensors })
    }

    /// Its shape.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// An empty sequence.
    pub fn start(&self) -> FloatState {
        let empty = vec![Vec::new(); self.shape.layers];
        FloatState { keys: empty.clone(), values: empty, position: 0 }
    }

    /// Logits after one more token.
    pub fn forward(&self, state: &mut FloatState, token: usize) -> Vec<f32> {
        let s = &self.shape;
        let mut x = self.row(Field::Embedding, token).to_vec();
        if s.positions == Positions::Learned {
            add(&mut x, self.row(Field::Positions, state.position));
        }
        for layer in 0..s.layers {
            let normed = self.norm(&x, Field::AttentionNorm, Field::AttentionNormBias, layer);
            let attended = self.attention(&normed, layer, state);
            add(&mut x, &self.linear(Field::Output, Field::OutputBias, layer, &attended));
            let normed = self.norm(&x, Field::MlpNorm, Field::MlpNormBias, layer);
            let mut hidden = self.linear(Field::Up, Field::UpBias, layer, &normed);
            match s.mlp {
                MlpKind::Gated => {
                    let gate = self.linear(Field::Gate, Field::GateBias, layer, &normed);
                    hidden.iter_mut().zip(gate).for_each(|(h, g)| *h *= activate(s.activation, g));
                }
                MlpKind::Plain => hidden.iter_mut().for_each(|h| *h = activate(s.activation, *h)),
            }
            add(&mut x, &self.linear(Field::Down, Field::DownBias, layer, &hidden));
        }
        state.position += 1;
        let normed = self.norm(&x, Field::FinalNorm, Field::FinalNormBias, 0);
        let head = if s.tied_head { Field::Embedding } else { Field::Head };
        self.linear(head, head, 0, &normed)
    }

    fn attention(&self, x: &[f32], layer: usize, state: &mut FloatState) -> Vec<f32> {
        let s = &self.shape;
        let width = s.head_dim;
        let mut query = self.linear(Field::Query, Field::QueryBias, layer, x);
        let mut key = self.linear(Field::Key, Field::KeyBias, layer, x);
        if let Positions::Rotary(speeds) = &s.positions {
            for head in query.chunks_mut(width).chain(key.chunks_mut(width)) {
                for (i, speed) in speeds.iter().enumerate() {
                    let (sin, cos) = (state.position as f64 * speed).sin_cos();
                    let (a, b) = (head[i], head[i + speeds.len()]);
                    head[i] = a * cos as f32 - b * sin as f32;
                    head[i + speeds.len()] = a * sin as f32 + b * cos as f32;
                }
            }
        }
        state.keys[layer].extend(key);
        state.values[layer].extend(self.linear(Field::Value, Field::ValueBias, layer, x));
        let mut out = vec![0.0; s.query_dim()];
        let kv_dim = s.kv_dim();
        for (h, (q, out)) in query.chunks(width).zip(out.chunks_mut(width)).enumerate() {
            let at = h / (s.heads / s.kv_heads) * width;
            let scale = 1.0 / (width as f32).sqrt();
            let keys = state.keys[layer].chunks(kv_dim);
            let scores: Vec<f32> = keys.map(|k| dot(q, &k[at..at + width]) * scale).collect();
            let largest = scores.iter().copied().fold(f32::MIN, f32::max);
            let weights: Vec<f32> = scores.iter().map(|v| (v - largest).exp()).collect();
            let total: f32 = weights.iter().sum();
            for (w, value) in weights.iter().zip(state.values[layer].chunks(kv_dim)) {
                out.iter_mut().zip(&value[at..at + width]).for_each(|(o, v)| *o += w / total * v);
            }
        }
        out
    }

    fn norm(&self, x: &[f32], gain: Field, bias: Field, layer: usize) -> Vec<f32> {
        let n = x.len() as f32;
        let mean = if self.shape.norm == NormKind::Layer { x.iter().sum::<f32>() / n } else { 0.0 };
        let variance = x.iter().map(|v| (v - mean) * (v - mean)).sum::<f32>() / n;
        let scale = 1.0 / (variance + self.shape.epsilon as f32).sqrt();
        let gain = self.tensor(gain, layer);
        let mut out: Vec<f32> = x.iter().zip(gain).map(|(v, g)| (v - mean) * scale * g).collect();
        add(&mut out, self.tensor(bias, layer));
        out
    }

    fn linear(&self, weights: Field, bias: Field, layer: usize, x: &[f32]) -> Vec<f32> {
        let mut out: Vec<f32> = self.tensor(weights, layer).chunks(x.len()).map(|row| dot(row, x)).collect();
        if bias != weights {
            add(&mut out, self.tensor(bias, layer));
        }
        out
    }

    /// A tensor that the model does not have is empty.
    fn tensor(&self, field: Field, layer: usize) -> &[f32] {
        self.tensors.get(&Tensor { field, layer }).map_or(&[], Vec::as_slice)
    }

    fn row(&self, field: Field, row: usize) -> &[f32] {
        let cols = self.shape.size(field).1;
        &self.tensor(field, 0)[row * cols..(row + 1) * cols]
    }
}

fn add(x: &mut [f32], y: &[f32]) {
    x.iter_mut().zip(y).for_each(|(x, y)| *x += y);
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    // Eight sums at a time: the compiler may use vector instructions without changing the order.
    let mut sums = [0.0f32; 8];
    let (a8, a_rest) = a.as_chunks::<8>();
    let (b8, b_rest) = b.as_chunks::<8>();
    for (a, b) in a8.iter().zip(b8) {
        for i in 0..8 {
            sums[i] += a[i] * b[i];
        }
    }
    sums.iter().sum::<f32>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f32>()
}

pub(super) fn activate(kind: ActivationKind, x: f32) -> f32 {
    match kind {
        ActivationKind::Silu => x / (1.0 + (-x).exp()),
        ActivationKind::GeluTanh => {
            let inner = (2.0 / std::f32::consts::PI).sqrt() * (x + 0.044_715 * x * x * x);
            0.5 * x * (1.0 + inner.tanh())
        }
        ActivationKind::Gelu => (x as f64 * normal_distribution(x as f64)) as f32,
    }
}

/// The standard normal distribution function by its power series, which converges everywhere; beyond 7 it is 0
/// or 1 to the last bit of a float.
fn normal_distribution(x: f64) -> f64 {
    if x.abs() > 7.0 {
        return if x > 0.0 { 1.0 } else { 0.0 };
    }
    let (mut term, mut sum) = (x, x);
    for k in 1..200 {
        term *= x * x / (2 * k + 1) as f64;
        sum += term;
    }
    0.5 + sum * (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt()
}
