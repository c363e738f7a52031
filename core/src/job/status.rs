//! The statuses of a job (paper 2.4.1: "from "created" to "accepted" to "completed""; the rest is ours).

use crate::encode_enum;
use core::fmt;

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum JobStatus {
    /// Offered by its client.
    Created,
    /// A node bound its stake coin to it.
    Accepted,
    /// The node computed the answer and signed its statement.
    Completed,
    /// The client signed the settlement.
    Paid,
    /// The client has the key to the answer.
    Delivered,
    /// The client checked the answer and it holds.
    Verified,
    /// The client checked the answer and it does not hold: no close is signed.
    Rejected,
    /// The client went to the chain against the answer.
    Challenged,
    /// The node is paid, stake and reserve are back.
    Closed,
    /// The node's stake went to the client.
    Slashed,
    /// The client's money is back: the settlement was never mined.
    Refunded,
    /// Nobody answered in time.
    Expired,
}

impl JobStatus {
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

encode_enum!(JobStatus, "job status" {
    Created = 0,
    Accepted = 1,
    Completed = 2,
    Paid = 3,
    Delivered = 4,
    Verified = 5,
    Rejected = 6,
    Challenged = 7,
    Closed = 8,
    Slashed = 9,
    Refunded = 10,
    Expired = 11,
});
