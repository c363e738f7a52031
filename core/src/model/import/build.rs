//! From a float model to a package, row by row.

use super::quantise::{fixed, fraction_for, norm, quantise, read};
use super::source::{Field, Positions, Shape, Source, Tensor};
use super::{ImportError, tables};
use crate::hash::ModelRoot;
use crate::model::arithmetic::FRACTION;
use crate::model::package::{
    Manifest, MatrixPlace, MatrixWriter, MlpKind, NormData, NormKind, PackageError, PackageWriter, PositionKind,
    TableWriter, WriteAt,
};
use crate::model::tokenizer::TokenizerSpec;
use core::ops::ControlFlow;
use std::f64::consts::LOG2_E;
use std::vec::Vec;

/// Fraction bits of the residual stream: it reaches from -32768 to 32768 in steps of 2^-16.
const RESIDUAL_FRACTION: i32 = 16;

/// How far an import is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Weights read.
    pub done: u64,
    /// Weights in all.
    pub total: u64,
}

/// Quantises a float model and gives its package.
pub fn build(source: &dyn Source, tokenizer: &TokenizerSpec) -> Result<Vec<u8>, ImportError> {
    let mut package = Vec::new();
    build_into(source, tokenizer, &mut package, &mut |_| ControlFlow::Continue(()))?;
    Ok(package)
}

/// Quantises a float model and writes its package into `target`, which is empty; then reads it again and checks it.
/// Memory holds some rows at a time. `progress` may stop it.
pub fn build_into(
    source: &dyn Source,
    tokenizer: &TokenizerSpec,
    target: &mut dyn WriteAt,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<ModelRoot, ImportError> {
    let shape = source.shape();
    let manifest = manifest(shape)?;
    let writer = PackageWriter::new(&manifest, tokenizer, target)?;
    let needed = writer.layout().total;
    let progress = Steps { at: Progress { done: 0, total: manifest.parameters() }, tell: progress };
    Import { source, shape, writer, progress }.run().map_err(|error| match error {
        ImportError::Package(reason @ PackageError::Storage { .. }) => ImportError::Write { reason, needed },
        other => other,
    })
}

fn manifest(shape: &Shape) -> Result<Manifest, ImportError> {
    let n = |v: usize| u32::try_from(v).unwrap_or(u32::MAX);
    let (position, rotary_dim) = match &shape.positions {
        Positions::Rotary(speeds) => (PositionKind::Rotary, n(speeds.len() * 2)),
        Positions::Learned => (PositionKind::Learned, 0),
    };
    let epsilon = shape.epsilon * shape.dim as f64 * 2f64.powi(2 * RESIDUAL_FRACTION);
    let manifest = Manifest {
        name: shape.name.clone(),
        licence: shape.licence.clone(),
        architecture: shape.architecture,
        dim: n(shape.dim),
        layers: n(shape.layers),
        heads: n(shape.heads),
        kv_heads: n(shape.kv_heads),
        head_dim: n(shape.head_dim),
        hidden: n(shape.hidden),
        vocabulary: n(shape.vocabulary),
        context: n(shape.context),
        position,
        rotary_dim,
        norm: shape.norm,
        mlp: shape.mlp,
        activation: shape.activation,
        biases: shape.biases,
        tied_head: shape.tied_head,
        residual_fraction: RESIDUAL_FRACTION as u8,
        epsilon: epsilon.round().max(1.0) as u64,
        special: shape.special.clone(),
        chat_template: shape.chat_template.clone(),
    };
    manifest.check()?;
    Ok(manifest)
}

struct Steps<'a> {
    at: Progress,
    tell: &'a mut dyn FnMut(Progress) -> ControlFlow<()>,
}

impl Steps<'_> {
    fn step(&mut self, weights: usize) -> Result<(), ImportError> {
        self.at.done += weights as u64;
        if (self.tell)(self.at).is_break() { Err(ImportError::Stopped) } else { Ok(()) }
    }
}

struct Import<'a> {
    source: &'a dyn Source,
    shape: &'a Shape,
    writer: PackageWriter<'a>,
    progress: Steps<'a>,
}

/// Fields whose rows follow each other in one matrix, and their biases with the bias' fraction.
struct Plain<'a> {
    fields: &'a [Field],
    biases: Option<(&'a [Field], i32)>,
}

