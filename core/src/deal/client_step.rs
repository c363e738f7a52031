//! What a client does next.

use super::{Action, ClientDeal, ClientKeys, Facts, Pace, Position, VerifyMode};
use crate::contract::{
    ClosePayout, Move, Signer, State, claim, close_signature, demand, finalize, half_sign, unsigned_close,
};
use crate::encode::Encode;
use crate::hash::tagged_hash;
use crate::job::{CIPHERTEXT_SECONDS, JobAssign, JobClose, JobStatus, Signed};
use crate::keys::{SecretKey, seal};
use crate::message::{CiphertextRequest, Payload};
use crate::transaction::{OutPoint, TxOut};
use alloc::boxed::Box;
use alloc::vec::Vec;

impl ClientDeal {
    /// Says what to do now. Call it after everything that arrived, after every block, and every second or so.
    pub fn step(&mut self, keys: &ClientKeys<'_>, facts: &Facts<'_>) -> Vec<Action> {
        let mut actions = Vec::new();
        if self.over {
            return actions;
        }
        if self.key.is_none()
            && let Some(key) = self.track.revealed_key()
        {
            // A key on chain has the right hash: consensus checked it.
            let _ = self.take_key(key, keys.job, facts);
        }
        if self.settlement.is_none() {
            self.before_payment(keys, facts, &mut actions);
        } else {
            self.check_answer(&mut actions);
            self.after_payment(keys, facts, &mut actions);
        }
        actions
    }

    fn before_payment(&mut self, keys: &ClientKeys<'_>, facts: &Facts<'_>, actions: &mut Vec<Action>) {
        let params = &self.create.params;
        if facts.next().plus(facts.rules.settlement_least_left) > params.valid_until || self.coin_spent_elsewhere {
            self.over = true;
            self.timeline.reach(JobStatus::Expired, facts.now, facts.tip);
            return;
        }
        let Some(accept) = &self.accept else {
            if self.said.due(facts) {
                actions.push(Action::Broadcast(self.create.clone().into()));
            }
            return;
        };
        let node = accept.body.node_peer.clone();
        // "An accept without a private part or a testament in time lapses, and its coin is passed over for a while."
        // So does one whose node keeps the ciphertext back.
        let patience = facts.rules.testament_seconds
            + params.max_tokens / 100
            + if self.testament.is_some() { CIPHERTEXT_SECONDS } else { 0 };
        if facts.now.0 >= self.accepted_at.0.saturating_add(patience) {
            self.passed_over.push(accept.body.stake_coin);
            self.accept = None;
            self.testament = None;
            self.ciphertext = Vec::new();
            self.said.reset();
            self.timeline.reach(JobStatus::Created, facts.now, facts.tip);
            return;
        }
        if self.testament.is_some() && !self.ciphertext.is_empty() {
            self.pay(keys, facts, actions);
        } else if self.said.due(facts) {
            let job_id = self.id(facts);
            let payload = if self.testament.is_some() {
                Some(CiphertextRequest { job_id }.into())
            } else {
                self.assignment(keys.client, facts)
            };
            actions.extend(payload.map(|p| Action::Send(node, p)));
        }
    }

    /// The private part, sealed to the node. The ephemeral key is drawn from the client key and what it seals, so that
    /// a repetition is the same message.
    fn assignment(&self, client: &SecretKey, facts: &Facts<'_>) -> Option<Payload> {
        let accept = self.accept.as_ref()?;
        let (job_id, accept_hash) = (self.id(facts), self.accept_hash(facts)?);
        let drawn = tagged_hash("camelid/job/assign-key", &[&client.to_bytes(), &job_id.0, &accept_hash.0]);
        let ephemeral = SecretKey::from_bytes(drawn.0).ok()?;
        let sealed_private = seal(&accept.body.node_key, &ephemeral, &job_id.0, &self.private.to_bytes());
        let body = JobAssign { job_id, accept: accept_hash, sealed_private };
        Some(Signed::sign(body, client, facts.network.network).into())
    }

    /// Signs the client's inputs of the settlement: step 5, the payment.
    fn pay(&mut self, keys: &ClientKeys<'_>, facts: &Facts<'_>, actions: &mut Vec<Action>) {
        let Some(testament) = &self.testament else { return };
        let (spent, mut settlement) = (self.settlement_spends(), testament.settlement.clone());
        for (i, key) in keys.coins.iter().enumerate() {
            half_sign(&mut settlement, i + 1, &spent, key, facts.network);
        }
        actions.push(Action::Publish(Box::new(settlement.clone())));
        self.settlement = Some(settlement);
        self.said = Pace(facts.now);
        self.timeline.reach(JobStatus::Paid, facts.now, facts.tip);
    }

