//! The numbers of each network, in one place, each with its reason.

use super::{Block, CompactTarget, ContractParams, Header, MAX_BLOCK_BYTES};
use crate::hash::{BlockHash, Hash32, JobId};
use crate::transaction::{OutPoint, Script, Sequence, Transaction, TxIn, TxOut};
use crate::units::{Amount, COIN, Network, Timestamp};
use alloc::vec;
use alloc::vec::Vec;

/// What the consensus rules of one network fix.
#[derive(Clone, Debug)]
pub struct NetworkParams {
    /// The network.
    pub network: Network,
    /// Seconds between blocks that the difficulty aims at.
    pub block_interval: u32,
    /// Seconds ahead of (or behind) schedule that halve (or double) the target.
    pub difficulty_half_life: u32,
    /// The easiest target.
    pub pow_limit: CompactTarget,
    /// What the first blocks' coinbases may make.
    pub subsidy: Amount,
    /// Blocks between halvings of the subsidy.
    pub halving_interval: u32,
    /// Blocks that must follow before a coinbase's outputs may be spent: the spending block's height is at
    /// least the coinbase's plus this.
    pub coinbase_maturity: u32,
    /// The largest encoding of a block, in bytes.
    pub max_block_bytes: usize,
    /// The most signature checks in a block.
    pub max_block_sigops: u32,
    /// A block's time is above the median of so many blocks before it.
    pub median_time_span: usize,
    /// Seconds that a block's time may lie ahead of the receiver's clock.
    pub max_future_seconds: u32,
    /// The genesis block's time.
    pub genesis_time: Timestamp,
    /// The nonce with which the genesis block reaches `pow_limit`.
    pub genesis_nonce: u32,
    /// Blocks on top of one that make it final for a node that has them: it changes to no chain that leaves its own
    /// further down. A node's rule, never consensus.
    pub max_reorganisation: u32,
    /// Seconds that our own miner waits after the tip's time before it works on the next block. Never consensus.
    pub miner_gap: u32,
    /// The numbers of contracts.
    pub contract: ContractParams,
}

const MAIN: NetworkParams = NetworkParams {
    network: Network::Main,
    // A settlement is buried in minutes and the paper's 10-minute contest period is 5 blocks (DESIGN 3).
    block_interval: 120,
    // Two days, as on Bitcoin Cash: slow enough against games with timestamps, quick enough when miners leave.
    difficulty_half_life: 2 * 86_400,
    // 2^28 hashes: a block every two minutes for 2.2 million hashes a second, half a desktop core. Headers
    // at the limit still cost a flooder 20 core-seconds each.
    pow_limit: CompactTarget(0x1d0f_ffff),
    // 50 coins, halved every 1,000,000 blocks (3.8 years, Bitcoin's rhythm): 100 million coins in all.
    subsidy: Amount(50 * COIN),
    halving_interval: 1_000_000,
    // Bitcoin's: deeper than any honest reorganisation, so a reorganisation seldom unmakes spent coins.
    coinbase_maturity: 100,
    max_block_bytes: MAX_BLOCK_BYTES,
    // A core checks 19,000 signatures a second: a full block costs a second, a hundredth of the interval.
    max_block_sigops: 20_000,
    // Bitcoin's: a single miner cannot move it.
    median_time_span: 11,
    max_future_seconds: 2 * 3_600,
    // 2026-11-22 00:00 UTC.
    genesis_time: Timestamp(1_795_305_600),
    genesis_nonce: 185_252_709,
    // Two days: longer than networks are cut in two without anybody's notice, and short enough that headers of forks from
    // far below cost a flooder today's difficulty.
    max_reorganisation: 1_440,
    miner_gap: 0,
    contract: ContractParams::DEFAULT,
};

// The rules of `MAIN`, so that what works here works there.
const TEST: NetworkParams = NetworkParams { network: Network::Test, genesis_nonce: 156_327_982, ..MAIN };

const DEV: NetworkParams = NetworkParams {
    network: Network::Dev,
    // A newcomer waits seconds, not minutes.
    block_interval: 2,
    difficulty_half_life: 60,
    // 2^12 hashes: a millisecond, so that tests and the first block cost nothing.
    pow_limit: CompactTarget(0x1f0f_ffff),
    // Ten seconds until the first coins can be spent.
    coinbase_maturity: 5,
    // One machine, one clock; small, so that a dev chain cannot run far ahead of it.
    max_future_seconds: 120,
    genesis_nonce: 1_220,
    // The interval: a development machine's cores are needed for other things, and after a night's pause the
    // schedule would otherwise ask for all the night's blocks at once.
    miner_gap: 2,
    ..MAIN
};

impl NetworkParams {
    /// The parameters of a network.
    pub fn of(network: Network) -> &'static NetworkParams {
        match network {
            Network::Main => &MAIN,
            Network::Test => &TEST,
            Network::Dev => &DEV,
        }
    }

    /// The network's first block. Its coinbase makes nothing.
    pub fn genesis(&self) -> Block {
        let text: Vec<u8> = [b"camelidcoin/".as_slice(), self.network.name().as_bytes()].concat();
        let coinbase = Transaction {
            version: Transaction::VERSION,
            inputs: vec![TxIn { previous: OutPoint::NULL, script_sig: Script(text), sequence: Sequence::FINAL }],
            // OP_RETURN: nobody can spend it.
            outputs: vec![TxOut { value: Amount::ZERO, script_pubkey: Script(vec![0x6a]) }],
            lock_time: 0,
            job_id: JobId::ZERO,
        };
        let mut block = Block {
            header: Header {
                version: Header::VERSION,
                previous: BlockHash::ZERO,
                merkle_root: Hash32::ZERO,
                time: self.genesis_time,
                bits: self.pow_limit,
                nonce: self.genesis_nonce,
            },
            transactions: vec![coinbase],
        };
        block.header.merkle_root = block.merkle_root();
        block
    }
}
