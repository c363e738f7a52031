//! What is computed once a model: sums of each row's weights, and each row's shift less its output's fraction.

use super::kernels::Kernel;
use crate::model::arithmetic::{FRACTION, attention};
use crate::model::package::{Matrix, Package};
use alloc::vec::Vec;

/// Beside a matrix.
#[derive(Debug, Default)]
pub(super) struct Beside {
    /// The sum of each row's weights.
    #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "no kernel here wants them"))]
    pub sums: Vec<i32>,
    /// Each row's shift less its output's fraction.
    pub shifts: Vec<i32>,
}

impl Beside {
    fn new(matrix: &Matrix<'_>, kernel: Kernel, fraction: impl Fn(usize) -> i32) -> Self {
        let sum = |row| matrix.row(row).iter().map(|w| *w as i8 as i32).sum();
        let sums = if kernel.wants_sums() { (0..matrix.rows).map(sum).collect() } else { Vec::new() };
        let shifts = matrix.shifts.iter().enumerate().map(|(row, s)| *s as i32 - fraction(row)).collect();
        Beside { sums, shifts }
    }
}

/// Beside a layer.
#[derive(Debug)]
pub(super) struct BesideLayer {
    pub qkv: Beside,
    pub output: Beside,
    pub up: Beside,
    pub down: Beside,
    /// Fraction of attention's output.
    pub attention_fraction: i32,
}

/// Beside the whole model.
#[derive(Debug)]
pub(super) struct Prepared {
    pub layers: Vec<BesideLayer>,
    pub head: Beside,
}

impl Prepared {
    pub fn new(package: &Package, kernel: Kernel) -> Self {
        let manifest = package.manifest();
        let (width, residual) = (manifest.head_dim as usize, manifest.residual_fraction as i32);
        let layers = package.layers().map(|l| {
            let fractions: Vec<i8> = [l.query_fractions, l.key_fractions, l.value_fractions].concat();
            BesideLayer {
                qkv: Beside::new(&l.qkv, kernel, |row| fractions.get(row / width).copied().unwrap_or(0) as i32),
                output: Beside::new(&l.output, kernel, |_| residual),
                up: Beside::new(&l.up, kernel, |_| FRACTION),
                down: Beside::new(&l.down, kernel, |_| residual),
                attention_fraction: attention::output_fraction(l.value_fractions),
            }
        });
        Prepared { layers: layers.collect(), head: Beside::new(&package.head(), kernel, |_| FRACTION) }
    }
}
