//! By which name a caller names this server, and from which page it calls.

use axum::http::{HeaderMap, header};
use std::net::IpAddr;

/// The host of a request: what the caller took this server for. A browser sends what stands in its address line, so a
/// name that somebody else owns and points at this machine (DNS rebinding) shows here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Host {
    /// An address.
    Ip(IpAddr),
    /// `localhost`.
    Localhost,
    /// Another name, in small letters.
    Name(String),
}

impl Host {
    /// Of a request; `None` when it has none.
    pub(super) fn of(headers: &HeaderMap) -> Option<Host> {
        Host::parse(text(headers, header::HOST.as_str())?)
    }

    /// With or without a port.
    pub(super) fn parse(text: &str) -> Option<Host> {
        let name = match text.strip_prefix('[') {
            Some(v6) => v6.split(']').next(),
            None => text.split(':').next(),
        };
        let name = name.filter(|name| !name.is_empty())?.to_ascii_lowercase();
        Some(match name.parse() {
            Ok(ip) => Host::Ip(ip),
            Err(_) if name == "localhost" => Host::Localhost,
            Err(_) => Host::Name(name),
        })
    }

    /// Whether it means this machine, seen from this machine.
    pub(super) fn is_loopback(&self) -> bool {
        match self {
            Host::Ip(ip) => ip.is_loopback(),
            Host::Localhost => true,
            Host::Name(_) => false,
        }
    }
}

/// Whether a browser sent this for a page of another server.
pub(super) fn from_elsewhere(headers: &HeaderMap) -> bool {
    let site = text(headers, "sec-fetch-site").is_none_or(|site| site == "same-origin" || site == "none");
    let origin = headers.get(header::ORIGIN).is_none_or(|origin| {
        let authority = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, rest)| rest);
        authority.is_some() && authority == text(headers, header::HOST.as_str())
    });
    !(site && origin)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_this_machine() {
        for yes in ["127.0.0.1", "127.0.0.1:27461", "localhost:1", "LOCALHOST", "[::1]:5", "127.9.9.9:1"] {
            assert!(Host::parse(yes).unwrap().is_loopback(), "{yes}");
        }
        for no in
            ["example.com", "127.0.0.1.example.com:80", "10.0.0.1:5", "[fe80::1]:5", "localhost.example", "0.0.0.0"]
        {
            assert!(!Host::parse(no).unwrap().is_loopback(), "{no}");
        }
        assert_eq!((Host::parse(""), Host::parse(":80"), Host::parse("[]:80")), (None, None, None));
        assert_eq!(Host::parse("Example.COM:80"), Some(Host::Name("example.com".into())));
    }

    #[test]
    fn pages_of_other_servers() {
        let elsewhere = |pairs: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(*name, value.parse().unwrap());
            }
            from_elsewhere(&headers)
        };
        let host = ("host", "127.0.0.1:5");
        for own in [
            &[host][..],
            &[host, ("origin", "http://127.0.0.1:5")],
            &[host, ("origin", "http://127.0.0.1:5"), ("sec-fetch-site", "same-origin")],
            &[host, ("sec-fetch-site", "none")],
        ] {
            assert!(!elsewhere(own), "{own:?}");
        }
        for other in [
            &[host, ("origin", "http://example.com")][..],
            &[host, ("origin", "null")],
            &[host, ("origin", "http://127.0.0.1:6")],
            &[host, ("sec-fetch-site", "same-site")],
            &[host, ("sec-fetch-site", "cross-site")],
            &[("origin", "http://127.0.0.1:5")],
        ] {
            assert!(elsewhere(other), "{other:?}");
        }
    }
}
