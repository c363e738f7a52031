//! The reference engine: the specification in code. Scalar, `no_std`, no cleverness beyond doing each layer for
//! a block of tokens at a time.

use super::arithmetic::{self, FRACTION, activation, attention, linear, norm, residual};
use super::engine::{Engine, EngineError, FedToken, Feed, Logits, SequenceId, check_batch, embed, fed_tokens};
use super::package::{Layer, Manifest, Matrix, MlpKind, ModelInfo, Norm, NormKind, Package};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

/// Tokens that go through the layers together: bounds the memory of a long prompt.
const BLOCK: usize = 64;

/// Keys and values of one layer: `kv_dim` int16 a token each.
#[derive(Clone, Debug, Default)]
struct Cache {
    keys: Vec<i16>,
    values: Vec<i16>,
}

#[derive(Clone, Debug)]
struct Sequence {
    length: usize,
    layers: Vec<Cache>,
}

/// The scalar engine.
#[derive(Debug)]
pub struct Reference {
    package: Arc<Package>,
    info: ModelInfo,
    sequences: BTreeMap<SequenceId, Sequence>,
    next: u64,
}

impl Reference {
    /// An engine for a model.
    pub fn new(package: Arc<Package>) -> Self {
        let info = package.info();
        Reference { package, info, sequences: BTreeMap::new(), next: 0 }
    }

    /// Bytes of keys and values that one token of a sequence takes.
    pub fn bytes_per_token(&self) -> u64 {
        let m = self.package.manifest();
        m.layers as u64 * m.kv_dim() as u64 * 4
    }
}

impl Engine for Reference {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn name(&self) -> String {
        "reference".into()
    }

    fn open(&mut self) -> Result<SequenceId, EngineError> {
        let id = SequenceId(self.next);
        self.next += 1;
        let layers = vec![Cache::default(); self.package.manifest().layers as usize];
        self.sequences.insert(id, Sequence { length: 0, layers });
        Ok(id)
    }

    fn forward(&mut self, batch: &[Feed<'_>]) -> Result<Vec<Logits>, EngineError> {
        check_batch(&self.info, batch, |id| self.sequences.get(&id).map(|s| s.length))?;
        let tokens = fed_tokens(batch, |id, more| {
            let held = self.sequences.get_mut(&id)?;
            held.length += more;
            Some(held.length - more)
        });
        let mut logits = vec![Vec::new(); batch.len()];
        let package = self.package.clone();
        for block in tokens.chunks(BLOCK) {
            let mut pass = Pass::new(&package, block);
            for (index, layer) in package.layers().enumerate() {
                pass.attention(&layer, index, &mut self.sequences);
                pass.mlp(&layer);
            }
            pass.logits(&mut logits);
        }
        let vocabulary = self.info.vocabulary as usize;
        Ok(logits.into_iter().map(|values| Logits::new(vocabulary, values)).collect())
    }

    fn close(&mut self, sequence: SequenceId) {
        self.sequences.remove(&sequence);
    }
}

/// A block of tokens and the residual stream of each.
struct Pass<'a> {
    package: &'a Package,
    manifest: &'a Manifest,
    tokens: &'a [FedToken],
    residual: Vec<Vec<i32>>,
}

/// An int16 vector and its fraction.
struct Activation {
    values: Vec<i16>,
    fraction: i32,
}

impl Activation {
    fn new(v: &[i32], fraction: i32) -> Self {
        let mut values = vec![0; v.len()];
        let fraction = arithmetic::block_float(v, fraction, &mut values);
        Activation { values, fraction }
    }
}

impl<'a> Pass<'a> {
    fn new(package: &'a Package, tokens: &'a [FedToken]) -> Self {
        let manifest = package.manifest();
        let residual = tokens
            .iter()
            .map(|t| {
                let mut x = vec![0; manifest.dim as usize];
                embed(package, t, &mut x);
                x
            })
            .collect();
        Pass { package, manifest, tokens, residual }
    }

    fn normalised(&self, x: &[i32], n: &Norm) -> Activation {
        let mut x = x.to_vec();
        if self.manifest.norm == NormKind::Layer {
            norm::centre(&mut x);
        }
        let fraction = norm::normalise(&mut x, n, self.manifest.epsilon);
        Activation::new(&x, fraction)
    }

    /// The matrix times each input; the weights are read once a block.
    fn linear(&self, matrix: &Matrix<'_>, inputs: &[Activation], fraction: impl Fn(usize) -> i32) -> Vec<Vec<i32>> {
        let mut outputs: Vec<Vec<i32>> = inputs.iter().map(|_| Vec::with_capacity(matrix.rows)).collect();
        for row in 0..matrix.rows {
            let fraction = fraction(row);
            for (x, out) in inputs.iter().zip(&mut outputs) {
                out.push(linear::output(matrix, row, &x.values, x.fraction, fraction));
            }
        }
        outputs
    }

