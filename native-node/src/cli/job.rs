//! `camelid job`.

use super::args::{JobCommand, SubmitArgs};
use super::client::ClientError;
use super::output::{pairs, printable, short, table, utc};
use super::{CliError, Context};
use crate::api::types::{JobSubmit, JobView, Role, TimelineView, VerificationView, Verify, coins, signed_coins};
use std::io::Read;
use std::time::{Duration, Instant};

/// How often a job is looked at while it runs.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// A node that does not answer (it is being started again) is waited for so long.
const NODE_MAY_BE_AWAY: Duration = Duration::from_secs(30);

/// The longest prompt read from standard input, in bytes.
const MAX_PROMPT: u64 = 1024 * 1024;

pub(super) async fn execute(context: &Context, command: JobCommand) -> Result<(), CliError> {
    match command {
        JobCommand::Submit(args) => submit(context, *args).await,
        JobCommand::List(args) => {
            let mut jobs = context.client()?.get::<Vec<JobView>>("/v1/jobs").await?;
            jobs.truncate(args.limit);
            context.out.value(&jobs, |jobs| list(jobs));
            Ok(())
        }
        JobCommand::Show { id } => {
            context.out.value(&context.client()?.get_by_id("/v1/jobs", &id).await?, show);
            Ok(())
        }
    }
}

async fn submit(context: &Context, args: SubmitArgs) -> Result<(), CliError> {
    let prompt = if args.prompt == "-" { read_prompt()? } else { args.prompt };
    let request = JobSubmit {
        model: args.model,
        prompt,
        max_tokens: args.max_tokens,
        seed: args.seed,
        temperature: args.temperature,
        top_k: args.top_k,
        top_p: args.top_p,
        reward_units: args.reward.0,
        stake_units: args.stake.map(|s| s.0),
        verify: args.verify,
        cheat: args.cheat,
    };
    let client = context.client()?;
    let mut job: JobView = client.post("/v1/jobs", &request).await?;
    let out = context.out;
    if args.detach {
        out.value(&job, |job| job.id.clone());
        return Ok(());
    }
    let reward = coins(job.reward_units);
    out.line(&format!(
        "job {}\n{} prompt tokens to {}, at most {} more, for {reward} coins\n",
        job.id,
        job.prompt_tokens,
        printable(&job.model),
        job.max_tokens
    ));

    let (mut told, mut answer_told, mut check_told) = (0, false, false);
    let begun = job.timeline.first().map_or(0, |e| e.time);
    loop {
        for entry in job.timeline.iter().skip(told) {
            out.line(&step(entry, begun, &job));
        }
        told = job.timeline.len().max(told);
        if let (false, Some(answer)) = (answer_told, &job.answer) {
            out.line(&format!("\n{}\n", indent(&printable(answer))));
            answer_told = true;
        }
        if let (false, Some(check)) = (check_told, &job.verification) {
            out.line(&verification(check));
            check_told = true;
        }
        if job.over {
            break;
        }
        tokio::time::sleep(LOOK_EVERY).await;
        job = look(context, &job.id).await?;
    }
    if out.json {
        out.value(&job, |_| String::new());
    } else {
        out.line(&cost(&job));
    }
    verdict(&job)
}

