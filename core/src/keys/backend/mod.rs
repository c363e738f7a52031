//! The curve: everything that a library for secp256k1 does for the other files of this room. A backend is a file with these
//! items; all backends do the same to the bit (`tests.rs` here, and Wycheproof's vectors).

#[cfg_attr(all(feature = "libsecp256k1", not(test)), allow(dead_code, reason = "checks alone are used, to compare"))]
pub(super) mod k256;
#[cfg(feature = "libsecp256k1")]
mod libsecp256k1;

#[cfg(not(feature = "libsecp256k1"))]
pub(super) use self::k256::{Point, Secret, point, range, verify};
#[cfg(feature = "libsecp256k1")]
pub(super) use self::libsecp256k1::{Point, Secret, point, range, verify};

/// What the numbers of a signature are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Range {
    /// r and s from 1 to the order less 1, s in the lower half.
    Low,
    /// The same with s in the upper half.
    High,
    /// Something else.
    Outside,
}

#[cfg(all(test, feature = "libsecp256k1"))]
mod tests;
