//! Open settlements of this wallet that no job here knows: a wallet that was restored from its words finds them on the
//! chain. Prompt and answer are gone; the money is not. A device that has the job and the same words takes the same steps.

use super::view::{Bound, bound_in};
use super::{Jobs, PUBLISH_PAUSE};
use crate::contract::{Signer, State, claim, demand, finalize};
use crate::hash::JobId;
use crate::light::LightClient;
use crate::light::ledger::OpenContract;
use crate::sync::Now;
use crate::transaction::{OutPoint, Transaction, TxOut};
use crate::units::Height;
use crate::wallet::Keyring;
use alloc::vec::Vec;

impl<P: Copy + Ord> Jobs<P> {
    /// What is bound in settlements of this wallet that belong to no job here, and until when.
    pub fn found(&self, client: &LightClient<P>) -> Vec<(JobId, Bound)> {
        let bound = |open: &OpenContract| bound_in(&open.contract.terms, open.since, true);
        self.unknown(client).map(|(_, open)| (open.contract.terms.job_id, bound(open))).collect()
    }

    fn unknown<'a>(&'a self, client: &'a LightClient<P>) -> impl Iterator<Item = (OutPoint, &'a OpenContract)> {
        let contracts = client.ledger().contracts().map(|(outpoint, open)| (*outpoint, open));
        contracts.filter(move |(_, open)| !self.jobs.contains_key(&open.contract.terms.job_id))
    }

    /// Makes the moves that bring their money back. The client submits each until it is mined, or refused for good.
    pub(super) fn step_found(&mut self, client: &mut LightClient<P>, now: Now) {
        let height = client.headers().height();
        // What lies above might hold a move already.
        if client.scanned() < height.max(client.told_height()) || client.owes_contracts() {
            return;
        }
        let open: Vec<(OutPoint, OpenContract)> = self.unknown(client).map(|(o, open)| (o, open.clone())).collect();
        self.moved.retain(|outpoint, _| open.iter().any(|(other, _)| other == outpoint));
        for (outpoint, open) in open {
            if self.moved.get(&outpoint).is_some_and(|at| now.elapsed < *at + PUBLISH_PAUSE) {
                continue;
            }
            let Some(tx) = self.next_move(client.keyring(), outpoint, &open, height) else { continue };
            self.moved.insert(outpoint, now.elapsed);
            // One that is on its way stays.
            let _ = client.submit(tx, now);
        }
    }

    /// The move that it is time for, under this tip.
    fn next_move(&self, keyring: &Keyring, at: OutPoint, open: &OpenContract, tip: Height) -> Option<Transaction> {
        let (terms, since, network) = (&open.contract.terms, open.since, self.params);
        let periods = terms.periods;
        let due = |blocks: u32| tip.next() >= since.plus(blocks);
        // "One that confirms so late is not acted on until it is 10 deep."
        let firm = |depth: u32| !self.rules.is_late(since, terms.valid_until) || depth >= self.rules.dead_depth;
        let key = keyring.secret_for(&terms.client_key.hash())?;
        let output = TxOut { value: open.contract.value, script_pubkey: terms.script() };
        match terms.state {
            // Whether the node gave the key to who had the job is not known here: it gets the period twice.
            State::Settlement if due(2 * u32::from(periods.reveal)) && firm(tip.since(since) + 1) => {
                Some(demand(at, &output, terms, &key, network))
            }
            State::Demanded if due(periods.grace.into()) => {
                Some(claim(at, &output, terms, &key, keyring.change_hash(), network))
            }
            State::Revealed if due(periods.contest.into()) => {
                Some(finalize(at, &output, terms, Signer::Client, &key, network))
            }
            _ => None,
        }
    }
}
