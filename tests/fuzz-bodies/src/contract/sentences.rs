//! The rules of contracts, read once more: sentences of `docs/protocol.md`, "Contracts", each with what follows from it.

use crate::world::signed_hash;
use camelid_core::block::NetworkParams;
use camelid_core::contract::{Move, Signer, State, Terms, Witness};
use camelid_core::encode::{Decode, Encode};
use camelid_core::hash::{JobId, KeyHash, tagged_hash};
use camelid_core::keys::{PublicKey, Signature};
use camelid_core::transaction::{Coin, Script, Transaction, TxOut};
use camelid_core::units::{Height, MAX_MONEY};

/// Whether a move leads out of a state, at whatever height.
pub(super) fn leads(state: State, contract_move: Move) -> bool {
    use Move::*;
    match state {
        State::Settlement => matches!(contract_move, Close | Reveal | Demand),
        State::Demanded => matches!(contract_move, Reveal | Claim),
        State::Revealed => matches!(contract_move, Finalize),
        State::Challenged => false,
    }
}

/// The terms in a script; `Err` for "an output whose script begins with `OP_CONTRACT` and holds no canonical terms".
fn terms(script: &Script) -> Result<Option<Terms>, ()> {
    let [0xc0, rest @ ..] = script.as_bytes() else { return Ok(None) };
    // "The terms have 1 to 2000 bytes, the length is in its shortest form."
    let held = match rest {
        [n, held @ ..] if (1..=75).contains(n) && held.len() == usize::from(*n) => held,
        [0x4c, n, held @ ..] if *n > 75 && held.len() == usize::from(*n) => held,
        [0x4d, a, b, held @ ..] if *b > 0 && held.len() == usize::from(*a) + 256 * usize::from(*b) => held,
        _ => return Err(()),
    };
    if held.len() > 2000 {
        return Err(());
    }
    Terms::from_bytes(held).map(Some).map_err(|_| ())
}

/// Whether all of them hold.
pub(super) fn hold(tx: &Transaction, coins: &[Coin], height: Height, network: &NetworkParams) -> bool {
    let made: Result<Vec<_>, ()> = tx.outputs.iter().map(|o| terms(&o.script_pubkey)).collect();
    let spent: Result<Vec<_>, ()> = coins.iter().map(|c| terms(&c.output.script_pubkey)).collect();
    let (Ok(made), Ok(spent)) = (made, spent) else { return false };
    // "A transaction spends at most one contract and makes at most one contract output, at output 0."
    let places: Vec<usize> = (0..made.len()).filter(|i| made[*i].is_some()).collect();
    let taken: Vec<usize> = (0..spent.len()).filter(|i| spent[*i].is_some()).collect();
    if places.iter().any(|i| *i > 0) || taken.len() > 1 {
        return false;
    }
    let made = made.into_iter().next().flatten();
    let taken = taken.first().and_then(|i| spent[*i].clone().map(|terms| (*i, terms)));
    // "The transaction's Job ID equals the terms' in settle and in every move, and is zero elsewhere."
    let job = taken.as_ref().map(|t| t.1.job_id).or(made.as_ref().map(|t| t.job_id)).unwrap_or(JobId::ZERO);
    if tx.job_id != job {
        return false;
    }
    match (taken, made) {
        (None, None) => true,
        (None, Some(made)) => settles(tx, coins, &made, height, network),
        (Some((index, terms)), made) => moves(&Moving { tx, coins, index, terms, made, height, network }),
    }
}

fn pays(output: &TxOut, to: KeyHash) -> bool {
    output.script_pubkey.0 == [&[0x76, 0xa9, 0x14][..], &to.0, &[0x88, 0xac]].concat()
}

/// "settle: node: input 0, a P2PKH coin of the node key, at least S; at most valid-until; output 0: W+S+R."
fn settles(tx: &Transaction, coins: &[Coin], terms: &Terms, height: Height, network: &NetworkParams) -> bool {
    let stake = &coins[0].output;
    let locked: u128 = [terms.reward, terms.stake, terms.reserve].iter().map(|a| u128::from(a.0)).sum();
    terms.state == State::Settlement
        && well_formed(terms, network)
        && u128::from(tx.outputs[0].value.0) == locked
        && pays(stake, terms.node_key.hash())
        && stake.value >= terms.stake
        && height <= terms.valid_until
}

fn well_formed(t: &Terms, network: &NetworkParams) -> bool {
    let p = &network.contract;
    let [w, s, r, f, b] = [t.reward, t.stake, t.reserve, t.move_fee, t.bond].map(|a| u128::from(a.0));
    // "W and S at least dust, sums checked; f within its limit; R at least B + 4f."
    let dust = u128::from(p.dust.0);
    let money = w >= dust
        && s >= dust
        && w + s + r <= u128::from(MAX_MONEY.0)
        && t.move_fee <= p.max_move_fee
        && r >= b + 4 * f;
    // "Periods and lengths within network limits."
    let periods = [
        (t.periods.reveal, p.min_reveal),
        (t.periods.contest, p.min_contest),
        (t.periods.grace, p.min_grace),
        (t.periods.evidence, p.min_evidence),
    ];
    let periods = periods.iter().all(|(n, least)| u32::from(*n) >= *least && u32::from(*n) <= p.max_period);
    let lengths = (1..=131_072).contains(&t.prompt_tokens) && (1..=131_072).contains(&t.answer_tokens);
    // "If the model is one of the network's provable models the weight equals the formula and S and B each cover weight times
    // the burn price, else it is 0"; "a·n + b·n(n+1)/2; n is at most the model's context"; "1 unit for each million
    // multiply-accumulates, rounded up".
    let weight = u128::from(t.rerun_weight);
    let provable = match p.provable_models.iter().find(|m| m.root == t.model) {
        None => weight == 0,
        Some(m) => {
            let n = u128::from(t.prompt_tokens) + u128::from(t.answer_tokens);
            let formula = u128::from(m.macs_per_token) * n + u128::from(m.macs_per_pair) * (n * (n + 1) / 2);
            let price = weight.div_ceil(1_000_000) * u128::from(p.burn_price.0);
            n <= u128::from(m.context) && weight == formula && s >= price && b >= price
        }
    };
    // "The version is 1. … client and node key differ."
    t.version == 1 && t.client_key != t.node_key && money && periods && lengths && provable
}

