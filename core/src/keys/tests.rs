use super::*;
use crate::encode::{Decode, Encode};
use crate::hash::{Hash32, KeyHash, sha256};
use crate::units::Network;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use alloc::{format, vec};
use proptest::prelude::*;

fn key(n: u8) -> SecretKey {
    let mut bytes = [0; 32];
    bytes[31] = n;
    SecretKey::from_bytes(bytes).unwrap()
}

const ORDER: &str = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";

fn number(hex_digits: &str) -> [u8; 32] {
    hex::decode(hex_digits).unwrap().try_into().unwrap()
}

#[test]
fn secret_keys_lie_below_the_order() {
    assert_eq!(SecretKey::from_bytes([0; 32]).unwrap_err(), KeyError::SecretOutOfRange);
    assert_eq!(SecretKey::from_bytes(number(ORDER)).unwrap_err(), KeyError::SecretOutOfRange);
    let mut largest = number(ORDER);
    largest[31] -= 1;
    assert_eq!(SecretKey::from_bytes(largest).unwrap().to_bytes(), largest);
    assert_eq!(format!("{:?}", key(1)), "SecretKey(hidden)");
}

#[test]
fn public_key_of_one_is_the_generator() {
    let generator = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
    let public = key(1).public_key();
    assert_eq!(public.to_string(), generator);
    assert_eq!(generator.parse::<PublicKey>(), Ok(public));
    assert_eq!(PublicKey::decode(&mut crate::encode::Reader::new(public.as_bytes())), Ok(public));
}

#[test]
fn other_forms_of_a_public_key_are_refused() {
    let good = *key(5).public_key().as_bytes();
    // 4: uncompressed, 5: SEC 1 "compact", 6 and 7: hybrid, 0: infinity.
    for prefix in [0, 1, 4, 5, 6, 7, 255] {
        let mut bytes = good;
        bytes[0] = prefix;
        assert_eq!(PublicKey::from_bytes(&bytes), Err(KeyError::PublicKeyPrefix { found: prefix }));
    }
    for len in [0, 1, 32, 34, 65] {
        assert_eq!(PublicKey::from_bytes(&vec![2; len]), Err(KeyError::PublicKeyLength { found: len }));
    }
    // x = 5 has no y; x above the field's prime is no coordinate.
    let mut none = [0; 33];
    (none[0], none[32]) = (2, 5);
    assert_eq!(PublicKey::from_bytes(&none), Err(KeyError::NotAPoint));
    let mut above = [0xff; 33];
    above[0] = 3;
    assert_eq!(PublicKey::from_bytes(&above), Err(KeyError::NotAPoint));
    assert_eq!("zz".repeat(33).parse::<PublicKey>(), Err(KeyError::NotHex));
}

/// The usual vector for RFC 6979 on secp256k1 (key 1, "Satoshi Nakamoto").
#[test]
fn nonces_follow_rfc_6979() {
    let hash = sha256(b"Satoshi Nakamoto");
    let signature = key(1).sign(&hash);
    let expected = "934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d8\
                    2442ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e5";
    assert_eq!(signature.to_string(), expected);
    assert!(key(1).public_key().verify(&hash, &signature));
    assert!(!key(2).public_key().verify(&hash, &signature));
    assert!(!key(1).public_key().verify(&sha256(b"Satoshi"), &signature));
}

#[test]
fn high_s_and_numbers_out_of_range_are_refused() {
    let good = *key(1).sign(&sha256(b"Satoshi Nakamoto")).as_bytes();
    let with_s = |s: [u8; 32]| {
        let mut bytes = good;
        bytes[32..].copy_from_slice(&s);
        Signature::from_bytes(bytes)
    };
    let half = number("7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0");
    let mut above = half;
    above[31] += 1;
    assert!(with_s(half).is_ok());
    assert_eq!(with_s(above), Err(KeyError::HighS));
    assert_eq!(with_s([0; 32]), Err(KeyError::SignatureOutOfRange));
    assert_eq!(with_s(number(ORDER)), Err(KeyError::SignatureOutOfRange));
    let mut high_r = good;
    high_r[..32].copy_from_slice(&number(ORDER));
    assert_eq!(Signature::from_bytes(high_r), Err(KeyError::SignatureOutOfRange));
    assert!(<Signature as Decode>::from_bytes(&high_r).is_err());
    let mut high_s = good;
    high_s[32..].copy_from_slice(&above);
    assert!(<Signature as Decode>::from_bytes(&high_s).is_err());
}

