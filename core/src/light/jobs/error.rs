//! What goes wrong with jobs, in one line each.

use crate::hash::JobId;
use crate::job::MAX_PROMPT_BYTES;
use crate::light::save::RestoreError;
use crate::pool::MarketError;
use crate::units::Height;
use crate::wallet::JobOrderError;

/// Why a job is not offered. Nothing was paid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JobProblem {
    /// Nobody is connected.
    #[error("not connected to anybody yet: wait until a peer is there")]
    NoPeers,
    /// The chain is not known to its end: coins that seem to be there may be spent.
    #[error("blocks up to {of} are known up to {to}: wait until all of them are")]
    Behind {
        /// The last block that was looked through.
        to: Height,
        /// The last one that there is.
        of: Height,
    },
    /// Nobody would take it.
    #[error(transparent)]
    Market(#[from] MarketError),
    /// Money, keys, or what no network takes.
    #[error(transparent)]
    Order(#[from] JobOrderError),
    /// Its coins are known to everybody for another job, which came to nothing.
    #[error(
        "the coins were offered for a job that came to nothing, and others take them for no other one before height {until}: \
         wait, or send the money to yourself"
    )]
    CoinsKnown {
        /// From when on enough of them are free.
        until: Height,
    },
    /// The prompt is too long to be sent.
    #[error("the prompt has {found} bytes, at most {MAX_PROMPT_BYTES} can be sent: shorten it")]
    PromptBytes {
        /// Its length.
        found: usize,
    },
    /// Just the same job is there.
    #[error("job {job} was made this second already: try again")]
    Twice {
        /// The job.
        job: JobId,
    },
    /// Too many are under way.
    #[error("{limit} jobs are under way already: wait until one is over")]
    TooMany {
        /// The most that may be.
        limit: usize,
    },
}

/// Why a job is not given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CancelError {
    /// There is none.
    #[error("no job {job} is known here")]
    Unknown {
        /// Which was asked for.
        job: JobId,
    },
    /// It is paid.
    #[error("the job is paid: if no right answer comes, the money is back at height {until}")]
    Paid {
        /// The height at which the money is back at the latest, should nobody answer.
        until: Height,
    },
    /// It is over.
    #[error("the job is over")]
    Over,
}

/// Why a job is not forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ForgetError {
    /// There is none.
    #[error("no job {job} is known here")]
    Unknown {
        /// Which was asked for.
        job: JobId,
    },
    /// It is under way.
    #[error("the job is under way: it can be forgotten when it is over")]
    UnderWay,
}

/// Why a saved job is refused. What was saved is not touched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("saved job number {record}: {error}")]
pub struct RestoreJobError {
    /// Its place among those that were given; 0 is the first.
    pub record: usize,
    /// What is wrong with it.
    pub error: RestoreError,
}
