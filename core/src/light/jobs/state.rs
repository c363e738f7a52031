//! Where a job stands, in words for its user.

use crate::contract::State;
use crate::deal::{ClientDeal, Facts, Position, VerifyMode};
use crate::job::JobStatus;
use crate::light::ledger::Ledger;
use crate::units::{Height, Timestamp};
use crate::{encode_enum, encode_struct};

/// Where a job stands. In the order in which it goes, `Disputing` aside; the last four end it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum JobState {
    /// Offered: nobody has taken it.
    WaitingForNode,
    /// A node has it and the prompt.
    Computing,
    /// The sealed answer is here; the settlement goes out.
    Paying,
    /// Somebody took the settlement; it is in no block.
    WaitingForBlock,
    /// Paid: the node has yet to open the answer.
    WaitingForKey,
    /// The answer is here and is checked.
    Checking,
    /// Checked: reserve and stake go back.
    Settling,
    /// The answer is wrong or never came: the chain decides.
    Disputing,
    /// Settled.
    Done,
    /// Nobody took it, or it was given up: nothing was paid.
    Refused,
    /// The money is back.
    Returned,
    /// It is not, and there is no right answer.
    Failed,
}

impl JobState {
    /// The name, in lower case.
    pub fn name(self) -> &'static str {
        match self {
            JobState::WaitingForNode => "waiting-for-node",
            JobState::Computing => "computing",
            JobState::Paying => "paying",
            JobState::WaitingForBlock => "waiting-for-block",
            JobState::WaitingForKey => "waiting-for-key",
            JobState::Checking => "checking",
            JobState::Settling => "settling",
            JobState::Disputing => "disputing",
            JobState::Done => "done",
            JobState::Refused => "refused",
            JobState::Returned => "returned",
            JobState::Failed => "failed",
        }
    }
}

encode_enum!(JobState, "job state" {
    WaitingForNode = 0,
    Computing = 1,
    Paying = 2,
    WaitingForBlock = 3,
    WaitingForKey = 4,
    Checking = 5,
    Settling = 6,
    Disputing = 7,
    Done = 8,
    Refused = 9,
    Returned = 10,
    Failed = 11,
});

/// A state and when it was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateEntry {
    /// The state.
    pub state: JobState,
    /// When.
    pub time: Timestamp,
    /// The last block's height then.
    pub height: Height,
}
encode_struct!(StateEntry { state, time, height });

/// Where a deal stands, as far as the books say.
pub(super) fn state_of(deal: &ClientDeal, ledger: &Ledger, facts: &Facts<'_>) -> JobState {
    match deal.status() {
        JobStatus::Created => JobState::WaitingForNode,
        JobStatus::Accepted | JobStatus::Completed => JobState::Computing,
        JobStatus::Expired => JobState::Refused,
        JobStatus::Refunded | JobStatus::Slashed => JobState::Returned,
        JobStatus::Closed if deal.content() => JobState::Done,
        JobStatus::Closed if is_unchecked(deal) => JobState::Checking,
        JobStatus::Closed => JobState::Failed,
        _ => paid(deal, ledger, facts),
    }
}

fn is_unchecked(deal: &ClientDeal) -> bool {
    deal.answer.is_some() && deal.verdict.is_none() && deal.verify != VerifyMode::None
}

fn paid(deal: &ClientDeal, ledger: &Ledger, facts: &Facts<'_>) -> JobState {
    let position = deal.track.position(facts.tip, facts.rules, facts.network);
    let demanded = matches!(&position, Position::In { terms, .. } if terms.state == State::Demanded);
    if deal.content() {
        JobState::Settling
    } else if deal.verdict.is_some() || demanded {
        JobState::Disputing
    } else if is_unchecked(deal) {
        JobState::Checking
    } else if position != Position::Nowhere {
        JobState::WaitingForKey
    } else if deal.settlement_id().and_then(|txid| ledger.is_taken(&txid)) == Some(true) {
        JobState::WaitingForBlock
    } else {
        JobState::Paying
    }
}
