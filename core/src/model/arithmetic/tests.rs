use super::*;
use crate::model::package::{Matrix, Norm};
use alloc::vec;
use alloc::vec::Vec;
use proptest::prelude::*;

/// floor(v / 2^shift + 1/2) by division of wide integers.
fn rounded(v: i64, shift: u32) -> i64 {
    let d = 1i128 << shift;
    (2 * v as i128 + d).div_euclid(2 * d) as i64
}

proptest! {
    #[test]
    fn round_shift_is_its_definition(v: i64, shift in 0u32..100) {
        prop_assert_eq!(round_shift(v, shift), rounded(v, shift));
        prop_assert_eq!(round_shift_word(v as i32, shift % 32) as i64, rounded(v as i32 as i64, shift % 32));
    }

    #[test]
    fn rescale_is_its_definition(v: i64, small: i16, shift in -80i32..80) {
        for v in [v, v >> 20, v >> 40, small as i64] {
            let exact = if shift >= 0 { rounded(v, shift as u32) as i128 } else { (v as i128) << (-shift).min(60) };
            prop_assert_eq!(rescale(v, shift) as i128, exact.clamp(i32::MIN as i128, i32::MAX as i128));
        }
    }

    #[test]
    fn block_float_keeps_the_value(v in prop::collection::vec(any::<i32>(), 1..40), down in 0u32..32) {
        let v: Vec<i32> = v.iter().map(|x| x >> down).collect();
        let mut out = vec![0; v.len()];
        let fraction = block_float(&v, 16, &mut out);
        let shift = (16 - fraction) as u32;
        prop_assert!(shift <= 17);
        for (q, x) in out.iter().zip(&v) {
            prop_assert_eq!(*q as i64, rounded(*x as i64, shift).clamp(-32767, 32767));
        }
        let used = bit_length(&out.iter().map(|q| *q as i32).collect::<Vec<_>>());
        prop_assert!(shift == 0 || used == 15);
    }

    #[test]
    fn planes_and_runs_give_the_exact_sum(pairs in prop::collection::vec((-127i8..=127, -32767i16..=32767), 0..3000)) {
        let w: Vec<u8> = pairs.iter().map(|p| p.0 as u8).collect();
        let x: Vec<i16> = pairs.iter().map(|p| p.1).collect();
        let exact: i128 = pairs.iter().map(|(w, x)| *w as i128 * *x as i128).sum();
        prop_assert_eq!(linear::dot(&w, &x) as i128, exact);
        // Two planes, x = 256 hi + lo: each sum fits 32 bits here.
        let hi: i32 = pairs.iter().map(|(w, x)| *w as i32 * (x >> 8) as i32).sum();
        let lo: i32 = pairs.iter().map(|(w, x)| *w as i32 * (x & 0xff) as i32).sum();
        prop_assert_eq!(hi as i128 * 256 + lo as i128, exact);
    }

    #[test]
    fn an_attention_head_stays_within_its_values(
        scores in prop::collection::vec(any::<i32>(), 1..200), down in 0u32..20, extreme: bool, fraction in -16i32..=30,
    ) {
        let scores: Vec<i32> = scores.iter().map(|s| s >> down).collect();
        let mut weights = Vec::new();
        let total = attention::softmax(&scores, &mut weights);
        prop_assert!(total >= 32767 && weights.contains(&32767));
        let (inverse, bits) = attention::reciprocal(total);
        prop_assert!((1 << 30..=1 << 31).contains(&inverse) && bits >= 15);
        let mut sums = [0i64];
        for (i, p) in weights.iter().enumerate() {
            attention::accumulate(&mut sums, *p, &[if extreme { -32767 } else { (i as i16) << 6 }]);
        }
        let out = attention::output(sums[0], (inverse, bits), fraction, fraction + 14) as i128;
        // sums / total with 14 bits more; two roundings of one part in 2^29 at most.
        let exact = (sums[0] as i128) * (1 << 14) / total as i128;
        prop_assert!((out - exact).abs() <= 3, "{} {}", out, exact);
    }

    #[test]
    fn a_norm_has_the_length_of_its_gain(v in prop::collection::vec(any::<i32>(), 1..80), down in 0u32..30) {
        let mut x: Vec<i32> = v.iter().map(|x| x >> down).collect();
        prop_assume!(x.iter().any(|x| x.unsigned_abs() > 1000));
        let norm = Norm { fraction: 18, gain: vec![1 << 18; x.len()], bias: vec![] };
        let fraction = norm::normalise(&mut x, &norm, 1);
        prop_assert_eq!(fraction, 24);
        // The gain is one: a unit vector with fraction 24.
        let squares: i128 = x.iter().map(|v| *v as i128 * *v as i128).sum();
        let one = 1i128 << 48;
        prop_assert!((squares - one).abs() < one >> 15, "{}", squares);
    }

    #[test]
    fn a_norm_is_its_definition(
        v in prop::collection::vec((any::<i32>(), -(1 << 23)..=1 << 23, any::<i32>()), 1..40), down in 0u32..31,
        epsilon in 1u64..1 << 60, small in 0u32..60, biased: bool,
    ) {
        let x: Vec<i32> = v.iter().map(|v| v.0 >> down).collect();
        let bias = if biased { v.iter().map(|v| v.2).collect() } else { vec![] };
        let norm = Norm { fraction: 18, gain: v.iter().map(|v| v.1).collect(), bias };
        let epsilon = (epsilon >> small).max(1);
        let mut out = x.clone();
        norm::normalise(&mut out, &norm, epsilon);
        let shift = bit_length(&x).saturating_sub(23);
        let shifted: Vec<i64> = x.iter().map(|v| rounded(*v as i64, shift)).collect();
        let squares = shifted.iter().map(|v| (v * v) as u64).sum::<u64>();
        let (m, e) = norm::inverse_root(squares + (epsilon >> (2 * shift)).max(u64::from(squares == 0)));
        let i32s = |v: i64| v.clamp(i32::MIN as i64, i32::MAX as i64);
        for (i, v) in shifted.iter().enumerate() {
            let unit = i32s(rounded(v * m as i64, e - 30));
            let scaled = i32s(rounded(unit * norm.gain[i] as i64, 24));
            let expected = i32s(scaled + norm.bias.get(i).copied().unwrap_or(0) as i64);
            prop_assert_eq!(out[i] as i64, expected);
        }
    }

    #[test]
    fn inverse_root_is_its_definition(s in 1u64..1 << 63, down in 0u32..63) {
        let s = (s >> down).max(1);
        let (m, e) = norm::inverse_root(s);
        let z = 2 * (62 - e);
        let scaled = (s as u128) << z;
        prop_assert!((1 << 61..1 << 63).contains(&scaled));
        let q = (1u128 << 62) / (m as u128 + 1);
        // m is floor(2^62 / q) for the floor q of the root.
        let root = scaled.isqrt();
        prop_assert_eq!(m as u128, (1u128 << 62) / root);
        prop_assert!(q <= root);
    }

    #[test]
    fn nothing_in_reach_overflows(x: i32, y: i32, table in prop::collection::vec(0u32..=1 << 24, 1025), head: [i16; 8]) {
        activation::gated(&table.iter().map(|v| v >> 4).collect::<Vec<_>>(), x, y);
        let mut head = head.map(|v| saturate16(v as i32));
        let row: Vec<u8> = [16_384i16, -16_384, -16_384, 16_384].repeat(2).iter().flat_map(|v| v.to_le_bytes()).collect();
        attention::rotate(&mut head, &row);
        prop_assert!(head.iter().all(|v| *v >= -32767));
        let mut centred = [x, y, i32::MIN, i32::MAX];
        norm::centre(&mut centred);
    }
}

