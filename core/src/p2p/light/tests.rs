//! Against libp2p itself: a swarm with the behaviour of a full node, over libp2p's memory transport.

use super::*;
use crate::p2p::{Behaviour, Event, REQUEST_MAX, RequestTooLong, yamux_config};
use crate::units::Network;
use alloc::collections::BTreeMap;
use alloc::vec;
use core::future::poll_fn;
use libp2p::core::transport::{DialOpts, MemoryTransport, PortUse};
use libp2p::core::upgrade::{InboundConnectionUpgrade, OutboundConnectionUpgrade, UpgradeInfo};
use libp2p::core::{Endpoint, Transport};
use libp2p::futures::StreamExt;
use libp2p::futures::executor::block_on;
use libp2p::identity::Keypair;
use libp2p::request_response::{Event as RequestEvent, Message, OutboundFailure};
use libp2p::swarm::{Config, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Swarm, identify};
use std::time::Instant;

const AGENT: &str = "camelid-web/test";

/// A full node, and a light client that is connected to it.
struct Pair {
    node: Swarm<Behaviour>,
    client: LightConnection,
    peer: PeerId,
    /// How much later it is for the client than for the node.
    ahead: Duration,
    start: Instant,
}

/// What happened to one of them.
#[derive(Debug)]
enum Happened {
    Here(LightEvent),
    There(SwarmEvent<Event>),
}

/// Where a swarm listens.
async fn address(node: &mut Swarm<Behaviour>) -> Multiaddr {
    node.listen_on("/memory/0".parse().unwrap()).unwrap();
    loop {
        if let SwarmEvent::NewListenAddr { address, .. } = node.select_next_some().await {
            return address;
        }
    }
}

impl Pair {
    fn new() -> Pair {
        let (here, there) = (Keypair::generate_ed25519(), Keypair::generate_ed25519());
        let peer = here.public().to_peer_id();
        // Who the other is needs no proof here.
        let transport = MemoryTransport::new().and_then(move |channel, _| async move {
            let config = yamux_config();
            let name = config.protocol_info().next().unwrap();
            Ok::<_, io::Error>((peer, StreamMuxerBox::new(config.upgrade_inbound(channel, name).await?)))
        });
        let behaviour = Behaviour::new(&there, Network::Dev, "camelid/test").unwrap();
        let config = Config::without_executor().with_idle_connection_timeout(Duration::from_secs(600));
        let mut node = Swarm::new(transport.boxed(), behaviour, there.public().to_peer_id(), config);
        let muxer = block_on(async {
            let address = address(&mut node).await;
            let options = DialOpts { role: Endpoint::Dialer, port_use: PortUse::New };
            let channel = MemoryTransport::new().dial(address, options).unwrap().await.unwrap();
            let config = yamux_config();
            let name = config.protocol_info().next().unwrap();
            StreamMuxerBox::new(config.upgrade_outbound(channel, name).await.unwrap())
        });
        let about = Arc::new(About::new(&here.public(), Network::Dev, AGENT));
        let client = LightConnection::new(muxer, about, 7, Duration::ZERO);
        Pair { node, client, peer, ahead: Duration::ZERO, start: Instant::now() }
    }

    fn now(&self) -> Duration {
        self.start.elapsed() + self.ahead
    }

    async fn next(&mut self) -> Happened {
        poll_fn(|cx| {
            let now = self.now();
            if let Poll::Ready(event) = self.client.poll(cx, now) {
                return Poll::Ready(Happened::Here(event));
            }
            self.node.poll_next_unpin(cx).map(|event| Happened::There(event.unwrap()))
        })
        .await
    }

    /// Goes on until this finds what it looks for.
    async fn until<T>(&mut self, mut found: impl FnMut(&mut Pair, Happened) -> Option<T>) -> T {
        loop {
            let happened = self.next().await;
            if let Some(found) = found(self, happened) {
                return found;
            }
        }
    }
}

/// A node that answers a request with the request and one byte more.
fn answer(pair: &mut Pair, event: SwarmEvent<Event>) {
    if let SwarmEvent::Behaviour(Event::Request(RequestEvent::Message { message, .. })) = event
        && let Message::Request { request, channel, .. } = message
    {
        let response = [request.unwrap(), vec![42]].concat();
        pair.node.behaviour_mut().request.send_response(channel, response).unwrap();
    }
}

