//! The compute node of a town.

use super::town::{ANSWER, Town};
use crate::deal::{Action, ComputeDeal, Facts};
use crate::hash::JobId;
use crate::job::fixtures::{hash_of, key, peer};
use crate::job::{JobAccept, JobStatus, Signed};
use crate::light::tests::world::*;
use crate::message::{Ciphertext, Payload};
use crate::transaction::OutPoint;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

/// How the node behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Node {
    Honest,
    /// It accepts nothing.
    Away,
    /// It accepts and is never heard of again.
    SilentAfterAccept,
    /// Another token than the model's.
    WrongToken,
    /// That, and it never reveals on chain.
    WrongTokenThenSilent,
    /// It is never heard of again once it is paid.
    SilentAfterPayment,
}

impl Town {
    pub(super) fn step_node(&mut self) {
        let rules = self.rules;
        let facts = self.facts(&rules);
        self.job_pool.expire(&facts);
        for payload in core::mem::take(&mut self.to_node) {
            self.hear_client(payload, &facts);
        }
        self.take_jobs(&facts);
        let ids: Vec<JobId> = self.deals.keys().copied().collect();
        for id in ids {
            let Some(deal) = self.deals.get_mut(&id) else { continue };
            let paid = deal.settlement.is_some();
            for action in deal.step(&key("node"), &facts) {
                if self.node == Node::SilentAfterAccept || (self.node == Node::SilentAfterPayment && paid) {
                    continue;
                }
                self.act(&id, action, &facts);
            }
        }
    }

    fn act(&mut self, id: &JobId, action: Action, facts: &Facts<'_>) {
        match action {
            Action::Broadcast(Payload::Testament(testament)) => {
                // It may have lapsed.
                let _ = self.job_pool.add_testament(*testament, facts);
            }
            Action::Broadcast(_) => {}
            Action::Send(to, payload) => {
                assert_eq!(to, peer("client"));
                self.to_client.push(payload);
            }
            Action::Publish(_) if self.node == Node::WrongTokenThenSilent => {}
            Action::Publish(tx) => {
                if self.publish(&tx).is_err() {
                    self.deals.get_mut(id).unwrap().on_close_refused();
                }
            }
            Action::Compute => {
                let mut answer = ANSWER.to_vec();
                if matches!(self.node, Node::WrongToken | Node::WrongTokenThenSilent) {
                    answer[1].0 += 1;
                }
                self.deals.get_mut(id).unwrap().on_computed(answer, 1, &key("node"), facts).unwrap();
            }
            Action::Verify { .. } => panic!("a node does not verify"),
        }
    }

    fn hear_client(&mut self, payload: Payload, facts: &Facts<'_>) {
        // What does not fit is refused and changes nothing.
        match payload {
            Payload::JobAssign(m) => {
                let deal = self.deals.get_mut(&m.body.job_id);
                let _ = deal.map(|deal| deal.on_assign(&m, &key("node"), facts));
            }
            Payload::JobClose(m) => {
                let deal = self.deals.get_mut(&m.job_id);
                let _ = deal.map(|deal| deal.on_close(&m, &key("node"), facts));
            }
            Payload::CiphertextRequest(m) => {
                let bytes = self.deals.get(&m.job_id).and_then(|deal| deal.ciphertext()).map(<[u8]>::to_vec);
                self.to_client.extend(bytes.map(|bytes| Ciphertext { job_id: m.job_id, bytes }.into()));
            }
            other => panic!("a client sends {other:?}"),
        }
    }

    fn take_jobs(&mut self, facts: &Facts<'_>) {
        let bound: BTreeSet<OutPoint> =
            self.deals.values().filter(|d| !d.is_over()).map(|deal| deal.accept.body.stake_coin).collect();
        let open = self.job_pool.jobs().filter(|(id, r)| {
            r.status == JobStatus::Created && self.deals.get(id).is_none_or(|d| d.is_over() && d.testament.is_none())
        });
        let open: Vec<JobId> = open.map(|(id, _)| *id).collect();
        let mut free: Vec<_> = [1, 3, 5].map(|height| reward(&self.chain, height)).into();
        free.retain(|(outpoint, _)| !bound.contains(outpoint) && self.chain.coin(outpoint).unwrap().is_some());
        for id in open {
            let record = self.job_pool.get(&id).unwrap();
            let fits = |(outpoint, _): &&(OutPoint, _)| !record.is_passed_over(outpoint);
            let Some((stake_coin, coin)) = free.iter().find(fits).filter(|_| self.node != Node::Away).cloned() else {
                continue;
            };
            free.retain(|(outpoint, _)| *outpoint != stake_coin);
            let body = JobAccept {
                job_id: id,
                node_peer: peer("node"),
                node_key: key("node").public_key(),
                stake_coin,
                block: facts.tip_hash,
            };
            let accept = Signed::sign(body, &key("node"), dev().network);
            let (create, values) = (record.create.clone(), record.coin_values.clone());
            let deal = ComputeDeal::new(create, values, accept.clone(), coin.output.value, hash_of("reward"), facts);
            if self.job_pool.add_accept(accept, Some(&coin), facts).is_ok() {
                self.deals.insert(id, deal);
            }
        }
    }
}
