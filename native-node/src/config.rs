//! How a node is to run: a TOML file, and the command line over it.
//!
//! ```toml
//! network = "dev"                     # main, test or dev
//! listen = ["127.0.0.1:27460"]        # for peers, each address one transport; [] for nowhere
//! peers = ["127.0.0.1:27470"]         # to stay connected to
//! seeds = []                          # peers to ask for others while nobody else is known
//! outbound = 8                        # peers to find and to stay connected to; 0: those in `peers` alone
//! tls_certificate = "cert.pem"        # for listening on /tls/ws: the chain, the node's own first
//! tls_key = "key.pem"                 # and its private key
//! tls_trust = ["our-ca.pem"]          # certificates to trust beside the public ones, dialling /tls/ws
//! max_peers = 64
//! checkpoints = ["1000:00ab..."]      # heights with block hashes: headers of others are refused there
//! api = "127.0.0.1:27461"             # loopback only; the page is there too
//! page = "0.0.0.0:27463"              # the page alone, for other machines; browsers want https: put a proxy before it
//! page_hosts = ["camelid.example"]    # the names of the page there
//! faucet = true                       # network dev: visitors of the page get coins from the wallet
//! faucet_amount = "20"                # so many at once
//! mine = true
//! mine_to = "7yoG..."                 # the wallet's own address when absent
//! mining_threads = 0                  # 0: all cores
//! compute = ["stories260k"]           # models to compute for others: names, roots or files
//! engine = "auto"                     # auto, cpu, reference, wgpu[:ADAPTER][,memory=SIZE]: what runs the models
//! memory = "4GB"                      # for the keys and values of all answers and checks at once
//! password_file = "password"          # the wallet's
//! prune = 5000                        # keep so many blocks below the tip; all when absent
//! ```
//!
//! Paths in the file are relative to the file. A key that does not exist is an error that names it.

use crate::compute::Memory;
use crate::data_dir::{DataDir, DataDirError};
use crate::engines::EngineChoice;
use crate::network::{AddressError, Limits, Multiaddr, TlsFiles, TransportKind, parse_address, parse_listen_address};
use camelid_core::block::NetworkParams;
use camelid_core::chain::Checkpoints;
use camelid_core::hash::BlockHash;
use camelid_core::keys::{Address, AddressError as CoinAddressError};
use camelid_core::units::{Amount, Height, Network};
use serde::Deserialize;
use std::fs;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// The usual port for peers.
pub const fn peer_port(network: Network) -> u16 {
    match network {
        Network::Main => 7460,
        Network::Test => 17460,
        Network::Dev => 27460,
    }
}

/// The usual port for browsers: WebSocket (TCP) and WebRTC (UDP).
pub const fn browser_port(network: Network) -> u16 {
    peer_port(network) + 2
}

/// Where a node listens for peers when nobody says where: on every transport that needs no certificate from elsewhere.
fn usual_listen(network: Network) -> Vec<Multiaddr> {
    // A newcomer's first node is nobody else's business.
    let ip = if network == Network::Dev { Ipv4Addr::LOCALHOST } else { Ipv4Addr::UNSPECIFIED };
    let (nodes, browsers) = (peer_port(network), browser_port(network));
    [
        (TransportKind::Tcp, nodes),
        (TransportKind::Quic, nodes),
        (TransportKind::WebSocket, browsers),
        (TransportKind::WebRtc, browsers),
    ]
    .map(|(transport, port)| transport.on(SocketAddr::from((ip, port))))
    .to_vec()
}

/// The usual address of the API.
pub fn usual_api(network: Network) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], peer_port(network) + 1))
}

/// A way to cheat, for the demonstration and for tests; on network `dev` alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Cheat {
    /// A compute node that alters one token of its answers.
    AlterToken,
    /// A compute node that never hands over the key after it was paid.
    SilentAfterPayment,
    /// A client that pays and takes the answer, and never signs the close.
    SilentAfterAnswer,
}

