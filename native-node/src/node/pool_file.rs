//! What the pools hold, in a file: `camelid pools`, a format number, the network's four bytes, the items, and the tagged
//! hash `camelid/pools` of all that. Whoever reads it believes nothing of it but that it is whole.

use crate::durable;
use camelid_core::encode::{Decode, DecodeError, Encode, Reader, put_vec};
use camelid_core::hash::tagged_hash;
use camelid_core::message::Envelope;
use camelid_core::transaction::Transaction;
use camelid_core::units::{Network, Timestamp};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

const TITLE: &[u8] = b"camelid pools";
const FORMAT: u32 = 1;
/// A full pool of transactions and the jobs beside it, with room.
const MAX_BYTES: u64 = 64 << 20;
const HASH_BYTES: usize = 32;

/// Something that waited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Waiting {
    /// A message: of a job, of who serves what, or of a transaction.
    Message(Envelope),
    /// A transaction whose message is not here any more.
    Transaction(Transaction),
}

/// Something that waited, and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) arrived: Timestamp,
    pub(super) what: Waiting,
}

impl Encode for Item {
    fn encode(&self, out: &mut Vec<u8>) {
        self.arrived.encode(out);
        match &self.what {
            Waiting::Message(envelope) => {
                out.push(0);
                envelope.encode(out);
            }
            Waiting::Transaction(tx) => {
                out.push(1);
                tx.encode(out);
            }
        }
    }
}

impl Decode for Item {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let arrived = Decode::decode(r)?;
        let what = match u8::decode(r)? {
            0 => Waiting::Message(Decode::decode(r)?),
            1 => Waiting::Transaction(Decode::decode(r)?),
            other => return Err(DecodeError::InvalidValue { what: "waiting item", value: other.into() }),
        };
        Ok(Item { arrived, what })
    }
}

/// The file's content.
pub(super) fn to_bytes(network: Network, items: &[Item]) -> Vec<u8> {
    let mut bytes = TITLE.to_vec();
    FORMAT.encode(&mut bytes);
    network.magic().encode(&mut bytes);
    put_vec(items, &mut bytes);
    let hash = tagged_hash("camelid/pools", &[&bytes]);
    bytes.extend_from_slice(&hash.0);
    bytes
}

/// What a file's content says; else what is wrong with it.
fn from_bytes(network: Network, bytes: &[u8]) -> Result<Vec<Item>, String> {
    let cut = bytes.len().checked_sub(HASH_BYTES).ok_or("it ends early")?;
    let (content, hash) = bytes.split_at(cut);
    let rest = content.strip_prefix(TITLE).ok_or("it is something else")?;
    if tagged_hash("camelid/pools", &[content]).0 != hash {
        return Err("its hash is another".into());
    }
    let mut reader = Reader::new(rest);
    let mut read = || -> Result<Result<Vec<Item>, String>, DecodeError> {
        let format = u32::decode(&mut reader)?;
        if format != FORMAT {
            return Ok(Err(format!("format {format}, expected {FORMAT}")));
        }
        let magic: [u8; 4] = reader.array()?;
        if magic != network.magic() {
            return Ok(Err(format!("it is of another network than {network}")));
        }
        let items = reader.vec("waiting items", MAX_BYTES as usize)?;
        reader.finish()?;
        Ok(Ok(items))
    };
    read().unwrap_or_else(|error| Err(error.to_string()))
}

/// Reads the file; nothing where there is none. One that cannot be used is moved aside, to `.damaged`, and costs what waited,
/// never the start.
pub(super) fn read(path: &Path, network: Network) -> Vec<Item> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes));
    let items = match read {
        Err(error) if error.kind() == ErrorKind::NotFound => return Vec::new(),
        Err(error) => Err(error.to_string()),
        Ok(_) if bytes.len() as u64 > MAX_BYTES => Err(format!("over {MAX_BYTES} bytes")),
        Ok(_) => from_bytes(network, &bytes),
    };
    items.unwrap_or_else(|reason| {
        let aside = path.with_extension("damaged");
        let moved = durable::rename(path, &aside).map_or_else(|e| format!("stays: {e}"), |()| aside.display().to_string());
        tracing::warn!(file = %path.display(), %reason, %moved, "the pools of before are not readable: beginning with empty ones");
        Vec::new()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use camelid_core::block::NetworkParams;
    use proptest::prelude::*;

    fn items() -> Vec<Item> {
        let tx = NetworkParams::of(Network::Dev).genesis().transactions.remove(0);
        let sender = camelid_core::message::peer_address(&[7; 32]);
        let envelope = Envelope::unsigned(Network::Dev, sender, None, 3, &tx.clone().into());
        let item = |n, what| Item { arrived: Timestamp(n), what };
        vec![item(5, Waiting::Message(envelope)), item(9, Waiting::Transaction(tx))]
    }

    #[test]
    fn what_was_written_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pools.bin");
        assert_eq!(read(&path, Network::Dev), []);
        durable::replace(&path, &to_bytes(Network::Dev, &items())).unwrap();
        assert_eq!(read(&path, Network::Dev), items());
        // A folder of that name, another network's file: never a reason not to start.
        assert_eq!(read(&path, Network::Test), []);
        assert!(!path.exists() && dir.path().join("pools.damaged").exists());
        std::fs::create_dir(&path).unwrap();
        assert_eq!(read(&path, Network::Dev), []);
    }

    proptest! {
        #[test]
        fn damage_anywhere_is_noticed(at: prop::sample::Index, bit in 0..8u32, cut: prop::sample::Index) {
            let whole = to_bytes(Network::Dev, &items());
            let mut bytes = whole.clone();
            bytes[at.index(whole.len())] ^= 1 << bit;
            prop_assert!(from_bytes(Network::Dev, &bytes).is_err());
            prop_assert!(from_bytes(Network::Dev, &whole[..cut.index(whole.len())]).is_err());
        }

        #[test]
        fn no_content_makes_it_panic(content in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut bytes = [TITLE, &FORMAT.to_le_bytes(), &Network::Dev.magic(), &content].concat();
            let hash = tagged_hash("camelid/pools", &[&bytes]);
            bytes.extend_from_slice(&hash.0);
            let _ = from_bytes(Network::Dev, &bytes);
        }
    }
}
