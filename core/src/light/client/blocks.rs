//! Blocks that seem to have to do with the wallet: one peer gives each, its header says whether it is the right one.

use super::peer::Kind;
use super::{Ask, ContractBlock, Event, Fault, LightClient};
use crate::block::Block;
use crate::contract::settled_in_block;
use crate::hash::BlockHash;
use crate::keys::DerivationError;
use crate::message::Request;
use crate::sync::Now;
use crate::units::Height;
use alloc::vec::Vec;

/// Blocks that one question asks for: others are asked for the next ones.
const BATCH: usize = 4;

impl<P: Copy + Ord> LightClient<P> {
    pub(super) fn ask_blocks(&mut self, asks: &mut Vec<Ask<P>>, now: Now) {
        let (count, bytes) = (self.limits.blocks, self.limits.waiting_bytes);
        let wanted: Vec<BlockHash> = self.passes().flat_map(|pass| pass.blocks_to_ask(count, bytes)).collect();
        for batch in wanted.chunks(BATCH) {
            let highest = batch.iter().filter_map(|hash| self.headers.height_of(hash)).max().unwrap_or_default();
            let Some(peer) = self.free_peers(highest, now).first().copied() else { return };
            let request = Request::Blocks(batch.to_vec());
            let id = self.request(asks, peer, Kind::Blocks(batch.to_vec()), request, now);
            self.passes().for_each(|pass| pass.ask_blocks(batch, id));
        }
    }

    pub(super) fn on_blocks(
        &mut self,
        peer: P,
        asked: &[BlockHash],
        blocks: Vec<Block>,
        now: Now,
    ) -> Result<(), Fault> {
        if blocks.len() > asked.len() || blocks.iter().zip(asked).any(|(block, hash)| block.hash() != *hash) {
            return Err(Fault::OtherBlocks);
        }
        if blocks.is_empty() {
            self.rest(peer, now);
        }
        for (block, hash) in blocks.into_iter().zip(asked) {
            // "A block's header carries the Merkle root over its transactions."
            if block.merkle_root() != block.header.merkle_root {
                return Err(Fault::Body { hash: *hash });
            }
            let size = block.size();
            self.passes().for_each(|pass| pass.on_block(hash, &block, size));
        }
        Ok(())
    }

    /// Takes a block whose turn it is.
    pub(super) fn take_block(&mut self, height: Height, hash: BlockHash, block: &Block) {
        let touched = self.ledger.connected(block, hash, height, &mut self.keyring);
        if touched.grown {
            self.watch_more();
        }
        self.unsaved |= touched.changed;
        if touched.changed {
            self.events.push(Event::WalletChanged);
        }
        if !touched.contracts.is_empty() {
            let (time, settled) = (block.header.time, settled_in_block(block));
            let transactions = touched.contracts;
            self.events.push(Event::Contracts(ContractBlock { hash, height, time, settled, transactions }));
        }
        self.ledger.tidy(self.headers.height());
    }

    /// Notes that the keys of a job are in use: a new job has to have the keys at
    /// [`Keyring::unused_job`](crate::wallet::Keyring).
    pub fn note_job(&mut self, index: u32) -> Result<(), DerivationError> {
        self.keyring.note_job(index)?;
        self.unsaved = true;
        self.watch_more();
        Ok(())
    }
}
