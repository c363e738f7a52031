//! Why headers are not taken.

use crate::chain::HeaderError;
use crate::hash::BlockHash;
use crate::units::Height;

/// Why a light client does not take headers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeadersError {
    /// A header breaks a rule.
    #[error("header {hash}: {error}")]
    Header {
        /// The header's hash.
        hash: BlockHash,
        /// The rule.
        error: HeaderError,
    },
    /// The header before the first one is not known, or not any more.
    #[error("header {hash} follows {previous}, which is not known")]
    UnknownParent {
        /// The header's hash.
        hash: BlockHash,
        /// The hash of the header before.
        previous: BlockHash,
    },
    /// The headers leave the chain below the block that it begins with.
    #[error("header {hash} follows {previous}, below the anchor at height {anchor}")]
    BelowAnchor {
        /// The header's hash.
        hash: BlockHash,
        /// The hash of the header before.
        previous: BlockHash,
        /// The anchor's height.
        anchor: Height,
    },
    /// A header does not follow the one before it in the list.
    #[error("header {hash} follows {found}, expected the one before it in the list, {expected}")]
    NotConsecutive {
        /// The header's hash.
        hash: BlockHash,
        /// The hash of the header before it in the list.
        expected: BlockHash,
        /// The hash that it names.
        found: BlockHash,
    },
    /// The header contradicts a checkpoint.
    #[error("header {hash} at height {height} contradicts the checkpoint {expected}")]
    Checkpoint {
        /// The header's hash.
        hash: BlockHash,
        /// The checkpoint's height.
        height: Height,
        /// The block that the checkpoint names.
        expected: BlockHash,
    },
    /// The header's chain leaves the best chain too far down.
    #[error(
        "header {hash} is of a chain that leaves ours below height {floor}, more than {depth} blocks below the tip"
    )]
    ForkTooDeep {
        /// The header's hash.
        hash: BlockHash,
        /// The lowest height at which another chain may leave ours.
        floor: Height,
        /// Blocks that make one final.
        depth: u32,
    },
    /// One peer's headers lead to nothing better for too long.
    #[error("{limit} headers in a row lead to no better chain")]
    TooMany {
        /// The most that are kept of one peer.
        limit: usize,
    },
}

impl HeadersError {
    /// Whether whoever gave the headers broke the protocol. Not so where its clock is ahead, where it was cut off for
    /// long, where its chain is only worse, and where the chain here changed while the answer was on its way.
    pub fn is_fault(&self) -> bool {
        !matches!(
            self,
            HeadersError::Header { error: HeaderError::TimeTooNew { .. }, .. }
                | HeadersError::UnknownParent { .. }
                | HeadersError::ForkTooDeep { .. }
                | HeadersError::TooMany { .. }
        )
    }
}
