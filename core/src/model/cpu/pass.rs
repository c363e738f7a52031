//! One pass of tokens through the layers, by a team of threads.
//!
//! A member owns some tokens (their residual streams, norms and int16 vectors; all members compute a single token's,
//! which spares them a wait). The rows of each matrix and the heads are cut into parts, which members take as they have time,
//! and publish.

use super::cache::Sequence;
use super::kernels::{Group, Input, Kernel, Product, Query, Scratch};
use super::plan::Plan;
use super::prepared::{Beside, BesideLayer};
use super::team::{Barrier, Board};
use super::{BLOCK, Cpu, PARTS, PARTS_OF_ONE};
use crate::model::arithmetic::{self, FRACTION, attention, residual};
use crate::model::engine::{FedToken, embed};
use crate::model::package::{Layer, Manifest, Matrix, MlpKind, Norm, NormKind, Package};
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;
use std::sync::{Mutex, PoisonError, RwLockReadGuard};

/// Where a pass begins other than at the embedding: the layer, and the residual streams of all tokens there.
type Begin<'a> = Option<(usize, &'a [i32])>;

/// Runs tokens through the model. The logits of those that want them go to their feed's vector in `logits`.
pub(super) fn run(engine: &Cpu, tokens: &[FedToken], from: Begin<'_>, logits: &mut [Vec<i32>]) {
    let members = engine.members(tokens.len());
    let parts = match (members, tokens.len()) {
        (1, _) => 1,
        (_, 1) => members * PARTS_OF_ONE,
        _ => members * PARTS,
    };
    // Blocks of nearly the same size.
    let block = tokens.len().div_ceil(tokens.len().div_ceil(BLOCK).max(1)).max(1);
    let team = Team {
        engine,
        members,
        parts,
        block,
        barrier: Barrier::new(members),
        rows: Board::new(parts),
        inputs: Board::new(members),
    };
    let team = &team;
    let rows = &logit_rows(team, tokens, logits);
    std::thread::scope(|scope| {
        let _place = team.barrier.place();
        for index in 1..members {
            scope.spawn(move || {
                let _place = team.barrier.place();
                Member::new(team, index).run(tokens, from, rows);
            });
        }
        Member::new(team, 0).run(tokens, from, rows);
    });
}

/// What a part writes of the logits: some of each wanted token's.
type LogitRows<'l> = Mutex<Vec<&'l mut [i32]>>;

/// Makes room for the logits, and cuts each token's into parts. For each block: each part's.
fn logit_rows<'l>(team: &Team<'_>, tokens: &[FedToken], logits: &'l mut [Vec<i32>]) -> Vec<Vec<LogitRows<'l>>> {
    let (vocabulary, parts) = (team.engine.info.vocabulary as usize, team.parts);
    for (feed, out) in logits.iter_mut().enumerate() {
        let wanted = tokens.iter().filter(|t| t.feed == feed && t.wants_logits).count();
        *out = vec![0; wanted * vocabulary];
    }
    // Tokens come in the order of their feeds.
    let mut rows = logits.iter_mut().flat_map(|out| out.chunks_exact_mut(vocabulary));
    let block = |block: &[FedToken]| {
        let mut all: Vec<Vec<&'l mut [i32]>> = (0..parts).map(|_| Vec::new()).collect();
        for mut row in rows.by_ref().take(block.iter().filter(|t| t.wants_logits).count()) {
            for (i, part) in all.iter_mut().enumerate() {
                let (own, rest) = row.split_at_mut(split(vocabulary, parts, i).len());
                part.push(own);
                row = rest;
            }
        }
        all.into_iter().map(Mutex::new).collect()
    };
    tokens.chunks(team.block).map(block).collect()
}

/// What the members share.
struct Team<'a> {
    engine: &'a Cpu,
    members: usize,
    /// Into so many parts the rows of a matrix and the heads are cut.
    parts: usize,
    /// Tokens that go through the layers together.
    block: usize,
    barrier: Barrier,
    rows: Board<Vec<i32>>,
    inputs: Board<Vec<Input>>,
}

/// Part `index` of `n` things.
fn split(n: usize, parts: usize, index: usize) -> Range<usize> {
    n * index / parts..n * (index + 1) / parts
}