/// The paper's formula (2.2.2) gives the addresses that Bitcoin gives.
#[test]
fn addresses_are_those_of_bitcoin() {
    let from_wiki = "0250863ad64a87ae8a2fe83c1af1a8403cb53f53e486d8511dad8a04887e5b2352".parse().unwrap();
    for (public, text) in
        [(key(1).public_key(), "1BgGZ9tcN4rm9KBzDn7KprQz87SZ26SAMH"), (from_wiki, "1PMycacnJaSqwwJqjawXBErnLsZ7RkXUAs")]
    {
        let address = Address::new(Network::Main, &public);
        assert_eq!(address.to_string(), text);
        assert_eq!(Address::parse(text, Network::Main), Ok(address));
    }
    let genesis = "62e907b15cbf27d5425399ebf6f0fb50ebb88f18".parse().unwrap();
    assert_eq!(Address { network: Network::Main, hash: genesis }.to_string(), "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa");
    // Only zeros: the longest run of leading ones.
    let zeros = Address { network: Network::Main, hash: KeyHash::ZERO };
    assert_eq!(zeros.to_string(), "1111111111111111111114oLvT2");
    assert_eq!(Address::parse("1111111111111111111114oLvT2", Network::Main), Ok(zeros));
}

#[test]
fn address_errors_say_what_is_wrong() {
    let parse = |text: &str| Address::parse(text, Network::Main).unwrap_err();
    let good = "1BgGZ9tcN4rm9KBzDn7KprQz87SZ26SAMH";
    assert_eq!(parse("1BgGZ9tcN4rm9KBzDn7KprQz87SZ26SAMl"), AddressError::NotBase58 { character: 'l', position: 34 });
    assert_eq!(parse("1Bgé"), AddressError::NotBase58 { character: 'é', position: 4 });
    assert_eq!(parse(""), AddressError::WrongLength { found: 0 });
    assert_eq!(parse(&good[..20]), AddressError::WrongLength { found: 20 });
    assert_eq!(parse(&good.repeat(1000)), AddressError::WrongLength { found: 34_000 });
    assert_eq!(parse("1BgGZ9tcN4rm9KBzDn7KprQz87SZ26SAMJ"), AddressError::WrongChecksum);
    let dev = Address::new(Network::Dev, &key(1).public_key()).to_string();
    assert_eq!(parse(&dev), AddressError::WrongNetwork { expected: Network::Main, found: Network::Dev });
    // A pay-to-script-hash address of Bitcoin.
    let foreign = parse("3P14159f73E4gFr7JterCCQh9QjiTjiZrG");
    assert_eq!(foreign, AddressError::UnknownVersion { expected: Network::Main, found: 5 });
    assert_eq!(foreign.to_string(), "address has version byte 0x05, expected 0x00 (network main)");
}

/// BIP32, test vector 1.
#[test]
fn derivation_follows_bip32() {
    let seed: Vec<u8> = (0..16).collect();
    let master = ExtendedKey::master(&seed).unwrap();
    for (path, xprv) in [
        (
            "m",
            "xprv9s21ZrQH143K3QTDL4LXw2F7HEK3wJUD2nW2nRk4stbPy6cq3jPPqjiChkVvvNKmPGJxWUtg6LnF5kejMRNNU3TGtRBeJgk33yuGBxrMPHi",
        ),
        (
            "m/0'",
            "xprv9uHRZZhk6KAJC1avXpDAp4MDc3sQKNxDiPvvkX8Br5ngLNv1TxvUxt4cV1rGL5hj6KCesnDYUhd7oWgT11eZG7XnxHrnYeSvkzY7d2bhkJ7",
        ),
        (
            "m/0'/1",
            "xprv9wTYmMFdV23N2TdNG573QoEsfRrWKQgWeibmLntzniatZvR9BmLnvSxqu53Kw1UmYPxLgboyZQaXwTCg8MSY3H2EU4pWcQDnRnrVA1xe8fs",
        ),
        (
            "m/0'/1/2'",
            "xprv9z4pot5VBttmtdRTWfWQmoH1taj2axGVzFqSb8C9xaxKymcFzXBDptWmT7FwuEzG3ryjH4ktypQSAewRiNMjANTtpgP4mLTj34bhnZX7UiM",
        ),
        (
            "m/0'/1/2'/2",
            "xprvA2JDeKCSNNZky6uBCviVfJSKyQ1mDYahRjijr5idH2WwLsEd4Hsb2Tyh8RfQMuPh7f7RtyzTtdrbdqqsunu5Mm3wDvUAKRHSC34sJ7in334",
        ),
        (
            "m/0'/1/2'/2/1000000000",
            "xprvA41z7zogVVwxVSgdKUHDy1SKmdb533PjDz7J6N6mV6uS3ze1ai8FHa8kmHScGpWmj4WggLyQjgPie1rFSruoUihUZREPSL39UNdE3BBDu76",
        ),
    ] {
        assert_eq!(*master.derive_path(path).unwrap().to_xprv(), xprv, "{path}");
    }
    for bad in ["", "0/1", "m/x", "m//1", "m/2147483648", "m/-1"] {
        let error = master.derive_path(bad).unwrap_err();
        assert_eq!(error, DerivationError::Path { found: bad.to_string() });
    }
    assert_eq!(ExtendedKey::master(&[0; 63]).unwrap_err(), DerivationError::SeedLength { found: 63 });
}

