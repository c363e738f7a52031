//! `camelid chain`.

use super::args::ChainCommand;
use super::output::{pairs, short, table, utc};
use super::{CliError, Context};
use crate::api::types::{BlockView, ChainInfo, InputView, OutputView, TransactionView, coins};

pub(super) async fn execute(context: &Context, command: ChainCommand) -> Result<(), CliError> {
    if let ChainCommand::Verify = command {
        return super::verify::execute(context);
    }
    let client = context.client()?;
    match command {
        ChainCommand::Info => context.out.value(&client.get("/v1/chain").await?, info),
        ChainCommand::Block { id } => context.out.value(&client.get_by_id("/v1/chain/block", &id).await?, block),
        ChainCommand::Tx { txid } => context.out.value(&client.get_by_id("/v1/chain/tx", &txid).await?, transaction),
        // Done above: it needs no node.
        ChainCommand::Verify => {}
    }
    Ok(())
}

fn info(c: &ChainInfo) -> String {
    pairs(&[
        ("network", c.network.clone()),
        ("height", c.height.to_string()),
        ("tip", c.tip.clone()),
        ("time (UTC)", utc(c.time.into())),
        ("target", c.target.clone()),
        ("next block", format!("{} hashes on average, makes {} coins", c.hashes_per_block, coins(c.subsidy_units))),
        ("coins made", coins(c.supply_units)),
        ("work", c.work.clone()),
        ("pool", format!("{} transactions", c.pool)),
        ("blocks", if c.first_body == 0 { "all".into() } else { format!("from height {} on (pruned)", c.first_body) }),
    ])
}

fn block(b: &BlockView) -> String {
    let place = match b.confirmations {
        0 => "not in the best chain".to_string(),
        n => format!("{n} confirmations"),
    };
    let head = pairs(&[
        ("block", b.hash.clone()),
        ("height", format!("{} ({place})", b.height)),
        ("previous", b.previous.clone()),
        ("Merkle root", b.merkle_root.clone()),
        ("time (UTC)", utc(b.time.into())),
        ("bits, nonce", format!("{}, {}", b.bits, b.nonce)),
        ("size", format!("{} bytes, {} transactions", b.size, b.transactions.len())),
    ]);
    let row = |t: &TransactionView| {
        let made = t.outputs.iter().fold(0u64, |sum, o| sum.saturating_add(o.value_units));
        let fee = t.fee_units.map(coins).unwrap_or_default();
        vec![t.txid.clone(), t.kind.clone(), coins(made), fee, t.job.as_deref().map(short).unwrap_or_default()]
    };
    let rows: Vec<_> = b.transactions.iter().map(row).collect();
    format!("{head}\n{}", table(&["transaction", "what", ">coins", ">fee", "job"], &rows))
}

fn transaction(t: &TransactionView) -> String {
    let place = match &t.block {
        Some(b) => format!("block {} at height {}, {} confirmations", b.hash, b.height, b.confirmations),
        None => "waits in the pool".to_string(),
    };
    let mut head = vec![("transaction", t.txid.clone()), ("what", t.kind.clone()), ("where", place)];
    if let Some(job) = &t.job {
        head.push(("job", job.clone()));
    }
    if let Some(fee) = t.fee_units {
        head.push(("fee", format!("{} ({} bytes)", coins(fee), t.size)));
    }
    let known = |value: &Option<String>| value.clone().unwrap_or_else(|| "?".into());
    let input = |i: &InputView| {
        vec![format!("{}:{}", i.txid, i.index), i.value_units.map_or("?".into(), coins), known(&i.address)]
    };
    let output = |(index, o): (usize, &OutputView)| {
        let owner = match (&o.address, &o.contract) {
            (Some(address), _) => address.clone(),
            (None, Some(state)) => format!("contract, {state}"),
            (None, None) => format!("script {}", o.script),
        };
        vec![index.to_string(), coins(o.value_units), owner]
    };
    let inputs: Vec<_> = t.inputs.iter().map(input).collect();
    let outputs: Vec<_> = t.outputs.iter().enumerate().map(output).collect();
    let inputs = if inputs.is_empty() { String::new() } else { table(&["spends", ">coins", "from"], &inputs) + "\n\n" };
    format!("{}\n{inputs}{}", pairs(&head), table(&["makes", ">coins", "to"], &outputs))
}
