//! Builds and signs the transactions of a contract, for wallets on both sides.

use super::{ContractError, Move, Signer, State, Terms, Witness};
use crate::block::NetworkParams;
use crate::encode::Encode;
use crate::hash::{Hash32, KeyHash};
use crate::job::{JobParams, SealedAnswer};
use crate::keys::{PublicKey, SecretKey, Signature};
use crate::script::templates;
use crate::transaction::{OutPoint, Script, SignatureHasher, Transaction, TxIn, TxOut};
use crate::units::Amount;
use alloc::vec::Vec;

/// What the terms commit to about the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commitments {
    /// Merkle root over the answer's salted tokens.
    pub output_root: Hash32,
    /// Hash of the sealed answer.
    pub ciphertext_hash: Hash32,
    /// Hash of the key that opens it.
    pub key_hash: Hash32,
}

impl Commitments {
    /// Those in some terms.
    pub fn of(terms: &Terms) -> Self {
        let Terms { output_root, ciphertext_hash, key_hash, .. } = *terms;
        Commitments { output_root, ciphertext_hash, key_hash }
    }
}

impl From<&SealedAnswer> for Commitments {
    fn from(answer: &SealedAnswer) -> Self {
        let SealedAnswer { output_root, ciphertext_hash, key_hash, .. } = *answer;
        Commitments { output_root, ciphertext_hash, key_hash }
    }
}

/// The terms that a job and a sealed answer of `answer_tokens` tokens lead to, in the first state.
pub fn settlement_terms(
    params: &JobParams,
    node_key: PublicKey,
    reward_address: KeyHash,
    answer_tokens: u32,
    answer: Commitments,
    network: &NetworkParams,
) -> Terms {
    Terms {
        version: Terms::VERSION,
        state: State::Settlement,
        job_id: params.id(network.network),
        client_key: params.client_key,
        challenge_key: params.challenge_key,
        job_key: params.job_key,
        node_key,
        reward_address,
        reward: params.reward,
        stake: params.stake,
        reserve: params.reserve,
        move_fee: params.move_fee,
        bond: params.bond,
        model: params.model,
        prompt_tokens: params.prompt_tokens,
        answer_tokens,
        rerun_weight: rerun_weight(params, answer_tokens, network),
        output_root: answer.output_root,
        ciphertext_hash: answer.ciphertext_hash,
        key_hash: answer.key_hash,
        valid_until: params.valid_until,
        periods: params.periods,
    }
}

/// "The weight equals the formula …, else it is 0."
fn rerun_weight(params: &JobParams, answer_tokens: u32, network: &NetworkParams) -> u64 {
    let model = network.contract.provable_models.iter().find(|m| m.root == params.model);
    model.and_then(|m| m.weight(params.prompt_tokens.saturating_add(answer_tokens))).unwrap_or(0)
}

/// What a settlement is built from. Both sides build it alike and compare.
#[derive(Clone, Debug)]
pub struct SettlementParts<'a> {
    /// The terms.
    pub terms: &'a Terms,
    /// The node's stake coin and its value.
    pub stake_coin: (OutPoint, Amount),
    /// The client's coins and their values, in the order of the job's offer.
    pub client_coins: &'a [(OutPoint, Amount)],
    /// Where the client's change goes.
    pub client_change: KeyHash,
    /// The miner's fee, paid by the client's coins.
    pub fee: Amount,
}

/// "settle … output 0: W+S+R; the client's inputs pay the fee; input 0 less S back to the node." Unsigned.
pub fn build_settlement(parts: &SettlementParts<'_>, network: &NetworkParams) -> Result<Transaction, ContractError> {
    let terms = parts.terms;
    let paid = Amount::sum_checked(parts.client_coins.iter().map(|c| c.1)).ok_or(ContractError::Overflow)?;
    let owed = Amount::sum_checked([terms.reward, terms.reserve, parts.fee]).ok_or(ContractError::Overflow)?;
    let short = |inputs, outputs| ContractError::FreeOutputs { inputs, outputs };
    let client_change = paid.checked_sub(owed).ok_or(short(paid, owed))?;
    let stake_change = parts
        .stake_coin
        .1
        .checked_sub(terms.stake)
        .ok_or(ContractError::StakeValue { expected: terms.stake, found: parts.stake_coin.1 })?;
    let locked = terms.locked().ok_or(ContractError::Overflow)?;
    let mut outputs = Vec::from([TxOut { value: locked, script_pubkey: terms.script() }]);
    outputs.extend(payout(stake_change, terms.node_key.hash(), network));
    outputs.extend(payout(client_change, parts.client_change, network));
    let coins = core::iter::once(parts.stake_coin.0).chain(parts.client_coins.iter().map(|c| c.0));
    Ok(Transaction {
        version: Transaction::VERSION,
        inputs: coins.map(TxIn::unsigned).collect(),
        outputs,
        lock_time: 0,
        job_id: terms.job_id,
    })
}

/// Signs the P2PKH input `index` of `tx`, whose inputs spend `spent`: the node's input 0 is its statement to the
/// terms, the client's inputs are its payment.
pub fn half_sign(tx: &mut Transaction, index: usize, spent: &[TxOut], key: &SecretKey, network: &NetworkParams) {
    let hash = SignatureHasher::new(tx, spent, network.network).input(index as u32);
    if let Some(input) = tx.inputs.get_mut(index) {
        input.script_sig = templates::p2pkh_script_sig(&key.sign(&hash), &key.public_key());
    }
}