impl Cheat {
    /// By its name on the command line.
    pub fn parse(name: &str) -> Option<Self> {
        <Self as clap::ValueEnum>::from_str(name, false).ok()
    }
}

/// How a node is to run.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// Which network.
    pub network: Network,
    /// Its folder.
    pub data_dir: DataDir,
    /// Where to listen for peers.
    pub listen: Vec<Multiaddr>,
    /// Peers to stay connected to.
    pub peers: Vec<Multiaddr>,
    /// Peers to ask for others while nobody else is known, beside the network's own.
    pub seeds: Vec<Multiaddr>,
    /// Peers to find and to stay connected to, the configured ones counted; 0 for those alone.
    pub outbound: usize,
    /// The certificate for listening on WebSocket in TLS.
    pub tls: Option<TlsFiles>,
    /// Files of certificates to trust beside the public ones.
    pub tls_trust: Vec<PathBuf>,
    /// Connections at once.
    pub max_peers: usize,
    /// Blocks that the chain is held to.
    pub checkpoints: Checkpoints,
    /// Where the API listens.
    pub api: SocketAddr,
    /// Where the page alone is served, for other machines.
    pub page: Option<SocketAddr>,
    /// The names of the page there, in small letters.
    pub page_hosts: Vec<String>,
    /// What a visitor of the page gets from the wallet, on network `dev`; nothing when `None`.
    pub faucet: Option<Amount>,
    /// Whether to mine.
    pub mine: bool,
    /// Who gets the mined coins; the wallet when `None`.
    pub mine_to: Option<Address>,
    /// Threads that mine; all cores when `None`.
    pub mining_threads: Option<usize>,
    /// Models to compute for others: names, roots or files.
    pub compute: Vec<String>,
    /// What runs the models.
    pub engine: EngineChoice,
    /// Memory for the keys and values of all answers and checks at once; half of what is free when `None`.
    pub memory: Option<Memory>,
    /// Where the wallet's password is.
    pub password_file: Option<PathBuf>,
    /// The least reward for 1,000 tokens, prompt and limit together, as a compute node.
    pub price: Amount,
    /// The most reward, summed up, for keys that are handed over before their settlements are buried.
    pub exposure_limit: Amount,
    /// How to cheat.
    pub cheat: Option<Cheat>,
    /// How many blocks below the tip keep their bodies; all when `None`.
    pub prune: Option<u32>,
}

/// What the command line says; `None` and empty where it says nothing.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// Which network.
    pub network: Option<Network>,
    /// The folder.
    pub data_dir: Option<PathBuf>,
    /// The configuration file.
    pub config: Option<PathBuf>,
    /// Where to listen for peers; the word `none` for nowhere.
    pub listen: Vec<String>,
    /// Peers, beside those of the file.
    pub peers: Vec<String>,
    /// Peers to find.
    pub outbound: Option<usize>,
    /// Where the API listens.
    pub api: Option<SocketAddr>,
    /// Where the page alone is served.
    pub page: Option<SocketAddr>,
    /// Whether visitors of the page get coins.
    pub faucet: bool,
    /// How many.
    pub faucet_amount: Option<Amount>,
    /// Whether to mine.
    pub mine: bool,
    /// Who gets the mined coins.
    pub mine_to: Option<String>,
    /// Threads that mine; 0 for all cores.
    pub mining_threads: Option<usize>,
    /// Models to compute, beside those of the file.
    pub compute: Vec<String>,
    /// What runs the models.
    pub engine: Option<EngineChoice>,
    /// Memory for keys and values.
    pub memory: Option<Memory>,
    /// Where the wallet's password is.
    pub password_file: Option<PathBuf>,
    /// How to cheat.
    pub cheat: Option<Cheat>,
    /// How many blocks below the tip keep their bodies.
    pub prune: Option<u32>,
}

