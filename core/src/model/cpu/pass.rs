//! One pass of tokens through the layers, by a team of threads.
//!
//! A member owns some tokens (their residual streams, norms and int16 vectors; all members compute a single token's,
//! which spares them a wait), some rows of each matrix, and some heads. What others need it publishes.

use super::cache::Sequence;
use super::kernels::{Input, Kernel, Product, Query, Scratch};
use super::plan::Plan;
use super::prepared::{Beside, BesideLayer};
use super::team::{Barrier, Board};
use super::{BLOCK, Cpu};
use crate::model::arithmetic::{self, FRACTION, attention, residual};
use crate::model::engine::{FedToken, embed};
use crate::model::package::{Layer, Manifest, Matrix, MlpKind, Norm, NormKind, Package};
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;
use std::sync::{PoisonError, RwLockReadGuard};

/// Where a pass begins other than at the embedding: the layer, and the residual streams of all tokens there.
type Begin<'a> = Option<(usize, &'a [i32])>;

/// Runs tokens through the model. The logits of those that want them go to their feed's vector in `logits`.
pub(super) fn run(engine: &Cpu, tokens: &[FedToken], from: Begin<'_>, logits: &mut [Vec<i32>]) {
    let members = engine.members(tokens.len());
    let team = Team {
        engine,
        members,
        barrier: Barrier::new(members),
        rows: Board::new(members),
        inputs: Board::new(members),
    };
    let team = &team;
    let mut rows = logit_rows(engine.info.vocabulary as usize, tokens, members, logits).into_iter();
    std::thread::scope(|scope| {
        let _place = team.barrier.place();
        let first = rows.next().unwrap_or_default();
        for (index, rows) in (1..members).zip(rows) {
            scope.spawn(move || {
                let _place = team.barrier.place();
                Member::new(team, index).run(tokens, from, rows);
            });
        }
        Member::new(team, 0).run(tokens, from, first);
    });
}

/// For each block, the rows of logits that a member writes.
type LogitRows<'l> = Vec<Vec<&'l mut [i32]>>;

/// Whether the members compute all logits of some tokens each, which spares a copy, or some logits of all tokens
/// each, which reads the weights once for all members.
fn logits_by_token(wanted: usize, members: usize) -> bool {
    members == 1 || wanted >= 16 * members
}

/// Makes room for the logits, and gives each member the rows that it writes.
fn logit_rows<'l>(
    vocabulary: usize,
    tokens: &[FedToken],
    members: usize,
    logits: &'l mut [Vec<i32>],
) -> Vec<LogitRows<'l>> {
    for (feed, out) in logits.iter_mut().enumerate() {
        let wanted = tokens.iter().filter(|t| t.feed == feed && t.wants_logits).count();
        *out = vec![0; wanted * vocabulary];
    }
    // Tokens come in the order of their feeds.
    let mut rows = logits.iter_mut().flat_map(|out| out.chunks_exact_mut(vocabulary));
    let mut all: Vec<LogitRows<'l>> = (0..members).map(|_| Vec::new()).collect();
    for block in tokens.chunks(BLOCK) {
        let wanted = block.iter().filter(|t| t.wants_logits).count();
        for (index, own) in all.iter_mut().enumerate() {
            let share = match logits_by_token(wanted, members) {
                true => split(wanted, members, index),
                false if index == 0 => 0..wanted,
                false => 0..0,
            };
            own.push(rows.by_ref().take(share.len()).collect());
        }
    }
    all
}

/// What the members share.
struct Team<'a> {
    engine: &'a Cpu,
    members: usize,
    barrier: Barrier,
    rows: Board<Vec<i32>>,
    inputs: Board<Vec<Input>>,
}

/// Part `index` of `n` things among `members`.
fn split(n: usize, members: usize, index: usize) -> Range<usize> {
    n * index / members..n * (index + 1) / members
}

/// The rows that all members published: each has a part of the rows, token after token.
struct Rows<'a> {
    parts: Vec<RwLockReadGuard<'a, Vec<i32>>>,
    rows: usize,
}

