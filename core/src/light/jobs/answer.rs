//! What peers answer.

use super::ask::{Kind, is_offer};
use super::market::Topic;
use super::record::Proving;
use super::{JobEvent, Jobs, facts};
use crate::block::Block;
use crate::chain::TransactionProof;
use crate::contract::settled_in_block;
use crate::deal::DealError;
use crate::hash::{BlockHash, JobId};
use crate::light::LightClient;
use crate::light::client::{Failure, Fault, Question};
use crate::message::{ClientResponse, JobReport, LightResponse, ModelResponse, Payload, Refusal, Response};
use crate::script::templates::p2pkh_key_hash;
use crate::sorted::Set;
use crate::sync::Now;
use crate::transaction::Coin;
use alloc::boxed::Box;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::time::Duration;

/// An offer that nobody has taken and everybody refuses for so long is given up.
const REFUSED_FOR: Duration = Duration::from_secs(10);

impl<P: Copy + Ord> Jobs<P> {
    /// An answer, or that there is none.
    pub fn on_answer(&mut self, client: &mut LightClient<P>, id: u64, answer: Result<Response, Failure>, now: Now) {
        let Some(open) = self.open.remove(&id) else { return };
        let peer = open.peer;
        if let (Kind::Errand(job, question), true) = (&open.kind, answer.is_err())
            && let Some(job) = self.jobs.get_mut(job).filter(|_| is_offer(question))
        {
            // It may have arrived all the same.
            job.spread = true;
        }
        if !client.trusts(&peer) {
            return self.free(&open.kind, peer);
        }
        match answer {
            Ok(response) => {
                client.heard(peer, now);
                if let Err(fault) = self.on_response(client, peer, &open.kind, response, now) {
                    client.blame(peer, fault);
                }
            }
            // The way to a receiver far away may be slow: that is not the neighbour's.
            Err(Failure::TimedOut) if matches!(open.kind, Kind::Errand(_, Question::Forward(..))) => {}
            Err(failure) => client.missed(peer, failure, now),
        }
        self.free(&open.kind, peer);
    }

    /// A question is over: what it was to bring and did not is asked of another one.
    fn free(&mut self, kind: &Kind, peer: P) {
        match kind {
            Kind::Report(job) => {
                if let Some(job) = self.jobs.get_mut(job) {
                    job.polling = false;
                }
            }
            Kind::Coin(job) => {
                if let Some(Proving { tried, open, .. }) = self.jobs.get_mut(job).and_then(|job| job.proving.as_mut()) {
                    tried.insert(peer);
                    // Where it took too long, another one is asked by now.
                    open.take_if(|(asked, _)| *asked == peer);
                }
            }
            Kind::Errand(job, question) => {
                let same = |errand: &&mut super::ask::Errand<P>| errand.job == *job && errand.question == *question;
                if let Some(errand) = self.errands.iter_mut().find(same) {
                    errand.tried.insert(peer);
                    errand.open.take_if(|(asked, _)| *asked == peer);
                }
                let live = |job: &JobId| self.jobs.get(job).is_some_and(|job| !job.record.deal.is_over());
                self.errands.retain(|errand| errand.open.is_some() || live(&errand.job));
            }
            Kind::Block(hash) => {
                if let Some(block) = self.blocks.get_mut(hash) {
                    block.tried.insert(peer);
                    block.open = false;
                }
            }
            Kind::Market(_) => {}
        }
    }

