//! The consensus rules of contracts.

use super::{ContractError, Move, Signer, State, Terms, Witness};
use crate::block::NetworkParams;
use crate::encode::Decode;
use crate::hash::{JobId, KeyHash};
use crate::job::key_hash;
use crate::keys::{PublicKey, Signature};
use crate::script::{opcode::Opcode, templates};
use crate::transaction::{Coin, SignatureHasher, Transaction, TxOut};
use crate::units::{Amount, Height};

/// The terms in an output, if it is a contract: `None` for another script, an error for one that starts with
/// OP_CONTRACT and holds no canonical terms. `index` is the output's, for the error.
pub fn contract_output(output: &TxOut, index: usize) -> Result<Option<Terms>, ContractError> {
    if output.script_pubkey.as_bytes().first() != Some(&(Opcode::Contract as u8)) {
        return Ok(None);
    }
    let malformed = |reason| ContractError::MalformedTerms { index, reason };
    let terms = templates::contract_terms(&output.script_pubkey)
        .ok_or(malformed(crate::encode::DecodeError::Malformed("OP_CONTRACT script")))?;
    Terms::from_bytes(terms).map(Some).map_err(malformed)
}

/// The key that a reveal put on chain, if `tx` is one.
pub fn revealed_key(tx: &Transaction) -> Option<[u8; 32]> {
    tx.inputs.iter().find_map(|i| match Witness::from_bytes(i.script_sig.as_bytes()) {
        Ok(Witness::Reveal { key, .. }) => Some(key),
        _ => None,
    })
}

/// Contract rules for a coinbase.
pub fn check_coinbase(tx: &Transaction) -> Result<(), ContractError> {
    // "Any other contract output, and one in a coinbase, makes it invalid"; "the transaction's Job ID … is zero
    // elsewhere, in a coinbase too."
    let starts_contract = |o: &TxOut| o.script_pubkey.as_bytes().first() == Some(&(Opcode::Contract as u8));
    if tx.outputs.iter().any(starts_contract) || !tx.job_id.is_zero() {
        return Err(ContractError::Coinbase);
    }
    Ok(())
}

/// Contract rules for any other transaction, in a block at `height`. `spent` are the coins of its inputs, in
/// order; where a contract is spent its coin's height is the `h` of the periods. Plain inputs are checked by the
/// script interpreter, not here.
pub fn check_transaction(
    tx: &Transaction,
    spent: &[Coin],
    height: Height,
    network: &NetworkParams,
    hasher: &SignatureHasher,
) -> Result<(), ContractError> {
    let mut made = None;
    for (index, output) in tx.outputs.iter().enumerate() {
        match contract_output(output, index)? {
            Some(terms) if index == 0 => made = Some(terms),
            // "… at most one contract output, at output 0."
            Some(_) => return Err(ContractError::OutputPlace(index)),
            None => {}
        }
    }
    let mut taken = None;
    let mut contracts = 0;
    for (index, coin) in spent.iter().enumerate() {
        if let Some(terms) = contract_output(&coin.output, index)? {
            contracts += 1;
            taken = Some(Spend { tx, spent, index, terms, coin, height, dust: network.contract.dust });
        }
    }
    // "A transaction spends at most one contract."
    if contracts > 1 {
        return Err(ContractError::ManyInputs(contracts));
    }
    // "The transaction's Job ID equals the terms' in settle and in every move, and is zero elsewhere."
    let expected = taken.as_ref().map(|s| &s.terms).or(made.as_ref()).map_or(JobId::ZERO, |t| t.job_id);
    if tx.job_id != expected {
        return Err(ContractError::JobIdMismatch { expected, found: tx.job_id });
    }
    match (taken, made) {
        (None, None) => Ok(()),
        (None, Some(terms)) => check_settle(tx, spent, &terms, height, network),
        (Some(spend), made) => spend.check(made.as_ref(), hasher),
    }
}

