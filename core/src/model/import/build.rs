//! From a float model to a package.

use super::quantise::{fixed, fraction_for, norm, quantise, read};
use super::source::{Field, Positions, Shape, Source, Tensor};
use super::{ImportError, tables};
use crate::model::arithmetic::FRACTION;
use crate::model::package::{
    Manifest, MatrixData, MlpKind, NormData, NormKind, PackageWriter, PositionKind, valid_model,
};
use crate::model::tokenizer::TokenizerSpec;
use std::f64::consts::LOG2_E;
use std::vec::Vec;

/// Fraction bits of the residual stream: it reaches from -32768 to 32768 in steps of 2^-16.
const RESIDUAL_FRACTION: i32 = 16;

/// Quantises a float model and writes its package.
pub fn build(source: &dyn Source, tokenizer: &TokenizerSpec) -> Result<Vec<u8>, ImportError> {
    let shape = source.shape();
    let mut writer = PackageWriter::new(&manifest(shape)?, tokenizer)?;
    let layout = writer.layout().clone();
    writer.put(&layout.activation, tables::activation(shape.activation).iter().map(|v| v.to_le_bytes()))?;
    writer.put(&layout.rotary, tables::rotary(&shape.positions, shape.context))?;
    if shape.positions == Positions::Learned {
        let mut all = Vec::new();
        for position in 0..shape.context {
            let row = read(source, Tensor { field: Field::Positions, layer: 0 }, position)?;
            all.extend(row.iter().map(|v| fixed(*v as f64, RESIDUAL_FRACTION).to_le_bytes()));
        }
        writer.put(&layout.positions, all)?;
    }
    let model = Model { source, shape };
    writer.matrix(&layout.embedding, &model.plain(&[Field::Embedding], 0, None)?)?;
    for (layer, place) in layout.layers.iter().enumerate() {
        let attention_norm = model.norm(Field::AttentionNorm, Field::AttentionNormBias, layer)?;
        writer.norm(&place.attention_norm, &attention_norm)?;
        let (qkv, fractions) = model.qkv(layer)?;
        writer.put(&place.fractions, fractions.iter().map(|f| f.to_le_bytes()))?;
        writer.matrix(&place.qkv, &qkv)?;
        let bias = shape.biases.output.then_some((&[Field::OutputBias][..], RESIDUAL_FRACTION));
        writer.matrix(&place.output, &model.plain(&[Field::Output], layer, bias)?)?;
        writer.norm(&place.mlp_norm, &model.norm(Field::MlpNorm, Field::MlpNormBias, layer)?)?;
        let (ups, up_biases): (&[Field], &[Field]) = match shape.mlp {
            MlpKind::Gated => (&[Field::Gate, Field::Up], &[Field::GateBias, Field::UpBias]),
            MlpKind::Plain => (&[Field::Up], &[Field::UpBias]),
        };
        let bias = shape.biases.mlp.then_some((up_biases, FRACTION));
        writer.matrix(&place.up, &model.plain(ups, layer, bias)?)?;
        let bias = shape.biases.mlp.then_some((&[Field::DownBias][..], RESIDUAL_FRACTION));
        writer.matrix(&place.down, &model.plain(&[Field::Down], layer, bias)?)?;
    }
    writer.norm(&layout.final_norm, &model.norm(Field::FinalNorm, Field::FinalNormBias, 0)?)?;
    if let Some(head) = &layout.head {
        writer.matrix(head, &model.plain(&[Field::Head], 0, None)?)?;
    }
    let package = writer.finish();
    valid_model(&package)?;
    Ok(package)
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

struct Model<'a> {
    source: &'a dyn Source,
    shape: &'a Shape,
}

impl Model<'_> {
    fn vector(&self, field: Field, layer: usize) -> Result<Vec<f32>, ImportError> {
        read(self.source, Tensor { field, layer }, 0)
    }

    fn norm_parts(&self, gain: Field, bias: Field, layer: usize) -> Result<(Vec<f32>, Vec<f32>), ImportError> {
        let gain = self.vector(gain, layer)?;
        let bias = match self.shape.norm {
            NormKind::Rms => Vec::new(),
            NormKind::Layer => self.vector(bias, layer)?,
        };
        Ok((gain, bias))
    }

    fn norm(&self, gain: Field, bias: Field, layer: usize) -> Result<NormData, ImportError> {
        self.norm_parts(gain, bias, layer).map(|(g, b)| norm(&g, &b))
    }

    /// The fields' rows one after another, each bias with the given fraction.
    fn plain(&self, fields: &[Field], layer: usize, bias: Option<(&[Field], i32)>) -> Result<MatrixData, ImportError> {
        let mut out = MatrixData::default();
        for &field in fields {
            for row in 0..self.shape.size(field).0 {
                push(&mut out, &read(self.source, Tensor { field, layer }, row)?, 1.0);
            }
        }
        if let Some((fields, fraction)) = bias {
            for &field in fields {
                out.bias.extend(self.vector(field, layer)?.iter().map(|b| fixed(*b as f64, fraction)));
            }
        }
        Ok(out)
    }

    /// Query, key and value rows, and each head's fraction. Queries carry log2(e) / sqrt(head width).
    ///
    /// A head's fraction follows from a proven bound: the normalised vector has at most the length sqrt(n),
    /// so by Cauchy and Schwarz |w.(x g + b)| <= |w g| sqrt(n) + |w.b|.
    fn qkv(&self, layer: usize) -> Result<(MatrixData, Vec<i8>), ImportError> {
        let (gain, shift) = self.norm_parts(Field::AttentionNorm, Field::AttentionNormBias, layer)?;
        let width = self.shape.head_dim;
        let mut out = MatrixData::default();
        let mut fractions = Vec::new();
        let query_factor = LOG2_E / (width as f64).sqrt();
        let fields = [
            (Field::Query, Field::QueryBias, query_factor, true),
            (Field::Key, Field::KeyBias, 1.0, true),
            (Field::Value, Field::ValueBias, 1.0, false),
        ];
        for (field, bias_field, factor, rotates) in fields {
            let rows = self.shape.size(field).0;
            let biases = if self.shape.biases.qkv { self.vector(bias_field, layer)? } else { std::vec![0.0; rows] };
            for (head, biases) in biases.chunks(width).enumerate() {
                let mut bounds = Vec::new();
                for (i, bias) in biases.iter().enumerate() {
                    let row = read(self.source, Tensor { field, layer }, head * width + i)?;
                    push(&mut out, &row, factor);
                    bounds.push((length(&row, &gain) + dot(&row, &shift).abs() + bias.abs() as f64) * factor);
                }
                let fraction = fraction_for(self.reach(&bounds, rotates), 32_600.0, -16..=30);
                fractions.push(fraction as i8);
                if self.shape.biases.qkv {
                    out.bias.extend(biases.iter().map(|b| fixed(*b as f64 * factor, fraction)));
                }
            }
        }
        Ok((out, fractions))
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

fn push(out: &mut MatrixData, row: &[f32], factor: f64) {
    let row = quantise(row, factor);
    out.weights.extend(row.weights);
    out.mantissas.push(row.mantissa);
    out.shifts.push(row.shift);
}

fn length(row: &[f32], gain: &[f32]) -> f64 {
    let squares: f64 = row.iter().zip(gain).map(|(w, g)| (*w as f64 * *g as f64).powi(2)).sum();
    (squares * gain.len() as f64).sqrt()
}

fn dot(row: &[f32], shift: &[f32]) -> f64 {
    row.iter().zip(shift).map(|(w, b)| *w as f64 * *b as f64).sum()
}
