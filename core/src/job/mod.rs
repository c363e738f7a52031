//! Jobs: what a client asks for, how a node accepts it, and how the answer travels sealed
//! (paper 2.4; `docs/protocol.md`, "Jobs").

mod accept;
mod answer;
mod create;
mod params;
mod service;
mod signed;
mod status;

pub use accept::{CIPHERTEXT_SECONDS, JobAccept, JobAssign, JobClose, JobDelivery, Testament, turn_order};
pub use answer::{AnswerKeys, GarbageError, SealedAnswer, ciphertext_hash, ciphertext_len, key_hash, open_answer};
pub use create::{CoinProof, JobCreate, MAX_JOB_COINS};
pub use params::{JobError, JobParams, JobPrivate, MAX_PROMPT_BYTES, PeerAddress, Periods};
pub(crate) use params::{check_money, check_periods};
pub use service::{ModelPrice, ServiceOffer};
pub use signed::{Signed, Statement};
pub use status::JobStatus;

#[cfg(test)]
pub(crate) mod fixtures;
#[cfg(test)]
mod tests;
