//! How weights lie in a file.

use half::{bf16, f16};

/// How numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dtype {
    F32,
    F16,
    Bf16,
    /// Blocks of 32: an f16 scale, then 32 int8.
    Q8_0,
}

/// Numbers in a block of [`Dtype::Q8_0`], and its bytes.
const BLOCK: u64 = 32;
const BLOCK_BYTES: u64 = 34;

impl Dtype {
    /// Bytes that `numbers` numbers take; `None` where blocks are not whole or the count is absurd.
    pub fn bytes(self, numbers: u64) -> Option<u64> {
        match self {
            Dtype::F32 => numbers.checked_mul(4),
            Dtype::F16 | Dtype::Bf16 => numbers.checked_mul(2),
            Dtype::Q8_0 if numbers.is_multiple_of(BLOCK) => (numbers / BLOCK).checked_mul(BLOCK_BYTES),
            Dtype::Q8_0 => None,
        }
    }

    /// Numbers from their bytes; as many as both have room for.
    pub fn decode(self, bytes: &[u8], out: &mut [f32]) {
        match self {
            Dtype::F32 => put(bytes, out, f32::from_le_bytes),
            Dtype::F16 => put(bytes, out, |b| f16::from_le_bytes(b).to_f32()),
            Dtype::Bf16 => put(bytes, out, |b| bf16::from_le_bytes(b).to_f32()),
            Dtype::Q8_0 => {
                let blocks = bytes.as_chunks::<{ BLOCK_BYTES as usize }>().0;
                for (out, [s0, s1, weights @ ..]) in out.chunks_mut(BLOCK as usize).zip(blocks) {
                    let scale = f16::from_le_bytes([*s0, *s1]).to_f32();
                    out.iter_mut().zip(weights).for_each(|(o, w)| *o = scale * (*w as i8) as f32);
                }
            }
        }
    }
}

fn put<const N: usize>(bytes: &[u8], out: &mut [f32], from: impl Fn([u8; N]) -> f32) {
    out.iter_mut().zip(bytes.as_chunks::<N>().0).for_each(|(o, b)| *o = from(*b));
}