/// The rows that were published: each part has some of the rows, token after token.
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
    fn group(&self, kernel: Kernel) -> Group<'_> {
        kernel.group(match self {
            Inputs::Own(own) => own.iter().collect(),
            Inputs::All(parts) => parts.iter().flat_map(|part| part.iter()).collect(),
        })
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

    fn run(&mut self, tokens: &[FedToken], from: Begin<'_>, logits: &[Vec<LogitRows<'_>>]) {
        let dim = self.manifest.dim as usize;
        for (i, (tokens, logits)) in tokens.chunks(self.team.block).zip(logits).enumerate() {
            let given = from.and_then(|(_, x)| x.get(i * self.team.block * dim..));
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
        let plan = Plan::new(tokens, heads, kv_heads, self.team.parts);
        Block {
            tokens,
            sequences,
            plan,
            residual: tokens[own.clone()].iter().enumerate().map(start).collect(),
            own,
            all,
        }
    }

    /// Takes parts as long as there are any, computes their page and publishes it; then waits for the others. `rows` says
    /// how many rows all parts have.
    fn publish(&mut self, rows: usize, mut compute: impl FnMut(&mut Self, usize)) -> Rows<'a> {
        while let Some(part) = self.team.barrier.take(self.team.parts) {
            compute(self, part);
            let page = core::mem::take(&mut self.page);
            self.page = self.team.rows.publish(self.rows_turn, part, page);
        }
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

    /// A matrix times all inputs.
    fn multiply(&mut self, matrix: Matrix<'_>, beside: &Beside, inputs: &Inputs<'_>) -> Rows<'a> {
        let inputs = &inputs.group(self.kernel);
        self.publish(matrix.rows, |member, part| {
            let rows = split(matrix.rows, member.team.parts, part);
            multiply(member.kernel, &Product { matrix, beside, rows, inputs }, &mut member.page);
        })
    }

    /// Adds the matrix times the inputs to the residual streams.
    fn add(&mut self, block: &mut Block<'_>, matrix: Matrix<'_>, beside: &Beside, inputs: Inputs<'_>) {
        let outputs = self.multiply(matrix, beside, &inputs);
        drop(inputs);
        for (token, x) in block.own.clone().zip(&mut block.residual) {
            self.memory.clear();
            outputs.copy(token, 0..matrix.rows, &mut self.memory);
            residual::add(x, &self.memory);
        }
    }

    fn attention(&mut self, block: &mut Block<'_>, index: usize, layer: &Layer<'_>, beside: &BesideLayer) {
        let width = self.manifest.head_dim as usize;
        let (heads, kv_heads) = (self.manifest.heads as usize, self.manifest.kv_heads as usize);
        let own = block.residual.iter().map(|x| self.normalised(x, layer.attention_norm)).collect();
        let inputs = self.share(own, block.all);
        let qkv = self.multiply(layer.qkv, &beside.qkv, &inputs);
        drop(inputs);

        // All keys and values first: a token then looks back only.
        let mut value = Vec::with_capacity(width);
        while let Some(kv) = self.team.barrier.take(kv_heads) {
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
        let attended = self.publish(0, |member, part| member.attend(block, part, index, layer, beside, &qkv));
        drop(qkv);
        let own = block.own.clone().map(|t| {
            self.memory.clear();
            for (part, before) in block.plan.places(t) {
                self.memory.extend_from_slice(&attended.parts[*part][before * width..(before + 1) * width]);
            }
            self.kernel.input(&self.memory, beside.attention_fraction)
        });
        let own = own.collect();
        drop(attended);
        let inputs = self.share(own, block.all);
        self.add(block, layer.output, &beside.output, inputs);
    }

    /// Attention's outputs for a part of the queries, to the page.
    fn attend(
        &mut self,
        block: &Block<'_>,
        part: usize,
        index: usize,
        layer: &Layer<'_>,
        beside: &BesideLayer,
        qkv: &Rows<'_>,
    ) {
        let width = self.manifest.head_dim as usize;
        self.page.clear();
        for unit in block.plan.units.iter().skip(part).step_by(self.team.parts) {
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
    }

    fn mlp(&mut self, block: &mut Block<'_>, layer: &Layer<'_>, beside: &BesideLayer) {
        let own = block.residual.iter().map(|x| self.normalised(x, layer.mlp_norm)).collect();
        let inputs = self.share(own, block.all);
        let hidden = self.manifest.hidden as usize;
        let (group, table) = (inputs.group(self.kernel), self.package.activation());
        let rows = self.publish(hidden, |member, part| {
            let rows = split(hidden, member.team.parts, part);
            let up = |rows| Product { matrix: layer.up, beside: &beside.up, rows, inputs: &group };
            multiply(member.kernel, &up(rows.clone()), &mut member.page);
            match member.manifest.mlp {
                MlpKind::Gated => {
                    multiply(member.kernel, &up(rows.start + hidden..rows.end + hidden), &mut member.memory);
                    member.kernel.gate(table, &mut member.page, &member.memory);
                }
                MlpKind::Plain => member.kernel.activate(table, &mut member.page),
            }
        });
        drop(group);
        drop(inputs);
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

    /// Writes the logits.
    fn logits(&mut self, block: &Block<'_>, out: &[LogitRows<'_>]) {
        let wanted = block.tokens.iter().filter(|t| t.wants_logits).count();
        if wanted == 0 {
            return;
        }
        let own = block.tokens[block.own.clone()].iter().zip(&block.residual).filter(|(t, _)| t.wants_logits);
        let own = own.map(|(_, x)| self.normalised(x, self.package.final_norm())).collect();
        let inputs = self.share(own, block.all);
        let (matrix, beside) = (self.package.head(), &self.team.engine.prepared.head);
        let inputs = &inputs.group(self.kernel);
        while let Some(part) = self.team.barrier.take(out.len()) {
            let rows = split(matrix.rows, out.len(), part);
            let mut out = out[part].lock().unwrap_or_else(PoisonError::into_inner);
            self.kernel.multiply(&Product { matrix, beside, rows, inputs }, &mut out);
        }
        self.team.barrier.wait();
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