impl Rows<'_> {
    /// Adds a token's rows to `out`.
    fn copy(&self, token: usize, wanted: Range<usize>, out: &mut Vec<i32>) {
        for (i, part) in self.parts.iter().enumerate() {
            let held = split(self.rows, self.parts.len(), i);
            let (from, to) = (wanted.start.max(held.start), wanted.end.min(held.end));
            if from < to {
                let at = token * held.len();
                out.extend_from_slice(&part[at + from - held.start..at + to - held.start]);
            }
        }
    }

    /// A token's rows as int16.
    fn words(&self, token: usize, wanted: Range<usize>, memory: &mut Vec<i32>, out: &mut Vec<i16>) {
        memory.clear();
        self.copy(token, wanted, memory);
        out.clear();
        out.extend(memory.iter().map(|v| arithmetic::saturate16(*v)));
    }
}

/// The inputs of all tokens.
enum Inputs<'a> {
    Own(Vec<Input>),
    All(Vec<RwLockReadGuard<'a, Vec<Input>>>),
}

impl Inputs<'_> {
    fn list(&self) -> Vec<&Input> {
        match self {
            Inputs::Own(own) => own.iter().collect(),
            Inputs::All(parts) => parts.iter().flat_map(|part| part.iter()).collect(),
        }
    }
}

struct Member<'a> {
    team: &'a Team<'a>,
    package: &'a Package,
    manifest: &'a Manifest,
    kernel: Kernel,
    index: usize,
    /// The number of the next publication of rows, and of inputs.
    rows_turn: usize,
    inputs_turn: usize,
    scratch: Scratch,
    words: Vec<i16>,
    heads: Vec<i16>,
    memory: Vec<i32>,
    page: Vec<i32>,
}

/// A block of tokens as one member sees it.
struct Block<'a> {
    tokens: &'a [FedToken],
    sequences: Vec<&'a Sequence>,
    /// The tokens that this member owns.
    own: Range<usize>,
    plan: Plan,
    /// Whether it owns all of them.
    all: bool,
    /// The residual streams of its own.
    residual: Vec<Vec<i32>>,
}

impl<'a> Member<'a> {
    fn new(team: &'a Team<'a>, index: usize) -> Self {
        let package = &*team.engine.package;
        Member {
            team,
            package,
            manifest: package.manifest(),
            kernel: team.engine.kernel,
            index,
            rows_turn: 0,
            inputs_turn: 0,
            scratch: Scratch::default(),
            words: Vec::new(),
            heads: Vec::new(),
            memory: Vec::new(),
            page: Vec::new(),
        }
    }

    fn run(&mut self, tokens: &[FedToken], from: Begin<'_>, logits: LogitRows<'_>) {
        let dim = self.manifest.dim as usize;
        for (i, (tokens, logits)) in tokens.chunks(BLOCK).zip(logits).enumerate() {
            let given = from.and_then(|(_, x)| x.get(i * BLOCK * dim..));
            let mut block = self.block(tokens, given);
            let layers = self.package.layers().zip(&self.team.engine.prepared.layers).enumerate();
            for (index, (layer, beside)) in layers.skip(from.map_or(0, |(first, _)| first)) {
                self.attention(&mut block, index, &layer, beside);
                self.mlp(&mut block, &layer, beside);
            }
            self.logits(&block, logits);
        }
    }

