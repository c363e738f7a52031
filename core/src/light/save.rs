//! What a light client keeps from one start to the next.
//!
//! Headers and filter headers are long and grow at the end: of them the part that changed is given, by height, so that
//! a store writes little. All else is one value with a checksum. The three belong together: a store writes them in one
//! step, or none.

use super::client::{Again, LightClient, Limits};
use super::filters::{FilterChain, Pass};
use super::headers::{Anchor, HeaderChain, RestoreHeadersError};
use super::ledger::Ledger;
use crate::block::NetworkParams;
use crate::encode::{Decode, DecodeError, Encode, Reader, put_vec};
use crate::hash::{BlockHash, FilterHeader, KeyHash, tagged_hash};
use crate::keys::DerivationError;
use crate::sorted::Set;
use crate::units::Height;
use crate::wallet::{Branch, Keyring};
use alloc::vec::Vec;

/// The version of what is saved as a whole.
const VERSION: u8 = 1;
/// The tag of its checksum.
const TAG: &str = "camelid/light/state";
/// Bytes of the checksum.
const CHECKSUM: usize = 8;
/// The most keys that are read.
const MAX_KEYS: usize = 1 << 20;

/// The end of a row: what is stored from a height on is replaced by these bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tail {
    /// The height of the first block that the bytes are about.
    pub from: Height,
    /// 80 bytes a header, 32 bytes a filter header.
    pub bytes: Vec<u8>,
}

/// What has changed and is to be stored, in one step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unsaved {
    /// Headers, from the block after the anchor up.
    pub headers: Option<Tail>,
    /// Filter headers, from the wallet's birthday up.
    pub filters: Option<Tail>,
    /// Everything else.
    pub state: Option<Vec<u8>>,
}

/// What was stored.
#[derive(Clone, Copy, Debug)]
pub struct Saved<'a> {
    /// All headers, the lowest first.
    pub headers: &'a [u8],
    /// All filter headers, the lowest first.
    pub filters: &'a [u8],
    /// Everything else.
    pub state: &'a [u8],
}

/// Why what was stored is refused. Delete it and synchronise again: the money is on the chain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// The state does not decode.
    #[error("saved state is damaged: {0}")]
    State(#[from] DecodeError),
    /// The state's checksum is wrong.
    #[error("saved state is damaged: its checksum is wrong")]
    Checksum,
    /// Another version wrote it.
    #[error("saved state has version {found}, expected {expected}")]
    Version {
        /// This version.
        expected: u8,
        /// What was found.
        found: u8,
    },
    /// It belongs to another network.
    #[error("saved state is of network {found:02x?}, expected {expected:02x?}")]
    Network {
        /// This network's magic bytes.
        expected: [u8; 4],
        /// What was found.
        found: [u8; 4],
    },
    /// It belongs to another wallet.
    #[error("saved state belongs to another wallet, whose first key hash is {found}, expected {expected}")]
    Wallet {
        /// The first key hash of this wallet.
        expected: KeyHash,
        /// What was found.
        found: KeyHash,
    },
    /// The headers are damaged.
    #[error(transparent)]
    Headers(#[from] RestoreHeadersError),
    /// The parts were not saved together.
    #[error("saved {what} and saved state do not belong together")]
    Mismatch {
        /// Which part.
        what: &'static str,
    },
    /// The keys cannot be derived.
    #[error(transparent)]
    Keys(#[from] DerivationError),
}

/// What is saved as a whole.
struct State {
    anchor: Anchor,
    /// The first key hash that is derived: names the wallet.
    wallet: KeyHash,
    tip: BlockHash,
    first_filter: Height,
    before_first: Option<FilterHeader>,
    last_filter: Height,
    /// The first block that was not looked through.
    undone: Height,
    fresh: Vec<KeyHash>,
    again: Option<SavedAgain>,
    /// For each row, how many keys are used, and how many are watched.
    used: [[u32; 2]; 3],
    ledger: Ledger,
}

/// A way through earlier blocks.
struct SavedAgain {
    keys: Vec<KeyHash>,
    undone: Height,
    end: Height,
}

impl Encode for SavedAgain {
    fn encode(&self, out: &mut Vec<u8>) {
        put_vec(&self.keys, out);
        self.undone.encode(out);
        self.end.encode(out);
    }
}

impl Decode for SavedAgain {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(SavedAgain { keys: r.vec("keys", MAX_KEYS)?, undone: Decode::decode(r)?, end: Decode::decode(r)? })
    }
}

impl Encode for State {
    fn encode(&self, out: &mut Vec<u8>) {
        self.anchor.encode(out);
        self.wallet.encode(out);
        self.tip.encode(out);
        self.first_filter.encode(out);
        self.before_first.encode(out);
        self.last_filter.encode(out);
        self.undone.encode(out);
        put_vec(&self.fresh, out);
        self.again.encode(out);
        self.used.iter().flatten().for_each(|count| count.encode(out));
        self.ledger.encode(out);
    }
}

impl Decode for State {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(State {
            anchor: Decode::decode(r)?,
            wallet: Decode::decode(r)?,
            tip: Decode::decode(r)?,
            first_filter: Decode::decode(r)?,
            before_first: Decode::decode(r)?,
            last_filter: Decode::decode(r)?,
            undone: Decode::decode(r)?,
            fresh: r.vec("keys", MAX_KEYS)?,
            again: Decode::decode(r)?,
            used: {
                let mut used = [[0; 2]; 3];
                for count in used.iter_mut().flatten() {
                    *count = Decode::decode(r)?;
                }
                used
            },
            ledger: Decode::decode(r)?,
        })
    }
}

