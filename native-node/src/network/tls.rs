//! Certificates for WebSocket in TLS: our own, and those that are trusted beside the public ones.

use super::{NetworkError, TransportFiles};
use libp2p_websocket::tls;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::fs;
use std::path::Path;

fn unusable(file: &Path, reason: impl ToString) -> NetworkError {
    NetworkError::Certificate { file: file.to_owned(), reason: reason.to_string().replace('\n', " ") }
}

fn read(file: &Path) -> Result<Vec<u8>, NetworkError> {
    fs::read(file).map_err(|e| unusable(file, e))
}

/// The certificates in a PEM file, at least one.
fn certificates(file: &Path) -> Result<Vec<tls::Certificate>, NetworkError> {
    let text = read(file)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let found = found.map_err(|e| unusable(file, format!("no PEM: {e:?}")))?;
    if found.is_empty() {
        return Err(unusable(file, "it holds no certificate: expected PEM, `-----BEGIN CERTIFICATE-----`"));
    }
    Ok(found.iter().map(|certificate| tls::Certificate::new(certificate.to_vec())).collect())
}

/// The private key in a PEM file.
fn private_key(file: &Path) -> Result<tls::PrivateKey, NetworkError> {
    let key = PrivateKeyDer::from_pem_slice(&read(file)?)
        .map_err(|_| unusable(file, "it holds no private key: expected PEM, such as `-----BEGIN PRIVATE KEY-----`"))?;
    let der = key.secret_der();
    // The transport panics on what is none.
    PrivateKeyDer::try_from(der).map_err(|e| unusable(file, format!("its private key is damaged: {e}")))?;
    Ok(tls::PrivateKey::new(der.to_vec()))
}

/// What the transport needs.
pub(super) fn config(files: &TransportFiles) -> Result<tls::Config, NetworkError> {
    let mut config = tls::Config::builder();
    if let Some(own) = &files.tls {
        let (chain, key) = (certificates(&own.certificate)?, private_key(&own.key)?);
        let said = |e| unusable(&own.certificate, format!("it cannot be used with the key {}: {e}", own.key.display()));
        config.server(key, chain).map_err(said)?;
    }
    for file in &files.tls_trust {
        for certificate in certificates(file)? {
            config.add_trust(&certificate).map_err(|e| unusable(file, e))?;
        }
    }
    Ok(config.finish())
}