#[test]
fn wallet_keys_lie_on_their_documented_paths() {
    let phrase = ["abandon"; 11].join(" ") + " about";
    let seed = Mnemonic::parse(&phrase).unwrap().seed("");
    let (wallet, master) = (WalletKeys::from_seed(&*seed).unwrap(), ExtendedKey::master(&*seed).unwrap());
    let at = |path: &str| master.derive_path(path).unwrap().secret_key().unwrap().to_bytes();
    assert_eq!(wallet.receive(0).unwrap().to_bytes(), at("m/44'/7077'/0'/0/0"));
    assert_eq!(wallet.change(9).unwrap().to_bytes(), at("m/44'/7077'/0'/1/9"));
    assert_eq!(wallet.job(3, JobKey::Encryption).unwrap().to_bytes(), at("m/44'/7077'/1'/3'/1'"));
    assert_eq!(wallet.job(3, JobKey::PromptSalt).unwrap().to_bytes(), at("m/44'/7077'/1'/3'/3'"));
    assert_eq!(wallet.receive(1 << 31).unwrap_err(), DerivationError::Index { found: 1 << 31 });
    assert_eq!(wallet.job(u32::MAX, JobKey::Client).unwrap_err(), DerivationError::Index { found: u32::MAX });
}

#[test]
fn mnemonic_errors_say_what_is_wrong() {
    let twelve = ["abandon"; 11].join(" ") + " about";
    let parse = |text: &str| Mnemonic::parse(text).unwrap_err();
    assert_eq!(Mnemonic::parse(&twelve.to_uppercase().replace(' ', "\n\t ")).unwrap().phrase().as_str(), twelve);
    assert_eq!(parse(""), MnemonicError::WordCount { found: 0 });
    assert_eq!(parse("abandon about"), MnemonicError::WordCount { found: 2 });
    assert_eq!(
        parse(&twelve.replacen("abandon about", "abondon about", 1)),
        MnemonicError::UnknownWord { position: 11, word: "abondon".to_string() }
    );
    assert_eq!(parse(&["abandon"; 12].join(" ")), MnemonicError::WrongChecksum);
    assert_eq!(Mnemonic::from_entropy(&[0; 17]).unwrap_err(), MnemonicError::EntropyLength { found: 17 });
}

#[test]
fn a_sealed_message_opens_for_its_key_and_context_alone() {
    let (mine, other) = (key(7), key(8));
    let sealed = seal(&mine.public_key(), &key(9), b"job 1", b"hello");
    assert_eq!(sealed.len(), 5 + SEAL_OVERHEAD);
    assert_eq!(open(&mine, b"job 1", &sealed).unwrap(), b"hello");
    assert_eq!(open(&mine, b"job 2", &sealed), Err(SealError::DoesNotOpen));
    assert_eq!(open(&other, b"job 1", &sealed), Err(SealError::DoesNotOpen));
    for len in 0..sealed.len() {
        assert!(open(&mine, b"job 1", &sealed[..len]).is_err());
    }
    assert_eq!(open(&mine, b"job 1", &[5; SEAL_OVERHEAD]), Err(SealError::NoKey));
    // The same again is the same; the same secret for another text makes another ephemeral key.
    assert_eq!(seal(&mine.public_key(), &key(9), b"job 1", b"hello"), sealed);
    assert_ne!(seal(&mine.public_key(), &key(9), b"job 1", b"hallo")[..33], sealed[..33]);
}

