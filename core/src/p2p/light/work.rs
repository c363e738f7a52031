//! What is done on one stream, from agreeing what it is for to its end.

use super::hello::{self, About, Hello};
use crate::p2p::{Bytes, Request, frames};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use libp2p::futures::{AsyncReadExt, AsyncWriteExt};
use multistream_select::{Negotiated, Version, dialer_select_proto, listener_select_proto};
use std::io::{Error, ErrorKind, Result};

/// libp2p's name of pings.
pub(super) const PING: &str = "/ipfs/ping/1.0.0";
/// libp2p's name of identify.
pub(super) const IDENTIFY: &str = "/ipfs/id/1.0.0";
/// libp2p's name of what a peer tells unasked, when what it told in identify changes.
const IDENTIFY_PUSH: &str = "/ipfs/id/push/1.0.0";

/// A ping, which comes back as it is.
pub(super) type Ping = [u8; 32];

/// A stream of which both sides know what it is for.
pub(super) type Agreed = Negotiated<Bytes>;

/// What came of it.
pub(super) enum Done {
    /// The peer's answer.
    Answer(Vec<u8>),
    /// It is alive; the next ping takes the same stream.
    Pong(Agreed),
    /// It said who it is.
    Told(Hello),
    /// It asks.
    Asked(Request, Agreed),
    /// It pinged, and may do so again.
    Pinged(Agreed),
    /// All was said.
    Nothing,
}

/// Agrees on the one thing that a stream of ours is for. The first bytes go along with the name.
pub(super) async fn agree(stream: Bytes, name: &str) -> Result<Agreed> {
    let (_, stream) = dialer_select_proto(stream, [name], Version::V1Lazy).await.map_err(Error::other)?;
    Ok(stream)
}

pub(super) async fn ask(stream: Bytes, name: String, request: Vec<u8>) -> Result<Done> {
    let mut stream = agree(stream, &name).await?;
    frames::write_request(&mut stream, &request).await?;
    stream.close().await?;
    frames::read_response(&mut stream).await.map(Done::Answer)
}

pub(super) async fn identify(stream: Bytes) -> Result<Done> {
    hello::read(&mut agree(stream, IDENTIFY).await?).await.map(Done::Told)
}

pub(super) async fn first_ping(stream: Bytes, ping: Ping) -> Result<Done> {
    self::ping(agree(stream, PING).await?, ping).await
}

pub(super) async fn ping(mut stream: Agreed, ping: Ping) -> Result<Done> {
    stream.write_all(&ping).await?;
    stream.flush().await?;
    let mut pong = Ping::default();
    stream.read_exact(&mut pong).await?;
    if pong == ping {
        Ok(Done::Pong(stream))
    } else {
        Err(Error::new(ErrorKind::InvalidData, "another pong than ping"))
    }
}

/// Does what the peer opened a stream for.
pub(super) async fn serve(stream: Bytes, about: Arc<About>) -> Result<Done> {
    let names = [about.request.as_str(), PING, IDENTIFY, IDENTIFY_PUSH];
    let (name, mut stream) = listener_select_proto(stream, names).await.map_err(Error::other)?;
    match name {
        PING => pong(stream).await,
        IDENTIFY => {
            stream.write_all(&about.hello).await?;
            stream.close().await?;
            Ok(Done::Nothing)
        }
        // Nothing that matters here, but a node of libp2p's to which this was refused asks who we are minutes later.
        IDENTIFY_PUSH => hello::read(&mut stream).await.map(|_| Done::Nothing),
        _ => Ok(Done::Asked(frames::read_request(&mut stream).await?, stream)),
    }
}

pub(super) async fn pong(mut stream: Agreed) -> Result<Done> {
    let mut ping = Ping::default();
    stream.read_exact(&mut ping).await?;
    stream.write_all(&ping).await?;
    stream.flush().await?;
    Ok(Done::Pinged(stream))
}

pub(super) async fn respond(mut stream: Agreed, response: Vec<u8>) -> Result<Done> {
    frames::write_response(&mut stream, &response).await?;
    stream.close().await?;
    Ok(Done::Nothing)
}
