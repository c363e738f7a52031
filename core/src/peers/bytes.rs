//! The book as it is stored.

use super::book::{Book, NEW_BUCKETS, SLOTS, TRIED_BUCKETS};
use super::entry::Entry;
use crate::encode::{Decode, DecodeError, Encode, Reader, put_varint};
use crate::job::PeerAddress;
use crate::message::Transports;
use alloc::vec::Vec;

/// The most peers in a book.
const MAX_PEERS: usize = SLOTS * (NEW_BUCKETS + TRIED_BUCKETS) as usize;

impl Book {
    /// The book to be stored.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.key.encode(&mut out);
        put_varint(self.entries.len() as u64, &mut out);
        self.entries.values().for_each(|e| e.encode(&mut out));
        out
    }

    /// A stored book. What can no longer be dialled from here is left out; what no book holds is an error.
    pub fn from_bytes(bytes: &[u8], own: PeerAddress, dialable: Transports) -> Result<Self, DecodeError> {
        let mut r = Reader::new(bytes);
        let mut book = Book::new(Decode::decode(&mut r)?, own.clone(), dialable);
        let count = r.length("peers", MAX_PEERS)?;
        for _ in 0..count {
            let mut entry = Entry::decode(&mut r)?;
            let most = if entry.place.tried { TRIED_BUCKETS } else { NEW_BUCKETS };
            let members = book.buckets.get(&entry.place).map_or(0, |b| b.len());
            if entry.place.bucket >= most || members >= SLOTS || book.entries.contains_key(&entry.peer) {
                return Err(DecodeError::InvalidValue { what: "bucket", value: u64::from(entry.place.bucket) });
            }
            entry.addresses.retain(|a| book.is_free(a) && a.endpoint().is_some_and(|e| dialable.has(e.transport)));
            if !entry.addresses.is_empty() && entry.peer != own {
                book.insert(entry);
            }
        }
        r.finish()?;
        Ok(book)
    }
}
