//! Tables that a package holds so that no engine computes a transcendental function.

use super::source::Positions;
use crate::model::arithmetic::activation::{TABLE_FRACTION, TABLE_LEN};
use crate::model::package::ActivationKind;
use std::f64::consts::PI;
use std::vec::Vec;

/// The gate of an activation function at i / 64: the function divided by its argument.
pub fn activation(kind: ActivationKind) -> Vec<u32> {
    let one = (1u32 << TABLE_FRACTION) as f64;
    let mut normal = 0.5;
    (0..TABLE_LEN)
        .map(|i| {
            let x = i as f64 / 64.0;
            let gate = match kind {
                ActivationKind::Silu => 1.0 / (1.0 + (-x).exp()),
                ActivationKind::GeluTanh => 0.5 * (1.0 + ((2.0 / PI).sqrt() * (x + 0.044_715 * x * x * x)).tanh()),
                ActivationKind::Gelu => normal,
            };
            normal += normal_mass(x, x + 1.0 / 64.0);
            (gate.min(1.0) * one).round() as u32
        })
        .collect()
}

/// The standard normal distribution's mass between two points, by Simpson's rule.
fn normal_mass(from: f64, to: f64) -> f64 {
    let density = |x: f64| (-x * x / 2.0).exp() / (2.0 * PI).sqrt();
    (to - from) / 6.0 * (density(from) + 4.0 * density((from + to) / 2.0) + density(to))
}

/// Cosine and sine with 14 fraction bits of every position's angle for each pair.
pub fn rotary(positions: &Positions, context: usize) -> impl Iterator<Item = [u8; 4]> + '_ {
    let speeds: &[f64] = match positions {
        Positions::Rotary(speeds) => speeds,
        Positions::Learned => &[],
    };
    (0..context).flat_map(move |position| {
        speeds.iter().map(move |speed| {
            let angle = position as f64 * speed;
            let fixed = |v: f64| ((v * 16_384.0).round() as i16).to_le_bytes();
            let ([c0, c1], [s0, s1]) = (fixed(angle.cos()), fixed(angle.sin()));
            [c0, c1, s0, s1]
        })
    })
}
