//! A model's weights: how they start, how they become a package, and how a package becomes weights again.

use super::shape::{ModelShape, Place};
use super::{TrainError, draws::Draws};
use camelid_core::model::Package;
use camelid_core::model::eval::FloatModel;
use camelid_core::model::import::{Field, ImportError, Shape, Source, Tensor, build};
use camelid_core::model::tokenizer::TokenizerSpec;
use std::collections::BTreeMap;
use std::f64::consts::LOG2_E;

/// First weights: normal around 0, and 1 for norms. What adds to the residual stream starts smaller, by the square root
/// of how many there are, so that the stream does not grow with depth.
pub(super) fn first(shape: &ModelShape, seed: u64) -> Vec<f32> {
    let mut draws = Draws::new(seed);
    let mut values = Vec::with_capacity(shape.parameters());
    for place in shape.places() {
        let of_inputs = 1.0 / (place.columns as f64).sqrt();
        let spread = match place.tensor.field {
            Field::Embedding => 0.05,
            Field::Output | Field::Down => of_inputs / (2.0 * shape.layers as f64).sqrt(),
            _ => of_inputs,
        };
        match place.is_norm() {
            true => values.extend(std::iter::repeat_n(1.0, place.size())),
            false => values.extend((0..place.size()).map(|_| (draws.normal() * spread) as f32)),
        }
    }
    values
}

/// What a run begins with where another ended: a package's shape, and the weights that its integers stand for. Refuses
/// models that training here does not make.
pub fn of_package(model: &Package, tokenizer: &TokenizerSpec) -> Result<(ModelShape, Vec<f32>), TrainError> {
    let m = model.manifest();
    let shape = ModelShape {
        dim: m.dim as usize,
        layers: m.layers as usize,
        heads: m.heads as usize,
        kv_heads: m.kv_heads as usize,
        hidden: m.hidden as usize,
        vocabulary: m.vocabulary as usize,
        context: m.context as usize,
    };
    let other = || {
        let reason = "training goes on with models that it made itself; this one is of another kind".to_string();
        TrainError::Model { name: m.name.clone(), reason }
    };
    shape.check().map_err(|_| other())?;
    // All but the weights, made anew: what differs, training does not know.
    let like = package(&shape, &vec![0.5; shape.parameters()], tokenizer, &m.name, &m.licence).map_err(|_| other())?;
    let like = Package::parse(like)?;
    let turns = (0..shape.context).all(|p| like.rotary(p) == model.rotary(p));
    if like.manifest() != m || like.activation() != model.activation() || !turns {
        return Err(other());
    }
    let weights = reals(&shape, model);
    Ok((shape, weights))
}

/// The same model, larger: with more hidden elements, and with more layers behind the last. What is new adds nothing to the
/// residual stream at first, so that the model says what it said, and learns from there.
pub fn grown(shape: &ModelShape, weights: &[f32], to: &ModelShape, seed: u64) -> Result<Vec<f32>, TrainError> {
    for (name, before, after) in [("--layers", shape.layers, to.layers), ("--hidden", shape.hidden, to.hidden)] {
        if after < before {
            let expected = format!("at least the {before} that the package has");
            return Err(TrainError::Setting { name, found: after.to_string(), expected });
        }
    }
    to.check()?;
    let old: BTreeMap<Tensor, Place> = shape.places().into_iter().map(|p| (p.tensor, p)).collect();
    let mut values = first(to, seed);
    for place in to.places() {
        // What the other matrices make of it stays out of the stream until these two have learned.
        if matches!(place.tensor.field, Field::Output | Field::Down) {
            values[place.range()].fill(0.0);
        }
        let Some(old) = old.get(&place.tensor) else { continue };
        let rows = weights[old.range()].chunks(old.columns);
        for (new, row) in values[place.range()].chunks_mut(place.columns).zip(rows) {
            new[..row.len()].copy_from_slice(row);
        }
    }
    Ok(values)
}

