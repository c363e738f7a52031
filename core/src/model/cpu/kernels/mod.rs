//! The kernels, and the one place with `unsafe`: loads by pointer, and calls of functions that need instructions
//! which were found at run time.
//!
//! Every kernel gives the specification's exact integers (`docs/arithmetic.md`): they differ in how the sums are
//! split so that no lane overflows.

#[macro_use]
mod drivers;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx2_attention;
#[cfg(target_arch = "x86_64")]
mod avx2_elements;
#[cfg(target_arch = "x86_64")]
mod avx2_panels;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod avx512_attention;
#[cfg(target_arch = "x86_64")]
mod avx512_elements;
#[cfg(target_arch = "x86_64")]
mod avx512_panels;
mod portable;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod simd128;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod simd128_attention;

use super::cache::HeadCache;
use super::prepared::Beside;
use crate::model::arithmetic::{block_float, norm};
use crate::model::package::{Matrix, Norm};
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni,
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    Simd128,
}

/// A set of kernels that this machine can run. There is none of another kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kernel(Level);

impl Kernel {
    /// Those that this machine can run, the slowest first.
    pub fn available() -> Vec<Kernel> {
        #[allow(unused_mut)]
        let mut all = vec![Kernel(Level::Portable)];
        #[cfg(target_arch = "x86_64")]
        {
            if std::is_x86_feature_detected!("avx2") {
                all.push(Kernel(Level::Avx2));
            }
            if std::is_x86_feature_detected!("avx512f")
                && std::is_x86_feature_detected!("avx512bw")
                && std::is_x86_feature_detected!("avx512dq")
                && std::is_x86_feature_detected!("avx512vl")
                && std::is_x86_feature_detected!("avx512vnni")
            {
                all.push(Kernel(Level::Avx512Vnni));
            }
        }
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        all.push(Kernel(Level::Simd128));
        all
    }

    /// The fastest.
    pub fn best() -> Kernel {
        Self::available().pop().unwrap_or(Kernel(Level::Portable))
    }

    /// By its name, if this machine can run it.
    pub fn by_name(name: &str) -> Option<Kernel> {
        Self::available().into_iter().find(|k| k.name() == name)
    }

    /// `portable`, `avx2`, `avx512` or `simd128`.
    pub fn name(self) -> &'static str {
        match self.0 {
            Level::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Level::Avx512Vnni => "avx512",
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Level::Simd128 => "simd128",
        }
    }

    /// Whether the matrices' row sums are needed.
    pub(super) fn wants_sums(self) -> bool {
        self.name() == "avx512"
    }
}

/// Input columns are padded with zeros to a multiple of this.
const STEP: usize = 64;

/// An int16 vector and its fraction, ready to be multiplied with.
#[derive(Debug, Default)]
pub(super) struct Input {
    values: Vec<i16>,
    /// Low bytes, and high bytes plus 128: for kernels that multiply bytes.
    #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "no such kernel here"))]
    low: Vec<u8>,
    #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "no such kernel here"))]
    high: Vec<u8>,
    fraction: i32,
}

/// Inputs that are multiplied together, with many matrices' rows.
#[derive(Debug)]
pub(super) struct Group<'a> {
    list: Vec<&'a Input>,
    /// Their columns side by side, where they are many and the kernel wants them so.
    #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "no such kernel here"))]
    words: Vec<i32>,
}

impl Group<'_> {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }
}

/// Rows of a matrix times inputs.
pub(super) struct Product<'a> {
    pub matrix: Matrix<'a>,
    pub beside: &'a Beside,
    pub rows: Range<usize>,
    pub inputs: &'a Group<'a>,
}

impl Product<'_> {
    /// Mantissas and shifts of some rows of the matrix, if it has them.
    #[inline(always)]
    fn scales(&self, rows: Range<usize>) -> Option<(&[u16], &[i32])> {
        Some((self.matrix.mantissas.get(rows.clone())?, self.beside.shifts.get(rows)?))
    }
}

/// One query head, rotated.
#[derive(Clone, Copy, Debug)]
pub(super) struct Query<'a> {
    pub words: &'a [i16],
    /// It looks at so many positions, from the first.
    pub positions: usize,
    /// The fractions of query and key less 16.
    pub shift: i32,
}

/// Queries that look at the same keys and values go together, so many at once.
pub(super) const QUERIES: usize = 4;

/// What attention needs beside queries and cache; memory that is used again.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    low: Vec<i32>,
    high: Vec<i32>,
    products: Vec<i64>,
    scores: Vec<i32>,
    weights: Vec<u16>,
    /// The exact weighted sums of the values: of each query, `padded` numbers.
    pub sums: Vec<i64>,
    /// The sum of each query's weights.
    pub totals: [u32; QUERIES],
}

