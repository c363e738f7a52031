//! Public vectors: Wycheproof (ECDSA on secp256k1 as Bitcoin uses it, ECDH, ChaCha20-Poly1305) and BIP39.

use camelid_core::hash::{Hash32, sha256};
use camelid_core::keys::{ExtendedKey, KeyError, Mnemonic, PublicKey, SecretKey, Signature};
use serde_json::Value;

fn load(test: &str, name: &str) -> Option<Value> {
    let path = camelid_test_support::shared_data(test, &format!("vectors/{name}"))?;
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    Some(serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display())))
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_else(|| panic!("no text field {field} in {value}"))
}

fn bytes(value: &Value, field: &str) -> Vec<u8> {
    hex::decode(text(value, field)).unwrap_or_else(|e| panic!("{field} in {value}: {e}"))
}

fn tests(file: &Value) -> impl Iterator<Item = (&Value, &Value)> {
    let groups = file["testGroups"].as_array().expect("testGroups");
    groups.iter().flat_map(|g| g["tests"].as_array().expect("tests").iter().map(move |t| (g, t)))
}

/// An uncompressed point in compressed form; whether it is on the curve shows later.
fn compress(point: &[u8]) -> Option<Vec<u8>> {
    match point {
        [4, xy @ ..] if xy.len() == 64 => Some([&[2 + (xy[63] & 1)], &xy[..32]].concat()),
        _ => None,
    }
}

/// The 32 bytes of a number that the vectors write with leading zeros, or without.
fn number(mut digits: &[u8]) -> Option<[u8; 32]> {
    while digits.len() > 32 && digits[0] == 0 {
        digits = &digits[1..];
    }
    let mut out = [0; 32];
    out[32usize.checked_sub(digits.len())?..].copy_from_slice(digits);
    Some(out)
}

#[test]
fn wycheproof_ecdsa_bitcoin() {
    let Some(file) = load("wycheproof_ecdsa_bitcoin", "ecdsa_secp256k1_sha256_bitcoin_test.json") else { return };
    let mut run = 0;
    for (group, test) in tests(&file) {
        let key = compress(&bytes(&group["publicKey"], "uncompressed")).expect("uncompressed key");
        let key = PublicKey::from_bytes(&key).expect("valid key");
        let signature = Signature::from_der(&bytes(test, "sig"));
        let accepted = match &signature {
            Ok(s) => key.verify(&sha256(&bytes(test, "msg")), s),
            Err(_) => false,
        };
        let by_reference = signature.as_ref().is_ok_and(|s| key.verify_by_reference(&sha256(&bytes(test, "msg")), s));
        assert_eq!(accepted, by_reference, "{test}");
        assert_eq!(accepted, text(test, "result") == "valid", "{test}: {signature:?}");
        if test["flags"].as_array().is_some_and(|f| f.iter().any(|f| f == "SignatureMalleabilityBitcoin")) {
            assert_eq!(signature, Err(KeyError::HighS));
        }
        run += 1;
    }
    assert_eq!(run, file["numberOfTests"].as_u64().expect("numberOfTests"));
}

/// Diffie-Hellman is inside `seal`, so the vectors meet it there: what is sealed to the vector's public key
/// opens with the vector's shared coordinate alone, by the construction of `docs/protocol.md`.
#[test]
fn wycheproof_ecdh() {
    use hkdf::Hkdf;
    let Some(file) = load("wycheproof_ecdh", "ecdh_secp256k1_test.json") else { return };
    let (mut run, mut points) = (0, 0);
    for (_, test) in tests(&file) {
        run += 1;
        let public = bytes(test, "public");
        // Only the plain header of a secp256k1 key leads to a point that we could be given.
        let plain = hex::decode("3056301006072a8648ce3d020106052b8104000a034200").expect("hex");
        let Some(point) = public.strip_prefix(&plain[..]).and_then(compress) else { continue };
        let key = PublicKey::from_bytes(&point);
        let secret = number(&bytes(test, "private")).and_then(|b| SecretKey::from_bytes(b).ok());
        let (Ok(key), Some(secret)) = (key, secret) else {
            assert_ne!(text(test, "result"), "valid", "{test}");
            continue;
        };
        if text(test, "result") == "invalid" {
            continue;
        }
        points += 1;
        // A message whose ephemeral key is the vector's public key, made from the shared coordinate.
        let mut okm = [0; 44];
        Hkdf::<sha2::Sha256>::new(Some(b"camelid/seal/v1"), &bytes(test, "shared"))
            .expand_multi_info(&[key.as_bytes(), secret.public_key().as_bytes(), b"context"], &mut okm)
            .expect("length");
        let sealed = [key.as_bytes(), &aead::encrypt(&okm[..32], &okm[32..], b"", b"message")[..]].concat();
        let opened = camelid_core::keys::open(&secret, b"context", &sealed);
        assert_eq!(opened.as_deref(), Ok(&b"message"[..]), "{test}");
    }
    assert_eq!(run, file["numberOfTests"].as_u64().expect("numberOfTests"));
    assert!(points > 400, "only {points} points were used");
}

