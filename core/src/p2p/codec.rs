//! Requests and responses as opaque bytes: a length (u32, little-endian), then that many bytes.

use alloc::format;
use alloc::vec::Vec;
use libp2p::StreamProtocol;
use libp2p::futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::request_response::Codec;
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

/// Reads and writes length-prefixed bytes. Nothing is allocated for a declared length over the limit: such a request
/// is read as [`RequestTooLong`], such a response is an error of kind [`InvalidData`](ErrorKind::InvalidData).
#[derive(Clone, Copy, Debug, Default)]
pub struct BytesCodec;

fn check(what: &str, len: usize, max: usize, kind: ErrorKind) -> Result<()> {
    if len > max { Err(Error::new(kind, format!("{what} of {len} bytes, at most {max} allowed"))) } else { Ok(()) }
}

async fn read_length(io: &mut (impl AsyncRead + Unpin + Send)) -> Result<usize> {
    let mut len = [0; 4];
    io.read_exact(&mut len).await?;
    Ok(u32::from_le_bytes(len) as usize)
}

async fn read(io: &mut (impl AsyncRead + Unpin + Send), what: &str, len: usize) -> Result<Vec<u8>> {
    // Memory follows the bytes that arrive, not the declared length.
    let mut bytes = Vec::with_capacity(len.min(64 * 1024));
    io.take(len as u64).read_to_end(&mut bytes).await?;
    if bytes.len() < len {
        let got = bytes.len();
        return Err(Error::new(ErrorKind::UnexpectedEof, format!("{what} ends after {got} of {len} bytes")));
    }
    Ok(bytes)
}

async fn write(io: &mut (impl AsyncWrite + Unpin + Send), what: &str, max: usize, bytes: &[u8]) -> Result<()> {
    check(what, bytes.len(), max, ErrorKind::InvalidInput)?;
    io.write_all(&(bytes.len() as u32).to_le_bytes()).await?;
    io.write_all(bytes).await?;
    io.flush().await
}

impl Codec for BytesCodec {
    type Protocol = StreamProtocol;
    type Request = Request;
    type Response = Vec<u8>;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> Result<Request>
    where
        T: AsyncRead + Unpin + Send,
    {
        let len = read_length(io).await?;
        if len > REQUEST_MAX {
            return Ok(Err(RequestTooLong { len }));
        }
        read(io, "request", len).await.map(Ok)
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        let len = read_length(io).await?;
        check("response", len, RESPONSE_MAX, ErrorKind::InvalidData)?;
        read(io, "response", len).await
    }

    async fn write_request<T>(&mut self, _: &StreamProtocol, io: &mut T, request: Request) -> Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        let request = request.map_err(|e| Error::new(ErrorKind::InvalidInput, e))?;
        write(io, "request", REQUEST_MAX, &request).await
    }

    async fn write_response<T>(&mut self, _: &StreamProtocol, io: &mut T, response: Vec<u8>) -> Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(io, "response", RESPONSE_MAX, &response).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use libp2p::futures::executor::block_on;
    use libp2p::futures::io::Cursor;

    const NAME: StreamProtocol = StreamProtocol::new("/camelid/dev/1/request");

    fn request(bytes: &[u8]) -> Result<Request> {
        block_on(BytesCodec.read_request(&NAME, &mut Cursor::new(bytes)))
    }

    fn response(bytes: &[u8]) -> Result<Vec<u8>> {
        block_on(BytesCodec.read_response(&NAME, &mut Cursor::new(bytes)))
    }

    #[test]
    fn what_is_written_is_read() {
        for len in [0, 1, 100_000, REQUEST_MAX] {
            let bytes: Vec<u8> = (0..len).map(|i| i as u8).collect();
            let mut wire = Cursor::new(Vec::new());
            block_on(BytesCodec.write_request(&NAME, &mut wire, Ok(bytes.clone()))).unwrap();
            assert_eq!(request(wire.get_ref()).unwrap(), Ok(bytes.clone()));
            let mut wire = Cursor::new(Vec::new());
            block_on(BytesCodec.write_response(&NAME, &mut wire, bytes.clone())).unwrap();
            assert_eq!(response(wire.get_ref()).unwrap(), bytes);
        }
    }

    #[test]
    fn a_length_over_the_limit_is_refused_on_both_sides() {
        let too_long = RequestTooLong { len: u32::MAX as usize };
        assert_eq!(request(&u32::MAX.to_le_bytes()).unwrap(), Err(too_long));
        assert_eq!(response(&u32::MAX.to_le_bytes()).unwrap_err().kind(), ErrorKind::InvalidData);
        let mut wire = Cursor::new(Vec::new());
        for long in [Ok(alloc::vec![0; REQUEST_MAX + 1]), Err(too_long)] {
            let error = block_on(BytesCodec.write_request(&NAME, &mut wire, long)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
        }
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