macro_rules! dispatch {
    ($kernel:expr, $function:ident($($argument:expr),*)) => {
        match $kernel.0 {
            Level::Portable => portable::$function($($argument),*),
            // SAFETY: a `Kernel` of this level is only made where its instructions were found.
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => unsafe { avx2::$function($($argument),*) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512Vnni => unsafe { avx512::$function($($argument),*) },
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Level::Simd128 => simd128::$function($($argument),*),
        }
    };
}

impl Kernel {
    /// `v` as dynamic int16.
    pub(super) fn input(self, v: &[i32], fraction: i32) -> Input {
        dispatch!(self, input(v, fraction, self.wants_sums()))
    }

    /// The norm of `x`, as dynamic int16.
    pub(super) fn normalised(self, x: &[i32], norm: &Norm, centre: bool, epsilon: u64) -> Input {
        let mut x = x.to_vec();
        let fraction = dispatch!(self, normalise(&mut x, norm, centre, epsilon));
        self.input(&x, fraction)
    }

    /// Inputs, ready to be multiplied with all at once.
    pub(super) fn group<'a>(self, list: Vec<&'a Input>) -> Group<'a> {
        let words = match self.0 {
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 if list.len() >= avx2_panels::MIN_INPUTS => avx2_panels::interleave(&list),
            #[cfg(target_arch = "x86_64")]
            Level::Avx512Vnni if list.len() >= avx512_panels::MIN_INPUTS => avx512_panels::interleave(&list),
            _ => Vec::new(),
        };
        Group { list, words }
    }

    /// The outputs of the product's rows for each of its inputs.
    pub(super) fn multiply(self, product: &Product<'_>, outputs: &mut [&mut [i32]]) {
        let inputs = product.inputs.list.len();
        assert!(outputs.len() == inputs && outputs.iter().all(|o| o.len() == product.rows.len()));
        #[cfg(target_arch = "x86_64")]
        match (self.0, inputs) {
            // SAFETY: a `Kernel` of this level is only made where its instructions were found.
            (Level::Avx512Vnni, avx512_panels::MIN_INPUTS..) => {
                return unsafe { avx512_panels::multiply(product, outputs) };
            }
            // SAFETY: as above.
            (Level::Avx2, avx2_panels::MIN_INPUTS..) => return unsafe { avx2_panels::multiply(product, outputs) },
            _ => {}
        }
        dispatch!(self, multiply(product, outputs))
    }

    /// The gated MLP's hidden elements, in the place of the gates.
    pub(super) fn gate(self, table: &[u32], gates: &mut [i32], ups: &[i32]) {
        dispatch!(self, gate(table, gates, ups))
    }

    /// The plain MLP's hidden elements, in place.
    pub(super) fn activate(self, table: &[u32], values: &mut [i32]) {
        dispatch!(self, activate(table, values))
    }

    /// Up to [`QUERIES`] queries over the keys and values of one head: sums and totals are in the scratch memory.
    pub(super) fn attend(self, queries: &[Query<'_>], cache: &HeadCache, scratch: &mut Scratch) {
        scratch.sums.clear();
        scratch.sums.resize(queries.len() * cache.padded, 0);
        match self.0 {
            Level::Portable => portable::attend(queries, cache, scratch),
            // SAFETY: a `Kernel` of this level is only made where its instructions were found.
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => unsafe { avx2_attention::attend(queries, cache, scratch) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512Vnni => unsafe { avx512_attention::attend(queries, cache, scratch) },
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Level::Simd128 => simd128_attention::attend(queries, cache, scratch),
        }
    }
}

/// Asks memory for what lies there, which may be anywhere: nothing is read.
#[inline(always)]
pub(super) fn prefetch(_at: *const u8) {
    // SAFETY: every x86-64 processor has SSE; a prefetch neither faults nor changes what a program sees.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(_at.cast());
    }
}

/// See [`Kernel::input`].
#[inline(always)]
fn make_input(v: &[i32], fraction: i32, bytes: bool) -> Input {
    let mut values = vec![0; v.len().next_multiple_of(STEP)];
    let fraction = block_float(v, fraction, &mut values);
    let (mut low, mut high) = (Vec::new(), Vec::new());
    if bytes {
        low = values.iter().map(|v| *v as u8).collect();
        high = values.iter().map(|v| ((*v >> 8) as u8).wrapping_add(128)).collect();
    }
    Input { values, low, high, fraction }
}

/// See [`Kernel::normalised`].
#[inline(always)]
fn make_norm(x: &mut [i32], norm: &Norm, centre: bool, epsilon: u64) -> i32 {
    if centre {
        norm::centre(x);
    }
    norm::normalise(x, norm, epsilon)
}