/// Why a configuration is no good.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read configuration {}: {source}", .file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The file is not TOML, has an unknown key, or a value of the wrong kind.
    #[error("configuration {}, line {line}: {message}", .file.display())]
    Toml {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// The file names another network than the command line or the folder.
    #[error("configuration {} is for network {found}, not {expected}: give --network {found}, or another --config", .file.display())]
    OtherNetwork {
        /// The file.
        file: PathBuf,
        /// The network asked for.
        expected: Network,
        /// The file's.
        found: Network,
    },
    /// A value makes no sense.
    #[error("{key}: {reason}")]
    Value {
        /// The key or option.
        key: &'static str,
        /// What was expected, what came.
        reason: String,
    },
    /// The folder is no good.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    network: Option<String>,
    listen: Option<Vec<String>>,
    #[serde(default)]
    peers: Vec<String>,
    #[serde(default)]
    seeds: Vec<String>,
    outbound: Option<usize>,
    tls_certificate: Option<PathBuf>,
    tls_key: Option<PathBuf>,
    #[serde(default)]
    tls_trust: Vec<PathBuf>,
    max_peers: Option<usize>,
    #[serde(default)]
    checkpoints: Vec<String>,
    api: Option<String>,
    page: Option<String>,
    #[serde(default)]
    page_hosts: Vec<String>,
    faucet: Option<bool>,
    faucet_amount: Option<String>,
    mine: Option<bool>,
    mine_to: Option<String>,
    mining_threads: Option<usize>,
    #[serde(default)]
    compute: Vec<String>,
    engine: Option<String>,
    memory: Option<String>,
    password_file: Option<PathBuf>,
    price: Option<String>,
    exposure_limit: Option<String>,
    prune: Option<u32>,
}

/// A thousandth of a coin for 1,000 tokens: until there is a market, little, and over a move's fee.
const USUAL_PRICE: Amount = Amount(100_000);
/// What a faucet gives: some twenty short answers.
const USUAL_FAUCET: Amount = Amount::from_coins(20);
/// The most peers that a node looks for: each takes a place that others could have.
const MOST_OUTBOUND: usize = 64;
/// What a node risks by default on settlements that are not buried.
const USUAL_EXPOSURE: Amount = Amount::from_coins(10);

/// An amount in coins, as text.
fn coins(key: &'static str, text: Option<String>, usual: Amount) -> Result<Amount, ConfigError> {
    let Some(text) = text else { return Ok(usual) };
    let reason = format!("`{text}` is no amount: expected coins, such as \"0.001\"");
    Amount::parse_coins(&text).ok_or(ConfigError::Value { key, reason })
}

/// An address to listen on with HTTP: the command line's, or else the file's.
fn socket(
    key: &'static str,
    line: Option<SocketAddr>,
    file: Option<String>,
    network: Network,
) -> Result<Option<SocketAddr>, ConfigError> {
    let parse = |text: String| {
        text.parse().map_err(|_| format!("`{text}` is no address: expected one like {}", usual_api(network)))
    };
    match line {
        Some(address) => Ok(Some(address)),
        None => value(key, file.map(parse).transpose()),
    }
}

/// A height with a block hash, as text.
fn checkpoint(text: &str) -> Result<(Height, BlockHash), String> {
    let wrong = || {
        format!("`{text}` is no checkpoint: expected HEIGHT:HASH, such as \"1000:00ab...\" with 64 hexadecimal digits")
    };
    let (height, hash) = text.split_once(':').ok_or_else(wrong)?;
    Ok((Height(height.parse().map_err(|_| wrong())?), hash.parse().map_err(|_| wrong())?))
}

impl File {
    fn read(file: &Path) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(file).map_err(|source| ConfigError::Read { file: file.into(), source })?;
        toml::from_str(&text).map_err(|e| {
            let before = e.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            // serde's words: "unknown field `x`, expected one of ..."; here they are keys.
            let message = e.message().replace("unknown field", "unknown key").replace('\n', " ");
            ConfigError::Toml { file: file.into(), line: before.matches('\n').count() + 1, message }
        })
    }
}