/// The weights that a package of this shape stands for.
fn reals(shape: &ModelShape, package: &Package) -> Vec<f32> {
    let layers: Vec<_> = package.layers().collect();
    let (query, keys) = (shape.heads * shape.head_dim(), shape.kv_heads * shape.head_dim());
    // Queries in a package carry log2(e) / sqrt(head width).
    let query_factor = LOG2_E / (shape.head_dim() as f64).sqrt();
    let mut values = Vec::with_capacity(shape.parameters());
    for place in shape.places() {
        let layer = layers.get(place.tensor.layer);
        let norm = match place.tensor.field {
            Field::AttentionNorm => layer.map(|l| l.attention_norm),
            Field::MlpNorm => layer.map(|l| l.mlp_norm),
            Field::FinalNorm => Some(package.final_norm()),
            _ => None,
        };
        if let Some(norm) = norm {
            let scale = 2f64.powi(-(norm.fraction as i32)) / (norm.gain.len() as f64).sqrt();
            values.extend(norm.gain.iter().map(|g| (*g as f64 * scale) as f32));
            continue;
        }
        let matrix = match (place.tensor.field, layer) {
            (Field::Embedding, _) => Some((package.embedding(), 0, 1.0)),
            (Field::Query, Some(l)) => Some((l.qkv, 0, query_factor)),
            (Field::Key, Some(l)) => Some((l.qkv, query, 1.0)),
            (Field::Value, Some(l)) => Some((l.qkv, query + keys, 1.0)),
            (Field::Output, Some(l)) => Some((l.output, 0, 1.0)),
            (Field::Gate, Some(l)) => Some((l.up, 0, 1.0)),
            (Field::Up, Some(l)) => Some((l.up, shape.hidden, 1.0)),
            (Field::Down, Some(l)) => Some((l.down, 0, 1.0)),
            _ => None,
        };
        let Some((matrix, first, factor)) = matrix else { continue };
        for row in first..first + place.rows {
            let scale = matrix.mantissas[row] as f64 / 2f64.powi(matrix.shifts[row] as i32) / factor;
            values.extend(matrix.row(row).iter().map(|w| (*w as i8 as f64 * scale) as f32));
        }
    }
    values
}

/// Trained weights as an importer's source.
struct Trained<'a> {
    shape: Shape,
    places: BTreeMap<Tensor, Place>,
    values: &'a [f32],
}

impl Source for Trained<'_> {
    fn shape(&self) -> &Shape {
        &self.shape
    }

    fn row(&self, tensor: Tensor, row: usize, out: &mut [f32]) -> Result<(), ImportError> {
        let found = self.places.get(&tensor).filter(|p| row < p.rows && out.len() == p.columns);
        let values = found.and_then(|p| self.values.get(p.start + row * p.columns..)?.get(..p.columns));
        let missing = || ImportError::MissingTensor {
            file: "the trained weights".to_string(),
            tensor: format!("{:?} of layer {}, row {row}", tensor.field, tensor.layer),
        };
        out.copy_from_slice(values.ok_or_else(missing)?);
        Ok(())
    }
}

/// Trained weights as an importer's source.
pub(super) fn source<'a>(shape: &ModelShape, values: &'a [f32], name: &str, licence: &str) -> impl Source + use<'a> {
    let places = shape.places().into_iter().map(|p| (p.tensor, p)).collect();
    Trained { shape: shape.imported(name, licence), places, values }
}

/// The same model in floats.
pub fn float_model(shape: &ModelShape, values: &[f32]) -> Result<FloatModel, TrainError> {
    Ok(FloatModel::new(&source(shape, values, "floats", "none"))?)
}

/// The package of trained weights.
pub fn package(
    shape: &ModelShape,
    values: &[f32],
    tokenizer: &TokenizerSpec,
    name: &str,
    licence: &str,
) -> Result<Vec<u8>, TrainError> {
    Ok(build(&source(shape, values, name, licence), tokenizer)?)
}
