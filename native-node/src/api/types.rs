//! The JSON of the node's HTTP API, the same for server and client.
//!
//! Money is an integer of units in a field whose name ends in `_units` (100,000,000 units are one coin); the most that
//! can ever exist is 10^16 units. Hashes are hexadecimal text, as they are shown everywhere. Times are seconds since
//! 1970 (UTC). A request with a field that does not exist is refused.

use camelid_core::units::Amount;
use serde::{Deserialize, Serialize};

/// Units as coins for people, such as `12.50`.
pub fn coins(units: u64) -> String {
    Amount(units).to_string()
}

/// A change in units as coins for people, always with its sign.
pub fn signed_coins(units: i64) -> String {
    format!("{}{}", if units < 0 { '-' } else { '+' }, Amount(units.unsigned_abs()))
}

/// Why a call failed: one line, what was expected, what came, what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// The line.
    pub error: String,
}

/// How far following others' chain is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SyncView {
    /// Height of the last header.
    pub headers: u32,
    /// Height of the longest chain that is known.
    pub target: u32,
    /// Blocks a second, lately.
    pub blocks_per_second: f64,
    /// Seconds left at that rate, once there is one.
    pub seconds_left: Option<f64>,
}

/// `GET /v1/status`: the node at a glance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// `main`, `test` or `dev`.
    pub network: String,
    /// Program and version.
    pub agent: String,
    /// Our peer id.
    pub peer_id: String,
    /// Where peers reach us.
    pub listen: Vec<String>,
    /// Height of the last block.
    pub height: u32,
    /// Hash of the last block.
    pub tip: String,
    /// Whether no peer is known to have more work.
    pub synced: bool,
    /// How far it is, while others' chain is longer.
    #[serde(default)]
    pub sync: Option<SyncView>,
    /// Connected peers.
    pub peers: u32,
    /// Whether others can dial this node.
    pub reach: ReachView,
    /// Whether this node mines.
    pub mining: bool,
    /// Hashes a second that it tries, over the last while; 0 when it does not mine.
    pub hashes_per_second: u64,
    /// Names of the models that it computes for others.
    pub computes: Vec<String>,
    /// Whether a wallet is open.
    pub wallet: bool,
    /// Transactions in the pool.
    pub pool: u32,
    /// Jobs that are not over, ours and those we compute.
    pub live_jobs: u32,
    /// Seconds since the start.
    pub uptime_seconds: u64,
}

/// Whether others can dial this node: a few peers were asked to try.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReachView {
    /// `yes`, `no`, `unknown` (nobody has tried yet) or `does not listen`.
    pub reachable: String,
    /// The addresses that were dialled last.
    pub addresses: Vec<ReachedView>,
    /// The ports to open where nobody can reach this node, such as `TCP port 7460`.
    pub ports: String,
}

/// An address of this node, and how many peers reached it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReachedView {
    /// The address.
    pub address: String,
    /// `TCP`, `QUIC`, `WebSocket`, `secure WebSocket` or `WebRTC`.
    pub transport: String,
    /// Peers that reached it.
    pub reached: u32,
    /// Peers that tried in vain.
    pub not_reached: u32,
}

/// `GET /v1/chain`: the chain as this node knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainInfo {
    /// `main`, `test` or `dev`.
    pub network: String,
    /// Height of the last block.
    pub height: u32,
    /// Hash of the last block.
    pub tip: String,
    /// Time of the last block.
    pub time: u32,
    /// The target that the next block must reach, 64 hexadecimal digits.
    pub target: String,
    /// Hashes that the next block takes on average.
    pub hashes_per_block: u64,
    /// All work in the chain: expected hashes, hexadecimal.
    pub work: String,
    /// What the next block may make.
    pub subsidy_units: u64,
    /// What all blocks have made.
    pub supply_units: u64,
    /// Transactions in the pool.
    pub pool: u32,
    /// The lowest height whose block is here: 0 unless the node prunes.
    pub first_body: u32,
}

/// `GET /v1/chain/block/{hash or height}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockView {
    /// Its hash.
    pub hash: String,
    /// Its height.
    pub height: u32,
    /// The hash of the block before it.
    pub previous: String,
    /// The Merkle root of its transactions.
    pub merkle_root: String,
    /// Its time.
    pub time: u32,
    /// The compact target, 8 hexadecimal digits.
    pub bits: String,
    /// The nonce.
    pub nonce: u32,
    /// Its encoding's size in bytes.
    pub size: u64,
    /// Blocks from it to the tip, both counted; 0 when it is not in the best chain.
    pub confirmations: u32,
    /// Its transactions, the coinbase first.
    pub transactions: Vec<TransactionView>,
}

