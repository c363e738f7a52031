//! Copies words from one buffer to the start of another.

use cubecl::prelude::*;

/// The first `words` words.
#[cube(launch)]
pub fn copy(from: &[u32], to: &mut [u32], words: u32) {
    let at = (CUBE_POS_Y * CUBE_COUNT_X + CUBE_POS_X) * 256u32 + UNIT_POS;
    if at < words {
        to[at as usize] = from[at as usize];
    }
}
