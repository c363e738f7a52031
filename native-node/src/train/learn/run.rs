//! A training run: steps, measurements, checkpoints.

use super::batches::Corpus;
use super::checkpoint::Checkpoint;
use super::network::Network;
use super::optimiser::{Moments, Optimiser};
use super::shape::ModelShape;
use super::{TrainError, curve, weights, write_whole};
use burn::tensor::Device;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What is trained, from what and how: the same plan gives the same weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The model's shape; windows are as long as its context.
    pub shape: ModelShape,
    /// Fingerprint of the tokens learned from.
    pub corpus: String,
    /// How many there are.
    pub tokens: u64,
    /// Root of the package that it begins with; without, it begins from nothing.
    #[serde(default)]
    pub from: Option<String>,
    /// Fixes the first weights, where it begins from nothing, and the windows drawn.
    pub seed: u64,
    /// Steps in all.
    pub steps: u64,
    /// Windows a step.
    pub batch: usize,
    /// Windows of a part: a step's parts are computed side by side, its gradient is their sum in their order.
    pub part: usize,
    /// How weights follow the gradient.
    pub optimiser: Optimiser,
    /// Steps from one measurement to the next.
    pub measure_every: u64,
}

/// How it went after some steps.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Steps done.
    pub step: u64,
    /// Mean loss of the steps since the point before, in nats a token.
    pub loss: f64,
    /// Loss on held-out texts, in nats a token.
    pub held_out: f64,
}

/// How a run went so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Course {
    /// Steps done.
    pub step: u64,
    /// Seconds of computing, over all its runs.
    pub seconds: f64,
    /// Sum of the losses since the last point.
    pub since: f64,
    /// The points.
    pub points: Vec<Point>,
}

/// Where a run keeps its files.
#[derive(Clone, Debug)]
pub struct Files {
    dir: PathBuf,
}

impl Files {
    /// In this folder.
    pub fn at(dir: impl Into<PathBuf>) -> Self {
        Files { dir: dir.into() }
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The checkpoint.
    pub fn checkpoint(&self) -> PathBuf {
        self.dir.join("checkpoint")
    }

    /// The tokenizer that it was begun with.
    pub fn tokenizer(&self) -> PathBuf {
        self.dir.join("tokenizer")
    }

    /// The loss curve.
    pub fn curve(&self) -> PathBuf {
        self.dir.join("loss.svg")
    }
}

/// What is told while it trains.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Progress {
    /// Steps done.
    pub step: u64,
    /// Steps in all.
    pub steps: u64,
    /// The last step's loss, in nats a token.
    pub loss: f64,
    /// The last measurement on held-out texts.
    pub held_out: Option<f64>,
    /// Tokens a second, in this run.
    pub tokens_per_second: f64,
    /// Seconds left at this rate.
    pub seconds_left: f64,
}

/// A run in memory.
pub struct Run<'a> {
    /// What a checkpoint keeps.
    pub state: Checkpoint,
    corpus: &'a Corpus,
    held_out: super::Batch,
    network: Network,
}

impl<'a> Run<'a> {
    /// Windows of held-out texts that are measured.
    const HELD_OUT: usize = 64;

    /// A run that begins, with these weights where some are given.
    pub fn begin(
        plan: Plan,
        weights: Option<Vec<f32>>,
        corpus: &'a Corpus,
        held_out: &Corpus,
        device: Device,
    ) -> Result<Self, TrainError> {
        plan.check()?;
        let weights = weights.unwrap_or_else(|| weights::first(&plan.shape, plan.seed));
        let moments = Moments::zero(weights.len());
        Ok(Self::with(Checkpoint { plan, course: Course::default(), weights, moments }, corpus, held_out, device))
    }

    /// A run that goes on: `plan` is what it is to be now. `file` is where `state` came from. Its texts may have grown,
    /// and the number of steps and what the optimiser does may change.
    pub fn resume(
        state: Checkpoint,
        plan: Plan,
        corpus: &'a Corpus,
        held_out: &Corpus,
        device: Device,
        file: &Path,
    ) -> Result<Self, TrainError> {
        plan.check()?;
        let old = &state.plan;
        let differs = [
            (old.shape != plan.shape, "a model of another shape"),
            (old.corpus != corpus.fingerprint(old.tokens), "other texts, or with another tokenizer"),
            (old.seed != plan.seed, "with another seed"),
            (old.batch != plan.batch || old.part != plan.part, "with batches of another size"),
        ];
        if let Some((_, what)) = differs.iter().find(|d| d.0) {
            let reason = format!("it trains {what}: leave those options out to go on with it, or name another --out");
            return Err(TrainError::Checkpoint { file: file.into(), reason });
        }
        Ok(Self::with(Checkpoint { plan, ..state }, corpus, held_out, device))
    }

    fn with(state: Checkpoint, corpus: &'a Corpus, held_out: &Corpus, device: Device) -> Self {
        let held_out = held_out.first(Self::HELD_OUT, state.plan.shape.context);
        let network = Network::new(&state.plan.shape, device);
        Run { state, corpus, held_out, network }
    }