mod aead {
    use chacha20poly1305::aead::{AeadInOut, KeyInit};
    use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};

    fn parts(key: &[u8], nonce: &[u8]) -> Option<(ChaCha20Poly1305, Nonce)> {
        Some((ChaCha20Poly1305::new(&Key::try_from(key).ok()?), Nonce::try_from(nonce).ok()?))
    }

    pub fn encrypt(key: &[u8], nonce: &[u8], aad: &[u8], text: &[u8]) -> Vec<u8> {
        let (cipher, nonce) = parts(key, nonce).expect("lengths");
        let mut out = text.to_vec();
        cipher.encrypt_in_place(&nonce, aad, &mut out).expect("encryption");
        out
    }

    pub fn decrypt(key: &[u8], nonce: &[u8], aad: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (cipher, nonce) = parts(key, nonce)?;
        let mut out = sealed.to_vec();
        cipher.decrypt_in_place(&nonce, aad, &mut out).ok()?;
        Some(out)
    }
}

/// The library's cipher as we link it.
#[test]
fn wycheproof_chacha20_poly1305() {
    let Some(file) = load("wycheproof_chacha20_poly1305", "chacha20_poly1305_test.json") else { return };
    let mut run = 0;
    for (_, test) in tests(&file) {
        let (key, nonce, aad) = (bytes(test, "key"), bytes(test, "iv"), bytes(test, "aad"));
        let sealed = [bytes(test, "ct"), bytes(test, "tag")].concat();
        let opened = aead::decrypt(&key, &nonce, &aad, &sealed);
        if text(test, "result") == "valid" {
            assert_eq!(opened, Some(bytes(test, "msg")), "{test}");
            assert_eq!(aead::encrypt(&key, &nonce, &aad, &bytes(test, "msg")), sealed, "{test}");
        } else {
            assert_eq!(opened, None, "{test}");
        }
        run += 1;
    }
    assert_eq!(run, file["numberOfTests"].as_u64().expect("numberOfTests"));
}

/// Words, seed (passphrase TREZOR) and BIP32 master key.
#[test]
fn bip39_english() {
    let Some(file) = load("bip39_english", "bip39.json") else { return };
    let vectors = file["english"].as_array().expect("english");
    for vector in vectors {
        let field = |i: usize| vector[i].as_str().expect("text");
        let entropy = hex::decode(field(0)).expect("entropy");
        let mnemonic = Mnemonic::from_entropy(&entropy).expect("mnemonic");
        assert_eq!(mnemonic.phrase().as_str(), field(1));
        assert_eq!(Mnemonic::parse(field(1)).expect("words").entropy().as_slice(), entropy);
        let seed = mnemonic.seed("TREZOR");
        assert_eq!(hex::encode(*seed), field(2));
        assert_eq!(ExtendedKey::master(&*seed).expect("master").to_xprv().as_str(), field(3));
    }
    assert_eq!(vectors.len(), 24);
}

/// A hash above the order is reduced, not refused: signing and verifying agree.
#[test]
fn every_hash_can_be_signed() {
    let key = SecretKey::from_bytes([7; 32]).expect("key");
    for hash in [Hash32([0; 32]), Hash32([0xff; 32])] {
        assert!(key.public_key().verify(&hash, &key.sign(&hash)));
    }
}
