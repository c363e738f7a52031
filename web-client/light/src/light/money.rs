//! Balance, addresses, payments, history.

use super::Light;
use crate::error::{Failure, Result};
use crate::object::{Builder, list};
use crate::outside;
use camelid_core::contract::Move;
use camelid_core::keys::Address;
use camelid_core::light::{Entry, Kind};
use camelid_core::script::templates;
use camelid_core::transaction::TxOut;
use camelid_core::units::Amount;
use camelid_core::wallet::{FeeRate, INPUT_BYTES, OUTPUT_BYTES, Paid, PaymentError};
use js_sys::{Array, Object};
use wasm_bindgen::prelude::*;

/// Bytes of a transaction of the usual size: one coin, the payment and the change.
const USUAL_BYTES: usize = 12 + INPUT_BYTES + 2 * OUTPUT_BYTES;

/// What a page may ask to be paid.
enum Wanted {
    All,
    This(Amount),
}

fn wanted(value: &JsValue) -> Result<Wanted> {
    if value.as_string().as_deref() == Some("all") {
        return Ok(Wanted::All);
    }
    let amount = u64::try_from(value.clone());
    let amount =
        amount.map_err(|_| Failure::bad_input("the amount is neither a bigint of units from 0 up nor 'all'"))?;
    Ok(Wanted::This(Amount(amount)))
}

impl From<PaymentError> for Failure {
    fn from(error: PaymentError) -> Self {
        match error {
            PaymentError::TooLittleMoney { .. } => Failure::too_little_money(error),
            error => Failure::bad_input(error),
        }
    }
}

#[wasm_bindgen]
impl Light {
    /// What the wallet owns.
    pub fn balance(&self) -> Object {
        let state = self.state.borrow();
        let holdings = state.client.holdings();
        let now = outside::now().time.0;
        let height = state.client.headers().height();
        let jobs = state.jobs.views(&state.client).into_iter().filter_map(|view| Some((view.id, view.bound?)));
        let bound = jobs.chain(state.jobs.found(&state.client)).map(|(job, bound)| {
            let seconds = bound.until.0.saturating_sub(height.0) as f64 * f64::from(state.params.block_interval);
            Builder::default()
                .set("amount", bound.amount.0)
                .set("job", job.to_string())
                .set("returnsAtHeight", bound.until.0)
                .set("returnsAbout", f64::from(now) + seconds)
                .done()
        });
        Builder::default()
            .set("confirmed", holdings.confirmed.0)
            .set("spendable", state.client.spendable().0)
            .set("pending", holdings.pending.0)
            .set("immature", holdings.immature.0)
            .set("inJobs", list(bound))
            .done()
    }

    /// The next unused address.
    pub fn address(&self) -> core::result::Result<String, JsValue> {
        let state = self.state.borrow();
        if !state.is_open() {
            return Err(locked().into());
        }
        Ok(state.client.keyring().receive_address().to_string())
    }

    /// Whether a text is an address of this network.
    #[wasm_bindgen(js_name = checkAddress)]
    pub fn check_address(&self, text: &str) -> Object {
        match Address::parse(text.trim(), self.state.borrow().network) {
            Ok(_) => Builder::default().set("ok", true).done(),
            Err(error) => Builder::default().set("ok", false).set("reason", error.to_string()).done(),
        }
    }