    /// Trains up to step `until`, or until `stop` says so; keeps checkpoints in `files`, one at least every `save_every`
    /// and one at the end.
    pub fn train(
        &mut self,
        until: u64,
        files: &Files,
        save_every: Duration,
        stop: &dyn Fn() -> bool,
        progress: &mut dyn FnMut(&Progress),
    ) -> Result<(), TrainError> {
        let started = Instant::now();
        let before = self.state.course.seconds;
        let first = self.state.course.step;
        let until = until.min(self.state.plan.steps);
        let mut saved = Instant::now();
        while self.state.course.step < until && !stop() {
            let loss = self.step()?;
            let course = &mut self.state.course;
            course.seconds = before + started.elapsed().as_secs_f64();
            let done = course.step - first;
            let plan = &self.state.plan;
            let tokens = (plan.batch * plan.shape.context) as f64;
            let rate = done as f64 / started.elapsed().as_secs_f64().max(1e-9);
            progress(&Progress {
                step: course.step,
                steps: plan.steps,
                loss,
                held_out: course.points.last().map(|p| p.held_out),
                tokens_per_second: rate * tokens,
                seconds_left: (plan.steps - course.step) as f64 / rate.max(1e-9),
            });
            if saved.elapsed() >= save_every {
                self.save(files)?;
                saved = Instant::now();
            }
        }
        self.save(files)
    }

    /// One step; measures where the plan says so. Gives the step's loss.
    fn step(&mut self) -> Result<f64, TrainError> {
        let Checkpoint { plan, course, weights, moments } = &mut self.state;
        let batch = self.corpus.draw(plan.batch, plan.shape.context, plan.seed, course.step);
        let parts: Vec<_> = batch.parts(plan.part).collect();
        let learn = |part: &super::Batch| {
            let share = part.rows as f64 / batch.rows as f64;
            let mut gradient = vec![0.0; weights.len()];
            (share * self.network.learn(weights, part, share as f32, &mut gradient), gradient)
        };
        let learned: Vec<(f64, Vec<f32>)> = parts.par_iter().map(learn).collect();
        let loss: f64 = learned.iter().map(|(loss, _)| loss).sum();
        let mut gradients = learned.into_iter().map(|(_, gradient)| gradient);
        let mut gradient = gradients.next().unwrap_or_default();
        for other in gradients {
            gradient.iter_mut().zip(other).for_each(|(sum, g)| *sum += g);
        }
        let place = (course.step, plan.steps);
        let length = plan.optimiser.length(&gradient);
        if !(loss.is_finite() && length.is_finite()) {
            return Err(TrainError::Diverged { step: course.step + 1 });
        }
        plan.optimiser.step(&plan.shape, place, weights, &gradient, moments);
        course.step += 1;
        course.since += loss;
        let last = course.points.last().map_or(0, |p| p.step);
        if course.step.is_multiple_of(plan.measure_every.max(1)) || course.step == plan.steps {
            let parts: Vec<_> = self.held_out.parts(plan.part).collect();
            let measured: Vec<f64> =
                parts.par_iter().map(|p| p.rows as f64 * self.network.measure(weights, p)).collect();
            let sum = measured.iter().sum::<f64>();
            let held_out = sum / self.held_out.rows.max(1) as f64;
            course.points.push(Point { step: course.step, loss: course.since / (course.step - last) as f64, held_out });
            course.since = 0.0;
        }
        Ok(loss)
    }

    fn save(&self, files: &Files) -> Result<(), TrainError> {
        self.state.write(&files.checkpoint())?;
        let tokens = (self.state.plan.batch * self.state.plan.shape.context) as f64;
        match self.state.course.points.len() {
            0 | 1 => Ok(()),
            _ => write_whole(&files.curve(), curve(&self.state.course.points, tokens, &files.curve())?.as_bytes()),
        }
    }
}

impl Plan {
    /// Checks that it can be carried out.
    pub fn check(&self) -> Result<(), TrainError> {
        self.shape.check()?;
        let setting = |name, found: String, expected: &str, good: bool| match good {
            true => Ok(()),
            false => Err(TrainError::Setting { name, found, expected: expected.into() }),
        };
        let o = &self.optimiser;
        setting("--steps", self.steps.to_string(), "1 to 10000000", (1..=10_000_000).contains(&self.steps))?;
        setting("--batch", self.batch.to_string(), "1 to 4096", (1..=4096).contains(&self.batch))?;
        setting("--part", self.part.to_string(), "1 to --batch", (1..=self.batch).contains(&self.part))?;
        setting("--rate", o.rate.to_string(), "above 0, at most 1", o.rate > 0.0 && o.rate <= 1.0)?;
        setting("--decay", o.decay.to_string(), "0 to 1", (0.0..=1.0).contains(&o.decay))?;
        setting("--clip", o.clip.to_string(), "above 0", o.clip > 0.0)
    }
}
