//! `camelid chain verify`: on the files of a node that does not run.

use super::output::pairs;
use super::{CliError, Context};
use crate::parallel::on_all_cores;
use crate::store::{RedbStore, StoreError};
use camelid_core::block::NetworkParams;
use camelid_core::chain::verify::{Damage, Progress, Report, Stage, verify};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

/// What was found.
#[derive(Debug, Serialize)]
struct Found {
    /// Whether all is right.
    ok: bool,
    /// The file.
    file: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    checked: Option<Checked>,
    #[serde(skip_serializing_if = "Option::is_none")]
    damage: Option<Wrong>,
}

/// What is right.
#[derive(Debug, Serialize)]
struct Checked {
    height: u32,
    tip: String,
    first_body: u32,
    headers: u64,
    blocks_connected: u64,
    side_blocks: u64,
    transactions: u64,
    coins: u64,
    unchecked_coins: u64,
}

/// The first damage.
#[derive(Debug, Serialize)]
struct Wrong {
    table: &'static str,
    block: Option<String>,
    height: Option<u32>,
    problem: String,
    what_to_do: String,
}

pub(super) fn execute(context: &Context) -> Result<(), CliError> {
    let file = context.data_dir.path().join(crate::store::FILE_NAME);
    let bar = Bars::default();
    bar.0.set_message("the file as such");
    let store = match RedbStore::open_checked(context.data_dir.path(), context.network) {
        Ok(store) => store,
        Err(StoreError::InUse { path }) => {
            let path = path.display();
            return Err(CliError::Verify(format!(
                "{path} is in use by a running node: stop it with `camelid node stop`, then check"
            )));
        }
        Err(error) => return Err(error.into()),
    };
    let result = verify(&store, NetworkParams::of(context.network), on_all_cores, &mut |progress| bar.show(progress));
    bar.0.finish_and_clear();
    let shown = file.display().to_string();
    match result {
        Ok(report) => {
            let found = Found { ok: true, file: shown, checked: Some(report.into()), damage: None };
            context.out.value(&found, |_| lines(&report));
            Ok(())
        }
        Err(damage) => {
            let what_to_do = format!(
                "run `rm '{shown}'` and start the node, which fetches the chain again (wallet and jobs are in other files)"
            );
            let line = format!("{shown} is damaged: {damage}; {what_to_do}");
            let found = Found { ok: false, file: shown, checked: None, damage: Some(Wrong::new(&damage, what_to_do)) };
            if context.out.json {
                context.out.value(&found, |_| String::new());
            }
            Err(CliError::Verify(line))
        }
    }
}

impl From<Report> for Checked {
    fn from(r: Report) -> Self {
        Checked {
            height: r.height.0,
            tip: r.tip.to_string(),
            first_body: r.first_body.0,
            headers: r.headers,
            blocks_connected: r.connected,
            side_blocks: r.side_blocks,
            transactions: r.transactions,
            coins: r.coins,
            unchecked_coins: r.unchecked_coins,
        }
    }
}

impl Wrong {
    fn new(damage: &Damage, what_to_do: String) -> Self {
        Wrong {
            table: damage.table.name(),
            block: damage.block.map(|hash| hash.to_string()),
            height: damage.height.map(|height| height.0),
            problem: damage.problem.to_string(),
            what_to_do,
        }
    }
}

fn lines(r: &Report) -> String {
    let mut lines = vec![
        ("the chain is right", format!("height {}, tip {}", r.height, r.tip)),
        ("headers", format!("{} checked", r.headers)),
        ("blocks", format!("{} connected again, {} beside the best chain", r.connected, r.side_blocks)),
        ("transactions", r.transactions.to_string()),
        ("coins", format!("{} unspent outputs, as the blocks make them", r.coins - r.unchecked_coins)),
    ];
    if r.first_body.0 > 0 {
        let below = r.first_body;
        lines.push((
            "not checked",
            format!(
                "what stood in the blocks below height {below}, which are pruned; only their headers and filters are"
            ),
        ));
        lines.push(("", format!("{} unspent outputs that those blocks made", r.unchecked_coins)));
    }
    pairs(&lines)
}

/// On a terminal, how far it is: one bar for all stages, one after another.
struct Bars(ProgressBar);

impl Default for Bars {
    fn default() -> Self {
        let bar = ProgressBar::new_spinner();
        bar.enable_steady_tick(std::time::Duration::from_millis(200));
        Bars(bar)
    }
}

impl Bars {
    fn show(&self, progress: Progress) {
        let bar = &self.0;
        if progress.done == 0 {
            let style = ProgressStyle::with_template("{msg:>12} {bar:40} {pos}/{len}, {per_sec}, {eta} left");
            if let Ok(style) = style {
                bar.set_style(style);
            }
            bar.reset();
            bar.set_length(progress.total);
            bar.set_message(name(progress.stage));
        }
        bar.set_position(progress.done);
    }
}

fn name(stage: Stage) -> &'static str {
    stage.name()
}
