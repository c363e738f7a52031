//! The models that a node has, and the thread that runs them.

use crate::config::EngineChoice;
use crate::models::{ModelError, ModelStore, Stored};
use camelid_core::deal::{DealVerdict, VerifyMode, WrongToken};
use camelid_core::hash::{JobId, ModelRoot};
use camelid_core::model::cpu::Kernel;
use camelid_core::model::{Cpu, Engine, Package, Reference, Sampling, generate};
use camelid_core::rastic;
use camelid_core::units::TokenId;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::time::Instant;

/// Why a model is not to be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShelfError {
    /// No such model here.
    #[error(
        "no model `{name}` here; there is {available}; bring one with `camelid model import`, then restart the node"
    )]
    Unknown {
        /// What was asked for.
        name: String,
        /// The names of those there are.
        available: String,
    },
    /// Two models have this name.
    #[error("{count} models are named `{name}`: give the root, or the start of it, instead")]
    Ambiguous {
        /// What was asked for.
        name: String,
        /// How many fit.
        count: usize,
    },
}

/// The models that are loaded, by root.
#[derive(Clone, Debug, Default)]
pub struct ModelShelf {
    models: BTreeMap<ModelRoot, Arc<Package>>,
    files: BTreeMap<ModelRoot, PathBuf>,
    served: BTreeSet<ModelRoot>,
}

impl ModelShelf {
    /// Loads every model of a store, and those that are to be served: names, roots or files.
    pub fn load(store: &ModelStore, serve: &[String]) -> Result<Self, ModelError> {
        let mut shelf = ModelShelf::default();
        let (stored, broken) = store.list()?;
        for error in broken {
            tracing::warn!(%error, "left out");
        }
        for model in stored {
            shelf.add(model.file)?;
        }
        for name in serve {
            let root = shelf.add(store.find(name)?)?;
            shelf.served.insert(root);
        }
        Ok(shelf)
    }

    fn add(&mut self, file: PathBuf) -> Result<ModelRoot, ModelError> {
        let package = crate::models::load(&file)?;
        let root = package.root();
        self.models.insert(root, Arc::new(package));
        self.files.insert(root, file);
        Ok(root)
    }

    /// A model by its root.
    pub fn get(&self, root: &ModelRoot) -> Option<&Arc<Package>> {
        self.models.get(root)
    }

    /// A model by its root, if it is served.
    pub fn get_served(&self, root: &ModelRoot) -> Option<&Arc<Package>> {
        self.models.get(root).filter(|_| self.served.contains(root))
    }

    /// The roots of the models that are served.
    pub fn served(&self) -> impl Iterator<Item = ModelRoot> {
        self.served.iter().copied()
    }

    /// A model by the name that it has here (its file's) or of its own, its root, or the start of its root.
    pub fn find(&self, name: &str) -> Result<&Arc<Package>, ShelfError> {
        let file = |root| self.files.get(&root).and_then(|f| f.file_stem()).is_some_and(|stem| stem == name);
        let fits = |p: &&Arc<Package>| {
            p.info().name == name
                || file(p.root())
                || (name.len() >= 6 && p.root().to_string().starts_with(&name.to_ascii_lowercase()))
        };
        let found: Vec<_> = self.models.values().filter(fits).collect();
        match found[..] {
            [one] => Ok(one),
            [] => Err(ShelfError::Unknown { name: name.into(), available: self.names() }),
            _ => Err(ShelfError::Ambiguous { name: name.into(), count: found.len() }),
        }
    }

    fn names(&self) -> String {
        if self.models.is_empty() {
            return "none".into();
        }
        self.models.values().map(|p| p.info().name).collect::<Vec<_>>().join(", ")
    }

    /// The models, and where they are.
    pub fn stored(&self) -> Vec<Stored> {
        let file = |root| self.files.get(root).cloned().unwrap_or_default();
        self.models.iter().map(|(root, p)| Stored { file: file(root), info: p.info() }).collect()
    }
}

/// Work for the model thread.
#[derive(Debug)]
pub enum Work {
    /// Generate an answer.
    Generate {
        /// For this job.
        job: JobId,
        /// With this model.
        package: Arc<Package>,
        /// The prompt's tokens.
        prompt: Vec<TokenId>,
        /// How tokens are drawn.
        sampling: Sampling,
        /// The seed.
        seed: u64,
        /// The most tokens.
        limit: u32,
    },
    /// Check an answer.
    Check(AnswerCheck),
}

