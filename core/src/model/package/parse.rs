//! Reading a package: a total function. Whatever parses can be computed with, without overflow and without
//! a panic.

use super::check::{check_package, check_values};
use super::layout::{LayerPlace, MatrixPlace, NormPlace, Place};
use super::{CHUNK_LEN, Head, Layout, Manifest, ModelInfo, PackageError, model_root};
use crate::hash::ModelRoot;
use crate::model::tokenizer::Tokenizer;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

/// A matrix of int8 weights with one scale a row, as a view into the package.
///
/// Row r stands for the real row `weights[r] * mantissas[r] / 2^shifts[r]`.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    /// Outputs.
    pub rows: usize,
    /// Inputs.
    pub cols: usize,
    /// `rows x cols` weights, each the two's complement byte of a value from -127 to 127.
    pub weights: &'a [u8],
    /// A scale's mantissa per row.
    pub mantissas: &'a [u16],
    /// A scale's shift per row.
    pub shifts: &'a [u8],
    /// A bias per row in the output's fraction, or empty.
    pub bias: &'a [i32],
}

impl<'a> Matrix<'a> {
    /// The weights of row `r`; empty outside the matrix.
    pub fn row(&self, r: usize) -> &'a [u8] {
        self.weights.get(r * self.cols..(r + 1) * self.cols).unwrap_or(&[])
    }

    /// The bias of row `r`; 0 without.
    pub fn bias_of(&self, r: usize) -> i32 {
        self.bias.get(r).copied().unwrap_or(0)
    }
}

/// A norm's tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Norm {
    /// Fraction bits of the gain.
    pub fraction: i8,
    /// Gains times the square root of their number.
    pub gain: Vec<i32>,
    /// Biases, with six fraction bits more than the gain; empty without.
    pub bias: Vec<i32>,
}

/// The small tables of a matrix; the weights stay where they are.
#[derive(Debug)]
struct Scales {
    mantissas: Vec<u16>,
    shifts: Vec<u8>,
    bias: Vec<i32>,
}

#[derive(Debug)]
struct LayerTables {
    attention_norm: Norm,
    mlp_norm: Norm,
    fractions: Vec<i8>,
    qkv: Scales,
    output: Scales,
    up: Scales,
    down: Scales,
}

#[derive(Debug)]
struct Tables {
    activation: Vec<u32>,
    embedding: Scales,
    layers: Vec<LayerTables>,
    final_norm: Norm,
    head: Option<Scales>,
}

/// One layer's tables, as views into the package.
#[derive(Clone, Copy, Debug)]
pub struct Layer<'a> {
    /// Norm before attention.
    pub attention_norm: &'a Norm,
    /// Norm before the MLP.
    pub mlp_norm: &'a Norm,
    /// Fraction bits of each query head.
    pub query_fractions: &'a [i8],
    /// Fraction bits of each key head.
    pub key_fractions: &'a [i8],
    /// Fraction bits of each value head.
    pub value_fractions: &'a [i8],
    /// Query, key and value rows.
    pub qkv: Matrix<'a>,
    /// Attention output.
    pub output: Matrix<'a>,
    /// Gate and up rows, or up rows alone.
    pub up: Matrix<'a>,
    /// Down.
    pub down: Matrix<'a>,
}

/// A package that has been checked.
pub struct Package {
    bytes: Box<dyn AsRef<[u8]> + Send + Sync>,
    root: ModelRoot,
    head: Head,
    tokenizer: Tokenizer,
    tables: Tables,
}

impl fmt::Debug for Package {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Package")
            .field("root", &self.root)
            .field("manifest", &self.head.manifest)
            .finish_non_exhaustive()
    }
}

/// Whether `package` is a model that can be computed with: a total predicate. Gives its identity.
pub fn valid_model(package: &[u8]) -> Result<ModelRoot, PackageError> {
    check_package(package)
}

impl Package {
    /// Reads a package and computes its root. `bytes` is kept as it is (a vector, a memory map): weights are
    /// used in place.
    pub fn parse(bytes: impl AsRef<[u8]> + Send + Sync + 'static) -> Result<Package, PackageError> {
        let root = model_root(bytes.as_ref());
        Self::parse_verified(bytes, root)
    }

    /// Reads a package whose chunks were all checked against `root` already.
    pub fn parse_verified(
        bytes: impl AsRef<[u8]> + Send + Sync + 'static,
        root: ModelRoot,
    ) -> Result<Package, PackageError> {
        let (head, tables) = read(bytes.as_ref())?;
        let tokenizer = Tokenizer::new(&head.tokenizer, &head.manifest)?;
        Ok(Package { bytes: Box::new(bytes), root, head, tokenizer, tables })
    }

    /// Identity.
    pub fn root(&self) -> ModelRoot {
        self.root
    }

    /// Shape.
    pub fn manifest(&self) -> &Manifest {
        &self.head.manifest
    }

    /// Where everything lies.
    pub fn layout(&self) -> &Layout {
        &self.head.layout
    }

