//! Choosing coins and paying. Pure: the coins come as a list, the transaction goes back to the caller.

use crate::block::NetworkParams;
use crate::hash::{JobId, KeyHash};
use crate::keys::SecretKey;
use crate::script::{SignError, sign_p2pkh_inputs, templates};
use crate::sorted::{Map, sort_by_key};
use crate::transaction::{Coin, MAX_TRANSACTION_BYTES, OutPoint, Transaction, TransactionBuilder, TxOut};
use crate::units::{Amount, Height};
use alloc::vec::Vec;
use core::cmp::Reverse;

/// The most bytes that an input takes which spends a plain coin: outpoint, script and its length, sequence.
pub const INPUT_BYTES: usize = 36 + 1 + templates::MAX_P2PKH_SCRIPT_SIG + 4;
/// The bytes of an output that pays to an address: value, script and its length.
pub const OUTPUT_BYTES: usize = 8 + 1 + 25;
/// From so many inputs on, their number takes two bytes more.
const MANY_INPUTS: usize = 0xfd;

/// A fee in units for 1000 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FeeRate(pub u64);

impl FeeRate {
    /// The fee for so many bytes, rounded up.
    pub fn fee(self, bytes: usize) -> Amount {
        Amount((bytes as u64).saturating_mul(self.0).div_ceil(1000))
    }
}

/// Why a payment cannot be made. Each message is one line that says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PaymentError {
    /// The coins do not suffice.
    #[error("too little money: {available} there, {needed} needed ({amount} and a fee of {fee})")]
    TooLittleMoney {
        /// What the coins add up to, those worth less than spending them costs left out.
        available: Amount,
        /// What is needed, fee included.
        needed: Amount,
        /// What is to be paid.
        amount: Amount,
        /// The fee for spending all these coins.
        fee: Amount,
    },
    /// An output is too small to be worth spending.
    #[error("{found} is too little to send: at least {dust} is needed")]
    BelowDust {
        /// The amount.
        found: Amount,
        /// The least.
        dust: Amount,
    },
    /// There is nothing to pay.
    #[error("nothing to pay: the payment has no output")]
    NoOutput,
    /// The amounts add up to more than there can be.
    #[error("the amounts to pay add up to more than all the money there is")]
    TooMuch,
    /// The transaction is too large.
    #[error("the transaction would have {found} bytes, at most {max} allowed: the coins are too small; send less at once", max = MAX_TRANSACTION_BYTES)]
    TooLarge {
        /// Its size.
        found: usize,
    },
    /// A job may not name so many coins.
    #[error(
        "{found} coins would have to pay, a job takes at most {max}: send the money to yourself in one piece first"
    )]
    TooManyCoins {
        /// How many are needed.
        found: usize,
        /// The most.
        max: usize,
    },
    /// A coin is not ours, or not a plain one.
    #[error("no key for coin {coin}")]
    NoKey {
        /// The coin.
        coin: OutPoint,
    },
    /// The coins and the transaction do not match.
    #[error("cannot sign: {0}")]
    Sign(#[from] SignError),
}

/// What a wallet owns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Balance {
    /// What the next block may spend.
    pub spendable: Amount,
    /// Mined coins that must wait.
    pub immature: Amount,
}

/// Whether a block at height `next` may spend the coin.
fn is_mature(coin: &Coin, next: Height, params: &NetworkParams) -> bool {
    !coin.coinbase || next >= coin.height.plus(params.coinbase_maturity)
}

/// What these coins are worth to a block at height `next`.
pub fn balance(coins: &[(OutPoint, Coin)], next: Height, params: &NetworkParams) -> Balance {
    let mut balance = Balance::default();
    for (_, coin) in coins {
        let part = if is_mature(coin, next, params) { &mut balance.spendable } else { &mut balance.immature };
        part.0 = part.0.saturating_add(coin.output.value.0);
    }
    balance
}

/// The coins that a block at height `next` may spend.
pub fn spendable(coins: &[(OutPoint, Coin)], next: Height, params: &NetworkParams) -> Vec<(OutPoint, Coin)> {
    coins.iter().filter(|(_, coin)| is_mature(coin, next, params)).cloned().collect()
}

/// What coins are looked for.
#[derive(Clone, Copy, Debug)]
pub struct Need {
    /// What the chosen coins pay for, beside the fee.
    pub amount: Amount,
    /// The transaction's bytes without the chosen inputs and without change.
    pub bytes: usize,
    /// The fee for 1000 bytes.
    pub fee_rate: FeeRate,
    /// The least change worth an output.
    pub dust: Amount,
}

/// Coins that were chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// The coins, the largest first.
    pub coins: Vec<(OutPoint, Coin)>,
    /// The fee. Coins = amount + change + fee.
    pub fee: Amount,
    /// The change, for an output of its own; zero when there is none.
    pub change: Amount,
}