#[test]
fn requests_are_answered_however_many_there_are() {
    let mut pair = Pair::new();
    let requests: BTreeMap<u64, Vec<u8>> =
        (0..3 * REQUESTS_AT_ONCE as u64).map(|id| (id, vec![id as u8; 1 << (id % 20)])).collect();
    for (id, request) in &requests {
        pair.client.ask(*id, request.clone(), REQUEST_TIMEOUT, Duration::ZERO);
    }
    let mut answers = BTreeMap::new();
    block_on(pair.until(|pair, happened| {
        match happened {
            Happened::There(event) => answer(pair, event),
            Happened::Here(LightEvent::Answer { id, answer }) => drop(answers.insert(id, answer.unwrap())),
            Happened::Here(_) => {}
        }
        (answers.len() == requests.len()).then_some(())
    }));
    assert!(answers.iter().all(|(id, answer)| *answer == [&requests[id][..], &[42]].concat()));
}

#[test]
fn the_node_is_answered_too() {
    let mut pair = Pair::new();
    let peer = pair.peer;
    let mut asked = 0;
    let answer = block_on(pair.until(|pair, happened| {
        match happened {
            Happened::There(SwarmEvent::ConnectionEstablished { .. }) => {
                pair.node.behaviour_mut().request.send_request(&peer, Ok(vec![1, 2, 3]));
            }
            Happened::Here(LightEvent::Asked { request, asker }) => {
                asked += 1;
                let now = pair.now();
                pair.client.answer(asker, request.unwrap(), now);
            }
            Happened::There(SwarmEvent::Behaviour(Event::Request(RequestEvent::Message {
                message: Message::Response { response, .. },
                ..
            }))) => return Some(response),
            _ => {}
        }
        None
    }));
    assert_eq!((answer, asked), (vec![1, 2, 3], 1));
}

#[test]
fn each_learns_who_the_other_is_and_that_it_lives() {
    let mut pair = Pair::new();
    let (mut here, mut there, mut alive, mut pinged) = (None, None, 0, 0);
    block_on(pair.until(|pair, happened| {
        match happened {
            Happened::Here(LightEvent::Told(hello)) => here = Some(hello),
            Happened::Here(LightEvent::Alive(time)) => {
                assert!(time < Duration::from_secs(60));
                alive += 1;
                // The next is due at once; from the third on it waits for the node's.
                if alive < 3 {
                    pair.ahead += PING_EVERY;
                }
            }
            Happened::There(SwarmEvent::Behaviour(Event::Identify(event))) => match *event {
                identify::Event::Received { info, .. } => there = Some(info),
                // After one it would ask again in five minutes.
                identify::Event::Error { error, .. } => panic!("the node was refused: {error}"),
                _ => {}
            },
            Happened::There(SwarmEvent::Behaviour(Event::Ping(event))) => {
                event.result.unwrap();
                pinged += 1;
            }
            _ => {}
        }
        // The second ping takes the stream of the first, on either side.
        (here.is_some() && there.is_some() && alive > 2 && pinged > 1).then_some(())
    }));
    let expected = Hello { protocol_version: "/camelid/dev/1".into(), agent: "camelid/test".into() };
    assert_eq!(here, Some(expected));
    let there = there.unwrap();
    assert_eq!((&*there.agent_version, &*there.protocol_version), (AGENT, "/camelid/dev/1"));
    assert_eq!(there.public_key.to_peer_id(), pair.peer);
}

#[test]
fn a_request_without_an_answer_times_out_and_the_connection_stays() {
    let mut pair = Pair::new();
    pair.client.ask(1, vec![1], REQUEST_TIMEOUT, Duration::ZERO);
    let mut kept = Vec::new();
    let error = block_on(pair.until(|pair, happened| match happened {
        Happened::There(SwarmEvent::Behaviour(Event::Request(RequestEvent::Message { message, .. }))) => {
            kept.push(message);
            None
        }
        Happened::Here(LightEvent::Alive(_)) if !kept.is_empty() => {
            pair.ahead += PING_EVERY;
            None
        }
        Happened::Here(LightEvent::Answer { id: 1, answer }) => Some(answer.unwrap_err()),
        _ => None,
    }));
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    let now = pair.now();
    assert!(now > REQUEST_TIMEOUT);
    pair.client.ask(2, vec![2], REQUEST_TIMEOUT, now);
    let second = block_on(pair.until(|pair, happened| match happened {
        Happened::There(event) => {
            answer(pair, event);
            None
        }
        Happened::Here(LightEvent::Answer { id, answer }) => Some((id, answer.unwrap())),
        Happened::Here(_) => None,
    }));
    assert_eq!(second, (2, vec![2, 42]));
}

