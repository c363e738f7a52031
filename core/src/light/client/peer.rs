//! What is known about a peer, and what it was asked.

use crate::hash::{BlockHash, Txid};
use crate::message::ChainStatus;
use crate::units::Height;
use alloc::vec::Vec;
use core::time::Duration;

/// What was asked.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    Status,
    /// With this locator.
    Headers(Vec<BlockHash>),
    FilterHeaders(Range),
    /// The coinbase of this block.
    Proof(Height, BlockHash),
    Filters(Range),
    Blocks(Vec<BlockHash>),
    Submit(Txid),
}

/// Blocks of a chain that ends with `hash`, at height `stop` or above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) start: Height,
    pub(super) stop: Height,
    /// The block at `stop`.
    pub(super) hash: BlockHash,
}

impl Range {
    pub(super) fn count(&self) -> usize {
        self.stop.since(self.start) as usize + 1
    }
}

/// An open question.
#[derive(Clone, Debug)]
pub(super) struct Open<P> {
    pub(super) peer: P,
    pub(super) since: Duration,
    pub(super) kind: Kind,
}

/// What is known about a peer.
#[derive(Clone, Debug, Default)]
pub(super) struct Peer {
    /// Where its chain stands, as it says.
    pub(super) status: Option<ChainStatus>,
    /// The last block of its chain, as it says; newer than the status where it announced one since.
    pub(super) tip: Option<BlockHash>,
    /// The height of a block that it announced.
    pub(super) announced: Height,
    pub(super) polled: Option<Duration>,
    /// It is not asked for headers before.
    pub(super) headers_at: Duration,
    /// It is not asked for filters, proofs and blocks before.
    pub(super) rest_at: Duration,
    /// It says that it has blocks, and gave no headers that lead there.
    pub(super) unproven: bool,
    /// Questions in a row that it did not answer.
    pub(super) silent: u32,
    /// It broke the protocol.
    pub(super) bad: bool,
}

impl Peer {
    /// How high its chain is, as it says.
    pub(super) fn height(&self) -> Option<Height> {
        self.status.map(|status| status.height.max(self.announced))
    }
}
