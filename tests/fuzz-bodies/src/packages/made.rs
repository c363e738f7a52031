//! Packages of chosen shapes whose tables hold chosen values, each at the ends of its range or between.

use super::computes;
use crate::Choices;
use camelid_core::model::Package;
use camelid_core::model::arithmetic::norm::MAX_GAIN;
use camelid_core::model::package::{
    ActivationKind, Architecture, Biases, Manifest, MatrixPlace, MlpKind, NormKind, NormPlace, PackageError,
    PackageWriter, PositionKind, SpecialTokens,
};
use camelid_core::model::tokenizer::{HuggingFaceSpec, TokenizerSpec};
use camelid_core::units::TokenId;
use std::ops::Range;
use std::sync::Arc;

pub(super) fn run(choices: &mut Choices<'_>) {
    let manifest = manifest(choices);
    let text = choices.array::<6>();
    let bytes = match written(&manifest, choices) {
        Ok(bytes) => bytes,
        Err(error) => {
            // The shapes are small and in their ranges but for what may be odd on purpose.
            assert!(matches!(error, PackageError::Field { .. }), "{error}");
            assert!(manifest.check().is_err(), "{error}");
            return;
        }
    };
    let package = Package::parse(bytes).expect("the writer checked it");
    assert_eq!(package.manifest(), &manifest);
    computes(&Arc::new(package), &text);
}

fn manifest(choices: &mut Choices<'_>) -> Manifest {
    let mut small = |most: usize| choices.below(most) as u32 + 1;
    let (kv_heads, group, head_dim) = (small(3), small(3), 2 * small(4));
    let (dim, layers, hidden, vocabulary, context) = (small(40), small(2), small(40), small(12), small(8));
    let learned = choices.below(2) == 1;
    let position = if learned { PositionKind::Learned } else { PositionKind::Rotary };
    let rotated = 2 * (choices.below(head_dim as usize / 2) as u32 + 1);
    Manifest {
        name: "made".into(),
        licence: "CC0-1.0".into(),
        architecture: Architecture::Llama,
        dim,
        layers,
        heads: kv_heads * group,
        kv_heads,
        head_dim,
        hidden,
        vocabulary,
        context,
        position,
        rotary_dim: if learned { 0 } else { rotated },
        norm: choices.of(&[NormKind::Rms, NormKind::Layer]),
        mlp: choices.of(&[MlpKind::Gated, MlpKind::Plain]),
        activation: ActivationKind::Silu,
        biases: Biases { qkv: choices.below(2) == 1, output: choices.below(2) == 1, mlp: choices.below(2) == 1 },
        tied_head: choices.below(2) == 1,
        // Seven and 25 are none.
        residual_fraction: 7 + choices.below(19) as u8,
        epsilon: choices.long() >> choices.below(64),
        special: SpecialTokens { begin: None, end: vec![TokenId(choices.below(13) as u32)] },
        chat_template: String::new(),
    }
}

/// Values for one table.
struct Values<'a> {
    style: usize,
    pattern: &'a [u8],
    at: usize,
}

impl<'a> Values<'a> {
    fn new(choices: &mut Choices<'a>) -> Self {
        let style = choices.below(6);
        Values { style, pattern: choices.bytes(12), at: 0 }
    }

    /// The next value, from `low` to `high`.
    fn next(&mut self, low: i64, high: i64) -> i64 {
        self.at += 1;
        let byte = |i: usize| u64::from(self.pattern.get(i % self.pattern.len().max(1)).copied().unwrap_or(0));
        let random = (0..4).fold(0, |sum, i| sum << 8 | byte(self.at * 5 + i * 3));
        match self.style {
            0 => high,
            1 => low,
            2 => {
                if self.at.is_multiple_of(2) {
                    high
                } else {
                    low
                }
            }
            3 => {
                if byte(self.at) & 1 == 0 {
                    high
                } else {
                    low
                }
            }
            4 => (random as i64 & 0xff).clamp(low, high),
            _ => low + (random % (high - low + 1) as u64) as i64,
        }
    }
}

fn count(place: &Range<u64>, size: u64) -> u64 {
    (place.end - place.start) / size
}

fn written(manifest: &Manifest, choices: &mut Choices<'_>) -> Result<Vec<u8>, PackageError> {
    let tokenizer = TokenizerSpec::HuggingFace(HuggingFaceSpec::new("{}"));
    let mut bytes = Vec::new();
    let mut writer = PackageWriter::new(manifest, &tokenizer, &mut bytes)?;
    let layout = writer.layout().clone();
    writer.begin()?;
    let w = &mut writer;
    // "No entry is above one and no two neighbours lie too far apart": a walk.
    let (mut values, mut gate) = (Values::new(choices), 1i64 << 23);
    w.put(
        &layout.activation,
        (0..count(&layout.activation, 4)).map(|_| {
            gate = (gate + values.next(-(1 << 20), 1 << 20)).clamp(0, 1 << 24);
            (gate as u32).to_le_bytes()
        }),
    )?;
    let mut values = Values::new(choices);
    w.put(&layout.rotary, (0..count(&layout.rotary, 2)).map(|_| (values.next(-16_384, 16_384) as i16).to_le_bytes()))?;
    any(w, &layout.positions, choices)?;
    matrix(w, &layout.embedding, choices)?;
    for layer in &layout.layers {
        norm(w, &layer.attention_norm, choices)?;
        let mut values = Values::new(choices);
        w.put(&layer.fractions, (0..count(&layer.fractions, 1)).map(|_| (values.next(-16, 30) as i8).to_le_bytes()))?;
        for place in [&layer.qkv, &layer.output, &layer.up, &layer.down] {
            matrix(w, place, choices)?;
        }
        norm(w, &layer.mlp_norm, choices)?;
    }
    norm(w, &layout.final_norm, choices)?;
    if let Some(head) = &layout.head {
        matrix(w, head, choices)?;
    }
    writer.finish()?;
    Ok(bytes)
}

fn any(w: &mut PackageWriter<'_>, place: &Range<u64>, choices: &mut Choices<'_>) -> Result<(), PackageError> {
    let mut values = Values::new(choices);
    let (low, high) = (i64::from(i32::MIN), i64::from(i32::MAX));
    w.put(place, (0..count(place, 4)).map(|_| (values.next(low, high) as i32).to_le_bytes()))
}

fn matrix(w: &mut PackageWriter<'_>, place: &MatrixPlace, choices: &mut Choices<'_>) -> Result<(), PackageError> {
    let mut values = Values::new(choices);
    let rows = u64::from(place.rows);
    w.put(&place.mantissas, (0..rows).map(|_| (values.next(32_768, 65_535) as u16).to_le_bytes()))?;
    w.put(&place.shifts, (0..rows).map(|_| [values.next(0, 63) as u8]))?;
    w.put(&place.weights, (0..count(&place.weights, 1)).map(|_| (values.next(-127, 127) as i8).to_le_bytes()))?;
    any(w, &place.bias, choices)
}

fn norm(w: &mut PackageWriter<'_>, place: &NormPlace, choices: &mut Choices<'_>) -> Result<(), PackageError> {
    let mut values = Values::new(choices);
    let most = i64::from(MAX_GAIN);
    w.put(&place.fraction, [[values.next(-8, 40) as u8]])?;
    w.put(&place.gain, (0..count(&place.gain, 4)).map(|_| (values.next(-most, most) as i32).to_le_bytes()))?;
    any(w, &place.bias, choices)
}
