//! Where each table of a package lies: fixed by the manifest, every table at a multiple of 64 bytes, in the
//! order in which a pass needs them.

use super::head::PREFIX_LEN;
use super::{Manifest, MlpKind, NormKind, PackageError, PositionKind};
use crate::model::arithmetic::activation::TABLE_LEN;
use alloc::vec::Vec;
use core::ops::Range;

/// No package is longer (1 TiB): keeps every offset far from overflow.
pub const MAX_PACKAGE_LEN: u64 = 1 << 40;

const ALIGN: u64 = 64;

/// A range of bytes in the package.
pub type Place = Range<u64>;

/// Where a matrix lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MatrixPlace {
    /// Outputs.
    pub rows: u32,
    /// Inputs.
    pub cols: u32,
    /// A scale's mantissa per row, u16.
    pub mantissas: Place,
    /// A scale's shift per row, u8.
    pub shifts: Place,
    /// A bias per row, i32; empty without.
    pub bias: Place,
    /// `rows x cols` weights, i8, row after row.
    pub weights: Place,
}

/// Where a norm lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NormPlace {
    /// Fraction bits of the gain, i8: one byte.
    pub fraction: Place,
    /// Gains, i32.
    pub gain: Place,
    /// Biases, i32; empty without.
    pub bias: Place,
}

/// Where a layer's tables lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerPlace {
    /// Norm before attention.
    pub attention_norm: NormPlace,
    /// Fraction bits of query, key and value, i8 a head: query heads, key heads, value heads.
    pub fractions: Place,
    /// Query, key and value rows, in this order.
    pub qkv: MatrixPlace,
    /// Attention output.
    pub output: MatrixPlace,
    /// Norm before the MLP.
    pub mlp_norm: NormPlace,
    /// Gate rows, then up rows; up rows alone in a plain MLP.
    pub up: MatrixPlace,
    /// Down.
    pub down: MatrixPlace,
}

/// Where everything lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Bytes before the first table: prefix, manifest and tokenizer.
    pub head_len: u64,
    /// Activation table, u32.
    pub activation: Place,
    /// Rotary table, i16 pairs (cosine, sine): `context x rotary_dim / 2`; empty with learned positions.
    pub rotary: Place,
    /// Learned positions, i32: `context x dim`; empty with rotary ones.
    pub positions: Place,
    /// Embedding.
    pub embedding: MatrixPlace,
    /// Layers.
    pub layers: Vec<LayerPlace>,
    /// Last norm.
    pub final_norm: NormPlace,
    /// Head; `None` when tied.
    pub head: Option<MatrixPlace>,
    /// Bytes in the package.
    pub total: u64,
}

struct Cursor(u64);

impl Cursor {
    // Every factor is bounded by the manifest's check, so a product stays below 2^40 and the sum of
    // 512 layers below 2^52.
    fn place(&mut self, count: u64, size: u64) -> Place {
        let start = self.0.next_multiple_of(ALIGN);
        self.0 = start + count * size;
        start..self.0
    }

    fn matrix(&mut self, rows: u32, cols: u32, bias: bool) -> MatrixPlace {
        let n = rows as u64;
        MatrixPlace {
            rows,
            cols,
            mantissas: self.place(n, 2),
            shifts: self.place(n, 1),
            bias: self.place(if bias { n } else { 0 }, 4),
            weights: self.place(n * cols as u64, 1),
        }
    }

    fn norm(&mut self, m: &Manifest) -> NormPlace {
        let n = m.dim as u64;
        NormPlace {
            fraction: self.place(1, 1),
            gain: self.place(n, 4),
            bias: self.place(if m.norm == NormKind::Layer { n } else { 0 }, 4),
        }
    }
}

impl Layout {
    /// The layout of a checked manifest whose encoding and the tokenizer's take `head_len` bytes.
    pub fn new(m: &Manifest, head_len: u64) -> Result<Layout, PackageError> {
        let head_len = PREFIX_LEN as u64 + head_len;
        let mut c = Cursor(head_len);
        let context = m.context as u64;
        let learned = m.position == PositionKind::Learned;
        let (query, kv) = (m.query_dim(), m.kv_dim());
        let ups = if m.mlp == MlpKind::Gated { 2 } else { 1 };
        let mut layout = Layout {
            head_len,
            activation: c.place(TABLE_LEN as u64, 4),
            rotary: c.place(context * m.rotary_dim as u64 / 2, 4),
            positions: c.place(if learned { context * m.dim as u64 } else { 0 }, 4),
            embedding: c.matrix(m.vocabulary, m.dim, false),
            layers: (0..m.layers)
                .map(|_| LayerPlace {
                    attention_norm: c.norm(m),
                    fractions: c.place(m.heads as u64 + 2 * m.kv_heads as u64, 1),
                    qkv: c.matrix(query + 2 * kv, m.dim, m.biases.qkv),
                    output: c.matrix(m.dim, query, m.biases.output),
                    mlp_norm: c.norm(m),
                    up: c.matrix(ups * m.hidden, m.dim, m.biases.mlp),
                    down: c.matrix(m.dim, m.hidden, m.biases.mlp),
                })
                .collect(),
            final_norm: c.norm(m),
            head: (!m.tied_head).then(|| c.matrix(m.vocabulary, m.dim, false)),
            total: 0,
        };
        layout.total = c.0;
        if layout.total > MAX_PACKAGE_LEN {
            let (field, expected) = ("package length", "at most 2^40");
            return Err(PackageError::Field { field, expected, found: layout.total });
        }
        Ok(layout)
    }
}