struct Moving<'a> {
    tx: &'a Transaction,
    coins: &'a [Coin],
    index: usize,
    terms: Terms,
    made: Option<Terms>,
    height: Height,
    network: &'a NetworkParams,
}

fn moves(m: &Moving<'_>) -> bool {
    let Ok(witness) = Witness::from_bytes(m.tx.inputs[m.index].script_sig.as_bytes()) else { return false };
    let (t, p) = (&m.terms, &m.terms.periods);
    let h = u64::from(m.coins[m.index].height.0);
    let at = u64::from(m.height.0);
    let (from_grace_on, contract_move) = (at >= h + u64::from(p.grace), witness.contract_move());
    if !leads(t.state, contract_move) {
        return false;
    }
    match witness {
        // "close: client and node; at least h+2; any outputs."
        Witness::Close { client, node } => {
            at >= h + 2 && m.signed(&t.client_key, &client, 1) && m.signed(&t.node_key, &node, 1) && m.made.is_none()
        }
        // "reveal: node, with k; any; from Demanded below h+grace; output 0 carries on, less at most f."
        Witness::Reveal { node, key } => {
            (t.state == State::Settlement || !from_grace_on)
                && m.signed(&t.node_key, &node, 2)
                && tagged_hash("camelid/job/key", &[&key]) == t.key_hash
                && m.carries_on(State::Revealed)
        }
        // "demand: client; at least h+reveal; output 0 carries on, less at most f."
        Witness::Demand { client } => {
            at >= h + u64::from(p.reveal) && m.signed(&t.client_key, &client, 3) && m.carries_on(State::Demanded)
        }
        // "claim: client; at least h+grace; all to the client": it signs every output.
        Witness::Claim { client } => from_grace_on && m.signed(&t.client_key, &client, 4) && m.made.is_none(),
        // "finalize: node or client; at least h+contest."
        Witness::Finalize { signer, signature } => {
            let key = if signer == Signer::Client { &t.client_key } else { &t.node_key };
            at >= h + u64::from(p.contest) && m.signed(key, &signature, 5) && m.made.is_none() && m.pays_out()
        }
    }
}

impl Moving<'_> {
    /// "The move's byte and 32 bytes, zero where a move has no evidence, are what a contract's move adds to the signature hash."
    fn signed(&self, key: &PublicKey, signature: &Signature, byte: u8) -> bool {
        let spent: Vec<TxOut> = self.coins.iter().map(|c| c.output.clone()).collect();
        let added = [&[byte][..], &[0; 32]].concat();
        key.verify_by_reference(&signed_hash(self.tx, &spent, self.index, &added), signature)
    }

    fn value(&self) -> i128 {
        i128::from(self.coins[self.index].output.value.0)
    }

    fn output(&self, index: usize) -> Option<(&TxOut, i128)> {
        self.tx.outputs.get(index).map(|o| (o, i128::from(o.value.0)))
    }

    /// "Free outputs never exceed free inputs. Free inputs are all but the contract's."
    fn free(&self, first: usize) -> bool {
        let most = i128::from(MAX_MONEY.0);
        let inputs = self.coins.iter().enumerate().filter(|(i, _)| *i != self.index);
        let inputs: i128 = inputs.map(|(_, c)| i128::from(c.output.value.0)).sum();
        let outputs: i128 = self.tx.outputs.iter().skip(first).map(|o| i128::from(o.value.0)).sum();
        outputs <= inputs && inputs <= most
    }

    /// "Only the state byte changes between states." "Free outputs are those after output 0."
    fn carries_on(&self, state: State) -> bool {
        let (Some(made), Some((_, value))) = (&self.made, self.output(0)) else { return false };
        let (mut before, after) = (self.terms.to_bytes(), made.to_bytes());
        before[1] = state as u8;
        let least = self.value() - i128::from(self.terms.move_fee.0);
        before == after && (least.max(0)..=self.value()).contains(&value) && self.free(1)
    }

    /// "In finalize W is output 0, S output 1, the client's part output 2, each P2PKH"; "the rest less at most f to the client
    /// key"; "output 2 may be missing where what is left less f is below dust".
    fn pays_out(&self) -> bool {
        let t = &self.terms;
        let [w, s, f] = [t.reward, t.stake, t.move_fee].map(|a| i128::from(a.0));
        let rest = (self.value() - w - s).max(0);
        let least = (rest - f).max(0);
        let first = self.output(0).is_some_and(|(o, v)| pays(o, t.reward_address) && v == w);
        let second = self.output(1).is_some_and(|(o, v)| pays(o, t.node_key.hash()) && v == s);
        let third = match self.output(2) {
            None => least < i128::from(self.network.contract.dust.0),
            Some((o, v)) => pays(o, t.client_key.hash()) && (least..=rest).contains(&v),
        };
        let sums = w + s <= i128::from(MAX_MONEY.0);
        first && second && third && sums && self.free(3)
    }
}