    /// What paying would cost at three speeds; those that there is not enough for are left out.
    pub async fn fees(&self, to: Option<String>, amount: JsValue) -> core::result::Result<Array, JsValue> {
        let state = self.state.borrow();
        let rates = state.jobs.fee_rates();
        let interval = f64::from(state.params.block_interval);
        let choices = [
            ("slow", rates.least, 10),
            ("normal", rates.next_block.max(rates.least), 2),
            ("fast", rates.next_block.max(rates.least).saturating_mul(2), 1),
        ];
        drop(state);
        let (mut out, mut dear) = (Vec::new(), None);
        for (speed, rate, blocks) in choices {
            let (fee, given) = match &to {
                Some(to) if !amount.is_undefined() => match self.prepare(to, &amount, FeeRate(rate)) {
                    Ok((paid, given)) => (paid.fee, Some(given.0)),
                    Err(failure) if failure.is_too_little_money() => {
                        dear = dear.or(Some(failure));
                        continue;
                    }
                    Err(failure) => return Err(failure.into()),
                },
                _ => (FeeRate(rate).fee(USUAL_BYTES), None),
            };
            let choice = Builder::default().set("speed", speed).set("rate", rate).set("fee", fee.0);
            let choice = choice.set("amount", given).set("blocks", blocks);
            out.push(choice.set("secondsAbout", f64::from(blocks) * interval).done());
        }
        match dear {
            Some(failure) if out.is_empty() => Err(failure.into()),
            _ => Ok(list(out.into_iter())),
        }
    }

    /// Pays somebody. It is submitted until it is in a block, or refused for good: what fails after it is in the books is no
    /// failure of the payment.
    pub async fn send(&self, to: String, amount: JsValue, rate: Option<u64>) -> core::result::Result<Object, JsValue> {
        let rates = self.state.borrow().jobs.fee_rates();
        let rate = FeeRate(rate.unwrap_or(rates.next_block.max(rates.least)));
        let (paid, _) = self.prepare(&to, &amount, rate)?;
        let fee = paid.fee;
        let txid = {
            let mut state = self.state.borrow_mut();
            let txid = state.client.submit(paid.tx, outside::now()).map_err(Failure::bad_input)?;
            state.wake();
            txid
        };
        // So that it is not forgotten with the page.
        if let Err(failure) = self.flush().await {
            if self.state.borrow().ended {
                let text = "whether the payment went out is not known: look at the history before you pay again";
                return Err(Failure::aborted(text).into());
            }
            let text =
                format!("payment {txid} is under way and not written down here ({failure}): keep this page open");
            self.state.borrow_mut().warn(text);
        }
        Ok(Builder::default().set("txid", txid.to_string()).set("fee", fee.0).done())
    }

    /// What happened, the newest first.
    pub fn history(&self) -> Array {
        let state = self.state.borrow();
        list(state.client.ledger().history().iter().map(entry))
    }
}

fn locked() -> Failure {
    Failure::bad_input("the wallet is locked: unlock it with its password")
}

impl Light {
    /// A payment, and what the receiver gets of it.
    fn prepare(&self, to: &str, amount: &JsValue, rate: FeeRate) -> Result<(Paid, Amount)> {
        let state = self.state.borrow();
        if !state.is_open() {
            return Err(locked());
        }
        let to = Address::parse(to.trim(), state.network).map_err(Failure::bad_address)?;
        let script = templates::p2pkh(to.hash);
        let paid = match wanted(amount)? {
            Wanted::All => state.client.prepare_all(script, rate).map_err(|error| match error {
                PaymentError::BelowDust { .. } => {
                    Failure::too_little_money("the fee would leave nothing worth sending")
                }
                error => error.into(),
            })?,
            Wanted::This(value) => state.client.prepare(vec![TxOut { value, script_pubkey: script }], rate)?,
        };
        let given = paid.tx.outputs.first().map_or(Amount::ZERO, |output| output.value);
        Ok((paid, given))
    }
}

fn entry(entry: &Entry) -> Object {
    let kind = match entry.kind {
        Kind::Mined => "mined",
        Kind::Received => "received",
        Kind::Sent { .. } => "sent",
        Kind::Job { by: Some(Move::Settle) } => "job-paid",
        Kind::Job { .. } if entry.change() > 0 => "job-returned",
        Kind::Job { .. } => "job-settled",
    };
    let fee = match entry.kind {
        Kind::Sent { fee } => fee.map(|fee| fee.0),
        _ => None,
    };
    Builder::default()
        .set("txid", entry.txid.to_string())
        .set("kind", kind)
        .set("amount", entry.change())
        .set("fee", fee)
        .set("height", entry.height.map(|height| height.0))
        .set("time", f64::from(entry.time.0))
        .set("job", entry.job.map(|job| job.to_string()))
        .done()
}
