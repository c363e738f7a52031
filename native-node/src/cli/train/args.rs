//! The grammar of `camelid train`.

use crate::cli::args::thousandths;
use crate::compute::Memory;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// `camelid train`.
#[derive(Debug, Subcommand)]
pub enum TrainCommand {
    /// Sample texts from a model into a file; a run that was cut off goes on
    Sample(SampleArgs),
    /// Tell tales from the program's own grammar into a file: texts whose plots hold together
    Tales(TalesArgs),
    /// Learn a tokenizer from texts
    Tokenizer(TokenizerArgs),
    /// Train a small Llama from texts; stop it with Ctrl-C, go on with --resume
    Run(Box<TrainRunArgs>),
    /// Make a package of a run's weights, and measure it
    Export(ExportArgs),
    /// Show how a model continues ten story openings, greedily and sampled, as Markdown
    Stories(StoriesArgs),
}

/// `camelid train sample`.
#[derive(Debug, Args)]
pub struct SampleArgs {
    /// The model: its name, its root, or its file with the path
    #[arg(long)]
    pub model: String,
    /// The file of texts
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// How much text
    #[arg(long, value_name = "SIZE", default_value = "20MB")]
    pub size: Memory,
    /// Fixes every text: another seed, other texts
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Temperatures; texts take turns
    #[arg(long, value_name = "T", value_delimiter = ',', default_value = "0.5,0.7,0.9", value_parser = thousandths)]
    pub temperatures: Vec<u32>,
    /// Texts at once
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub batch: usize,
    /// Threads [default: all cores]
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
}

/// `camelid train tales`.
#[derive(Debug, Args)]
pub struct TalesArgs {
    /// The file of texts
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// How much text
    #[arg(long, value_name = "SIZE", default_value = "12MB")]
    pub size: Memory,
    /// Fixes every tale: another seed, other tales
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
}

/// `camelid train tokenizer`.
#[derive(Debug, Args)]
pub struct TokenizerArgs {
    /// The file of texts
    #[arg(long, value_name = "FILE")]
    pub text: PathBuf,
    /// The tokenizer's file
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Tokens in all
    #[arg(long, value_name = "N", default_value_t = 2048)]
    pub vocabulary: usize,
}

/// `camelid train run`.
#[derive(Debug, Args)]
pub struct TrainRunArgs {
    /// The file of texts to learn from
    #[arg(long, value_name = "FILE")]
    pub text: PathBuf,
    /// A file of other texts, to measure with
    #[arg(long, value_name = "FILE")]
    pub held_out: PathBuf,
    /// The tokenizer's file [with --from: the package's; with --resume: the run's]
    #[arg(long, value_name = "FILE", required_unless_present_any = ["from", "resume"])]
    pub tokenizer: Option<PathBuf>,
    /// Begin with the weights of this package, which an earlier `train export` wrote, instead of from nothing; with --layers or
    /// --hidden it grows, and says the same at first
    #[arg(long, value_name = "FILE", conflicts_with_all = ["resume", "tokenizer", "dim", "heads", "kv_heads", "context"])]
    pub from: Option<PathBuf>,
    /// The folder for checkpoint, tokenizer and loss curve
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Go on with the run in that folder; what is not given is as it was, texts may have been added
    #[arg(long)]
    pub resume: bool,
    /// Width of the residual stream [default: 128]
    #[arg(long, value_name = "N")]
    pub dim: Option<usize>,
    /// Layers [default: 5]
    #[arg(long, value_name = "N")]
    pub layers: Option<usize>,
    /// Query heads [default: 4]
    #[arg(long, value_name = "N")]
    pub heads: Option<usize>,
    /// Key and value heads; divides --heads [default: 2]
    #[arg(long, value_name = "N")]
    pub kv_heads: Option<usize>,
    /// Width of the MLP's hidden vector [default: 384]
    #[arg(long, value_name = "N")]
    pub hidden: Option<usize>,
    /// Tokens of a window, and the model's longest sequence [default: 320]
    #[arg(long, value_name = "N")]
    pub context: Option<usize>,
    /// Steps in all: the learning rate falls until the last [default: 16000]
    #[arg(long, value_name = "N")]
    pub steps: Option<u64>,
    /// Windows a step [default: 8]
    #[arg(long, value_name = "N")]
    pub batch: Option<usize>,
    /// Windows of a part; a step's parts are computed side by side, a core each [default: 4]
    #[arg(long, value_name = "N")]
    pub part: Option<usize>,
    /// The highest learning rate [default: 0.003]
    #[arg(long, value_name = "RATE")]
    pub rate: Option<f64>,
    /// Steps over which the rate rises [default: 200]
    #[arg(long, value_name = "N")]
    pub warm_up: Option<u64>,
    /// Weight decay [default: 0.1]
    #[arg(long, value_name = "D")]
    pub decay: Option<f64>,
    /// Longer gradients are shortened to this length [default: 1]
    #[arg(long, value_name = "LENGTH")]
    pub clip: Option<f64>,
    /// Steps from one measurement to the next [default: 100]
    #[arg(long, value_name = "N")]
    pub measure_every: Option<u64>,
    /// Fixes the first weights and what is drawn [default: 1]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Steps of this run alone; the next goes on with --resume
    #[arg(long, value_name = "N")]
    pub steps_now: Option<u64>,
    /// Seconds from one checkpoint to the next
    #[arg(long, value_name = "N", default_value_t = 120)]
    pub save_every: u64,
    /// Where to compute: cpu (RAYON_NUM_THREADS sets how many cores) or wgpu
    #[arg(long, default_value = "cpu", value_parser = ["cpu", "wgpu"])]
    pub device: String,
}

/// `camelid train export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The run's folder
    #[arg(long, value_name = "DIR")]
    pub run: PathBuf,
    /// The package's file
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// The model's name
    #[arg(long, default_value = "camelid-tiny")]
    pub name: String,
    /// The licence of the weights
    #[arg(long, default_value = "MIT OR Apache-2.0")]
    pub licence: String,
    /// A file of texts that the package is measured on before it is written
    #[arg(long, value_name = "FILE")]
    pub held_out: PathBuf,
}

/// `camelid train stories`.
#[derive(Debug, Args)]
pub struct StoriesArgs {
    /// The model: its name, its root, or its file with the path
    #[arg(long)]
    pub model: String,
    /// The most tokens to generate
    #[arg(long, value_name = "N", default_value_t = 160)]
    pub max_tokens: u32,
    /// Seed of the sampled ones
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Temperature of the sampled ones
    #[arg(long, value_name = "T", default_value = "0.8", value_parser = thousandths)]
    pub temperature: u32,
}

/// `camelid model bits`.
#[derive(Debug, Args)]
pub struct BitsArgs {
    /// The model: its name, its root, or its file with the path
    #[arg(long)]
    pub model: String,
    /// A file of texts, a line `<|endoftext|>` after each; without such lines, of one text
    #[arg(long, value_name = "FILE")]
    pub text: PathBuf,
    /// Threads [default: all cores]
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
}
