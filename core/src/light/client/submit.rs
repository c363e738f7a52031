//! Payments, and getting them to those who mine.

use super::peer::Kind;
use super::{Ask, Event, Fault, LightClient, Question};
use crate::hash::{JobId, Txid};
use crate::light::ledger::PendingError;
use crate::message::{ClientResponse, Refusal};
use crate::sorted::Set;
use crate::sync::Now;
use crate::transaction::{Script, Transaction, TransactionBuilder, TxOut};
use crate::units::{Amount, Height};
use crate::wallet::{FeeRate, Paid, Payment, PaymentError, most_payable, pay};
use alloc::vec::Vec;
use core::time::Duration;

/// A transaction that is being submitted.
#[derive(Clone, Debug)]
pub(super) struct Submission<P> {
    /// Whether a peer is asked.
    asked: bool,
    /// It is not submitted before.
    at: Duration,
    /// Who refused it.
    refused: Set<P>,
}

impl<P> Default for Submission<P> {
    fn default() -> Self {
        Submission { asked: false, at: Duration::ZERO, refused: Set::new() }
    }
}

impl<P: Copy + Ord> LightClient<P> {
    /// Builds and signs a payment from what the wallet owns. It is not taken into the books before
    /// [`LightClient::submit`].
    pub fn prepare(&self, outputs: Vec<TxOut>, fee_rate: FeeRate) -> Result<Paid, PaymentError> {
        let coins = self.ledger.spendable(self.headers.height().next(), self.params);
        let payment = Payment { outputs, fee_rate, change: self.keyring.change_hash(), job_id: JobId::ZERO };
        pay(&coins, &payment, self.params, |hash| self.keyring.secret_for(hash))
    }

    /// The same for all that can be paid at once, to one script.
    pub fn prepare_all(&self, to: Script, fee_rate: FeeRate) -> Result<Paid, PaymentError> {
        let coins = self.ledger.spendable(self.headers.height().next(), self.params);
        let output = |value| TxOut { value, script_pubkey: to.clone() };
        let empty = TransactionBuilder::new().output(Amount::ZERO, to.clone()).build().size();
        self.prepare(Vec::from([output(most_payable(&coins, empty, fee_rate))]), fee_rate)
    }

    /// Takes a signed transaction of ours into the books and submits it until it is mined, or refused for good.
    pub fn submit(&mut self, tx: Transaction, now: Now) -> Result<Txid, PendingError> {
        let txid = self.ledger.add_pending(tx, &self.keyring, now.time)?;
        self.unsaved = true;
        self.events.push(Event::WalletChanged);
        Ok(txid)
    }

    /// A peer took a transaction of ours that another way brought it.
    pub(in crate::light) fn note_taken(&mut self, txid: &Txid) {
        self.ledger.note_taken(txid);
        self.unsaved = true;
    }

    pub(super) fn ask_submissions(&mut self, asks: &mut Vec<Ask<P>>, now: Now) {
        let live = self.ledger.pending();
        let waits = |txid: &Txid| live.iter().any(|pending| pending.txid() == *txid && !pending.taken);
        // Each after those it stands on.
        let ready = live.iter().filter(|p| !p.transaction.inputs.iter().any(|input| waits(&input.previous.txid)));
        let ready: Vec<(Txid, Transaction)> = ready.map(|p| (p.txid(), p.transaction.clone())).collect();
        let txids: Set<Txid> = live.iter().map(|pending| pending.txid()).collect();
        self.submissions.retain(|txid, _| txids.contains(txid));
        for (txid, tx) in ready {
            let submission = self.submissions.entry(txid).or_default();
            if submission.asked || now.elapsed < submission.at {
                continue;
            }
            let refused = submission.refused.clone();
            let peers = self.free_peers(Height(0), now);
            let Some(peer) = peers.into_iter().find(|peer| !refused.contains(peer)) else { continue };
            self.ask(asks, peer, Kind::Submit(txid), Question::Submit(tx.into()), now);
            if let Some(submission) = self.submissions.get_mut(&txid) {
                submission.asked = true;
                submission.at = now.elapsed + self.limits.pause;
            }
        }
    }

    pub(super) fn on_submitted(
        &mut self,
        peer: P,
        txid: Txid,
        response: ClientResponse,
        now: Now,
    ) -> Result<(), Fault> {
        match response {
            ClientResponse::Accepted => {
                if let Some(submission) = self.submissions.get_mut(&txid) {
                    submission.at = now.elapsed + self.limits.resubmit;
                    submission.refused.clear();
                }
                self.ledger.note_taken(&txid);
                self.unsaved = true;
                self.events.push(Event::Submitted { txid, peer });
                Ok(())
            }
            ClientResponse::Refused(reason) => {
                self.on_refused(peer, txid, reason, now);
                Ok(())
            }
            _ => Err(Fault::OtherKind),
        }
    }

    fn on_refused(&mut self, peer: P, txid: Txid, reason: Refusal, now: Now) {
        let taken = self.ledger.pending().iter().any(|pending| pending.txid() == txid && pending.taken);
        let Some(submission) = self.submissions.get_mut(&txid) else { return };
        submission.refused.insert(peer);
        if taken {
            // It may be mined whatever this one says: somebody has it.
            submission.at = now.elapsed + self.limits.resubmit;
            submission.refused.clear();
            return;
        }
        submission.at = now.elapsed;
        let others = self.peers.iter().any(|(other, state)| !state.bad && !submission.refused.contains(other));
        if submission.refused.len() >= self.limits.refusals || !others {
            self.submissions.remove(&txid);
            self.ledger.forget(&txid);
            self.unsaved = true;
            self.events.push(Event::Refused { txid, reason });
            self.events.push(Event::WalletChanged);
        }
    }

    pub(super) fn free_submission(&mut self, txid: &Txid) {
        if let Some(submission) = self.submissions.get_mut(txid) {
            submission.asked = false;
        }
    }
}
