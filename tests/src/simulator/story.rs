//! Episodes that a seed decides, and the checks after each.

use super::{World, check, known};
use camelid_core::hash::BlockHash;
use camelid_core::units::Height;
use rand::RngExt;

/// Nodes in all, at least.
const NODES: usize = 20;

/// How a story ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// The last block that all agree on.
    pub tip: BlockHash,
    /// Its height.
    pub height: Height,
    /// Transactions in the chain, coinbases aside.
    pub transactions: usize,
    /// Nodes that there were.
    pub nodes: usize,
    /// Things that happened.
    pub happened: u64,
    /// What the story was, a line an episode.
    pub told: Vec<String>,
}

/// Plays the story of a seed: partitions, nodes that stop and start, losses, hostile nodes. After each episode, when the
/// network is whole again and nobody mines, all honest nodes have to agree.
pub fn play(seed: u64) -> Result<Ending, String> {
    known::forget();
    let mut world = World::new(seed, NODES - seed as usize % 4, seed as usize % 4 + (seed as usize / 4 % 3));
    let mut told = vec![format!("{} nodes, hostile: {:?}", world.size(), world.characters())];
    let mut tip = BlockHash::ZERO;
    world.run(60);
    for _ in 0..3 {
        told.push(episode(&mut world));
        tip = settle(&mut world).map_err(|e| format!("seed {seed}, after {}: {e}", told.join("; ")))?;
    }
    let failed = |e: String| format!("seed {seed}: {e}");
    let (_, node) = world.honest().next().ok_or_else(|| failed("no honest node is left".into()))?;
    check::books(&node.chain).map_err(failed)?;
    let height = node.chain.height();
    let block = |h: u32| node.chain.block_at(Height(h)).ok().flatten();
    let transactions = (1..=height.0).filter_map(block).map(|b| b.block.transactions.len() - 1).sum();
    Ok(Ending { tip, height, transactions, nodes: world.size(), happened: world.clock().1, told })
}

fn episode(world: &mut World) -> String {
    let nodes = world.size();
    let (kind, seconds) = (world.random.random_range(0..4), world.random.random_range(40..120));
    let name = match kind {
        0 => {
            let parts = world.random.random_range(2..4u8);
            let sides: Vec<u8> = (0..nodes).map(|_| world.random.random_range(0..parts)).collect();
            world.part(sides);
            world.run(seconds);
            world.network().heal();
            format!("{parts} parts")
        }
        1 => {
            let mut stopped = Vec::new();
            for _ in 0..seconds / 5 {
                let node = world.random.random_range(0..nodes);
                world.stop(node);
                stopped.push(node);
                world.run(5);
                if world.random.random_bool(0.6) {
                    let again = stopped.swap_remove(world.random.random_range(0..stopped.len()));
                    world.start(again);
                }
            }
            (0..nodes).for_each(|node| world.start(node));
            "nodes that stop and start".into()
        }
        2 => {
            let loss = world.random.random_range(50..300);
            world.network().loss = loss;
            world.run(seconds);
            world.network().loss = 0;
            format!("{loss} of 1000 messages lost")
        }
        // One node alone, which mines on by itself.
        _ => {
            let alone = world.random.random_range(0..nodes);
            world.part((0..nodes).map(|n| (n == alone) as u8).collect());
            world.run(seconds);
            world.network().heal();
            format!("node {alone} alone")
        }
    };
    format!("{name} for {seconds} s")
}

/// The network is whole, nobody mines: after a while all agree. Then work goes on.
fn settle(world: &mut World) -> Result<BlockHash, String> {
    world.busy = false;
    let mut result = Err("nothing was checked".into());
    // As long as time-outs take; agreement comes sooner.
    for _ in 0..20 {
        world.run(15);
        result = world.agree();
        if result.is_ok() {
            break;
        }
    }
    world.busy = true;
    world.run(20);
    result
}
