//! A light client among honest peers and others, over a network that is a list of questions.

mod buying;
mod headers;
mod jobs;
mod ledger;
mod liars;
mod save;
mod silence;
mod wallet;
mod world;