/// Which folder and network are meant: what the command line says, else what the folder says, else `dev`.
pub fn resolve(data_dir: Option<&Path>, network: Option<Network>) -> Result<(DataDir, Network), DataDirError> {
    let dir = match (data_dir, network) {
        (Some(dir), _) => DataDir::at(dir),
        (None, network) => DataDir::usual(network.unwrap_or(Network::Dev))?,
    };
    let network = match network {
        Some(network) => network,
        None => dir.network()?.unwrap_or(Network::Dev),
    };
    dir.check(network)?;
    Ok((dir, network))
}

fn value<T, E: ToString>(key: &'static str, result: Result<T, E>) -> Result<T, ConfigError> {
    result.map_err(|e| ConfigError::Value { key, reason: e.to_string() })
}

fn addresses(
    list: Vec<String>,
    parse: impl Fn(&str) -> Result<Multiaddr, AddressError>,
) -> Result<Vec<Multiaddr>, AddressError> {
    list.iter().map(|address| parse(address)).collect()
}

impl NodeConfig {
    /// Reads the file (the one named, or `camelid.toml` in the folder if it is there) and puts the command line over it.
    pub fn load(line: Overrides) -> Result<Self, ConfigError> {
        // A named file may name the network, and so the folder.
        let named = line.config.as_deref().map(File::read).transpose()?;
        let in_file = |f: &File| value("network", f.network.as_deref().map(str::parse::<Network>).transpose());
        let wanted = match (line.network, &named) {
            (None, Some(file)) => in_file(file)?,
            (network, _) => network,
        };
        let (data_dir, network) = resolve(line.data_dir.as_deref(), wanted)?;
        let path = line.config.clone().unwrap_or_else(|| data_dir.config());
        let file = match named {
            Some(file) => file,
            None => match File::read(&path) {
                Err(ConfigError::Read { source, .. }) if source.kind() == ErrorKind::NotFound => File::default(),
                other => other?,
            },
        };
        if let Some(found) = in_file(&file)?.filter(|found| *found != network) {
            return Err(ConfigError::OtherNetwork { file: path, expected: network, found });
        }
        let beside = |name: &Path| path.parent().unwrap_or(Path::new("")).join(name);

        let listen = match (line.listen.is_empty(), file.listen) {
            (false, _) => Some(line.listen.into_iter().filter(|l| l != "none").collect()),
            (true, listen) => listen,
        };
        let listen = match listen {
            Some(listen) => value("listen", addresses(listen, parse_listen_address))?,
            None => usual_listen(network),
        };
        let tls = match (file.tls_certificate.as_deref().map(beside), file.tls_key.as_deref().map(beside)) {
            (Some(certificate), Some(key)) => Some(TlsFiles { certificate, key }),
            (None, None) => None,
            _ => {
                let reason = "a certificate and its key belong together: set tls_certificate and tls_key".into();
                return Err(ConfigError::Value { key: "tls_certificate", reason });
            }
        };
        let secure = |a: &&Multiaddr| TransportKind::of(a) == Some(TransportKind::SecureWebSocket);
        if let (Some(address), None) = (listen.iter().find(secure), &tls) {
            let reason =
                format!("{address} needs a certificate: set tls_certificate and tls_key in {}", path.display());
            return Err(ConfigError::Value { key: "listen", reason });
        }
        let api = socket("api", line.api, file.api, network)?.unwrap_or_else(|| usual_api(network));
        let page = socket("page", line.page, file.page, network)?;
        let faucet_amount = match line.faucet_amount {
            Some(amount) => amount,
            None => coins("faucet_amount", file.faucet_amount, USUAL_FAUCET)?,
        };
        let dust = NetworkParams::of(network).contract.dust;
        if faucet_amount < dust {
            let reason = format!("{faucet_amount} is too little to send: expected at least {dust}");
            return Err(ConfigError::Value { key: "faucet_amount", reason });
        }
        let faucet = (line.faucet || file.faucet.unwrap_or(false)).then_some(faucet_amount);
        if faucet.is_some() && network != Network::Dev {
            let reason = format!("coins for nothing are for network dev; this is network {network}: leave it out");
            return Err(ConfigError::Value { key: "faucet", reason });
        }
        let mine_to = line.mine_to.or(file.mine_to);
        let mine_to: Result<Option<Address>, CoinAddressError> =
            mine_to.map(|text| Address::parse(&text, network)).transpose();
        // A file's models with a path are beside the file; the command line's are where it was typed.
        let model =
            |name: String| if name.contains('/') { beside(Path::new(&name)).display().to_string() } else { name };
        if line.cheat.is_some() && network != Network::Dev {
            let reason = format!("cheating is for network dev, to show what comes of it; this is network {network}");
            return Err(ConfigError::Value { key: "--cheat", reason });
        }
        let engine = match (line.engine, file.engine.as_deref()) {
            (Some(engine), _) => engine,
            (None, None) => EngineChoice::default(),
            (None, Some(name)) => value("engine", name.parse())?,
        };
        let memory = match (line.memory, file.memory.as_deref()) {
            (Some(memory), _) => Some(memory),
            (None, text) => value("memory", text.map(str::parse).transpose())?,
        };
        let max_peers = file.max_peers.unwrap_or(64);
        if !(1..=1000).contains(&max_peers) {
            let reason = format!("{max_peers} is out of range: expected 1 to 1000");
            return Err(ConfigError::Value { key: "max_peers", reason });
        }
        let outbound = line.outbound.or(file.outbound).unwrap_or(Limits::of(network).outbound);
        if outbound > MOST_OUTBOUND {
            let reason = format!("{outbound} is out of range: expected 0 to {MOST_OUTBOUND}");
            return Err(ConfigError::Value { key: "outbound", reason });
        }
        let prune = line.prune.or(file.prune);
        let least = NetworkParams::of(network).max_reorganisation;
        if let Some(found) = prune.filter(|blocks| *blocks < least) {
            let reason = format!("{found} is too few blocks: expected at least {least}, as deep as reorganisations go");
            return Err(ConfigError::Value { key: "prune", reason });
        }
        Ok(NodeConfig {
            network,
            listen,
            peers: value("peers", addresses(file.peers.into_iter().chain(line.peers).collect(), parse_address))?,
            seeds: value("seeds", addresses(file.seeds, parse_address))?,
            outbound,
            tls,
            tls_trust: file.tls_trust.iter().map(|file| beside(file)).collect(),
            max_peers,
            checkpoints: value("checkpoints", file.checkpoints.iter().map(|text| checkpoint(text)).collect())?,
            api,
            page,
            page_hosts: file.page_hosts.iter().map(|name| name.to_ascii_lowercase()).collect(),
            faucet,
            mine: line.mine || file.mine.unwrap_or(false),
            mine_to: value("mine_to", mine_to)?,
            mining_threads: line.mining_threads.or(file.mining_threads).filter(|n| *n > 0),
            compute: file.compute.into_iter().map(model).chain(line.compute).collect(),
            engine,
            memory,
            password_file: line.password_file.or_else(|| file.password_file.as_deref().map(beside)),
            price: coins("price", file.price, USUAL_PRICE)?,
            exposure_limit: coins("exposure_limit", file.exposure_limit, USUAL_EXPOSURE)?,
            cheat: line.cheat,
            prune,
            data_dir,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str, change: impl FnOnce(&mut Overrides)) -> (tempfile::TempDir, Result<NodeConfig, ConfigError>) {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("camelid.toml"), text).unwrap();
        let mut line = Overrides { data_dir: Some(dir.path().into()), ..Overrides::default() };
        change(&mut line);
        let config = NodeConfig::load(line);
        (dir, config)
    }

    #[test]
    fn defaults_without_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let line = Overrides { data_dir: Some(dir.path().into()), ..Overrides::default() };
        let config = NodeConfig::load(line).unwrap();
        assert_eq!((config.network, config.mine, config.max_peers), (Network::Dev, false, 64));
        assert_eq!((config.outbound, config.seeds.len()), (8, 0));
        let listen: Vec<String> = config.listen.iter().map(ToString::to_string).collect();
        let on = |rest: &str| format!("/ip4/127.0.0.1/{rest}");
        let usual = ["tcp/27460", "udp/27460/quic-v1", "tcp/27462/ws", "udp/27462/webrtc-direct"].map(on);
        assert_eq!(listen, usual);
        assert_eq!(config.api.to_string(), "127.0.0.1:27461");
    }

