//! A llama2.c checkpoint, version 0: every field holds all layers; an untied head.

use super::{Family, neighbours, rows};
use camelid_core::model::import::{Field, RandomShape, Source, random_source};

/// The checkpoint of [`Family::Llama`]'s model.
pub fn llama2c(seed: u64) -> Vec<u8> {
    llama2c_of(seed, &Family::Llama.shape())
}

/// The same of a Llama of another shape.
pub fn llama2c_of(seed: u64, shape: &RandomShape) -> Vec<u8> {
    use Field::*;
    let source = random_source(seed, shape);
    let s = source.shape();
    let numbers = [s.dim, s.hidden, s.layers, s.heads, s.kv_heads, s.vocabulary, s.context].map(|v| v as i32);
    let mut out: Vec<u8> = numbers
        .iter()
        .enumerate()
        // A vocabulary below zero: the head is not the embedding.
        .flat_map(|(i, v)| if i == 5 { -v } else { *v }.to_le_bytes())
        .collect();
    let mut put = |field, layers| {
        for layer in 0..layers {
            let rows = rows(&source, field, layer);
            let rows = if matches!(field, Query | Key) { neighbours(&rows, s.head_dim) } else { rows };
            out.extend(rows.iter().flatten().flat_map(|v| v.to_le_bytes()));
        }
    };
    put(Embedding, 1);
    for field in [AttentionNorm, Query, Key, Value, Output, MlpNorm, Gate, Down, Up] {
        put(field, s.layers);
    }
    put(FinalNorm, 1);
    let tables = vec![0; s.context * s.head_dim * 4];
    out.extend(tables);
    let head = rows(&source, Head, 0);
    out.extend(head.iter().flatten().flat_map(|v| v.to_le_bytes()));
    out
}
