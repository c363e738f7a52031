//! Whom we talk to no more for a while: peers by their id, and machines by their IP address, since an id costs nothing.

use super::files::{Saver, load};
use crate::system::unix_time;
use camelid_core::encode::{Decode, DecodeError, Encode, Reader, put_bytes, put_varint};
use camelid_core::peers::Scope;
use libp2p::PeerId;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Bans at once; a peer id costs nothing, so the list must not grow with them.
const MAX_BANS: usize = 4096;
/// The longest reason that is kept, in bytes.
const MAX_REASON: usize = 960;
/// A ban is on the disk after this time.
const SAVE_WITHIN: Duration = Duration::from_millis(500);
/// The longest ban: a hundred years.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// Who is banned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Banned {
    /// A peer.
    Peer(PeerId),
    /// A machine: an IPv4 address, or an IPv6 /64, of which one machine has all addresses.
    Address(IpAddr),
}

impl Banned {
    /// The machine at an IP address; `None` for this machine, which is never banned.
    pub fn machine(ip: IpAddr) -> Option<Banned> {
        (Scope::of(ip) != Some(Scope::Loopback)).then(|| Banned::Address(block(ip)))
    }
}

/// The addresses that one machine has: an IPv4 address itself, an IPv6 address's /64.
pub(super) fn block(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 => v4,
    }
}

impl std::fmt::Display for Banned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Banned::Peer(peer) => peer.fmt(f),
            Banned::Address(ip) if ip.is_ipv6() => write!(f, "{ip}/64"),
            Banned::Address(ip) => ip.fmt(f),
        }
    }
}

/// Text that names neither a peer nor a machine that can be banned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` can't be banned: expected a peer id (12D3Koo..) or an IP address of another machine")]
pub struct BannedError(String);

impl std::str::FromStr for Banned {
    type Err = BannedError;

    fn from_str(text: &str) -> Result<Self, BannedError> {
        let ip = || text.strip_suffix("/64").unwrap_or(text).parse().ok().and_then(Banned::machine);
        let who = text.parse().ok().map(Banned::Peer).or_else(ip);
        who.ok_or_else(|| BannedError(text.chars().filter(|c| !c.is_control()).take(80).collect()))
    }
}

/// A ban.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ban {
    /// Who.
    pub who: Banned,
    /// Until when: the time since 1970.
    pub until: Duration,
    /// Why.
    pub reason: String,
}

/// The bans, kept in a file.
#[derive(Debug)]
pub(super) struct Bans {
    bans: BTreeMap<Banned, (Duration, String)>,
    saver: Saver,
}

impl Bans {
    /// The bans in a file, those that are over left out.
    pub(super) fn open(file: Option<PathBuf>) -> Self {
        let bans = file.as_deref().and_then(|file| load(file, WHAT, from_bytes)).unwrap_or_default();
        let mut bans = Bans { bans, saver: Saver::new(file, WHAT) };
        bans.expire();
        bans
    }

    /// Bans, for so long from now; a ban that lasts longer stays. Whose ban ends instead, where the list is full.
    pub(super) fn add(&mut self, who: Banned, length: Duration, reason: &str, now: Instant) -> Option<Banned> {
        let full = self.bans.len() >= MAX_BANS && !self.bans.contains_key(&who);
        let soonest = self.bans.iter().filter(|_| full).min_by_key(|(_, (until, _))| *until).map(|(who, _)| *who);
        if let Some(soonest) = &soonest {
            self.bans.remove(soonest);
        }
        let until = unix_time() + length.min(LONGEST);
        let ban = self.bans.entry(who).or_insert_with(|| (until, reason.into()));
        if ban.0 < until {
            *ban = (until, reason.into());
        }
        self.saver.changed(now, SAVE_WITHIN);
        soonest
    }

    /// Ends a ban; false when there was none.
    pub(super) fn remove(&mut self, who: &Banned, now: Instant) -> bool {
        let was = self.bans.remove(who).is_some();
        if was {
            self.saver.changed(now, SAVE_WITHIN);
        }
        was
    }

    /// Takes out the bans that are over.
    pub(super) fn expire(&mut self) -> Vec<Banned> {
        let now = unix_time();
        let over: Vec<Banned> = self.bans.iter().filter(|(_, (until, _))| *until <= now).map(|(who, _)| *who).collect();
        for who in &over {
            self.bans.remove(who);
        }
        over
    }

    pub(super) fn has_peer(&self, peer: &PeerId) -> bool {
        self.bans.contains_key(&Banned::Peer(*peer))
    }

