//! Where a job's money is on the chain, from the blocks that hold the job's transactions.

use crate::block::{NetworkParams, subsidy};
use crate::contract::{Move, Terms, WalletRules, Witness, contract_output, revealed_key};
use crate::encode::{Decode, DecodeError, Encode, Reader, put_vec};
use crate::encode_struct;
use crate::hash::Txid;
use crate::transaction::{OutPoint, Transaction, TxOut};
use crate::units::{Amount, Height};
use alloc::vec::Vec;

/// The most transactions of one job in the chain: a settlement and four moves, with room.
const MAX_MINED: usize = 16;

/// A job's transaction in the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mined {
    height: Height,
    /// W + S of all settlements in that block: it says how deep the block must lie to count as buried.
    settled_in_block: Amount,
    transaction: Transaction,
}
encode_struct!(Mined { height, settled_in_block, transaction });

/// The job's transactions in the chain, in order. Anyone may mine a transaction with any Job ID, so only those
/// that follow from the deal's own settlement are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Track(Vec<Mined>);

/// How a contract ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// The move that ended it.
    pub by: Move,
    /// The transaction.
    pub txid: Txid,
    /// Its height.
    pub height: Height,
    /// Whether it is deep enough to stay.
    pub buried: bool,
}

/// Where the money is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "made and matched once a step")]
pub enum Position {
    /// The settlement is not in the chain.
    Nowhere,
    /// In a contract.
    In {
        /// The terms; their state says which contract.
        terms: Terms,
        /// The output that holds the money.
        outpoint: OutPoint,
        /// The same output.
        output: TxOut,
        /// The height at which this state was confirmed: h.
        since: Height,
        /// How many blocks the settlement lies deep, its own included.
        depth: u32,
        /// Whether the settlement confirmed early enough, or lies deep enough, to be acted on.
        firm: bool,
        /// Whether it is firm and buried.
        buried: bool,
    },
    /// In plain outputs.
    Ended(Ending),
}

impl Track {
    /// Notes a block's transaction if it is `settlement` or spends the last one noted.
    pub fn connected(&mut self, settlement: &Txid, tx: &Transaction, height: Height, settled_in_block: Amount) {
        let follows = match self.0.last() {
            None => tx.txid() == *settlement,
            Some(last) => {
                let contract = last.transaction.outpoint(0);
                tx.inputs.iter().any(|i| i.previous == contract)
            }
        };
        if follows && self.0.len() < MAX_MINED {
            self.0.push(Mined { height, settled_in_block, transaction: tx.clone() });
        }
    }

    /// Forgets what blocks from `height` on held: they were disconnected.
    pub fn disconnected_from(&mut self, height: Height) {
        self.0.retain(|m| m.height < height);
    }

    /// Forgets everything, to be told again.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// The height at which the settlement was mined.
    pub fn settled_at(&self) -> Option<Height> {
        self.0.first().map(|m| m.height)
    }

    /// The key, if a reveal put it on chain.
    pub fn revealed_key(&self) -> Option<[u8; 32]> {
        self.0.iter().find_map(|m| revealed_key(&m.transaction))
    }

    /// The last transaction in the chain.
    pub fn last_txid(&self) -> Option<Txid> {
        self.0.last().map(|m| m.transaction.txid())
    }

    /// The job's transactions in the chain with their heights, in order.
    pub fn transactions(&self) -> impl Iterator<Item = (&Transaction, Height)> {
        self.0.iter().map(|m| (&m.transaction, m.height))
    }

    /// Where the money is under `tip`.
    pub fn position(&self, tip: Height, rules: &WalletRules, network: &NetworkParams) -> Position {
        let (Some(first), Some(last)) = (self.0.first(), self.0.last()) else { return Position::Nowhere };
        let buried = |m: &Mined| rules.is_buried(m.height, tip, m.settled_in_block, subsidy(network, m.height));
        let contract = last.transaction.outputs.first().map(|o| (o, contract_output(o, 0)));
        if let Some((output, Ok(Some(terms)))) = contract {
            let depth = if tip >= first.height { tip.since(first.height) + 1 } else { 0 };
            // "One that confirms so late is not acted on until it is 10 deep."
            let firm = !rules.is_late(first.height, terms.valid_until) || depth >= rules.dead_depth;
            return Position::In {
                terms,
                outpoint: last.transaction.outpoint(0),
                output: output.clone(),
                since: last.height,
                depth,
                firm,
                buried: firm && buried(first),
            };
        }
        let spent = self.0.len().checked_sub(2).and_then(|i| self.0.get(i)).map(|m| m.transaction.outpoint(0));
        let witness = last
            .transaction
            .inputs
            .iter()
            .find(|i| Some(i.previous) == spent)
            .and_then(|i| Witness::from_bytes(i.script_sig.as_bytes()).ok());
        match witness {
            Some(witness) => Position::Ended(Ending {
                by: witness.contract_move(),
                txid: last.transaction.txid(),
                height: last.height,
                buried: buried(first) && buried(last),
            }),
            None => Position::Nowhere,
        }
    }
}

impl Encode for Track {
    fn encode(&self, out: &mut Vec<u8>) {
        put_vec(&self.0, out);
    }
}

impl Decode for Track {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        r.vec("mined transactions", MAX_MINED).map(Track)
    }
}
