//! The kinds of hash: types, so that none stands in for another.

use crate::encode::{Decode, DecodeError, Encode, Reader};
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

macro_rules! hash_type {
    ($(#[$doc:meta])* $name:ident, $len:literal, reversed: $reversed:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// All zeros: none.
            pub const ZERO: $name = $name([0; $len]);

            /// Whether all bytes are zero.
            pub fn is_zero(&self) -> bool {
                self.0 == [0; $len]
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut bytes = self.0;
                if $reversed {
                    bytes.reverse();
                }
                bytes.iter().try_for_each(|b| write!(f, "{b:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl FromStr for $name {
            type Err = DecodeError;

            fn from_str(text: &str) -> Result<Self, DecodeError> {
                let mut bytes = [0; $len];
                hex::decode_to_slice(text, &mut bytes).map_err(|_| DecodeError::Malformed(stringify!($name)))?;
                if $reversed {
                    bytes.reverse();
                }
                Ok($name(bytes))
            }
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }

        impl Encode for $name {
            fn encode(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.0);
            }
        }

        impl Decode for $name {
            fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
                r.array().map($name)
            }
        }
    };
}

hash_type!(
    /// A 32-byte hash without a more special type.
    Hash32, 32, reversed: false
);
hash_type!(
    /// A block's hash: double SHA-256 of its 80-byte header; shown with its bytes reversed, as Bitcoin does.
    BlockHash, 32, reversed: true
);
hash_type!(
    /// A transaction's id: over the transaction with empty ScriptSigs; shown reversed.
    Txid, 32, reversed: true
);
hash_type!(
    /// The hash over a whole transaction, ScriptSigs included; shown reversed.
    Wtxid, 32, reversed: true
);
hash_type!(
    /// The hash of a block's compact filter; shown reversed.
    FilterHash, 32, reversed: true
);
hash_type!(
    /// What commits to a block's compact filter and to those of all its ancestors; shown reversed. Zero before the first block's.
    FilterHeader, 32, reversed: true
);
hash_type!(
    /// A job's id: the tagged hash of its public parameters; zero where a transaction belongs to no job.
    JobId, 32, reversed: false
);
hash_type!(
    /// A model's identity: the Merkle root over its package's chunks (paper 2.6.1).
    ModelRoot, 32, reversed: false
);
hash_type!(
    /// RIPEMD-160 of SHA-256 of a public key (paper 2.2.2).
    KeyHash, 20, reversed: false
);
