//! Telling neighbours of ourselves and of others, and asking them (paper 2.1.1).

use super::Node;
use crate::network::netaddr::net_address;
use crate::network::{Direction, PeerId, PeerInfo, Quota, Rate, Responder};
use camelid_core::encode::{Decode, Encode};
use camelid_core::message::{
    MAX_ADDRESSES, NetAddress, PeerRecord, PeersRequest, PeersResponse, Request, Response, Services, SignedPeerRecord,
};
use camelid_core::peers::{Scope, may_tell};
use camelid_core::units::Height;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// After a first question, until the same neighbour is asked again; doubled each time.
const FIRST_WAIT: Duration = Duration::from_secs(10);
/// The longest such wait.
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// How long a neighbour may take to answer.
const TIMEOUT: Duration = Duration::from_secs(30);
/// "A neighbour may ask five times at once, and once in ten seconds over time."
const RATE: Rate = Rate { per_second: 0.1, burst: 5.0 };
/// Points for each question over that.
const TOO_OFTEN: u32 = 10;
/// Points for an answer that is none.
const NO_ANSWER: u32 = 100;

/// What was asked and when to ask again.
pub(super) struct Exchange {
    asks: Quota<PeerId>,
    due: BTreeMap<PeerId, (Instant, Duration)>,
}

impl Default for Exchange {
    fn default() -> Self {
        Exchange { asks: Quota::new(RATE), due: BTreeMap::new() }
    }
}

impl Exchange {
    /// The neighbours to ask now.
    fn take_due(&mut self, now: Instant) -> Vec<PeerId> {
        let mut due = Vec::new();
        for (peer, (next, wait)) in self.due.iter_mut().filter(|(_, (next, _))| *next <= now) {
            due.push(*peer);
            (*next, *wait) = (now + *wait, (*wait * 2).min(LONGEST_WAIT));
        }
        due
    }
}

impl Node {
    /// A new neighbour. Only those that we chose are asked for others: whoever comes by himself chooses what we learn.
    pub(super) fn meet(&mut self, info: &PeerInfo) {
        if info.direction == Direction::Outbound {
            self.exchange.due.insert(info.peer, (Instant::now(), FIRST_WAIT));
        }
    }

    pub(super) fn part(&mut self, peer: &PeerId) {
        self.exchange.due.remove(peer);
    }

    pub(super) fn exchange_peers(&mut self) {
        for peer in self.exchange.take_due(Instant::now()) {
            let request = Request::Peers(Box::new(PeersRequest { own: self.own_record(&peer) })).to_bytes();
            let network = self.network.clone();
            tokio::spawn(async move {
                match network.request(peer, request, TIMEOUT).await.map(|bytes| Response::from_bytes(&bytes)) {
                    Ok(Ok(Response::Peers(told))) => network.learn(peer, told.own, told.known).await,
                    Ok(Ok(Response::Busy)) | Err(_) => {}
                    Ok(Ok(_)) => network.penalise(peer, NO_ANSWER, "an answer of another kind than peers").await,
                    Ok(Err(e)) => network.penalise(peer, NO_ANSWER, format!("an answer that is none: {e}")).await,
                }
            });
        }
    }

    /// A neighbour tells of itself, and asks for others.
    pub(super) fn on_peers_request(&mut self, peer: PeerId, request: PeersRequest, respond: Responder) {
        let network = self.network.clone();
        if !self.exchange.asks.take(&peer, 1.0, Instant::now()) {
            tokio::spawn(async move {
                network.penalise(peer, TOO_OFTEN, "it asks for peers too often").await;
                let _ = respond.send(Response::Busy.to_bytes()).await;
            });
            return;
        }
        let own = self.own_record(&peer);
        tokio::spawn(async move {
            let known = network.known_peers(&peer);
            let response = Response::Peers(Box::new(PeersResponse { own, known }));
            let _ = respond.send(response.to_bytes()).await;
            network.learn(peer, request.own, Vec::new()).await;
        });
    }

