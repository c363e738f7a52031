//! The float model in burn's tensors: loss, and its gradient by automatic differentiation.
//!
//! Written for few passes over large tensors, which cost as much as the products on a processor: attention is divided by
//! its weights' sums after they met the values, norms' gains are multiplied into the matrices behind them, and the logit
//! of what follows is taken from the embedding's row rather than out of all logits.

use super::batches::Batch;
use super::shape::{EPSILON, LAYER, ModelShape, Place};
use burn::tensor::{Device, Int, Tensor, TensorData, activation::sigmoid};
use camelid_core::model::import::Field;

/// What masked positions get added: their weight is nothing beside 1, and still a number that is computed as fast as others.
const MASKED: f32 = -60.0;

/// Queries at once in attention. Tests learn with windows of more than that.
const BLOCK: usize = 64;

/// A model's shape on a device, with the tables that its passes need.
pub struct Network {
    shape: ModelShape,
    places: Vec<Place>,
    device: Device,
}

/// What a pass needs for a length of windows.
struct Tables {
    /// Cosines and sines of each position's turn, a row for a head: one for queries, which carry 1 / sqrt(head width) too.
    query: (Tensor<2>, Tensor<2>),
    key: (Tensor<2>, Tensor<2>),
    /// Turns a head's element i into element i + half, and that into minus element i.
    quarter: Tensor<2>,
    /// What positions add to scores, a block of queries each: nothing before themselves, [`MASKED`] after.
    masks: Vec<Tensor<2>>,
}

/// The weights as tensors, in the order of their places.
struct Weights(Vec<Tensor<2>>);

impl Weights {
    fn of_layer(&self, layer: usize, field: Field) -> Tensor<2> {
        let at = LAYER.iter().position(|f| *f == field).unwrap_or(0);
        self.0[1 + layer * LAYER.len() + at].clone()
    }

    fn embedding(&self) -> Tensor<2> {
        self.0[0].clone()
    }

    fn final_norm(&self) -> Tensor<2> {
        self.0[self.0.len() - 1].clone()
    }
}

impl Network {
    /// A network of this shape on a device.
    pub fn new(shape: &ModelShape, device: Device) -> Self {
        Network { shape: shape.clone(), places: shape.places(), device }
    }

    /// The mean loss of a batch in nats a token, and its gradient, added to `gradient` times `factor`.
    pub fn learn(&self, weights: &[f32], batch: &Batch, factor: f32, gradient: &mut [f32]) -> f64 {
        let device = self.device.clone().autodiff();
        let weights = self.upload(weights, &device, true);
        let loss = self.loss(&weights, batch, &device);
        let mut gradients = loss.backward();
        for (place, tensor) in self.places.iter().zip(&weights.0) {
            let Some(found) = tensor.grad_remove(&mut gradients) else { continue };
            let data = found.into_data();
            let found = data.as_slice::<f32>().unwrap_or(&[]);
            gradient[place.range()].iter_mut().zip(found).for_each(|(g, f)| *g += factor * f);
        }
        scalar(loss)
    }

    /// The mean loss of a batch in nats a token.
    pub fn measure(&self, weights: &[f32], batch: &Batch) -> f64 {
        scalar(self.loss(&self.upload(weights, &self.device, false), batch, &self.device))
    }

    fn upload(&self, weights: &[f32], device: &Device, learn: bool) -> Weights {
        let tensor = |place: &Place| {
            let data = TensorData::new(weights[place.range()].to_vec(), [place.rows, place.columns]);
            let tensor = Tensor::<2>::from_data(data, device);
            if learn { tensor.require_grad() } else { tensor }
        };
        Weights(self.places.iter().map(tensor).collect())
    }

    fn tables(&self, length: usize, device: &Device) -> Tables {
        let (width, speeds) = (self.shape.head_dim(), self.shape.speeds());
        let table = |f: fn(f64) -> f64, factor: f64| {
            let value = |i: usize| (f((i / width) as f64 * speeds[i % width % speeds.len()]) * factor) as f32;
            matrix((0..length * width).map(value).collect(), [1, length * width], device)
        };
        let scale = 1.0 / (width as f64).sqrt();
        let mut quarter = vec![0.0; width * width];
        for i in 0..width / 2 {
            let j = i + width / 2;
            // Row of the element that is read, column of the one that is written.
            quarter[i * width + j] = 1.0;
            quarter[j * width + i] = -1.0;
        }
        let group = self.shape.heads / self.shape.kv_heads;
        let masks = (0..length).step_by(BLOCK).map(|start| {
            let end = (start + BLOCK).min(length);
            let row = |position| (0..end).map(move |other| if other <= position { 0.0 } else { MASKED });
            let mask: Vec<f32> = (0..group).flat_map(|_| (start..end).flat_map(row)).collect();
            matrix(mask, [1, group * (end - start) * end], device)
        });
        Tables {
            query: (table(f64::cos, scale), table(f64::sin, scale)),
            key: (table(f64::cos, 1.0), table(f64::sin, 1.0)),
            quarter: matrix(quarter, [width, width], device),
            masks: masks.collect(),
        }
    }