/// Where a transaction is in the best chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockPlace {
    /// The block.
    pub hash: String,
    /// Its height.
    pub height: u32,
    /// Its time.
    pub time: u32,
    /// Blocks from it to the tip, both counted.
    pub confirmations: u32,
}

/// `GET /v1/chain/tx/{txid}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransactionView {
    /// Its id.
    pub txid: String,
    /// `coinbase`, `payment`, or the move of a contract: `settle`, `close`, `reveal`, `demand`, `claim`, `finalize`.
    pub kind: String,
    /// The job it belongs to.
    pub job: Option<String>,
    /// What it spends; empty for a coinbase.
    pub inputs: Vec<InputView>,
    /// What it makes.
    pub outputs: Vec<OutputView>,
    /// The miner's fee; `None` for a coinbase, or when a spent coin is not known.
    pub fee_units: Option<u64>,
    /// Its encoding's size in bytes.
    pub size: u64,
    /// Where it is; `None` while it waits in the pool.
    pub block: Option<BlockPlace>,
}

/// A coin that a transaction spends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputView {
    /// The transaction that made the coin.
    pub txid: String,
    /// Which of its outputs, from 0.
    pub index: u32,
    /// The coin's value, where known.
    pub value_units: Option<u64>,
    /// Whose it was, where known and a plain coin.
    pub address: Option<String>,
}

/// A coin that a transaction makes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputView {
    /// Its value.
    pub value_units: u64,
    /// Whose it is; `None` when it is not a plain coin.
    pub address: Option<String>,
    /// The state of the contract that it holds: `settlement`, `demanded`, `revealed`.
    pub contract: Option<String>,
    /// Its script, hexadecimal.
    pub script: String,
}

/// `GET /v1/wallet/balance`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalletBalance {
    /// What the next block may spend.
    pub confirmed_units: u64,
    /// What is on its way to us in transactions that no block has yet.
    pub pending_units: u64,
    /// Mined coins that must wait some blocks.
    pub immature_units: u64,
    /// Ours, held by contracts of jobs that are not over: reward, stake, reserve.
    pub in_jobs_units: u64,
}

impl WalletBalance {
    /// All of it.
    pub fn total_units(&self) -> u64 {
        let parts = [self.confirmed_units, self.pending_units, self.immature_units, self.in_jobs_units];
        parts.into_iter().fold(0, u64::saturating_add)
    }
}

/// `GET /v1/wallet/address`: where to be paid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressView {
    /// An address of this wallet that the chain has not seen.
    pub address: String,
}

/// `POST /v1/wallet/send`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SendRequest {
    /// To whom.
    pub address: String,
    /// How much.
    pub amount_units: u64,
    /// Units of fee a byte; the node's estimate when absent.
    #[serde(default)]
    pub fee_rate_units: Option<u64>,
}

/// The answer to [`SendRequest`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendResponse {
    /// The transaction that pays.
    pub txid: String,
    /// What the miner gets.
    pub fee_units: u64,
}

/// A line of `GET /v1/wallet/history`, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// The transaction.
    pub txid: String,
    /// As in [`TransactionView::kind`], or `mined` for a coinbase of ours.
    pub kind: String,
    /// The job it belongs to.
    pub job: Option<String>,
    /// What it changed for us, its fee included where we paid it.
    pub change_units: i64,
    /// The block's height; `None` while it waits.
    pub height: Option<u32>,
    /// The block's time, or when we first saw it.
    pub time: u32,
    /// Blocks from its block to the tip, both counted; 0 while it waits.
    pub confirmations: u32,
}

/// How much of the answer is checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Verify {
    /// Every position.
    #[default]
    Full,
    /// The paper's three assertions.
    Spot,
    /// Nothing.
    None,
}