    #[test]
    fn the_command_line_is_put_over_the_file() {
        let text = "listen = ['127.0.0.1:1', '127.0.0.1:2']\npeers = ['127.0.0.1:3']\nmine = true\nmax_peers = 7\n\
                    outbound = 3\nseeds = ['127.0.0.1:6']\n\
                    api = '127.0.0.1:4'\ncompute = ['a', 'models/b']\npassword_file = 'secret'\nmining_threads = 2\n\
                    engine = 'reference'\nmemory = '5MB'\nprune = 5000\n\
                    checkpoints = ['7:00000000000000000000000000000000000000000000000000000000000000ab']\n";
        let (dir, config) = load(text, |_| ());
        let config = config.unwrap();
        assert_eq!((config.listen.len(), config.mine, config.max_peers, config.mining_threads), (2, true, 7, Some(2)));
        assert_eq!((config.outbound, config.seeds.len()), (3, 1));
        assert_eq!((config.engine, config.memory), (EngineChoice::Reference, Some(Memory(5_000_000))));
        assert_eq!(config.checkpoints.keys().copied().collect::<Vec<_>>(), [Height(7)]);
        assert_eq!(config.password_file.unwrap(), dir.path().join("secret"));
        assert_eq!(config.prune, Some(5000));
        assert_eq!(config.compute, ["a".to_string(), dir.path().join("models/b").display().to_string()]);
        let (_dir, config) = load(text, |line| {
            line.listen = vec!["none".into()];
            line.peers = vec!["127.0.0.1:9".into()];
            line.outbound = Some(0);
            line.api = Some("127.0.0.1:5".parse().unwrap());
            line.mining_threads = Some(0);
            line.compute = vec!["c".into()];
            line.engine = Some(EngineChoice::Cpu);
            line.prune = Some(1440);
        });
        let config = config.unwrap();
        assert_eq!((config.engine, config.outbound, config.prune), (EngineChoice::Cpu, 0, Some(1440)));
        assert_eq!((config.listen.len(), config.peers.len(), config.compute.len()), (0, 2, 3));
        assert_eq!((config.api.port(), config.mining_threads), (5, None));
    }