    fn on_response(
        &mut self,
        client: &mut LightClient<P>,
        peer: P,
        kind: &Kind,
        response: Response,
        now: Now,
    ) -> Result<(), Fault> {
        match (kind, response) {
            (Kind::Report(job), Response::Client(ClientResponse::Job(report))) => {
                self.on_report(client, peer, *job, &report, now)
            }
            (Kind::Coin(job), Response::Light(LightResponse::Proof(proof))) => self.on_coin(client, *job, &proof, now),
            (Kind::Errand(job, question @ Question::Submit(_)), Response::Client(ClientResponse::Accepted)) => {
                self.on_accepted(client, *job, question);
                Ok(())
            }
            (Kind::Errand(job, question @ Question::Submit(_)), Response::Client(ClientResponse::Refused(reason))) => {
                self.on_refused(client, peer, *job, question, &reason, now);
                Ok(())
            }
            (Kind::Errand(job, question @ Question::Forward(..)), Response::Forwarded) => {
                self.errands.retain(|errand| errand.job != *job || errand.question != *question);
                Ok(())
            }
            (Kind::Errand(_, Question::Forward(..)), Response::NoRoute(_)) => Ok(()),
            (Kind::Block(hash), Response::Blocks(blocks)) => self.on_block(client, peer, *hash, blocks, now),
            (Kind::Market(Topic::Offers(model)), Response::Client(ClientResponse::Offers(offers))) => {
                let new = self.market.on_offers(peer, *model, offers, self.params)?;
                self.tell_market(new);
                Ok(())
            }
            (Kind::Market(Topic::Rates), Response::Client(ClientResponse::FeeRates(rates))) => {
                let new = self.market.on_rates(peer, rates);
                self.tell_market(new);
                Ok(())
            }
            (Kind::Market(Topic::Models(after)), Response::Model(ModelResponse::List(models))) => {
                self.market.on_models(peer, *after, models);
                self.tell_market(true);
                Ok(())
            }
            (Kind::Report(_) | Kind::Coin(_) | Kind::Market(_), Response::Light(LightResponse::NotFound)) => Ok(()),
            (_, Response::Busy) => {
                client.rest(peer, now);
                Ok(())
            }
            _ => Err(Fault::OtherKind),
        }
    }

    fn tell_market(&mut self, new: bool) {
        if new && !self.events.contains(&JobEvent::Market) {
            self.events.push(JobEvent::Market);
        }
    }

    /// A peer says how a job stands.
    fn on_report(
        &mut self,
        client: &LightClient<P>,
        peer: P,
        id: JobId,
        report: &JobReport,
        now: Now,
    ) -> Result<(), Fault> {
        let rules = self.rules;
        let Some(job) = self.jobs.get_mut(&id).filter(|job| job.is_unpaid()) else { return Ok(()) };
        let facts = facts(self.params, &rules, client, false, now);
        let deal = &mut job.record.deal;
        let accept = report.accept.as_ref();
        let other = |found: JobId| Err(Fault::OtherJob { expected: id, found });
        if let Some(found) = accept.map(|accept| accept.body.job_id).filter(|found| *found != id) {
            return other(found);
        }
        if let Some(found) = report.testament.as_ref().map(|said| said.job_id).filter(|found| *found != id) {
            return other(found);
        }
        match (&deal.accept, accept) {
            (None, Some(accept)) => match deal.check_accept(accept, &facts) {
                Ok(()) if job.proving.is_none() => {
                    let accept = Box::new(accept.clone());
                    job.proving = Some(Proving { accept, reporter: peer, tried: Set::new(), open: None });
                    Ok(())
                }
                Err(reason @ DealError::Job(_)) => Err(Fault::Report { job: id, reason }),
                // Its pool has not passed the node over yet.
                _ => Ok(()),
            },
            (Some(taken), Some(accept)) if taken == accept => {
                let Some(testament) = report.testament.as_ref().filter(|_| deal.testament.is_none()) else {
                    return Ok(());
                };
                match deal.on_testament(testament, &facts) {
                    Ok(()) => {
                        job.due = true;
                        Ok(())
                    }
                    Err(DealError::OutOfTurn(_)) => Ok(()),
                    // Everybody checks it against the accept before passing it on.
                    Err(reason) => Err(Fault::Report { job: id, reason }),
                }
            }
            _ => Ok(()),
        }
    }