/// RFC 8439, appendix A.1, test vector 1: the first block under the zero key.
#[test]
fn the_stream_cipher_is_chacha20() {
    let mut data = [0; 32];
    stream_cipher(&[0; 32], &mut data);
    assert_eq!(hex::encode(data), "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7");
    let mut text = Vec::from(*b"an answer");
    stream_cipher(&[7; 32], &mut text);
    assert_ne!(text, b"an answer");
    stream_cipher(&[7; 32], &mut text);
    assert_eq!(text, b"an answer");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn signatures_verify_and_round_trip(secret: [u8; 32], message: [u8; 32], flip in 0usize..256) {
        let Ok(secret) = SecretKey::from_bytes(secret) else { return Ok(()) };
        let (public, signature) = (secret.public_key(), secret.sign(&Hash32(message)));
        prop_assert!(public.verify(&Hash32(message), &signature));
        prop_assert_eq!(Signature::from_der(&signature.to_der()), Ok(signature));
        prop_assert_eq!(<Signature as Decode>::from_bytes(&signature.to_bytes()), Ok(signature));
        prop_assert_eq!(PublicKey::from_bytes(public.as_bytes()), Ok(public));
        prop_assert_eq!(public.to_string().parse(), Ok(public));
        let mut other = message;
        other[flip / 8] ^= 1 << (flip % 8);
        prop_assert!(!public.verify(&Hash32(other), &signature));
    }

    /// One signature has one DER form: whatever parses is what `to_der` writes.
    #[test]
    fn der_is_canonical(secret in 1u8.., message: [u8; 32], at in 0usize..72, byte: u8, insert: bool) {
        let mut der = key(secret).sign(&Hash32(message)).to_der();
        let at = at % der.len();
        if insert { der.insert(at, byte) } else { der[at] = byte }
        if let Ok(parsed) = Signature::from_der(&der) {
            prop_assert_eq!(parsed.to_der(), der);
        }
    }

    #[test]
    fn random_bytes_are_refused_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..120), text in ".{0,60}") {
        if let Ok(parsed) = Signature::from_der(&bytes) {
            prop_assert_eq!(parsed.to_der(), bytes.clone());
        }
        let _ = PublicKey::from_bytes(&bytes);
        prop_assert!(open(&key(1), b"", &bytes).is_err());
        let _: Result<PublicKey, _> = text.parse();
        let _ = Mnemonic::parse(&text);
        prop_assert!(Address::parse(&text, Network::Test).is_err());
        let _ = ExtendedKey::master(&[1; 16]).unwrap().derive_path(&text);
    }

    #[test]
    fn addresses_round_trip_and_catch_one_wrong_digit(hash: [u8; 20], at: usize, digit in "[1-9A-HJ-NP-Za-km-z]") {
        for network in [Network::Main, Network::Test, Network::Dev] {
            let address = Address { network, hash: KeyHash(hash) };
            let text = address.to_string();
            prop_assert_eq!(Address::parse(&text, network), Ok(address));
            let at = at % text.len();
            let changed: String = [&text[..at], &digit, &text[at + 1..]].concat();
            prop_assert_eq!(Address::parse(&changed, network).is_ok(), changed == text);
        }
    }

    #[test]
    fn sealed_messages_round_trip(secret in 1u8.., seed in 1u8.., context: Vec<u8>, text: Vec<u8>, flip: usize) {
        let secret = key(secret);
        let mut sealed = seal(&secret.public_key(), &key(seed), &context, &text);
        prop_assert_eq!(sealed.len(), text.len() + SEAL_OVERHEAD);
        prop_assert_eq!(open(&secret, &context, &sealed), Ok(text));
        let at = flip % (sealed.len() * 8);
        sealed[at / 8] ^= 1 << (at % 8);
        prop_assert!(open(&secret, &context, &sealed).is_err());
    }

    #[test]
    fn entropy_round_trips(entropy: [u8; 32], words in 4usize..=8) {
        let entropy = &entropy[..words * 4];
        let mnemonic = Mnemonic::from_entropy(entropy).unwrap();
        prop_assert_eq!(&mnemonic.entropy()[..], entropy);
        prop_assert_eq!(Mnemonic::parse(&mnemonic.phrase()).unwrap(), mnemonic);
    }
}
