//! Where a light client's chain begins.

use crate::block::NetworkParams;
use crate::chain::{HeaderEntry, genesis_entry};
use crate::encode::{Decode, DecodeError, Encode, Reader, put_vec};
use crate::filter::{FilterEntry, block_filter};
use crate::hash::FilterHeader;
use crate::units::Timestamp;
use alloc::vec::Vec;

/// The most times before an anchor's that are read.
const MAX_TIMES: usize = 64;

/// The block that a light client's chain begins with: the genesis block, or a later one that somebody is trusted to
/// have named. Nothing below it is ever left, and it is never checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// Its header, height and work, and the time of block 1, from which the difficulty is reckoned.
    pub entry: HeaderEntry,
    /// The times of the blocks before it, the nearest first: as many as a median takes, beside its own.
    pub times: Vec<Timestamp>,
    /// Its filter header.
    pub filter_header: FilterHeader,
}

impl Anchor {
    /// The genesis block of a network.
    pub fn genesis(params: &NetworkParams) -> Self {
        let genesis = params.genesis();
        let filter = FilterEntry::new(&block_filter(&genesis, []), &FilterHeader::ZERO);
        Anchor { entry: genesis_entry(genesis.header), times: Vec::new(), filter_header: filter.header }
    }
}

impl Encode for Anchor {
    fn encode(&self, out: &mut Vec<u8>) {
        self.entry.encode(out);
        put_vec(&self.times, out);
        self.filter_header.encode(out);
    }
}

impl Decode for Anchor {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Anchor {
            entry: Decode::decode(r)?,
            times: r.vec("times before an anchor", MAX_TIMES)?,
            filter_header: Decode::decode(r)?,
        })
    }
}
