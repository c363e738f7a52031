//! The address book of this node: core's, kept in a file, shared between the network's task and the node's.

use super::PeerId;
use super::files::load;
use super::netaddr::peer_address;
use crate::system::{random, unix_time};
use camelid_core::message::{Transport, Transports, VerifiedRecord};
use camelid_core::peers::{Added, Book, Heard};
use camelid_core::units::Timestamp;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a file with a book says it is.
pub(super) const WHAT: &str = "address book";

/// The transports that this node dials.
const DIALABLE: [Transport; 1] = [Transport::Tcp];

/// How many peers the book holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BookSize {
    /// Peers that this node met.
    pub met: usize,
    /// Peers that it only heard of.
    pub heard: usize,
}

/// The shared book. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct AddressBook {
    book: Arc<Mutex<Book>>,
    changed: Arc<AtomicBool>,
}

/// Seconds since 1970.
pub(super) fn now() -> Timestamp {
    Timestamp(u32::try_from(unix_time().as_secs()).unwrap_or(u32::MAX))
}

/// Whether this node has a transport.
pub(super) fn can_dial(transport: Transport) -> bool {
    DIALABLE.contains(&transport)
}

impl AddressBook {
    /// The book in a file, or a new one.
    pub(super) fn open(file: Option<&Path>, own: &PeerId) -> Self {
        let dialable = Transports::of(&DIALABLE);
        // An Ed25519 key's id is always short enough.
        let own = peer_address(own).unwrap_or_else(|| camelid_core::message::peer_address(&[0; 32]));
        let read = |bytes: &[u8]| Book::from_bytes(bytes, own.clone(), dialable);
        let stored = file.and_then(|file| load(file, WHAT, read));
        let book = stored.unwrap_or_else(|| Book::new(random(), own, dialable));
        AddressBook { book: Arc::new(Mutex::new(book)), changed: Arc::default() }
    }

    /// The book, also after a panic elsewhere: each of its methods leaves it whole or does not begin.
    pub(super) fn read(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The book, for something that should outlive the process.
    pub(super) fn change(&self) -> MutexGuard<'_, Book> {
        self.changed.store(true, Ordering::Relaxed);
        self.read()
    }

    /// Whether it changed since this was last asked.
    pub(super) fn has_changed(&self) -> bool {
        self.changed.swap(false, Ordering::Relaxed)
    }

    pub(super) fn size(&self) -> BookSize {
        let book = self.read();
        let met = book.tried();
        BookSize { met, heard: book.len() - met }
    }

    /// Takes records; how many of them said something new.
    pub(super) fn add(&self, records: &[(VerifiedRecord, Heard)]) -> usize {
        let (mut book, now) = (self.change(), now());
        let new = |(record, heard): &&(VerifiedRecord, Heard)| {
            matches!(book.add(record, heard, now), Added::New | Added::Updated)
        };
        records.iter().filter(new).count()
    }
}