/// The rules of a settlement.
fn check_settle(
    tx: &Transaction,
    spent: &[Coin],
    terms: &Terms,
    height: Height,
    network: &NetworkParams,
) -> Result<(), ContractError> {
    // "A Settlement from plain coins, or the next state of the one it spends."
    if terms.state != State::Settlement {
        return Err(ContractError::FirstState(terms.state));
    }
    terms.check(network)?;
    // "settle … output 0: W+S+R."
    let expected = terms.locked().ok_or(ContractError::Overflow)?;
    let found = tx.outputs.first().map_or(Amount::ZERO, |o| o.value);
    if found != expected {
        return Err(ContractError::Locked { expected, found });
    }
    // "settle … node: input 0, a P2PKH coin of the node key, at least S (its statement to the terms)."
    let stake = spent.first().ok_or(ContractError::StakeOwner)?;
    if templates::p2pkh_key_hash(&stake.output.script_pubkey) != Some(terms.node_key.hash()) {
        return Err(ContractError::StakeOwner);
    }
    if stake.output.value < terms.stake {
        return Err(ContractError::StakeValue { expected: terms.stake, found: stake.output.value });
    }
    // "settle … at most valid-until."
    if height > terms.valid_until {
        return Err(ContractError::Expired { last: terms.valid_until, found: height });
    }
    Ok(())
}

/// Whether `contract_move` may spend `state`, confirmed at `since`, in a block at `height`.
pub fn check_window(terms: &Terms, contract_move: Move, since: Height, height: Height) -> Result<(), ContractError> {
    let p = &terms.periods;
    let after = |blocks: u16| (Some(since.plus(blocks as u32)), None);
    // "A move inside a period is valid below its end, a move after it from its end on, never both."
    let (first, end) = match (terms.state, contract_move) {
        // "close … at least h+2."
        (State::Settlement, Move::Close) => after(2),
        // "reveal … any; from Demanded below h+grace."
        (State::Settlement, Move::Reveal) => (None, None),
        (State::Demanded, Move::Reveal) => (None, Some(since.plus(p.grace as u32))),
        // "demand … at least h+reveal."
        (State::Settlement, Move::Demand) => after(p.reveal),
        // "claim … at least h+grace."
        (State::Demanded, Move::Claim) => after(p.grace),
        // "finalize … at least h+contest."
        (State::Revealed, Move::Finalize) => after(p.contest),
        (state, contract_move) => return Err(ContractError::NoSuchMove { state, contract_move }),
    };
    match (first, end) {
        (Some(first), _) if height < first => Err(ContractError::TooEarly { contract_move, first, found: height }),
        (_, Some(end)) if height >= end => Err(ContractError::TooLate { contract_move, end, found: height }),
        _ => Ok(()),
    }
}

/// One contract input of one transaction.
struct Spend<'a> {
    tx: &'a Transaction,
    spent: &'a [Coin],
    index: usize,
    terms: Terms,
    coin: &'a Coin,
    height: Height,
    dust: Amount,
}

