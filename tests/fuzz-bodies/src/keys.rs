//! Keys: libsecp256k1 behind the room `keys` says what k256 says of every key, hash and signature; strict DER is BIP66's;
//! what is sealed opens for its owner, under its context, unaltered, and else for nobody.

use crate::Choices;
use crate::world::{PEOPLE, public, secret};
use camelid_core::hash::Hash32;
use camelid_core::keys::{
    ExtendedKey, Mnemonic, PublicKey, SEAL_OVERHEAD, SecretKey, Signature, VerifyingKey, open, seal, stream_cipher,
};
use k256::ecdsa::signature::hazmat::{PrehashSigner, PrehashVerifier};

/// Numbers at which something changes: order, half of it, prime, x of the generator, zero. Most significant byte first.
const EDGES: [&str; 5] = [
    "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141",
    "7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0",
    "fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f",
    "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798",
    "0000000000000000000000000000000000000000000000000000000000000000",
];

/// The target.
pub fn run(input: &[u8]) {
    let mut choices = Choices::new(input);
    match choices.below(6) {
        0 => signatures(&mut choices),
        1 => secrets(&mut choices),
        2 => der(&mut choices),
        3 => sealed(&mut choices),
        4 => opened(&mut choices),
        _ => derived(&mut choices),
    }
}

/// A number at an edge or beside it, or any.
fn number(choices: &mut Choices<'_>) -> [u8; 32] {
    let which = choices.below(8);
    let Some(edge) = EDGES.get(which) else { return choices.array() };
    let digit = |i: usize| u8::from_str_radix(&edge[2 * i..2 * i + 2], 16).unwrap_or(0);
    let mut number: [u8; 32] = core::array::from_fn(digit);
    let by = choices.below(7) as i8 - 3;
    for _ in 0..by.unsigned_abs() {
        for byte in number.iter_mut().rev() {
            let (moved, carry) = byte.overflowing_add_signed(by.signum());
            *byte = moved;
            if !carry {
                break;
            }
        }
    }
    number
}