    /// What a list of models shows.
    pub fn info(&self) -> ModelInfo {
        self.head.info(self.root)
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// The whole file.
    pub fn bytes(&self) -> &[u8] {
        (*self.bytes).as_ref()
    }

    /// Chunk `index`, or `None` past the end.
    pub fn chunk(&self, index: usize) -> Option<&[u8]> {
        self.bytes().chunks(CHUNK_LEN).nth(index)
    }

    /// The activation table.
    pub fn activation(&self) -> &[u32] {
        &self.tables.activation
    }

    /// The rotary table's row for a position: `rotary_dim / 2` pairs (cosine, sine) of little-endian i16.
    pub fn rotary(&self, position: usize) -> &[u8] {
        row(self.at(&self.head.layout.rotary), self.manifest().rotary_dim as usize * 2, position)
    }

    /// The learned vector of a position: `dim` little-endian i32; empty with rotary positions.
    pub fn position(&self, position: usize) -> &[u8] {
        row(self.at(&self.head.layout.positions), self.manifest().dim as usize * 4, position)
    }

    /// The embedding.
    pub fn embedding(&self) -> Matrix<'_> {
        self.matrix(&self.head.layout.embedding, &self.tables.embedding)
    }

    /// The head; the embedding when tied.
    pub fn head(&self) -> Matrix<'_> {
        match (&self.head.layout.head, &self.tables.head) {
            (Some(place), Some(scales)) => self.matrix(place, scales),
            _ => self.embedding(),
        }
    }

    /// The last norm.
    pub fn final_norm(&self) -> &Norm {
        &self.tables.final_norm
    }

    /// The layers in order.
    pub fn layers(&self) -> impl ExactSizeIterator<Item = Layer<'_>> {
        self.head.layout.layers.iter().zip(&self.tables.layers).map(|(place, t)| self.layer(place, t))
    }

    fn layer<'a>(&'a self, place: &'a LayerPlace, t: &'a LayerTables) -> Layer<'a> {
        let (heads, kv) = (self.manifest().heads as usize, self.manifest().kv_heads as usize);
        let (query, rest) = t.fractions.split_at(heads.min(t.fractions.len()));
        let (key, value) = rest.split_at(kv.min(rest.len()));
        Layer {
            attention_norm: &t.attention_norm,
            mlp_norm: &t.mlp_norm,
            query_fractions: query,
            key_fractions: key,
            value_fractions: value,
            qkv: self.matrix(&place.qkv, &t.qkv),
            output: self.matrix(&place.output, &t.output),
            up: self.matrix(&place.up, &t.up),
            down: self.matrix(&place.down, &t.down),
        }
    }

    fn matrix<'a>(&'a self, place: &MatrixPlace, scales: &'a Scales) -> Matrix<'a> {
        Matrix {
            rows: place.rows as usize,
            cols: place.cols as usize,
            weights: self.at(&place.weights),
            mantissas: &scales.mantissas,
            shifts: &scales.shifts,
            bias: &scales.bias,
        }
    }

    fn at(&self, place: &Place) -> &[u8] {
        slice(self.bytes(), place)
    }
}

fn row(table: &[u8], len: usize, index: usize) -> &[u8] {
    table.get(index * len..(index + 1) * len).unwrap_or(&[])
}

// The length of the file was checked against the layout, so the range is there.
fn slice<'a>(bytes: &'a [u8], place: &Place) -> &'a [u8] {
    bytes.get(place.start as usize..place.end as usize).unwrap_or(&[])
}

fn read(bytes: &[u8]) -> Result<(Head, Tables), PackageError> {
    let head = Head::parse(bytes)?;
    let layout = &head.layout;
    if bytes.len() as u64 != layout.total {
        return Err(PackageError::Length { expected: layout.total, found: bytes.len() as u64 });
    }
    check_values(bytes, layout)?;
    let tables = Tables {
        activation: numbers(bytes, &layout.activation, u32::from_le_bytes),
        embedding: read_scales(bytes, &layout.embedding),
        layers: layout.layers.iter().map(|place| read_layer(bytes, place)).collect(),
        final_norm: read_norm(bytes, &layout.final_norm),
        head: layout.head.as_ref().map(|place| read_scales(bytes, place)),
    };
    Ok((head, tables))
}

fn numbers<T, const N: usize>(bytes: &[u8], place: &Place, from: fn([u8; N]) -> T) -> Vec<T> {
    slice(bytes, place).as_chunks::<N>().0.iter().map(|b| from(*b)).collect()
}

fn read_layer(bytes: &[u8], place: &LayerPlace) -> LayerTables {
    LayerTables {
        attention_norm: read_norm(bytes, &place.attention_norm),
        mlp_norm: read_norm(bytes, &place.mlp_norm),
        fractions: numbers(bytes, &place.fractions, i8::from_le_bytes),
        qkv: read_scales(bytes, &place.qkv),
        output: read_scales(bytes, &place.output),
        up: read_scales(bytes, &place.up),
        down: read_scales(bytes, &place.down),
    }
}

fn read_norm(bytes: &[u8], place: &NormPlace) -> Norm {
    Norm {
        fraction: numbers(bytes, &place.fraction, i8::from_le_bytes).first().copied().unwrap_or(0),
        gain: numbers(bytes, &place.gain, i32::from_le_bytes),
        bias: numbers(bytes, &place.bias, i32::from_le_bytes),
    }
}

fn read_scales(bytes: &[u8], place: &MatrixPlace) -> Scales {
    Scales {
        mantissas: numbers(bytes, &place.mantissas, u16::from_le_bytes),
        shifts: slice(bytes, &place.shifts).to_vec(),
        bias: numbers(bytes, &place.bias, i32::from_le_bytes),
    }
}
