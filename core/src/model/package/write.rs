//! Writing a package: the importers' side. Takes integers only.

use super::layout::{MatrixPlace, NormPlace, Place};
use super::{Head, Layout, Manifest, PackageError};
use crate::model::tokenizer::TokenizerSpec;
use alloc::vec::Vec;

/// A matrix to be written.
#[derive(Clone, Debug, Default)]
pub struct MatrixData {
    /// A scale's mantissa per row, 32768 to 65535.
    pub mantissas: Vec<u16>,
    /// A scale's shift per row, 0 to 63.
    pub shifts: Vec<u8>,
    /// A bias per row in the output's fraction, or empty.
    pub bias: Vec<i32>,
    /// `rows x cols` weights, row after row, -127 to 127.
    pub weights: Vec<i8>,
}

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
#[derive(Debug)]
pub struct PackageWriter {
    bytes: Vec<u8>,
    layout: Layout,
}

impl PackageWriter {
    /// Starts a package: checks manifest and tokenizer, reserves the file.
    pub fn new(manifest: &Manifest, tokenizer: &TokenizerSpec) -> Result<Self, PackageError> {
        let (mut bytes, layout) = Head::write(manifest, tokenizer)?;
        let (field, expected) = ("package length", "what this machine can address");
        let len =
            usize::try_from(layout.total).map_err(|_| PackageError::Field { field, expected, found: layout.total })?;
        bytes.resize(len, 0);
        Ok(PackageWriter { bytes, layout })
    }

    /// Where everything belongs.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Writes a table; fails when it does not fill its place.
    pub fn put<const N: usize>(
        &mut self,
        place: &Place,
        values: impl IntoIterator<Item = [u8; N]>,
    ) -> Result<(), PackageError> {
        let (mut at, mut found) = (place.start as usize, 0);
        for v in values {
            found += N as u64;
            if found <= place.end - place.start
                && let Some(target) = self.bytes.get_mut(at..at + N)
            {
                target.copy_from_slice(&v);
            }
            at += N;
        }
        let expected = place.end - place.start;
        if found == expected { Ok(()) } else { Err(PackageError::Length { expected, found }) }
    }

    /// Writes a matrix.
    pub fn matrix(&mut self, place: &MatrixPlace, data: &MatrixData) -> Result<(), PackageError> {
        self.put(&place.mantissas, data.mantissas.iter().map(|v| v.to_le_bytes()))?;
        self.put(&place.shifts, data.shifts.iter().map(|v| v.to_le_bytes()))?;
        self.put(&place.bias, data.bias.iter().map(|v| v.to_le_bytes()))?;
        self.put(&place.weights, data.weights.iter().map(|v| v.to_le_bytes()))
    }

    /// Writes a norm.
    pub fn norm(&mut self, place: &NormPlace, data: &NormData) -> Result<(), PackageError> {
        self.put(&place.fraction, [data.fraction.to_le_bytes()])?;
        self.put(&place.gain, data.gain.iter().map(|v| v.to_le_bytes()))?;
        self.put(&place.bias, data.bias.iter().map(|v| v.to_le_bytes()))
    }

    /// The package. Whether all of it is valid says [`valid_model`](super::valid_model).
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }
}
