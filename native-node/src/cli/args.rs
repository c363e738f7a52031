//! The command line's grammar.

use super::train::args::{BitsArgs, TrainCommand};
use crate::api::types::Verify;
use crate::compute::Memory;
use crate::config::Cheat;
use crate::engines::EngineChoice;
use crate::models::DEFAULT_MODEL;
use camelid_core::units::{Amount, Network};
use clap::{Args, Parser, Subcommand};
use std::net::SocketAddr;
use std::path::PathBuf;

/// Language model answers from strangers' machines, paid for and proved.
#[derive(Debug, Parser)]
#[command(name = "camelid", version, arg_required_else_help = true, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// What every command knows.
    #[command(flatten)]
    pub global: Global,
}

/// What every command knows.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Everywhere")]
pub struct Global {
    /// The node's folder [default: ~/.camelid/NETWORK]
    #[arg(long, global = true, value_name = "DIR", env = "CAMELID_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
    /// The network: main, test or dev [default: the folder's, else dev]
    #[arg(long, global = true, env = "CAMELID_NETWORK")]
    pub network: Option<Network>,
    /// Where the node's API is, or is to be [default: as the running node says, else 127.0.0.1 and the network's port]
    #[arg(long, global = true, value_name = "ADDRESS")]
    pub api: Option<SocketAddr>,
    /// Print JSON, for programs
    #[arg(long, global = true)]
    pub json: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a node, look at it, stop it
    #[command(subcommand)]
    Node(NodeCommand),
    /// Make a wallet, receive and send coins
    #[command(subcommand)]
    Wallet(WalletCommand),
    /// Have prompts answered
    #[command(subcommand)]
    Job(JobCommand),
    /// Look at the chain
    #[command(subcommand)]
    Chain(ChainCommand),
    /// Bring models in and look at them
    #[command(subcommand)]
    Model(ModelCommand),
    /// Train a model of your own
    #[command(subcommand)]
    Train(TrainCommand),
    /// Measure this machine
    #[command(subcommand)]
    Bench(BenchCommand),
}

/// `camelid node`.
#[derive(Debug, Subcommand)]
pub enum NodeCommand {
    /// Run a node until it is stopped (Ctrl-C, or `camelid node stop`)
    Run(Box<RunArgs>),
    /// Show the running node at a glance
    Status,
    /// Show the peers that it is connected to, and how many it knows
    Peers,
    /// Show whom it talks to no more for a while
    Bans,
    /// Talk to a peer, or to a machine, no more for a while
    Ban(BanArgs),
    /// End a ban
    Unban {
        /// A peer id or an IP address
        who: String,
    },
    /// Stop the running node
    Stop,
}

/// `camelid node run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// A TOML file [default: camelid.toml in the data directory, if there]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where to listen for peers, such as 0.0.0.0:7460 for TCP, or a multiaddress ending in /ws, /tls/ws, /quic-v1 or
    /// /webrtc-direct; `none` for nowhere (repeatable) [default: TCP, QUIC, WebSocket and WebRTC]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Vec<String>,
    /// A peer to stay connected to, such as 10.0.0.5:7460, or as its `camelid node status` shows it (repeatable)
    #[arg(long = "peer", value_name = "ADDRESS")]
    pub peers: Vec<String>,
    /// Peers to find and to stay connected to, those named with --peer counted; 0 for those alone [default: 8]
    #[arg(long, value_name = "N")]
    pub outbound: Option<usize>,
    /// Serve the page alone on this address too, for other machines; browsers want https: put a proxy before it
    /// [default: only beside the API]
    #[arg(long, value_name = "ADDRESS")]
    pub page: Option<SocketAddr>,
    /// Give coins from the node's wallet to visitors of the page who ask (network dev only)
    #[arg(long)]
    pub faucet: bool,
    /// How many coins at once [default: 20]
    #[arg(long, value_name = "COINS", value_parser = amount)]
    pub faucet_amount: Option<Amount>,
    /// Mine
    #[arg(long)]
    pub mine: bool,
    /// Who gets the mined coins [default: the node's wallet]
    #[arg(long, value_name = "ADDRESS")]
    pub mine_to: Option<String>,
    /// Threads that mine; 0 for all cores
    #[arg(long, value_name = "N")]
    pub mining_threads: Option<usize>,
    /// A model to compute for others: a name, a root, or a file with its path (repeatable)
    #[arg(long, value_name = "MODEL")]
    pub compute: Vec<String>,
    /// What runs the models: auto, cpu, reference, or wgpu[:ADAPTER][,memory=SIZE]; all give the same bits [default: auto]
    #[arg(long, value_name = "ENGINE")]
    pub engine: Option<EngineChoice>,
    /// Memory for the keys and values of all answers and checks at once, such as 4GB [default: half of what is free]
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<Memory>,
    /// A file whose one line is the wallet's password
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// Cheat, to see what comes of it (network dev only)
    #[arg(long, value_name = "HOW")]
    pub cheat: Option<Cheat>,
    /// Keep the blocks of so many heights below the tip alone, at least 1440; coins, headers and filters stay [default: keep all]
    #[arg(long, value_name = "N")]
    pub prune: Option<u32>,
}

