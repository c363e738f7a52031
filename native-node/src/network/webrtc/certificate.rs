//! The certificate of WebRTC connections, kept on disk: its hash is part of the node's addresses.

use crate::network::{NetworkError, write_private};
use libp2p_webrtc::tokio::Certificate;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

/// Reads the certificate in `file` (with its key, PEM), or makes one and writes it there, readable by its owner alone.
pub(in crate::network) fn load_or_create(file: &Path) -> Result<Certificate, NetworkError> {
    let error = |reason: String| NetworkError::Certificate { file: file.to_owned(), reason };
    match fs::read(file) {
        Ok(bytes) => parse(&bytes).ok_or_else(|| {
            let todo = "restore it, or delete it and the node makes itself a new one, with new addresses";
            error(format!("not a WebRTC certificate: {todo}"))
        }),
        Err(e) if e.kind() == ErrorKind::NotFound => {
            let certificate = Certificate::generate(&mut rand::rng()).map_err(|e| error(e.to_string()))?;
            write_private(file, certificate.serialize_pem().as_bytes()).map_err(|e| error(e.to_string()))?;
            Ok(certificate)
        }
        Err(e) => Err(error(e.to_string())),
    }
}

fn parse(bytes: &[u8]) -> Option<Certificate> {
    let text = std::str::from_utf8(bytes).ok()?;
    // The library panics on a first block that holds less than eight bytes.
    let mut lines = text.lines().skip_while(|line| *line != "-----BEGIN EXPIRES-----").skip(1);
    let expires = lines.next().filter(|line| line.len() == 12 && !line.ends_with("=="))?;
    let certificate = Certificate::from_pem(text).ok()?;
    // What is not the same when written again was damaged.
    (certificate.serialize_pem() == text && !expires.is_empty()).then_some(certificate)
}

/// The hash of a certificate, as it stands in addresses.
#[cfg(test)]
pub(in crate::network) fn certificate_hash(certificate: &Certificate) -> String {
    let hash = libp2p::multiaddr::Protocol::Certhash(certificate.fingerprint().to_multihash());
    hash.to_string().trim_start_matches("/certhash/").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_certificate_is_kept_and_private() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("deep/webrtc.pem");
        let first = load_or_create(&file).unwrap();
        assert_eq!(certificate_hash(&load_or_create(&file).unwrap()), certificate_hash(&first));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_damaged_certificate_is_named_and_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("webrtc.pem");
        load_or_create(&file).unwrap();
        let good = fs::read_to_string(&file).unwrap();
        let expires = good.lines().nth(1).unwrap();
        let cut = good.len() / 2;
        let damaged = [
            String::new(),
            "garbage".into(),
            good[..cut].into(),
            good[cut..].into(),
            good.replacen(expires, "", 1),
            good.replacen(expires, "AAAA", 1),
            good.replacen(expires, "AAAAAAAAAA==", 1),
            good.replacen(&good[cut..cut + 8], "!!!!!!!!", 1),
        ];
        for text in damaged {
            fs::write(&file, &text).unwrap();
            let error = load_or_create(&file).unwrap_err().to_string();
            assert!(error.contains("webrtc.pem") && error.contains("delete it") && !error.contains('\n'), "{error}");
            assert_eq!(fs::read_to_string(&file).unwrap(), text);
        }
    }
}