    pub(super) fn has_machine(&self, ip: IpAddr) -> bool {
        Banned::machine(ip).is_some_and(|who| self.bans.contains_key(&who))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Ban> {
        self.bans.iter().map(|(who, (until, reason))| Ban { who: *who, until: *until, reason: reason.clone() })
    }

    pub(super) fn tick(&mut self, now: Instant) {
        self.saver.tick(now, || to_bytes(&self.bans));
    }

    pub(super) async fn save(&mut self) {
        self.saver.finish(|| to_bytes(&self.bans)).await;
    }
}

const WHAT: &str = "list of bans";

fn to_bytes(bans: &BTreeMap<Banned, (Duration, String)>) -> Vec<u8> {
    let mut out = Vec::new();
    put_varint(bans.len() as u64, &mut out);
    for (who, (until, reason)) in bans {
        put_bytes(who.to_string().as_bytes(), &mut out);
        (until.as_millis() as u64).encode(&mut out);
        put_bytes(reason.as_bytes(), &mut out);
    }
    out
}

fn from_bytes(bytes: &[u8]) -> Result<BTreeMap<Banned, (Duration, String)>, DecodeError> {
    let mut r = Reader::new(bytes);
    let mut bans = BTreeMap::new();
    for _ in 0..r.length("bans", MAX_BANS)? {
        let who = r.text("who is banned", 100)?.parse().map_err(|_| DecodeError::Malformed("who is banned"))?;
        let until = Duration::from_millis(u64::decode(&mut r)?);
        bans.insert(who, (until, r.text("reason", MAX_REASON)?));
    }
    r.finish()?;
    Ok(bans)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(ip: &str) -> Option<Banned> {
        Banned::machine(ip.parse().unwrap())
    }

    #[test]
    fn whoever_can_be_banned_is_read_as_shown() {
        for text in ["12D3KooWGzxzKZYveHXtpG6AsrUJBcWxHBFS2HsEoGTxrMLvKXtf", "9.8.7.6", "2a00:1:2:3::/64"] {
            assert_eq!(text.parse::<Banned>().unwrap().to_string(), text);
        }
        assert_eq!("2a00:1:2:3:4::5".parse::<Banned>().unwrap().to_string(), "2a00:1:2:3::/64");
        assert_eq!(machine("::ffff:9.8.7.6"), machine("9.8.7.6"));
        for text in ["", "peer", "127.0.0.1", "::1", "9.8.7", "\u{1b}[31m"] {
            let error = text.parse::<Banned>().unwrap_err().to_string();
            assert!(error.contains("peer id") && !error.contains('\u{1b}'), "{error}");
        }
    }

    #[tokio::test]
    async fn bans_outlive_the_process_until_they_end() {
        let dir = tempfile::tempdir().unwrap();
        let file = Some(dir.path().join("peers.bans"));
        let (peer, now, hour) = (PeerId::random(), Instant::now(), Duration::from_secs(3600));
        let address = machine("9.8.7.6").unwrap();
        let mut bans = Bans::open(file.clone());
        bans.add(Banned::Peer(peer), hour, "it lied", now);
        bans.add(Banned::Peer(peer), hour / 2, "a shorter one changes nothing", now);
        bans.add(address, Duration::ZERO, "over at once", now);
        bans.add(machine("2a00::1").unwrap(), Duration::MAX, "for ever", now);
        bans.save().await;
        let mut again = Bans::open(file.clone());
        let reasons: Vec<_> = again.iter().map(|b| b.reason).collect();
        assert_eq!(reasons, ["it lied", "for ever"]);
        assert!(again.has_peer(&peer) && again.has_machine("2a00::2".parse().unwrap()));
        assert!(!again.has_machine("9.8.7.6".parse().unwrap()) && !again.has_machine("127.0.0.1".parse().unwrap()));
        assert!(again.remove(&Banned::Peer(peer), now) && !again.remove(&Banned::Peer(peer), now));
        again.save().await;
        assert_eq!(Bans::open(file).iter().count(), 1);
    }

    #[test]
    fn the_list_stays_short() {
        let (mut bans, now) = (Bans::open(None), Instant::now());
        let first = PeerId::random();
        bans.add(Banned::Peer(first), Duration::from_secs(1), "soonest over", now);
        let ended: Vec<Banned> = (0..MAX_BANS as u64)
            .filter_map(|i| bans.add(Banned::Peer(PeerId::random()), Duration::from_secs(10 + i), "", now))
            .collect();
        assert_eq!((bans.bans.len(), ended), (MAX_BANS, vec![Banned::Peer(first)]));
    }
}