/// `camelid node ban`.
#[derive(Debug, Args)]
pub struct BanArgs {
    /// A peer id or an IP address
    pub who: String,
    /// For how many hours
    #[arg(long, value_name = "N", default_value_t = 24)]
    pub hours: u32,
}

/// `camelid wallet`.
#[derive(Debug, Subcommand)]
pub enum WalletCommand {
    /// Make a wallet and show its words, once
    New(PasswordArgs),
    /// Bring a wallet back from its words, which are read from standard input
    Restore(PasswordArgs),
    /// Show an address to be paid at
    Address,
    /// Show what the wallet owns
    Balance,
    /// Pay
    Send(SendArgs),
    /// Show what came and went, newest first
    History(ListArgs),
}

/// Where a password is.
#[derive(Debug, Args)]
pub struct PasswordArgs {
    /// A file whose one line is the password [default: asked for, or the variable CAMELID_PASSWORD]
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
}

/// `camelid wallet send`.
#[derive(Debug, Args)]
pub struct SendArgs {
    /// To whom
    pub address: String,
    /// How much, in coins, such as 12.5
    #[arg(value_parser = amount)]
    pub amount: Amount,
    /// Units of fee a byte [default: the node's estimate]
    #[arg(long, value_name = "UNITS")]
    pub fee_rate: Option<u64>,
}

/// How much of a list.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub limit: usize,
}

/// `camelid job`.
#[derive(Debug, Subcommand)]
pub enum JobCommand {
    /// Have a prompt answered, paid and checked
    Submit(Box<SubmitArgs>),
    /// Show the jobs of this node, newest first
    List(ListArgs),
    /// Show a job
    Show {
        /// Its id
        id: String,
    },
}

/// `camelid job submit`.
#[derive(Debug, Args)]
pub struct SubmitArgs {
    /// The model: its name or root
    #[arg(long, default_value = DEFAULT_MODEL)]
    pub model: String,
    /// The prompt; `-` reads standard input
    #[arg(long)]
    pub prompt: String,
    /// The most tokens to generate
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub max_tokens: u32,
    /// Seed of the sampling [default: drawn]
    #[arg(long)]
    pub seed: Option<u64>,
    /// 0 takes the most likely token; at most 10, three decimals
    #[arg(long, value_name = "T", default_value = "0", value_parser = thousandths)]
    pub temperature: u32,
    /// Only the K most likely tokens; 0 for all
    #[arg(long, value_name = "K", default_value_t = 0)]
    pub top_k: u32,
    /// Only the fewest tokens whose probability reaches P; six decimals
    #[arg(long, value_name = "P", default_value = "1", value_parser = millionths)]
    pub top_p: u32,
    /// What the compute node gets, in coins
    #[arg(long, value_name = "COINS", value_parser = amount)]
    pub reward: Amount,
    /// What the compute node must put at stake, in coins [default: as much as the reward]
    #[arg(long, value_name = "COINS", value_parser = amount)]
    pub stake: Option<Amount>,
    /// How much of the answer to check
    #[arg(long, value_enum, default_value_t)]
    pub verify: Verify,
    /// Cheat, to see what comes of it: pay, and never sign the close (network dev only)
    #[arg(long, value_name = "HOW", value_parser = ["silent-after-answer"])]
    pub cheat: Option<String>,
    /// Print the job's id and return at once; the node goes on
    #[arg(long)]
    pub detach: bool,
}

