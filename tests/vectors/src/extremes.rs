//! Models at the ends of the ranges.

use camelid_core::model::Package;
use camelid_core::model::package::{Layout, MatrixPlace};
use std::ops::Range;

/// The package with weights, scales, biases, gains and tables at their ranges' ends, in several ways.
///
/// # Panics
/// If `package` is none.
pub fn saturated(package: &[u8]) -> [Vec<u8>; 5] {
    let parsed = Package::parse(package.to_vec()).expect("a package");
    let layout = parsed.layout();
    let ways = [(65_535u16, 0u8, 0), (65_535, 0, 1), (65_535, 20, 2), (32_768, 63, 1), (50_000, 31, 2)];
    ways.map(|(mantissa, shift, sign)| {
        let mut bytes = package.to_vec();
        // All the same sign, alternating, or by a pattern.
        let negative = |i: usize| match sign {
            0 => false,
            1 => i % 2 == 1,
            _ => (i * i + i / 7).is_multiple_of(3),
        };
        let end = |low: bool| if low { i32::MIN } else { i32::MAX }.to_le_bytes();
        for m in matrices(layout) {
            fill(&mut bytes, &m.weights, |i| if negative(i) { -127i8 } else { 127 }.to_le_bytes());
            fill(&mut bytes, &m.mantissas, |_| mantissa.to_le_bytes());
            fill(&mut bytes, &m.shifts, |_| [shift]);
            fill(&mut bytes, &m.bias, |i| end(negative(i)));
        }
        for l in &layout.layers {
            for norm in [&l.attention_norm, &l.mlp_norm, &layout.final_norm] {
                fill(&mut bytes, &norm.gain, |i| if i % 2 == 0 { 1i32 << 23 } else { -1 << 23 }.to_le_bytes());
                fill(&mut bytes, &norm.bias, |i| end(i % 3 == 0));
                fill(&mut bytes, &norm.fraction, |_| [40]);
            }
            fill(&mut bytes, &l.fractions, |i| if i % 2 == 0 { 30i8 } else { -16 }.to_le_bytes());
        }
        fill(&mut bytes, &layout.rotary, |_| 16_384i16.to_le_bytes());
        fill(&mut bytes, &layout.positions, |i| end(i % 2 == 0));
        bytes
    })
}

/// Every matrix of a layout.
fn matrices(layout: &Layout) -> impl Iterator<Item = &MatrixPlace> {
    let layers = layout.layers.iter().flat_map(|l| [&l.qkv, &l.output, &l.up, &l.down]);
    [&layout.embedding].into_iter().chain(layers).chain(&layout.head)
}

fn fill<const N: usize>(bytes: &mut [u8], place: &Range<u64>, value: impl Fn(usize) -> [u8; N]) {
    for (i, b) in bytes[place.start as usize..place.end as usize].chunks_exact_mut(N).enumerate() {
        b.copy_from_slice(&value(i));
    }
}