    fn block<'b>(&self, tokens: &'b [FedToken], given: Option<&[i32]>) -> Block<'b>
    where
        'a: 'b,
    {
        let all = self.team.members == 1 || tokens.len() == 1;
        let own = if all { 0..tokens.len() } else { split(tokens.len(), self.team.members, self.index) };
        let dim = self.manifest.dim as usize;
        let start = |(i, t): (usize, &FedToken)| {
            if let Some(x) = given.and_then(|x| x.get((own.start + i) * dim..)?.get(..dim)) {
                return x.to_vec();
            }
            let mut x = vec![0; dim];
            embed(self.package, t, &mut x);
            x
        };
        let sequences = tokens.iter().filter_map(|t| self.team.engine.sequences.get(&t.sequence)).collect();
        let (heads, kv_heads) = (self.manifest.heads as usize, self.manifest.kv_heads as usize);
        let plan = Plan::new(tokens, heads, kv_heads, self.team.members);
        Block {
            tokens,
            sequences,
            plan,
            residual: tokens[own.clone()].iter().enumerate().map(start).collect(),
            own,
            all,
        }
    }

    /// Waits for the others' parts of an output with so many rows.
    fn publish(&mut self, rows: usize) -> Rows<'a> {
        let page = core::mem::take(&mut self.page);
        self.page = self.team.rows.publish(self.rows_turn, self.index, page);
        self.team.barrier.wait();
        let parts = self.team.rows.read(self.rows_turn);
        self.rows_turn += 1;
        Rows { parts, rows }
    }

    /// Waits for the others' inputs.
    fn share(&mut self, own: Vec<Input>, all: bool) -> Inputs<'a> {
        if all {
            return Inputs::Own(own);
        }
        self.team.inputs.publish(self.inputs_turn, self.index, own);
        self.team.barrier.wait();
        let parts = self.team.inputs.read(self.inputs_turn);
        self.inputs_turn += 1;
        Inputs::All(parts)
    }

    fn normalised(&self, x: &[i32], norm: &Norm) -> Input {
        self.kernel.normalised(x, norm, self.manifest.norm == NormKind::Layer, self.manifest.epsilon)
    }

    /// This member's rows of a matrix times all inputs, to its page.
    fn multiply(&mut self, matrix: Matrix<'_>, beside: &Beside, inputs: &Inputs<'_>) {
        let rows = split(matrix.rows, self.team.members, self.index);
        let inputs = &inputs.list();
        multiply(self.kernel, &Product { matrix, beside, rows, inputs }, &mut self.page);
    }

    /// Adds the matrix times the inputs to the residual streams.
    fn add(&mut self, block: &mut Block<'_>, matrix: Matrix<'_>, beside: &Beside, inputs: Inputs<'_>) {
        self.multiply(matrix, beside, &inputs);
        drop(inputs);
        let outputs = self.publish(matrix.rows);
        for (token, x) in block.own.clone().zip(&mut block.residual) {
            self.memory.clear();
            outputs.copy(token, 0..matrix.rows, &mut self.memory);
            residual::add(x, &self.memory);
        }
    }

    fn attention(&mut self, block: &mut Block<'_>, index: usize, layer: &Layer<'_>, beside: &BesideLayer) {
        let (members, width) = (self.team.members, self.manifest.head_dim as usize);
        let (heads, kv_heads) = (self.manifest.heads as usize, self.manifest.kv_heads as usize);
        let own = block.residual.iter().map(|x| self.normalised(x, layer.attention_norm)).collect();
        let inputs = self.share(own, block.all);
        self.multiply(layer.qkv, &beside.qkv, &inputs);
        drop(inputs);
        let qkv = self.publish(layer.qkv.rows);

        // All keys and values first: a token then looks back only.
        let mut value = Vec::with_capacity(width);
        for kv in (self.index..kv_heads).step_by(members) {
            for (t, (token, sequence)) in block.tokens.iter().zip(&block.sequences).enumerate() {
                let (k, v) = ((heads + kv) * width, (heads + kv_heads + kv) * width);
                qkv.words(t, v..v + width, &mut self.memory, &mut value);
                qkv.words(t, k..k + width, &mut self.memory, &mut self.words);
                attention::rotate(&mut self.words, self.package.rotary(token.position));
                let cache = &sequence.layers[index][kv];
                cache.write().unwrap_or_else(PoisonError::into_inner).push(&self.words, &value);
            }
        }
        self.team.barrier.wait();
        self.page.clear();
        for unit in block.plan.units.iter().skip(self.index).step_by(members) {
            let mut heads = core::mem::take(&mut self.heads);
            heads.clear();
            for (t, h) in &unit.queries {
                qkv.words(*t, h * width..(h + 1) * width, &mut self.memory, &mut self.words);
                attention::rotate(&mut self.words, self.package.rotary(block.tokens[*t].position));
                heads.extend_from_slice(&self.words);
            }
            let key_fraction = layer.key_fractions[unit.kv] as i32;
            let each = unit.queries.iter().zip(heads.chunks_exact(width));
            let queries: Vec<Query<'_>> = each
                .map(|((t, h), words)| {
                    let shift = layer.query_fractions[*h] as i32 + key_fraction - FRACTION;
                    Query { words, positions: block.tokens[*t].position + 1, shift }
                })
                .collect();
            let Some((token, _)) = unit.queries.first() else { continue };
            let cache = block.sequences[*token].layers[index][unit.kv].read().unwrap_or_else(PoisonError::into_inner);
            self.kernel.attend(&queries, &cache, &mut self.scratch);
            let value_fraction = layer.value_fractions[unit.kv] as i32;
            for (total, sums) in self.scratch.totals.iter().zip(self.scratch.sums.chunks_exact(cache.padded)) {
                let reciprocal = attention::reciprocal(*total);
                let output = |s: &i64| attention::output(*s, reciprocal, value_fraction, beside.attention_fraction);
                self.page.extend(sums[..width].iter().map(output));
            }
            self.heads = heads;
        }
        drop(qkv);
        let attended = self.publish(0);
        let own = block.own.clone().map(|t| {
            self.memory.clear();
            for (member, before) in block.plan.places(t) {
                self.memory.extend_from_slice(&attended.parts[*member][before * width..(before + 1) * width]);
            }
            self.kernel.input(&self.memory, beside.attention_fraction)
        });
        let own = own.collect();
        drop(attended);
        let inputs = self.share(own, block.all);
        self.add(block, layer.output, &beside.output, inputs);
    }

    fn mlp(&mut self, block: &mut Block<'_>, layer: &Layer<'_>, beside: &BesideLayer) {
        let own = block.residual.iter().map(|x| self.normalised(x, layer.mlp_norm)).collect();
        let inputs = self.share(own, block.all);
        let hidden = self.manifest.hidden as usize;
        let (rows, list) = (split(hidden, self.team.members, self.index), inputs.list());
        let up = |rows| Product { matrix: layer.up, beside: &beside.up, rows, inputs: &list };
        let table = self.package.activation();
        multiply(self.kernel, &up(rows.clone()), &mut self.page);
        match self.manifest.mlp {
            MlpKind::Gated => {
                multiply(self.kernel, &up(rows.start + hidden..rows.end + hidden), &mut self.memory);
                self.kernel.gate(table, &mut self.page, &self.memory);
            }
            MlpKind::Plain => self.kernel.activate(table, &mut self.page),
        }
        drop(list);
        drop(inputs);
        let rows = self.publish(hidden);
        let own = block.own.clone().map(|t| {
            self.memory.clear();
            rows.copy(t, 0..hidden, &mut self.memory);
            self.kernel.input(&self.memory, FRACTION)
        });
        let own = own.collect();
        drop(rows);
        let inputs = self.share(own, block.all);
        self.add(block, layer.down, &beside.down, inputs);
    }

    /// Writes this member's rows of the logits.
    fn logits(&mut self, block: &Block<'_>, mut out: Vec<&mut [i32]>) {
        let wanted = block.tokens.iter().filter(|t| t.wants_logits).count();
        if wanted == 0 {
            return;
        }
        let own = block.tokens[block.own.clone()].iter().zip(&block.residual).filter(|(t, _)| t.wants_logits);
        let own = own.map(|(_, x)| self.normalised(x, self.package.final_norm())).collect();
        let inputs = self.share(own, block.all);
        let (matrix, beside) = (self.package.head(), &self.team.engine.prepared.head);
        if logits_by_token(wanted, self.team.members) {
            let inputs = &inputs.list()[split(wanted, self.team.members, self.index)];
            self.kernel.multiply(&Product { matrix, beside, rows: 0..matrix.rows, inputs }, &mut out);
            return;
        }
        self.multiply(matrix, beside, &inputs);
        drop(inputs);
        let rows = self.publish(matrix.rows);
        for (i, out) in out.into_iter().enumerate() {
            self.memory.clear();
            rows.copy(i, 0..matrix.rows, &mut self.memory);
            out.copy_from_slice(&self.memory);
        }
    }
}

/// The outputs of a product, input after input, in memory that is used again.
fn multiply(kernel: Kernel, product: &Product<'_>, page: &mut Vec<i32>) {
    let width = product.rows.len();
    // All of it is written.
    page.resize(width * product.inputs.len(), 0);
    if width > 0 {
        kernel.multiply(product, &mut page.chunks_exact_mut(width).collect::<Vec<_>>());
    }
}
