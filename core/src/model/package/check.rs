//! Whether bytes are a model that can be computed with, piece by piece: every value in the range in which the
//! arithmetic cannot overflow, and zeros between the tables.

use super::layout::{MatrixPlace, NormPlace, Place};
use super::storage::ReadAt;
use super::{CHUNK_LEN, Head, Layout, PREFIX_LEN, PackageError};
use crate::hash::{MerkleHasher, ModelRoot};
use crate::model::arithmetic::{activation, attention, norm};
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

/// What a table holds, as far as its values are bounded.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Padding,
    Activation,
    Rotary,
    Mantissas,
    Shifts,
    Weights,
    Fractions,
    NormFraction,
    Gain,
    /// Any i32: biases, learned positions.
    Any,
}

/// Checks a package that is read in pieces, and computes its root: memory follows the head, not the package.
pub fn check_package(package: &(impl ReadAt + ?Sized)) -> Result<ModelRoot, PackageError> {
    let head = read_head(package)?;
    let (mut tree, mut buffer, mut at) = (MerkleHasher::default(), vec![0; CHUNK_LEN], 0);
    let mut values = Values::new(&head.layout);
    while at < head.layout.total {
        let n = (head.layout.total - at).min(CHUNK_LEN as u64) as usize;
        let chunk = buffer.get_mut(..n).unwrap_or(&mut []);
        read(package, at, chunk)?;
        tree.push(chunk);
        values.check(at, chunk)?;
        at += n as u64;
    }
    Ok(ModelRoot(tree.root().0))
}

/// Checks the values of a package in memory whose length is the layout's.
pub(super) fn check_values(bytes: &[u8], layout: &Layout) -> Result<(), PackageError> {
    Values::new(layout).check(0, bytes)
}

/// Reads a package's head; the package's length must be what the head says.
fn read_head(package: &(impl ReadAt + ?Sized)) -> Result<Head, PackageError> {
    let found = package.length();
    let mut bytes = vec![0; (PREFIX_LEN as u64).min(found) as usize];
    read(package, 0, &mut bytes)?;
    let needed = Head::needed(&bytes)?;
    if needed as u64 > found {
        return Err(PackageError::Length { expected: needed as u64, found });
    }
    bytes.resize(needed, 0);
    read(package, 0, &mut bytes)?;
    let head = Head::parse(&bytes)?;
    match head.layout.total {
        expected if expected == found => Ok(head),
        expected => Err(PackageError::Length { expected, found }),
    }
}

fn read(package: &(impl ReadAt + ?Sized), offset: u64, out: &mut [u8]) -> Result<(), PackageError> {
    let failed = |reason| PackageError::Storage { what: "reading the package", offset, reason };
    package.read_at(offset, out).map_err(failed)
}

/// All tables in order, with what lies between them.
struct Values {
    places: Vec<(Kind, Place)>,
    /// The activation table's bytes so far: an entry is checked against the one before.
    activation: Vec<u8>,
}

impl Values {
    fn new(layout: &Layout) -> Self {
        let (mut places, mut end) = (Vec::new(), layout.head_len);
        for (kind, place) in tables(layout) {
            places.push((Kind::Padding, end..place.start));
            places.push((kind, place.clone()));
            end = place.end;
        }
        places.push((Kind::Padding, end..layout.total));
        Values { places, activation: Vec::new() }
    }

    /// Checks the bytes from `start` on. Pieces come in order and begin at multiples of 64, so no value is split.
    fn check(&mut self, start: u64, bytes: &[u8]) -> Result<(), PackageError> {
        let end = start + bytes.len() as u64;
        let first = self.places.partition_point(|(_, place)| place.end <= start);
        for (kind, place) in self.places.get(first..).unwrap_or(&[]) {
            if place.start >= end {
                break;
            }
            let part = place.start.max(start)..place.end.min(end);
            let slice = bytes.get((part.start - start) as usize..(part.end - start) as usize).unwrap_or(&[]);
            if matches!(kind, Kind::Activation) {
                self.activation.extend_from_slice(slice);
                if part.end == place.end {
                    let table = self.activation.as_chunks::<4>().0.iter().map(|b| u32::from_le_bytes(*b));
                    activation::check_table(&table.collect::<Vec<_>>())?;
                }
            } else {
                check(*kind, place, part.start, slice)?;
            }
        }
        Ok(())
    }
}

