//! The numbers of contracts that consensus fixes (DESIGN section 4), each with its reason.

use crate::hash::ModelRoot;
use crate::units::Amount;

/// What consensus fixes about contracts. Periods are numbers of blocks.
#[derive(Clone, Debug)]
pub struct ContractParams {
    /// The shortest period in which a revealed answer may be challenged.
    pub min_contest: u32,
    /// The shortest period in which a node may answer a demand.
    pub min_grace: u32,
    /// The shortest period in which a challenger must bring its evidence.
    pub min_evidence: u32,
    /// The shortest period from settlement to the first demand.
    pub min_reveal: u32,
    /// The longest that any of these periods may be.
    pub max_period: u32,
    /// The most tokens in a prompt.
    pub max_prompt_tokens: u32,
    /// The most tokens in an answer.
    pub max_answer_tokens: u32,
    /// The least value of a payout; what is less joins the fee.
    pub dust: Amount,
    /// The most that the terms may set as the fee of one move.
    pub max_move_fee: Amount,
    /// What a stake and a bond must cover for each million multiply-accumulates of a re-run.
    pub burn_price: Amount,
    /// The most multiply-accumulates that the re-runs in one block may take together.
    pub block_mac_budget: u64,
    /// The models that full nodes hold and re-run to settle a challenge.
    pub provable_models: &'static [ProvableModel],
}

impl ContractParams {
    /// The numbers of all networks so far.
    pub const DEFAULT: ContractParams = ContractParams {
        // The paper's ten minutes in blocks of two minutes (2.4.2): in each of these periods the other side must get
        // one transaction mined.
        min_contest: 5,
        min_grace: 5,
        min_evidence: 5,
        // A node first waits until the settlement is buried (2 blocks at least), then delivers, then needs three blocks
        // to reveal on chain if no close came.
        min_reveal: 8,
        // Four weeks of two-minute blocks: no mistake in the terms locks money for longer.
        max_period: 20_160,
        // Longer than the longest context of the models that we can run; bounds what a weight can be.
        max_prompt_tokens: 131_072,
        max_answer_tokens: 131_072,
        // What an input that spends a P2PKH output costs at the usual fee, times three: less is not worth spending.
        dust: Amount(1_000),
        // A thousandth of a coin: far over a move's usual fee, and too little for a miner who colludes with one side.
        max_move_fee: Amount(100_000),
        // One unit: re-running 250 tokens of a 135 M model (35,000 million multiply-accumulates, some seconds of
        // every full node) puts 0.00035 coins at stake.
        burn_price: Amount(1),
        // 10^11: at the 10^10 a second of one core, ten of the 120 seconds between blocks.
        block_mac_budget: 100_000_000_000,
        provable_models: &[],
    };

    /// The most multiply-accumulates of one re-run: a quarter of a block's budget, so that nobody's proof waits
    /// behind one other.
    pub const fn max_proof_macs(&self) -> u64 {
        self.block_mac_budget / 4
    }
}

/// A model that full nodes hold, with the formula of its re-run weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProvableModel {
    /// The model.
    pub root: ModelRoot,
    /// Multiply-accumulates for each token, attention aside.
    pub macs_per_token: u64,
    /// Multiply-accumulates of attention for each pair of a token and one at or before it.
    pub macs_per_pair: u64,
    /// The most tokens of prompt and answer together.
    pub context: u32,
}

impl ProvableModel {
    /// The weight of one teacher-forced pass over `tokens` tokens; `None` over 2^64 or over the model's context.
    pub fn weight(&self, tokens: u32) -> Option<u64> {
        if tokens > self.context {
            return None;
        }
        let tokens = tokens as u64;
        let pairs = tokens * (tokens + 1) / 2;
        self.macs_per_token.checked_mul(tokens)?.checked_add(self.macs_per_pair.checked_mul(pairs)?)
    }
}