/// `camelid chain`.
#[derive(Debug, Subcommand)]
pub enum ChainCommand {
    /// Show the chain at a glance
    Info,
    /// Show a block
    Block {
        /// Its hash or height
        id: String,
    },
    /// Show a transaction
    Tx {
        /// Its id
        txid: String,
    },
    /// Check everything that the stopped node's chain file holds: all blocks again from the first one on
    Verify,
}

/// `camelid bench`.
#[derive(Debug, Subcommand)]
pub enum BenchCommand {
    /// Measure decoding, prefill and jobs in a batch
    Engine(BenchEngineArgs),
    /// Measure generating and checking answers of several lengths (figure 1 of the paper)
    Rastic(BenchRasticArgs),
    /// Measure hashes, headers, signatures, connecting blocks, and following another node
    Chain(BenchChainArgs),
}

/// What is measured.
#[derive(Debug, Args)]
pub struct SubjectArgs {
    /// The model: its name, its root, or its file with the path [default: a random one in SmolLM2-135M's shape]
    #[arg(long)]
    pub model: Option<String>,
    /// What runs it: auto, cpu, reference, or wgpu[:ADAPTER][,memory=SIZE]
    #[arg(long, value_name = "ENGINE", default_value_t)]
    pub engine: EngineChoice,
    /// The CPU engine's kernel: avx512, avx2 or portable [default: the fastest]
    #[arg(long)]
    pub kernel: Option<String>,
    /// The CPU engine's threads [default: all cores]
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
}

/// `camelid bench engine`.
#[derive(Debug, Args)]
pub struct BenchEngineArgs {
    /// What is measured.
    #[command(flatten)]
    pub subject: SubjectArgs,
    /// Tokens to feed one by one
    #[arg(long, value_name = "N", default_value_t = 256)]
    pub decode: usize,
    /// Tokens of the prompt
    #[arg(long, value_name = "N", default_value_t = 512)]
    pub prefill: usize,
    /// Jobs to compute together and one after another; 0 for none
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub jobs: u32,
    /// Tokens of each job's answer
    #[arg(long, value_name = "N", default_value_t = 128)]
    pub answer: u32,
}

/// `camelid bench rastic`.
#[derive(Debug, Args)]
pub struct BenchRasticArgs {
    /// What is measured.
    #[command(flatten)]
    pub subject: SubjectArgs,
    /// Lengths of answers to generate and check
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "1,10,25,50,75,100,250,500,1000")]
    pub tokens: Vec<u32>,
    /// Measure those that take under a second so often, and give the medians
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub repeat: usize,
    /// Draw it as SVG
    #[arg(long, value_name = "FILE")]
    pub plot: Option<PathBuf>,
}

/// `camelid bench chain`.
#[derive(Debug, Args)]
pub struct BenchChainArgs {
    /// Measure by turns with what is compared so often, and give the medians
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub rounds: usize,
    /// Seconds of each turn
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0)]
    pub seconds: f64,
    /// Headers to check
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    pub headers: u32,
    /// Blocks to connect
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub blocks: u32,
    /// Transactions in each of them
    #[arg(long, value_name = "N", default_value_t = 8_000)]
    pub transactions: u32,
    /// Blocks of the chain that one node takes from another; 0 for none
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    pub sync_blocks: u32,
}

/// `camelid model`.
#[derive(Debug, Subcommand)]
pub enum ModelCommand {
    /// Turn a Hugging Face directory, a GGUF file or a llama2.c checkpoint into a package; or copy a package
    Import(ImportArgs),
    /// Compare a package with the float model that it was imported from, on a text
    Eval(Box<EvalArgs>),
    /// Show the models that the running node has or has heard of
    List,
    /// Show a package on this machine
    Info {
        /// Its name, its root, or its file with the path
        model: String,
    },
    /// Measure how well a model foretells texts, in bits per byte
    Bits(BitsArgs),
}

