//! `camelid node`.

use super::args::{Global, NodeCommand, RunArgs};
use super::output::{pairs, printable, short, table, utc};
use super::{CliError, Context};
use crate::api::types::{BanRequest, BookView, Done, PeerView, ReachView, Status, SyncView, UnbanRequest};
use crate::config::Overrides;
use serde::Serialize;

pub(super) fn overrides(global: Global, run: RunArgs) -> Overrides {
    Overrides {
        network: global.network,
        data_dir: global.data_dir,
        config: run.config,
        listen: run.listen,
        peers: run.peers,
        outbound: run.outbound,
        api: global.api,
        page: run.page,
        faucet: run.faucet,
        faucet_amount: run.faucet_amount,
        mine: run.mine,
        mine_to: run.mine_to,
        mining_threads: run.mining_threads,
        compute: run.compute,
        engine: run.engine,
        memory: run.memory,
        password_file: run.password_file,
        cheat: run.cheat,
        prune: run.prune,
    }
}

pub(super) async fn execute(context: &Context, command: NodeCommand) -> Result<(), CliError> {
    let client = context.client()?;
    match command {
        NodeCommand::Status => context.out.value(&client.get::<Status>("/v1/status").await?, status),
        NodeCommand::Peers => {
            let peers = client.get("/v1/peers").await?;
            context.out.value(&Known { peers, book: client.get("/v1/peers/book").await? }, known);
        }
        NodeCommand::Bans => context.out.value(&client.get::<BookView>("/v1/peers/book").await?.bans, |b| bans(b)),
        NodeCommand::Ban(ban) => {
            let request = BanRequest { who: ban.who, seconds: Some(u64::from(ban.hours) * 3600) };
            context.out.value(&client.post::<_, Done>("/v1/peers/ban", &request).await?, |_| "banned".into());
        }
        NodeCommand::Unban { who } => {
            let request = UnbanRequest { who };
            context
                .out
                .value(&client.post::<_, Done>("/v1/peers/unban", &request).await?, |_| "no longer banned".into());
        }
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
        ("reachable", reach(&s.reach)),
        ("peers", s.peers.to_string()),
        ("height", s.sync.as_ref().map_or_else(|| s.height.to_string(), |sync| catching_up(s.height, sync))),
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

/// A sync in words; a block more elsewhere is no sync yet.
fn catching_up(height: u32, sync: &SyncView) -> String {
    if sync.target <= height + 1 {
        return height.to_string();
    }
    let left = sync.seconds_left.map_or_else(String::new, |s| format!(", {s:.0} s left"));
    format!("{height} of {}, catching up at {:.0} blocks a second{left}", sync.target, sync.blocks_per_second)
}

/// In one line: "others can reach you at ..", or what to open.
fn reach(reach: &ReachView) -> String {
    let open: Vec<_> = reach.addresses.iter().filter(|a| a.reached > a.not_reached).collect();
    let shown = open.iter().map(|a| format!("{} ({})", a.address, a.transport)).collect::<Vec<_>>().join(", ");
    let closed = reach.addresses.iter().filter(|a| a.reached <= a.not_reached);
    let closed: Vec<_> = closed.map(|a| format!("{} ({})", a.address, a.transport)).collect();
    match reach.reachable.as_str() {
        "yes" if closed.is_empty() => format!("others can reach you at {shown}"),
        "yes" => format!("others can reach you at {shown}, not at {}", closed.join(", ")),
        "no" => format!("nobody can reach you: open {} in your firewall, and forward it in your router", reach.ports),
        "does not listen" => "no: the node listens nowhere".into(),
        _ => "not known yet: no peer has tried".into(),
    }
}

/// What `node peers` shows.
#[derive(Serialize)]
struct Known {
    peers: Vec<PeerView>,
    book: BookView,
}

fn known(known: &Known) -> String {
    let book = &known.book;
    let line =
        format!("address book: {} peers, {} of them met; {} banned", book.met + book.heard, book.met, book.bans.len());
    format!("{}\n\n{line}", peers(&known.peers))
}

fn peers(peers: &[PeerView]) -> String {
    let or_unknown = |number: Option<u32>| number.map_or("?".into(), |n| n.to_string());
    let row = |p: &PeerView| {
        vec![
            short(&p.peer),
            p.address.clone(),
            p.direction.clone(),
            printable(&p.agent),
            p.services.join(","),
            or_unknown(p.ping_ms),
            p.score.to_string(),
            or_unknown(p.height),
            utc(p.connected_since),
        ]
    };
    let names =
        ["peer", "address", "direction", "program", "services", ">ping ms", ">score", ">height", "connected since"];
    table(&names, &peers.iter().map(row).collect::<Vec<_>>())
}

fn bans(bans: &[crate::api::types::BanView]) -> String {
    let row = |b: &crate::api::types::BanView| vec![b.who.clone(), utc(b.until), printable(&b.reason)];
    table(&["who", "until", "why"], &bans.iter().map(row).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::types::ReachedView;

    #[test]
    fn reachability_for_people() {
        let at = |port: u16, reached, not_reached| {
            let address = format!("/ip4/9.9.9.9/tcp/{port}");
            ReachedView { address, transport: "TCP".into(), reached, not_reached }
        };
        let view = |reachable: &str, addresses| {
            let reachable = reachable.into();
            reach(&ReachView { reachable, addresses, ports: "TCP port 7460".into() })
        };
        assert_eq!(view("yes", vec![at(1, 2, 1)]), "others can reach you at /ip4/9.9.9.9/tcp/1 (TCP)");
        let both = view("yes", vec![at(1, 2, 1), at(2, 0, 3)]);
        assert!(both.ends_with("at /ip4/9.9.9.9/tcp/1 (TCP), not at /ip4/9.9.9.9/tcp/2 (TCP)"), "{both}");
        let none = view("no", vec![at(7460, 0, 1)]);
        assert!(none.contains("nobody can reach you: open TCP port 7460"), "{none}");
    }
}
