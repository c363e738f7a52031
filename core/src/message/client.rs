//! What a light client asks the full node that it stands behind, beside the chain: to take its messages, how a job stands,
//! who serves a model, what a place in the next block costs.
//!
//! Nothing here is proved by itself. Statements are signed by those who made them, transactions that are said to be in
//! blocks are proved by [`Proof`](super::LightRequest::Proof), and the rest is the neighbour's word.

use super::Envelope;
use super::line::{one_line, put_line, read_line};
use crate::encode::{Decode, DecodeError, Encode, Reader, put_vec};
use crate::encode_struct;
use crate::hash::{JobId, ModelRoot, Txid};
use crate::job::{JobAccept, JobStatus, ServiceOffer, Signed, Testament};
use crate::units::{Amount, Height};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// The most offers of service in one response.
pub const MAX_OFFERS_PER_RESPONSE: usize = 100;
/// The most transactions of a job in one response.
pub const MAX_JOB_TRANSACTIONS: usize = 16;
/// Bytes of the longest reason for a refusal.
const MAX_REASON: usize = 500;

/// Why a message is not taken: one line, to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal(String);

impl Refusal {
    /// What of `reason` fits one line.
    pub fn new(reason: &str) -> Self {
        Refusal(one_line(reason, MAX_REASON))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Encode for Refusal {
    fn encode(&self, out: &mut Vec<u8>) {
        put_line(&self.0, out);
    }
}

impl Decode for Refusal {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        read_line(r, "reason", MAX_REASON).map(Refusal)
    }
}

/// A job's transaction, and where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobTransaction {
    /// Its id.
    pub txid: Txid,
    /// The height of its block on the neighbour's best chain; none while it waits for one.
    pub height: Option<Height>,
}
encode_struct!(JobTransaction { txid, height });

/// How a job stands, as the neighbour sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobReport {
    /// Its status. What only its parties know (that it was delivered, that the answer holds) others see late or never.
    pub status: JobStatus,
    /// The live accept.
    pub accept: Option<Signed<JobAccept>>,
    /// The node's statement to that.
    pub testament: Option<Testament>,
    /// The settlement and the moves of its contract that wait or are in blocks, in the order in which they were seen.
    pub transactions: Vec<JobTransaction>,
}

impl Encode for JobReport {
    fn encode(&self, out: &mut Vec<u8>) {
        self.status.encode(out);
        self.accept.encode(out);
        self.testament.encode(out);
        put_vec(&self.transactions, out);
    }
}

impl Decode for JobReport {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(JobReport {
            status: Decode::decode(r)?,
            accept: Decode::decode(r)?,
            testament: Decode::decode(r)?,
            transactions: r.vec("job transactions", MAX_JOB_TRANSACTIONS)?,
        })
    }
}

/// Which offers of service somebody looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OfferQuery {
    /// The model.
    pub model: ModelRoot,
    /// The least that the stake coin must hold.
    pub least_stake: Amount,
}
encode_struct!(OfferQuery { model, least_stake });

/// A node's offer of service, as it signed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StakedOffer {
    /// The offer.
    pub offer: Signed<ServiceOffer>,
    /// What its stake coin holds, as the neighbour says.
    pub stake: Amount,
}
encode_struct!(StakedOffer { offer, stake });

/// What transactions pay, in units for 1,000 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeeRates {
    /// The least with which a transaction of usual size would be in the next block.
    pub next_block: u64,
    /// The least with which the neighbour's pool takes one.
    pub least: u64,
}
encode_struct!(FeeRates { next_block, least });

/// What a light client asks a neighbour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientRequest {
    /// Take this message into your pools and tell everybody.
    Submit(Box<Envelope>),
    /// How does this job stand?
    Job(JobId),
    /// Who serves a model?
    Offers(OfferQuery),
    /// What does a place in the next block cost?
    FeeRates,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientResponse {
    /// The message was taken, now or before.
    Accepted,
    /// It was not.
    Refused(Refusal),
    /// How the job stands.
    Job(Box<JobReport>),
    /// Offers, the cheapest first, the larger stake first among equal ones: as many as one response holds.
    Offers(Vec<StakedOffer>),
    /// Fee rates.
    FeeRates(FeeRates),
}

impl Encode for ClientRequest {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            ClientRequest::Submit(envelope) => {
                out.push(20);
                envelope.encode(out);
            }
            ClientRequest::Job(job) => {
                out.push(21);
                job.encode(out);
            }
            ClientRequest::Offers(query) => {
                out.push(22);
                query.encode(out);
            }
            ClientRequest::FeeRates => out.push(23),
        }
    }
}

impl ClientRequest {
    /// Reads what follows the request's byte.
    pub(super) fn decode_after(kind: u8, r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match kind {
            20 => ClientRequest::Submit(Box::new(Decode::decode(r)?)),
            21 => ClientRequest::Job(Decode::decode(r)?),
            22 => ClientRequest::Offers(Decode::decode(r)?),
            23 => ClientRequest::FeeRates,
            other => return Err(DecodeError::InvalidValue { what: "request", value: other as u64 }),
        })
    }
}

impl Encode for ClientResponse {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            ClientResponse::Accepted => out.push(20),
            ClientResponse::Refused(reason) => {
                out.push(21);
                reason.encode(out);
            }
            ClientResponse::Job(report) => {
                out.push(22);
                report.encode(out);
            }
            ClientResponse::Offers(offers) => {
                out.push(23);
                put_vec(offers, out);
            }
            ClientResponse::FeeRates(rates) => {
                out.push(24);
                rates.encode(out);
            }
        }
    }
}

impl ClientResponse {
    /// Reads what follows the response's byte.
    pub(super) fn decode_after(kind: u8, r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match kind {
            20 => ClientResponse::Accepted,
            21 => ClientResponse::Refused(Decode::decode(r)?),
            22 => ClientResponse::Job(Box::new(Decode::decode(r)?)),
            23 => ClientResponse::Offers(r.vec("offers", MAX_OFFERS_PER_RESPONSE)?),
            24 => ClientResponse::FeeRates(Decode::decode(r)?),
            other => return Err(DecodeError::InvalidValue { what: "response", value: other as u64 }),
        })
    }
}