    fn loss(&self, weights: &Weights, batch: &Batch, device: &Device) -> Tensor<1> {
        let tables = self.tables(batch.length, device);
        let numbers = |ids: &[i32]| Tensor::<1, Int>::from_data(TensorData::new(ids.to_vec(), [ids.len()]), device);
        let mut x = weights.embedding().select(0, numbers(&batch.inputs));
        for layer in 0..self.shape.layers {
            x = x.clone() + self.attention(norm(x), weights, layer, batch, &tables);
            x = x.clone() + self.mlp(norm(x), weights, layer);
        }
        let head = weights.embedding() * weights.final_norm();
        let x = norm(x);
        let own = (x.clone() * head.clone().select(0, numbers(&batch.targets))).sum_dim(1);
        let logits = x.matmul(head.transpose());
        let largest = logits.clone().detach().max_dim(1);
        let total = (logits - largest.clone()).exp().sum_dim(1);
        (total.log() + largest - own).mean()
    }

    fn attention(&self, x: Tensor<2>, weights: &Weights, layer: usize, batch: &Batch, tables: &Tables) -> Tensor<2> {
        let (rows, length, width) = (batch.rows, batch.length, self.shape.head_dim());
        let (heads, kv_heads) = (self.shape.heads, self.shape.kv_heads);
        let gain = weights.of_layer(layer, Field::AttentionNorm);
        // Tokens' vectors of all heads to heads' vectors of all tokens: [rows * heads, length * width].
        let by_heads = |field, heads: usize| {
            let matrix = weights.of_layer(layer, field) * gain.clone();
            let all = x.clone().matmul(matrix.transpose());
            all.reshape([rows, length, heads, width]).swap_dims(1, 2).reshape([rows * heads, length * width])
        };
        let turned = |v: Tensor<2>, heads: usize, (cos, sin): &(Tensor<2>, Tensor<2>)| {
            let quarter = v.clone().reshape([rows * heads * length, width]).matmul(tables.quarter.clone());
            v * cos.clone() + quarter.reshape([rows * heads, length * width]) * sin.clone()
        };
        let query = turned(by_heads(Field::Query, heads), heads, &tables.query);
        let key = turned(by_heads(Field::Key, kv_heads), kv_heads, &tables.key);
        let value = by_heads(Field::Value, kv_heads).reshape([rows * kv_heads, length, width]);
        // The query heads that share a key head stand one under another. A block of queries meets the keys up to its end:
        // most of what the mask hides is never computed.
        let (pairs, group) = (rows * kv_heads, heads / kv_heads);
        let query = query.reshape([pairs, group, length, width]);
        let key = key.reshape([pairs, length, width]).swap_dims(1, 2);
        let block = |(start, mask): (usize, &Tensor<2>)| {
            let end = (start + BLOCK).min(length);
            let tall = group * (end - start);
            let query = query.clone().slice([0..pairs, 0..group, start..end]).reshape([pairs, tall, width]);
            let scores = query.matmul(key.clone().slice([0..pairs, 0..width, 0..end])).reshape([pairs, tall * end]);
            let scores = (scores + mask.clone()).reshape([pairs * tall, end]);
            let largest = scores.clone().detach().max_dim(1);
            let shares = (scores - largest).exp();
            let sums = shares.clone().sum_dim(1);
            let value = value.clone().slice([0..pairs, 0..end]);
            let mixed = shares.reshape([pairs, tall, end]).matmul(value).reshape([pairs * tall, width]) / sums;
            mixed.reshape([pairs, group, end - start, width])
        };
        let mixed = Tensor::cat((0..length).step_by(BLOCK).zip(&tables.masks).map(block).collect(), 2);
        let by_tokens = mixed.reshape([rows, heads, length, width]).swap_dims(1, 2);
        let output = weights.of_layer(layer, Field::Output);
        by_tokens.reshape([rows * length, heads * width]).matmul(output.transpose())
    }

    fn mlp(&self, x: Tensor<2>, weights: &Weights, layer: usize) -> Tensor<2> {
        let gain = weights.of_layer(layer, Field::MlpNorm);
        let linear = |field| {
            let matrix = weights.of_layer(layer, field) * gain.clone();
            x.clone().matmul(matrix.transpose())
        };
        let gate: Tensor<2> = linear(Field::Gate);
        let hidden = sigmoid(gate.clone()) * gate * linear(Field::Up);
        hidden.matmul(weights.of_layer(layer, Field::Down).transpose())
    }
}

/// Each row over its root mean square.
fn norm(x: Tensor<2>) -> Tensor<2> {
    let squares = (x.clone() * x.clone()).mean_dim(1);
    x * (squares + EPSILON).sqrt().recip()
}

fn matrix(values: Vec<f32>, size: [usize; 2], device: &Device) -> Tensor<2> {
    Tensor::from_data(TensorData::new(values, size), device)
}

fn scalar(tensor: Tensor<1>) -> f64 {
    tensor.into_data().as_slice::<f32>().ok().and_then(|s| s.first()).map_or(f64::NAN, |v| *v as f64)
}
