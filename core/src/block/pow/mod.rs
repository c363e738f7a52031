//! Searching a nonce with the hash state after the header's first 64 bytes computed once.

#[cfg(all(feature = "cpu", target_arch = "x86_64"))]
#[allow(unsafe_code)]
mod lanes;

use super::{Header, Target};
use crate::encode::Encode;
use crate::hash::BlockHash;
use core::ops::RangeInclusive;
use sha2::block_api::compress256;

/// SHA-256's initial state (FIPS 180-4, 5.3.3).
const INITIAL: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// A header without its nonce, ready to be hashed with many nonces: two compressions each instead of three.
#[derive(Clone, Debug)]
pub struct PowMidstate {
    /// State after the first 64 bytes.
    state: [u32; 8],
    /// The last 16 bytes and the padding; the nonce stands at 12..16.
    tail: [u8; 64],
}

impl PowMidstate {
    /// Prepares `header`; its nonce does not matter.
    pub fn new(header: &Header) -> Self {
        let bytes = header.to_bytes();
        let (mut head, mut tail, mut state) = ([0; 64], [0; 64], INITIAL);
        head.copy_from_slice(&bytes[..64]);
        tail[..16].copy_from_slice(&bytes[64..]);
        tail[16] = 0x80;
        tail[56..].copy_from_slice(&(80u64 * 8).to_be_bytes());
        compress256(&mut state, &[head]);
        PowMidstate { state, tail }
    }

    /// The state after the second SHA-256: the hash in big-endian words.
    fn words(&self, tail: &mut [u8; 64], second: &mut [u8; 64], nonce: u32) -> [u32; 8] {
        tail[12..16].copy_from_slice(&nonce.to_le_bytes());
        let mut state = self.state;
        compress256(&mut state, core::slice::from_ref(tail));
        for (bytes, word) in second.chunks_exact_mut(4).zip(state) {
            bytes.copy_from_slice(&word.to_be_bytes());
        }
        let mut state = INITIAL;
        compress256(&mut state, core::slice::from_ref(second));
        state
    }

    /// The header's hash with `nonce`.
    pub fn hash(&self, nonce: u32) -> BlockHash {
        to_hash(&self.words(&mut self.tail.clone(), &mut second_block(), nonce))
    }

    /// The first nonce in `range` with which the hash reaches `target`. With the feature `cpu`, by the processor's own
    /// instructions for SHA-256 where it has them.
    pub fn try_nonces(&self, range: RangeInclusive<u32>, target: &Target) -> Option<u32> {
        #[cfg(all(feature = "cpu", target_arch = "x86_64"))]
        if let Some(instructions) = lanes::ShaInstructions::find() {
            let word = |at: usize| self.tail.iter().skip(4 * at).take(4).fold(0, |word, b| word << 8 | u32::from(*b));
            let (tail, limit) = ([word(0), word(1), word(2)], first_word(target));
            let mut range = range;
            while let Some(nonce) = instructions.first_candidate(&self.state, tail, range.clone(), limit) {
                if target.is_met_by(&self.hash(nonce)) {
                    return Some(nonce);
                }
                range = nonce.checked_add(1)?..=*range.end();
            }
            return None;
        }
        self.try_nonces_portably(range, target)
    }

    /// The same without special instructions: the reference.
    pub fn try_nonces_portably(&self, range: RangeInclusive<u32>, target: &Target) -> Option<u32> {
        let (mut tail, mut second, limit) = (self.tail, second_block(), first_word(target));
        for nonce in range {
            let words = self.words(&mut tail, &mut second, nonce);
            if words[7].swap_bytes() <= limit && target.is_met_by(&to_hash(&words)) {
                return Some(nonce);
            }
        }
        None
    }
}

/// The highest 32 bits of a target. The hash is a little-endian number: its last word decides nearly always.
fn first_word(target: &Target) -> u32 {
    target.0.to_be_bytes().as_ref().iter().take(4).fold(0, |word, byte| word << 8 | u32::from(*byte))
}

/// What the second SHA-256 hashes: 32 bytes and the padding.
fn second_block() -> [u8; 64] {
    let mut block = [0; 64];
    block[32] = 0x80;
    block[56..].copy_from_slice(&(32u64 * 8).to_be_bytes());
    block
}

fn to_hash(words: &[u32; 8]) -> BlockHash {
    let mut hash = BlockHash::ZERO;
    for (bytes, word) in hash.0.chunks_exact_mut(4).zip(words) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::CompactTarget;
    use crate::encode::Decode;
    use crate::hash::Hash32;
    use crate::units::Timestamp;
    use alloc::string::ToString;
    use crypto_bigint::U256;
    use proptest::prelude::*;

    #[test]
    fn bitcoins_genesis_block() {
        let header = Header {
            version: 1,
            previous: BlockHash::ZERO,
            merkle_root: "3ba3edfd7a7b12b27ac72c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4a".parse::<Hash32>().unwrap(),
            time: Timestamp(1_231_006_505),
            bits: CompactTarget(0x1d00_ffff),
            nonce: 2_083_236_893,
        };
        let expected = "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f";
        assert_eq!(header.hash().to_string(), expected);
        let pow = PowMidstate::new(&header);
        assert_eq!(pow.hash(header.nonce), header.hash());
        let target = header.bits.target().unwrap();
        for search in [PowMidstate::try_nonces, PowMidstate::try_nonces_portably] {
            assert_eq!(search(&pow, 2_083_236_000..=2_083_237_000, &target), Some(header.nonce));
            assert_eq!(search(&pow, 2_083_236_894..=2_083_237_000, &target), None);
            // The last one, and the first.
            assert_eq!(search(&pow, 2_083_236_000..=header.nonce, &target), Some(header.nonce));
            assert_eq!(search(&pow, header.nonce..=header.nonce, &target), Some(header.nonce));
            assert_eq!(search(&pow, 2_083_236_000..=header.nonce - 1, &target), None);
        }
    }

    /// A header of random bytes.
    fn header(bytes: [u8; 80]) -> Header {
        Header::from_bytes(&bytes).unwrap()
    }

    proptest! {
        #[test]
        fn the_midstate_changes_nothing(bytes: [u8; 16], nonce: u32, root: [u8; 32]) {
            let mut all = [0; 80];
            all[..16].copy_from_slice(&bytes);
            all[40..72].copy_from_slice(&root);
            let header = Header { nonce, ..Header::from_bytes(&all).unwrap() };
            prop_assert_eq!(PowMidstate::new(&header).hash(nonce), header.hash());
        }

        /// A target that is a hash itself, or one less, is reached exactly there: all 256 bits of every hash count.
        #[test]
        fn both_searches_find_the_same_nonce(
            bytes in prop::array::uniform::<_, 80>(any::<u8>()), start: u32, at_end: bool, length in 0u32..40, pick: u32,
            shift in 0u32..12,
        ) {
            let pow = PowMidstate::new(&header(bytes));
            let start = if at_end { u32::MAX - length } else { start };
            let range = start..=start.saturating_add(length);
            let hash = pow.hash(start.saturating_add(pick % (length + 1)));
            let exact = U256::from_le_slice(&hash.0);
            for target in [exact, exact.wrapping_sub(&U256::ONE), U256::MAX.unbounded_shr_vartime(shift)] {
                let target = Target(target);
                let found = pow.try_nonces(range.clone(), &target);
                prop_assert_eq!(found, pow.try_nonces_portably(range.clone(), &target));
                prop_assert_eq!(found, range.clone().find(|nonce| target.is_met_by(&pow.hash(*nonce))));
            }
        }
    }
}