    fn check_answer(&mut self, actions: &mut Vec<Action>) {
        let unchecked = self.verdict.is_none() && !self.verifying && self.verify != VerifyMode::None;
        if let (Some(answer), true) = (&self.answer, unchecked) {
            let prompt = self.private.token_ids.clone();
            actions.push(Action::Verify { prompt, answer: answer.clone() });
            self.verifying = true;
        }
    }

    /// Whether the client is content: the answer is there and nothing wrong was found.
    pub fn content(&self) -> bool {
        match &self.verdict {
            Some(verdict) => verdict.holds(),
            None => self.verify == VerifyMode::None && self.answer.is_some(),
        }
    }

    fn after_payment(&mut self, keys: &ClientKeys<'_>, facts: &Facts<'_>, actions: &mut Vec<Action>) {
        let next = facts.next();
        let position = self.track.position(facts.tip, facts.rules, facts.network);
        if self.status().is_final() && !matches!(position, Position::Ended(_)) {
            // A reorganisation took the end back.
            self.timeline.reach(JobStatus::Paid, facts.now, facts.tip);
        }
        match position {
            Position::Nowhere => {
                // "… treats it as dead only when that height is 10 deep or its coin's other spend is buried."
                let dead = next > self.create.params.valid_until.plus(facts.rules.dead_depth);
                if dead || self.coin_spent_elsewhere {
                    self.over = true;
                    self.timeline.reach(JobStatus::Refunded, facts.now, facts.tip);
                } else if self.said.due(facts) {
                    actions.extend(self.settlement.clone().map(|tx| Action::Publish(Box::new(tx))));
                }
            }
            Position::In { terms, outpoint, output, since, firm, buried, .. } => {
                let periods = terms.periods;
                // Who has the key is in no hurry, but a node that is gone for good must not lock the money for ever: it
                // gets the period twice.
                let times = if self.key.is_none() { 1 } else { 2 };
                let demand_from = since.plus(times * periods.reveal as u32);
                match terms.state {
                    State::Settlement if firm && next >= demand_from && self.said.due(facts) => {
                        let tx = demand(outpoint, &output, &terms, keys.client, facts.network);
                        actions.push(Action::Publish(Box::new(tx)));
                    }
                    // "The wallet for its part sends neither close nor challenge nor any sign of its verdict before
                    // burial."
                    State::Settlement if buried && self.content() && self.said.due(facts) => {
                        actions.extend(self.close(outpoint, &output, keys, facts));
                    }
                    State::Demanded if next >= since.plus(periods.grace as u32) && self.said.due(facts) => {
                        let to = self.create.change;
                        let tx = claim(outpoint, &output, &terms, keys.client, to, facts.network);
                        actions.push(Action::Publish(Box::new(tx)));
                    }
                    // The reserve is worth finalizing for, should the node be gone.
                    State::Revealed if next >= since.plus(periods.contest as u32) && self.said.due(facts) => {
                        let signer = Signer::Client;
                        let tx = finalize(outpoint, &output, &terms, signer, keys.client, facts.network);
                        actions.push(Action::Publish(Box::new(tx)));
                    }
                    _ => {}
                }
            }
            Position::Ended(ending) => {
                let status = if ending.by == Move::Claim { JobStatus::Slashed } else { JobStatus::Closed };
                self.timeline.reach(status, facts.now, facts.tip);
                // An answer that came late is still checked before the deal is put away.
                self.over = ending.buried && (self.answer.is_none() || self.content() || self.verdict.is_some());
            }
        }
    }

    fn close(&self, contract: OutPoint, output: &TxOut, keys: &ClientKeys<'_>, facts: &Facts<'_>) -> Option<Action> {
        let (terms, accept) = (self.terms()?, self.accept.as_ref()?);
        let pay = ClosePayout { client: self.create.change, fee: terms.move_fee };
        let close = unsigned_close(contract, &terms, output.value, pay, facts.network).ok()?;
        let client_signature = close_signature(&close, output, keys.client, facts.network);
        let payload = JobClose { job_id: terms.job_id, close, client_signature }.into();
        Some(Action::Send(accept.body.node_peer.clone(), payload))
    }
}
