//! Deals played as games on a real chain: for each strategy of each party value is conserved, no honest party ends
//! with less than the design says, and every deal ends.

mod named;
mod plays;
mod random;
mod tally;
mod world;