    /// What this node does for others.
    pub(super) fn services(&self) -> Services {
        // Who has pruned does not give all blocks; where the store says nothing, it is not promised.
        let all_blocks = self.chain.first_body().is_ok_and(|first| first == Height(0));
        let own =
            Services::LIGHT.with(Services::RELAY).with(if all_blocks { Services::BLOCKS } else { Services::NONE });
        if self.computes_for_others() { own.with(Services::COMPUTE) } else { own }
    }

    /// What we say about ourselves to a neighbour; nothing where nobody can dial us from there.
    fn own_record(&self, to: &PeerId) -> Option<SignedPeerRecord> {
        let seen = self.network.peer_ip(to)?;
        let listen = self.network.listen_addresses();
        let listen = listen.iter().filter_map(net_address).filter(|a| !self.reach.is_closed(a));
        let addresses = own_addresses(self.reach.open_addresses().cloned().chain(listen), seen);
        if addresses.is_empty() {
            return None;
        }
        let (peer, services, time) = (self.address.clone(), self.services(), self.now());
        let record = PeerRecord { peer, addresses, services, time };
        let signed = self.network.keypair().sign(&record.signing_bytes(self.params.network).0).ok()?;
        Some(record.with_signature(signed.try_into().ok()?))
    }
}

/// The addresses that are of use to a neighbour, the first of them first, each once.
fn own_addresses(all: impl Iterator<Item = NetAddress>, seen: IpAddr) -> Vec<NetAddress> {
    let mut addresses: Vec<NetAddress> = Vec::new();
    for address in all {
        let Some(endpoint) = address.endpoint() else { continue };
        // A name is there for browsers, which need one for their certificates.
        let useful = endpoint.ip().is_none_or(|ip| Scope::of(ip).is_some_and(|scope| may_tell(scope, seen)));
        if useful && addresses.len() < MAX_ADDRESSES && !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    addresses
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_neighbour_is_told_the_addresses_that_are_of_use_to_it() {
        let tcp = |ip: &str| NetAddress::tcp(ip.parse().unwrap(), 7460);
        let all = ["9.9.9.9", "127.0.0.1", "10.0.0.1", "9.9.9.9", "0.0.0.0"].map(tcp);
        let told = |seen: &str| own_addresses(all.iter().cloned(), seen.parse().unwrap());
        assert_eq!(told("8.8.8.8"), ["9.9.9.9"].map(tcp));
        assert_eq!(told("10.0.0.7"), ["9.9.9.9", "10.0.0.1"].map(tcp));
        assert_eq!(told("127.0.0.1"), ["9.9.9.9", "127.0.0.1", "10.0.0.1"].map(tcp));
        let many = (1..30).map(|port| NetAddress::tcp("9.9.9.9".parse().unwrap(), port));
        assert_eq!(own_addresses(many, "8.8.8.8".parse().unwrap()).len(), MAX_ADDRESSES);
    }

    #[test]
    fn neighbours_are_asked_ever_more_seldom() {
        let (mut exchange, start, peer) = (Exchange::default(), Instant::now(), PeerId::random());
        exchange.due.insert(peer, (start, FIRST_WAIT));
        let mut waits = Vec::new();
        let mut now = start;
        for _ in 0..8 {
            assert_eq!(exchange.take_due(now), [peer]);
            let next = exchange.due[&peer].0;
            assert!(exchange.take_due(next - Duration::from_millis(1)).is_empty());
            waits.push((next - now).as_secs());
            now = next;
        }
        assert_eq!(waits, [10, 20, 40, 80, 160, 300, 300, 300]);
        // Which is no more often than a neighbour may ask.
        let mut asks = Quota::new(RATE);
        let times = waits.iter().scan(0, |sum, wait| {
            *sum += wait;
            Some(*sum)
        });
        assert!(times.chain([0]).all(|at| asks.take(&peer, 1.0, start + Duration::from_secs(at))));
    }
}
