//! Evaluation: the float forward pass of a checkpoint, and how near the integer model comes to it. Never
//! part of consensus.

mod compare;
mod float;

pub use compare::{Comparison, Prediction, Tally, compare, float_greedy, float_samples, integer_greedy, predictions};
pub use float::{FloatModel, FloatState};

#[cfg(test)]
pub(super) mod tests;