    #[test]
    fn the_page_and_its_faucet() {
        let (_dir, config) = load("", |_| ());
        let config = config.unwrap();
        assert_eq!((config.page, config.page_hosts.len(), config.faucet), (None, 0, None));
        let text = "page = '0.0.0.0:80'\npage_hosts = ['Camelid.Example']\nfaucet = true\nfaucet_amount = '2.5'\n";
        let (_dir, config) = load(text, |_| ());
        let config = config.unwrap();
        assert_eq!(config.page, Some("0.0.0.0:80".parse().unwrap()));
        assert_eq!((config.page_hosts[0].as_str(), config.faucet), ("camelid.example", Some(Amount(250_000_000))));
        let (_dir, config) = load("faucet = true", |line| {
            line.page = Some("127.0.0.1:1".parse().unwrap());
            line.faucet_amount = Some(Amount(7_000));
        });
        let config = config.unwrap();
        assert_eq!((config.page.unwrap().port(), config.faucet), (1, Some(Amount(7_000))));
        let (_dir, config) = load("", |line| line.faucet = true);
        assert_eq!(config.unwrap().faucet, Some(USUAL_FAUCET));
    }

    #[test]
    fn a_certificate_is_beside_the_file() {
        let text = "listen = ['127.0.0.1:1', '/ip4/127.0.0.1/tcp/2/tls/ws']\ntls_certificate = 'cert.pem'\n\
                    tls_key = '/keys/key.pem'\ntls_trust = ['ca.pem']\n";
        let (dir, config) = load(text, |_| ());
        let config = config.unwrap();
        let tls = config.tls.unwrap();
        assert_eq!((tls.certificate, tls.key), (dir.path().join("cert.pem"), "/keys/key.pem".into()));
        assert_eq!((config.tls_trust, config.listen.len()), (vec![dir.path().join("ca.pem")], 2));
    }

