//! Light-client state: headers, filters, wallet scan (DESIGN.md, section 10).
//!
//! [`HeaderChain`] follows the most work and checks every rule of headers. [`FilterChain`] knows which compact filters
//! are right, for the chain commits to them: so a client finds the blocks that have to do with its wallet, and tells
//! nobody what it looks for. [`Ledger`] says what those blocks make of its money. [`LightClient`] asks peers for all of
//! it, charges what is wrong to whoever said it, and is told everything else: it has no clock, no socket and no
//! storage. [`Jobs`] stands beside it and buys
//! answers.
//!
//! For the validity of contracts it trusts the most work; for completeness no single peer; and it says when peers are
//! silent.

mod client;
mod filters;
mod headers;
mod jobs;
mod ledger;
mod save;

pub use client::{Ask, ContractBlock, Event, Failure, Fault, LightClient, Limits, Progress, Question, Silence};
pub use filters::FilterChain;
pub use headers::{Anchor, Change, HeaderChain, HeadersError, RestoreHeadersError, Taken};
pub use jobs::{
    Bound, CancelError, Estimate, EstimateRequest, ForgetError, JobEvent, JobNode, JobPayment, JobProblem, JobReader,
    JobRequest, JobState, JobView, Jobs, MarketModel, RestoreJobError, StateEntry, UnsavedJobs, VerifyRequest,
};
pub use ledger::{Contract, Entry, Holdings, Kind, Ledger, OpenContract, Pending, PendingError, Touched};
pub use save::{RestoreError, Saved, Tail, Unsaved};

#[cfg(test)]
mod tests;
