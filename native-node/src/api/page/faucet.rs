//! The faucet: gives coins of network `dev`, which are worth nothing, to who asks.

use crate::api::routes::parse;
use crate::api::types::{FaucetPaid, FaucetRequest, SendRequest};
use crate::api::{ApiError, NodeApi};
use axum::http::StatusCode;
use camelid_core::hash::KeyHash;
use camelid_core::keys::Address;
use camelid_core::units::{Amount, COIN, Network};
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// An address is paid once in this time.
const EVERY: Duration = Duration::from_secs(60);
/// All addresses together are paid so often in this time.
const AT_MOST: usize = 30;
/// More than the fee of a payment.
const FEE: u64 = COIN / 100;

/// Whom the faucet paid in the last minute, the oldest first.
#[derive(Debug, Default)]
struct Lately(VecDeque<(Instant, KeyHash)>);

impl Lately {
    /// Notes a payment, unless it is one too many.
    fn take(&mut self, now: Instant, who: KeyHash) -> Result<(), ApiError> {
        while self.0.front().is_some_and(|(paid, _)| now.saturating_duration_since(*paid) >= EVERY) {
            self.0.pop_front();
        }
        let left = |paid: Instant| (EVERY - now.saturating_duration_since(paid)).as_secs() + 1;
        if let Some((paid, _)) = self.0.iter().find(|(_, one)| *one == who) {
            let left = left(*paid);
            return Err(ApiError::too_many(format!(
                "this address was paid less than a minute ago: ask again in {left} s"
            )));
        }
        if let (AT_MOST.., Some((paid, _))) = (self.0.len(), self.0.front()) {
            let left = left(*paid);
            let reason = format!("the faucet pays {AT_MOST} addresses a minute, and has: ask again in {left} s");
            return Err(ApiError::too_many(reason));
        }
        self.0.push_back((now, who));
        Ok(())
    }

    /// The payment was not made.
    fn give_back(&mut self, who: &KeyHash) {
        self.0.retain(|(_, one)| one != who);
    }
}

/// A faucet, on network `dev`.
pub(super) struct Faucet {
    amount: Amount,
    lately: Mutex<Lately>,
}

impl Faucet {
    pub(super) fn new(amount: Amount) -> Self {
        Faucet { amount, lately: Mutex::default() }
    }

    fn lately<T>(&self, f: impl FnOnce(&mut Lately) -> T) -> T {
        f(&mut self.lately.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Pays who asks so, from the node's wallet.
    pub(super) async fn pay<N: NodeApi>(&self, node: &N, body: &[u8]) -> Result<FaucetPaid, ApiError> {
        let FaucetRequest { address } = parse(body)?;
        let to = Address::parse(&address, Network::Dev).map_err(|e| ApiError::bad_request(e.to_string()))?;
        self.lately(|l| l.take(Instant::now(), to.hash))?;
        let request = SendRequest { address, amount_units: self.amount.0, fee_rate_units: None };
        match node.send(request).await {
            Ok(sent) => Ok(FaucetPaid { txid: sent.txid, amount_units: self.amount.0 }),
            Err(error) => {
                self.lately(|l| l.give_back(&to.hash));
                Err(self.why(node, error).await)
            }
        }
    }

    /// Why a payment failed, for somebody who does not run the node.
    async fn why<N: NodeApi>(&self, node: &N, error: ApiError) -> ApiError {
        if error.status() != StatusCode::CONFLICT.as_u16() {
            return error;
        }
        let (Ok(balance), Ok(status)) = (node.balance().await, node.status().await) else { return error };
        if balance.confirmed_units.saturating_add(balance.pending_units) >= self.amount.0.saturating_add(FEE) {
            return error;
        }
        ApiError::conflict(if status.mining {
            "the faucet has no coins yet: its node is mining some; ask again in some seconds"
        } else {
            "the faucet is empty: its node does not mine; start it with --mine, or send coins to its wallet"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_a_minute_and_so_many_in_all() {
        let (mut lately, begun) = (Lately::default(), Instant::now());
        let who = |n: u8| KeyHash([n; 20]);
        let at = |seconds: u64| begun + Duration::from_secs(seconds);
        lately.take(at(0), who(0)).unwrap();
        let again = lately.take(at(10), who(0)).unwrap_err();
        assert!(again.status() == 429 && again.message().contains("in 51 s"), "{again}");
        for n in 1..AT_MOST as u8 {
            lately.take(at(20), who(n)).unwrap();
        }
        let full = lately.take(at(59), who(99)).unwrap_err();
        assert!(full.status() == 429 && full.message().contains("in 2 s"), "{full}");
        assert_eq!(lately.0.len(), AT_MOST, "who is refused takes no room");
        // A payment that was not made leaves its place.
        lately.give_back(&who(5));
        lately.take(at(59), who(99)).unwrap();
        lately.take(at(60), who(0)).unwrap();
        assert!(lately.take(at(61), who(5)).is_err());
        lately.take(at(80), who(5)).unwrap();
    }
}