fn check(kind: Kind, place: &Place, start: u64, bytes: &[u8]) -> Result<(), PackageError> {
    let before = start - place.start;
    match kind {
        Kind::Any | Kind::Activation => Ok(()),
        // Padding has no entries: its place in the file is told.
        Kind::Padding => within("padding", bytes, start, |b: [u8; 1]| b[0], |b| *b == 0, "0"),
        Kind::Rotary => attention::check_rotary(bytes, before),
        Kind::Mantissas => {
            within("scale mantissas", bytes, before, u16::from_le_bytes, |m| *m >= 1 << 15, "32768 to 65535")
        }
        Kind::Shifts => within("scale shifts", bytes, before, u8::from_le_bytes, |s| *s <= 63, "0 to 63"),
        Kind::Weights => within("weights", bytes, before, i8::from_le_bytes, |w| *w != i8::MIN, "-127 to 127"),
        Kind::Fractions => {
            within("head fractions", bytes, before, i8::from_le_bytes, |f| matches!(f, -16..=30), "-16 to 30")
        }
        Kind::NormFraction => {
            within("norm fraction", bytes, before, i8::from_le_bytes, |f| matches!(f, -8..=40), "-8 to 40")
        }
        Kind::Gain => {
            let ok = |g: &i32| g.unsigned_abs() <= norm::MAX_GAIN;
            within("norm gain", bytes, before, i32::from_le_bytes, ok, "-2^23 to 2^23")
        }
    }
}

fn within<T: Copy + Into<i64>, const N: usize>(
    table: &'static str,
    bytes: &[u8],
    before: u64,
    from: fn([u8; N]) -> T,
    ok: impl Fn(&T) -> bool,
    expected: &'static str,
) -> Result<(), PackageError> {
    let values = bytes.as_chunks::<N>().0;
    match values.iter().position(|b| !ok(&from(*b))) {
        None => Ok(()),
        Some(i) => {
            let found = values.get(i).map_or(0, |b| from(*b).into());
            Err(PackageError::Value { table, index: before / N as u64 + i as u64, expected, found })
        }
    }
}

/// Every table of a layout in order.
fn tables(layout: &Layout) -> impl Iterator<Item = (Kind, &Range<u64>)> {
    fn matrix(m: &MatrixPlace) -> [(Kind, &Place); 4] {
        [(Kind::Mantissas, &m.mantissas), (Kind::Shifts, &m.shifts), (Kind::Any, &m.bias), (Kind::Weights, &m.weights)]
    }
    fn norm(n: &NormPlace) -> [(Kind, &Place); 3] {
        [(Kind::NormFraction, &n.fraction), (Kind::Gain, &n.gain), (Kind::Any, &n.bias)]
    }
    let first =
        [(Kind::Activation, &layout.activation), (Kind::Rotary, &layout.rotary), (Kind::Any, &layout.positions)];
    let layers = layout.layers.iter().flat_map(|l| {
        norm(&l.attention_norm)
            .into_iter()
            .chain([(Kind::Fractions, &l.fractions)])
            .chain(matrix(&l.qkv))
            .chain(matrix(&l.output))
            .chain(norm(&l.mlp_norm))
            .chain(matrix(&l.up))
            .chain(matrix(&l.down))
    });
    let last = norm(&layout.final_norm).into_iter().chain(layout.head.iter().flat_map(matrix));
    first.into_iter().chain(matrix(&layout.embedding)).chain(layers).chain(last)
}
