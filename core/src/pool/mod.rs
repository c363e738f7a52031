//! What waits: loose transactions, and jobs with their statuses (paper 2.4.1).

mod jobs;
mod offers;
mod policy;
mod transactions;

pub use jobs::{JobPool, JobPoolError, JobRecord};
pub use offers::{MarketError, ServiceBook, check_market, is_fresh};
pub use policy::{AddError, PoolError, PoolLimits};
pub use transactions::{Added, PoolEntry, TransactionPool};

#[cfg(test)]
mod tests;
