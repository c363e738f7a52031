//! AdamW (decoupled weight decay), the length of a gradient, and the learning rate's course.
//!
//! On plain numbers in one order: a checkpoint holds every bit of its state, and a run that goes on from one does what it
//! would have done.

use super::shape::ModelShape;
use serde::{Deserialize, Serialize};

const BETA_1: f32 = 0.9;
const BETA_2: f32 = 0.99;
const TINY: f32 = 1e-8;

/// How weights follow their gradient.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Optimiser {
    /// The highest learning rate.
    pub rate: f64,
    /// The last learning rate, as a part of the highest.
    pub last_rate: f64,
    /// Steps over which the rate rises from zero.
    pub warm_up: u64,
    /// Weight decay; norms do not decay.
    pub decay: f64,
    /// Longer gradients are shortened to this length.
    pub clip: f64,
}

impl Default for Optimiser {
    fn default() -> Self {
        Optimiser { rate: 3e-3, last_rate: 0.02, warm_up: 200, decay: 0.1, clip: 1.0 }
    }
}

/// First and second moments of the gradient.
#[derive(Clone, Debug, PartialEq)]
pub struct Moments {
    /// Running mean.
    pub first: Vec<f32>,
    /// Running mean of squares.
    pub second: Vec<f32>,
}

impl Moments {
    /// Those of a run that begins.
    pub fn zero(parameters: usize) -> Self {
        Moments { first: vec![0.0; parameters], second: vec![0.0; parameters] }
    }
}

impl Optimiser {
    /// The learning rate of step `step` (from 0) of `steps`: a line up, then half a cosine down.
    pub fn rate_at(&self, step: u64, steps: u64) -> f64 {
        let warm_up = self.warm_up.min(steps);
        if step < warm_up {
            return self.rate * (step + 1) as f64 / warm_up as f64;
        }
        let done = (step - warm_up) as f64 / (steps - warm_up).max(1) as f64;
        let cosine = 0.5 * (1.0 + (std::f64::consts::PI * done.min(1.0)).cos());
        self.rate * (self.last_rate + (1.0 - self.last_rate) * cosine)
    }

    /// A gradient's length.
    pub fn length(&self, gradient: &[f32]) -> f64 {
        gradient.iter().map(|g| *g as f64 * *g as f64).sum::<f64>().sqrt()
    }

    /// Moves the weights one step against the gradient, shortened where it is too long.
    pub fn step(
        &self,
        shape: &ModelShape,
        (step, steps): (u64, u64),
        weights: &mut [f32],
        gradient: &[f32],
        moments: &mut Moments,
    ) {
        let scale = (self.clip / self.length(gradient)).min(1.0) as f32;
        let rate = self.rate_at(step, steps);
        let n = i32::try_from(step + 1).unwrap_or(i32::MAX);
        let by_first = (rate / (1.0 - (BETA_1 as f64).powi(n))) as f32;
        let by_second = (1.0 / (1.0 - (BETA_2 as f64).powi(n))) as f32;
        for place in shape.places() {
            let kept = if place.is_norm() { 1.0 } else { (1.0 - rate * self.decay) as f32 };
            let range = place.range();
            let rows = weights[range.clone()].iter_mut().zip(&gradient[range.clone()]);
            let moments = moments.first[range.clone()].iter_mut().zip(&mut moments.second[range]);
            for ((w, g), (m, v)) in rows.zip(moments) {
                let g = g * scale;
                *m += (1.0 - BETA_1) * (g - *m);
                *v += (1.0 - BETA_2) * (g * g - *v);
                *w = *w * kept - by_first * *m / ((*v * by_second).sqrt() + TINY);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_rises_and_falls() {
        let o = Optimiser { rate: 1.0, last_rate: 0.1, warm_up: 10, ..Optimiser::default() };
        assert!((o.rate_at(0, 110) - 0.1).abs() < 1e-12 && o.rate_at(9, 110) == 1.0 && o.rate_at(10, 110) == 1.0);
        assert!((o.rate_at(60, 110) - 0.55).abs() < 1e-12);
        assert!((o.rate_at(110, 110) - 0.1).abs() < 1e-12 && (o.rate_at(999, 110) - 0.1).abs() < 1e-12);
        assert!(o.rate_at(0, 0).is_finite() && o.rate_at(3, 4).is_finite());
    }

    #[test]
    fn a_first_step_is_as_long_as_the_rate_and_long_gradients_are_shortened() {
        let shape = ModelShape { dim: 8, layers: 1, heads: 1, kv_heads: 1, hidden: 8, vocabulary: 300, context: 8 };
        let n = shape.parameters();
        let o = Optimiser { rate: 0.01, warm_up: 0, decay: 0.5, ..Optimiser::default() };
        let (mut weights, mut moments) = (vec![1.0; n], Moments::zero(n));
        let mut gradient = vec![0.0; n];
        gradient[0] = 30.0;
        gradient[n - 1] = -40.0;
        o.step(&shape, (0, 100), &mut weights, &gradient, &mut moments);
        assert_eq!(o.length(&gradient), 50.0);
        // Adam's first step is the rate in the gradient's direction; matrices decay besides, norms do not.
        assert!((weights[0] - (1.0 - 0.005 - 0.01)).abs() < 1e-6, "{}", weights[0]);
        assert!((weights[1] - (1.0 - 0.005)).abs() < 1e-6, "{}", weights[1]);
        assert!((weights[n - 1] - 1.01).abs() < 1e-6 && weights[n - 2] == 1.0, "{}", weights[n - 1]);
        assert!((moments.first[0] - 0.1 * 0.6).abs() < 1e-6 && (moments.second[0] - 0.01 * 0.36).abs() < 1e-6);
    }
}