#[test]
fn a_peer_that_is_silent_for_some_seconds_stays() {
    let mut pair = Pair::new();
    block_on(pair.until(|_, happened| matches!(happened, Happened::Here(LightEvent::Alive(_))).then_some(())));
    // A ping is sent, and nobody polls the node for a while; a request of that time has less patience.
    let (mut cx, start) = (Context::from_waker(core::task::Waker::noop()), pair.start.elapsed() + PING_EVERY);
    pair.client.ask(5, vec![5], Duration::from_secs(10), start);
    let mut late = Vec::new();
    for second in 0..18 {
        while let Poll::Ready(event) = pair.client.poll(&mut cx, start + Duration::from_secs(second)) {
            match event {
                LightEvent::Answer { id, answer } => late.push((id, second, answer.unwrap_err().kind())),
                other => panic!("{other:?} after {second} s"),
            }
        }
    }
    assert_eq!(late, [(5, 11, ErrorKind::TimedOut)]);
    pair.ahead += Duration::from_secs(18);
    let alive = block_on(pair.until(|_, happened| match happened {
        Happened::Here(LightEvent::Alive(time)) => Some(time),
        Happened::Here(LightEvent::Ended(error)) => panic!("{error}"),
        _ => None,
    }));
    assert!(alive > Duration::from_secs(10), "{alive:?}");
}

#[test]
fn a_request_that_is_too_long_is_refused_on_either_side() {
    let mut pair = Pair::new();
    let peer = pair.peer;
    pair.client.ask(1, vec![0; REQUEST_MAX + 1], REQUEST_TIMEOUT, Duration::ZERO);
    let (mut here, mut there) = (None, None);
    block_on(pair.until(|pair, happened| {
        match happened {
            Happened::Here(LightEvent::Answer { id: 1, answer }) => here = Some(answer.unwrap_err().kind()),
            Happened::There(SwarmEvent::ConnectionEstablished { .. }) => {
                let too_long = RequestTooLong { len: REQUEST_MAX + 1 };
                pair.node.behaviour_mut().request.send_request(&peer, Err(too_long));
            }
            Happened::There(SwarmEvent::Behaviour(Event::Request(RequestEvent::OutboundFailure { error, .. }))) => {
                there = Some(error);
            }
            _ => {}
        }
        (here.is_some() && there.is_some()).then_some(())
    }));
    assert_eq!(here, Some(ErrorKind::InvalidInput));
    assert!(matches!(there, Some(OutboundFailure::Io(_))), "{there:?}");
}

#[test]
fn a_peer_that_is_gone_or_dead_is_noticed() {
    let mut pair = Pair::new();
    block_on(pair.until(|_, happened| matches!(happened, Happened::Here(LightEvent::Alive(_))).then_some(())));
    // From here on nobody polls the node: it is dead, and nothing tells of it.
    let mut client = pair.client;
    let mut cx = Context::from_waker(core::task::Waker::noop());
    let start = pair.start.elapsed();
    let mut ended = None;
    for second in 0..60 {
        while let Poll::Ready(event) = client.poll(&mut cx, start + Duration::from_secs(second)) {
            if let LightEvent::Ended(error) = event {
                ended.get_or_insert((second, error.kind()));
            }
        }
    }
    let (second, kind) = ended.expect("it is noticed");
    assert_eq!(kind, ErrorKind::TimedOut);
    assert!(second < 25, "after {second} s");

    let mut pair = Pair::new();
    block_on(pair.until(|_, happened| matches!(happened, Happened::Here(LightEvent::Alive(_))).then_some(())));
    let peer = pair.peer;
    pair.node.disconnect_peer_id(peer).unwrap();
    block_on(pair.until(|_, happened| matches!(happened, Happened::Here(LightEvent::Ended(_))).then_some(())));
}
