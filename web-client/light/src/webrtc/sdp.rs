//! What a browser is told of the other side, and what is read from what it says of itself (libp2p's specification of
//! WebRTC-direct).

use crate::outside;
use core::net::SocketAddr;
use libp2p_webrtc_utils::Fingerprint;

/// The browser's offer with the name that both sides derive from the address: `ufrag` for user and password.
pub fn with_ufrag(offer: &str, ufrag: &str) -> String {
    let line = |line: &str| match line {
        line if line.starts_with("a=ice-ufrag:") => format!("a=ice-ufrag:{ufrag}\r\n"),
        line if line.starts_with("a=ice-pwd:") => format!("a=ice-pwd:{ufrag}\r\n"),
        line => format!("{line}\r\n"),
    };
    offer.lines().filter(|text| !text.is_empty()).map(line).collect()
}

/// The hash of the browser's certificate.
pub fn fingerprint(description: &str) -> Option<Fingerprint> {
    let text = description.lines().find_map(|line| line.strip_prefix("a=fingerprint:sha-256 "))?;
    let mut bytes = [0; 32];
    let mut parts = text.trim().split(':');
    for byte in &mut bytes {
        *byte = u8::from_str_radix(parts.next()?, 16).ok()?;
    }
    parts.next().is_none().then(|| Fingerprint::raw(bytes))
}

/// A new name: the specification's prefix and 64 random digits.
pub fn random_ufrag() -> String {
    let bytes: [u8; 32] = outside::random();
    bytes.iter().fold(String::from("libp2p+webrtc+v1/"), |name, byte| format!("{name}{byte:02x}"))
}

/// The answer that a node at this address would give to our offer: browsers need one, and the address tells all of it.
pub fn answer(target: SocketAddr, theirs: Fingerprint, ufrag: &str) -> String {
    let (ip, port) = (target.ip(), target.port());
    let version = if target.is_ipv4() { "IP4" } else { "IP6" };
    let (hash, sum) = (theirs.algorithm(), theirs.to_sdp_format());
    let lines = [
        "v=0",
        &format!("o=- 0 0 IN {version} {ip}"),
        "s=-",
        "t=0 0",
        "a=ice-lite",
        &format!("m=application {port} UDP/DTLS/SCTP webrtc-datachannel"),
        &format!("c=IN {version} {ip}"),
        "a=mid:0",
        "a=ice-options:ice2",
        &format!("a=ice-ufrag:{ufrag}"),
        &format!("a=ice-pwd:{ufrag}"),
        &format!("a=fingerprint:{hash} {sum}"),
        "a=setup:passive",
        "a=sctp-port:5000",
        "a=max-message-size:16384",
        &format!("a=candidate:1467250027 1 UDP 1467250027 {ip} {port} typ host"),
        "a=end-of-candidates",
    ];
    lines.iter().flat_map(|line| [*line, "\r\n"]).collect()
}