/// The checksum of what is saved; `tag` keeps the kinds of it apart.
fn checksum(tag: &str, bytes: &[u8]) -> [u8; CHECKSUM] {
    let mut sum = [0; CHECKSUM];
    sum.iter_mut().zip(tagged_hash(tag, &[bytes]).0).for_each(|(to, from)| *to = from);
    sum
}

/// A value as it is saved: version, network, value, checksum.
pub(super) fn to_saved(tag: &str, version: u8, params: &NetworkParams, value: &impl Encode) -> Vec<u8> {
    let mut out = Vec::from([version]);
    params.network.magic().encode(&mut out);
    value.encode(&mut out);
    let sum = checksum(tag, &out);
    out.extend_from_slice(&sum);
    out
}

/// The value that was saved so.
pub(super) fn from_saved<T: Decode>(
    tag: &str,
    expected: u8,
    params: &NetworkParams,
    bytes: &[u8],
) -> Result<T, RestoreError> {
    let split = bytes.len().checked_sub(CHECKSUM).and_then(|len| bytes.split_at_checked(len));
    let (content, sum) = split.ok_or(RestoreError::Checksum)?;
    if checksum(tag, content) != sum {
        return Err(RestoreError::Checksum);
    }
    let mut r = Reader::new(content);
    let found = u8::decode(&mut r)?;
    if found != expected {
        return Err(RestoreError::Version { expected, found });
    }
    let (expected, found) = (params.network.magic(), r.array()?);
    if found != expected {
        return Err(RestoreError::Network { expected, found });
    }
    let value = T::decode(&mut r)?;
    r.finish()?;
    Ok(value)
}

/// A key hash that names the wallet.
fn name(keyring: &Keyring) -> Result<KeyHash, DerivationError> {
    Ok(keyring.keys().receive(0)?.public_key().hash())
}

impl<P: Copy + Ord> LightClient<P> {
    /// What has changed since this was asked last. Whoever asks stores it, or gives up the client.
    pub fn take_unsaved(&mut self) -> Result<Unsaved, DerivationError> {
        let headers = self.headers.take_unsaved().map(|from| Tail { from, bytes: self.headers.bytes_from(from) });
        let filters = self.filters.take_unsaved().map(|from| Tail { from, bytes: self.filters.bytes_from(from) });
        let changed = self.unsaved || headers.is_some() || filters.is_some();
        let state = if changed { Some(self.state()?) } else { None };
        self.unsaved = false;
        Ok(Unsaved { headers, filters, state })
    }

    fn state(&self) -> Result<Vec<u8>, DerivationError> {
        let saved = |again: &Again| {
            let end = again.pass.end()?;
            Some(SavedAgain { keys: again.keys.iter().copied().collect(), undone: again.pass.undone(), end })
        };
        let state = State {
            anchor: self.headers.anchor().clone(),
            wallet: name(&self.keyring)?,
            tip: self.headers.tip_hash(),
            first_filter: self.filters.first(),
            before_first: self.filters.before(),
            last_filter: self.filters.last(),
            undone: self.forward.undone(),
            fresh: self.fresh.iter().copied().collect(),
            again: self.again.as_ref().and_then(saved),
            used: Branch::ALL.map(|branch| [self.keyring.first_unused(branch), self.keyring.watched_of(branch)]),
            ledger: self.ledger.clone(),
        };
        Ok(to_saved(TAG, VERSION, self.params, &state))
    }

    /// The client that was saved. It goes on where it was; peers and open questions are not part of it. `keyring` holds
    /// the keys of the same words.
    pub fn restore(
        params: &'static NetworkParams,
        saved: Saved<'_>,
        mut keyring: Keyring,
        limits: Limits,
    ) -> Result<Self, RestoreError> {
        let state: State = from_saved(TAG, VERSION, params, saved.state)?;
        let expected = name(&keyring)?;
        if state.wallet != expected {
            return Err(RestoreError::Wallet { expected, found: state.wallet });
        }
        let headers = HeaderChain::restore(params, state.anchor.clone(), limits.useless_headers, saved.headers)?;
        if headers.tip_hash() != state.tip {
            return Err(RestoreError::Mismatch { what: "headers" });
        }
        let filters = FilterChain::restore(&state.anchor, state.first_filter, state.before_first, saved.filters);
        let fits = |filters: &FilterChain| {
            let none = filters.next() == filters.first();
            let range = filters.first()..=filters.next();
            filters.last() == state.last_filter
                && (none || filters.last() <= headers.height())
                && range.contains(&state.undone)
                && state.again.as_ref().is_none_or(|again| again.end < state.undone)
        };
        let filters = filters.filter(fits).ok_or(RestoreError::Mismatch { what: "filter headers" })?;
        for (branch, [used, _]) in Branch::ALL.into_iter().zip(state.used) {
            keyring.note_first_unused(branch, used)?;
        }
        let mut client = Self::with_parts(params, headers, filters, keyring, state.ledger, limits);
        // Keys that the owner noted since were not looked for.
        let watched = |key: &KeyHash| {
            let place = client.keyring.find(key);
            place.is_some_and(|place| {
                let rows = Branch::ALL.into_iter().zip(state.used);
                rows.into_iter().any(|(branch, [_, watched])| branch == place.branch && place.index < watched)
            })
        };
        let new: Vec<KeyHash> = client.watched.iter().filter(|key| !watched(key)).copied().collect();
        client.fresh = state.fresh.into_iter().chain(new).collect();
        client.forward = Pass::new(&client.watched, state.undone, None);
        client.again = state.again.map(|again| {
            let pass = Pass::new(&again.keys, again.undone, Some(again.end));
            Again { keys: Set::from_iter(again.keys), pass }
        });
        client.unsaved = false;
        Ok(client)
    }
}
