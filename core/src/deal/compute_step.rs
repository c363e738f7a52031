//! What a compute node does next.

use super::{Action, ComputeDeal, Facts, Position};
use crate::contract::{Move, Signer, State, Terms, finalize, reveal};
use crate::hash::tagged_hash;
use crate::job::{CIPHERTEXT_SECONDS, JobDelivery, JobStatus, Signed};
use crate::keys::{SecretKey, seal};
use crate::transaction::{OutPoint, TxOut};
use crate::units::Height;
use alloc::boxed::Box;
use alloc::vec::Vec;

impl ComputeDeal {
    /// Says what to do now. Call it after everything that arrived, after every block, and every second or so.
    /// `node` is the secret of the stake coin's key.
    pub fn step(&mut self, node: &SecretKey, facts: &Facts<'_>) -> Vec<Action> {
        let mut actions = Vec::new();
        if self.over {
            return actions;
        }
        if self.testament.is_none() {
            self.before_testament(facts, &mut actions);
            return actions;
        }
        let next = facts.next();
        let position = self.track.position(facts.tip, facts.rules, facts.network);
        if self.status().is_final() && !matches!(position, Position::Ended(_)) {
            // A reorganisation took the end back.
            self.timeline.reach(JobStatus::Paid, facts.now, facts.tip);
        }
        match position {
            Position::Nowhere => self.unsettled(node, facts, &mut actions),
            Position::In { terms, outpoint, output, since, depth, firm, .. } => {
                // "Otherwise c blocks deep."
                let safe = firm && depth >= facts.rules.release_depth;
                if safe || self.released {
                    self.deliver(&terms, node, facts, &mut actions);
                }
                let periods = terms.periods;
                match terms.state {
                    State::Settlement => {
                        let reveal_end = since.plus(periods.reveal as u32);
                        // "A node reveals on chain 4 blocks before the reveal period ends if no close came." One that
                        // came and is not mined by the period's end does not count.
                        let reveal_from = match self.close {
                            None => Height(reveal_end.0.saturating_sub(facts.rules.reveal_margin)),
                            Some(_) => reveal_end,
                        };
                        if self.moved.due(facts) {
                            actions.extend(self.close.clone().map(|close| Action::Publish(Box::new(close))));
                            if safe && next >= reveal_from {
                                actions.push(self.reveal(outpoint, &output, &terms, node, facts));
                            }
                        }
                    }
                    State::Demanded if next < since.plus(periods.grace as u32) && self.moved.due(facts) => {
                        actions.push(self.reveal(outpoint, &output, &terms, node, facts));
                    }
                    State::Revealed if next >= since.plus(periods.contest as u32) && self.moved.due(facts) => {
                        let tx = finalize(outpoint, &output, &terms, Signer::Node, node, facts.network);
                        actions.push(Action::Publish(Box::new(tx)));
                    }
                    _ => {}
                }
            }
            Position::Ended(ending) => {
                let status = if ending.by == Move::Claim { JobStatus::Slashed } else { JobStatus::Closed };
                self.timeline.reach(status, facts.now, facts.tip);
                self.over = ending.buried;
            }
        }
        actions
    }

    fn before_testament(&mut self, facts: &Facts<'_>, actions: &mut Vec<Action>) {
        let params = &self.create.params;
        // The client passes a node over after this long; nothing is bound before the testament.
        let patience = facts.rules.testament_seconds + params.max_tokens / 100;
        if self.coin_spent_elsewhere || facts.now.0 >= self.accepted_at.0.saturating_add(patience) {
            self.over = true;
            self.timeline.reach(JobStatus::Expired, facts.now, facts.tip);
            return;
        }
        if self.private.is_some() && !self.computing {
            self.computing = true;
            actions.push(Action::Compute);
        } else if self.private.is_none() && self.said.due(facts) {
            actions.push(Action::Broadcast(self.accept.clone().into()));
        }
    }

    /// The settlement is not in the chain.
    fn unsettled(&mut self, node: &SecretKey, facts: &Facts<'_>, actions: &mut Vec<Action>) {
        let params = &self.create.params;
        // "… treats it as dead only when that height is 10 deep or its coin's other spend is buried."
        if facts.next() > params.valid_until.plus(facts.rules.dead_depth) || self.coin_spent_elsewhere {
            self.over = true;
            self.timeline.reach(JobStatus::Expired, facts.now, facts.tip);
            return;
        }
        if let Some(settlement) = self.settlement.clone() {
            if self.said.due(facts) {
                actions.push(Action::Publish(Box::new(settlement)));
                // The release rule said that this settlement is as good as mined.
                if self.released {
                    actions.extend(self.delivery(node, facts));
                }
            }
            return;
        }
        let patience = facts.rules.testament_seconds + CIPHERTEXT_SECONDS + params.max_tokens / 100;
        let waiting = facts.now.0 < self.accepted_at.0.saturating_add(patience);
        if waiting && self.said.due(facts) {
            actions.extend(self.testament.clone().map(|t| Action::Broadcast(t.into())));
        }
    }

    /// Hands over the key, again and again until the client closes.
    fn deliver(&mut self, terms: &Terms, node: &SecretKey, facts: &Facts<'_>, actions: &mut Vec<Action>) {
        let open = matches!(terms.state, State::Settlement | State::Demanded) && self.close.is_none();
        if open && self.said.due(facts) {
            actions.extend(self.delivery(node, facts));
        }
    }

    fn delivery(&mut self, node: &SecretKey, facts: &Facts<'_>) -> Option<Action> {
        let (job_id, settlement) = (self.id(), self.settlement_id()?);
        let drawn = tagged_hash("camelid/job/delivery-key", &[&node.to_bytes(), &job_id.0, &settlement.0]);
        let ephemeral = SecretKey::from_bytes(drawn.0).ok()?;
        let context = JobDelivery::context(&job_id, &settlement);
        let sealed_key = seal(&self.create.params.job_key, &ephemeral, &context, &self.key);
        let body = JobDelivery { job_id, settlement, sealed_key };
        let payload = Signed::sign(body, node, facts.network.network).into();
        self.timeline.reach(JobStatus::Delivered, facts.now, facts.tip);
        Some(Action::Send(self.create.params.client_peer.clone(), payload))
    }

    fn reveal(&self, contract: OutPoint, output: &TxOut, terms: &Terms, node: &SecretKey, facts: &Facts<'_>) -> Action {
        Action::Publish(Box::new(reveal(contract, output, terms, self.key, node, facts.network)))
    }
}
