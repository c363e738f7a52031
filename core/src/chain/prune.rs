//! Pruning: bodies and undo data far below the tip go; headers, filters and coins stay.
//!
//! What goes: the bodies of all chains below a height, undo data, and the best chain's transactions in the index, which would
//! point at nothing. What a pruned chain cannot do: change over to a chain that leaves it below that height, and show or prove
//! what stood there. `docs/decisions/pruning.md` says why.

use super::overlay::Overlay;
use super::{Batch, Chain, ChainError, HeaderEntry, Store};
use crate::block::Block;
use crate::units::Height;

type ResultOf<T, S> = Result<T, ChainError<<S as Store>::Error>>;

impl<S: Store> Chain<S> {
    /// The lowest height from which on the bodies of the best chain are here: 0 when none was pruned.
    pub fn first_body(&self) -> ResultOf<Height, S> {
        self.store.first_body().map_err(ChainError::Store)
    }

    /// Whether a block is on the best chain, or was stored beside it, and its body has been pruned.
    pub fn is_pruned(&self, entry: &HeaderEntry) -> ResultOf<bool, S> {
        Ok(entry.has_body()
            && entry.height < self.first_body()?
            && self.store.block(&entry.hash()).map_err(ChainError::Store)?.is_none())
    }

    /// Deletes the bodies and undo data of blocks below `height` in one commit: the lowest `limit` of them, and what else stands
    /// as high as the last. As many below the tip as a reorganisation may take back stay in any case. `see` is shown each
    /// block of the best chain before it goes. Gives how many went: fewer than `limit` when there are no more.
    pub fn prune(&mut self, height: Height, limit: usize, mut see: impl FnMut(&Block)) -> ResultOf<usize, S> {
        let most = Height(self.tip.height.0.saturating_sub(self.params.max_reorganisation));
        let (mut first, limit) = (height.min(most), limit.max(1));
        if first <= self.first_body()? {
            return Ok(0);
        }
        let mut bodies = self.store.bodies_below(first, limit).map_err(ChainError::Store)?;
        if let Some((last, _)) = bodies.last()
            && bodies.len() >= limit
        {
            // No step ends between two blocks of one height.
            first = last.next();
            bodies = self.store.bodies_below(first, usize::MAX).map_err(ChainError::Store)?;
        }
        let mut batch = Batch { first_body: Some(first), ..Batch::default() };
        let overlay = Overlay::new(&self.store);
        for (at, hash) in &bodies {
            if self.hash_at(*at)? == Some(*hash) {
                let block = overlay.block(hash)?;
                batch.transactions.extend(block.transactions.iter().map(|tx| (tx.txid(), None)));
                see(&block);
            }
            batch.pruned.insert(*hash);
        }
        self.store.commit(&batch).map_err(ChainError::Store)?;
        Ok(bodies.len())
    }
}
