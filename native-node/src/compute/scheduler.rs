//! Which jobs run, and what each pass of an engine is fed.

use super::memory::{Memory, MemoryError, sequence_bytes};
use super::task::{Done, State, Task, Work};
use camelid_core::hash::{JobId, ModelRoot};
use camelid_core::model::{Engine, EngineError, Feed, Logits, Package, SequenceId, Want};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Makes a model's engine.
pub type Opener = Box<dyn FnMut(&Arc<Package>) -> Result<Box<dyn Engine>, EngineError> + Send>;

/// How much runs at once.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Jobs, of all models together.
    pub jobs: usize,
    /// Keys and values, of all models together.
    pub memory: Memory,
    /// Tokens in one pass while an answer is being generated: it waits for its next token so long.
    pub step: usize,
    /// Tokens in one pass when nothing is generated: a prompt or a check goes fastest in long pieces.
    pub wide_step: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { jobs: 32, memory: Memory::usual(), step: 64, wide_step: 256 }
    }
}

impl Limits {
    /// Whether a sequence of so many tokens can ever be computed.
    pub fn fits(&self, package: &Package, tokens: u64) -> Result<(), MemoryError> {
        let needed = sequence_bytes(package, tokens);
        if needed <= self.memory { Ok(()) } else { Err(MemoryError { tokens, needed, limit: self.memory }) }
    }
}

struct Waiting {
    work: Work,
    /// It was in a pass that panicked: it runs by itself, so that the guilty one harms nobody else.
    alone: bool,
}

struct Running {
    task: Task,
    sequence: SequenceId,
    reserved: Memory,
    alone: bool,
}

/// One model's engine and the jobs in its passes.
struct Line {
    engine: Box<dyn Engine>,
    running: Vec<Running>,
    /// Its device failed: the next job gets a new engine.
    worn: bool,
}

/// Continuous batching: at each step one model's jobs go through its engine together. Jobs start in the order in
/// which they came, as soon as there is memory for their whole length, so none fails for memory later.
pub struct Scheduler {
    open: Opener,
    limits: Limits,
    waiting: VecDeque<Waiting>,
    lines: BTreeMap<ModelRoot, Line>,
    /// The model of the last step; the next one's turn is next.
    turn: ModelRoot,
    reserved: Memory,
}

impl Scheduler {
    /// With nothing to do.
    pub fn new(open: Opener, limits: Limits) -> Self {
        let (waiting, lines) = (VecDeque::new(), BTreeMap::new());
        Scheduler { open, limits, waiting, lines, turn: ModelRoot::default(), reserved: Memory(0) }
    }

    /// Queues work.
    pub fn add(&mut self, work: Work) {
        self.waiting.push_back(Waiting { work, alone: false });
    }

    /// Drops a job's work.
    pub fn cancel(&mut self, job: &JobId) {
        self.waiting.retain(|w| w.work.job() != job);
        let reserved = &mut self.reserved;
        for line in self.lines.values_mut() {
            line.leave(reserved, |r| r.task.work.job() == job);
        }
    }

    /// Whether there is nothing to do.
    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.lines.values().all(|line| line.running.is_empty())
    }

    /// Jobs in passes, and jobs that wait.
    pub fn load(&self) -> (usize, usize) {
        (self.lines.values().map(|line| line.running.len()).sum(), self.waiting.len())
    }

    /// Starts what can start, and one pass of one engine. Gives what came to an end.
    pub fn step(&mut self) -> Vec<Done> {
        let mut done = Vec::new();
        while let Some(next) = self.waiting.pop_front() {
            if let Some(kept) = self.start(next, &mut done) {
                self.waiting.push_front(kept);
                break;
            }
        }
        let busy = |line: &Line| !line.running.is_empty();
        let after = self.lines.range((Bound::Excluded(self.turn), Bound::Unbounded));
        if let Some((root, _)) = after.chain(&self.lines).find(|(_, line)| busy(line)) {
            self.turn = *root;
            self.pass(&mut done);
        }
        done
    }

    /// Gives a job its sequence; gives it back if it must wait.
    fn start(&mut self, next: Waiting, done: &mut Vec<Done>) -> Option<Waiting> {
        let (package, tokens) = (next.work.package().clone(), next.work.tokens());
        if let Err(error) = self.limits.fits(&package, tokens) {
            done.push(next.work.failed(error.to_string()));
            return None;
        }
        let root = package.root();
        let reserved = sequence_bytes(&package, tokens);
        let line = self.lines.get(&root);
        let others = line.map_or(0, |line| line.running.len());
        let alone = next.alone || line.is_some_and(|line| line.running.iter().any(|r| r.alone));
        let full = self.load().0 >= self.limits.jobs.max(1) || self.reserved.0 + reserved.0 > self.limits.memory.0;
        if full || (alone && others > 0) {
            return Some(next);
        }
        if line.is_some_and(|line| line.worn && others == 0) {
            self.lines.remove(&root);
        }
        let line = match self.lines.entry(root) {
            Entry::Occupied(line) => line.into_mut(),
            Entry::Vacant(place) => {
                let opened = catch_unwind(AssertUnwindSafe(|| (self.open)(&package).map_err(|e| e.to_string())));
                match opened.unwrap_or_else(|panic| Err(panicked(&*panic))) {
                    Ok(engine) => place.insert(Line { engine, running: Vec::new(), worn: false }),
                    Err(error) => {
                        done.push(next.work.failed(error));
                        return None;
                    }
                }
            }
        };
        let task = match State::new(&next.work, line.engine.info()) {
            Ok(state) => Task::new(next.work, state),
            Err(error) => {
                done.push(next.work.failed(error.to_string()));
                return None;
            }
        };
        if task.piece(1).is_none() {
            done.push(task.finish(line.engine.name()));
            return None;
        }
        match line.engine.open() {
            Ok(sequence) => {
                self.reserved.0 += reserved.0;
                line.running.push(Running { task, sequence, reserved, alone: next.alone });
            }
            Err(error) => done.push(task.work.failed(error.to_string())),
        }
        None
    }

    /// One pass of the engine whose turn it is.
    fn pass(&mut self, done: &mut Vec<Done>) {
        let Some(line) = self.lines.get_mut(&self.turn) else { return };
        let pieces = line.shares(&self.limits);
        match catch_unwind(AssertUnwindSafe(|| line.forward(&pieces))) {
            Ok(results) => line.advance(results, &mut self.reserved, done),
            Err(panic) => {
                // What the engine holds is not to be trusted any more.
                let line = self.lines.remove(&self.turn);
                for job in line.into_iter().flat_map(|line| line.running).rev() {
                    self.reserved.0 -= job.reserved.0;
                    let work = job.task.work;
                    if pieces.len() > 1 {
                        self.waiting.push_front(Waiting { work, alone: true });
                    } else {
                        done.push(work.failed(panicked(&*panic)));
                    }
                }
            }
        }
    }
}

