//! `camelid node`.

use super::args::{Global, NodeCommand, RunArgs};
use super::output::{pairs, printable, short, table, utc};
use super::{CliError, Context};
use crate::api::types::{Done, PeerView, Status};
use crate::config::Overrides;

pub(super) fn overrides(global: Global, run: RunArgs) -> Overrides {
    Overrides {
        network: global.network,
        data_dir: global.data_dir,
        config: run.config,
        listen: run.listen,
        peers: run.peers,
        api: global.api,
        mine: run.mine,
        mine_to: run.mine_to,
        mining_threads: run.mining_threads,
        compute: run.compute,
        engine: run.engine,
        memory: run.memory,
        password_file: run.password_file,
        cheat: run.cheat,
    }
}

pub(super) async fn execute(context: &Context, command: NodeCommand) -> Result<(), CliError> {
    let client = context.client()?;
    match command {
        NodeCommand::Status => context.out.value(&client.get::<Status>("/v1/status").await?, status),
        NodeCommand::Peers => context.out.value(&client.get::<Vec<PeerView>>("/v1/peers").await?, |p| peers(p)),
        NodeCommand::Stop => context.out.value(&client.post::<_, Done>("/v1/stop", &()).await?, |_| "stopping".into()),
        // Done before there is a context: it needs the whole configuration.
        NodeCommand::Run(_) => {}
    }
    Ok(())
}

fn status(s: &Status) -> String {
    let mining = match s.mining {
        true => format!("{} hashes a second", s.hashes_per_second),
        false => "no".into(),
    };
    let computes = if s.computes.is_empty() { "no model".into() } else { s.computes.join(", ") };
    let mut rows = vec![
        ("network", s.network.clone()),
        ("program", s.agent.clone()),
        ("peer id", s.peer_id.clone()),
        ("listens on", s.listen.first().cloned().unwrap_or_else(|| "nothing".into())),
    ];
    rows.extend(s.listen.iter().skip(1).map(|address| ("", address.clone())));
    rows.extend([
        ("peers", s.peers.to_string()),
        ("height", format!("{}{}", s.height, if s.synced { "" } else { " (catching up)" })),
        ("tip", s.tip.clone()),
        ("mines", mining),
        ("computes", computes),
        ("wallet", if s.wallet { "open".into() } else { "none".into() }),
        ("pool", format!("{} transactions", s.pool)),
        ("live jobs", s.live_jobs.to_string()),
        ("up for", format!("{} s", s.uptime_seconds)),
    ]);
    pairs(&rows)
}

fn peers(peers: &[PeerView]) -> String {
    let row = |p: &PeerView| {
        let height = p.height.map_or("?".into(), |h| h.to_string());
        let agent = printable(&p.agent);
        vec![short(&p.peer), p.address.clone(), p.direction.clone(), agent, height, utc(p.connected_since)]
    };
    table(
        &["peer", "address", "direction", "program", ">height", "connected since"],
        &peers.iter().map(row).collect::<Vec<_>>(),
    )
}
