//! The story of the demo, checked: three real processes, real blocks, a prompt paid for, answered and verified; and what
//! comes of a cheat and of silence.

use anyhow::{Context, Result, ensure};
use camelid_core::units::COIN;
use camelid_node::api::types::{JobSubmit, JobView, TransactionView, Verify};
use camelid_node::models::Place;
use camelid_tests::audit::{blocks, check_books, check_moves, moves, terms};
use camelid_tests::{Cluster, Role, job, random_package, reference_answer, run_command};
use std::path::PathBuf;
use std::process::Output;

const PROMPT: &str = "hello there, little dog";
/// Its greedy answers are long enough to have a middle.
const MODEL_SEED: u64 = 7;

/// `camelid job submit --json` with more arguments, run to its end.
async fn submit_by_hand(dir: PathBuf, args: &[&str]) -> Result<Output> {
    let dir = dir.display().to_string();
    let common = ["--network", "dev", "--data-dir", &dir, "--json", "job", "submit"];
    let args: Vec<String> = common.iter().chain(args).map(ToString::to_string).collect();
    tokio::task::spawn_blocking(move || run_command(args)).await?
}

fn words(view: &JobView) -> Vec<&str> {
    view.timeline.iter().map(|e| e.status.as_str()).collect()
}

/// Every transaction that a job view names is where the chain's routes say, and in the block of that height.
async fn check_places(cluster: &Cluster, view: &JobView) -> Result<()> {
    for item in &view.transactions {
        let tx: TransactionView = cluster.miner.get(&format!("/v1/chain/tx/{}", item.txid)).await?;
        let place = tx.block.with_context(|| format!("the {} is in no block", item.kind))?;
        ensure!(Some(place.height) == item.height && tx.kind == item.kind, "{tx:?} and {item:?}", tx = tx.txid);
        let block: camelid_node::api::types::BlockView =
            cluster.miner.get(&format!("/v1/chain/block/{}", place.height)).await?;
        ensure!(block.hash == place.hash && block.transactions.iter().any(|t| t.txid == item.txid));
    }
    let ids = |view: &JobView| view.transactions.iter().map(|t| t.txid.clone()).collect::<Vec<_>>();
    let theirs = cluster.job(Role::Compute, &view.id).await?;
    ensure!(ids(view) == ids(&theirs), "both sides see the same transactions");
    ensure!(view.settlement.as_ref() == ids(view).first() && view.end.as_ref() == ids(view).last());
    Ok(())
}