/// What a panic said.
fn panicked(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("the engine panicked: {}", text.unwrap_or("no reason given"))
}

impl Line {
    /// How many tokens each running job may feed: answers in the making one each, what is left shared by the others.
    fn shares(&self, limits: &Limits) -> Vec<usize> {
        let decoding = self.running.iter().filter(|r| r.task.is_decoding()).count();
        let feeding = self.running.len() - decoding;
        let budget = if decoding > 0 { limits.step.saturating_sub(decoding) } else { limits.wide_step };
        let share = (budget / feeding.max(1)).max(1);
        self.running.iter().map(|r| if r.task.is_decoding() { 1 } else { share }).collect()
    }

    /// One pass. An error in it changes nothing, so each job is then tried by itself: only the guilty one fails.
    fn forward(&mut self, shares: &[usize]) -> Vec<Result<(usize, Logits), EngineError>> {
        let feed = |(r, share): (&Running, &usize)| {
            let (tokens, want) = r.task.piece(*share).unwrap_or((&[], Want::Nothing));
            (r.sequence, tokens.to_vec(), want)
        };
        let pieces: Vec<_> = self.running.iter().zip(shares).map(feed).collect();
        let feeds: Vec<Feed<'_>> =
            pieces.iter().map(|(sequence, tokens, want)| Feed { sequence: *sequence, tokens, want: *want }).collect();
        let lengths = feeds.iter().map(|f| f.tokens.len());
        let missing = || EngineError::Device("it gave fewer logits than asked for".into());
        match self.engine.forward(&feeds) {
            Ok(logits) => {
                let mut logits = logits.into_iter();
                lengths.map(|n| logits.next().map(|l| (n, l)).ok_or_else(missing)).collect()
            }
            Err(error) if feeds.len() == 1 => vec![Err(error)],
            Err(_) => {
                let engine = &mut self.engine;
                let mut one = |feed: &Feed<'_>| {
                    let logits = engine.forward(std::slice::from_ref(feed))?;
                    Ok((feed.tokens.len(), logits.into_iter().next().ok_or_else(missing)?))
                };
                feeds.iter().map(&mut one).collect()
            }
        }
    }

    /// Hands the logits out; what is finished or failed leaves.
    fn advance(
        &mut self,
        results: Vec<Result<(usize, Logits), EngineError>>,
        reserved: &mut Memory,
        done: &mut Vec<Done>,
    ) {
        let running = std::mem::take(&mut self.running);
        for (mut job, result) in running.into_iter().zip(results) {
            self.worn |= matches!(result, Err(EngineError::Device(_)));
            let step = result.map_err(|e| e.to_string()).and_then(|(fed, logits)| job.task.advance(fed, &logits));
            let ended = match step {
                Ok(false) => {
                    self.running.push(job);
                    continue;
                }
                Ok(true) => job.task.finish(self.engine.name()),
                Err(error) => job.task.work.failed(error),
            };
            self.engine.close(job.sequence);
            reserved.0 -= job.reserved.0;
            done.push(ended);
        }
    }

    /// Takes jobs out.
    fn leave(&mut self, reserved: &mut Memory, which: impl Fn(&Running) -> bool) {
        for job in self.running.extract_if(.., |r| which(r)) {
            self.engine.close(job.sequence);
            reserved.0 -= job.reserved.0;
        }
    }
}
