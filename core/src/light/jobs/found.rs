//! Open settlements of this wallet that no job here knows: a wallet that was restored from its words finds them on the
//! chain. Prompt and answer are gone; the money is not. A device that has the job and the same words takes the same steps.

use super::Jobs;
use super::view::{Bound, bound_in};
use crate::contract::{Signer, State, claim, demand, finalize};
use crate::hash::JobId;
use crate::light::LightClient;
use crate::light::ledger::OpenContract;
use crate::sorted::Map;
use crate::sync::Now;
use crate::transaction::{OutPoint, Transaction, TxOut};
use crate::units::Height;
use crate::wallet::{Keyring, RESERVE};
use alloc::vec::Vec;
use core::time::Duration;

/// From one look at them to the next.
const STEP: Duration = Duration::from_secs(1);
/// Between two submissions of the same move, which the client repeats by itself until it is refused: doubles from the one to
/// the other.
const PAUSE: (Duration, Duration) = (Duration::from_secs(20), Duration::from_secs(3600));
/// Moves at once. Others wait until these are mined, or lie in their pause.
const MOST: usize = 16;

/// The moves of settlements that belong to no job here.
#[derive(Clone, Debug, Default)]
pub(super) struct Moves {
    /// When they were looked at last.
    looked: Option<Duration>,
    /// For each contract when its move may be made again, and how long the pause after that is.
    made: Map<OutPoint, (Duration, Duration)>,
}

impl<P: Copy + Ord> Jobs<P> {
    /// What is bound in settlements of this wallet that belong to no job here, and until when.
    pub fn found(&self, client: &LightClient<P>) -> Vec<(JobId, Bound)> {
        let bound = |open: &OpenContract| bound_in(&open.contract.terms, open.since, true);
        self.unknown(client).map(|(_, open)| (open.contract.terms.job_id, bound(open))).collect()
    }

    /// Anybody can make a settlement that names our key. Only those count whose terms a wallet makes: what they hold back pays
    /// for their moves, so whoever forges one gives money away.
    fn unknown<'a>(&'a self, client: &'a LightClient<P>) -> impl Iterator<Item = (OutPoint, &'a OpenContract)> {
        let contracts = client.ledger().contracts().map(|(outpoint, open)| (*outpoint, open));
        contracts.filter(move |(_, open)| {
            let terms = &open.contract.terms;
            let pays = terms.reserve >= RESERVE && terms.move_fee >= self.rules.least_move_fee;
            pays && !self.jobs.contains_key(&terms.job_id)
        })
    }

    /// Makes the moves that bring their money back. The client submits each until it is mined, or refused for good.
    pub(super) fn step_found(&mut self, client: &mut LightClient<P>, now: Now) {
        if self.moves.looked.is_some_and(|at| now.elapsed < at + STEP) {
            return;
        }
        self.moves.looked = Some(now.elapsed);
        let height = client.headers().height();
        // What is not known might hold a move already.
        let told = client.peers().any(|peer| client.height_of(&peer).is_some());
        let behind = client.scanned() < height.max(client.told_height()) || client.is_looking_back();
        if !told || behind || client.owes_contracts() {
            return;
        }
        let open: Vec<(OutPoint, OpenContract)> = self.unknown(client).map(|(o, open)| (o, open.clone())).collect();
        self.moves.made.retain(|outpoint, _| open.iter().any(|(other, _)| other == outpoint));
        for (outpoint, open) in open {
            let (at, pause) = self.moves.made.get(&outpoint).copied().unwrap_or((Duration::ZERO, PAUSE.0));
            let waiting = self.moves.made.values().filter(|(at, _)| now.elapsed < *at).count();
            if now.elapsed < at || waiting >= MOST {
                continue;
            }
            let Some(tx) = self.next_move(client.keyring(), outpoint, &open, height) else { continue };
            self.moves.made.insert(outpoint, (now.elapsed + pause, (pause * 2).min(PAUSE.1)));
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
        let key = || keyring.secret_for(&terms.client_key.hash());
        let output = TxOut { value: open.contract.value, script_pubkey: terms.script() };
        match terms.state {
            // Whether the node gave the key to who had the job is not known here: it gets the period twice.
            State::Settlement if due(2 * u32::from(periods.reveal)) && firm(tip.since(since) + 1) => {
                Some(demand(at, &output, terms, &key()?, network))
            }
            State::Demanded if due(periods.grace.into()) => {
                Some(claim(at, &output, terms, &key()?, keyring.change_hash(), network))
            }
            State::Revealed if due(periods.contest.into()) => {
                Some(finalize(at, &output, terms, Signer::Client, &key()?, network))
            }
            _ => None,
        }
    }
}
