//! Streams of bits, the highest bit of a byte first.

use alloc::vec::Vec;

/// Writes bits; the last byte is filled up with zeros.
pub(super) struct BitWriter<'a> {
    out: &'a mut Vec<u8>,
    /// Bits of the last byte that are still free.
    free: u32,
}

impl<'a> BitWriter<'a> {
    pub(super) fn new(out: &'a mut Vec<u8>) -> Self {
        BitWriter { out, free: 0 }
    }

    /// Appends the lowest `count` bits of `value`, at most 64, the highest of them first.
    pub(super) fn bits(&mut self, value: u64, count: u32) {
        let mut left = count;
        while left > 0 {
            if self.free == 0 {
                self.out.push(0);
                self.free = 8;
            }
            let take = left.min(self.free);
            let part = (value >> (left - take)) as u8 & (0xff >> (8 - take));
            if let Some(last) = self.out.last_mut() {
                *last |= part << (self.free - take);
            }
            self.free -= take;
            left -= take;
        }
    }

    /// Appends `count` ones and a zero.
    pub(super) fn unary(&mut self, mut count: u64) {
        while count > 0 {
            let take = count.min(32) as u32;
            self.bits(u64::from(u32::MAX), take);
            count -= u64::from(take);
        }
        self.bits(0, 1);
    }
}

/// Reads bits.
pub(super) struct BitReader<'a> {
    bytes: &'a [u8],
    /// Bits read so far.
    at: usize,
}

impl<'a> BitReader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        BitReader { bytes, at: 0 }
    }

    /// Bits that are left.
    pub(super) fn remaining(&self) -> usize {
        self.bytes.len() * 8 - self.at
    }

    /// The next `count` bits, at most 56; `None` when there are fewer.
    pub(super) fn bits(&mut self, count: u32) -> Option<u64> {
        if count as usize > self.remaining() {
            return None;
        }
        let (mut value, mut left) = (0u64, count);
        while left > 0 {
            let byte = *self.bytes.get(self.at / 8)?;
            let free = 8 - (self.at % 8) as u32;
            let take = left.min(free);
            let part = (byte >> (free - take)) & (0xff >> (8 - take));
            value = value << take | u64::from(part);
            self.at += take as usize;
            left -= take;
        }
        Some(value)
    }

    /// The number of ones before the next zero; `None` when there is no zero any more.
    pub(super) fn unary(&mut self) -> Option<u64> {
        let start = self.at;
        loop {
            let (skip, byte) = (self.at % 8, *self.bytes.get(self.at / 8)?);
            // The bits that were read come back as zeros from below, which end the run at the byte's end at the latest.
            let ones = (byte << skip).leading_ones() as usize;
            self.at += ones;
            if skip + ones < 8 {
                self.at += 1;
                return Some((self.at - 1 - start) as u64);
            }
        }
    }
}
