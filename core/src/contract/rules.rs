//! The rules of wallets and nodes around a contract, each number with its reason. Never consensus: the consensus
//! numbers are in `block::params`.

use super::{State, contract_output};
use crate::block::{Block, NetworkParams};
use crate::job::Periods;
use crate::units::{Amount, Height, Network};

/// How deep a settlement must lie to count as buried: "buried = max(2, W+S settled in that block over the subsidy,
/// rounded up) blocks". Undoing a block must cost a miner more than the money that it settles.
pub fn buried_blocks(settled_in_block: Amount, subsidy: Amount) -> u32 {
    let over = settled_in_block.0.div_ceil(subsidy.0.max(1));
    u32::try_from(over).unwrap_or(u32::MAX).max(2)
}

/// W + S of all settlements in a block: the money that undoing the block could move.
pub fn settled_in_block(block: &Block) -> Amount {
    let first_outputs = block.transactions.iter().filter_map(|tx| tx.outputs.first());
    let terms = first_outputs.filter_map(|o| contract_output(o, 0).ok().flatten());
    terms.filter(|t| t.state == State::Settlement).filter_map(|t| t.reward_and_stake()).sum()
}

/// A day in blocks of 120 seconds.
const DAY: u16 = 720;

/// The numbers that a wallet and a node go by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WalletRules {
    /// The periods that a wallet puts into its jobs.
    pub periods: Periods,
    /// Blocks on top of the settlement's inputs, itself included, before the node takes it for safe: c.
    pub release_depth: u32,
    /// How many blocks before the end of the reveal period a node reveals on chain if no close came: long enough
    /// for the reveal to be mined although a few blocks leave it out.
    pub reveal_margin: u32,
    /// Blocks that a settlement must have left when a pool takes it: one that confirms in its last blocks invites
    /// a reorganisation that kills it.
    pub settlement_least_left: u32,
    /// Blocks that a settlement must have left for the key to be released before it is buried.
    pub release_least_left: u32,
    /// Blocks on top of the valid-until height before a settlement counts as dead.
    pub dead_depth: u32,
    /// How far ahead a wallet sets a job's valid-until height.
    pub job_lifetime: u32,
    /// The least that a job's terms may set as the fee of one move. A move cannot pay more than the terms say without
    /// another coin: with too little a node's reveal would wait until its stake can be claimed.
    pub least_move_fee: Amount,
    /// The least age, in blocks, of a stake coin: a stake must have been worth keeping before the job came.
    pub stake_age: u32,
    /// Seconds between the turns of two nodes for one job (d).
    pub turn_seconds: u32,
    /// Seconds that a node gets from the assignment to the testament before the client passes it over; each
    /// hundred tokens of the limit add one.
    pub testament_seconds: u32,
    /// Seconds between two sendings of a message that nobody has answered.
    pub resend_seconds: u32,
}

impl WalletRules {
    /// For a network: "a day by default (dev: the minimum) on every unilateral path, because a closed tab or a
    /// rebooting node must not lose money".
    pub fn for_network(network: &NetworkParams) -> Self {
        let shortest = Periods::shortest(&network.contract);
        let dev = network.network == Network::Dev;
        let day = Periods { reveal: DAY, contest: DAY, grace: DAY, evidence: DAY };
        WalletRules {
            periods: if dev { shortest } else { day },
            release_depth: 2,
            reveal_margin: 4,
            settlement_least_left: 10,
            release_least_left: 20,
            dead_depth: 10,
            // Dev blocks take two seconds: 300 are ten minutes, as 30 blocks are an hour on the others.
            job_lifetime: if dev { 300 } else { 60 },
            // A move has at most 700 bytes; ten times what pools ask for at least.
            least_move_fee: Amount(7_000),
            stake_age: if dev { 1 } else { 10 },
            turn_seconds: if dev { 1 } else { 5 },
            testament_seconds: 60,
            resend_seconds: if dev { 2 } else { 10 },
        }
    }

    /// The shortest periods that wallet and node take part in: "contest, grace and evidence at least buried + 3;
    /// reveal at least release depth + 2·buried + 2". `settled` is W + S, `subsidy` that of the next block.
    pub fn least_periods(&self, settled: Amount, subsidy: Amount) -> Periods {
        let buried = buried_blocks(settled, subsidy);
        let blocks = |n: u32| u16::try_from(n).unwrap_or(u16::MAX);
        let answer = blocks(buried.saturating_add(3));
        let reveal = blocks(buried.saturating_mul(2).saturating_add(self.release_depth).saturating_add(2));
        Periods { reveal, contest: answer, grace: answer, evidence: answer }
    }

    /// The periods that a wallet puts into a job: the usual ones, or longer where the sum is large.
    pub fn periods_for(&self, settled: Amount, subsidy: Amount) -> Periods {
        let (usual, least) = (self.periods, self.least_periods(settled, subsidy));
        Periods {
            reveal: usual.reveal.max(least.reveal),
            contest: usual.contest.max(least.contest),
            grace: usual.grace.max(least.grace),
            evidence: usual.evidence.max(least.evidence),
        }
    }

    /// Whether a job's periods are long enough for a node to take it, and not so long that a silent client locks its stake
    /// and reward for weeks: a day each at most to reveal and to contest, or what the sum needs.
    pub fn are_enough(&self, periods: &Periods, settled: Amount, subsidy: Amount) -> bool {
        let (least, usual) = (self.least_periods(settled, subsidy), self.periods_for(settled, subsidy));
        periods.reveal >= least.reveal
            && periods.reveal <= usual.reveal.max(DAY)
            && periods.contest <= usual.contest.max(DAY)
            && periods.contest >= least.contest
            && periods.grace >= least.grace
            && periods.evidence >= least.evidence
    }

    /// Whether a settlement mined at `at` confirmed with so few blocks left that a reorganisation could kill it: "one
    /// that confirms so late is not acted on until it is 10 deep".
    pub fn is_late(&self, at: Height, valid_until: Height) -> bool {
        at.plus(self.settlement_least_left) > valid_until
    }

    /// Whether a settlement mined at `at` is buried at `tip`: its block counts as the first of the buried blocks.
    pub fn is_buried(&self, at: Height, tip: Height, settled_in_block: Amount, subsidy: Amount) -> bool {
        tip >= at && tip.since(at) + 1 >= buried_blocks(settled_in_block, subsidy)
    }
}

/// What a node knows about a settlement that is not buried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReleaseFacts {
    /// The depth, in blocks, of the youngest coin that it spends.
    pub least_input_depth: u32,
    /// Its fee rate.
    pub fee_rate: u64,
    /// The fee rate that the next block needs.
    pub next_block_fee_rate: u64,
    /// Blocks left before its valid-until height.
    pub blocks_left: u32,
    /// Whether no conflict was seen for long enough.
    pub quiet: bool,
    /// The rewards released but not buried, this one included; `None` when they add up to too much.
    pub exposed: Option<Amount>,
    /// The node's limit for that.
    pub exposure_limit: Amount,
}

/// Whether a key may be handed over before its settlement is buried: "all inputs at least 2 deep, fee rate at least the
/// pool's next-block rate, at least 20 blocks before valid-until, no conflict seen for d seconds, and the sum of rewards
/// released but not buried under its limit".
pub fn release_allowed(facts: &ReleaseFacts, rules: &WalletRules) -> bool {
    facts.least_input_depth >= rules.release_depth
        && facts.fee_rate >= facts.next_block_fee_rate
        && facts.blocks_left >= rules.release_least_left
        && facts.quiet
        && facts.exposed.is_some_and(|sum| sum <= facts.exposure_limit)
}