/// `POST /v1/jobs`: a prompt to be answered, paid and checked. The answer is a [`JobView`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobSubmit {
    /// The model's name or root.
    pub model: String,
    /// The prompt.
    pub prompt: String,
    /// The most tokens to generate.
    pub max_tokens: u32,
    /// Seed of the sampling; the node draws one when absent.
    #[serde(default)]
    pub seed: Option<u64>,
    /// Temperature in thousandths; 0 takes the most likely token.
    #[serde(default)]
    pub temperature: u32,
    /// Only the k most likely tokens; 0 for all.
    #[serde(default)]
    pub top_k: u32,
    /// Only the fewest tokens whose probability reaches this many millionths; 1,000,000 for all.
    #[serde(default = "all_millionths")]
    pub top_p: u32,
    /// What the compute node gets.
    pub reward_units: u64,
    /// What the compute node must put at stake; as much as the reward when absent.
    #[serde(default)]
    pub stake_units: Option<u64>,
    /// How much of the answer is checked.
    #[serde(default)]
    pub verify: Verify,
    /// On network `dev`: how this client cheats (`silent-after-answer`).
    #[serde(default)]
    pub cheat: Option<String>,
}

/// `POST /v1/dev/cheat`: how this node cheats in the jobs that it takes from now on. Network `dev` alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheatRequest {
    /// `alter-token` or `silent-after-payment`; honest when absent.
    #[serde(default)]
    pub how: Option<String>,
}

fn all_millionths() -> u32 {
    1_000_000
}

/// On which side of a job this node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// It asked and pays.
    Client,
    /// It computes and is paid.
    Compute,
}

/// A status and when it was reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelineView {
    /// The status.
    pub status: String,
    /// When.
    pub time: u32,
    /// The last block's height then.
    pub height: u32,
}

/// A token that the model does not choose at its position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrongTokenView {
    /// Its place in the answer, from 0.
    pub position: u32,
    /// The id in the answer.
    pub found: u32,
    /// The id that the model chooses.
    pub expected: u32,
    /// The text of `found`.
    pub found_text: String,
    /// The text of `expected`.
    pub expected_text: String,
}

/// What checking an answer gave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerificationView {
    /// How much was to be checked.
    pub mode: Verify,
    /// Whether nothing wrong was found.
    pub holds: bool,
    /// Positions that were checked.
    pub positions_checked: u32,
    /// The wrong ones.
    pub wrong: Vec<WrongTokenView>,
    /// What else is wrong: stopped early, too long, garbage. Empty when nothing is.
    pub problem: String,
    /// Milliseconds that generating took, as the compute node says; `None` when it did not.
    pub generate_ms: Option<u32>,
    /// Milliseconds that the check took.
    pub verify_ms: u32,
    /// The engine that checked.
    pub engine: String,
}

/// A job: `GET /v1/jobs/{id}`, and each of `GET /v1/jobs`, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobView {
    /// Its id.
    pub id: String,
    /// On which side we are.
    pub role: Role,
    /// `created`, `accepted`, `completed`, `paid`, `delivered`, `verified`, `rejected`, `closed`, `slashed`, `refunded`
    /// or `expired`.
    pub status: String,
    /// Whether nothing more happens.
    pub over: bool,
    /// The statuses so far.
    pub timeline: Vec<TimelineView>,
    /// The model's name; its root where the name is not known.
    pub model: String,
    /// The model's root.
    pub model_root: String,
    /// The prompt; `None` where we do not know it.
    pub prompt: Option<String>,
    /// The prompt's length in tokens.
    pub prompt_tokens: u32,
    /// The most tokens to generate.
    pub max_tokens: u32,
    /// The seed; `None` where we do not know it.
    pub seed: Option<u64>,
    /// Temperature in thousandths.
    pub temperature: u32,
    /// Top-k; 0 for all.
    pub top_k: u32,
    /// Top-p in millionths.
    pub top_p: u32,
    /// The answer's text, once known.
    pub answer: Option<String>,
    /// The answer's token ids, once known.
    pub answer_tokens: Option<Vec<u32>>,
    /// What the check gave, once done.
    pub verification: Option<VerificationView>,
    /// The other side's peer id, once there is one.
    pub peer: Option<String>,
    /// What the compute node gets.
    pub reward_units: u64,
    /// What it has at stake.
    pub stake_units: u64,
    /// What the client adds to defend itself.
    pub reserve_units: u64,
    /// Miner's fees that we paid so far.
    pub fees_units: u64,
    /// What the job changed for our wallet so far, confirmed or not; negative for what it cost.
    pub change_units: i64,
    /// The transaction that locked the money.
    pub settlement: Option<String>,
    /// The transaction that ended the contract: close, claim or finalize.
    pub end: Option<String>,
    /// Every transaction of the job that is known, in order: its kind and id.
    pub transactions: Vec<JobTransaction>,
    /// The job's last trouble, in one line, if any.
    pub note: Option<String>,
}

