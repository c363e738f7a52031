//! Contracts: a second reading of `docs/protocol.md` has the same verdict on every settlement and move; a transaction that
//! passes makes no money, and takes from the contract what the terms allow; no move is valid both inside and after a period.

mod case;
mod sentences;

use crate::Choices;
use crate::world::params;
use camelid_core::block::NetworkParams;
use camelid_core::chain::{ChainView, NextBlock, check_inputs};
use camelid_core::contract::{Move, State, Terms, check_transaction, check_window};
use camelid_core::transaction::{Coin, OutPoint, SignatureHasher, Transaction, TxOut};
use camelid_core::units::{Amount, Height, MAX_MONEY, Timestamp};
use std::collections::BTreeMap;
use std::convert::Infallible;

/// The target.
pub fn run(input: &[u8]) {
    let mut choices = Choices::new(input);
    let case = case::choose(&mut choices);
    windows(&case.terms, case.since, case.height);
    judged(&case);
}

/// A transaction and what it spends.
struct Case {
    /// Of the contract that is made or spent.
    terms: Terms,
    /// When the contract that is spent was confirmed.
    since: Height,
    tx: Transaction,
    coins: Vec<Coin>,
    height: Height,
}

struct Coins<'a>(BTreeMap<OutPoint, &'a Coin>);

impl ChainView for Coins<'_> {
    type Error = Infallible;

    fn coin(&self, outpoint: &OutPoint) -> Result<Option<Coin>, Infallible> {
        Ok(self.0.get(outpoint).map(|c| (*c).clone()))
    }

    fn median_time_past(&self, height: Height) -> Result<Timestamp, Infallible> {
        Ok(Timestamp(height.0))
    }
}

fn judged(case: &Case) {
    let Case { tx, coins, height, .. } = case;
    let network: &NetworkParams = params();
    let outputs: Vec<TxOut> = coins.iter().map(|c| c.output.clone()).collect();
    let hasher = SignatureHasher::new(tx, &outputs, network.network);
    let verdict = check_transaction(tx, coins, *height, network, &hasher);
    let second = sentences::hold(tx, coins, *height, network);
    assert_eq!(verdict.is_ok(), second, "{verdict:?}: {case:?}");

    // With the rules of all transactions: plain inputs are signed as they should be, so the money alone may be wrong.
    let next = NextBlock { params: network, height: *height, median_time_past: Timestamp(1) };
    let view = Coins(tx.inputs.iter().map(|i| i.previous).zip(coins).collect());
    let (made, spent) = (sum(tx.outputs.iter()), sum(&outputs));
    let most = u128::from(MAX_MONEY.0);
    let balanced = made <= spent && spent <= most && !tx.outputs.is_empty();
    let checked = check_inputs(tx, &next, &view);
    assert_eq!(checked.is_ok(), verdict.is_ok() && balanced, "{checked:?}: {case:?}");
    if let Ok(checked) = checked {
        assert_eq!(u128::from(checked.fee.0), spent - made, "nothing is made and nothing lost");
    }
}

fn sum<'a>(outputs: impl IntoIterator<Item = &'a TxOut>) -> u128 {
    outputs.into_iter().map(|o| u128::from(o.value.0)).sum()
}

/// "A move inside a period is valid below its end, a move after it from its end on, never both."
fn windows(terms: &Terms, since: Height, height: Height) {
    let open =
        |state, contract_move, height| check_window(&terms.in_state(state), contract_move, since, height).is_ok();
    let before = Height(height.0.saturating_sub(1));
    for at in [height, before, since, Height(u32::MAX)] {
        let (reveal, claim) = (open(State::Demanded, Move::Reveal, at), open(State::Demanded, Move::Claim, at));
        assert!(reveal != claim, "at {at} one of the two holds");
        for state in [State::Settlement, State::Demanded, State::Revealed, State::Challenged] {
            assert!(!open(state, Move::Settle, at), "no witness makes a settlement");
            let moves = [Move::Close, Move::Reveal, Move::Demand, Move::Claim, Move::Finalize];
            let open_now: Vec<Move> = moves.into_iter().filter(|m| open(state, *m, at)).collect();
            assert!(open_now.iter().all(|m| sentences::leads(state, *m)), "{open_now:?} from {state:?}");
        }
    }
    // What begins stays, what ends stays over.
    for (state, contract_move) in [
        (State::Settlement, Move::Close),
        (State::Settlement, Move::Demand),
        (State::Demanded, Move::Claim),
        (State::Revealed, Move::Finalize),
    ] {
        assert!(!open(state, contract_move, before) || open(state, contract_move, height));
    }
    assert!(open(State::Settlement, Move::Reveal, height));
    assert!(!open(State::Demanded, Move::Reveal, height) || open(State::Demanded, Move::Reveal, before));
}

impl core::fmt::Debug for Case {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let values = |all: &mut dyn Iterator<Item = Amount>| all.map(|a| a.0).collect::<Vec<_>>();
        writeln!(f, "at {} since {}: {:?}", self.height, self.since, self.terms)?;
        writeln!(f, "spends {:?}", values(&mut self.coins.iter().map(|c| c.output.value)))?;
        write!(f, "makes {:?}: {:?}", values(&mut self.tx.outputs.iter().map(|o| o.value)), self.tx)
    }
}