/// An answer to check.
#[derive(Debug)]
pub struct AnswerCheck {
    /// For this job.
    pub job: JobId,
    /// With this model.
    pub package: Arc<Package>,
    /// The prompt's tokens.
    pub prompt: Vec<TokenId>,
    /// The answer's tokens.
    pub answer: Vec<TokenId>,
    /// How tokens are drawn.
    pub sampling: Sampling,
    /// The seed.
    pub seed: u64,
    /// The most tokens.
    pub limit: u32,
    /// How much.
    pub mode: VerifyMode,
    /// The client's own randomness, for a spot check.
    pub random: u64,
}

/// What came of it.
#[derive(Debug)]
pub enum Done {
    /// An answer, and the milliseconds that it took.
    Generated(JobId, Result<(Vec<TokenId>, u32), String>),
    /// A verdict.
    Checked(JobId, Result<DealVerdict, String>),
}

/// A thread that runs the models, one piece of work after another.
#[derive(Clone, Debug)]
pub struct ModelThread {
    queue: mpsc::Sender<Work>,
}

impl ModelThread {
    /// Starts it with an engine of that kind; what is done goes to `done`.
    pub fn start(choice: EngineChoice, done: impl Fn(Done) + Send + 'static) -> Self {
        let (queue, work) = mpsc::channel();
        std::thread::Builder::new()
            .name("model".into())
            .spawn(move || {
                let mut engines = Engines { choice, open: BTreeMap::new() };
                while let Ok(next) = work.recv() {
                    done(engines.run(next));
                }
            })
            .expect("the system can start a thread");
        ModelThread { queue }
    }

    /// Queues work. It is lost if the thread is gone, which ends the process anyway.
    pub fn send(&self, work: Work) {
        let _ = self.queue.send(work);
    }
}

struct Engines {
    choice: EngineChoice,
    open: BTreeMap<ModelRoot, Box<dyn Engine>>,
}

impl Engines {
    fn engine(&mut self, package: &Arc<Package>) -> &mut dyn Engine {
        let open = || -> Box<dyn Engine> {
            match self.choice {
                EngineChoice::Auto | EngineChoice::Cpu => Box::new(Cpu::new(package.clone())),
                EngineChoice::Reference => Box::new(Reference::new(package.clone())),
            }
        };
        &mut **self.open.entry(package.root()).or_insert_with(open)
    }

    fn run(&mut self, work: Work) -> Done {
        let start = Instant::now();
        match work {
            Work::Generate { job, package, prompt, sampling, seed, limit } => {
                let mut go_on = |_| ControlFlow::Continue(());
                let answer = generate(self.engine(&package), &prompt, &sampling, seed, limit, &mut go_on);
                let ms = start.elapsed().as_millis() as u32;
                Done::Generated(job, answer.map(|g| (g.tokens, ms)).map_err(|e| e.to_string()))
            }
            Work::Check(check) => {
                let verdict = self.check(&check);
                let verdict = verdict.map(|v| DealVerdict { verify_ms: start.elapsed().as_millis() as u32, ..v });
                Done::Checked(check.job, verdict)
            }
        }
    }

    /// The engine's name, as verdicts say it.
    fn name(&self) -> String {
        match self.choice {
            EngineChoice::Auto | EngineChoice::Cpu => format!("cpu ({})", Kernel::best().name()),
            EngineChoice::Reference => "reference".into(),
        }
    }

    fn check(&mut self, c: &AnswerCheck) -> Result<DealVerdict, String> {
        let plan = match c.mode {
            VerifyMode::Full => rastic::Plan::Full,
            VerifyMode::Spot => rastic::Plan::Spot { random: c.random },
            VerifyMode::None => rastic::Plan::None,
        };
        let claim =
            rastic::Claim { prompt: &c.prompt, answer: &c.answer, limit: c.limit, sampling: c.sampling, seed: c.seed };
        let verdict = rastic::check(self.engine(&c.package), &claim, plan, &mut |_| {}).map_err(|e| e.to_string())?;
        let wrong = verdict.positions.iter().filter(|p| !p.is_right());
        Ok(DealVerdict {
            checked: verdict.positions.len() as u32,
            wrong: wrong.map(|p| WrongToken { position: p.index, found: p.found, expected: p.expected }).collect(),
            problem: verdict.faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
            verify_ms: 0,
            engine: self.name(),
        })
    }
}