/// The job as it is now; a node that is away for a while is waited for.
async fn look(context: &Context, id: &str) -> Result<JobView, CliError> {
    let begun = Instant::now();
    loop {
        // A node that was started again has another token.
        let result = match context.client() {
            Ok(client) => client.get_by_id("/v1/jobs", id).await,
            Err(error) => Err(error),
        };
        match result {
            Err(ClientError::NotRunning { .. } | ClientError::Token { .. }) if begun.elapsed() < NODE_MAY_BE_AWAY => {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            Err(error @ ClientError::NotRunning { .. }) => {
                return Err(CliError::Job(format!("{error}; the job goes on then: `camelid job show {id}`")));
            }
            other => return Ok(other?),
        }
    }
}

fn read_prompt() -> Result<String, CliError> {
    let mut prompt = String::new();
    std::io::stdin().lock().take(MAX_PROMPT).read_to_string(&mut prompt).map_err(CliError::Input)?;
    Ok(prompt)
}

/// Fails when the job did not bring a good answer.
fn verdict(job: &JobView) -> Result<(), CliError> {
    let note = job.note.as_deref().map(|note| format!(" ({})", printable(note))).unwrap_or_default();
    match job.verification.as_ref().map(|v| v.holds) {
        Some(false) => {
            Err(CliError::Job(format!("the answer is wrong{note}: it was not accepted; the job ended {}", job.status)))
        }
        _ if job.answer.is_none() => Err(CliError::Job(format!(
            "no answer{note}: the job ended {}; try again, perhaps for a higher --reward",
            job.status
        ))),
        _ => Ok(()),
    }
}

fn step(entry: &TimelineView, begun: u32, job: &JobView) -> String {
    let means = match (entry.status.as_str(), job.role) {
        ("created", _) => "offered to everybody".to_string(),
        ("accepted", _) => match &job.peer {
            Some(peer) => format!("a node bound its stake to it ({peer})"),
            None => "a node bound its stake to it".to_string(),
        },
        ("completed", _) => "the answer is computed; it comes sealed".to_string(),
        ("paid", _) => match &job.settlement {
            Some(txid) => format!("reward and stake are locked by settlement {}", short(txid)),
            None => "reward and stake are locked".to_string(),
        },
        ("delivered", _) => "the key to the answer came".to_string(),
        ("verified", _) => "every check holds".to_string(),
        ("rejected", _) => "a check failed: the close is not signed".to_string(),
        ("challenged", _) => "the client went to the chain against the answer".to_string(),
        ("closed", Role::Client) => "the node is paid, the reserve is back".to_string(),
        ("closed", Role::Compute) => "paid, the stake is back".to_string(),
        ("slashed", Role::Client) => "reward, stake and reserve came to us".to_string(),
        ("slashed", Role::Compute) => "the stake went to the client".to_string(),
        ("refunded", _) => "the money is back: the settlement was never mined".to_string(),
        ("expired", _) => "nobody answered in time".to_string(),
        _ => String::new(),
    };
    let after = entry.time.saturating_sub(begun);
    format!("  {:<10} {:>4} s  block {:<6} {means}", entry.status, after, entry.height)
}

fn indent(text: &str) -> String {
    text.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}

fn verification(v: &VerificationView) -> String {
    let generated = v.generate_ms.map(|ms| format!(", generated in {ms} ms")).unwrap_or_default();
    let checked =
        format!("{} positions, {} ms on engine {}{generated}", v.positions_checked, v.verify_ms, printable(&v.engine));
    let mut lines = vec![match (v.mode, v.holds) {
        (Verify::None, _) => "  nothing was checked, as asked".to_string(),
        (Verify::Full, true) => format!("  every token is the model's: checked all {checked}"),
        (Verify::Spot, true) => format!("  continuity, integrity and truncation hold: checked {checked}"),
        (_, false) => format!("  THE ANSWER IS NOT THE MODEL'S: checked {checked}"),
    }];
    for w in v.wrong.iter().take(5) {
        let (found, expected) = (printable(&w.found_text), printable(&w.expected_text));
        lines.push(format!(
            "    position {}: the answer has {:?} (token {}), the model says {:?} (token {})",
            w.position, found, w.found, expected, w.expected
        ));
    }
    if v.wrong.len() > 5 {
        lines.push(format!("    and {} more", v.wrong.len() - 5));
    }
    if !v.problem.is_empty() {
        lines.push(format!("    {}", printable(&v.problem)));
    }
    lines.join("\n")
}

fn cost(job: &JobView) -> String {
    format!(
        "\n  changed our wallet by {} coins, of which {} miner's fees",
        signed_coins(job.change_units),
        coins(job.fees_units)
    )
}

fn list(jobs: &[JobView]) -> String {
    let row = |j: &JobView| {
        let since = j.timeline.first().map(|e| utc(e.time.into())).unwrap_or_default();
        let role = if j.role == Role::Client { "client" } else { "compute" };
        let mut start: String = printable(j.prompt.as_deref().unwrap_or("")).replace(['\n', '\t'], " ");
        if start.chars().count() > 30 {
            start = start.chars().take(29).chain(['…']).collect();
        }
        vec![j.id.clone(), since, role.into(), j.status.clone(), printable(&j.model), coins(j.reward_units), start]
    };
    table(
        &["job", "since (UTC)", "we are", "status", "model", ">reward", "prompt"],
        &jobs.iter().map(row).collect::<Vec<_>>(),
    )
}

fn show(job: &JobView) -> String {
    let mut head = vec![
        ("job", job.id.clone()),
        ("we are", if job.role == Role::Client { "client".into() } else { "compute".into() }),
        ("status", format!("{}{}", job.status, if job.over { "" } else { " (not over)" })),
        ("model", format!("{} ({})", printable(&job.model), job.model_root)),
        (
            "sampling",
            format!(
                "temperature {}/1000, top-k {}, top-p {}/1000000, seed {}",
                job.temperature,
                job.top_k,
                job.top_p,
                job.seed.map_or("?".into(), |s| s.to_string())
            ),
        ),
        ("tokens", format!("{} in, at most {} out", job.prompt_tokens, job.max_tokens)),
        (
            "money",
            format!(
                "reward {}, stake {}, reserve {}",
                coins(job.reward_units),
                coins(job.stake_units),
                coins(job.reserve_units)
            ),
        ),
    ];
    if let Some(peer) = &job.peer {
        head.push(("other side", peer.clone()));
    }
    if let Some(note) = &job.note {
        head.push(("note", printable(note)));
    }
    let begun = job.timeline.first().map_or(0, |e| e.time);
    let mut parts = vec![pairs(&head)];
    parts.push(job.timeline.iter().map(|e| step(e, begun, job) + "\n").collect());
    let waits = |height: Option<u32>| height.map_or("waits".to_string(), |h| format!("block {h}"));
    if !job.transactions.is_empty() {
        let line = |t: &crate::api::types::JobTransaction| format!("  {:<10} {} {}\n", t.kind, t.txid, waits(t.height));
        parts.push(job.transactions.iter().map(line).collect());
    }
    if let Some(prompt) = &job.prompt {
        parts.push(format!("  prompt\n{}\n", indent(&printable(prompt))));
    }
    if let Some(answer) = &job.answer {
        parts.push(format!("  answer\n{}\n", indent(&printable(answer))));
    }
    parts.extend(job.verification.as_ref().map(|v| verification(v) + "\n"));
    parts.push(cost(job).trim_start_matches('\n').to_string());
    parts.join("\n")
}
