//! Writing a package: the importers' side. Takes integers only, row by row: memory does not follow the model.

use super::layout::{MatrixPlace, NormPlace, Place};
use super::storage::WriteAt;
use super::{Head, Layout, Manifest, PackageError, check_package};
use crate::hash::ModelRoot;
use crate::model::tokenizer::TokenizerSpec;
use alloc::vec::Vec;

/// Bytes that are collected before they are written.
const PIECE: usize = 1 << 16;

/// A norm to be written.
#[derive(Clone, Debug, Default)]
pub struct NormData {
    /// Fraction bits of the gain.
    pub fraction: i8,
    /// Gains times the square root of their number.
    pub gain: Vec<i32>,
    /// Biases with six fraction bits more than the gain, or empty.
    pub bias: Vec<i32>,
}

/// Fills a package table by table.
pub struct PackageWriter<'a> {
    target: &'a mut dyn WriteAt,
    head: Vec<u8>,
    layout: Layout,
}

impl core::fmt::Debug for PackageWriter<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("PackageWriter").field("total", &self.layout.total).finish_non_exhaustive()
    }
}

impl<'a> PackageWriter<'a> {
    /// Plans a package: checks manifest and tokenizer. `target` is empty.
    pub fn new(
        manifest: &Manifest,
        tokenizer: &TokenizerSpec,
        target: &'a mut dyn WriteAt,
    ) -> Result<Self, PackageError> {
        let (head, layout) = Head::write(manifest, tokenizer)?;
        Ok(PackageWriter { target, head, layout })
    }

    /// Gives the target the package's length and writes the head.
    pub fn begin(&mut self) -> Result<(), PackageError> {
        let offset = self.layout.total;
        let failed = |reason| PackageError::Storage { what: "making room for the package", offset, reason };
        self.target.resize(offset).map_err(failed)?;
        let head = core::mem::take(&mut self.head);
        self.write(0, &head)
    }

    /// Where everything belongs.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), PackageError> {
        let failed = |reason| PackageError::Storage { what: "writing the package", offset, reason };
        self.target.write_at(offset, bytes).map_err(failed)
    }

    /// Writes a table; fails when it does not fill its place.
    pub fn put<const N: usize>(
        &mut self,
        place: &Place,
        values: impl IntoIterator<Item = [u8; N]>,
    ) -> Result<(), PackageError> {
        let mut table = TableWriter::new(place);
        for v in values {
            table.push(self, &v)?;
        }
        table.finish(self)
    }

    /// Writes a norm.
    pub fn norm(&mut self, place: &NormPlace, data: &NormData) -> Result<(), PackageError> {
        self.put(&place.fraction, [data.fraction.to_le_bytes()])?;
        self.put(&place.gain, data.gain.iter().map(|v| v.to_le_bytes()))?;
        self.put(&place.bias, data.bias.iter().map(|v| v.to_le_bytes()))
    }

    /// Reads the whole package again, checks it and gives its identity.
    pub fn finish(self) -> Result<ModelRoot, PackageError> {
        check_package(&*self.target)
    }
}

/// A table on its way into a package, written in pieces.
#[derive(Debug)]
pub struct TableWriter {
    place: Place,
    at: u64,
    waiting: Vec<u8>,
}

impl TableWriter {
    /// The table that belongs at `place`.
    pub fn new(place: &Place) -> Self {
        TableWriter { place: place.clone(), at: place.start, waiting: Vec::new() }
    }

    /// Adds bytes.
    pub fn push(&mut self, writer: &mut PackageWriter<'_>, bytes: &[u8]) -> Result<(), PackageError> {
        self.waiting.extend_from_slice(bytes);
        if self.waiting.len() < PIECE { Ok(()) } else { self.flush(writer) }
    }

    fn flush(&mut self, writer: &mut PackageWriter<'_>) -> Result<(), PackageError> {
        let end = self.at + self.waiting.len() as u64;
        if end > self.place.end {
            return Err(self.length(end));
        }
        writer.write(self.at, &self.waiting)?;
        self.at = end;
        self.waiting.clear();
        Ok(())
    }

    fn length(&self, end: u64) -> PackageError {
        PackageError::Length { expected: self.place.end - self.place.start, found: end - self.place.start }
    }

    /// Writes what is left; fails unless the table fills its place.
    pub fn finish(mut self, writer: &mut PackageWriter<'_>) -> Result<(), PackageError> {
        self.flush(writer)?;
        if self.at == self.place.end { Ok(()) } else { Err(self.length(self.at)) }
    }
}

/// A matrix on its way into a package, row by row.
#[derive(Debug)]
pub struct MatrixWriter {
    place: MatrixPlace,
    weights: TableWriter,
    mantissas: Vec<u16>,
    shifts: Vec<u8>,
    bias: Vec<i32>,
}

impl MatrixWriter {
    /// The matrix that belongs at `place`.
    pub fn new(place: &MatrixPlace) -> Self {
        let weights = TableWriter::new(&place.weights);
        MatrixWriter { place: place.clone(), weights, mantissas: Vec::new(), shifts: Vec::new(), bias: Vec::new() }
    }

    /// Adds a row: its weights, -127 to 127, and its scale's mantissa, 32768 to 65535, and shift, 0 to 63.
    pub fn row(
        &mut self,
        writer: &mut PackageWriter<'_>,
        weights: &[i8],
        mantissa: u16,
        shift: u8,
    ) -> Result<(), PackageError> {
        self.mantissas.push(mantissa);
        self.shifts.push(shift);
        let bytes: Vec<u8> = weights.iter().map(|w| *w as u8).collect();
        self.weights.push(writer, &bytes)
    }

    /// Adds the next rows' biases, in the output's fraction.
    pub fn bias(&mut self, bias: impl IntoIterator<Item = i32>) {
        self.bias.extend(bias);
    }

    /// Writes what is left; fails unless every row was given.
    pub fn finish(self, writer: &mut PackageWriter<'_>) -> Result<(), PackageError> {
        self.weights.finish(writer)?;
        writer.put(&self.place.mantissas, self.mantissas.iter().map(|v| v.to_le_bytes()))?;
        writer.put(&self.place.shifts, self.shifts.iter().map(|v| v.to_le_bytes()))?;
        writer.put(&self.place.bias, self.bias.iter().map(|v| v.to_le_bytes()))
    }
}
