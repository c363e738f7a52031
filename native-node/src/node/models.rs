//! The models that a node has, and the thread that runs them.

use camelid_core::deal::{DealVerdict, VerifyMode, WrongToken};
use camelid_core::hash::{JobId, ModelRoot};
use camelid_core::model::{Engine, ModelInfo, Package, Reference, Sampling, generate};
use camelid_core::rastic;
use camelid_core::units::TokenId;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::Instant;

/// How a package's file name ends.
pub const PACKAGE_SUFFIX: &str = "camelid";

/// Why a model is not there.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The file cannot be read.
    #[error("model {}: {source}; give the path of a package that `camelid model import` wrote", .file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The file is no package.
    #[error("model {}: {reason}; import it again with `camelid model import`", .file.display())]
    Package {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// No such model here.
    #[error("no model {name:?} here; there is {available}; add one with `camelid model import` or --model PATH")]
    Unknown {
        /// What was asked for.
        name: String,
        /// The names of those there are.
        available: String,
    },
    /// Two models have this name.
    #[error("{count} models are named {name:?}: give the root, or the start of it, instead")]
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
}

impl ModelShelf {
    /// Loads packages by path, and all in `dir` if it is there.
    pub fn load(paths: &[PathBuf], dir: &Path) -> Result<Self, ModelError> {
        let mut shelf = ModelShelf::default();
        for path in paths {
            shelf.add(path)?;
        }
        let read = |source| ModelError::Read { file: dir.to_path_buf(), source };
        if dir.is_dir() {
            for entry in std::fs::read_dir(dir).map_err(read)? {
                let path = entry.map_err(read)?.path();
                if path.extension().is_some_and(|e| e == PACKAGE_SUFFIX) {
                    shelf.add(&path)?;
                }
            }
        }
        Ok(shelf)
    }

    /// Loads one package.
    pub fn add(&mut self, file: &Path) -> Result<ModelRoot, ModelError> {
        let bytes = std::fs::read(file).map_err(|source| ModelError::Read { file: file.to_path_buf(), source })?;
        let package = Package::parse(bytes)
            .map_err(|e| ModelError::Package { file: file.to_path_buf(), reason: e.to_string() })?;
        let root = package.root();
        self.models.insert(root, Arc::new(package));
        Ok(root)
    }

    /// A model by its root.
    pub fn get(&self, root: &ModelRoot) -> Option<&Arc<Package>> {
        self.models.get(root)
    }

    /// A model by its name, its root, or the start of its root.
    pub fn find(&self, name: &str) -> Result<&Arc<Package>, ModelError> {
        let fits = |p: &&Arc<Package>| {
            p.info().name == name || (name.len() >= 6 && p.root().to_string().starts_with(&name.to_ascii_lowercase()))
        };
        let found: Vec<_> = self.models.values().filter(fits).collect();
        match found[..] {
            [one] => Ok(one),
            [] => Err(ModelError::Unknown { name: name.into(), available: self.names() }),
            _ => Err(ModelError::Ambiguous { name: name.into(), count: found.len() }),
        }
    }

    fn names(&self) -> String {
        if self.models.is_empty() {
            return "none".into();
        }
        self.models.values().map(|p| p.info().name).collect::<Vec<_>>().join(", ")
    }

    /// What the models are.
    pub fn infos(&self) -> Vec<ModelInfo> {
        self.models.values().map(|p| p.info()).collect()
    }

    /// The roots of all models.
    pub fn roots(&self) -> impl Iterator<Item = ModelRoot> {
        self.models.keys().copied()
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
    /// Starts it; what is done goes to `done`.
    pub fn start(done: impl Fn(Done) + Send + 'static) -> Self {
        let (queue, work) = mpsc::channel();
        std::thread::Builder::new()
            .name("model".into())
            .spawn(move || {
                let mut engines = Engines::default();
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

#[derive(Default)]
struct Engines {
    open: BTreeMap<ModelRoot, Box<dyn Engine>>,
}

impl Engines {
    fn engine(&mut self, package: &Arc<Package>) -> &mut dyn Engine {
        &mut **self.open.entry(package.root()).or_insert_with(|| Box::new(Reference::new(package.clone())))
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
            engine: "reference".into(),
        })
    }
}
