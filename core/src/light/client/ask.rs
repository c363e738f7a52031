//! What is asked, and the numbers of asking.

use crate::job::PeerAddress;
use crate::message::{Payload, Request};
use alloc::boxed::Box;
use core::time::Duration;

/// How much at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Open questions at one peer, those about its status aside.
    pub requests: usize,
    /// Pieces of filters that are asked for at once.
    pub pieces: usize,
    /// Blocks that are asked for or wait for their turn at once.
    pub blocks: usize,
    /// Bytes of blocks that wait for their turn. Over it, the next block alone is asked for.
    pub waiting_bytes: usize,
    /// Bytes of filters that are kept for the case that more keys are watched soon.
    pub filter_bytes: usize,
    /// Headers of one peer that lead to nothing better.
    pub useless_headers: usize,
    /// A question that is not answered in this time is not answered.
    pub timeout: Duration,
    /// While a peer that gives a long chain of headers answers in this time, the others wait.
    pub stall: Duration,
    /// From one status to the next.
    pub poll: Duration,
    /// A peer that had nothing to say is not asked the like again before.
    pub pause: Duration,
    /// So many questions in a row that are not answered are a fault.
    pub silent: u32,
    /// Nobody has answered, or nothing has come on, for so long: that is silence.
    pub silence: Duration,
    /// The last block is older than so many usual intervals: that is silence too.
    pub old_tip: u32,
    /// A transaction that was taken and is in no block is submitted again after so long.
    pub resubmit: Duration,
    /// So many peers that refuse a transaction which nobody took refuse it for good.
    pub refusals: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            requests: 4,
            pieces: 4,
            blocks: 8,
            waiting_bytes: 16 << 20,
            filter_bytes: 16 << 20,
            useless_headers: 20_000,
            timeout: Duration::from_secs(30),
            stall: Duration::from_secs(5),
            poll: Duration::from_secs(5),
            pause: Duration::from_secs(5),
            silent: 5,
            silence: Duration::from_secs(60),
            old_tip: 30,
            resubmit: Duration::from_secs(600),
            refusals: 2,
        }
    }
}

/// A question to a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask<P> {
    /// Its number: the answer is told with it.
    pub id: u64,
    /// Whom to ask.
    pub peer: P,
    /// What.
    pub question: Question,
    /// After so long it counts as not answered.
    pub timeout: Duration,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// As it stands.
    Request(Box<Request>),
    /// Take this and tell everybody: the owner puts it into an envelope for everybody, signs that with its peer key,
    /// and sends it with [`Submit`](crate::message::ClientRequest::Submit).
    Submit(Payload),
    /// Pass this on: the owner puts it into an envelope for this receiver, signs that with its peer key, and sends it
    /// with [`Forward`](crate::message::Request::Forward).
    Forward(PeerAddress, Payload),
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// None came in time.
    #[error("no answer came in time")]
    TimedOut,
    /// The peer has gone, or could not be asked.
    #[error("the peer has gone")]
    Gone,
    /// What came is no response.
    #[error("what came is no response")]
    Malformed,
}
