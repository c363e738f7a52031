//! Writes a long chain of network `dev` into a node's folder, each block with its proof of work: for the browser's tests,
//! whose page reads its headers. `long-chain FOLDER BLOCKS`.

use anyhow::{Context, Result, anyhow, ensure};
use camelid_core::block::NetworkParams;
use camelid_core::chain::Chain;
use camelid_core::transaction::Script;
use camelid_core::units::{Network, Timestamp};
use camelid_node::data_dir::DataDir;
use camelid_node::store::RedbStore;
use camelid_tests::peer::solve;
use std::process::ExitCode;
use std::time::SystemTime;

const USAGE: &str = "expected a node's folder and a number of blocks: long-chain FOLDER 20000";
/// Blocks that are made between two waits for the disk.
const BUNDLE: u32 = 1_000;
/// Seconds between the last block and now.
const AGE: u32 = 60;

fn main() -> ExitCode {
    match write() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("long-chain: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn write() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [folder, blocks] = args.as_slice() else { return Err(anyhow!(USAGE)) };
    let blocks: u32 = blocks.parse().context(USAGE)?;
    let dir = DataDir::at(folder.as_str());
    dir.prepare(Network::Dev)?;
    let params = NetworkParams::of(Network::Dev);
    let store = RedbStore::open(dir.path(), Network::Dev)?;
    let mut chain = Chain::open(store, params).map_err(|e| anyhow!("{e}"))?;
    ensure!(chain.height().0 == 0, "{folder} has a chain already: name another folder");
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
    let end = u32::try_from(now)?.saturating_sub(AGE);
    // On schedule, so that the work of a block stays the least.
    let before_end = |height: u32| blocks.saturating_sub(height).saturating_mul(params.block_interval);
    let time = |height: u32| Timestamp(end.saturating_sub(before_end(height)));
    // Anybody's coins.
    let payee = Script(vec![0x51]);
    for height in 1..=blocks {
        if height % BUNDLE == 1 {
            chain.store().end_bundle()?;
            chain.store().begin_bundle();
        }
        let template = chain.build_template(payee.clone(), [], time(height)).map_err(|e| anyhow!("{e}"))?;
        let mut block = template.block;
        solve(&mut block)?;
        chain.accept_block(block, Timestamp(u32::MAX)).map_err(|e| anyhow!("block {height}: {e}"))?;
    }
    chain.store().end_bundle()?;
    Ok(())
}
