//! From logits to a token, in integers. The random number is a function of (seed, position), so any position
//! can be checked alone.

use crate::hash::tagged_hash;
use crate::units::TokenId;
use alloc::vec::Vec;
use core::cmp::Ordering;

/// How a token is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sampling {
    /// Temperature in thousandths; 0 takes the most likely token (and leaves the other two unused).
    pub temperature: u32,
    /// Only the k most likely tokens; 0 for all.
    pub top_k: u32,
    /// Only the fewest most likely tokens whose probability reaches this many millionths; 1,000,000 for all.
    pub top_p: u32,
}

crate::encode_struct!(Sampling { temperature, top_k, top_p });

/// A temperature of ten.
pub const MAX_TEMPERATURE: u32 = 10_000;

/// Certainty in millionths.
pub const MILLION: u32 = 1_000_000;

/// Why a sampling makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum SamplingError {
    /// Temperature too high.
    #[error("temperature is {0} thousandths, at most {MAX_TEMPERATURE} allowed")]
    Temperature(u32),
    /// Top-p of zero or above one.
    #[error("top-p is {0} millionths, expected 1 to {MILLION}")]
    TopP(u32),
    /// Greedy with a top-k or top-p that would do nothing.
    #[error("temperature 0 takes the most likely token: expected top-k 0 and top-p {MILLION}")]
    Greedy,
}

impl Sampling {
    /// The most likely token, always.
    pub const GREEDY: Sampling = Sampling { temperature: 0, top_k: 0, top_p: MILLION };

    /// A sampling in its one encoding: at temperature 0 the other two are turned off.
    pub fn new(temperature: u32, top_k: u32, top_p: u32) -> Result<Sampling, SamplingError> {
        let asked = Sampling { temperature, top_k, top_p };
        let one_temperature = Sampling { temperature: temperature.max(1), ..asked };
        one_temperature.valid()?;
        Ok(if temperature == 0 { Sampling::GREEDY } else { asked })
    }

    /// Whether the values make sense: a total predicate. One behaviour has one encoding: at temperature 0 top-k
    /// and top-p are off.
    pub fn valid(&self) -> Result<(), SamplingError> {
        if self.temperature > MAX_TEMPERATURE {
            return Err(SamplingError::Temperature(self.temperature));
        }
        if !(1..=MILLION).contains(&self.top_p) {
            return Err(SamplingError::TopP(self.top_p));
        }
        if self.temperature == 0 && *self != Sampling::GREEDY {
            return Err(SamplingError::Greedy);
        }
        Ok(())
    }
}

impl Default for Sampling {
    fn default() -> Self {
        Sampling::GREEDY
    }
}

/// The token that follows, given the logits (fraction 16) before it.
///
/// `position` is the token's index in the whole sequence, prompt included. Total: no logits give id 0.
pub fn sample(logits: &[i32], sampling: &Sampling, seed: u64, position: u32) -> TokenId {
    let best = argmax(logits);
    if sampling.temperature == 0 {
        return best;
    }
    let largest = logits.get(best.0 as usize).copied().unwrap_or(0);
    let mut candidates: Vec<Candidate> = logits
        .iter()
        .zip(0..)
        .map(|(&logit, id)| Candidate {
            id,
            logit,
            weight: weight(largest.wrapping_sub(logit) as u32, sampling.temperature),
        })
        .filter(|c| c.weight > 0)
        .collect();
    if sampling.top_k > 0 {
        keep_best(&mut candidates, sampling.top_k as usize);
    }
    if sampling.top_p < MILLION {
        keep_top_p(&mut candidates, sampling.top_p);
    }
    candidates.sort_unstable_by_key(|c| c.id);
    let total: u64 = candidates.iter().map(|c| c.weight).sum();
    let mut left = ((random(seed, position) as u128 * total as u128) >> 64) as u64;
    for c in &candidates {
        match left.checked_sub(c.weight) {
            Some(rest) => left = rest,
            None => return TokenId(c.id),
        }
    }
    best
}

/// The id of the largest logit; of equal ones the lowest id.
pub fn argmax(logits: &[i32]) -> TokenId {
    let mut best = (0, i32::MIN);
    for (&logit, id) in logits.iter().zip(0u32..) {
        if logit > best.1 {
            best = (id, logit);
        }
    }
    TokenId(best.0)
}

