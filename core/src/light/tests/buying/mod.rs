//! Answers bought by a light client from a simulated node, over peers that are honest or not.

mod ends;
mod found;
mod honest;
mod lies;
mod market;
mod node;
mod peers;
mod restarts;
mod town;
