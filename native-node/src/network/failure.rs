//! Why a peer could not be reached, in words for people.

use super::TransportKind;
use super::address::plain;
use libp2p::Multiaddr;
use libp2p::core::transport::timeout::TransportTimeoutError;
use libp2p::quic;
use libp2p::swarm::DialError;
use std::error::Error;
use std::io;

/// An error and its causes, one after the other.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&e| {
        // An input/output error names the cause of what it wraps as its cause, and passes over what it wraps.
        match e.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(wrapped) => Some(wrapped as &(dyn Error + 'static)),
            None => e.source(),
        }
    })
}

/// The first error of a kind in a chain of causes.
fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    chain(error).find_map(|e| e.downcast_ref())
}

/// What an error and its causes say, each thing once.
fn text(error: &(dyn Error + 'static)) -> String {
    let mut all = String::new();
    for said in chain(error).map(ToString::to_string).filter(|said| !said.is_empty()) {
        if all.is_empty() {
            all = said;
        } else if !all.contains(&said) {
            all = format!("{all}: {said}");
        }
    }
    all
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

/// The kind of the system's error whose text this is: some layers repeat what the one below says, and hide it.
fn told_kind(text: &str) -> Option<io::ErrorKind> {
    let (_, rest) = text.rsplit_once("(os error ")?;
    let code = rest.split_once(')')?.0.parse().ok()?;
    Some(io::Error::from_raw_os_error(code).kind())
}

fn at(address: &Multiaddr, error: &(dyn Error + 'static)) -> String {
    let kind = io_kind(error).filter(|kind| *kind != io::ErrorKind::Other).or_else(|| told_kind(&text(error)));
    let late = matches!(find(error), Some(TransportTimeoutError::<io::Error>::Timeout))
        || matches!(find(error), Some(quic::Error::HandshakeTimedOut))
        || kind == Some(io::ErrorKind::TimedOut);
    match TransportKind::of(address) {
        // A WebRTC peer whose certificate is not the expected one stays silent, as an empty port does.
        Some(TransportKind::WebRtc) if late => {
            "no answer in time: nobody listens there, or with another certificate than the address names".into()
        }
        _ if late => "no answer in time".into(),
        _ if kind == Some(io::ErrorKind::ConnectionRefused) => "nobody listens there".into(),
        _ => clean_to(160, &text(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_found_and_told_once() {
        let inner = io::Error::new(io::ErrorKind::ConnectionRefused, "refused");
        let late = TransportTimeoutError::<io::Error>::Timeout;
        let wrapped = io::Error::other(io::Error::other(TransportTimeoutError::Other(inner)));
        assert_eq!(io_kind(&wrapped), Some(io::ErrorKind::ConnectionRefused));
        assert_eq!(text(&wrapped), "refused");
        let hidden = io::Error::other(io::Error::from_raw_os_error(111).to_string());
        assert_eq!(at(&"/ip4/127.0.0.1/tcp/5".parse().unwrap(), &hidden), "nobody listens there");
        let wrapped = io::Error::other(io::Error::other(late));
        assert!(matches!(find(&wrapped), Some(TransportTimeoutError::<io::Error>::Timeout)));
        let address = |text: &str| text.parse().unwrap();
        assert_eq!(at(&address("/ip4/127.0.0.1/udp/5/quic-v1"), &wrapped), "no answer in time");
        assert!(at(&address("/ip4/127.0.0.1/udp/5/webrtc-direct"), &wrapped).contains("certificate"));
    }
}
