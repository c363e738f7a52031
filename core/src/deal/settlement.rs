//! The settlement that a job, an accept and terms lead to. Both sides, and every pool, build it alike and compare.

use super::DealError;
use crate::block::NetworkParams;
use crate::contract::{
    Commitments, ContractError, SettlementParts, Terms, build_settlement, contract_output, settlement_terms,
};
use crate::job::{JobAccept, JobCreate, Signed, Testament};
use crate::script::{SpendChecker, templates, verify};
use crate::transaction::{SignatureHasher, Transaction, TxOut};
use crate::units::Amount;
use alloc::vec::Vec;

/// The unsigned settlement. `stake_value` and `coin_values` are what the coins hold.
pub(super) fn job_settlement(
    create: &JobCreate,
    accept: &Signed<JobAccept>,
    terms: &Terms,
    stake_value: Amount,
    coin_values: &[Amount],
    network: &NetworkParams,
) -> Result<Transaction, ContractError> {
    let coins: Vec<_> = create.coins.iter().map(|c| c.outpoint).zip(coin_values.iter().copied()).collect();
    let parts = SettlementParts {
        terms,
        stake_coin: (accept.body.stake_coin, stake_value),
        client_coins: &coins,
        client_change: create.change,
        fee: create.params.fee,
    };
    build_settlement(&parts, network)
}

/// The outputs that it spends, in order.
pub(super) fn settlement_spends(
    create: &JobCreate,
    accept: &Signed<JobAccept>,
    stake_value: Amount,
    coin_values: &[Amount],
) -> Vec<TxOut> {
    let stake = core::iter::once((stake_value, accept.body.node_key.hash()));
    let coins = create.coins.iter().zip(coin_values).map(|(c, v)| (*v, c.key.hash()));
    stake.chain(coins).map(|(value, key_hash)| TxOut { value, script_pubkey: templates::p2pkh(key_hash) }).collect()
}

/// Whether a testament is the node's signed statement to terms that the job leads to. Gives the terms.
pub fn check_testament(
    testament: &Testament,
    create: &JobCreate,
    accept: &Signed<JobAccept>,
    stake_value: Amount,
    coin_values: &[Amount],
    network: &NetworkParams,
) -> Result<Terms, DealError> {
    let (params, settlement) = (&create.params, &testament.settlement);
    let output = settlement.outputs.first().ok_or(DealError::Settlement("no output"))?;
    let terms = contract_output(output, 0)?.ok_or(DealError::Settlement("output 0 is no contract"))?;
    terms.check(network)?;
    if terms.answer_tokens > params.max_tokens {
        return Err(DealError::Settlement("answer longer than the limit"));
    }
    let (node_key, promised) = (accept.body.node_key, Commitments::of(&terms));
    let expected = settlement_terms(params, node_key, terms.reward_address, terms.answer_tokens, promised, network);
    if expected != terms {
        return Err(DealError::Settlement("other terms than the job's"));
    }
    let built = job_settlement(create, accept, &terms, stake_value, coin_values, network)?;
    if built.txid() != settlement.txid() {
        return Err(DealError::Settlement("other inputs or outputs"));
    }
    // The id covers no ScriptSig, and the node signs input 0 alone: what stands in the others would be anybody's.
    if settlement.inputs.iter().skip(1).any(|input| !input.script_sig.as_bytes().is_empty()) {
        return Err(DealError::Settlement("an input of the client's is filled in"));
    }
    let spent = settlement_spends(create, accept, stake_value, coin_values);
    let hasher = SignatureHasher::new(settlement, &spent, network.network);
    let (Some(input), Some(stake)) = (settlement.inputs.first(), spent.first()) else {
        return Err(DealError::Settlement("no input"));
    };
    verify(&input.script_sig, &stake.script_pubkey, &SpendChecker::new(settlement, 0, &hasher))
        .map_err(|_| DealError::Settlement("the node's signature does not verify"))?;
    Ok(terms)
}