/// 64 random bits for a position: the first eight bytes, little-endian, of the tagged hash of seed and position.
pub fn random(seed: u64, position: u32) -> u64 {
    let hash = tagged_hash("camelid/sampling", &[&seed.to_le_bytes(), &position.to_le_bytes()]);
    hash.0.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// `log2(e)` with 20 fraction bits.
const LOG2_E: u64 = 1_512_775;

/// `exp(-distance / temperature)` with 40 fraction bits, for a distance with 16 fraction bits and a temperature
/// in thousandths; at most 2^40, so 2^20 of them fit 64 bits.
pub fn weight(distance: u32, temperature: u32) -> u64 {
    // 32 + 10 + 21 bits.
    exp2_40(distance as u64 * 1000 * LOG2_E / temperature.max(1) as u64)
}

/// `2^-d` with 40 fraction bits for d with 36; 0 from 41 on. A polynomial of degree 7 in the fraction.
pub fn exp2_40(d: u64) -> u64 {
    const C: [u64; 7] = [48_550, 639_488, 5_712_048, 41_304_489, 238_387_495, 1_031_764_939, 2_977_044_471];
    let (n, f) = (d >> 36, (d >> 4) & 0xffff_ffff);
    if n > 40 {
        return 0;
    }
    let y = C[1..].iter().fold(C[0], |y, c| c - ((y * f) >> 32));
    (((1 << 32) - ((y * f) >> 32)) << 8) >> n
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    id: u32,
    logit: i32,
    weight: u64,
}

/// Larger logit first; of equal ones the lower id first.
fn order(a: &Candidate, b: &Candidate) -> Ordering {
    b.logit.cmp(&a.logit).then(a.id.cmp(&b.id))
}

fn keep_best(candidates: &mut Vec<Candidate>, k: usize) {
    if k > 0 && k < candidates.len() {
        candidates.select_nth_unstable_by(k - 1, order);
        candidates.truncate(k);
    }
}

/// Keeps the shortest run of best candidates whose weights reach `top_p` millionths of all weights.
fn keep_top_p(candidates: &mut Vec<Candidate>, top_p: u32) {
    let total: u64 = candidates.iter().map(|c| c.weight).sum();
    let reached = |sum: u64| sum as u128 * MILLION as u128 >= total as u128 * top_p as u128;
    // Sorting a whole vocabulary is slow, and a few candidates mostly suffice: look at ever more of them.
    let mut looked_at = 64;
    loop {
        let n = looked_at.min(candidates.len());
        if n < candidates.len() {
            candidates.select_nth_unstable_by(n, order);
        }
        let (head, _) = candidates.split_at_mut(n);
        head.sort_unstable_by(order);
        let mut sum = 0;
        let kept = head.iter().position(|c| {
            sum += c.weight;
            reached(sum)
        });
        if let Some(last) = kept {
            return candidates.truncate(last + 1);
        }
        if n == candidates.len() {
            return;
        }
        looked_at *= 8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    fn plain(logits: &[i32], s: &Sampling, seed: u64, position: u32) -> TokenId {
        // The definition, by a full sort.
        let largest = *logits.iter().max().unwrap();
        let mut all: Vec<Candidate> = (0..)
            .zip(logits)
            .map(|(id, &logit)| Candidate {
                id,
                logit,
                weight: weight(largest.wrapping_sub(logit) as u32, s.temperature),
            })
            .filter(|c| c.weight > 0)
            .collect();
        all.sort_by(order);
        if s.top_k > 0 {
            all.truncate(s.top_k as usize);
        }
        let total: u64 = all.iter().map(|c| c.weight).sum();
        let mut kept = 0;
        let mut sum = 0u64;
        for c in &all {
            sum += c.weight;
            kept += 1;
            if sum as u128 * 1_000_000 >= total as u128 * s.top_p as u128 {
                break;
            }
        }
        all.truncate(kept);
        all.sort_by_key(|c| c.id);
        let total: u64 = all.iter().map(|c| c.weight).sum();
        let mut r = ((random(seed, position) as u128 * total as u128) >> 64) as u64;
        for c in all {
            if r < c.weight {
                return TokenId(c.id);
            }
            r -= c.weight;
        }
        unreachable!()
    }

    proptest! {
        #[test]
        fn same_as_the_definition(
            logits in prop::collection::vec(prop_oneof![-400_000i32..400_000, Just(7), any::<i32>()], 1..700),
            temperature in 1u32..3000, top_k in 0u32..90, top_p in 1u32..=MILLION, seed: u64, position: u32,
        ) {
            let s = Sampling { temperature, top_k, top_p };
            prop_assert_eq!(s.valid(), Ok(()));
            prop_assert_eq!(sample(&logits, &s, seed, position), plain(&logits, &s, seed, position));
        }

        #[test]
        fn nothing_is_out_of_reach(distance: u32, temperature: u32) {
            prop_assert!(weight(distance, temperature) <= 1 << 40);
        }
    }

    #[test]
    fn ties_go_to_the_lowest_id() {
        assert_eq!(sample(&[3, 9, 9, 1], &Sampling::GREEDY, 1, 1), TokenId(1));
        let one = Sampling { temperature: 1000, top_k: 1, top_p: MILLION };
        let p = Sampling { temperature: 1000, top_k: 0, top_p: 1 };
        for position in 0..50 {
            assert_eq!(sample(&[9; 100], &one, 5, position), TokenId(0));
            assert_eq!(sample(&[9; 100], &p, 5, position), TokenId(0));
        }
        assert_eq!(sample(&[], &one, 0, 0), TokenId(0));
    }

    #[test]
    fn odd_values_are_refused() {
        for (t, k, p) in
            [(MAX_TEMPERATURE + 1, 0, MILLION), (1000, 0, 0), (1000, 0, MILLION + 1), (0, 1, MILLION), (0, 0, 5)]
        {
            assert!(Sampling { temperature: t, top_k: k, top_p: p }.valid().is_err());
        }
        assert_eq!(Sampling::new(0, 40, 900_000), Ok(Sampling::GREEDY));
        assert_eq!(Sampling::new(0, 40, 0), Err(SamplingError::TopP(0)));
        assert_eq!(Sampling::new(800, 40, 900_000).unwrap().valid(), Ok(()));
    }

    #[test]
    fn frequencies_follow_the_weights() {
        // Logits 0, ln 2, ln 4 at temperature 1: probabilities 1/7, 2/7, 4/7.
        let logits = [0, 45_426, 90_852];
        let s = Sampling { temperature: 1000, top_k: 0, top_p: MILLION };
        let mut counts = vec![0u32; 3];
        for position in 0..21_000 {
            counts[sample(&logits, &s, 42, position).0 as usize] += 1;
        }
        for (count, expected) in counts.iter().zip([3000u32, 6000, 12_000]) {
            assert!(count.abs_diff(expected) < 300, "{counts:?}");
        }
    }
}