impl Import<'_> {
    fn run(mut self) -> Result<ModelRoot, ImportError> {
        let (shape, layout) = (self.shape, self.writer.layout().clone());
        self.writer.begin()?;
        self.writer.put(&layout.activation, tables::activation(shape.activation).iter().map(|v| v.to_le_bytes()))?;
        self.writer.put(&layout.rotary, tables::rotary(&shape.positions, shape.context))?;
        if shape.positions == Positions::Learned {
            let mut table = TableWriter::new(&layout.positions);
            for position in 0..shape.context {
                for value in self.row(Field::Positions, 0, position)? {
                    table.push(&mut self.writer, &fixed(value as f64, RESIDUAL_FRACTION).to_le_bytes())?;
                }
            }
            table.finish(&mut self.writer)?;
        }
        self.plain(&layout.embedding, 0, &Plain { fields: &[Field::Embedding], biases: None })?;
        for (layer, place) in layout.layers.iter().enumerate() {
            let (gain, shift) = self.norm_parts(Field::AttentionNorm, Field::AttentionNormBias, layer)?;
            self.writer.norm(&place.attention_norm, &norm(&gain, &shift))?;
            let fractions = self.qkv(&place.qkv, layer, &gain, &shift)?;
            self.writer.put(&place.fractions, fractions.iter().map(|f| f.to_le_bytes()))?;
            let biases = shape.biases.output.then_some((&[Field::OutputBias][..], RESIDUAL_FRACTION));
            self.plain(&place.output, layer, &Plain { fields: &[Field::Output], biases })?;
            let norm = self.norm(Field::MlpNorm, Field::MlpNormBias, layer)?;
            self.writer.norm(&place.mlp_norm, &norm)?;
            let (fields, up_biases): (&[Field], &[Field]) = match shape.mlp {
                MlpKind::Gated => (&[Field::Gate, Field::Up], &[Field::GateBias, Field::UpBias]),
                MlpKind::Plain => (&[Field::Up], &[Field::UpBias]),
            };
            let biases = shape.biases.mlp.then_some((up_biases, FRACTION));
            self.plain(&place.up, layer, &Plain { fields, biases })?;
            let biases = shape.biases.mlp.then_some((&[Field::DownBias][..], RESIDUAL_FRACTION));
            self.plain(&place.down, layer, &Plain { fields: &[Field::Down], biases })?;
        }
        let norm = self.norm(Field::FinalNorm, Field::FinalNormBias, 0)?;
        self.writer.norm(&layout.final_norm, &norm)?;
        if let Some(head) = &layout.head {
            self.plain(head, 0, &Plain { fields: &[Field::Head], biases: None })?;
        }
        Ok(self.writer.finish()?)
    }

    fn row(&mut self, field: Field, layer: usize, row: usize) -> Result<Vec<f32>, ImportError> {
        let values = read(self.source, Tensor { field, layer }, row)?;
        self.progress.step(values.len())?;
        Ok(values)
    }

    fn norm_parts(&mut self, gain: Field, bias: Field, layer: usize) -> Result<(Vec<f32>, Vec<f32>), ImportError> {
        let gain = self.row(gain, layer, 0)?;
        let bias = match self.shape.norm {
            NormKind::Rms => Vec::new(),
            NormKind::Layer => self.row(bias, layer, 0)?,
        };
        Ok((gain, bias))
    }

    fn norm(&mut self, gain: Field, bias: Field, layer: usize) -> Result<NormData, ImportError> {
        self.norm_parts(gain, bias, layer).map(|(g, b)| norm(&g, &b))
    }

    fn plain(&mut self, place: &MatrixPlace, layer: usize, plain: &Plain<'_>) -> Result<(), ImportError> {
        let mut out = MatrixWriter::new(place);
        for field in plain.fields {
            for row in 0..self.shape.size(*field).0 {
                let row = quantise(&self.row(*field, layer, row)?, 1.0);
                out.row(&mut self.writer, &row.weights, row.mantissa, row.shift)?;
            }
        }
        if let Some((fields, fraction)) = plain.biases {
            for field in fields {
                out.bias(self.row(*field, layer, 0)?.iter().map(|b| fixed(*b as f64, fraction)));
            }
        }
        Ok(out.finish(&mut self.writer)?)
    }

    /// Query, key and value rows; gives each head's fraction. Queries carry log2(e) / sqrt(head width).
    ///
    /// A head's fraction follows from a proven bound: the normalised vector has at most the length sqrt(n),
    /// so by Cauchy and Schwarz |w.(x g + b)| <= |w g| sqrt(n) + |w.b|.
    fn qkv(&mut self, place: &MatrixPlace, layer: usize, gain: &[f32], shift: &[f32]) -> Result<Vec<i8>, ImportError> {
        let width = self.shape.head_dim;
        let mut out = MatrixWriter::new(place);
        let mut fractions = Vec::new();
        let query_factor = LOG2_E / (width as f64).sqrt();
        let fields = [
            (Field::Query, Field::QueryBias, query_factor, true),
            (Field::Key, Field::KeyBias, 1.0, true),
            (Field::Value, Field::ValueBias, 1.0, false),
        ];
        for (field, bias_field, factor, rotates) in fields {
            let rows = self.shape.size(field).0;
            let biases = if self.shape.biases.qkv { self.row(bias_field, layer, 0)? } else { std::vec![0.0; rows] };
            for (head, biases) in biases.chunks(width).enumerate() {
                let mut bounds = Vec::new();
                for (i, bias) in biases.iter().enumerate() {
                    let row = self.row(field, layer, head * width + i)?;
                    bounds.push((length(&row, gain) + dot(&row, shift).abs() + bias.abs() as f64) * factor);
                    let row = quantise(&row, factor);
                    out.row(&mut self.writer, &row.weights, row.mantissa, row.shift)?;
                }
                let fraction = fraction_for(self.reach(&bounds, rotates), 32_600.0, -16..=30);
                fractions.push(fraction as i8);
                if self.shape.biases.qkv {
                    out.bias(biases.iter().map(|b| fixed(*b as f64 * factor, fraction)));
                }
            }
        }
        out.finish(&mut self.writer)?;
        Ok(fractions)
    }

    /// How far a head's elements reach, rotation included.
    fn reach(&self, bounds: &[f64], rotates: bool) -> f64 {
        let half = match &self.shape.positions {
            Positions::Rotary(speeds) if rotates => speeds.len(),
            _ => 0,
        };
        let turned = bounds.iter().zip(bounds.iter().skip(half)).take(half).map(|(a, b)| a.hypot(*b));
        turned.chain(bounds.iter().copied()).fold(0.0, f64::max)
    }
}

fn length(row: &[f32], gain: &[f32]) -> f64 {
    let squares: f64 = row.iter().zip(gain).map(|(w, g)| (*w as f64 * *g as f64).powi(2)).sum();
    (squares * gain.len() as f64).sqrt()
}

fn dot(row: &[f32], shift: &[f32]) -> f64 {
    row.iter().zip(shift).map(|(w, b)| *w as f64 * *b as f64).sum()
}