/// `camelid model import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// The directory (config.json, *.safetensors), GGUF file, llama2.c checkpoint or package
    pub path: PathBuf,
    /// The package's file [default: the model's name in the data directory]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// A llama2.c checkpoint's tokenizer [default: the only tok*.bin beside it]
    #[arg(long, value_name = "FILE")]
    pub tokenizer: Option<PathBuf>,
    /// The model's name [default: the path's, in small letters]
    #[arg(long)]
    pub name: Option<String>,
    /// The licence of the weights
    #[arg(long, default_value = "unknown")]
    pub licence: String,
}

/// `camelid model eval`.
#[derive(Debug, Args)]
pub struct EvalArgs {
    /// The package: its file, its name or its root
    #[arg(long)]
    pub model: String,
    /// The directory, GGUF file or llama2.c checkpoint that it was imported from
    #[arg(long, value_name = "PATH")]
    pub reference: PathBuf,
    /// The text to predict
    #[arg(long, value_name = "FILE")]
    pub text: PathBuf,
    /// Cut the text into pieces of so many tokens; at most the model's context
    #[arg(long, value_name = "N", default_value_t = 512)]
    pub length: usize,
    /// Only the first so many pieces
    #[arg(long, value_name = "N")]
    pub texts: Option<usize>,
    /// What runs the package: auto, cpu, reference, or wgpu[:ADAPTER][,memory=SIZE]
    #[arg(long, value_name = "ENGINE", default_value_t)]
    pub engine: EngineChoice,
    /// Write each prediction: piece, token, our top token, ln of our probability, f32's top token, ln of f32's probability
    #[arg(long, value_name = "FILE")]
    pub predictions: Option<PathBuf>,
}

fn amount(text: &str) -> Result<Amount, String> {
    Amount::parse_coins(text).ok_or_else(|| "expected coins such as 12.5, with at most eight decimals".to_string())
}

pub(super) fn thousandths(text: &str) -> Result<u32, String> {
    decimal(text, 3)
}

fn millionths(text: &str) -> Result<u32, String> {
    decimal(text, 6)
}

/// A decimal number as an integer of its last place: no float is rounded on the way.
fn decimal(text: &str, places: usize) -> Result<u32, String> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if fraction.len() > places || whole.is_empty() || !digits(whole) || !digits(fraction) {
        return Err(format!("expected a number such as 0.8, with at most {places} decimals"));
    }
    format!("{whole}{fraction:0<places$}").parse().map_err(|_| "the number is too large".to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_grammar_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn decimals_are_exact() {
        assert_eq!(decimal("0.8", 3), Ok(800));
        assert_eq!(decimal("1", 6), Ok(1_000_000));
        assert_eq!(decimal("0.000001", 6), Ok(1));
        for bad in ["", ".5", "-1", "1e3", "0.0001", "99999999999"] {
            assert!(decimal(bad, 3).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_job_as_in_the_readme() {
        let line = "camelid --json job submit --model tiny --prompt hi --max-tokens 8 --seed 1 --temperature 0.8 \
                    --top-k 40 --top-p 0.95 --reward 0.5 --verify spot --data-dir d";
        let cli = Cli::try_parse_from(line.split_whitespace()).unwrap();
        let Command::Job(JobCommand::Submit(job)) = cli.command else { panic!("a job") };
        assert_eq!((job.temperature, job.top_k, job.top_p, job.verify), (800, 40, 950_000, Verify::Spot));
        assert_eq!((job.reward, cli.global.json), (Amount(50_000_000), true));
        assert_eq!(job.model, "tiny");
        let cli = Cli::try_parse_from("camelid job submit --prompt hi --reward 0.5".split_whitespace()).unwrap();
        let Command::Job(JobCommand::Submit(job)) = cli.command else { panic!("a job") };
        assert_eq!(job.model, "camelid-tiny");
    }
}
