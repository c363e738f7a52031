//! Script numbers: little-endian with a sign bit, in their shortest form.

use super::ScriptError;
use alloc::vec::Vec;

/// Reads a number of at most `max` bytes (at most 8), in its shortest form.
pub(super) fn decode(bytes: &[u8], max: usize) -> Result<i64, ScriptError> {
    let bad = ScriptError::BadNumber { len: bytes.len() };
    let Some((&last, body)) = bytes.split_last() else { return Ok(0) };
    // The last byte may hold the sign alone only where the byte before uses its top bit.
    let needless = last & 0x7f == 0 && body.last().is_none_or(|b| b & 0x80 == 0);
    if bytes.len() > max.min(8) || needless {
        return Err(bad);
    }
    let mut value = i64::from(last & 0x7f);
    for byte in body.iter().rev() {
        value = value << 8 | i64::from(*byte);
    }
    Ok(if last & 0x80 != 0 { -value } else { value })
}

/// The shortest form of a number.
pub(super) fn encode(value: i64) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = value.unsigned_abs();
    while rest > 0 {
        out.push(rest as u8);
        rest >>= 8;
    }
    let sign = if value < 0 { 0x80 } else { 0 };
    match out.last_mut() {
        Some(last) if *last & 0x80 == 0 => *last |= sign,
        Some(_) => out.push(sign),
        None => {}
    }
    out
}

/// Whether an element counts as true: any bit but the sign is set.
pub(super) fn is_true(bytes: &[u8]) -> bool {
    match bytes.split_last() {
        Some((last, body)) => last & 0x7f != 0 || body.iter().any(|b| *b != 0),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn edges() {
        let (negative_zero, long_one, long_128) = ([0x80], [1, 0], [0x80, 0, 0]);
        for bad in [&negative_zero[..], &long_one, &long_128, &[0]] {
            assert!(decode(bad, 5).is_err(), "{bad:?}");
        }
        assert_eq!(decode(&[0x80, 0], 5), Ok(128));
        assert_eq!(decode(&[0xff, 0xff, 0xff, 0xff, 0x7f], 5), Ok(0x7f_ffff_ffff));
        assert!(decode(&[1, 2, 3, 4, 5], 4).is_err());
        assert!(!is_true(&[0, 0, 0x80]) && !is_true(&[]) && is_true(&[0x80, 0]));
    }

    proptest! {
        #[test]
        fn numbers_round_trip(n in -(1i64 << 39) + 1..1i64 << 39) {
            let bytes = encode(n);
            prop_assert_eq!(decode(&bytes, 5), Ok(n));
            prop_assert_eq!(is_true(&bytes), n != 0);
        }

        #[test]
        fn one_number_has_one_form(bytes in prop::collection::vec(any::<u8>(), 0..9)) {
            if let Ok(n) = decode(&bytes, 8) {
                prop_assert_eq!(encode(n), bytes);
            }
        }
    }
}