#[test]
fn halves_go_up_and_results_saturate() {
    assert_eq!([-3, -2, -1, 0, 1, 2, 3].map(|v| round_shift(v, 1)), [-1, -1, 0, 0, 1, 1, 2]);
    assert_eq!(rescale(i64::MIN, -100), i32::MIN);
    assert_eq!(rescale(0, -100), 0);
    assert_eq!(rescale(1, -31), i32::MAX);
    assert_eq!(rescale(-1, -31), i32::MIN);
    assert_eq!(rescale(i64::MAX, 63), 1);
    assert_eq!((saturate16(40_000), saturate16(-40_000)), (32_767, -32_767));
}

#[test]
fn a_bias_is_added_after_rounding_and_saturates() {
    let m = Matrix { rows: 1, cols: 2, weights: &[1, 255], mantissas: &[32_768], shifts: &[15], bias: &[i32::MAX] };
    assert_eq!(linear::output(&m, 0, &[5, 3], 0, 0), i32::MAX);
    let m = Matrix { bias: &[-7], ..m };
    assert_eq!(linear::output(&m, 0, &[5, 3], 0, 0), 2 - 7);
    assert_eq!(linear::output(&m, 0, &[5, 3], 0, 4), 32 - 7);
    // Outside the matrix: nothing.
    assert_eq!(linear::output(&m, 1, &[5, 3], 0, 0), 0);
}

#[test]
fn the_longest_context_fits_every_accumulator() {
    let n = 1u64 << 17;
    assert!(n * 32_767 < 1 << 32, "softmax's sum");
    let (_, bits) = attention::reciprocal((n * 32_767) as u32);
    assert_eq!(bits, 32);
    let sum = n as i64 * 32_767 * 32_767;
    assert!(attention::output(sum, attention::reciprocal((n * 32_767) as u32), 0, 14) > 0);
}