    fn attention(&mut self, layer: &Layer<'_>, index: usize, sequences: &mut BTreeMap<SequenceId, Sequence>) {
        let width = self.manifest.head_dim as usize;
        let (heads, kv_heads) = (self.manifest.heads as usize, self.manifest.kv_heads as usize);
        let fractions: Vec<i8> = [layer.query_fractions, layer.key_fractions, layer.value_fractions].concat();
        let inputs: Vec<_> = self.residual.iter().map(|x| self.normalised(x, layer.attention_norm)).collect();
        let qkv = self.linear(&layer.qkv, &inputs, |row| fractions[row / width] as i32);

        // All keys and values first: a token then looks back only.
        let mut queries = Vec::with_capacity(self.tokens.len());
        for (token, v) in self.tokens.iter().zip(qkv) {
            let mut v: Vec<i16> = v.into_iter().map(arithmetic::saturate16).collect();
            let rotary = self.package.rotary(token.position);
            for head in v.chunks_exact_mut(width).take(heads + kv_heads) {
                attention::rotate(head, rotary);
            }
            let (query, rest) = v.split_at(heads * width);
            let (key, value) = rest.split_at(kv_heads * width);
            if let Some(cache) = cache(sequences, token, index) {
                cache.keys.extend_from_slice(key);
                cache.values.extend_from_slice(value);
            }
            queries.push(query.to_vec());
        }

        let out_fraction = attention::output_fraction(layer.value_fractions);
        let mut attended = Vec::with_capacity(self.tokens.len());
        for (token, query) in self.tokens.iter().zip(&queries) {
            let mut out = Vec::with_capacity(heads * width);
            if let Some(cache) = cache(sequences, token, index) {
                for (h, q) in query.chunks_exact(width).enumerate() {
                    let kv = h / (heads / kv_heads);
                    let (qf, kf) = (layer.query_fractions[h] as i32, layer.key_fractions[kv] as i32);
                    let vf = layer.value_fractions[kv] as i32;
                    let (sums, total) = attend(q, cache, kv, kv_heads, token.position + 1, qf, kf);
                    let reciprocal = attention::reciprocal(total);
                    out.extend(sums.iter().map(|s| attention::output(*s, reciprocal, vf, out_fraction)));
                }
            }
            attended.push(Activation::new(&out, out_fraction));
        }
        self.add(&layer.output, &attended);
    }

    fn mlp(&mut self, layer: &Layer<'_>) {
        let inputs: Vec<_> = self.residual.iter().map(|x| self.normalised(x, layer.mlp_norm)).collect();
        let table = self.package.activation();
        let hidden: Vec<_> = self
            .linear(&layer.up, &inputs, |_| FRACTION)
            .iter()
            .map(|v| {
                let hidden: Vec<i32> = match self.manifest.mlp {
                    MlpKind::Gated => {
                        let (gate, up) = v.split_at(v.len() / 2);
                        gate.iter().zip(up).map(|(g, u)| activation::gated(table, *g, *u)).collect()
                    }
                    MlpKind::Plain => v.iter().map(|u| activation::activate(table, *u)).collect(),
                };
                Activation::new(&hidden, FRACTION)
            })
            .collect();
        self.add(&layer.down, &hidden);
    }

    /// Adds the matrix times each input to the residual stream.
    fn add(&mut self, matrix: &Matrix<'_>, inputs: &[Activation]) {
        let fraction = self.manifest.residual_fraction as i32;
        let outputs = self.linear(matrix, inputs, |_| fraction);
        for (x, y) in self.residual.iter_mut().zip(&outputs) {
            residual::add(x, y);
        }
    }

    fn logits(&self, out: &mut [Vec<i32>]) {
        let wanted = self.tokens.iter().zip(&self.residual).filter(|(t, _)| t.wants_logits);
        let (tokens, inputs): (Vec<&FedToken>, Vec<_>) =
            wanted.map(|(t, x)| (t, self.normalised(x, self.package.final_norm()))).unzip();
        let rows = self.linear(&self.package.head(), &inputs, |_| FRACTION);
        for (token, row) in tokens.into_iter().zip(rows) {
            if let Some(out) = out.get_mut(token.feed) {
                out.extend(row);
            }
        }
    }
}

fn cache<'s>(
    sequences: &'s mut BTreeMap<SequenceId, Sequence>,
    token: &FedToken,
    layer: usize,
) -> Option<&'s mut Cache> {
    sequences.get_mut(&token.sequence)?.layers.get_mut(layer)
}

/// One query head over the first `positions` keys and values of key/value head `kv`: the exact weighted sums
/// of the values, and the sum of the weights.
fn attend(
    query: &[i16],
    cache: &Cache,
    kv: usize,
    kv_heads: usize,
    positions: usize,
    query_fraction: i32,
    key_fraction: i32,
) -> (Vec<i64>, u32) {
    let width = query.len();
    let held = positions.min(cache.keys.len() / (width * kv_heads));
    let places: Vec<usize> = (0..held).map(|p| (p * kv_heads + kv) * width).collect();
    let scores: Vec<i32> = places
        .iter()
        .map(|at| attention::score(query, &cache.keys[*at..at + width], query_fraction, key_fraction))
        .collect();
    let mut weights = Vec::with_capacity(positions);
    let total = attention::softmax(&scores, &mut weights);
    let mut sums = vec![0; width];
    for (p, at) in weights.iter().zip(&places) {
        attention::accumulate(&mut sums, *p, &cache.values[*at..at + width]);
    }
    (sums, total)
}
