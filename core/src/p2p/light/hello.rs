//! Identify, as libp2p defines it: who we are, and who they say they are. A message of Protocol Buffers, of which these
//! few lines read and write the text and bytes.

use crate::p2p::{protocol_version, request_protocol};
use crate::units::Network;
use alloc::string::String;
use alloc::vec::Vec;
use libp2p::futures::{AsyncRead, AsyncReadExt};
use libp2p::identity::PublicKey;
use std::io::{Error, ErrorKind, Result};

/// Bytes of the longest message, libp2p's bound.
const MAX: u64 = 4096;

// Numbers of the message's fields.
const PUBLIC_KEY: u64 = 1;
const PROTOCOLS: u64 = 3;
const PROTOCOL_VERSION: u64 = 5;
const AGENT_VERSION: u64 = 6;

// Wire types of fields.
const VARINT: u64 = 0;
const EIGHT_BYTES: u64 = 1;
const WITH_LENGTH: u64 = 2;
const FOUR_BYTES: u64 = 5;

/// What a client tells every node, the same on each connection.
#[derive(Clone, Debug)]
pub struct About {
    /// The name under which requests are agreed on.
    pub(super) request: String,
    /// The message, with its length before it.
    pub(super) hello: Vec<u8>,
}

impl About {
    /// The client with this key on this network; `agent` is its program and version.
    pub fn new(key: &PublicKey, network: Network, agent: &str) -> Self {
        let request = request_protocol(network);
        let mut message = Vec::new();
        let mut field = |number: u64, bytes: &[u8]| {
            put_varint(&mut message, number << 3 | WITH_LENGTH);
            put_varint(&mut message, bytes.len() as u64);
            message.extend_from_slice(bytes);
        };
        field(PUBLIC_KEY, &key.encode_protobuf());
        for name in [&request, super::work::PING, super::work::IDENTIFY] {
            field(PROTOCOLS, name.as_bytes());
        }
        field(PROTOCOL_VERSION, protocol_version(network).as_bytes());
        field(AGENT_VERSION, agent.as_bytes());
        let mut hello = Vec::new();
        put_varint(&mut hello, message.len() as u64);
        hello.extend(message);
        About { request, hello }
    }
}

/// What a peer says it is: text of its own, whatever it likes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hello {
    /// The network and its version, see [`speaks`](crate::p2p::speaks).
    pub protocol_version: String,
    /// Its program and version.
    pub agent: String,
}

/// Reads a message from a stream.
pub(super) async fn read(io: &mut (impl AsyncRead + Unpin)) -> Result<Hello> {
    let (mut len, mut shift) = (0, 0);
    loop {
        let mut byte = [0];
        io.read_exact(&mut byte).await?;
        len |= u64::from(byte[0] & 0x7f) << shift;
        shift += 7;
        if byte[0] & 0x80 == 0 {
            break;
        }
        if shift > 14 {
            return Err(malformed());
        }
    }
    if len > MAX {
        return Err(malformed());
    }
    let mut bytes = alloc::vec![0; len as usize];
    io.read_exact(&mut bytes).await?;
    parse(&bytes).ok_or_else(malformed)
}

fn malformed() -> Error {
    Error::new(ErrorKind::InvalidData, "identify: malformed message")
}

fn parse(mut bytes: &[u8]) -> Option<Hello> {
    let mut hello = Hello::default();
    while !bytes.is_empty() {
        let key = take_varint(&mut bytes)?;
        // What is no text or bytes belongs to a later version, and is skipped.
        let len = match key & 7 {
            VARINT => {
                take_varint(&mut bytes)?;
                0
            }
            EIGHT_BYTES => 8,
            FOUR_BYTES => 4,
            WITH_LENGTH => usize::try_from(take_varint(&mut bytes)?).ok()?,
            _ => return None,
        };
        let (value, rest) = bytes.split_at_checked(len)?;
        bytes = rest;
        let text = || String::from_utf8_lossy(value).into_owned();
        match (key >> 3, key & 7) {
            (PROTOCOL_VERSION, WITH_LENGTH) => hello.protocol_version = text(),
            (AGENT_VERSION, WITH_LENGTH) => hello.agent = text(),
            _ => {}
        }
    }
    Some(hello)
}

fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..63).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use libp2p::futures::executor::block_on;
    use libp2p::futures::io::Cursor;
    use libp2p::identity::Keypair;
    use proptest::prelude::*;

    fn hello(bytes: &[u8]) -> Result<Hello> {
        block_on(read(&mut Cursor::new(bytes)))
    }

    #[test]
    fn what_is_told_is_read() {
        for agent in ["", "camelid-web/0.1.0", &"long ".repeat(100)] {
            let about = About::new(&Keypair::generate_ed25519().public(), Network::Dev, agent);
            let expected = Hello { protocol_version: "/camelid/dev/1".into(), agent: agent.into() };
            assert_eq!(hello(&about.hello).unwrap(), expected);
        }
    }

    #[test]
    fn what_is_malformed_is_refused() {
        let about = About::new(&Keypair::generate_ed25519().public(), Network::Dev, "agent");
        for len in 0..about.hello.len() {
            assert!(hello(&about.hello[..len]).is_err());
        }
        // A length over the limit, one that never ends, a field with a length past the end, one of a wire type that is none.
        for bytes in [&[0x81, 0x20][..], &[0xff; 20], &[2, 0x2a, 5], &[2, 0x2b, 1]] {
            assert_eq!(hello(bytes).unwrap_err().to_string(), "identify: malformed message", "{bytes:?}");
        }
    }

    #[test]
    fn fields_of_later_versions_are_skipped() {
        let mut message = alloc::vec![0x28, 0x96, 0x01, 0x29, 1, 2, 3, 4, 5, 6, 7, 8, 0x2d, 1, 2, 3, 4, 0x7a, 1, 9];
        message.extend([0x32, 2, b'a', b'b']);
        let bytes = [&[message.len() as u8][..], &message].concat();
        assert_eq!(hello(&bytes).unwrap(), Hello { protocol_version: "".into(), agent: "ab".into() });
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = hello(&bytes);
            let _ = parse(&bytes);
        }
    }
}