    #[test]
    fn what_is_wrong_is_named_in_one_line() {
        let cases = [
            ("mine = true\nmnie_to = 'x'\n", "camelid.toml, line 2: unknown key `mnie_to`"),
            ("mine = 'yes'", "line 1: invalid type"),
            ("mine = ", "line 1"),
            ("network = 'moon'", "network: unknown network"),
            ("network = 'test'\n", "is for network test, not dev"),
            ("api = 'here'", "api: `here` is no address"),
            ("page = 'here'", "page: `here` is no address: expected one like 127.0.0.1:27461"),
            ("faucet_amount = 'all'", "faucet_amount: `all` is no amount"),
            ("faucet_amount = '0'", "faucet_amount: 0.00 is too little to send"),
            ("listen = ['somewhere']", "listen: `somewhere` is no network address"),
            ("listen = ['/dns4/somewhere/tcp/5']", "only an IP address can be listened on"),
            (
                "listen = ['/ip4/127.0.0.1/tcp/5/wss']",
                "/ip4/127.0.0.1/tcp/5/wss needs a certificate: set tls_certificate",
            ),
            ("tls_key = 'key.pem'", "a certificate and its key belong together"),
            ("peers = ['/ip4/127.0.0.1/udp/5/webrtc-direct']", "the hash of the peer's certificate is missing"),
            ("peers = ['/ip4/1.2.3.4/udp/5']", "peers: "),
            (
                "engine = 'abacus'",
                "engine: `abacus` is no engine: expected auto, cpu, reference, or wgpu[:ADAPTER][,memory=SIZE]",
            ),
            ("memory = 'all'", "memory: `all` is no amount of memory"),
            ("max_peers = 0", "max_peers: 0 is out of range"),
            ("outbound = 65", "outbound: 65 is out of range"),
            ("seeds = ['nowhere']", "seeds: `nowhere` is no network address"),
            ("mine_to = 'x1'", "mine_to: "),
            ("checkpoints = ['7:00ab']", "checkpoints: `7:00ab` is no checkpoint: expected HEIGHT:HASH"),
            ("price = '1e3'", "price: `1e3` is no amount"),
            ("prune = 1439", "prune: 1439 is too few blocks: expected at least 1440"),
        ];
        for (text, expected) in cases {
            let (_dir, config) = load(text, |line| line.network = Some(Network::Dev));
            let error = config.unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains('\n'), "{text}: {error}");
        }
        let (_dir, config) = load("", |line| {
            line.network = Some(Network::Test);
            line.cheat = Some(Cheat::AlterToken);
        });
        assert!(config.unwrap_err().to_string().contains("network dev"));
        let (_dir, config) = load("faucet = true", |line| line.network = Some(Network::Test));
        assert!(config.unwrap_err().to_string().contains("faucet: coins for nothing are for network dev"));
        let (_dir, config) = load("", |line| line.config = Some("/nowhere/at/all.toml".into()));
        assert!(config.unwrap_err().to_string().contains("/nowhere/at/all.toml"));
    }

    #[test]
    fn a_folder_and_a_file_can_name_the_network() {
        let (dir, config) = load("network = 'test'", |line| line.network = Some(Network::Test));
        assert_eq!(config.unwrap().listen[0].to_string(), "/ip4/0.0.0.0/tcp/17460");
        DataDir::at(dir.path()).prepare(Network::Test).unwrap();
        assert_eq!(resolve(Some(dir.path()), None).unwrap().1, Network::Test);
        assert!(matches!(resolve(Some(dir.path()), Some(Network::Dev)), Err(DataDirError::OtherNetwork { .. })));
        let line = Overrides { config: Some(dir.path().join("camelid.toml")), ..Overrides::default() };
        assert_eq!(NodeConfig::load(line).unwrap().data_dir.path().file_name().unwrap(), "test");
    }
}
