//! A light client's side of a connection to a full node: requests and responses in both directions, identify, ping. It takes
//! no part in gossip, which would bring it every block whole.
//!
//! libp2p's swarm and behaviours do all of this and much more, in code that makes up a quarter of what a page of the browser
//! would load; `docs/decisions/small-module.md` has the figures. On the wire it is the same.

mod hello;
#[cfg(test)]
mod tests;
mod work;

pub use hello::{About, Hello};

use super::{Bytes, PING_EVERY, REQUEST_TIMEOUT, REQUESTS_AT_ONCE, Request};
use crate::hash::tagged_hash;
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use libp2p::core::muxing::{StreamMuxerBox, StreamMuxerExt};
use std::io::{self, ErrorKind};
use work::{Agreed, Done};

/// Streams of the peer's that are served at once; it waits with others. A full node has little to ask, and each may bring a
/// request of two megabytes.
const SERVED_AT_ONCE: usize = 16;

/// A peer that has not answered a ping in this time is dead: with [`PING_EVERY`] before it that is known after 23 s, as at a
/// node. Less would end a connection of a phone that was out of reach for some seconds, or one whose line is full of a model.
const DEAD_AFTER: Duration = Duration::from_secs(20);

/// Whom an answer is for.
pub struct Asker(Agreed);

impl fmt::Debug for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Asker")
    }
}

/// What happened on a connection.
#[derive(Debug)]
pub enum LightEvent {
    /// The answer to a request, or why there is none.
    Answer {
        /// The number that the request was given.
        id: u64,
        /// The answer's bytes; an error of kind [`TimedOut`](ErrorKind::TimedOut) if it took too long.
        answer: io::Result<Vec<u8>>,
    },
    /// The peer asks.
    Asked {
        /// What, unless it is too long.
        request: Request,
        /// For [`LightConnection::answer`].
        asker: Asker,
    },
    /// The peer said who it is.
    Told(Hello),
    /// The peer answered a ping in this time.
    Alive(Duration),
    /// The connection is over, and says nothing more.
    Ended(io::Error),
}

type Work = Pin<Box<dyn Future<Output = io::Result<Done>> + Send>>;

/// What a stream is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Ask(u64),
    Ping,
    Identify,
    Serve,
}

/// Something under way.
struct Working {
    purpose: Purpose,
    until: Duration,
    work: Work,
}

/// A request that waits for a stream.
struct Waiting {
    id: u64,
    until: Duration,
    request: Vec<u8>,
}

/// Where the pings are.
#[derive(Default)]
struct Pings {
    /// When the next is due.
    next: Duration,
    /// When the one that is under way was due.
    sent: Option<Duration>,
    /// That one waits for a stream.
    wanted: bool,
    /// The stream of the one before.
    stream: Option<Agreed>,
    count: u64,
}

/// A connection that has no I/O of its own: whoever owns it polls it, and says what time it is.
pub struct LightConnection {
    muxer: StreamMuxerBox,
    about: Arc<About>,
    seed: u64,
    waiting: VecDeque<Waiting>,
    working: Vec<Working>,
    pings: Pings,
    /// It is still to be asked who it is.
    curious: bool,
    events: VecDeque<LightEvent>,
    ended: bool,
}

impl LightConnection {
    /// Over a muxer on which both sides know who the other is. `about` is what the peer is told, pings are made from `seed`.
    pub fn new(muxer: StreamMuxerBox, about: Arc<About>, seed: u64, now: Duration) -> Self {
        LightConnection {
            muxer,
            about,
            seed,
            waiting: VecDeque::new(),
            working: Vec::new(),
            pings: Pings { next: now, ..Pings::default() },
            curious: true,
            events: VecDeque::new(),
            ended: false,
        }
    }

    /// Asks the peer. The answer comes as an event with the same number, `within` this time or [`REQUEST_TIMEOUT`].
    pub fn ask(&mut self, id: u64, request: Vec<u8>, within: Duration, now: Duration) {
        self.waiting.push_back(Waiting { id, until: now + within.min(REQUEST_TIMEOUT), request });
    }

    /// Answers the peer. Whether it arrives nobody knows.
    pub fn answer(&mut self, asker: Asker, response: Vec<u8>, now: Duration) {
        self.work(Purpose::Serve, now, Box::pin(work::respond(asker.0, response)));
    }

    /// What happened. It is to be polled when its waker is woken, after a request or an answer, and every second or so.
    pub fn poll(&mut self, cx: &mut Context<'_>, now: Duration) -> Poll<LightEvent> {
        if !self.ended
            && let Err(error) = self.advance(cx, now)
        {
            self.ended = true;
            self.events.push_back(LightEvent::Ended(error));
        }
        self.events.pop_front().map_or(Poll::Pending, Poll::Ready)
    }

    fn work(&mut self, purpose: Purpose, now: Duration, work: Work) {
        self.working.push(Working { purpose, until: now + REQUEST_TIMEOUT, work });
    }

    fn count(&self, is: impl Fn(Purpose) -> bool) -> usize {
        self.working.iter().filter(|working| is(working.purpose)).count()
    }