/// Chooses coins, the largest first: few inputs, small fees. All are taken for plain coins that we can spend.
pub fn select(coins: &[(OutPoint, Coin)], need: &Need) -> Result<Selection, PaymentError> {
    let own_cost = need.fee_rate.fee(INPUT_BYTES);
    let mut candidates: Vec<&(OutPoint, Coin)> =
        coins.iter().filter(|(_, coin)| coin.output.value > own_cost).collect();
    sort_by_key(&mut candidates, |(outpoint, coin)| (Reverse(coin.output.value), *outpoint));

    let size = |inputs: usize| need.bytes + inputs * INPUT_BYTES + if inputs < MANY_INPUTS { 0 } else { 2 };
    let mut sum = Amount::ZERO;
    for count in 0..=candidates.len() {
        if let Some((_, coin)) = count.checked_sub(1).and_then(|last| candidates.get(last)) {
            sum = sum.checked_add(coin.output.value).ok_or(PaymentError::TooMuch)?;
        }
        let fee = need.fee_rate.fee(size(count));
        // Without an input there is no transaction, whatever it costs.
        let Some(rest) = sum.checked_sub(need.amount).and_then(|r| r.checked_sub(fee)).filter(|_| count > 0) else {
            continue;
        };
        let bytes = size(count);
        if bytes + OUTPUT_BYTES > MAX_TRANSACTION_BYTES {
            return Err(PaymentError::TooLarge { found: bytes });
        }
        let change_cost = need.fee_rate.fee(bytes + OUTPUT_BYTES).saturating_sub(fee);
        let change = rest.checked_sub(change_cost).filter(|c| *c >= need.dust && *c > Amount::ZERO);
        let change = change.unwrap_or(Amount::ZERO);
        // Change below dust goes to the miner.
        let fee = Amount(sum.0 - need.amount.0 - change.0);
        return Ok(Selection { coins: candidates.into_iter().take(count).cloned().collect(), fee, change });
    }
    let fee = need.fee_rate.fee(size(candidates.len().max(1)));
    let needed = Amount(need.amount.0.saturating_add(fee.0));
    Err(PaymentError::TooLittleMoney { available: sum, needed, amount: need.amount, fee })
}

/// The most that coins can pay at once in a transaction of so many bytes beside its inputs: what is left of those worth
/// more than spending them costs, after the fee.
pub fn most_payable(coins: &[(OutPoint, Coin)], bytes: usize, fee_rate: FeeRate) -> Amount {
    let cost = fee_rate.fee(INPUT_BYTES);
    let values: Vec<u64> = coins.iter().map(|(_, coin)| coin.output.value).filter(|v| *v > cost).map(|v| v.0).collect();
    let many = if values.len() < MANY_INPUTS { 0 } else { 2 };
    let fee = fee_rate.fee(bytes + values.len() * INPUT_BYTES + many);
    Amount(values.into_iter().fold(0, u64::saturating_add)).saturating_sub(fee)
}

/// A payment that is wanted.
#[derive(Clone, Debug)]
pub struct Payment {
    /// What is paid, in this order; change comes behind.
    pub outputs: Vec<TxOut>,
    /// The fee for 1000 bytes.
    pub fee_rate: FeeRate,
    /// Where change goes.
    pub change: KeyHash,
    /// The job that the transaction belongs to; zero for none.
    pub job_id: JobId,
}

/// A payment that was made: signed, not sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paid {
    /// The transaction.
    pub tx: Transaction,
    /// What it spends, in the order of its inputs.
    pub spent: Vec<(OutPoint, Coin)>,
    /// The fee.
    pub fee: Amount,
    /// The change, in the last output; zero when there is none.
    pub change: Amount,
}

/// Chooses among `coins`, builds the transaction and signs it with the keys that `key_of` finds.
pub fn pay(
    coins: &[(OutPoint, Coin)],
    payment: &Payment,
    params: &NetworkParams,
    key_of: impl Fn(&KeyHash) -> Option<SecretKey>,
) -> Result<Paid, PaymentError> {
    let dust = params.contract.dust;
    if payment.outputs.is_empty() {
        return Err(PaymentError::NoOutput);
    }
    let small = payment.outputs.iter().find(|o| o.value < dust && !templates::is_unspendable(&o.script_pubkey));
    if let Some(output) = small {
        return Err(PaymentError::BelowDust { found: output.value, dust });
    }
    let amount = Amount::sum_checked(payment.outputs.iter().map(|o| o.value)).ok_or(PaymentError::TooMuch)?;

    let mut builder = TransactionBuilder::new().job(payment.job_id);
    for output in &payment.outputs {
        builder = builder.output(output.value, output.script_pubkey.clone());
    }
    let bytes = builder.clone().build().size();
    let selection = select(coins, &Need { amount, bytes, fee_rate: payment.fee_rate, dust })?;
    for (outpoint, _) in &selection.coins {
        builder = builder.input(*outpoint);
    }
    if selection.change > Amount::ZERO {
        builder = builder.output(selection.change, templates::p2pkh(payment.change));
    }

    let mut keys = Map::new();
    for (coin, Coin { output, .. }) in &selection.coins {
        let no_key = PaymentError::NoKey { coin: *coin };
        let hash = templates::p2pkh_key_hash(&output.script_pubkey).ok_or(no_key.clone())?;
        keys.insert(hash, key_of(&hash).ok_or(no_key)?);
    }
    let mut tx = builder.build();
    let spent: Vec<TxOut> = selection.coins.iter().map(|(_, coin)| coin.output.clone()).collect();
    sign_p2pkh_inputs(&mut tx, &spent, keys.values(), params.network)?;
    Ok(Paid { tx, spent: selection.coins, fee: selection.fee, change: selection.change })
}

#[cfg(test)]
#[path = "coins_tests.rs"]
mod tests;
