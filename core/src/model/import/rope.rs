//! How fast each pair of a head turns: radians a position, with the scalings that stretch a model's context.

use std::f64::consts::PI;
use std::vec::Vec;

/// A scaling of rotary positions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scaling {
    /// None.
    Default,
    /// All slower by a factor.
    Linear { factor: f64 },
    /// Llama 3's: what turns slowly is slowed by a factor, what turns fast stays, and between them it is a mix.
    Llama3 { factor: f64, low: f64, high: f64, original: f64 },
}

/// The speeds of the pairs of `width` elements.
pub(super) fn speeds(width: usize, theta: f64, scaling: Scaling) -> Vec<f64> {
    (0..width / 2)
        .map(|i| {
            let speed = 1.0 / theta.powf(2.0 * i as f64 / width as f64);
            match scaling {
                Scaling::Default => speed,
                Scaling::Linear { factor } => speed / factor,
                Scaling::Llama3 { factor, low, high, original } => {
                    let turns = original * speed / (2.0 * PI);
                    let mix = ((turns - low) / (high - low)).clamp(0.0, 1.0);
                    (1.0 - mix) * speed / factor + mix * speed
                }
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalings_slow_what_they_should() {
        let plain = speeds(64, 500_000.0, Scaling::Default);
        assert_eq!((plain.len(), plain[0]), (32, 1.0));
        let linear = speeds(64, 500_000.0, Scaling::Linear { factor: 4.0 });
        assert!(plain.iter().zip(&linear).all(|(p, l)| (p / l - 4.0).abs() < 1e-12));
        // Llama 3.2's: waves shorter than 2,048 positions stay, those longer than 8,192 are 32 times as long.
        let scaling = Scaling::Llama3 { factor: 32.0, low: 1.0, high: 4.0, original: 8192.0 };
        for (p, s) in plain.iter().zip(speeds(64, 500_000.0, scaling)) {
            match 2.0 * PI / p {
                wave if wave < 2048.0 => assert_eq!(s, *p),
                wave if wave > 8192.0 => assert!((p / s - 32.0).abs() < 1e-9),
                _ => assert!(s < *p && s > p / 32.0),
            }
        }
    }
}
