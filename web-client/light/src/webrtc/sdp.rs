//! What a browser is told of the other side, and what is read from what it says of itself (libp2p's specification of
//! WebRTC-direct).

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