/// A transaction of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobTransaction {
    /// As in [`TransactionView::kind`].
    pub kind: String,
    /// Its id.
    pub txid: String,
    /// The block's height; `None` while it waits.
    pub height: Option<u32>,
}

/// A model: each of `GET /v1/models`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelView {
    /// Its name.
    pub name: String,
    /// Its identity: the root over its package's chunks.
    pub root: String,
    /// Its family.
    pub architecture: String,
    /// Number of weights.
    pub parameters: u64,
    /// The longest sequence in tokens.
    pub context: u32,
    /// Number of tokens that it knows.
    pub vocabulary: u32,
    /// Bytes of its package.
    pub package_bytes: u64,
    /// The licence of its weights.
    pub licence: String,
    /// Its package's file on this machine; `None` when there is none.
    pub file: Option<String>,
    /// Whether the program brings it.
    pub in_program: bool,
    /// Whether this node computes it for others.
    pub computes: bool,
}

/// A connected peer: each of `GET /v1/peers`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerView {
    /// Its id.
    pub peer: String,
    /// Its address.
    pub address: String,
    /// `inbound` or `outbound`.
    pub direction: String,
    /// Its program and version, as it says.
    pub agent: String,
    /// What it does for others, as it says: `blocks`, `light`, `relay`, `compute`.
    pub services: Vec<String>,
    /// Milliseconds that it last took to answer a ping; `None` before the first.
    pub ping_ms: Option<u32>,
    /// Points for what it did wrong; at 100 it is banned.
    pub score: u32,
    /// Since when.
    pub connected_since: u64,
    /// The height it last told; `None` when it has not.
    pub height: Option<u32>,
}

/// The address book and the bans: `GET /v1/peers/book`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookView {
    /// Known peers that this node met: they answered when it dialled them.
    pub met: u32,
    /// Known peers that it only heard of.
    pub heard: u32,
    /// Whom it talks to no more for a while.
    pub bans: Vec<BanView>,
}

/// A ban.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BanView {
    /// A peer id, an IPv4 address or an IPv6 /64.
    pub who: String,
    /// Until when.
    pub until: u64,
    /// Why.
    pub reason: String,
}

/// `POST /v1/peers/ban`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BanRequest {
    /// A peer id or an IP address.
    pub who: String,
    /// For how long; a day when absent.
    #[serde(default)]
    pub seconds: Option<u64>,
}

/// `POST /v1/peers/unban`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnbanRequest {
    /// Whom, as banned.
    pub who: String,
}

/// `GET /page.json`: what the page must know to begin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageView {
    /// `main`, `test` or `dev`.
    pub network: String,
    /// Where a browser that asks here can dial this node; what is to be tried first stands first.
    pub seeds: Vec<String>,
    /// The node's checkpoints, HEIGHT:HASH, which the page holds headers to as well.
    pub checkpoints: Vec<String>,
    /// Whether `POST /faucet` gives coins.
    pub faucet: bool,
}

/// `POST /faucet`, on network `dev`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaucetRequest {
    /// Who wants coins.
    pub address: String,
}

/// The answer to [`FaucetRequest`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaucetPaid {
    /// The transaction that pays.
    pub txid: String,
    /// How much.
    pub amount_units: u64,
}

/// The answer to calls that only do something: `POST /v1/stop`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// Always true.
    pub done: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_field_is_an_error_and_defaults_hold() {
        let text = r#"{"model":"m","prompt":"p","max_tokens":5,"reward_units":7}"#;
        let job: JobSubmit = serde_json::from_str(text).unwrap();
        assert_eq!((job.temperature, job.top_p, job.verify, job.seed), (0, 1_000_000, Verify::Full, None));
        let error = serde_json::from_str::<JobSubmit>(&text.replace("reward_units", "reward")).unwrap_err();
        assert!(error.to_string().contains("unknown field `reward`"), "{error}");
    }

    #[test]
    fn money_for_people() {
        assert_eq!(coins(1_250_000_000), "12.50");
        assert_eq!(signed_coins(-1), "-0.00000001");
        assert_eq!(signed_coins(100_000_000), "+1.00");
    }
}
