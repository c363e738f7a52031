//! What waits: loose transactions, and jobs with their statuses (paper 2.4.1).

mod jobs;
mod offers;
mod transactions;

pub use jobs::{JobPool, JobPoolError, JobRecord};
pub use offers::ServiceBook;
pub use transactions::{AddError, Added, PoolEntry, PoolError, PoolLimits, TransactionPool};

#[cfg(test)]
mod tests;