/// An honest job: the reference answer, checked as asked, settled and closed, and paid exactly once.
async fn check_honest(cluster: &Cluster, model: &Place, asked: &JobSubmit, view: &JobView) -> Result<()> {
    ensure!(view.status == "closed", "{view:#?}");
    let expected = reference_answer(model, asked)?;
    let answer = view.answer_tokens.as_ref().context("no answer")?;
    ensure!(*answer == expected, "answered {answer:?}, the reference pass says {expected:?}");
    ensure!(expected.len() > 3, "an answer of {} tokens shows little", expected.len());
    let told = words(view);
    for (status, wanted) in [
        ("created", true),
        ("accepted", true),
        ("completed", true),
        ("paid", true),
        ("delivered", true),
        ("verified", asked.verify != Verify::None),
        ("closed", true),
        ("rejected", false),
    ] {
        ensure!(told.contains(&status) == wanted, "{status}: {told:?}");
    }
    match (asked.verify, &view.verification) {
        (Verify::None, verification) => ensure!(verification.is_none(), "{verification:?}"),
        (mode, Some(v)) => {
            ensure!(v.mode == mode && v.holds && v.wrong.is_empty() && v.problem.is_empty(), "{v:?}");
            let (checked, all) = (v.positions_checked as usize, answer.len());
            ensure!(if mode == Verify::Full { checked == all } else { checked >= 3 && checked <= all }, "{v:?}");
        }
        (mode, None) => anyhow::bail!("{mode:?} checked nothing"),
    }
    check_places(cluster, view).await?;
    let chain = blocks(&cluster.client).await?;
    let kinds = moves(&chain, &view.id);
    ensure!(check_moves(&kinds)? == ["settle", "close"]);
    let theirs = cluster.job(Role::Compute, &view.id).await?;
    ensure!(theirs.change_units == view.reward_units as i64, "the node's wallet changed by {}", theirs.change_units);
    ensure!(
        view.change_units == -((view.reward_units + view.fees_units) as i64),
        "the client's: {}",
        view.change_units
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prompt_is_answered_paid_and_checked() -> Result<()> {
    let package = random_package(MODEL_SEED)?;
    let cluster = Cluster::start(Some(&package)).await?;
    let model = Place::File(package.to_path_buf());
    cluster.fund(4, 10).await?;
    let full = job(&cluster.model, PROMPT, 24, COIN);
    let sampled = JobSubmit { temperature: 900, top_k: 40, top_p: 950_000, seed: Some(11), ..full.clone() };
    let spot = JobSubmit { verify: Verify::Spot, prompt: "another prompt".into(), ..full.clone() };
    let unchecked = JobSubmit { verify: Verify::None, ..spot.clone() };
    // The first by hand: its JSON is for programs.
    let by_hand = async {
        let args = [
            "--model",
            "model",
            "--prompt",
            PROMPT,
            "--max-tokens",
            "24",
            "--seed",
            "1",
            "--reward",
            "1",
            "--verify",
            "full",
        ];
        submit_by_hand(cluster.client.dir().into(), &args).await
    };
    let others = async {
        let mut ids = Vec::new();
        for asked in [&sampled, &spot, &unchecked] {
            ids.push(cluster.submit(asked).await?.id);
        }
        let mut views = Vec::new();
        for id in ids {
            views.push(cluster.over(&id).await?);
        }
        anyhow::Ok(views)
    };
    // The command line does not wait for an offer of service: one is there once a job was taken.
    let views = others.await?;
    let output = by_hand.await?;
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.code() == Some(0), "{error}");
    let shown: JobView = serde_json::from_slice(&output.stdout).context("the JSON of `job submit`")?;
    ensure!(shown == cluster.job(Role::Client, &shown.id).await?, "what was printed is what the API says");

    check_honest(&cluster, &model, &full, &shown).await?;
    for (asked, view) in [&sampled, &spot, &unchecked].into_iter().zip(&views) {
        check_honest(&cluster, &model, asked, view).await?;
    }
    let differs = reference_answer(&model, &sampled)? != reference_answer(&model, &full)?;
    ensure!(differs, "sampling that draws the most likely tokens shows nothing");
    check_books(&cluster).await?;
    cluster.stop().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_cheats_or_falls_silent_gains_nothing_early() -> Result<()> {
    let package = random_package(MODEL_SEED)?;
    let cluster = Cluster::start(Some(&package)).await?;
    let model = Place::File(package.to_path_buf());
    cluster.fund(3, 10).await?;
    let base = job(&cluster.model, PROMPT, 24, COIN);

    cluster.cheat(Some("silent-after-payment")).await?;
    let silent_node = cluster.submit(&base).await?.id;
    cluster.reached(&silent_node, "accepted").await?;
    cluster.cheat(Some("alter-token")).await?;
    let dir: PathBuf = cluster.client.dir().into();
    let altered = tokio::spawn(async move {
        let args = ["--model", "model", "--prompt", PROMPT, "--max-tokens", "24", "--seed", "1", "--reward", "1"];
        submit_by_hand(dir, &args).await
    });
    let is_new = |j: &JobView| j.id != silent_node && j.timeline.iter().any(|e| e.status == "accepted");
    let altered_id = cluster
        .until("the altered job is accepted", async || {
            let jobs: Vec<JobView> = cluster.client.get("/v1/jobs").await.ok()?;
            jobs.into_iter().find(is_new).map(|j| j.id)
        })
        .await?;
    cluster.cheat(None).await?;
    let asked = JobSubmit { cheat: Some("silent-after-answer".into()), ..base.clone() };
    let silent_client = cluster.submit(&asked).await?.id;

    // The cheat is found where it is, and the client does not sign.
    let view = cluster.reached(&altered_id, "rejected").await?;
    let expected = reference_answer(&model, &base)?;
    let middle = expected.len() / 2;
    let check = view.verification.as_ref().context("no verification")?;
    let wrong = check.wrong.first().context("the altered token was not found")?;
    ensure!(!check.holds && check.positions_checked as usize == expected.len(), "{check:?}");
    ensure!(wrong.position as usize == middle, "{wrong:?}, altered was {middle}");
    ensure!((wrong.found, wrong.expected) == (expected[middle] ^ 1, expected[middle]), "{wrong:?}");
    let output = altered.await??;
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.code() == Some(1) && error.contains("the answer is wrong"), "{error}");
    ensure!(error.trim_end().lines().count() == 1, "{error}");
    let shown: JobView = serde_json::from_slice(&output.stdout)?;
    ensure!(shown.id == altered_id && !words(&shown).contains(&"verified"), "{:?}", words(&shown));

    let (paid, slashed) = (cluster.over(&silent_client).await?, cluster.over(&silent_node).await?);
    ensure!((paid.status.as_str(), slashed.status.as_str()) == ("closed", "slashed"));
    ensure!(paid.answer_tokens == Some(expected), "the answer came before the client fell silent");
    ensure!(slashed.answer_tokens.is_none());
    let chain = blocks(&cluster.miner).await?;
    for (view, kinds) in [
        (&paid, &["settle", "reveal", "finalize"][..]),
        (&slashed, &["settle", "demand", "claim"]),
        (&shown, &["settle", "reveal", "finalize"]),
    ] {
        let moves = moves(&chain, &view.id);
        ensure!(check_moves(&moves)? == kinds, "{:?}", moves.iter().map(|m| &m.kind).collect::<Vec<_>>());
        check_places(&cluster, view).await?;
        let (terms, settled) = (terms(&moves[0].tx)?, moves[0].height);
        if kinds[1] == "reveal" {
            // The client had time to close first: the node reveals in the last blocks of the period.
            let earliest = settled + u32::from(terms.periods.reveal) - 4;
            ensure!(moves[1].height >= earliest, "revealed at {}, settled at {settled}", moves[1].height);
        }
    }
    // The silent node lost its stake to the client, who paid nothing but fees.
    let theirs = cluster.job(Role::Compute, &silent_node).await?;
    ensure!(theirs.change_units == -(slashed.stake_units as i64), "{}", theirs.change_units);
    ensure!(slashed.change_units == slashed.stake_units as i64 - slashed.fees_units as i64, "{slashed:#?}");
    check_books(&cluster).await?;
    cluster.stop().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_programs_own_model_answers() -> Result<()> {
    let cluster = Cluster::start(None).await?;
    cluster.fund(1, 10).await?;
    let asked = job(&cluster.model, "Once upon a time, there was a little dog", 60, COIN);
    let view = cluster.submit(&asked).await?;
    let view = cluster.over(&view.id).await?;
    check_honest(&cluster, &Place::Program, &asked, &view).await?;
    ensure!(view.answer.as_deref().is_some_and(|text| text.len() > 60), "{:?}", view.answer);
    // Without `--model` a job asks for it.
    let args = ["--prompt", "One day, a cat", "--max-tokens", "20", "--reward", "0.5"];
    let output = submit_by_hand(cluster.client.dir().to_path_buf(), &args).await?;
    let view: JobView =
        serde_json::from_slice(&output.stdout).with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    ensure!(cluster.over(&view.id).await?.status == "closed", "{view:#?}");
    check_books(&cluster).await?;
    cluster.stop().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_model_answers() -> Result<()> {
    let name = "the_first_model_answers";
    let Some(checkpoint) = camelid_test_support::shared_data(name, "stories260k/stories260K.bin") else {
        return Ok(());
    };
    let cluster = Cluster::start(Some(&checkpoint)).await?;
    cluster.fund(1, 10).await?;
    let asked = job(&cluster.model, "Once upon a time, there was a little dog", 60, COIN);
    let view = cluster.submit(&asked).await?;
    let view = cluster.over(&view.id).await?;
    let model = Place::File(cluster.client.dir().join("models").join("model.camelid"));
    check_honest(&cluster, &model, &asked, &view).await?;
    ensure!(view.answer.as_deref().is_some_and(|text| text.len() > 60), "{:?}", view.answer);
    check_books(&cluster).await?;
    cluster.stop().await
}