impl Spend<'_> {
    fn check(&self, made: Option<&Terms>, hasher: &SignatureHasher) -> Result<(), ContractError> {
        let script_sig = self.tx.inputs.get(self.index).map_or(&[][..], |i| i.script_sig.as_bytes());
        let witness = Witness::from_bytes(script_sig).map_err(ContractError::MalformedWitness)?;
        let contract_move = witness.contract_move();
        check_window(&self.terms, contract_move, self.coin.height, self.height)?;
        let terms = &self.terms;
        let signed = |signer, key: &PublicKey, signature: &Signature| {
            let hash = hasher.contract_input(self.index as u32, &contract_move.binding());
            if key.verify(&hash, signature) { Ok(()) } else { Err(ContractError::Signature { contract_move, signer }) }
        };
        match &witness {
            // "close … client and node … any outputs."
            Witness::Close { client, node } => {
                signed("client", &terms.client_key, client)?;
                signed("node", &terms.node_key, node)?;
                self.ends(made)
            }
            // "reveal … node, with k … output 0 carries on, less at most f."
            Witness::Reveal { node, key } => {
                signed("node", &terms.node_key, node)?;
                let found = key_hash(key);
                if found != terms.key_hash {
                    return Err(ContractError::Key { expected: terms.key_hash, found });
                }
                self.carries_on(made, State::Revealed)
            }
            // "demand … client … output 0 carries on, less at most f."
            Witness::Demand { client } => {
                signed("client", &terms.client_key, client)?;
                self.carries_on(made, State::Demanded)
            }
            // "claim … client … all to the client": who signs every output may pay it to any address.
            Witness::Claim { client } => {
                signed("client", &terms.client_key, client)?;
                self.ends(made)
            }
            // "finalize … node or client."
            Witness::Finalize { signer, signature } => {
                match signer {
                    Signer::Client => signed("client", &terms.client_key, signature)?,
                    Signer::Node => signed("node", &terms.node_key, signature)?,
                }
                self.ends(made)?;
                self.pays_out()
            }
        }
    }

    /// A move that ends the contract makes no other.
    fn ends(&self, made: Option<&Terms>) -> Result<(), ContractError> {
        match made {
            // "… or the next state of the one it spends; any other contract output … makes it invalid."
            Some(_) => Err(ContractError::OutputPlace(0)),
            None => Ok(()),
        }
    }

    /// "Only the state byte changes between states"; "output 0 carries on, less at most f"; "where output 0 carries
    /// on, and in finalize, free outputs never exceed free inputs: what is taken is miner's fee only."
    fn carries_on(&self, made: Option<&Terms>, state: State) -> Result<(), ContractError> {
        if made != Some(&self.terms.in_state(state)) {
            return Err(ContractError::NotCarriedOn(state));
        }
        let max = self.coin.output.value;
        self.value_between(0, max.saturating_sub(self.terms.move_fee), max)?;
        self.free_from(1)
    }

    /// "finalize … W to the reward address, S to the node key, the rest less at most f to the client key"; "a payout
    /// below dust joins the fee": where the client's least is below the terms' dust, its output may be missing.
    fn pays_out(&self) -> Result<(), ContractError> {
        let terms = &self.terms;
        self.pays(0, "reward address", terms.reward_address)?;
        self.value_between(0, terms.reward, terms.reward)?;
        self.pays(1, "node key", terms.node_key.hash())?;
        self.value_between(1, terms.stake, terms.stake)?;
        let paid = terms.reward_and_stake().ok_or(ContractError::Overflow)?;
        let rest = self.coin.output.value.saturating_sub(paid);
        let least = rest.saturating_sub(terms.move_fee);
        if self.tx.outputs.get(2).is_some() || least >= self.dust {
            self.pays(2, "client key", terms.client_key.hash())?;
            self.value_between(2, least, rest)?;
        }
        self.free_from(3)
    }

    fn output(&self, index: usize, payee: &'static str) -> Result<&TxOut, ContractError> {
        self.tx.outputs.get(index).ok_or(ContractError::Payee { index, payee })
    }

    fn pays(&self, index: usize, payee: &'static str, key_hash: KeyHash) -> Result<(), ContractError> {
        if templates::p2pkh_key_hash(&self.output(index, payee)?.script_pubkey) == Some(key_hash) {
            Ok(())
        } else {
            Err(ContractError::Payee { index, payee })
        }
    }

    fn value_between(&self, index: usize, min: Amount, max: Amount) -> Result<(), ContractError> {
        let found = self.tx.outputs.get(index).map_or(Amount::ZERO, |o| o.value);
        if (min..=max).contains(&found) { Ok(()) } else { Err(ContractError::OutputValue { index, found, min, max }) }
    }

    /// Free outputs are those from `first` on, free inputs all but the contract.
    fn free_from(&self, first: usize) -> Result<(), ContractError> {
        let others = self.spent.iter().enumerate().filter(|(i, _)| *i != self.index);
        let inputs = Amount::sum_checked(others.map(|(_, c)| c.output.value)).ok_or(ContractError::Overflow)?;
        let outputs =
            Amount::sum_checked(self.tx.outputs.iter().skip(first).map(|o| o.value)).ok_or(ContractError::Overflow)?;
        if outputs <= inputs { Ok(()) } else { Err(ContractError::FreeOutputs { inputs, outputs }) }
    }
}