    fn advance(&mut self, cx: &mut Context<'_>, now: Duration) -> io::Result<()> {
        loop {
            while self.muxer.poll_unpin(cx)?.is_ready() {}
            let mut moved = false;
            // A stream is opened for one thing after the other.
            while let Some(purpose) = self.wanted()
                && let Poll::Ready(stream) = self.muxer.poll_outbound_unpin(cx)?
            {
                self.begin(purpose, Box::pin(stream), now);
                moved = true;
            }
            while self.count(|purpose| purpose == Purpose::Serve) < SERVED_AT_ONCE
                && let Poll::Ready(stream) = self.muxer.poll_inbound_unpin(cx)?
            {
                self.work(Purpose::Serve, now, Box::pin(work::serve(Box::pin(stream), self.about.clone())));
                moved = true;
            }
            let mut at = 0;
            while at < self.working.len() {
                match self.working[at].work.as_mut().poll(cx) {
                    Poll::Ready(done) => {
                        let Working { purpose, .. } = self.working.swap_remove(at);
                        self.finish(purpose, done, now)?;
                        moved = true;
                    }
                    Poll::Pending => at += 1,
                }
            }
            if !moved {
                self.time_out(now)?;
                if !self.ping(now) {
                    return Ok(());
                }
            }
        }
    }

    /// What a stream is wanted for: the first of what waits.
    fn wanted(&self) -> Option<Purpose> {
        if self.pings.wanted {
            return Some(Purpose::Ping);
        }
        if self.curious {
            return Some(Purpose::Identify);
        }
        let next = self.waiting.front()?;
        // "Requests that each side may have under way at once": over it the peer would drop them.
        let free = self.count(|purpose| matches!(purpose, Purpose::Ask(_))) < REQUESTS_AT_ONCE;
        free.then_some(Purpose::Ask(next.id))
    }

    fn begin(&mut self, purpose: Purpose, stream: Bytes, now: Duration) {
        match purpose {
            Purpose::Ping => {
                self.pings.wanted = false;
                let ping = self.next_ping();
                self.work(purpose, now, Box::pin(work::first_ping(stream, ping)));
            }
            Purpose::Identify => {
                self.curious = false;
                self.work(purpose, now, Box::pin(work::identify(stream)));
            }
            Purpose::Ask(_) => {
                let Some(Waiting { until, request, .. }) = self.waiting.pop_front() else { return };
                let work = Box::pin(work::ask(stream, self.about.request.clone(), request));
                self.working.push(Working { purpose, until, work });
            }
            Purpose::Serve => {}
        }
    }

    fn finish(&mut self, purpose: Purpose, done: io::Result<Done>, now: Duration) -> io::Result<()> {
        match (purpose, done) {
            (Purpose::Ask(id), Ok(Done::Answer(bytes))) => {
                self.events.push_back(LightEvent::Answer { id, answer: Ok(bytes) });
            }
            (Purpose::Ask(id), Err(error)) => self.events.push_back(LightEvent::Answer { id, answer: Err(error) }),
            (_, Ok(Done::Pong(stream))) => {
                self.pings.stream = Some(stream);
                self.pings.next = now + PING_EVERY;
                let sent = self.pings.sent.take().unwrap_or(now);
                self.events.push_back(LightEvent::Alive(now.saturating_sub(sent)));
            }
            (Purpose::Ping, Err(error)) => return Err(io::Error::new(error.kind(), format!("ping: {error}"))),
            (_, Ok(Done::Told(hello))) => self.events.push_back(LightEvent::Told(hello)),
            (_, Ok(Done::Asked(request, stream))) => {
                self.events.push_back(LightEvent::Asked { request, asker: Asker(stream) });
            }
            (_, Ok(Done::Pinged(stream))) => self.work(Purpose::Serve, now, Box::pin(work::pong(stream))),
            // What goes wrong on a stream of the peer's is its own affair, and nobody has to say who he is.
            (_, Ok(Done::Answer(_) | Done::Nothing) | Err(_)) => {}
        }
        Ok(())
    }

    /// Ends what takes too long; an error if the peer is dead.
    fn time_out(&mut self, now: Duration) -> io::Result<()> {
        if self.pings.sent.is_some_and(|sent| now > sent + DEAD_AFTER) {
            return Err(io::Error::new(ErrorKind::TimedOut, "no answer to a ping"));
        }
        let mut late = Vec::new();
        self.waiting.retain(|waiting| {
            let on_time = now <= waiting.until;
            if !on_time {
                late.push(waiting.id);
            }
            on_time
        });
        self.working.retain(|working| {
            let on_time = now <= working.until;
            if let (false, Purpose::Ask(id)) = (on_time, working.purpose) {
                late.push(id);
            }
            on_time
        });
        let late = late.into_iter().map(|id| LightEvent::Answer { id, answer: Err(ErrorKind::TimedOut.into()) });
        self.events.extend(late);
        Ok(())
    }

    /// Pings if it is time; whether there is something new to do.
    fn ping(&mut self, now: Duration) -> bool {
        if self.pings.sent.is_some() || now < self.pings.next {
            return false;
        }
        self.pings.sent = Some(now);
        match self.pings.stream.take() {
            Some(stream) => {
                let ping = self.next_ping();
                self.work(Purpose::Ping, now, Box::pin(work::ping(stream, ping)));
            }
            None => self.pings.wanted = true,
        }
        true
    }

    /// Bytes that nobody can send back before they came.
    fn next_ping(&mut self) -> work::Ping {
        self.pings.count += 1;
        tagged_hash("camelid/ping", &[&self.seed.to_le_bytes(), &self.pings.count.to_le_bytes()]).0
    }
}
