//! [`frames`](super::frames) for libp2p's requests and responses.

use super::Request;
use super::frames::{read_request, read_response, write_request, write_response};
use alloc::vec::Vec;
use libp2p::StreamProtocol;
use libp2p::futures::{AsyncRead, AsyncWrite};
use libp2p::request_response::Codec;
use std::io::{Error, ErrorKind, Result};

/// Reads and writes length-prefixed bytes. Nothing is allocated for a declared length over the limit: such a request
/// is read as [`RequestTooLong`](super::RequestTooLong), such a response is an error of kind
/// [`InvalidData`](ErrorKind::InvalidData).
#[derive(Clone, Copy, Debug, Default)]
pub struct BytesCodec;

impl Codec for BytesCodec {
    type Protocol = StreamProtocol;
    type Request = Request;
    type Response = Vec<u8>;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> Result<Request>
    where
        T: AsyncRead + Unpin + Send,
    {
        read_request(io).await
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        read_response(io).await
    }

    async fn write_request<T>(&mut self, _: &StreamProtocol, io: &mut T, request: Request) -> Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write_request(io, &request.map_err(|e| Error::new(ErrorKind::InvalidInput, e))?).await
    }

    async fn write_response<T>(&mut self, _: &StreamProtocol, io: &mut T, response: Vec<u8>) -> Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write_response(io, &response).await
    }
}
