//! RASTiC: random autoregressive subsampling for token integrity checking (paper 2.5).
//!
//! "The RASTiC algorithm states that if the following assertions hold true we can be confident that the output is
//! valid" (2.5.2): they are called *continuity*, *integrity* and *truncation* here. All are checked in one
//! teacher-forced pass: the answer is given, so every position is computed side by side where generation goes
//! one by one.

mod check;
mod verdict;

pub use check::{Check, Claim, Plan, Progress, RasticError, check};
pub use verdict::{Assertion, Fault, Outcome, Position, Verdict};

#[cfg(all(test, feature = "import"))]
mod tests;
