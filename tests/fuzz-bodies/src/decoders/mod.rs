//! Everything that comes from the wire or from disk: "one value has one encoding, one encoding one value".
//!
//! The first byte says what the rest is to be. Whatever decodes encodes to the bytes that it was read from, the same value
//! and more bytes is refused, and memory follows the input.

mod texts;
mod values;

use crate::memory::{Allowance, within};
use camelid_core::block::{Block, CompactTarget, Header, Work};
use camelid_core::chain::{BlockStatus, HeaderEntry, TransactionLocation, TransactionProof, Undo};
use camelid_core::contract::{Signer, State, Terms, Witness};
use camelid_core::deal::{ClientDeal, ComputeDeal, Timeline, Track, VerifyMode};
use camelid_core::encode::{Decode, DecodeError, Encode, Reader};
use camelid_core::filter::{Filter, FilterEntry};
use camelid_core::hash::Branch;
use camelid_core::job::{
    JobAccept, JobAssign, JobClose, JobCreate, JobDelivery, JobParams, JobPrivate, JobStatus, ServiceOffer, Signed,
    Testament,
};
use camelid_core::keys::{PublicKey, Signature};
use camelid_core::message::{
    ChainStatus, Ciphertext, Envelope, FilterHeaders, NetAddress, Request, Response, SignedPeerRecord,
};
use camelid_core::model::Sampling;
use camelid_core::model::package::Manifest;
use camelid_core::model::tokenizer::TokenizerSpec;
use camelid_core::transaction::{Coin, Script, Transaction};
use camelid_core::units::Amount;

/// What decoding may take: values take more room than their encoding, by a constant factor.
const DECODING: Allowance = Allowance { base: 16 * 1024, factor: 64 };
/// The same for what is done with a value beside: texts of errors, hashes, copies.
const LOOKING: Allowance = Allowance { base: 256 * 1024, factor: 256 };

type Check = fn(&[u8]);

/// What an input may be. New kinds go to the end: the corpus counts from the start.
const KINDS: [(&str, Check); 48] = [
    ("transaction", |b| looked_at(b, values::transaction)),
    ("block", |b| looked_at(b, values::block)),
    ("header", |b| looked_at(b, values::header)),
    ("coin", only::<Coin>),
    ("undo", only::<Undo>),
    ("header entry", only::<HeaderEntry>),
    ("transaction location", only::<TransactionLocation>),
    ("block status", only::<BlockStatus>),
    ("transaction proof", |b| looked_at(b, values::proof)),
    ("envelope", |b| looked_at(b, values::envelope)),
    ("payload", values::payload),
    ("request", only::<Request>),
    ("response", only::<Response>),
    ("chain status", only::<ChainStatus>),
    ("filter headers", |b| looked_at(b, values::filter_headers)),
    ("filter", only::<Filter>),
    ("filter entry", only::<FilterEntry>),
    ("branch", |b| looked_at(b, values::branch)),
    ("terms", |b| looked_at(b, values::terms)),
    ("witness", |b| looked_at(b, values::witness)),
    ("state", only::<State>),
    ("signer", only::<Signer>),
    ("job parameters", |b| looked_at(b, values::job_params)),
    ("private part", |b| looked_at(b, values::job_private)),
    ("job create", |b| looked_at(b, values::job_create)),
    ("job accept", only::<Signed<JobAccept>>),
    ("job assign", only::<Signed<JobAssign>>),
    ("testament", only::<Testament>),
    ("job delivery", only::<Signed<JobDelivery>>),
    ("job close", only::<JobClose>),
    ("service offer", only::<Signed<ServiceOffer>>),
    ("ciphertext", only::<Ciphertext>),
    ("job status", only::<JobStatus>),
    ("client deal", only::<ClientDeal>),
    ("compute deal", only::<ComputeDeal>),
    ("timeline", only::<Timeline>),
    ("track", only::<Track>),
    ("verify mode", only::<VerifyMode>),
    ("public key", only::<PublicKey>),
    ("signature", only::<Signature>),
    ("sampling", |b| looked_at(b, values::sampling)),
    ("compact target", |b| looked_at(b, values::compact_target)),
    ("work", only::<Work>),
    ("manifest", |b| looked_at(b, values::manifest)),
    ("tokenizer", |b| looked_at(b, values::tokenizer)),
    ("texts", texts::run),
    ("peer record", only::<SignedPeerRecord>),
    ("network address", only::<NetAddress>),
];

/// The number of a kind, for seeds.
///
/// # Panics
/// If there is no such kind.
pub fn kind(name: &str) -> u8 {
    KINDS.iter().position(|k| k.0 == name).expect("the kind has a place in KINDS") as u8
}

/// The target.
pub fn run(input: &[u8]) {
    let Some((kind, rest)) = input.split_first() else { return };
    if let Some((_, check)) = KINDS.get(usize::from(*kind)) {
        check(rest);
    }
}

/// Decodes: what comes out encodes to what went in.
fn decoded<T: Encode + Decode>(bytes: &[u8]) -> Option<T> {
    let mut r = Reader::new(bytes);
    let found = within(DECODING, bytes.len(), || T::decode(&mut r));
    let used = bytes.len() - r.remaining();
    let whole = T::from_bytes(bytes);
    let value = match found {
        Ok(value) => value,
        Err(_) => {
            assert!(whole.is_err(), "decoded as a whole and not as a beginning");
            return None;
        }
    };
    assert_eq!(value.to_bytes(), bytes[..used], "another encoding of the same value");
    match whole {
        Ok(_) => assert_eq!(used, bytes.len(), "bytes were left over and nobody said so"),
        Err(error) => assert_eq!(error, DecodeError::TrailingBytes(bytes.len() - used)),
    }
    Some(value)
}

/// Decodes: nothing else is known of the value.
fn only<T: Encode + Decode>(bytes: &[u8]) {
    let _ = decoded::<T>(bytes);
}

/// Decodes, then looks at what follows from the value.
fn looked_at<T: Encode + Decode>(bytes: &[u8], look: fn(&T)) {
    if let Some(value) = decoded::<T>(bytes) {
        within(LOOKING, bytes.len(), || look(&value));
    }
}
