//! A model's weights: how they start, and how they become a package.

use super::shape::{ModelShape, Place};
use super::{TrainError, draws::Draws};
use camelid_core::model::eval::FloatModel;
use camelid_core::model::import::{Field, ImportError, Shape, Source, Tensor, build};
use camelid_core::model::tokenizer::TokenizerSpec;
use std::collections::BTreeMap;

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
