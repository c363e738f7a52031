//! Requests and responses as opaque bytes: a length (u32, little-endian), then that many bytes.

use alloc::format;
use alloc::vec::Vec;
use libp2p::futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use std::io::{Error, ErrorKind, Result};

/// Bytes of the longest request.
pub const REQUEST_MAX: usize = 2 * 1024 * 1024;

/// Bytes of the longest response.
pub const RESPONSE_MAX: usize = 8 * 1024 * 1024;

/// A peer declared a longer request than anybody may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("request of {len} bytes, at most {REQUEST_MAX} allowed")]
pub struct RequestTooLong {
    /// The declared length.
    pub len: usize,
}

/// A request. One that is too long is a value too, because libp2p tells nobody whose request could not be read.
pub type Request = core::result::Result<Vec<u8>, RequestTooLong>;

fn check(what: &str, len: usize, max: usize, kind: ErrorKind) -> Result<()> {
    if len > max { Err(Error::new(kind, format!("{what} of {len} bytes, at most {max} allowed"))) } else { Ok(()) }
}

async fn read_length(io: &mut (impl AsyncRead + Unpin)) -> Result<usize> {
    let mut len = [0; 4];
    io.read_exact(&mut len).await?;
    Ok(u32::from_le_bytes(len) as usize)
}

async fn read(io: &mut (impl AsyncRead + Unpin), what: &str, len: usize) -> Result<Vec<u8>> {
    // Memory follows the bytes that arrive, not the declared length.
    let mut bytes = Vec::with_capacity(len.min(64 * 1024));
    io.take(len as u64).read_to_end(&mut bytes).await?;
    if bytes.len() < len {
        let got = bytes.len();
        return Err(Error::new(ErrorKind::UnexpectedEof, format!("{what} ends after {got} of {len} bytes")));
    }
    Ok(bytes)
}

async fn write(io: &mut (impl AsyncWrite + Unpin), what: &str, max: usize, bytes: &[u8]) -> Result<()> {
    check(what, bytes.len(), max, ErrorKind::InvalidInput)?;
    io.write_all(&(bytes.len() as u32).to_le_bytes()).await?;
    io.write_all(bytes).await?;
    io.flush().await
}

/// Reads a request. Of one that is too long nothing but its length is read.
pub async fn read_request(io: &mut (impl AsyncRead + Unpin)) -> Result<Request> {
    let len = read_length(io).await?;
    if len > REQUEST_MAX {
        return Ok(Err(RequestTooLong { len }));
    }
    read(io, "request", len).await.map(Ok)
}

/// Reads a response; one that is too long is an error of kind [`InvalidData`](ErrorKind::InvalidData), and nothing is
/// allocated for it.
pub async fn read_response(io: &mut (impl AsyncRead + Unpin)) -> Result<Vec<u8>> {
    let len = read_length(io).await?;
    check("response", len, RESPONSE_MAX, ErrorKind::InvalidData)?;
    read(io, "response", len).await
}

/// Writes a request; one that is too long is an error of kind [`InvalidInput`](ErrorKind::InvalidInput).
pub async fn write_request(io: &mut (impl AsyncWrite + Unpin), request: &[u8]) -> Result<()> {
    write(io, "request", REQUEST_MAX, request).await
}

/// Writes a response; one that is too long is an error of kind [`InvalidInput`](ErrorKind::InvalidInput).
pub async fn write_response(io: &mut (impl AsyncWrite + Unpin), response: &[u8]) -> Result<()> {
    write(io, "response", RESPONSE_MAX, response).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use libp2p::futures::executor::block_on;
    use libp2p::futures::io::Cursor;

    fn request(bytes: &[u8]) -> Result<Request> {
        block_on(read_request(&mut Cursor::new(bytes)))
    }

    fn response(bytes: &[u8]) -> Result<Vec<u8>> {
        block_on(read_response(&mut Cursor::new(bytes)))
    }

    #[test]
    fn what_is_written_is_read() {
        for len in [0, 1, 100_000, REQUEST_MAX] {
            let bytes: Vec<u8> = (0..len).map(|i| i as u8).collect();
            let mut wire = Cursor::new(Vec::new());
            block_on(write_request(&mut wire, &bytes)).unwrap();
            assert_eq!(request(wire.get_ref()).unwrap(), Ok(bytes.clone()));
            let mut wire = Cursor::new(Vec::new());
            block_on(write_response(&mut wire, &bytes)).unwrap();
            assert_eq!(response(wire.get_ref()).unwrap(), bytes);
        }
    }

    #[test]
    fn a_length_over_the_limit_is_refused_on_both_sides() {
        let too_long = RequestTooLong { len: u32::MAX as usize };
        assert_eq!(request(&u32::MAX.to_le_bytes()).unwrap(), Err(too_long));
        assert_eq!(response(&u32::MAX.to_le_bytes()).unwrap_err().kind(), ErrorKind::InvalidData);
        let mut wire = Cursor::new(Vec::new());
        let error = block_on(write_request(&mut wire, &alloc::vec![0; REQUEST_MAX + 1])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(wire.get_ref().is_empty());
    }

    #[test]
    fn a_truncated_message_is_an_error() {
        for bytes in [&[][..], &[5, 0, 0], &[5, 0, 0, 0, 1, 2]] {
            assert_eq!(request(bytes).unwrap_err().kind(), ErrorKind::UnexpectedEof);
            assert_eq!(response(bytes).unwrap_err().kind(), ErrorKind::UnexpectedEof);
        }
    }
}
