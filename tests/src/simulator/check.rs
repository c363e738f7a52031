//! What has to hold when honest nodes have talked for a while.

use super::node::Node;
use super::{Id, World};
use camelid_core::chain::{Chain, MemoryStore};
use camelid_core::hash::BlockHash;
use camelid_core::transaction::{OutPoint, TxOut};
use camelid_core::units::Height;

/// Any coin of a chain.
pub fn any_coin(chain: &Chain<MemoryStore>) -> Option<(OutPoint, TxOut)> {
    chain.store().coins().iter().next().map(|(outpoint, coin)| (*outpoint, coin.output.clone()))
}

/// Checks that all honest nodes that run have one chain, one set of coins and sound pools; gives the chain's end.
pub fn agree(world: &World) -> Result<BlockHash, String> {
    let honest: Vec<(Id, &Node)> = world.honest().collect();
    let (first, model) = honest.first().ok_or("no honest node runs")?;
    for (id, node) in &honest {
        let (tip, expected) = (node.chain.tip(), model.chain.tip());
        if tip.hash() != expected.hash() {
            return Err(format!(
                "node {id} ends with {} at height {}, node {first} with {} at height {}",
                tip.hash(),
                tip.height,
                expected.hash(),
                expected.height
            ));
        }
        if node.chain.store().coins() != model.chain.store().coins() {
            return Err(format!("node {id} has other coins than node {first}"));
        }
        let filters = |n: &Node| n.chain.filter_entry_at(n.chain.height()).ok().flatten();
        if filters(node) != filters(model) || filters(node).is_none() {
            return Err(format!("node {id} has another filter header than node {first}"));
        }
        let waiting = node.pool.by_fee_rate();
        let template = node.chain.build_template(node.payee(), waiting, tip.header.time).map_err(|e| e.to_string())?;
        if let Some(tx) = template.left_out.first() {
            return Err(format!("node {id} keeps {} in its pool, which the next block cannot take", tx.txid()));
        }
    }
    Ok(model.chain.tip_hash())
}

/// Checks that no coin came from nowhere: what is unspent is what coinbases made, less the fees that they took.
pub fn books(chain: &Chain<MemoryStore>) -> Result<(), String> {
    let (mut made, mut spent) = (0u64, 0u64);
    let mut height = Height(0);
    while let Some(block) = chain.block_at(height).map_err(|e| e.to_string())? {
        for tx in &block.block.transactions {
            made += tx.outputs.iter().map(|o| o.value.0).sum::<u64>();
            for input in tx.inputs.iter().filter(|_| !tx.is_coinbase()) {
                let (before, _) =
                    chain.transaction(&input.previous.txid).map_err(|e| e.to_string())?.ok_or("spent from nowhere")?;
                spent += before.outputs[input.previous.index as usize].value.0;
            }
        }
        height = height.next();
    }
    let unspent: u64 = chain.store().coins().values().map(|coin| coin.output.value.0).sum();
    if made - spent != unspent {
        return Err(format!("{unspent} units are unspent, {} expected", made - spent));
    }
    Ok(())
}