    /// A peer proves a stake coin.
    fn on_coin(
        &mut self,
        client: &mut LightClient<P>,
        id: JobId,
        proof: &TransactionProof,
        now: Now,
    ) -> Result<(), Fault> {
        let rules = self.rules;
        let Some(job) = self.jobs.get_mut(&id) else { return Ok(()) };
        let Some(Proving { accept, reporter, .. }) = &job.proving else { return Ok(()) };
        let outpoint = accept.body.stake_coin;
        proof.verify().map_err(Fault::Proof)?;
        let found = proof.transaction.txid();
        let header = client.headers().height_of(&proof.header.hash());
        // A block that is not known here may be one of tomorrow's, or of another branch: another peer is asked.
        let known = header.unwrap_or(proof.height);
        if found != outpoint.txid || known != proof.height {
            return Err(Fault::OtherTransaction { expected: outpoint.txid, found, height: proof.height });
        }
        let Some(height) = header else { return Ok(()) };
        let output = proof.transaction.outputs.get(outpoint.index as usize).cloned();
        let coin = output.map(|output| Coin { output, height, coinbase: proof.transaction.is_coinbase() });
        let facts = facts(self.params, &rules, client, false, now);
        let taken = job.record.deal.on_accept(accept, coin.as_ref(), &facts);
        let to = coin.as_ref().and_then(|coin| p2pkh_key_hash(&coin.output.script_pubkey));
        let pays = to == Some(accept.body.node_key.hash());
        let wrong = match taken {
            // What no chain changes: who reported such an accept did not look, or lies. A coin's age is something else.
            Err(reason @ DealError::StakeValue { .. }) => Some(reason),
            Err(reason @ DealError::StakeCoin(_)) if !pays => Some(reason),
            _ => None,
        };
        let reporter = *reporter;
        (job.proving, job.due) = (None, true);
        if let Some(reason) = wrong {
            client.blame(reporter, Fault::Report { job: id, reason });
        }
        Ok(())
    }

    /// A peer took a message for everybody.
    fn on_accepted(&mut self, client: &mut LightClient<P>, id: JobId, question: &Question) {
        self.errands.retain(|errand| errand.job != id || errand.question != *question);
        let Some(job) = self.jobs.get_mut(&id) else { return };
        if job.record.note.take().is_some() {
            job.due = true;
        }
        if let Question::Submit(Payload::Transaction(tx)) = question {
            client.note_taken(&tx.txid());
            job.due = true;
        }
        if is_offer(question) {
            (job.offered, job.spread) = (true, true);
            job.refused.clear();
            job.refused_since = None;
        }
    }

    /// A peer did not.
    fn on_refused(
        &mut self,
        client: &LightClient<P>,
        peer: P,
        id: JobId,
        question: &Question,
        reason: &Refusal,
        now: Now,
    ) {
        let rules = self.rules;
        let others = |job: &super::record::Job<P>| {
            client.talking_peers(now).any(|(other, _)| other != peer && !job.refused.contains(&other))
        };
        let Some(job) = self.jobs.get_mut(&id).filter(|job| !job.record.deal.is_over()) else { return };
        job.record.note = Some(reason.to_string());
        if is_offer(question) && !job.offered {
            job.refused.insert(peer);
            let since = *job.refused_since.get_or_insert(now.elapsed);
            let all = job.refused.len() >= client.limits().refusals || !others(job);
            let facts = facts(self.params, &rules, client, false, now);
            // A peer that is a block behind may not know the coins yet.
            if all && now.elapsed >= since + REFUSED_FOR && job.record.deal.give_up(&facts) {
                return self.end(client, id, now);
            }
        }
        self.note(client, id, now);
    }

    /// A peer gives a block with a transaction that a deal was not told of.
    fn on_block(
        &mut self,
        client: &mut LightClient<P>,
        peer: P,
        hash: BlockHash,
        blocks: Vec<Block>,
        now: Now,
    ) -> Result<(), Fault> {
        if blocks.len() > 1 || blocks.iter().any(|block| block.hash() != hash) {
            return Err(Fault::OtherBlocks);
        }
        let Some(block) = blocks.first() else {
            client.rest(peer, now);
            return Ok(());
        };
        // "A block's header carries the Merkle root over its transactions."
        if block.merkle_root() != block.header.merkle_root {
            return Err(Fault::Body { hash });
        }
        let Some(wanted) = self.blocks.remove(&hash) else { return Ok(()) };
        if client.headers().hash(wanted.height) != Some(hash) {
            return Ok(());
        }
        let settled = settled_in_block(block);
        for tx in &block.transactions {
            let Some(job) = self.jobs.get_mut(&tx.job_id) else { continue };
            let deal = &mut job.record.deal;
            if let (Some(settlement), false) = (deal.settlement_id(), deal.is_over()) {
                deal.track.connected(&settlement, tx, wanted.height, settled);
                job.due = true;
            }
        }
        Ok(())
    }
}
