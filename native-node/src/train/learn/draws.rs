//! Random numbers that a seed and a place fix: nothing to keep in a checkpoint but the step.

use camelid_core::model::sampling::random;

/// A run of random numbers.
#[derive(Clone, Debug)]
pub(super) struct Draws {
    seed: u64,
    next: u32,
    spare: Option<f64>,
}

impl Draws {
    pub(super) fn new(seed: u64) -> Self {
        Draws { seed, next: 0, spare: None }
    }

    /// 64 random bits.
    pub(super) fn bits(&mut self) -> u64 {
        let bits = random(self.seed, self.next);
        match self.next.checked_add(1) {
            Some(next) => self.next = next,
            // After 2^32 numbers another run of them.
            None => *self = Draws::new(bits),
        }
        bits
    }

    /// A whole number below `n`, all of them equally likely but for one part in 2^64 / n.
    pub(super) fn below(&mut self, n: usize) -> usize {
        ((self.bits() as u128 * n as u128) >> 64) as usize
    }

    /// A number of the standard normal distribution (Box and Muller's method).
    pub(super) fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let bits = self.bits();
        let unit = |half: u32| (half as f64 + 0.5) / 2f64.powi(32);
        let (length, angle) =
            ((-2.0 * unit((bits >> 32) as u32).ln()).sqrt(), unit(bits as u32) * std::f64::consts::TAU);
        self.spare = Some(length * angle.sin());
        length * angle.cos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_numbers_have_their_mean_and_spread() {
        let mut draws = Draws::new(5);
        let all: Vec<f64> = (0..20_000).map(|_| draws.normal()).collect();
        let mean = all.iter().sum::<f64>() / all.len() as f64;
        let variance = all.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / all.len() as f64;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05, "{mean} {variance}");
        let mut counts = [0; 3];
        (0..3000).for_each(|_| counts[draws.below(3)] += 1);
        assert!(counts.iter().all(|c| (900..1100).contains(c)), "{counts:?}");
    }
}
