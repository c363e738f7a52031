//! From float rows to int8 rows with a scale, and from float vectors to fixed point.

use super::ImportError;
use super::source::{Source, Tensor};
use crate::model::arithmetic::norm::MAX_GAIN;
use crate::model::package::NormData;
use std::format;
use std::vec;
use std::vec::Vec;

/// A quantised row: weight i stands for `weights[i] * mantissa / 2^shift`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// -127 to 127.
    pub weights: Vec<i8>,
    /// 32768 to 65535.
    pub mantissa: u16,
    /// 0 to 63.
    pub shift: u8,
}

impl Row {
    /// The reals that the row stands for.
    pub fn reals(&self) -> impl Iterator<Item = f32> + '_ {
        let scale = self.mantissa as f64 / 2f64.powi(self.shift as i32);
        self.weights.iter().map(move |w| (*w as f64 * scale) as f32)
    }
}

/// Reads a row and checks that every number can be used.
pub fn read(source: &dyn Source, tensor: Tensor, row: usize) -> Result<Vec<f32>, ImportError> {
    let mut out = vec![0.0; source.shape().size(tensor.field).1];
    source.row(tensor, row, &mut out)?;
    match out.iter().find(|v| !v.is_finite() || v.abs() >= 32_768.0) {
        None => Ok(out),
        Some(found) => {
            let tensor = format!("{:?} of layer {}", tensor.field, tensor.layer);
            Err(ImportError::Weight { tensor, row, found: *found })
        }
    }
}

/// Quantises a row times `factor`: the scale is the largest magnitude over 127, rounded up to 16 bits, and the
/// weights are rounded to multiples of that rounded scale, so that it adds no error of its own.
pub fn quantise(row: &[f32], factor: f64) -> Row {
    let largest = row.iter().fold(0.0f64, |m, w| m.max((*w as f64 * factor).abs()));
    let mut shift = 63;
    while shift > 0 && largest / 127.0 * 2f64.powi(shift) > 65_535.0 {
        shift -= 1;
    }
    let mantissa = (largest / 127.0 * 2f64.powi(shift)).ceil().clamp(32_768.0, 65_535.0);
    let scale = mantissa / 2f64.powi(shift);
    let weights = row.iter().map(|w| (*w as f64 * factor / scale).round().clamp(-127.0, 127.0) as i8).collect();
    Row { weights, mantissa: mantissa as u16, shift: shift as u8 }
}

/// `v` with `fraction` fraction bits, saturating.
pub fn fixed(v: f64, fraction: i32) -> i32 {
    (v * 2f64.powi(fraction)).round() as i32
}

/// The largest fraction within `range` that keeps `bound` below `limit`.
pub fn fraction_for(bound: f64, limit: f64, range: core::ops::RangeInclusive<i32>) -> i32 {
    let (low, high) = range.into_inner();
    let mut fraction = high;
    while fraction > low && bound * 2f64.powi(fraction) > limit {
        fraction -= 1;
    }
    fraction
}

/// A norm's gains times the square root of their number, and its biases.
pub fn norm(gain: &[f32], bias: &[f32]) -> NormData {
    let root = (gain.len() as f64).sqrt();
    let largest = |v: &[f32]| v.iter().fold(0.0f64, |m, x| m.max(x.abs() as f64));
    // The bias has six fraction bits more and stays below 2^30.
    let by_gain = fraction_for(largest(gain) * root, MAX_GAIN as f64, -8..=40);
    let fraction = fraction_for(largest(bias) * 64.0, (1u64 << 30) as f64, -8..=by_gain);
    NormData {
        fraction: fraction as i8,
        gain: gain.iter().map(|g| fixed(*g as f64 * root, fraction)).collect(),
        bias: bias.iter().map(|b| fixed(*b as f64, fraction + 6)).collect(),
    }
}

/// The ranks of scores: 0 for the lowest, the same for equal ones.
pub fn ranks(scores: &[f32]) -> Vec<u32> {
    // Minus zero is zero.
    let scores: Vec<f32> = scores.iter().map(|score| score + 0.0).collect();
    let mut sorted = scores.clone();
    sorted.sort_by(f32::total_cmp);
    sorted.dedup();
    scores.iter().map(|score| sorted.partition_point(|s| s < score) as u32).collect()
}
