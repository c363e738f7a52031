//! What a neighbour tells of itself and of others, checked before the book takes it.

use super::PeerId;
use super::netaddr::peer_address;
use camelid_core::message::{KnownPeer, SignedPeerRecord, VerifiedRecord};
use camelid_core::peers::Heard;
use camelid_core::units::{Network, Timestamp};
use std::net::IpAddr;

/// What a neighbour told.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) network: Network,
    /// The neighbour, and where we see it.
    pub(super) from: PeerId,
    pub(super) ip: IpAddr,
    /// Its own record.
    pub(super) own: Option<SignedPeerRecord>,
    /// Those of others.
    pub(super) known: Vec<KnownPeer>,
}

impl Told {
    /// The records, with where each comes from; or what the neighbour did that nobody may. Checking signatures takes
    /// its time.
    pub(super) fn check(self, now: Timestamp) -> Result<Vec<(VerifiedRecord, Heard)>, String> {
        let Told { network, from, ip, own, known } = self;
        let mut records = Vec::with_capacity(1 + known.len());
        if let Some(own) = own {
            // "A neighbour's own record is about the neighbour."
            if peer_address(&from).as_ref() != Some(&own.body.peer) {
                return Err("its own record is another peer's".into());
            }
            let own = own.verify(network).map_err(|e| e.to_string())?;
            records.push((own, Heard { from: ip, first_hand: true, last_seen: now }));
        }
        for peer in known {
            let record = peer.record.verify(network).map_err(|e| e.to_string())?;
            records.push((record, Heard { from: ip, first_hand: false, last_seen: peer.last_seen }));
        }
        Ok(records)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use camelid_core::message::{NetAddress, PeerRecord, Services};
    use libp2p::identity::Keypair;

    const NOW: Timestamp = Timestamp(1_800_000_000);

    fn record(key: &Keypair, network: Network) -> SignedPeerRecord {
        let peer = peer_address(&key.public().to_peer_id()).unwrap();
        let addresses = vec![NetAddress::tcp("9.9.9.9".parse().unwrap(), 7460)];
        let body = PeerRecord { peer, addresses, services: Services::BLOCKS, time: NOW };
        let signature = key.sign(&body.signing_bytes(network).0).unwrap().try_into().unwrap();
        body.with_signature(signature)
    }

    #[test]
    fn records_are_their_peers_own_or_their_teller_is_to_blame() {
        let (neighbour, other) = (Keypair::generate_ed25519(), Keypair::generate_ed25519());
        let told = |own: Option<SignedPeerRecord>, known: Vec<SignedPeerRecord>| {
            let known = known.into_iter().map(|record| KnownPeer { record, last_seen: Timestamp(5) }).collect();
            let (from, ip) = (neighbour.public().to_peer_id(), "8.8.8.8".parse().unwrap());
            Told { network: Network::Dev, from, ip, own, known }.check(NOW)
        };
        let (mine, theirs) = (record(&neighbour, Network::Dev), record(&other, Network::Dev));
        let good = told(Some(mine.clone()), vec![theirs.clone()]).unwrap();
        let heard: Vec<_> = good.iter().map(|(_, h)| (h.first_hand, h.last_seen)).collect();
        assert_eq!(heard, [(true, NOW), (false, Timestamp(5))]);
        assert!(told(Some(theirs.clone()), vec![]).unwrap_err().contains("another peer's"));
        let mut changed = theirs.clone();
        changed.body.addresses = vec![NetAddress::tcp("6.6.6.6".parse().unwrap(), 80)];
        let elsewhere = record(&other, Network::Test);
        for bad in [changed.clone(), elsewhere] {
            assert!(told(None, vec![theirs.clone(), bad]).unwrap_err().contains("signature"));
        }
        let mut own = mine;
        own.body.services = Services(0xff);
        assert!(told(Some(own), vec![]).is_err());
    }
}