/// "A payout below dust joins the fee."
fn payout(value: Amount, to: KeyHash, network: &NetworkParams) -> Option<TxOut> {
    (value >= network.contract.dust).then(|| TxOut { value, script_pubkey: templates::p2pkh(to) })
}

/// How a close pays out.
#[derive(Clone, Copy, Debug)]
pub struct ClosePayout {
    /// Where the client's part goes.
    pub client: KeyHash,
    /// The miner's fee, from the client's part.
    pub fee: Amount,
}

/// "close … wallets: W+S to the node, the rest less the fee to the client." Unsigned.
pub fn unsigned_close(
    contract: OutPoint,
    terms: &Terms,
    value: Amount,
    pay: ClosePayout,
    network: &NetworkParams,
) -> Result<Transaction, ContractError> {
    let node = terms.reward_and_stake().ok_or(ContractError::Overflow)?;
    let rest = value.checked_sub(node).ok_or(ContractError::Overflow)?.saturating_sub(pay.fee);
    let mut outputs = Vec::from([TxOut { value: node, script_pubkey: templates::p2pkh(terms.reward_address) }]);
    outputs.extend(payout(rest, pay.client, network));
    Ok(spend(contract, terms, outputs))
}

/// One side's signature over a close that spends `contract_output`.
pub fn close_signature(
    tx: &Transaction,
    contract_output: &TxOut,
    key: &SecretKey,
    network: &NetworkParams,
) -> Signature {
    key.sign(&move_hash(tx, contract_output, Move::Close, network))
}

/// Whether `signature` is `key`'s over a close that spends `contract_output`.
pub fn is_close_signature(
    tx: &Transaction,
    contract_output: &TxOut,
    key: &PublicKey,
    signature: &Signature,
    network: &NetworkParams,
) -> bool {
    key.verify(&move_hash(tx, contract_output, Move::Close, network), signature)
}

/// Puts both signatures into a close.
pub fn attach_close(tx: &mut Transaction, client: Signature, node: Signature) {
    attach(tx, Witness::Close { client, node });
}

/// The node puts the key on chain.
pub fn reveal(
    contract: OutPoint,
    output: &TxOut,
    terms: &Terms,
    key: [u8; 32],
    node: &SecretKey,
    network: &NetworkParams,
) -> Transaction {
    let mut tx = carry_on(contract, output, terms, State::Revealed);
    let node = node.sign(&move_hash(&tx, output, Move::Reveal, network));
    attach(&mut tx, Witness::Reveal { node, key });
    tx
}

/// The client asks for the key on chain.
pub fn demand(
    contract: OutPoint,
    output: &TxOut,
    terms: &Terms,
    client: &SecretKey,
    network: &NetworkParams,
) -> Transaction {
    let mut tx = carry_on(contract, output, terms, State::Demanded);
    let client = client.sign(&move_hash(&tx, output, Move::Demand, network));
    attach(&mut tx, Witness::Demand { client });
    tx
}

/// The client takes everything, less the move fee.
pub fn claim(
    contract: OutPoint,
    output: &TxOut,
    terms: &Terms,
    client: &SecretKey,
    to: KeyHash,
    network: &NetworkParams,
) -> Transaction {
    let value = output.value.saturating_sub(terms.move_fee);
    let mut tx = spend(contract, terms, Vec::from([TxOut { value, script_pubkey: templates::p2pkh(to) }]));
    let client = client.sign(&move_hash(&tx, output, Move::Claim, network));
    attach(&mut tx, Witness::Claim { client });
    tx
}

/// The node is paid: W to the reward address, S to the node key, the rest less the move fee to the client key.
pub fn finalize(
    contract: OutPoint,
    output: &TxOut,
    terms: &Terms,
    signer: Signer,
    key: &SecretKey,
    network: &NetworkParams,
) -> Transaction {
    let rest = output.value.saturating_sub(terms.reward).saturating_sub(terms.stake).saturating_sub(terms.move_fee);
    let to = |value, key_hash| TxOut { value, script_pubkey: templates::p2pkh(key_hash) };
    let mut outputs = Vec::from([to(terms.reward, terms.reward_address), to(terms.stake, terms.node_key.hash())]);
    outputs.extend(payout(rest, terms.client_key.hash(), network));
    let mut tx = spend(contract, terms, outputs);
    let signature = key.sign(&move_hash(&tx, output, Move::Finalize, network));
    attach(&mut tx, Witness::Finalize { signer, signature });
    tx
}

fn carry_on(contract: OutPoint, output: &TxOut, terms: &Terms, state: State) -> Transaction {
    let value = output.value.saturating_sub(terms.move_fee);
    let script_pubkey = terms.in_state(state).script();
    spend(contract, terms, Vec::from([TxOut { value, script_pubkey }]))
}

fn spend(contract: OutPoint, terms: &Terms, outputs: Vec<TxOut>) -> Transaction {
    Transaction {
        version: Transaction::VERSION,
        inputs: Vec::from([TxIn::unsigned(contract)]),
        outputs,
        lock_time: 0,
        job_id: terms.job_id,
    }
}

fn move_hash(tx: &Transaction, output: &TxOut, contract_move: Move, network: &NetworkParams) -> Hash32 {
    SignatureHasher::new(tx, core::slice::from_ref(output), network.network).contract_input(0, &contract_move.binding())
}

fn attach(tx: &mut Transaction, witness: Witness) {
    if let Some(input) = tx.inputs.first_mut() {
        input.script_sig = Script(witness.to_bytes());
    }
}
