//! The peers of a town: what they answer to questions about jobs, honest or not.

use super::town::{MODEL, PRICE, Town};
use crate::encode::{Decode, Encode};
use crate::hash::{Hash32, JobId};
use crate::job::fixtures::{key, peer};
use crate::job::{JobAccept, ModelPrice, ServiceOffer, Signed};
use crate::light::tests::world::*;
use crate::light::{Ask, Failure, Question};
use crate::message::{
    ClientRequest, ClientResponse, FeeRates, JobReport, LightRequest, LightResponse, ModelRequest, ModelResponse,
    Payload, Refusal, Request, Response, StakedOffer,
};
use crate::pool::{AddError, PoolError};
use crate::sync::serve;
use crate::transaction::{OutPoint, Transaction};
use crate::units::Amount;
use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec;

/// How a peer lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lie {
    /// A proof with another value in the transaction.
    ForgedProof,
    /// The proof of another transaction.
    OtherProof,
    /// An accept that nobody signed.
    ForgedAccept,
    /// An accept whose coin is somebody else's.
    ForeignCoin,
    /// An accept of another job.
    OtherJob,
    /// A testament with other terms.
    ForgedTestament,
    /// An offer that nobody signed.
    ForgedOffer,
    /// Another kind of answer.
    Confused,
    /// Refuses every message.
    Refuser,
    /// Says nothing about jobs.
    Silent,
}

impl Town {
    /// What a peer answers to a question of the jobs.
    pub(super) fn answer(&mut self, ask: &Ask<usize>) -> Result<Response, Failure> {
        if self.world.blamed.contains_key(&ask.peer) {
            return Err(Failure::Gone);
        }
        let lie = self.lies.get(&ask.peer).copied();
        let response = match &ask.question {
            Question::Request(request) => self.answer_request(lie, request)?,
            _ if lie == Some(Lie::Silent) => return Err(Failure::TimedOut),
            Question::Submit(_) if lie == Some(Lie::Refuser) => {
                Response::Client(ClientResponse::Refused(Refusal::new("no")))
            }
            Question::Forward(..) if lie == Some(Lie::Refuser) => Response::NoRoute(Hash32::default()),
            Question::Submit(payload) => {
                self.said.push(ask.question.clone());
                Response::Client(match self.take(payload) {
                    Ok(()) => ClientResponse::Accepted,
                    Err(reason) => ClientResponse::Refused(Refusal::new(&reason)),
                })
            }
            Question::Forward(to, payload) => {
                self.said.push(ask.question.clone());
                if *to == peer("node") {
                    self.to_node.push(payload.clone());
                    Response::Forwarded
                } else {
                    Response::NoRoute(Hash32::default())
                }
            }
        };
        // What travels is bytes.
        Ok(Decode::from_bytes(&response.to_bytes()).unwrap())
    }

    fn answer_request(&self, lie: Option<Lie>, request: &Request) -> Result<Response, Failure> {
        Ok(match (lie, request) {
            (Some(Lie::Silent), _) => return Err(Failure::TimedOut),
            (Some(Lie::Confused), _) => Response::Forwarded,
            (_, Request::Client(ClientRequest::Job(job))) => match self.report(job) {
                Some(report) => Response::Client(ClientResponse::Job(Box::new(self.lie_about(lie, *job, report)))),
                None => Response::Light(LightResponse::NotFound),
            },
            (_, Request::Client(ClientRequest::Offers(query))) => {
                let offers = if query.model == MODEL { vec![self.offer(lie)] } else { vec![] };
                Response::Client(ClientResponse::Offers(offers))
            }
            (_, Request::Client(ClientRequest::FeeRates)) => {
                Response::Client(ClientResponse::FeeRates(FeeRates { next_block: 1_000, least: 1_000 }))
            }
            (_, Request::Model(ModelRequest::List(_))) => Response::Model(ModelResponse::List(vec![])),
            (_, Request::Light(LightRequest::Proof(txid))) => {
                let txid = if lie == Some(Lie::OtherProof) { reward(&self.chain, 2).0.txid } else { *txid };
                match self.chain.transaction_proof(&txid).unwrap() {
                    Some(mut proof) => {
                        if lie == Some(Lie::ForgedProof) {
                            proof.transaction.outputs[0].value.0 *= 2;
                        }
                        Response::Light(LightResponse::Proof(Box::new(proof)))
                    }
                    None => Response::Light(LightResponse::NotFound),
                }
            }
            (_, Request::Blocks(hashes)) => serve::blocks(&self.chain, hashes).unwrap(),
            other => panic!("not asked about jobs: {other:?}"),
        })
    }

