//! Why a peer could not be reached, in words for people.

use super::TransportKind;
use super::address::plain;
use libp2p::Multiaddr;
use libp2p::core::transport::timeout::TransportTimeoutError;
use libp2p::quic;
use libp2p::swarm::DialError;
use std::error::Error;
use std::io;

/// The first error of a kind in a chain of causes.
fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(e) = next {
        if let Some(found) = e.downcast_ref() {
            return Some(found);
        }
        // An input/output error names the cause of what it wraps as its cause, and passes over what it wraps.
        next = e.downcast_ref::<io::Error>().and_then(io::Error::get_ref).map(|e| e as _).or_else(|| e.source());
    }
    None
}

/// The kind of the innermost input/output error in a chain of causes.
pub(super) fn io_kind(error: &(dyn Error + 'static)) -> Option<io::ErrorKind> {
    let error: &io::Error = find(error)?;
    match error.get_ref() {
        Some(inner) => io_kind(inner).or(Some(error.kind())),
        None => Some(error.kind()),
    }
}

/// A peer's text for the log and for people: short, without control characters.
pub(super) fn clean(text: &str) -> String {
    clean_to(64, text)
}

/// A peer's text, shortened to a number of characters.
pub(super) fn clean_to(most: usize, text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(most).collect()
}

/// Why an attempt failed.
pub(super) fn of_dial(error: &DialError) -> String {
    match error {
        DialError::LocalPeerId { .. } => "this is the node itself".into(),
        DialError::WrongPeerId { obtained, .. } => format!("another peer, {obtained}, answers there"),
        DialError::Transport(errors) => match errors.as_slice() {
            [] => "no transport can dial it".into(),
            [(address, error)] => at(address, error),
            several => {
                let all: Vec<_> = several.iter().map(|(to, e)| format!("{}: {}", plain(to), at(to, e))).collect();
                all.join("; ")
            }
        },
        DialError::Denied { .. } => "the peer is banned, or there are enough connections".into(),
        other => other.to_string(),
    }
}

fn at(address: &Multiaddr, error: &(dyn Error + 'static)) -> String {
    let late = matches!(find(error), Some(TransportTimeoutError::<io::Error>::Timeout))
        || matches!(find(error), Some(quic::Error::HandshakeTimedOut))
        || io_kind(error) == Some(io::ErrorKind::TimedOut);
    match TransportKind::of(address) {
        // A WebRTC peer whose certificate is not the expected one stays silent, as an empty port does.
        Some(TransportKind::WebRtc) if late => {
            "no answer in time: nobody listens there, or with another certificate than the address names".into()
        }
        _ if late => "no answer in time".into(),
        _ if io_kind(error) == Some(io::ErrorKind::ConnectionRefused) => "nobody listens there".into(),
        _ => clean_to(160, &error.to_string()),
    }
}
