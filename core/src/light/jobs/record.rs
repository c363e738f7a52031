//! A job as it is kept and saved.

use super::state::{JobState, StateEntry};
use crate::deal::{ClientDeal, DealVerdict};
use crate::encode::{Decode, DecodeError, Encode, Reader, put_bytes, put_vec};
use crate::hash::{Hash32, Txid};
use crate::job::{JobAccept, Signed};
use crate::sorted::Set;
use crate::units::{Height, Timestamp};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

/// The version of a saved job.
pub(super) const VERSION: u8 = 1;
/// The tag of its checksum.
pub(super) const TAG: &str = "camelid/light/job";
/// A state may be reached again after a reorganisation; this bounds the record.
const MAX_STATES: usize = 256;
/// Bytes of the longest note.
const MAX_NOTE: usize = 1024;

/// What is saved of a job.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) deal: ClientDeal,
    /// In the order in which they were reached.
    pub(super) states: Vec<StateEntry>,
    /// What somebody said about it last: one line, to be shown.
    pub(super) note: Option<String>,
    /// What checking the answer again gave, after the verdict that decided.
    pub(super) checked_again: Option<DealVerdict>,
}

impl Record {
    pub(super) fn new(deal: ClientDeal) -> Self {
        Record { deal, states: Vec::new(), note: None, checked_again: None }
    }

    /// Notes a state, unless it is the current one.
    pub(super) fn reach(&mut self, state: JobState, time: Timestamp, height: Height) {
        if self.states.last().is_none_or(|last| last.state != state) {
            self.states.truncate(MAX_STATES - 1);
            self.states.push(StateEntry { state, time, height });
        }
    }
}

impl Encode for Record {
    fn encode(&self, out: &mut Vec<u8>) {
        self.deal.encode(out);
        put_vec(&self.states, out);
        self.note.is_some().encode(out);
        if let Some(note) = &self.note {
            put_bytes(note.as_bytes(), out);
        }
        self.checked_again.encode(out);
    }
}

impl Decode for Record {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Record {
            deal: Decode::decode(r)?,
            states: r.vec("job states", MAX_STATES)?,
            note: if bool::decode(r)? { Some(r.text("note", MAX_NOTE)?) } else { None },
            checked_again: Decode::decode(r)?,
        })
    }
}

/// An accept whose stake coin is to be proved.
#[derive(Clone, Debug)]
pub(super) struct Proving<P> {
    pub(super) accept: Box<Signed<JobAccept>>,
    /// Who reported it.
    pub(super) reporter: P,
    /// Who was asked for the proof.
    pub(super) tried: Set<P>,
    /// Who is asked, and since when.
    pub(super) open: Option<(P, Duration)>,
}

/// A job under way or over.
#[derive(Clone, Debug)]
pub(super) struct Job<P> {
    pub(super) record: Record,
    /// The hash of the record as it was when it changed last.
    pub(super) hash: Hash32,
    /// When it changed last, in changes.
    pub(super) changed: u64,
    /// Something arrived: it takes a step at once.
    pub(super) due: bool,
    pub(super) stepped: Option<Duration>,
    /// When a peer was asked how it stands.
    pub(super) polled: Option<Duration>,
    /// Whether that question is open.
    pub(super) polling: bool,
    pub(super) proving: Option<Proving<P>>,
    /// No proof is asked for before.
    pub(super) prove_at: Duration,
    /// Whether a peer took the offer.
    pub(super) offered: bool,
    /// Whether the offer may be known to others.
    pub(super) spread: bool,
    /// Who refused the offer, while nobody took it.
    pub(super) refused: Set<P>,
    /// Since when.
    pub(super) refused_since: Option<Duration>,
    /// The answer could not be checked; it is checked again then.
    pub(super) verify_at: Option<Duration>,
    /// The transaction that was submitted last.
    pub(super) published: Option<Txid>,
    /// None is put into the client's books before: that one was refused.
    pub(super) publish_at: Duration,
}

impl<P> Job<P> {
    pub(super) fn new(record: Record) -> Self {
        Job {
            record,
            hash: Hash32::default(),
            changed: 0,
            due: true,
            stepped: None,
            polled: None,
            polling: false,
            proving: None,
            prove_at: Duration::ZERO,
            offered: false,
            spread: false,
            refused: Set::new(),
            refused_since: None,
            verify_at: None,
            published: None,
            publish_at: Duration::ZERO,
        }
    }

    /// Whether it is neither over nor paid.
    pub(super) fn is_unpaid(&self) -> bool {
        !self.record.deal.is_over() && self.record.deal.settlement.is_none()
    }
}