    fn offer(&self, lie: Option<Lie>) -> StakedOffer {
        let (stake_coin, coin) = reward(&self.chain, 1);
        let body = ServiceOffer {
            node_peer: peer("node"),
            node_key: key("node").public_key(),
            stake_coin,
            timestamp: self.world.now().time,
            models: [ModelPrice { model: MODEL, per_thousand_tokens: PRICE }].into(),
        };
        let mut offer = Signed::sign(body, &key("node"), dev().network);
        if lie == Some(Lie::ForgedOffer) {
            offer.body.models[0].per_thousand_tokens = Amount(1);
        }
        StakedOffer { offer, stake: coin.output.value }
    }

    fn report(&self, job: &JobId) -> Option<JobReport> {
        let record = self.job_pool.get(job)?;
        Some(JobReport {
            status: record.status,
            accept: record.accept.as_ref().map(|(accept, _)| accept.clone()),
            testament: record.testament.clone(),
            transactions: vec![],
        })
    }

    fn lie_about(&self, lie: Option<Lie>, job: JobId, mut report: JobReport) -> JobReport {
        let accept = |job_id, stake_coin| {
            let (node_peer, node_key) = (peer("thief"), key("thief").public_key());
            let body = JobAccept { job_id, node_peer, node_key, stake_coin, block: self.chain.tip_hash() };
            Some(Signed::sign(body, &key("thief"), dev().network))
        };
        let coin = reward(&self.chain, 1).0;
        match lie {
            Some(Lie::ForgedAccept) => {
                report.accept = accept(job, coin);
                report.accept.as_mut().unwrap().body.node_key = key("node").public_key();
            }
            Some(Lie::ForeignCoin) => report.accept = accept(job, coin),
            Some(Lie::OtherJob) => report.accept = accept(JobId([3; 32]), coin),
            Some(Lie::ForgedTestament) => {
                if let Some(testament) = &mut report.testament {
                    testament.settlement.outputs.last_mut().unwrap().value.0 -= 1;
                }
            }
            _ => {}
        }
        report
    }

    /// A message for everybody.
    fn take(&mut self, payload: &Payload) -> Result<(), String> {
        let rules = self.rules;
        let facts = self.facts(&rules);
        match payload {
            Payload::Transaction(tx) => self.publish(tx),
            Payload::JobCreate(create) => {
                let coin = |outpoint: &OutPoint| self.chain.coin(outpoint).unwrap();
                self.job_pool.add_create((**create).clone(), &coin, &facts).map(drop).map_err(|e| e.to_string())
            }
            other => panic!("a client says {other:?}"),
        }
    }

    /// A transaction goes into the pool, and everybody sees it.
    pub fn publish(&mut self, tx: &Transaction) -> Result<(), String> {
        let rules = self.rules;
        let facts = self.facts(&rules);
        match self.pool.add(tx.clone(), &self.chain, facts.now) {
            Ok(_) => {
                self.job_pool.on_transaction(tx, &facts);
                if let Some(deal) = self.deals.get_mut(&tx.job_id) {
                    deal.on_transaction(tx, &facts);
                }
                Ok(())
            }
            Err(AddError::Refused(PoolError::AlreadyKnown)) => Ok(()),
            Err(AddError::Refused(_)) if self.chain.transaction_height(&tx.txid()).unwrap().is_some() => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }
}
