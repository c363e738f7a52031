//! Linear layers and the embedding: int8 weights with a scale a row.

use super::rescale;
use crate::model::package::Matrix;

/// Terms after which an i32 sum of int8 x int16 products may overflow: 516 x 127 x 32767 < 2^31.
const RUN: usize = 512;

/// The exact integer dot product of int8 weights (bytes) and int16 activations. With at most 2^17 terms
/// it stays below 2^39.
pub fn dot(weights: &[u8], x: &[i16]) -> i64 {
    let runs = weights.chunks(RUN).zip(x.chunks(RUN));
    runs.map(|(w, x)| run(w, x) as i64).sum()
}

/// The dot product of one run. It cannot overflow: wrapping spares the checks that would keep the compiler
/// from using vector instructions.
fn run(weights: &[u8], x: &[i16]) -> i32 {
    let pairs = weights.iter().zip(x);
    pairs.fold(0, |sum, (w, x)| sum.wrapping_add((*w as i8 as i32).wrapping_mul(*x as i32)))
}

/// One output: `rescale(sum * mantissa, shift + input fraction - output fraction)`, then the bias, saturating.
pub fn requantise(matrix: &Matrix<'_>, row: usize, sum: i64, input_fraction: i32, output_fraction: i32) -> i32 {
    let (mantissa, shift) = scale(matrix, row);
    rescale(sum * mantissa, shift + input_fraction - output_fraction).saturating_add(matrix.bias_of(row))
}

/// Output `row` for input `x` with `fraction`, with fraction `output_fraction`.
pub fn output(matrix: &Matrix<'_>, row: usize, x: &[i16], fraction: i32, output_fraction: i32) -> i32 {
    requantise(matrix, row, dot(matrix.row(row), x), fraction, output_fraction)
}

/// Row `row` of the embedding, with fraction `fraction`.
pub fn embed(matrix: &Matrix<'_>, row: usize, fraction: i32, out: &mut [i32]) {
    let (mantissa, shift) = scale(matrix, row);
    for (o, w) in out.iter_mut().zip(matrix.row(row)) {
        *o = rescale(*w as i8 as i64 * mantissa, shift - fraction);
    }
}

fn scale(matrix: &Matrix<'_>, row: usize) -> (i64, i32) {
    let mantissa = matrix.mantissas.get(row).copied().unwrap_or(0);
    (mantissa as i64, matrix.shifts.get(row).copied().unwrap_or(0) as i32)
}
