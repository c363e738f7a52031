//! The statuses of a job (paper 2.4.1: "from "created" to "accepted" to "completed""; the rest is ours).

use crate::encode::{Decode, DecodeError, Encode, Reader};
use alloc::vec::Vec;
use core::fmt;

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum JobStatus {
    /// Offered by its client.
    Created = 0,
    /// A node bound its stake coin to it.
    Accepted = 1,
    /// The node computed the answer and signed its statement.
    Completed = 2,
    /// The client signed the settlement.
    Paid = 3,
    /// The client has the key to the answer.
    Delivered = 4,
    /// The client checked the answer and it holds.
    Verified = 5,
    /// The client checked the answer and it does not hold: no close is signed.
    Rejected = 6,
    /// The client went to the chain against the answer.
    Challenged = 7,
    /// The node is paid, stake and reserve are back.
    Closed = 8,
    /// The node's stake went to the client.
    Slashed = 9,
    /// The client's money is back: the settlement was never mined.
    Refunded = 10,
    /// Nobody answered in time.
    Expired = 11,
}

impl JobStatus {
    const ALL: [JobStatus; 12] = [
        JobStatus::Created,
        JobStatus::Accepted,
        JobStatus::Completed,
        JobStatus::Paid,
        JobStatus::Delivered,
        JobStatus::Verified,
        JobStatus::Rejected,
        JobStatus::Challenged,
        JobStatus::Closed,
        JobStatus::Slashed,
        JobStatus::Refunded,
        JobStatus::Expired,
    ];

    /// Whether nothing more happens.
    pub fn is_final(self) -> bool {
        matches!(self, JobStatus::Closed | JobStatus::Slashed | JobStatus::Refunded | JobStatus::Expired)
    }

    /// The name, in lower case.
    pub fn name(self) -> &'static str {
        match self {
            JobStatus::Created => "created",
            JobStatus::Accepted => "accepted",
            JobStatus::Completed => "completed",
            JobStatus::Paid => "paid",
            JobStatus::Delivered => "delivered",
            JobStatus::Verified => "verified",
            JobStatus::Rejected => "rejected",
            JobStatus::Challenged => "challenged",
            JobStatus::Closed => "closed",
            JobStatus::Slashed => "slashed",
            JobStatus::Refunded => "refunded",
            JobStatus::Expired => "expired",
        }
    }
}

impl fmt::Display for JobStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Encode for JobStatus {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(*self as u8);
    }
}

impl Decode for JobStatus {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let byte = u8::decode(r)?;
        Self::ALL
            .into_iter()
            .find(|s| *s as u8 == byte)
            .ok_or(DecodeError::InvalidValue { what: "job status", value: byte as u64 })
    }
}