/// A signature's numbers: a real one's, one of them replaced, or any.
fn numbers(hash: &Hash32, choices: &mut Choices<'_>) -> [u8; 64] {
    let mut bytes = *secret(choices.below(PEOPLE)).sign(hash).as_bytes();
    let what = choices.below(6);
    if what == 1 || what == 3 {
        bytes[..32].copy_from_slice(&number(choices));
    }
    if what == 2 || what == 3 {
        bytes[32..].copy_from_slice(&number(choices));
    }
    if what == 4 {
        let bit = usize::from(choices.short()) % 512;
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
    bytes
}

fn signatures(choices: &mut Choices<'_>) {
    let hash = Hash32(number(choices));
    let bytes = numbers(&hash, choices);
    let mut key = *public(choices.below(PEOPLE)).as_bytes();
    match choices.below(4) {
        1 => key[1..].copy_from_slice(&number(choices)),
        2 => key[0] ^= choices.byte(),
        3 => key = choices.array(),
        _ => {}
    }
    let compressed = matches!(key[0], 2 | 3);
    let theirs = k256::ecdsa::VerifyingKey::from_sec1_bytes(&key).ok().filter(|_| compressed);
    let ours = PublicKey::from_bytes(&key);
    assert_eq!(ours.is_ok(), theirs.is_some(), "{key:02x?}: {ours:?}");
    assert_eq!(VerifyingKey::from_bytes(&key).is_ok(), theirs.is_some());
    let numbers = k256::ecdsa::Signature::from_slice(&bytes).ok();
    let low = numbers.filter(|s| s.normalize_s() == *s);
    let signature = Signature::from_bytes(bytes);
    assert_eq!(signature.is_ok(), low.is_some(), "{bytes:02x?}: {signature:?}");
    let (Ok(ours), Some(theirs), Ok(signature), Some(low)) = (ours, theirs, signature, low) else { return };
    let expected = theirs.verify_prehash(&hash.0, &low).is_ok();
    assert_eq!(ours.verify(&hash, &signature), expected, "{bytes:02x?} of {key:02x?} for {hash}");
    assert_eq!(ours.verify_by_reference(&hash, &signature), expected);
    assert!(VerifyingKey::from_bytes(&key).is_ok_and(|k| k.verify(&hash, &signature) == expected));
}

fn secrets(choices: &mut Choices<'_>) {
    let (bytes, hash) = (number(choices), Hash32(number(choices)));
    let (ours, theirs) = (SecretKey::from_bytes(bytes), k256::ecdsa::SigningKey::from_slice(&bytes));
    assert_eq!(ours.is_ok(), theirs.is_ok(), "{bytes:02x?}");
    let (Ok(ours), Ok(theirs)) = (ours, theirs) else { return };
    assert_eq!(ours.to_bytes(), bytes);
    let key = ours.public_key();
    assert_eq!(key.as_bytes()[..], *theirs.verifying_key().to_sec1_point(true).as_bytes());
    let signature = ours.sign(&hash);
    let expected: k256::ecdsa::Signature = theirs.sign_prehash(&hash.0).expect("32 bytes can be signed");
    assert_eq!(signature.as_bytes()[..], expected.normalize_s().to_bytes()[..]);
    assert!(key.verify(&hash, &signature));
    assert_eq!(Signature::from_der(&signature.to_der()), Ok(signature));
}

/// BIP66, without the byte for the hash type that follows in Bitcoin: two numbers, none negative, none with a byte too many.
fn is_strict(der: &[u8]) -> bool {
    let [0x30, length, 0x02, rest @ ..] = der else { return false };
    let Some((r_length, rest)) = rest.split_first() else { return false };
    let Some((r, rest)) = rest.split_at_checked(usize::from(*r_length)) else { return false };
    let [0x02, s_length, s @ ..] = rest else { return false };
    let shortest = |n: &[u8]| match n {
        [] => false,
        [first, ..] if *first >= 0x80 => false,
        [0, second, ..] => *second >= 0x80,
        _ => true,
    };
    // Bitcoin takes 9 to 73 bytes with the hash type.
    let whole = usize::from(*length) == der.len() - 2 && s.len() == usize::from(*s_length);
    der.len() <= 72 && whole && shortest(r) && shortest(s)
}

fn der(choices: &mut Choices<'_>) {
    let mut bytes = match choices.below(2) {
        0 => choices.rest().to_vec(),
        _ => {
            let hash = Hash32(choices.array());
            let (r, s) = (number(choices), number(choices));
            let mut der = secret(choices.below(PEOPLE)).sign(&hash).to_der();
            if choices.below(2) == 0 {
                let digits = |n: &[u8; 32]| if n[0] >= 0x80 { [&[0], &n[..]].concat() } else { n.to_vec() };
                let element = |n: Vec<u8>| [&[2, n.len() as u8], &n[..]].concat();
                let body = [element(digits(&r)), element(digits(&s))].concat();
                der = [&[0x30, body.len() as u8], &body[..]].concat();
            }
            der
        }
    };
    if !choices.is_empty() && !bytes.is_empty() {
        let at = choices.below(bytes.len());
        bytes[at] ^= choices.byte();
    }
    let found = Signature::from_der(&bytes);
    if let Ok(signature) = &found {
        assert_eq!(signature.to_der(), bytes, "a signature has exactly one such form");
        assert!(is_strict(&bytes));
    }
    // Whatever is strict and whose numbers are a signature's is one.
    if is_strict(&bytes) {
        let number = |digits: &[u8]| {
            let digits = digits.strip_prefix(&[0]).unwrap_or(digits);
            let mut out = [0; 32];
            out.get_mut(32usize.checked_sub(digits.len())?..)?.copy_from_slice(digits);
            Some(out)
        };
        let r_length = usize::from(bytes[3]);
        let numbers = number(&bytes[4..4 + r_length]).zip(number(&bytes[6 + r_length..]));
        let expected = numbers.and_then(|(r, s)| Signature::from_bytes([r, s].concat().try_into().ok()?).ok());
        assert_eq!(found.ok(), expected, "{bytes:02x?}");
    }
}

fn sealed(choices: &mut Choices<'_>) {
    let to = choices.below(PEOPLE);
    let Ok(ephemeral) = SecretKey::from_bytes(number(choices)) else { return };
    let length = choices.below(9);
    let context = choices.bytes(length).to_vec();
    let (at, change) = (usize::from(choices.short()), choices.byte());
    let plaintext = choices.rest();
    let sealed = seal(&public(to), &ephemeral, &context, plaintext);
    assert_eq!(sealed.len(), plaintext.len() + SEAL_OVERHEAD);
    assert_eq!(sealed, seal(&public(to), &ephemeral, &context, plaintext));
    assert_eq!(open(secret(to), &context, &sealed).as_deref(), Ok(plaintext));
    assert!(open(secret(to + 1), &context, &sealed).is_err());
    assert!(open(secret(to), &[&context[..], b"x"].concat(), &sealed).is_err());
    if change != 0 {
        let mut altered = sealed.clone();
        altered[at % sealed.len()] ^= change;
        assert!(open(secret(to), &context, &altered).is_err(), "byte {}", at % sealed.len());
    }
    let (mut text, key) = (plaintext.to_vec(), ephemeral.to_bytes());
    stream_cipher(&key, &mut text);
    stream_cipher(&key, &mut text);
    assert_eq!(text, plaintext);
}

/// A stranger's message.
fn opened(choices: &mut Choices<'_>) {
    let to = choices.below(PEOPLE);
    let mut sealed = choices.rest().to_vec();
    let _ = open(secret(to), b"context", &sealed);
    if let Some(key) = sealed.get_mut(..33) {
        key.copy_from_slice(public(to + 1).as_bytes());
        assert!(open(secret(to), b"context", &sealed).is_err());
    }
}

fn derived(choices: &mut Choices<'_>) {
    let length = choices.of(&[16, 32, 64, 20, 24, 28, 15]);
    let mut seed = vec![0; length];
    seed.iter_mut().for_each(|b| *b = choices.byte());
    let words = Mnemonic::from_entropy(&seed);
    assert_eq!(words.is_ok(), matches!(length, 16 | 20 | 24 | 28 | 32));
    if let Ok(words) = words {
        assert_eq!(words.entropy()[..], seed);
    }
    let master = ExtendedKey::master(&seed);
    assert_eq!(master.is_ok(), matches!(length, 16 | 32 | 64));
    let (Ok(master), Ok(path)) = (master, core::str::from_utf8(choices.rest())) else { return };
    if let Ok(key) = master.derive_path(path) {
        assert!(key.secret_key().is_ok() && key.to_xprv().starts_with("xprv"));
    }
}
