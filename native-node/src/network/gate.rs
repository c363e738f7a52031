//! Who may connect to us: not the machines that are banned, and not too many from one machine or network.

use super::bans::block;
use super::limits::Limits;
use super::netaddr::ip_of;
use camelid_core::peers::Group;
use libp2p::core::transport::PortUse;
use libp2p::core::{Endpoint, util::unreachable};
use libp2p::swarm::behaviour::{ConnectionClosed, FromSwarm, ListenFailure};
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, NetworkBehaviour, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm, dummy,
};
use libp2p::{Multiaddr, PeerId};
use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::net::IpAddr;
use std::task::{Context, Poll};

/// Why a connection is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    #[error("the machine is banned")]
    Banned,
    #[error("there are {0} connections from this address")]
    Address(usize),
    #[error("there are {0} connections from this network")]
    Subnet(usize),
}

/// Counts the connections that others open, and refuses those over the limits before any handshake.
#[derive(Debug)]
pub(super) struct Gate {
    limits: Limits,
    banned: HashSet<IpAddr>,
    /// The machine and the network of each connection that somebody else opened; `None` where they are not limited.
    open: HashMap<ConnectionId, (IpAddr, Group)>,
}

impl Gate {
    pub(super) fn new(limits: Limits) -> Self {
        Gate { limits, banned: HashSet::new(), open: HashMap::new() }
    }

    /// Refuses a machine from now on.
    pub(super) fn ban(&mut self, ip: IpAddr) {
        self.banned.insert(ip);
    }

    pub(super) fn unban(&mut self, ip: &IpAddr) {
        self.banned.remove(ip);
    }

    fn let_in(&mut self, connection: ConnectionId, ip: IpAddr) -> Result<(), Refused> {
        let (machine, group) = (block(ip), Group::of(ip));
        if self.banned.contains(&machine) {
            return Err(Refused::Banned);
        }
        if self.limits.local.is_free(ip) {
            return Ok(());
        }
        let from_machine = self.open.values().filter(|(m, _)| *m == machine).count();
        let from_subnet = self.open.values().filter(|(_, g)| *g == group).count();
        if from_machine >= self.limits.per_address {
            return Err(Refused::Address(from_machine));
        }
        if from_subnet >= self.limits.per_subnet {
            return Err(Refused::Subnet(from_subnet));
        }
        self.open.insert(connection, (machine, group));
        Ok(())
    }
}

impl NetworkBehaviour for Gate {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        connection: ConnectionId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        match ip_of(remote) {
            Some(ip) => self.let_in(connection, ip).map_err(ConnectionDenied::new),
            None => Ok(()),
        }
    }

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(dummy::ConnectionHandler)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        if let FromSwarm::ConnectionClosed(ConnectionClosed { connection_id, .. })
        | FromSwarm::ListenFailure(ListenFailure { connection_id, .. }) = event
        {
            self.open.remove(&connection_id);
        }
    }

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        unreachable(event)
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::super::limits::Local;
    use super::*;

    struct Door(Gate, usize);

    impl Door {
        fn with(limits: Limits) -> Self {
            Door(Gate::new(limits), 0)
        }

        fn knock(&mut self, ip: &str) -> Result<ConnectionId, Refused> {
            self.1 += 1;
            let id = ConnectionId::new_unchecked(self.1);
            self.0.let_in(id, ip.parse().unwrap()).map(|()| id)
        }
    }

    #[test]
    fn so_many_from_one_address_and_so_many_from_one_network() {
        let mut door = Door::with(Limits { per_address: 2, per_subnet: 3, ..Limits::default() });
        let first = door.knock("9.8.1.1").unwrap();
        door.knock("::ffff:9.8.1.1").unwrap();
        assert_eq!(door.knock("9.8.1.1"), Err(Refused::Address(2)));
        door.knock("9.8.7.7").unwrap();
        assert_eq!(door.knock("9.8.200.1"), Err(Refused::Subnet(3)));
        door.knock("9.9.1.1").unwrap();
        door.0.open.remove(&first);
        door.knock("9.8.1.1").unwrap();
        // IPv6: a machine has a /64, an owner a /32.
        door.knock("2a00:1:0:1::1").unwrap();
        door.knock("2a00:1:0:1::2").unwrap();
        assert_eq!(door.knock("2a00:1:0:1::3"), Err(Refused::Address(2)));
        door.knock("2a00:1:5::1").unwrap();
        assert_eq!(door.knock("2a00:1:6::1"), Err(Refused::Subnet(3)));
    }

    #[test]
    fn whom_the_limits_do_not_concern() {
        let limits = |local| Limits { per_address: 1, per_subnet: 1, local, ..Limits::default() };
        for (local, loopback, private) in
            [(Local::Free, true, true), (Local::LoopbackFree, true, false), (Local::Limited, false, false)]
        {
            let mut door = Door::with(limits(local));
            for (ip, free) in [("127.0.0.1", loopback), ("10.1.1.1", private), ("9.1.1.1", false)] {
                door.knock(ip).unwrap();
                assert_eq!(door.knock(ip).is_ok(), free, "{local:?} {ip}");
            }
        }
    }

    #[test]
    fn a_banned_machine_does_not_get_in() {
        let mut door = Door::with(Limits::default());
        let six = block("2a00:1:2:3:4::5".parse().unwrap());
        door.0.ban("9.8.7.6".parse().unwrap());
        door.0.ban(six);
        for ip in ["9.8.7.6", "::ffff:9.8.7.6", "2a00:1:2:3::9"] {
            assert_eq!(door.knock(ip), Err(Refused::Banned));
        }
        door.knock("9.8.7.7").unwrap();
        door.0.unban(&six);
        door.knock("2a00:1:2:3::9").unwrap();
    }
}
